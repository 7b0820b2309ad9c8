//! Files that are there whole or not at all: temporary file, fsync, rename, fsync of the directory.

use super::StateError;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// The format that this version writes, and the newest that it reads.
pub(super) const FORMAT: u32 = 1;

/// The largest state file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

#[derive(Serialize)]
struct Out<'a, T> {
    format: u32,
    #[serde(flatten)]
    content: &'a T,
}

#[derive(Deserialize)]
struct FormatOnly {
    format: u32,
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

/// Makes `bytes` the content of a file of mode 0600, durably. On an error the former content stays,
/// unless only the last sync failed.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), StateError> {
    let new = temporary(path);
    let written = (|| {
        // A leftover of a crash may be a link somewhere else: never write through it.
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, path)
    })();
    if let Err(error) = written {
        let _ = fs::remove_file(&new);
        return Err(StateError::io(path, "write", &error));
    }
    sync_directory_of(path)
}

/// Removes a file durably; it is no error when it is not there.
pub(super) fn remove(path: &Path) -> Result<(), StateError> {
    match fs::remove_file(path) {
        Ok(()) => sync_directory_of(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(StateError::io(path, "remove", &error)),
    }
}

pub(super) fn sync_directory_of(path: &Path) -> Result<(), StateError> {
    let directory = path.parent().unwrap_or(Path::new("."));
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| StateError::io(directory, "sync", &error))
}

/// Writes a value as JSON with its format.
pub(super) fn write_json<T: Serialize>(path: &Path, content: &T) -> Result<(), StateError> {
    let json = serde_json::to_vec(&Out { format: FORMAT, content }).map_err(|error| StateError::Io {
        path: path.into(),
        action: "encode",
        text: error.to_string(),
    })?;
    write(path, &json)
}

/// Reads what [`write_json`] wrote; `None` when there is no such file.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, StateError> {
    let length = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StateError::io(path, "look at", &error)),
    };
    let damaged = |what: String| StateError::Damaged { path: path.into(), what };
    if length > FILE_BYTES_MAX {
        return Err(damaged(format!("it has {length} bytes, at most {FILE_BYTES_MAX} are read")));
    }
    let bytes = fs::read(path).map_err(|error| StateError::io(path, "read", &error))?;
    // The texts of serde_json's errors may quote content: only the place is told.
    let place = |error: &serde_json::Error| format!("at line {} column {}", error.line(), error.column());
    let format = serde_json::from_slice::<FormatOnly>(&bytes).map_err(|error| damaged(place(&error)))?.format;
    if format > FORMAT {
        return Err(StateError::Newer { path: path.into(), found: format, known: FORMAT });
    }
    serde_json::from_slice(&bytes).map(Some).map_err(|error| damaged(place(&error)))
}

/// Writes, syncs and removes a file of one page.
pub(super) fn probe(directory: &Path) -> Result<(), StateError> {
    let path = directory.join(".probe");
    write(&path, &[0; 4096])?;
    remove(&path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Thing {
        name: String,
    }

    #[test]
    fn a_thing_comes_back_and_a_newer_or_torn_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("thing.json");
        assert_eq!(read_json::<Thing>(&path).unwrap(), None);
        let thing = Thing { name: "a".into() };
        write_json(&path, &thing).unwrap();
        assert_eq!(read_json::<Thing>(&path).unwrap(), Some(thing));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);

        fs::write(&path, br#"{"format":2,"name":"a"}"#).unwrap();
        assert!(matches!(read_json::<Thing>(&path), Err(StateError::Newer { found: 2, .. })));
        fs::write(&path, br#"{"format":1,"na"#).unwrap();
        assert!(matches!(read_json::<Thing>(&path), Err(StateError::Damaged { .. })));
        fs::write(&path, b"").unwrap();
        assert!(matches!(read_json::<Thing>(&path), Err(StateError::Damaged { .. })));
    }

    #[test]
    fn a_leftover_link_is_not_written_through() {
        let dir = tempfile::tempdir().unwrap();
        let victim = dir.path().join("victim");
        fs::write(&victim, b"mine").unwrap();
        std::os::unix::fs::symlink(&victim, dir.path().join("f.new")).unwrap();
        write(&dir.path().join("f"), b"x").unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"mine");
    }
}
