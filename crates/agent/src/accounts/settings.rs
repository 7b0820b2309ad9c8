//! The forms of the machine's own settings: login.defs(5), pam.d(5), pwquality.conf(5).

use std::collections::HashMap;

/// The settings of a login.defs file.
#[derive(Debug, Clone, Default)]
pub struct LoginDefs(HashMap<String, String>);

impl LoginDefs {
    /// Reads a file: a name, blanks, a value; lines that start with `#` are comments; the last one counts.
    pub fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let pairs = text.lines().map(str::trim).filter(|line| !line.starts_with('#')).filter_map(|line| {
            let (name, value) = line.split_once(char::is_whitespace)?;
            Some((name.to_owned(), value.trim().trim_matches('"').to_owned()))
        });
        Self(pairs.collect())
    }

    /// The value of a setting.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The value of a setting that is a number of decimal digits.
    pub fn number(&self, name: &str) -> Option<u32> {
        self.value(name)?.parse().ok()
    }
}

/// One `password` line of a PAM service file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PamModule {
    /// The module without its directory and `.so`: `pam_unix`.
    pub name: String,
    /// Its arguments.
    pub arguments: Vec<String>,
}

impl PamModule {
    /// The value of the last argument `NAME=value`.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.arguments.iter().rev().find_map(|argument| argument.strip_prefix(name)?.strip_prefix('='))
    }
}

/// The modules of the `password` lines of a PAM service file, in order; includes are not followed.
pub fn pam_password_modules(bytes: &[u8]) -> Vec<PamModule> {
    let text = String::from_utf8_lossy(bytes).replace("\\\n", " ");
    let module = |line: &str| {
        let line = line.split('#').next().unwrap_or_default().trim();
        let (kind, rest) = line.split_once(char::is_whitespace)?;
        if !kind.trim_start_matches('-').eq_ignore_ascii_case("password") {
            return None;
        }
        let rest = rest.trim_start();
        let after_control = match rest.strip_prefix('[') {
            Some(actions) => actions.split_once(']')?.1,
            None => rest.split_once(char::is_whitespace)?.1,
        };
        let mut words = after_control.split_whitespace();
        let file = words.next()?.rsplit('/').next()?;
        Some(PamModule { name: file.strip_suffix(".so")?.to_owned(), arguments: words.map(str::to_owned).collect() })
    };
    text.lines().filter_map(module).collect()
}

/// `name = value` pairs of a pwquality.conf file; a bare name has an empty value.
pub(super) fn pwquality_pairs(bytes: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let pair = |line: &str| {
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        (name.trim().to_owned(), value.trim().to_owned())
    };
    lines.filter(|line| !line.is_empty()).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn login_defs_are_read() {
        let defs =
            LoginDefs::read(b"# ENCRYPT_METHOD DES\nENCRYPT_METHOD\tSHA512\n  PASS_MIN_LEN  12 \nUMASK 022\nBARE\n");
        assert_eq!(defs.value("ENCRYPT_METHOD"), Some("SHA512"));
        assert_eq!(defs.number("PASS_MIN_LEN"), Some(12));
        assert_eq!(defs.value("BARE"), None);
    }

    #[test]
    fn password_lines_of_pam_files_are_read() {
        let modules = pam_password_modules(
            b"# password x pam_no.so\nauth required pam_unix.so sha256\n\
              password\t[success=1 default=ignore]\tpam_unix.so obscure yescrypt rounds=7\n\
              -password requisite /usr/lib/security/pam_pwquality.so retry=3 \\\n minlen=12\n@include x\n",
        );
        assert_eq!(modules.len(), 2);
        assert_eq!((modules[0].name.as_str(), modules[0].value("rounds")), ("pam_unix", Some("7")));
        assert_eq!(modules[0].arguments[1], "yescrypt");
        assert_eq!((modules[1].name.as_str(), modules[1].value("minlen")), ("pam_pwquality", Some("12")));
    }
}
