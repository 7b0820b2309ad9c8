//! Local configuration: a text file with a line for each setting.

use super::{info::Format, set::PolicySet, setting::Setting, source::Source};

/// The largest file that is read, in bytes.
pub const LOCAL_BYTES_MAX: usize = 64 * 1024;

/// What is wrong with a local configuration. The file as a whole is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocalError {
    /// More than [`LOCAL_BYTES_MAX`].
    #[error("the local configuration is larger than 64 KiB")]
    TooLarge,
    /// A line that is not `Name = value`.
    #[error("line {line}: expected Name = value")]
    Malformed {
        /// From 1.
        line: usize,
    },
    /// A name that is no setting.
    #[error("line {line}: \"{name}\" is not a setting")]
    Unknown {
        /// From 1.
        line: usize,
        /// As given.
        name: String,
    },
    /// A name that stands there twice.
    #[error("line {line}: {setting} is set a second time")]
    Twice {
        /// From 1.
        line: usize,
        /// Which.
        setting: Setting,
    },
}

/// Reads a local configuration: `Name = value` lines, `#` comments, empty lines. Text may stand in
/// double quotes (to keep blanks at its ends), and a backslash in them once or twice: `"CORP\\LAPSAdmins"` and
/// `"CORP\LAPSAdmins"` are the same; truth values are true, false, 1 or 0.
///
/// A value that is not allowed does not refuse the file: it becomes the default, as from any source
/// (laps-behaviour.md 2.4).
pub fn parse_local(text: &str) -> Result<PolicySet, LocalError> {
    if text.len() > LOCAL_BYTES_MAX {
        return Err(LocalError::TooLarge);
    }
    let mut set = PolicySet::new(Source::Local);
    for (index, content) in text.lines().enumerate() {
        let line = index + 1;
        let content = content.trim();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let Some((name, value)) = content.split_once('=') else {
            return Err(LocalError::Malformed { line });
        };
        let (name, value) = (name.trim(), value.trim());
        let Some(setting) = Setting::from_name(name) else {
            return Err(LocalError::Unknown { line, name: name.to_owned() });
        };
        if set.get(setting).is_some() {
            return Err(LocalError::Twice { line, setting });
        }
        let unquoted = match value.strip_prefix('"') {
            // As in TOML a backslash may stand there twice; alone it is taken for itself.
            Some(rest) => rest.strip_suffix('"').ok_or(LocalError::Malformed { line })?.replace(r"\\", r"\"),
            None => value.to_owned(),
        };
        let value = unquoted.as_str();
        let info = setting.info();
        let read = match (info.format, value) {
            (Format::Bool, "0") => info.parse("false", Source::Local),
            (Format::Bool, "1") => info.parse("true", Source::Local),
            _ => info.parse(value, Source::Local),
        };
        set.put(setting, value.to_owned(), read);
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::super::{Given, Value};
    use super::*;

    #[test]
    fn a_file() {
        let set = parse_local(
            "# a test machine\n\nBackupDirectory = 1\r\n  PasswordLength=20\nAdministratorAccountName = \" a b \"\nADPasswordEncryptionEnabled = 0\nPasswordAgeDays = 1000\n",
        )
        .unwrap();
        assert_eq!(set.source(), Source::Local);
        for (setting, value) in [
            (Setting::BackupDirectory, Value::Int(1)),
            (Setting::PasswordLength, Value::Int(20)),
            (Setting::AdministratorAccountName, Value::Text(" a b ".into())),
            (Setting::ADPasswordEncryptionEnabled, Value::Bool(false)),
        ] {
            assert_eq!(set.get(setting), Some(&Given::Value(value)), "{setting}");
        }
        assert!(matches!(
            set.get(Setting::PasswordAgeDays),
            Some(Given::Bad { text, .. }) if text == "1000"
        ));
    }

    #[test]
    fn a_backslash_once_or_twice() {
        for text in [r#""CORP\LAPS Admins""#, r#""CORP\LAPS Admins""#, r"CORP\LAPS Admins"] {
            let set = parse_local(&format!("ADPasswordEncryptionPrincipal = {text}")).unwrap();
            let value = Value::Text(r"CORP\LAPS Admins".into());
            assert_eq!(set.get(Setting::ADPasswordEncryptionPrincipal), Some(&Given::Value(value)), "{text}");
        }
    }

    #[test]
    fn errors_name_their_line() {
        for (text, error) in [
            ("BackupDirectory", LocalError::Malformed { line: 1 }),
            ("\nAdministratorAccountName = \"x", LocalError::Malformed { line: 2 }),
            ("PasswordLenght = 3", LocalError::Unknown { line: 1, name: "PasswordLenght".into() }),
            ("PasswordLength = 9\nPasswordLength = 9", LocalError::Twice { line: 2, setting: Setting::PasswordLength }),
        ] {
            assert_eq!(parse_local(text), Err(error), "{text}");
        }
        assert_eq!(parse_local(&" ".repeat(65_537)), Err(LocalError::TooLarge));
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "(?s).{0,100}") {
            let _ = parse_local(&text);
            let _ = parse_local(&format!("AdministratorAccountName={text}"));
        }
    }
}
