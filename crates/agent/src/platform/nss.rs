//! What the running system takes a name for: getpwnam_r(3), which asks every source of nsswitch.conf(5).

use std::ffi::CString;
use std::io;

/// The uid that the system resolves a name to; `None` when it knows no such name.
pub(super) fn uid_of(name: &str) -> io::Result<Option<u32>> {
    let name = CString::new(name)?;
    let mut buffer = vec![0_u8; 4096];
    loop {
        // SAFETY: `passwd` is a plain C struct of integers and pointers, for which all zeroes are valid.
        let mut entry: libc::passwd = unsafe { std::mem::zeroed() };
        let mut found = std::ptr::null_mut();
        // SAFETY: the name is NUL-terminated; the buffer is as long as stated; all of them outlive the call.
        let status = unsafe {
            libc::getpwnam_r(name.as_ptr(), &raw mut entry, buffer.as_mut_ptr().cast(), buffer.len(), &raw mut found)
        };
        match status {
            0 if found.is_null() => return Ok(None),
            0 => return Ok(Some(entry.pw_uid)),
            libc::ERANGE if buffer.len() < 1 << 20 => buffer.resize(buffer.len() * 4, 0),
            libc::EINTR => {}
            // How the C library says "no such name" with some sources.
            libc::ENOENT | libc::ESRCH | libc::EBADF | libc::EPERM => return Ok(None),
            other => return Err(io::Error::from_raw_os_error(other)),
        }
    }
}

/// Whether the system knows an account of this uid.
pub(super) fn knows_uid(uid: u32) -> io::Result<bool> {
    let mut buffer = vec![0_u8; 4096];
    loop {
        // SAFETY: `passwd` is a plain C struct of integers and pointers, for which all zeroes are valid.
        let mut entry: libc::passwd = unsafe { std::mem::zeroed() };
        let mut found = std::ptr::null_mut();
        // SAFETY: the buffer is as long as stated; all of them outlive the call.
        let status =
            unsafe { libc::getpwuid_r(uid, &raw mut entry, buffer.as_mut_ptr().cast(), buffer.len(), &raw mut found) };
        match status {
            0 => return Ok(!found.is_null()),
            libc::ERANGE if buffer.len() < 1 << 20 => buffer.resize(buffer.len() * 4, 0),
            libc::EINTR => {}
            libc::ENOENT | libc::ESRCH | libc::EBADF | libc::EPERM => return Ok(false),
            other => return Err(io::Error::from_raw_os_error(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn root_is_known_and_a_made_up_name_is_not() {
        assert_eq!(super::uid_of("root").unwrap(), Some(0));
        assert_eq!(super::uid_of("lapwing-no-such-name").unwrap(), None);
        assert!(super::uid_of("a\0b").is_err());
        assert!(super::knows_uid(0).unwrap() && !super::knows_uid(4_000_000_123).unwrap());
    }
}
