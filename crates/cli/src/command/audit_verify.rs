//! `audit verify`: an exported log, or the log as it is, against the server's key and the heads that machines keep.

use crate::{
    arguments::{Form, Globals},
    failure::Failure,
    output, session,
};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use clap::Args;
use proto::audit::{ExportVerifier, Fault, Head, Part, compare_with_head};
use serde_json::json;
use std::{
    fs,
    io::{self, BufRead, BufReader},
    path::PathBuf,
};

/// Longest line of an export, bytes.
const LINE_BYTES_MAX: u64 = 4 * 1024 * 1024;

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// An exported file (JSON lines); `-` is standard input. Without it the log is taken from the server
    file: Option<PathBuf>,
    /// The public key that the log must be signed with: what `lapwing audit key` printed, or a file of it
    #[arg(long, value_name = "KEY|FILE")]
    key: Option<String>,
    /// A head that was kept elsewhere, such as by a machine (`lapwing-agent status`); may be named several times
    #[arg(long, value_name = "HEAD")]
    head: Vec<String>,
}

fn is_signed(key: &[u8], statement: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key).verify(statement, signature).is_ok()
}

fn broken(fault: &Fault) -> Failure {
    Failure::failed("audit_log_broken", format!("the audit log is not whole: {fault}")).next(
        "compare with the heads that machines keep (lapwing-agent status), and look who could write to the server",
    )
}

type Verifier = ExportVerifier<fn(&[u8], &[u8], &[u8]) -> bool>;

/// `lapwing audit verify`.
pub(crate) async fn run(globals: &Globals, verify: &Verify) -> Result<(), Failure> {
    let trusted = verify.key.as_deref().map(trusted_key).transpose()?;
    let heads = verify
        .head
        .iter()
        .map(|text| {
            Head::parse(text).map_err(|error| {
                Failure::wrong_use("head_malformed", error.to_string())
                    .next("copy the whole line: lapwing-agent status")
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let pinned = trusted.is_some();
    let mut verifier: Verifier = ExportVerifier::new(trusted, is_signed);
    match &verify.file {
        Some(file) => take_file(&mut verifier, file)?,
        None => take_server(globals, &mut verifier).await?,
    }
    for head in &heads {
        if !verifier.is_signed(head) {
            let what = "the head that was given is not signed with this key";
            return Err(broken(&Fault { place: format!("record {}", head.sequence), what: what.into() }));
        }
    }
    let keys = verifier.keys().to_vec();
    let parts = verifier.finish().map_err(|fault| broken(&fault))?;
    for head in &heads {
        compare_with_head(&parts, head).map_err(|fault| broken(&fault))?;
    }
    report(globals, &parts, heads.len(), &keys, pinned)
}

fn take_file(verifier: &mut Verifier, file: &PathBuf) -> Result<(), Failure> {
    let unreadable = |error: io::Error| {
        Failure::failed("file_unreadable", format!("{}: {error}", file.display())).next("lapwing audit export -O FILE")
    };
    let mut reader: Box<dyn BufRead> = if file.as_os_str() == "-" {
        Box::new(BufReader::new(io::stdin()))
    } else {
        Box::new(BufReader::new(fs::File::open(file).map_err(unreadable)?))
    };
    loop {
        let mut line = String::new();
        let read = io::Read::take(&mut reader, LINE_BYTES_MAX).read_line(&mut line).map_err(unreadable)?;
        if read == 0 {
            return Ok(());
        }
        verifier.take(&line).map_err(|fault| broken(&fault))?;
    }
}

async fn take_server(globals: &Globals, verifier: &mut Verifier) -> Result<(), Failure> {
    let signed_in = session::signed_in(globals).await?;
    let mut next = None;
    loop {
        let page = signed_in.audit_export(None, None, next.as_deref()).await?;
        for line in &page.value {
            let text = serde_json::to_string(line)
                .map_err(|error| Failure::failed("output_failed", format!("a record cannot be read: {error}")))?;
            verifier.take(&text).map_err(|fault| broken(&fault))?;
        }
        next = page.next_link;
        if next.is_none() {
            return Ok(());
        }
    }
}

fn trusted_key(given: &str) -> Result<Vec<u8>, Failure> {
    let text = if given.len() == 130 { given.to_owned() } else { fs::read_to_string(given).unwrap_or_default() };
    let digits = text.trim();
    let bytes: Option<Vec<u8>> = (digits.len() == 130 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .then(|| (0..130).step_by(2).filter_map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok()).collect());
    bytes.ok_or_else(|| {
        Failure::wrong_use("key_malformed", "the key is neither 130 hexadecimal digits nor a file that holds them")
            .next("lapwing audit key")
    })
}

fn report(globals: &Globals, parts: &[Part], heads: usize, keys: &[String], pinned: bool) -> Result<(), Failure> {
    let records: usize = parts.iter().map(|part| part.hashes.len()).sum();
    if globals.output == Form::Json {
        let parts: Vec<_> = parts
            .iter()
            .map(|part| {
                json!({
                    "tenant": part.tenant.to_string(), "chain": part.end.chain, "after": part.after.sequence,
                    "pruned": part.pruned, "end": part.end.to_string(),
                })
            })
            .collect();
        return output::json(&json!({"records": records, "parts": parts, "headsCompared": heads, "keys": keys}));
    }
    output::text(&format!("{records} records, none missing, none changed\n"))?;
    for part in parts {
        match part.after.sequence {
            0 => output::text(&format!("chain {}: from its first record", part.end.chain))?,
            after if part.pruned => output::text(&format!(
                "chain {}: behind record {after}; those before were pruned, and their checkpoint is signed",
                part.end.chain
            ))?,
            after => output::text(&format!("chain {}: behind record {after}", part.end.chain))?,
        }
        output::text(&format!(" to record {}\nsigned head: {}\n", part.end.sequence, part.end))?;
    }
    if heads > 0 {
        output::text(&format!("{heads} heads that were kept elsewhere are in it\n"))?;
    }
    if !pinned {
        output::message(
            "the key is the one that the log names itself; name the one that you keep: --key, lapwing audit key",
        );
    }
    Ok(())
}
