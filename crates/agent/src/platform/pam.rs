//! Proof through PAM: the service `lapwing` and nothing else (rotation.md 8).
//!
//! Never the system's own stack: it may send the password to a server in the network. libpam is loaded
//! when present; its interface is that of Linux-PAM (pam_start(3), pam_authenticate(3), pam_acct_mgmt(3)).

use super::tree::Tree;
use laps::password::Password;
use libloading::Library;
use std::ffi::{CString, c_char, c_int, c_void};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::ptr;
use zeroize::Zeroize;

/// The service's name.
const SERVICE: &std::ffi::CStr = c"lapwing";
/// Where its file is, below the root of the tree.
const SERVICE_FILE: &str = "etc/pam.d/lapwing";
/// The whole of the service's file, as it is installed.
pub const PAM_SERVICE_TEXT: &str = "# Lapwing proves a password that it has set. Do not add modules: the agent refuses a changed file.\n\
    auth required pam_unix.so nodelay\naccount required pam_unix.so\n";

/// A service file that is not used.
#[derive(Debug, thiserror::Error)]
pub enum ServiceFileError {
    /// It does not exist.
    #[error("/etc/pam.d/lapwing is missing")]
    Missing,
    /// It holds other lines than the two that it must hold.
    #[error("/etc/pam.d/lapwing holds other lines than its two")]
    Changed,
    /// Another user than root owns it or may write to it, or it is not a regular file.
    #[error("/etc/pam.d/lapwing is not a regular file that only root can write")]
    NotRoots,
    /// It cannot be read or written.
    #[error("/etc/pam.d/lapwing: {0}")]
    Io(#[from] io::Error),
}

/// Writes the service's file below the root of a tree, at installation. A file that is right is left
/// alone, a changed one is replaced.
///
/// # Errors
/// [`ServiceFileError::Io`].
pub fn install_pam_service(tree: &Tree) -> Result<(), ServiceFileError> {
    let dir = tree.resolve("etc/pam.d")?;
    let path = dir.join("lapwing");
    if fs::read(&path).is_ok_and(|bytes| has_exact_lines(&bytes)) {
        return Ok(());
    }
    let temporary = dir.join(".lapwing-new.service");
    let _ = fs::remove_file(&temporary);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&temporary)?;
    file.write_all(PAM_SERVICE_TEXT.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, &path)?;
    File::open(&dir)?.sync_all()?;
    Ok(())
}

/// Checks the service's file before it is used.
pub(super) fn check_service_file(tree: &Tree) -> Result<(), ServiceFileError> {
    let path = tree.resolve("etc/pam.d")?.join("lapwing");
    let found = match fs::symlink_metadata(&path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(ServiceFileError::Missing);
        }
        Err(error) => return Err(error.into()),
    };
    if !found.is_file() || found.uid() != 0 || found.mode() & 0o022 != 0 {
        return Err(ServiceFileError::NotRoots);
    }
    if has_exact_lines(&tree.read(SERVICE_FILE)?) { Ok(()) } else { Err(ServiceFileError::Changed) }
}

/// Whether the lines, comments and blanks aside, are the two of [`PAM_SERVICE_TEXT`].
fn has_exact_lines(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let lines: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split_whitespace().collect())
        .filter(|words: &Vec<&str>| words.first().is_some_and(|word| !word.starts_with('#')))
        .collect();
    // PAM joins a line that ends in a backslash with the next one, also when it is a comment.
    let joined = text.lines().any(|line| line.ends_with('\\'));
    !joined && lines == [vec!["auth", "required", "pam_unix.so", "nodelay"], vec!["account", "required", "pam_unix.so"]]
}

/// What PAM says of a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PamAnswer {
    /// The password is right; whether the account can be used stands beside it.
    Opens(AccountPhase),
    /// The password is refused, or the account is disabled.
    Refuses,
    /// PAM was not asked or could not say, with the reason.
    CannotTell(String),
}

/// What the account phase of PAM says: usability, never part of the proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountPhase {
    /// The account can be used.
    Usable,
    /// The account has expired.
    Expired,
    /// The password must be changed at the next sign-in, or has expired.
    PasswordExpired,
    /// Refused with another code of PAM.
    Refused(i32),
}

