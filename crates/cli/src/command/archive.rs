//! An escrow archive as a file: checked before anything in it is believed, read line by line.

use crate::failure::Failure;
use age::{Decryptor, Identity, x25519};
use aws_lc_rs::{
    digest::{self, SHA256},
    signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey},
};
use proto::escrow::{ARCHIVE_BYTES_MAX, Entry, HEAD_BYTES_MAX, Head, LINE_BYTES_MAX, Opening, read_line, statement};
use proto::hex;
use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom},
    path::Path,
};
use zeroize::Zeroizing;

/// An archive whose head was read.
pub(crate) struct Archive {
    file: File,
    head: Head,
    name: String,
}

/// An archive whose digest, size and signature are right.
pub(crate) struct Checked(Archive);

/// What stood in an archive.
pub(crate) struct Reading {
    pub(crate) opening: Opening,
    /// In the order of the archive: by device, best first.
    pub(crate) entries: Vec<Entry>,
    pub(crate) devices: u64,
}

fn damaged(name: &str, code: &str, text: impl std::fmt::Display) -> Failure {
    Failure::failed(code, format!("{name}: {text}")).next("take another copy of the archive, or an older one")
}

impl Archive {
    /// Opens the file and reads its head; nothing of it is believed yet.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let unread = |error: std::io::Error| {
            Failure::failed("archive_unread", format!("{name}: {error}")).next("name the file of an escrow archive")
        };
        let mut file = File::open(path).map_err(unread)?;
        let bytes = file.metadata().map_err(unread)?.len();
        if bytes > (ARCHIVE_BYTES_MAX + HEAD_BYTES_MAX + (1 << 20)) as u64 {
            return Err(damaged(&name, "archive_damaged", "it is larger than any archive"));
        }
        let mut start = Vec::new();
        file.by_ref().take(HEAD_BYTES_MAX as u64).read_to_end(&mut start).map_err(unread)?;
        let head = Head::read(&start).map_err(|error| damaged(&name, "archive_damaged", error))?;
        Ok(Self { file, head, name })
    }

    /// Size, digest and signature; with `known`, the server's key as it is known from elsewhere.
    pub(crate) fn checked(mut self, known: Option<&str>) -> Result<Checked, Failure> {
        let manifest = &self.head.manifest;
        let own = hex::decode(&manifest.public_key).unwrap_or_default();
        if let Some(known) = known
            && hex::decode(known.trim()).is_none_or(|known| known != own)
        {
            return Err(damaged(
                &self.name,
                "archive_foreign",
                "it was signed with another key than that of the server that you named",
            ));
        }
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &own)
            .verify(&statement(&self.head.manifest_line), &self.head.signature)
            .map_err(|_| damaged(&self.name, "archive_forged", "its signature is not that of its key"))?;
        let unread = |error: std::io::Error| Failure::failed("archive_unread", format!("{}: {error}", self.name));
        self.file.seek(SeekFrom::Start(self.head.bytes as u64)).map_err(unread)?;
        let (mut context, mut bytes) = (digest::Context::new(&SHA256), 0_u64);
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = self.file.read(&mut buffer).map_err(unread)?;
            if read == 0 {
                break;
            }
            context.update(&buffer[..read]);
            bytes += read as u64;
        }
        let payload = hex::encode(context.finish().as_ref());
        if bytes != manifest.payload_bytes || payload != manifest.payload_sha256 {
            let text = format!(
                "it was cut or changed: {bytes} bytes are sealed in it, signed were {}",
                manifest.payload_bytes
            );
            return Err(damaged(&self.name, "archive_damaged", text));
        }
        Ok(Checked(self))
    }
}

impl Checked {
    pub(crate) const fn head(&self) -> &Head {
        &self.0.head
    }

    /// Opens it with the identities of a file and reads every entry.
    pub(crate) fn read(mut self, identities: &Path) -> Result<Reading, Failure> {
        let identities = identities_of(identities)?;
        let Archive { file, head, name } = &mut self.0;
        let unread = |error: std::io::Error| damaged(name, "archive_damaged", error);
        file.seek(SeekFrom::Start(head.bytes as u64)).map_err(unread)?;
        let decryptor = Decryptor::new_buffered(BufReader::new(file)).map_err(|error| {
            damaged(name, "archive_damaged", format!("what is sealed in it is no age file: {error}"))
        })?;
        let own = identities.iter().map(|identity| identity as &dyn Identity);
        let reader = decryptor.decrypt(own).map_err(|error| {
            Failure::refused("archive_not_for_you", format!("{name}: no identity of the key file opens it: {error}"))
                .next(format!("take the identity of one of its recipients: {}", head.manifest.recipients.join(", ")))
        })?;
        let mut reader = BufReader::new(reader);
        let mut next_line = |number: u64| -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
            // Large enough at once: growing would leave copies of a password behind.
            let mut line = Zeroizing::new(Vec::with_capacity(LINE_BYTES_MAX + 1));
            reader.by_ref().take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut line).map_err(unread)?;
            match line.pop() {
                None => Ok(None),
                Some(b'\n') => Ok(Some(line)),
                Some(_) => Err(damaged(name, "archive_damaged", format!("line {number} is cut or too long"))),
            }
        };
        let bad = |error: proto::escrow::NotAnArchive| damaged(name, "archive_damaged", error);
        let first = next_line(0)?.ok_or_else(|| damaged(name, "archive_damaged", "nothing is sealed in it"))?;
        let opening: Opening = read_line(&first, 0).map_err(bad)?;
        let (mut entries, mut devices) = (Vec::new(), BTreeSet::new());
        while let Some(line) = next_line(entries.len() as u64 + 1)? {
            let entry: Entry = read_line(&line, entries.len() as u64 + 1).map_err(bad)?;
            devices.insert(entry.device);
            entries.push(entry);
        }
        let (devices, versions) = (devices.len() as u64, entries.len() as u64);
        let manifest = &head.manifest;
        if opening.export != manifest.export || (devices, versions) != (manifest.devices, manifest.versions) {
            let text = format!(
                "{versions} passwords of {devices} machines are sealed in it, and its head names {} of {}",
                manifest.versions, manifest.devices
            );
            return Err(damaged(name, "archive_damaged", text));
        }
        Ok(Reading { opening, entries, devices })
    }
}

fn identities_of(path: &Path) -> Result<Vec<x25519::Identity>, Failure> {
    let wrong = |text: String| {
        Failure::wrong_use("identity_unusable", format!("{}: {text}", path.display()))
            .next("name a file that age-keygen wrote: a line AGE-SECRET-KEY-1…")
    };
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let identities: Result<Vec<_>, _> = lines.map(str::parse::<x25519::Identity>).collect();
    match identities {
        Ok(identities) if !identities.is_empty() => Ok(identities),
        Ok(_) => Err(wrong("there is no identity in it".into())),
        Err(_) => Err(wrong("a line is no age identity".into())),
    }
}
