//! Who may decrypt a password in Active Directory.

use core::fmt;

/// A user or a group, by SID or by a name with its domain (laps-behaviour.md 2.4).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Principal {
    /// `S-1-…`, in upper case.
    Sid(String),
    /// `DOMAIN\name`.
    Qualified {
        /// Before the backslash.
        domain: String,
        /// After it.
        name: String,
    },
    /// `name@domain`.
    Upn(String),
}

/// Why a text is not a principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PrincipalError {
    /// No domain part (event 10034).
    #[error("a name without a domain: expected DOMAIN\\name, name@domain or a SID")]
    Isolated,
    /// Quotation marks are taken literally and no account has them.
    #[error("quotation marks are not allowed: expected DOMAIN\\name, name@domain or a SID")]
    Quoted,
    /// A part is empty, or there are several separators, or the SID is malformed.
    #[error("malformed: expected DOMAIN\\name, name@domain or a SID")]
    Malformed,
}

impl Principal {
    /// Reads a principal. Whether it exists only the directory knows (event 10035).
    pub fn parse(text: &str) -> Result<Self, PrincipalError> {
        if text.contains('"') {
            return Err(PrincipalError::Quoted);
        }
        if let Some((domain, name)) = text.split_once('\\') {
            return if domain.is_empty() || name.is_empty() || name.contains('\\') {
                Err(PrincipalError::Malformed)
            } else {
                Ok(Self::Qualified { domain: domain.to_owned(), name: name.to_owned() })
            };
        }
        if let Some((name, domain)) = text.split_once('@') {
            return if name.is_empty() || domain.is_empty() || domain.contains('@') {
                Err(PrincipalError::Malformed)
            } else {
                Ok(Self::Upn(text.to_owned()))
            };
        }
        match text.get(..4) {
            Some(start) if start.eq_ignore_ascii_case("S-1-") => {
                let parts: Vec<&str> = text[4..].split('-').collect();
                let numbers = parts
                    .iter()
                    .all(|part| !part.is_empty() && part.len() <= 15 && part.bytes().all(|b| b.is_ascii_digit()));
                let subs = parts.iter().skip(1).all(|part| part.parse::<u32>().is_ok());
                if numbers && subs && (2..=16).contains(&parts.len()) {
                    Ok(Self::Sid(text.to_ascii_uppercase()))
                } else {
                    Err(PrincipalError::Malformed)
                }
            }
            _ => Err(PrincipalError::Isolated),
        }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sid(text) | Self::Upn(text) => f.write_str(text),
            Self::Qualified { domain, name } => write!(f, "{domain}\\{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_forms() {
        for text in ["S-1-5-21-2127521184-1604012920-1887927527-35197", "contoso\\LAPSAdmins", "lapsadmins@contoso.com"]
        {
            assert_eq!(Principal::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_refused() {
        for (text, error) in [
            ("LAPSAdmins", PrincipalError::Isolated),
            ("", PrincipalError::Isolated),
            ("\"contoso\\LAPSAdmins\"", PrincipalError::Quoted),
            ("contoso\\", PrincipalError::Malformed),
            ("\\x", PrincipalError::Malformed),
            ("a\\b\\c", PrincipalError::Malformed),
            ("a@b@c", PrincipalError::Malformed),
            ("@contoso.com", PrincipalError::Malformed),
            ("S-1-5", PrincipalError::Malformed),
            ("S-1-5-21-4294967296", PrincipalError::Malformed),
            ("S-1-5--1", PrincipalError::Malformed),
        ] {
            assert_eq!(Principal::parse(text), Err(error), "{text}");
        }
    }
}
