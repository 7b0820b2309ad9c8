//! The system's libcrypt, loaded when present: the crypt that did not make the hash (rotation.md 8).

use crate::accounts::Verifier;
use laps::password::Password;
use libloading::Library;
use std::ffi::{CStr, CString, c_char, c_void};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// Names of the library: libxcrypt and the older one of glibc, then libxcrypt without the old interfaces.
const NAMES: [&str; 2] = ["libcrypt.so.1", "libcrypt.so.2"];
/// Room for `struct crypt_data`, in 16-byte units: 32,768 bytes in libxcrypt, 131,232 in glibc.
const DATA_UNITS: usize = 16_384;

type CryptR = unsafe extern "C" fn(*const c_char, *const c_char, *mut c_void) -> *mut c_char;

/// `crypt_r` of the system's libcrypt.
pub struct SystemCrypt {
    crypt_r: CryptR,
    /// Keeps the function above loaded.
    _library: Library,
}

impl std::fmt::Debug for SystemCrypt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SystemCrypt")
    }
}

impl SystemCrypt {
    /// Loads the library; `None` when the system has none.
    pub fn load() -> Option<Self> {
        NAMES.iter().find_map(|name| {
            // SAFETY: libcrypt is a library of the system whose initialisers do nothing but set up tables.
            let library = unsafe { Library::new(*name) }.ok()?;
            // SAFETY: the type is that of crypt_r(3); the pointer is used only while `_library` lives.
            let crypt_r = *unsafe { library.get::<CryptR>(b"crypt_r\0") }.ok()?;
            Some(Self { crypt_r, _library: library })
        })
    }

    /// Whether the password opens the verifier; `None` when this libcrypt does not know its kind.
    pub fn opens(&self, password: &Password, verifier: &Verifier) -> Option<bool> {
        let hashed = self.hash(password.reveal(), verifier.as_str())?;
        Some(hashed.as_slice().ct_eq(verifier.as_str().as_bytes()).into())
    }

    /// Whether this libcrypt knows yescrypt; asked with its cheapest setting.
    pub fn knows_yescrypt(&self) -> bool {
        self.hash("probe", "$y$j75$saltsaltsaltsalt").is_some_and(|text| text.starts_with(b"$y$j75$"))
    }

    fn hash(&self, password: &str, setting: &str) -> Option<Zeroizing<Vec<u8>>> {
        let setting = CString::new(setting).ok()?;
        // Room for the NUL from the start: growing would leave a copy behind.
        let mut bytes = Vec::with_capacity(password.len() + 1);
        bytes.extend_from_slice(password.as_bytes());
        let password = CString::new(bytes).ok()?;
        let mut data = Zeroizing::new(vec![0_u128; DATA_UNITS]);
        // SAFETY: both strings are NUL-terminated and outlive the call; the zeroed buffer is aligned and at
        // least as large as every `struct crypt_data` in use; it is not shared.
        let result = unsafe { (self.crypt_r)(password.as_ptr(), setting.as_ptr(), data.as_mut_ptr().cast()) };
        let text = (!result.is_null()).then(|| {
            // SAFETY: not null, so it points to the NUL-terminated result in `data`, which still lives.
            Zeroizing::new(unsafe { CStr::from_ptr(result) }.to_bytes().to_vec())
        });
        password.into_bytes().zeroize();
        // A failure token starts with an asterisk, which no hash does.
        text.filter(|text| text.first().is_some_and(|first| *first != b'*'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opens(password: &str, verifier: &str) -> Option<bool> {
        let crypt = SystemCrypt::load().expect("this test needs the system's libcrypt");
        crypt.opens(&Password::new(password.into()), &Verifier::new(verifier.into()).unwrap())
    }

    /// The vector of the SHA-crypt specification (Ulrich Drepper, version 0.6).
    #[test]
    fn a_published_vector_opens() {
        let verifier =
            "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1";
        assert_eq!(opens("Hello world!", verifier), Some(true));
        assert_eq!(opens("Hello world?", verifier), Some(false));
    }

    #[test]
    fn an_unknown_kind_cannot_be_told() {
        assert_eq!(opens("x", "$unknown$salt$hash"), None);
        assert_eq!(opens("a\0b", "$6$salt$hash"), None);
    }
}
