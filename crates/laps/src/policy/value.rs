//! Values of settings: parsing, checking, printing.

use super::{
    info::{Allowed, Format, SettingInfo},
    source::Source,
};
use core::fmt;

/// A value of a setting. What [`SettingInfo::parse`] and [`SettingInfo::check`] return is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Value {
    /// `int`; a DWORD in the registry.
    Int(u32),
    /// `bool`; a DWORD 0 or 1 in the registry.
    Bool(bool),
    /// `chr`; text in the registry.
    Text(String),
}

impl Value {
    /// The format that the value has.
    pub fn format(&self) -> Format {
        match self {
            Self::Int(_) => Format::Int,
            Self::Bool(_) => Format::Bool,
            Self::Text(_) => Format::Chr,
        }
    }
    /// The number, if it is one.
    pub fn as_int(&self) -> Option<u32> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }
    /// The truth value, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(yes) => Some(*yes),
            _ => None,
        }
    }
    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// As the CSP answers a Get: decimal, lower-case `true` or `false`, the text itself
/// (laps-behaviour.md 1.4, notes).
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(number) => write!(f, "{number}"),
            Self::Bool(yes) => write!(f, "{yes}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// Why a value is not one of a setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// An `int` that is not a decimal 32-bit number.
    #[error("not a number: expected {allowed}")]
    NotANumber {
        /// The allowed values, in words.
        allowed: String,
    },
    /// A `bool` that is neither true nor false.
    #[error("not a truth value: expected true or false")]
    NotABool,
    /// A number outside the range or the list.
    #[error("not allowed: expected {allowed}")]
    OutOfRange {
        /// The allowed values, in words.
        allowed: String,
    },
    /// A text longer than the group policy template allows.
    #[error("too long: {chars} characters, at most {chars_max}")]
    TooLong {
        /// Characters given.
        chars: usize,
        /// Characters allowed.
        chars_max: usize,
    },
    /// A text with a control character, or one that turns the direction of writing.
    #[error("a control character or mark of direction at character {position}: expected printable text")]
    ControlCharacter {
        /// Zero-based position, in characters.
        position: usize,
    },
    /// A value of another type than the setting's: a registry DWORD for a text, and so on.
    #[error("wrong type: expected {expected}")]
    WrongType {
        /// The expected type, in words.
        expected: &'static str,
    },
    /// A setting that this source does not have (ADBackupDSRMPassword in the CSP).
    #[error("this source has no such setting")]
    NotInSource,
}

impl ValueError {
    /// Whether the text could not be read at all (and not merely lies outside what is allowed).
    pub fn is_unparsable(&self) -> bool {
        matches!(self, Self::NotANumber { .. } | Self::NotABool | Self::WrongType { .. })
    }
}

impl SettingInfo {
    /// Reads a value from text, as the CSP receives it, and checks it.
    ///
    /// Blanks around numbers and truth values are dropped; truth values are read without regard to
    /// case. Text is taken as it stands.
    pub fn parse(&self, text: &str, source: Source) -> Result<Value, ValueError> {
        let value = match self.format {
            Format::Int => {
                let number: i64 = text
                    .trim()
                    .parse::<i32>()
                    .map_err(|_| ValueError::NotANumber { allowed: self.allowed_text(source) })?
                    .into();
                Value::Int(
                    u32::try_from(number).map_err(|_| ValueError::OutOfRange { allowed: self.allowed_text(source) })?,
                )
            }
            Format::Bool => match text.trim() {
                yes if yes.eq_ignore_ascii_case("true") => Value::Bool(true),
                no if no.eq_ignore_ascii_case("false") => Value::Bool(false),
                _ => return Err(ValueError::NotABool),
            },
            Format::Chr => Value::Text(text.to_owned()),
        };
        self.check(value, source)
    }

    /// Reads a registry DWORD.
    pub fn parse_dword(&self, number: u32, source: Source) -> Result<Value, ValueError> {
        match self.format {
            Format::Int => self.check(Value::Int(number), source),
            Format::Bool => match number {
                0 => self.check(Value::Bool(false), source),
                1 => self.check(Value::Bool(true), source),
                _ => Err(ValueError::NotABool),
            },
            Format::Chr => Err(ValueError::WrongType { expected: "REG_SZ" }),
        }
    }

    /// Reads a registry string.
    pub fn parse_sz(&self, text: &str, source: Source) -> Result<Value, ValueError> {
        match self.format {
            Format::Chr => self.check(Value::Text(text.to_owned()), source),
            _ => Err(ValueError::WrongType { expected: "REG_DWORD" }),
        }
    }

    /// Checks a value against what the setting allows from this source.
    pub fn check(&self, value: Value, source: Source) -> Result<Value, ValueError> {
        if !self.is_in(source) {
            return Err(ValueError::NotInSource);
        }
        match (&value, &self.allowed) {
            (Value::Int(number), Allowed::Range { min, max }) if (min..=max).contains(&number) => {}
            (Value::Int(number), Allowed::Enum(list))
                if list.iter().any(|item| item.value == *number && (item.in_csp || source != Source::Csp)) => {}
            (Value::Int(_), Allowed::Range { .. } | Allowed::Enum(_)) => {
                return Err(ValueError::OutOfRange { allowed: self.allowed_text(source) });
            }
            (Value::Bool(_), Allowed::Bool { .. }) => {}
            (Value::Text(text), Allowed::Text { chars_max }) => {
                let chars = text.chars().count();
                if chars > *chars_max {
                    return Err(ValueError::TooLong { chars, chars_max: *chars_max });
                }
                if let Some(position) = text.chars().position(|c| c.is_control() || crate::text::misleads(c)) {
                    return Err(ValueError::ControlCharacter { position });
                }
            }
            _ => {
                return Err(ValueError::WrongType { expected: self.format.dm_name() });
            }
        }
        Ok(value)
    }

