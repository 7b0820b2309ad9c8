//! Backs one password up to Active Directory again and again over one sealed connection, each time with another version:
//! `directory --domain NAME --dns IP:PORT --account NAME$ --count N`. The keytab is in the environment, as
//! `ad::keytab_environment` says. Also writes the same changes as LDIF (`--ldif FILE`), for `ldapmodify`.
//!
//! What is timed is what a backup sends and waits for: N modifies, connection and bind apart.

use ad::{Connection, Credential, Dns, Security, Settings};
use anyhow::{Context as _, Result, bail};
use laps::{
    active_directory::{Attribute, Change, Former, Update, VersionChange, WantedForm, guid_bytes},
    id::VersionId,
};
use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

/// Bytes of an ordinary encrypted value (laps-behaviour.md 7.5).
const VALUE_BYTES: usize = 1_272;

fn option(name: &str) -> Result<String> {
    let mut words = std::env::args().skip_while(|word| word != name);
    words.nth(1).with_context(|| format!("{name} is missing"))
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(bytes)
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().chain([0, 0].iter()).take(3).fold(0_usize, |word, byte| word << 8 | usize::from(*byte));
        for index in 0..4 {
            text.push(if index <= chunk.len() { char::from(ALPHABET[word >> (18 - 6 * index) & 63]) } else { '=' });
        }
    }
    text
}

fn ldif(dn: &str, update: &Update) -> String {
    let mut text = format!("dn: {dn}\nchangetype: modify\n");
    for change in &update.changes {
        let name = change.attribute.name();
        let _ = writeln!(text, "replace: {name}");
        for value in &change.values {
            let _ = writeln!(text, "{name}:: {}", base64(value));
        }
        text.push_str("-\n");
    }
    if let Some(version) = update.version {
        let name = Attribute::CurrentPasswordVersion.name();
        let mut part = |verb: &str, id: VersionId| {
            let _ = write!(text, "{verb}: {name}\n{name}:: {}\n-\n", base64(&guid_bytes(id)));
        };
        if let Former::Version(from) = version.from {
            part("delete", from);
            part("add", version.to);
        } else {
            part("replace", version.to);
        }
    }
    text.push('\n');
    text
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let (domain, account) = (option("--domain")?, option("--account")?);
    let count: usize = option("--count")?.parse()?;
    let keytab = std::env::var("KRB5_CLIENT_KTNAME").context("KRB5_CLIENT_KTNAME")?;
    let settings = Settings {
        realm: None,
        server: None,
        site: None,
        security: Security::Sealed,
        credential: Credential::Keytab {
            path: keytab.trim_start_matches("FILE:").into(),
            principal: Some(format!("{account}@{}", domain.to_ascii_uppercase())),
        },
        timeout: Duration::from_secs(15),
        dns: Dns::Server(option("--dns")?.parse()?),
        domain,
    };
    let mut connection = Connection::open(&settings, None).await?;
    let found = connection.computer(&account, &WantedForm::Encrypted { principal: None }).await?;
    let mut from = found.object.version.map_or(Former::NoneSeen, Former::Version);
    let mut updates = Vec::new();
    for at in 0..count as u64 {
        let to = VersionId::from_random_bytes(random()?);
        let value = |byte| vec![byte; VALUE_BYTES];
        let changes = vec![
            Change { attribute: Attribute::EncryptedPassword, values: vec![[value(1), random::<16>()?.to_vec()].concat()] },
            Change { attribute: Attribute::EncryptedPasswordHistory, values: vec![value(2), value(3)] },
            Change { attribute: Attribute::PasswordExpirationTime, values: vec![(at + 1).to_string().into_bytes()] },
        ];
        updates.push(Update { changes, version: Some(VersionChange { from, to }) });
        from = Former::Version(to);
    }
    if let Ok(path) = option("--ldif") {
        let text: String = updates.iter().map(|update| ldif(&found.dn, update)).collect();
        std::fs::write(path, text)?;
        return Ok(());
    }
    let begun = Instant::now();
    for update in &updates {
        connection.modify(&found.dn, update).await?;
    }
    let took = begun.elapsed();
    if took.is_zero() {
        bail!("no time passed");
    }
    println!("{:.1}", count as f64 / took.as_secs_f64());
    Ok(())
}
