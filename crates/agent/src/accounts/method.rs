//! Which hash the machine's own `passwd` would make.

use super::settings::{LoginDefs, PamModule};

/// A kind of crypt(5) string that Lapwing makes, with its cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `$y$`: yescrypt with libxcrypt's cost factor, 1 to 11; 5 is the usual one.
    Yescrypt {
        /// The cost factor.
        cost: u32,
    },
    /// `$6$`: SHA-512-crypt; without rounds the format's default of 5,000.
    Sha512 {
        /// Rounds, 1,000 to 999,999,999.
        rounds: Option<u32>,
    },
    /// `$5$`: SHA-256-crypt; without rounds the format's default of 5,000.
    Sha256 {
        /// Rounds, 1,000 to 999,999,999.
        rounds: Option<u32>,
    },
}

impl Method {
    /// libxcrypt's usual yescrypt cost.
    pub const YESCRYPT_COST_DEFAULT: u32 = 5;
    /// yescrypt at its usual cost.
    pub const YESCRYPT: Self = Self::Yescrypt { cost: Self::YESCRYPT_COST_DEFAULT };

    /// The machine's word for it, as in login.defs(5).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Yescrypt { .. } => "YESCRYPT",
            Self::Sha512 { .. } => "SHA512",
            Self::Sha256 { .. } => "SHA256",
        }
    }
}

/// A method, and why it is this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashChoice {
    /// The method.
    pub method: Method,
    /// Where the choice comes from, for `explain`: a file and an option, or "default".
    pub source: String,
    /// The machine's word for a method that Lapwing does not make (old or rare), replaced by `method`.
    pub instead_of: Option<String>,
}

impl HashChoice {
    /// The source of a choice that no file made.
    pub const DEFAULT: &str = "default";

    /// Chooses as pam_unix(8) would: its own option, else `ENCRYPT_METHOD` of login.defs, else yescrypt.
    ///
    /// `stack` is the first PAM service file that has a `password` line with pam_unix: its path and lines.
    /// DES, MD5 and bcrypt become SHA-512, GOST yescrypt becomes yescrypt: at least as strong, and known to
    /// every libcrypt that knows the named one.
    pub fn of_machine(stack: Option<(&str, &[PamModule])>, login_defs: &LoginDefs) -> Self {
        const OPTIONS: [&str; 7] = ["yescrypt", "gost_yescrypt", "blowfish", "sha512", "sha256", "md5", "bigcrypt"];
        let unix =
            stack.and_then(|(path, modules)| Some((path, modules.iter().find(|module| module.name == "pam_unix")?)));
        if let Some((path, module)) = unix {
            let named = module.arguments.iter().rev().find(|word| OPTIONS.contains(&word.as_str()));
            if let Some(word) = named {
                let rounds = module.value("rounds").and_then(|value| value.parse().ok());
                return Self::named(word, rounds, rounds, format!("pam_unix option {word} in /{path}"));
            }
        }
        if let Some(word) = login_defs.value("ENCRYPT_METHOD") {
            let rounds = login_defs.number("SHA_CRYPT_MAX_ROUNDS").or(login_defs.number("SHA_CRYPT_MIN_ROUNDS"));
            let cost = login_defs.number("YESCRYPT_COST_FACTOR");
            return Self::named(word, rounds, cost, format!("ENCRYPT_METHOD {word} in /etc/login.defs"));
        }
        Self { method: Method::YESCRYPT, source: Self::DEFAULT.into(), instead_of: None }
    }

    fn named(word: &str, rounds: Option<u32>, cost: Option<u32>, source: String) -> Self {
        // The bounds that pam_unix itself enforces.
        let rounds = rounds.map(|rounds| rounds.clamp(1_000, 9_999_999));
        let cost = cost.filter(|cost| (3..=11).contains(cost)).unwrap_or(Method::YESCRYPT_COST_DEFAULT);
        let (method, known) = match word.to_ascii_lowercase().as_str() {
            "yescrypt" => (Method::Yescrypt { cost }, true),
            "gost_yescrypt" => (Method::Yescrypt { cost }, false),
            "sha512" => (Method::Sha512 { rounds }, true),
            "sha256" => (Method::Sha256 { rounds }, true),
            "des" | "md5" | "bigcrypt" | "bcrypt" | "blowfish" => (Method::Sha512 { rounds: None }, false),
            _ => (Method::YESCRYPT, false),
        };
        Self { method, source, instead_of: (!known).then(|| word.to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::pam_password_modules;

    fn chosen(pam: &str, defs: &str) -> (Method, bool) {
        let modules = pam_password_modules(pam.as_bytes());
        let stack = (!modules.is_empty()).then_some(("etc/pam.d/common-password", modules.as_slice()));
        let choice = HashChoice::of_machine(stack, &LoginDefs::read(defs.as_bytes()));
        (choice.method, choice.instead_of.is_some())
    }

    #[test]
    fn the_pam_option_goes_before_login_defs_and_yescrypt_is_the_end() {
        let pam = |options: &str| format!("password [success=1 default=ignore] pam_unix.so {options}\n");
        assert_eq!(chosen(&pam("obscure yescrypt"), "ENCRYPT_METHOD SHA512"), (Method::YESCRYPT, false));
        assert_eq!(
            chosen(&pam("sha512 rounds=65536"), "ENCRYPT_METHOD YESCRYPT"),
            (Method::Sha512 { rounds: Some(65_536) }, false)
        );
        assert_eq!(chosen(&pam("shadow"), "ENCRYPT_METHOD SHA256"), (Method::Sha256 { rounds: None }, false));
        assert_eq!(
            chosen("", "ENCRYPT_METHOD SHA512\nSHA_CRYPT_MAX_ROUNDS 10"),
            (Method::Sha512 { rounds: Some(1_000) }, false)
        );
        assert_eq!(
            chosen("", "ENCRYPT_METHOD YESCRYPT\nYESCRYPT_COST_FACTOR 7"),
            (Method::Yescrypt { cost: 7 }, false)
        );
        assert_eq!(chosen("", ""), (Method::YESCRYPT, false));
    }

    #[test]
    fn methods_that_we_do_not_make_are_replaced_and_said_so() {
        assert_eq!(chosen("password required pam_unix.so md5\n", ""), (Method::Sha512 { rounds: None }, true));
        assert_eq!(chosen("", "ENCRYPT_METHOD DES"), (Method::Sha512 { rounds: None }, true));
        assert_eq!(chosen("", "ENCRYPT_METHOD GOST_YESCRYPT"), (Method::YESCRYPT, true));
        assert_eq!(chosen("", "ENCRYPT_METHOD FUTURE"), (Method::YESCRYPT, true));
    }
}
