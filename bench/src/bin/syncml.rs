//! (c): a document of 30 commands (17 Replace, 12 Get, an Exec) read, checked against the table of settings and carried
//! out on a tree, against quick-xml that only walks over the tokens of the same bytes.

use anyhow::{Result, ensure};
use bench::{Aim, cpu_us_each, print_pair};
use laps::csp::{Options, Rights, Tree, Volatile};
use proto::dm::dispatch::{Dispatcher, Executor as _};
use proto::dm::{Limits, Mode, read};
use quick_xml::{Reader, events::Event};
use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Duration;

fn main() -> Result<()> {
    let document = document()?;
    let (read_ok, carried_out) = carry_out(document.as_bytes())?;
    ensure!((read_ok, carried_out) == (30, 30), "{read_ok} commands read, {carried_out} carried out; expected 30");
    let rounds = bench::number("rounds", 5);
    let slice = Duration::from_millis(bench::number("milliseconds", 500));
    let (mut ours, mut reading, mut peer) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(cpu_us_each(slice, || _ = black_box(carry_out(black_box(document.as_bytes())))));
        reading.push(cpu_us_each(slice, || {
            _ = black_box(read(black_box(document.as_bytes()), Mode::Wire, &Limits::default()));
        }));
        peer.push(cpu_us_each(slice, || _ = black_box(tokens(black_box(&document)))));
    }
    let what = "SyncML 30 commands: read and carried out against bare tokens";
    print_pair("c", what, "us", &ours, &peer, Aim::AtMost(1.5));
    println!(
        "# of which reading alone: {:.1} us; {} bytes, {} tokens",
        bench::quantile(&mut reading, 0.5),
        document.len(),
        tokens(&document)?
    );
    Ok(())
}

/// How many commands were read, and how many of them succeeded.
fn carry_out(document: &[u8]) -> Result<(usize, usize)> {
    let message = read(document, Mode::Wire, &Limits::default())?;
    let mut tree = Tree::new(Options::default());
    let mut storage = Volatile;
    let mut dispatcher = Dispatcher::new(&mut tree, &mut storage, Rights::ALL);
    let answers = dispatcher.execute(&message.commands);
    Ok((message.commands.len(), answers.iter().filter(|answer| answer.status < 300).count()))
}

fn tokens(document: &str) -> Result<usize> {
    let mut reader = Reader::from_str(document);
    let mut count = 0;
    loop {
        match reader.read_event()? {
            Event::Eof => return Ok(count),
            event => {
                black_box(&event);
                count += 1;
            }
        }
    }
}

/// Name, format and value of each policy setting that the document replaces.
const SETTINGS: [(&str, &str, &str); 17] = [
    ("BackupDirectory", "int", "1"),
    ("PasswordAgeDays", "int", "7"),
    ("PasswordComplexity", "int", "4"),
    ("PasswordLength", "int", "32"),
    ("AdministratorAccountName", "chr", "ContosoLocalLapsAdmin"),
    ("PostAuthenticationResetDelay", "int", "8"),
    ("PostAuthenticationActions", "int", "3"),
    ("PasswordExpirationProtectionEnabled", "bool", "True"),
    ("ADPasswordEncryptionEnabled", "bool", "True"),
    ("ADPasswordEncryptionPrincipal", "chr", "LAPSAdmins@contoso.com"),
    ("ADEncryptedPasswordHistorySize", "int", "6"),
    ("PassphraseLength", "int", "6"),
    ("AutomaticAccountManagementEnabled", "bool", "true"),
    ("AutomaticAccountManagementEnableAccount", "bool", "true"),
    ("AutomaticAccountManagementNameOrPrefix", "chr", "WLapsAdmin"),
    ("AutomaticAccountManagementRandomizeName", "bool", "false"),
    ("AutomaticAccountManagementTarget", "int", "1"),
];

fn document() -> Result<String> {
    let root = "./Device/Vendor/MSFT/LAPS";
    let mut out = String::from(
        "<SyncML xmlns=\"SYNCML:SYNCML1.2\">\n  <SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
         <SessionID>1</SessionID><MsgID>1</MsgID><Target><LocURI>urn:uuid:3f2504e0-4f89-11d3-9a0c-0305e82c3301</LocURI></Target>\
         <Source><LocURI>https://localhost/mdm</LocURI></Source></SyncHdr>\n  <SyncBody>\n",
    );
    let mut id = 0;
    let mut command = |verb: &str, node: &str, rest: &str| -> Result<()> {
        id += 1;
        writeln!(
            out,
            "    <{verb}>\n      <CmdID>{id}</CmdID>\n      <Item>\n        <Target>\n          <LocURI>{root}/{node}</LocURI>\n        \
             </Target>\n{rest}      </Item>\n    </{verb}>"
        )?;
        Ok(())
    };
    for (name, format, value) in SETTINGS {
        let rest = format!(
            "        <Meta>\n          <Format xmlns=\"syncml:metinf\">{format}</Format>\n          \
             <Type xmlns=\"syncml:metinf\">text/plain</Type>\n        </Meta>\n        <Data>{value}</Data>\n"
        );
        command("Replace", &format!("Policies/{name}"), &rest)?;
    }
    for (name, _, _) in SETTINGS.iter().take(12) {
        command("Get", &format!("Policies/{name}"), "")?;
    }
    command("Exec", "Actions/ResetPassword", "")?;
    out.push_str("    <Final/>\n  </SyncBody>\n</SyncML>\n");
    Ok(out)
}
