//! Asking a person, and reading secrets from files.

use crate::{failure::Failure, output::printable};
use proto::oauth::Secret;
use std::{
    io::{BufRead as _, IsTerminal as _, Read as _, Write as _},
    path::Path,
};
use zeroize::Zeroizing;

/// Longest secret that is read from a file, in bytes.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// Whether a person can be asked.
pub(crate) fn is_there() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks for a line.
pub(crate) fn ask(question: &str) -> Result<String, Failure> {
    let mut err = std::io::stderr().lock();
    let _ = write!(err, "{}: ", printable(question)).and_then(|()| err.flush());
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(|error| unread("the answer", &error))?;
    Ok(line.trim().to_owned())
}

/// Asks yes or no; no is the default.
pub(crate) fn confirm(question: &str) -> Result<bool, Failure> {
    let answer = ask(&format!("{question} [y/N]"))?;
    Ok(matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Asks for a secret; it is not shown.
pub(crate) fn ask_secret(question: &str) -> Result<Secret, Failure> {
    rpassword::prompt_password(format!("{}: ", printable(question)))
        .map(Secret::new)
        .map_err(|error| unread("the secret", &error))
}

/// The first line of a file, or of stdin when the file is `-`.
pub(crate) fn secret_of(file: &Path) -> Result<Secret, Failure> {
    let name = file.display().to_string();
    let mut text = Zeroizing::new(String::with_capacity(4096));
    let read = if name == "-" {
        std::io::stdin().lock().take(SECRET_BYTES_MAX).read_line(&mut text)
    } else {
        std::fs::File::open(file)
            .and_then(|file| std::io::BufReader::new(file.take(SECRET_BYTES_MAX)).read_line(&mut text))
    };
    read.map_err(|error| unread(&name, &error))?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return Err(Failure::wrong_use("secret_empty", format!("{name} holds no secret"))
            .next("put the secret into the file's first line"));
    }
    Ok(Secret::new(secret.to_owned()))
}

fn unread(what: &str, error: &std::io::Error) -> Failure {
    Failure::failed("input_unread", format!("{what} cannot be read: {error}"))
}