// Codes of <security/_pam_types.h>.
const PAM_SUCCESS: c_int = 0;
const PAM_BUF_ERR: c_int = 5;
const PAM_PERM_DENIED: c_int = 6;
const PAM_AUTH_ERR: c_int = 7;
const PAM_USER_UNKNOWN: c_int = 10;
const PAM_NEW_AUTHTOK_REQD: c_int = 12;
const PAM_ACCT_EXPIRED: c_int = 13;
const PAM_CONV_ERR: c_int = 19;
const PAM_AUTHTOK_EXPIRED: c_int = 27;
const PAM_SILENT: c_int = 0x8000;
const PAM_DISALLOW_NULL_AUTHTOK: c_int = 1;
const PAM_PROMPT_ECHO_OFF: c_int = 1;
const PAM_MESSAGES_MAX: c_int = 32;

#[repr(C)]
struct Message {
    style: c_int,
    text: *const c_char,
}

#[repr(C)]
struct Response {
    text: *mut c_char,
    code: c_int,
}

type Converse = unsafe extern "C" fn(c_int, *mut *const Message, *mut *mut Response, *mut c_void) -> c_int;

#[repr(C)]
struct Conversation {
    converse: Converse,
    data: *mut c_void,
}

type Start = unsafe extern "C" fn(*const c_char, *const c_char, *const Conversation, *mut *mut c_void) -> c_int;
type Act = unsafe extern "C" fn(*mut c_void, c_int) -> c_int;

/// Asks the service `lapwing` of the running system about a password. The service's file must have been
/// checked. Needs the right to read the shadow file, because pam_unix reads it in this process.
pub(super) fn ask(name: &str, password: &Password) -> PamAnswer {
    match ask_library(name, password) {
        Ok(answer) => answer,
        Err(reason) => PamAnswer::CannotTell(reason),
    }
}

fn ask_library(name: &str, password: &Password) -> Result<PamAnswer, String> {
    // SAFETY: libpam is a library of the system; its initialisers have no effects.
    let library = unsafe { Library::new("libpam.so.0") }.map_err(|_| "the system has no libpam".to_owned())?;
    let missing = |_| "libpam lacks a function".to_owned();
    // SAFETY: these four are the types of the functions in <security/pam_appl.h>; `library` outlives them.
    let (start, authenticate, account, end) = unsafe {
        (
            library.get::<Start>(b"pam_start\0").map_err(missing)?,
            library.get::<Act>(b"pam_authenticate\0").map_err(missing)?,
            library.get::<Act>(b"pam_acct_mgmt\0").map_err(missing)?,
            library.get::<Act>(b"pam_end\0").map_err(missing)?,
        )
    };
    let name = CString::new(name).map_err(|_| "the name holds a NUL".to_owned())?;
    let mut bytes = Vec::with_capacity(password.reveal().len() + 1);
    bytes.extend_from_slice(password.reveal().as_bytes());
    let secret = CString::new(bytes).map_err(|_| "the password holds a NUL".to_owned())?;
    let conversation = Conversation { converse: answer, data: secret.as_ptr().cast_mut().cast() };
    let mut handle = ptr::null_mut();
    // SAFETY: all pointers are valid and outlive the session, which ends below with pam_end.
    let status = unsafe { start(SERVICE.as_ptr(), name.as_ptr(), &raw const conversation, &raw mut handle) };
    let result = if status == PAM_SUCCESS && !handle.is_null() {
        // SAFETY: the handle is that of a session that was started and has not ended.
        let first = unsafe { authenticate(handle, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK) };
        let (result, last) = if first == PAM_SUCCESS {
            // SAFETY: as before.
            let second = unsafe { account(handle, PAM_SILENT) };
            let phase = match second {
                PAM_SUCCESS => AccountPhase::Usable,
                PAM_ACCT_EXPIRED => AccountPhase::Expired,
                PAM_NEW_AUTHTOK_REQD | PAM_AUTHTOK_EXPIRED => AccountPhase::PasswordExpired,
                other => AccountPhase::Refused(other),
            };
            (Ok(PamAnswer::Opens(phase)), second)
        } else if matches!(first, PAM_AUTH_ERR | PAM_PERM_DENIED | PAM_USER_UNKNOWN) {
            (Ok(PamAnswer::Refuses), first)
        } else {
            (Err(format!("pam_authenticate answered {first}")), first)
        };
        // SAFETY: as before; the handle is not used again.
        unsafe { end(handle, last) };
        result
    } else {
        Err(format!("pam_start answered {status}"))
    };
    secret.into_bytes().zeroize();
    result
}

