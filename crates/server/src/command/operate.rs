//! `lapwingd backup|restore|rekey|kek|check`: what an operator does beside serving.

use super::Data;
use anyhow::Context;
use clap::{Args, Subcommand};
use server::{
    app::{Clock as _, Random as _},
    instance::{
        InstanceError, database, key_files,
        system::{SystemClock, SystemRandom},
    },
    ops::{self, DataDirectory},
    seal::KeyId,
    store::sqlite::SqliteStore,
};
use std::{
    fs::OpenOptions,
    io::{Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
    sync::Arc,
};
use zeroize::Zeroizing;

/// Envelopes that are wrapped anew in one transaction.
const REKEY_BATCH: u32 = 500;

#[derive(Debug, Args)]
pub(crate) struct Backup {
    #[command(flatten)]
    data: Data,
    /// The file to write; it must not exist. It never holds a key-encryption key
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The backup
    #[arg(value_name = "FILE")]
    backup: PathBuf,
    #[command(flatten)]
    data: Data,
}

#[derive(Debug, Args)]
pub(crate) struct Rekey {
    #[command(flatten)]
    data: Data,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    data: Data,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Kek {
    /// Write the key directory, encrypted to an age recipient; keep it away from the backups
    Export {
        #[command(flatten)]
        data: Data,
        /// The recipient, age1…
        #[arg(long, value_name = "RECIPIENT")]
        to: String,
        /// The file to write; it must not exist. Standard output if absent
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Take keys from an export that was decrypted with age, on standard input
    Import {
        #[command(flatten)]
        data: Data,
    },
}

fn fill(bytes: &mut [u8]) -> std::io::Result<()> {
    SystemRandom.fill(bytes).map_err(std::io::Error::other)
}

fn ids(keys: &[KeyId]) -> String {
    keys.iter().map(KeyId::to_string).collect::<Vec<_>>().join(", ")
}

pub(crate) async fn backup(arguments: Backup) -> anyhow::Result<()> {
    let data = DataDirectory::new(&arguments.data.data);
    let made = ops::backup(&data, &arguments.to, SystemClock.now(), &mut fill).await?;
    println!("backup       {} ({} bytes)", arguments.to.display(), made.bytes);
    println!("devices      {}", made.counts.devices_enabled + made.counts.devices_disabled);
    println!("audit        record {} of chain {}", made.audit_head.sequence, made.audit_head.chain);
    eprintln!(
        "A restore needs the key-encryption keys {}, which are not in it: lapwingd kek export --to age1… --data {}",
        ids(&made.keys),
        data.root().display()
    );
    Ok(())
}

pub(crate) async fn restore(arguments: Restore) -> anyhow::Result<()> {
    let data = DataDirectory::new(&arguments.data.data);
    let restored = ops::restore(&arguments.backup, &data, SystemClock.now(), &mut fill).await?;
    println!("restored     {} from the backup of {}", data.root().display(), restored.backup_at);
    println!("incarnation  {}", restored.incarnation);
    println!("devices      {}", restored.counts.devices_enabled + restored.counts.devices_disabled);
    eprintln!("\nWhat cannot be known from a backup:");
    for sentence in restored.unknown() {
        eprintln!("- {sentence}");
    }
    eprintln!("\nNext: lapwingd check --data {0}, then lapwingd run --data {0}", data.root().display());
    Ok(())
}

pub(crate) async fn rekey(arguments: Rekey) -> anyhow::Result<()> {
    let data = &arguments.data.data;
    let store = SqliteStore::open(&database(data)).map_err(InstanceError::from)?;
    let keys = Arc::new(key_files(data));
    let progress = |done: u64| tracing::info!(done, "envelopes wrapped anew");
    let done = ops::rekey(&store, &keys, REKEY_BATCH, SystemClock.now(), &mut fill, progress).await?;
    if done.resumed {
        eprintln!("a rekey that was broken off is finished");
    }
    println!("active key   {}", done.active);
    println!("wrapped anew {}", done.rewrapped);
    println!("retired      {}", if done.retired.is_empty() { "none".to_owned() } else { ids(&done.retired) });
    eprintln!(
        "The files of retired keys are still needed for backups of before. Export the keys again: lapwingd kek export"
    );
    Ok(())
}

pub(crate) async fn kek(command: Kek) -> anyhow::Result<()> {
    match command {
        Kek::Export { data, to, out } => {
            let directory = DataDirectory::new(&data.data);
            let sealed = ops::export_keys(&directory.keys(), &to)?;
            ops::record_key_export(&directory, &to, SystemClock.now(), &mut fill).await?;
            match out {
                None => std::io::stdout().write_all(&sealed)?,
                Some(path) => {
                    let mut options = OpenOptions::new();
                    let file = options.write(true).create_new(true).mode(0o600).open(&path);
                    let mut file = file.with_context(|| format!("{} could not be made", path.display()))?;
                    file.write_all(&sealed)?;
                    file.sync_all()?;
                    eprintln!("written to {}; it opens with: age --decrypt -i KEY {0}", path.display());
                }
            }
        }
        Kek::Import { data } => {
            let mut text = Zeroizing::new(String::new());
            std::io::stdin().take(1 << 20).read_to_string(&mut text).context("keys on standard input")?;
            let written = ops::import_keys(&DataDirectory::new(&data.data).keys(), &text)?;
            println!("keys written {written}");
        }
    }
    Ok(())
}

pub(crate) async fn check(arguments: Check) -> anyhow::Result<()> {
    let data = DataDirectory::new(&arguments.data.data);
    let checked = ops::check(&data, &Arc::new(key_files(data.root()))).await?;
    println!("devices      {}", checked.counts.devices_enabled + checked.counts.devices_disabled);
    println!("passwords    {} current, {} pending", checked.counts.versions_current, checked.counts.versions_pending);
    for head in &checked.audit_heads {
        println!("audit        chain {} verifies up to record {}", head.chain, head.sequence);
    }
    println!(
        "keys opened  {}",
        if checked.keys_opened.is_empty() { "none in use".to_owned() } else { ids(&checked.keys_opened) }
    );
    for finding in &checked.findings {
        eprintln!("{}: {}", finding.code, finding.text);
    }
    anyhow::ensure!(checked.findings.is_empty(), "{} findings", checked.findings.len());
    eprintln!("all is well");
    Ok(())
}