    /// The allowed values in words, for messages: `7 to 365`, `0, 1 or 2`.
    pub fn allowed_text(&self, source: Source) -> String {
        match &self.allowed {
            Allowed::Range { min, max } => format!("a number from {min} to {max}"),
            Allowed::Enum(list) => {
                let all: Vec<String> = list
                    .iter()
                    .filter(|item| item.in_csp || source != Source::Csp)
                    .map(|item| item.value.to_string())
                    .collect();
                match all.split_last() {
                    Some((last, [])) => last.clone(),
                    Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
                    None => String::new(),
                }
            }
            Allowed::Bool { .. } => "true or false".to_owned(),
            Allowed::Text { chars_max } => format!("text of at most {chars_max} characters"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Setting;
    use super::*;

    fn csp(setting: Setting, text: &str) -> Result<Value, ValueError> {
        setting.info().parse(text, Source::Csp)
    }

    #[test]
    fn both_ends_of_every_range_and_one_beyond() {
        for info in &super::super::TABLE {
            if let Allowed::Range { min, max } = info.allowed {
                for good in [min, max] {
                    assert_eq!(info.parse(&good.to_string(), Source::Csp), Ok(Value::Int(good)));
                    assert_eq!(info.parse_dword(good, Source::Gpo), Ok(Value::Int(good)));
                }
                for bad in [i64::from(min) - 1, i64::from(max) + 1] {
                    assert!(
                        matches!(info.parse(&bad.to_string(), Source::Csp), Err(ValueError::OutOfRange { .. })),
                        "{} {bad}",
                        info.name
                    );
                }
            }
        }
    }

    #[test]
    fn enumerations_hold_exactly_their_values() {
        for (setting, allowed) in [
            (Setting::BackupDirectory, &[0, 1, 2][..]),
            (Setting::PasswordComplexity, &[1, 2, 3, 4, 5, 6, 7, 8]),
            (Setting::PostAuthenticationActions, &[1, 3, 5, 11]),
            (Setting::AutomaticAccountManagementTarget, &[0, 1]),
        ] {
            for number in 0..20 {
                let parsed = csp(setting, &number.to_string());
                assert_eq!(parsed.is_ok(), allowed.contains(&number), "{setting} {number}");
            }
        }
    }

    #[test]
    fn action_0_exists_in_group_policy_only() {
        let info = Setting::PostAuthenticationActions.info();
        assert!(info.parse("0", Source::Csp).is_err());
        assert_eq!(info.parse_dword(0, Source::Gpo), Ok(Value::Int(0)));
        assert_eq!(info.allowed_text(Source::Csp), "1, 3, 5 or 11");
    }

    #[test]
    fn truth_values_are_read_without_regard_to_case_and_printed_in_lower_case() {
        let info = Setting::ADPasswordEncryptionEnabled.info();
        for text in ["True", "true", "TRUE", " true\n"] {
            let value = info.parse(text, Source::Csp).unwrap();
            assert_eq!(value.to_string(), "true");
        }
        for text in ["", "1", "yes", "maybe"] {
            assert_eq!(info.parse(text, Source::Csp), Err(ValueError::NotABool));
        }
        assert_eq!(info.parse_dword(2, Source::Gpo), Err(ValueError::NotABool));
    }

    #[test]
    fn numbers_are_decimal() {
        for text in ["", "abc", "0x10", "1.5", "99999999999999999999"] {
            assert!(matches!(csp(Setting::PasswordLength, text), Err(ValueError::NotANumber { .. })), "{text}");
        }
        assert_eq!(csp(Setting::PasswordLength, " 14 "), Ok(Value::Int(14)));
    }

    #[test]
    fn text_keeps_its_blanks_and_has_limits() {
        let name = Setting::AdministratorAccountName;
        assert_eq!(csp(name, " root "), Ok(Value::Text(" root ".into())));
        assert!(csp(name, &"a".repeat(64)).is_ok());
        assert_eq!(csp(name, &"ä".repeat(65)), Err(ValueError::TooLong { chars: 65, chars_max: 64 }));
        assert_eq!(csp(name, "ro\not"), Err(ValueError::ControlCharacter { position: 2 }));
        assert_eq!(csp(name, "x\u{202e}toor"), Err(ValueError::ControlCharacter { position: 1 }));
    }

    #[test]
    fn the_dsrm_setting_is_not_in_the_csp() {
        let info = Setting::ADBackupDSRMPassword.info();
        assert_eq!(info.parse("true", Source::Csp), Err(ValueError::NotInSource));
        assert_eq!(info.parse_dword(1, Source::Gpo), Ok(Value::Bool(true)));
        assert_eq!(info.parse_dword(1, Source::Local), Ok(Value::Bool(true)));
    }
}