/// The conversation: the password for every hidden prompt, nothing for anything else. PAM frees, and
/// wipes, what it gets.
unsafe extern "C" fn answer(
    count: c_int,
    messages: *mut *const Message,
    responses: *mut *mut Response,
    data: *mut c_void,
) -> c_int {
    let Ok(length) = usize::try_from(count) else {
        return PAM_CONV_ERR;
    };
    if !(1..=PAM_MESSAGES_MAX).contains(&count) || messages.is_null() || responses.is_null() || data.is_null() {
        return PAM_CONV_ERR;
    }
    // SAFETY: plain allocation; checked for null. All zeroes are a valid `Response` without text.
    let array = unsafe { libc::calloc(length, size_of::<Response>()) }.cast::<Response>();
    if array.is_null() {
        return PAM_BUF_ERR;
    }
    for index in 0..length {
        // SAFETY: PAM passes `count` valid pointers to messages; the array has `count` elements; `data` is
        // the NUL-terminated password of `ask_library`, which lives until the session has ended.
        let out_of_memory = unsafe {
            let message = *messages.add(index);
            if message.is_null() || (*message).style != PAM_PROMPT_ECHO_OFF {
                continue;
            }
            let copy = libc::strdup(data.cast());
            (*array.add(index)).text = copy;
            copy.is_null()
        };
        if out_of_memory {
            // SAFETY: the elements hold null or what strdup gave; neither is used again.
            unsafe {
                for made in 0..length {
                    let text = (*array.add(made)).text;
                    if !text.is_null() {
                        libc::explicit_bzero(text.cast(), libc::strlen(text));
                        libc::free(text.cast());
                    }
                }
                libc::free(array.cast());
            }
            return PAM_BUF_ERR;
        }
    }
    // SAFETY: checked for null; PAM takes the array over.
    unsafe { *responses = array };
    PAM_SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn only_the_two_lines_are_taken() {
        assert!(has_exact_lines(PAM_SERVICE_TEXT.as_bytes()));
        assert!(has_exact_lines(b"auth  required\tpam_unix.so nodelay\n\n# x\naccount required pam_unix.so"));
        for changed in [
            "",
            "auth required pam_unix.so nodelay\n",
            "auth required pam_unix.so\naccount required pam_unix.so\n",
            "auth required pam_unix.so nodelay nullok\naccount required pam_unix.so\n",
            "auth required pam_unix.so nodelay\naccount required pam_unix.so\nauth optional pam_exec.so /x\n",
            "auth required /tmp/pam_unix.so nodelay\naccount required pam_unix.so\n",
            "@include common-auth\n",
            "# x \\\nauth required pam_unix.so nodelay\naccount required pam_unix.so\n",
        ] {
            assert!(!has_exact_lines(changed.as_bytes()), "{changed}");
        }
    }

    #[test]
    fn the_service_file_is_installed_checked_and_mended() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("etc/pam.d")).unwrap();
        let tree = Tree::below(dir.path()).unwrap();
        let path = dir.path().join("etc/pam.d/lapwing");
        assert!(matches!(check_service_file(&tree), Err(ServiceFileError::Missing)));
        install_pam_service(&tree).unwrap();
        if rustix::process::geteuid().is_root() {
            check_service_file(&tree).unwrap();
            fs::write(&path, "auth sufficient pam_permit.so\n").unwrap();
            assert!(matches!(check_service_file(&tree), Err(ServiceFileError::Changed)));
            install_pam_service(&tree).unwrap();
            check_service_file(&tree).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        }
        assert!(matches!(check_service_file(&tree), Err(ServiceFileError::NotRoots)));
    }
}
