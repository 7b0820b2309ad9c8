//! `ad recover`: passwords from a domain database, when no domain controller is up.

use super::get::print;
use crate::{arguments::Globals, failure::Failure};
use ad::{
    admin::password::{Decryption, Source},
    offline::{self, Database},
};
use std::{
    fs,
    io::{self, Read as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    process::Command,
};
use zeroize::Zeroizing;

/// `lapwing ad recover`.
pub(super) fn recover(
    globals: &Globals,
    database: Option<&Path>,
    exports: &[PathBuf],
    computers: &[String],
    history: bool,
) -> Result<(), Failure> {
    let mut found = Database::default();
    for export in exports {
        let text = read(export).map_err(|error| unreadable(export, &error))?;
        add(&mut found, export, &text)?;
    }
    if let Some(database) = database {
        for (part, text) in partitions(database)? {
            add(&mut found, &part, &text)?;
        }
    }
    let (computers_found, root_keys) = found.counts();
    if computers_found == 0 {
        return Err(Failure::not_found("ad_database_empty", "there is no computer in what was read")
            .next("name the domain's partition, or an export of it with the attributes of computers"));
    }
    if root_keys == 0 {
        crate::output::message(
            "no root key was read: encrypted passwords stay closed; add the configuration partition, or an export of \
             CN=Master Root Keys,CN=Group Key Distribution Service,CN=Services,CN=Configuration,… made by a domain \
             administrator",
        );
    }
    let mut readings = Vec::new();
    if computers.is_empty() {
        readings = found.passwords(history);
    }
    for computer in computers {
        readings.extend(found.password_of(computer, history)?);
    }
    print(globals.output, &readings)?;

    let closed = readings.iter().filter_map(|one| match &one.decryption {
        Decryption::Error(error) => Some(format!("{}: the password cannot be decrypted: {error}", one.computer)),
        _ => None,
    });
    let missing = readings.iter().filter(|one| one.source == Source::PasswordMissing);
    let missing = missing.map(|one| format!("{} has no password in the database", one.computer));
    if let Some(message) = closed.into_iter().next() {
        return Err(Failure::failed("ad_decryption_failed", message)
            .next("look for a backup that has the root key of that time"));
    }
    match missing.into_iter().next().filter(|_| !computers.is_empty()) {
        Some(message) => Err(Failure::not_found("password_none", message)),
        None if readings.is_empty() => {
            Err(Failure::not_found("password_none", format!("none of {computers_found} computers has a password")))
        }
        None => Ok(()),
    }
}

fn add(found: &mut Database, from: &Path, text: &str) -> Result<(), Failure> {
    found.add_ldif(text).map_err(|error| {
        Failure::failed("ad_ldif_malformed", format!("{}: {error}", from.display()))
            .next("export it again, with base64 for what is no text")
    })
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::failed("ad_database_unreadable", format!("{} cannot be read: {error}", path.display()))
}

fn read(path: &Path) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    if path == Path::new("-") {
        io::stdin().lock().read_to_string(&mut text)?;
    } else {
        fs::File::open(path)?.read_to_string(&mut text)?;
    }
    Ok(text)
}

/// The objects of each partition of Samba's database, as ldbsearch prints them.
fn partitions(database: &Path) -> Result<Vec<(PathBuf, Zeroizing<String>)>, Failure> {
    // sam.ldb itself names the partitions; they lie in the folder beside it.
    let folder = if database.is_dir() { database.to_owned() } else { database.with_added_extension("d") };
    let files: io::Result<Vec<PathBuf>> =
        fs::read_dir(&folder).and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect());
    let mut files = files.map_err(|error| {
        unreadable(&folder, &error).next("name Samba's private/sam.ldb, or the folder sam.ldb.d that lies beside it")
    })?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "ldb"));
    files.sort();
    if files.is_empty() {
        return Err(Failure::not_found("ad_database_empty", format!("{} has no partition (*.ldb)", folder.display())));
    }
    files.into_iter().map(|file| partition(&file).map(|text| (file, text))).collect()
}

/// ldbsearch opens for writing, and finishes a transaction that a crash cut off: so it gets a copy.
fn partition(file: &Path) -> Result<Zeroizing<String>, Failure> {
    let copy = Copy::of(file).map_err(|error| unreadable(file, &error))?;
    let output =
        Command::new("ldbsearch").arg("-H").arg(&copy.file).arg(offline::FILTER).args(offline::attributes()).output();
    let output = output.map_err(|error| {
        Failure::failed("ldbsearch_missing", format!("ldbsearch cannot be run: {error}"))
            .next("install it (Debian: ldb-tools), or export the database with it elsewhere and use --ldif")
    })?;
    let text = Zeroizing::new(output.stdout);
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Failure::failed(
            "ad_database_unreadable",
            format!("{}: ldbsearch failed: {reason}", file.display()),
        ));
    }
    let text = core::str::from_utf8(&text).map_err(|_| {
        Failure::failed("ad_ldif_malformed", format!("{}: what ldbsearch printed is no text", file.display()))
    })?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// A copy in a folder that only its owner can enter; gone when dropped.
struct Copy {
    folder: PathBuf,
    file: PathBuf,
}

impl Copy {
    fn of(file: &Path) -> io::Result<Self> {
        let mut number = [0; 8];
        getrandom::fill(&mut number)?;
        let folder = std::env::temp_dir().join(format!("lapwing-recover-{:016x}", u64::from_ne_bytes(number)));
        fs::DirBuilder::new().mode(0o700).create(&folder)?;
        let copy = Self { file: folder.join("partition.ldb"), folder };
        fs::copy(file, &copy.file)?;
        Ok(copy)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            crate::output::message(&format!("remove {} yourself: {error}", self.folder.display()));
        }
    }
}
