//! An account tree: the running system, or a directory that is the root of another one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

/// Symbolic links that one path may lead through, as the kernel counts them.
const LINKS_MAX: usize = 40;
/// The largest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// The root of an account tree. Paths below it are resolved inside it, symbolic links included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    root: PathBuf,
}

impl Tree {
    /// The running system.
    pub fn running() -> Self {
        Self { root: PathBuf::from("/") }
    }

    /// The tree below a directory (`--prefix DIR`); `/` is the running system.
    ///
    /// # Errors
    /// The directory does not exist or cannot be reached.
    pub fn below(prefix: &Path) -> io::Result<Self> {
        let root = prefix.canonicalize()?;
        if root.is_dir() { Ok(Self { root }) } else { Err(io::ErrorKind::NotADirectory.into()) }
    }

    /// The root directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether this is the running system, where NSS and PAM speak of the same accounts.
    pub fn is_running(&self) -> bool {
        self.root == Path::new("/")
    }

    /// The real path of a path below the root. Symbolic links stay inside the tree: an absolute one starts
    /// at its root, `..` stops there. The last component need not exist.
    ///
    /// # Errors
    /// A directory on the way that cannot be read, or too many links.
    pub fn resolve(&self, path: &str) -> io::Result<PathBuf> {
        let mut real = self.root.clone();
        let mut rest: Vec<PathBuf> = parts(Path::new(path));
        let mut links = 0;
        while let Some(part) = rest.pop() {
            if part == Path::new("..") {
                if real != self.root {
                    real.pop();
                }
                continue;
            }
            let next = real.join(&part);
            match fs::symlink_metadata(&next) {
                Ok(found) if found.file_type().is_symlink() => {
                    links += 1;
                    if links > LINKS_MAX {
                        return Err(io::Error::other("too many symbolic links"));
                    }
                    let target = fs::read_link(&next)?;
                    if target.is_absolute() {
                        real.clone_from(&self.root);
                    }
                    rest.extend(parts(&target));
                }
                Ok(_) => real = next,
                Err(error) if error.kind() == io::ErrorKind::NotFound && rest.is_empty() => {
                    return Ok(next);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(real)
    }

    /// Opens a file below the root for reading.
    pub(super) fn open(&self, path: &str) -> io::Result<(File, PathBuf)> {
        let real = self.resolve(path)?;
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open(&real)?;
        if file.metadata()?.is_file() { Ok((file, real)) } else { Err(io::Error::other("not a regular file")) }
    }

    /// The contents of a file below the root.
    ///
    /// # Errors
    /// It is missing, not a regular file, larger than 16 MiB, or cannot be read.
    pub fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        contents(&self.open(path)?.0)
    }

    /// The same, or `None` when the file does not exist.
    pub(super) fn read_if_there(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        match self.read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Contents of the files of a directory whose names end in `suffix`, in the order of their names.
    pub(super) fn read_all(&self, dir: &str, suffix: &str) -> io::Result<Vec<Vec<u8>>> {
        let entries = match self.resolve(dir).and_then(fs::read_dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.ends_with(suffix) {
                names.push(name);
            }
        }
        names.sort();
        names.iter().map(|name| self.read(&format!("{dir}/{name}"))).collect()
    }
}

/// The whole of an open file, if it is not too large.
pub(super) fn contents(mut file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.by_ref().take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}

/// The parts of a path in reverse, for a stack.
fn parts(path: &Path) -> Vec<PathBuf> {
    let kept = path.components().filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
    let mut parts: Vec<_> = kept.map(|part| PathBuf::from(part.as_os_str())).collect();
    parts.reverse();
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_stay_inside_the_tree() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::create_dir_all(root.join("data/accounts")).unwrap();
        fs::write(root.join("data/accounts/shadow"), "inside").unwrap();
        symlink("/data/accounts/shadow", root.join("etc/shadow")).unwrap();
        symlink("../../../../../../etc/hostname", root.join("etc/escape")).unwrap();
        symlink("loop", root.join("etc/loop")).unwrap();
        let tree = Tree::below(&root).unwrap();
        assert_eq!(tree.resolve("etc/shadow").unwrap(), root.join("data/accounts/shadow"));
        assert_eq!(tree.read("etc/shadow").unwrap(), b"inside");
        assert_eq!(tree.resolve("etc/escape").unwrap(), root.join("etc/hostname"));
        assert!(tree.resolve("etc/loop").is_err());
        assert_eq!(tree.read_if_there("etc/none").unwrap(), None);
        assert!(tree.read("etc").is_err());
        assert!(!tree.is_running());
        assert!(Tree::below(Path::new("/")).unwrap().is_running());
    }
}
