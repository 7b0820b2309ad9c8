//! What went wrong, as a person reads it and as a program sees it.

use crate::output::printable;
use laps::text::harmless;
use std::{fmt::Write as _, process::ExitCode};

/// Exit status of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It did not work.
    Failed = 1,
    /// It was not asked for rightly.
    WrongUse = 2,
    /// It is not allowed.
    Refused = 3,
    /// What was named does not exist.
    NotFound = 4,
}

/// A failure: message, what to do next, stable code, exit status.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    code: String,
    message: String,
    remedy: String,
    request_id: String,
}

impl Failure {
    fn new(exit: Exit, code: &str, message: impl Into<String>) -> Self {
        Self { exit, code: code.to_owned(), message: message.into(), remedy: String::new(), request_id: String::new() }
    }
    pub(crate) fn failed(code: &str, message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, code, message)
    }
    pub(crate) fn wrong_use(code: &str, message: impl Into<String>) -> Self {
        Self::new(Exit::WrongUse, code, message)
    }
    pub(crate) fn refused(code: &str, message: impl Into<String>) -> Self {
        Self::new(Exit::Refused, code, message)
    }
    pub(crate) fn not_found(code: &str, message: impl Into<String>) -> Self {
        Self::new(Exit::NotFound, code, message)
    }
    /// What to do next.
    pub(crate) fn next(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }
    /// Puts a name before the message.
    pub(crate) fn about(mut self, name: &str) -> Self {
        self.message = format!("{name}: {}", self.message);
        self
    }
    /// The same with another message.
    pub(crate) fn instead(mut self, message: String) -> Self {
        self.message = message;
        self
    }
    pub(crate) fn message(&self) -> &str {
        &self.message
    }
    pub(crate) fn code(&self) -> &str {
        &self.code
    }
    pub(crate) fn is_not_found(&self) -> bool {
        self.exit == Exit::NotFound
    }

    /// The lines for stderr. What a server or a machine said in it reaches no terminal as a command.
    pub(crate) fn text(&self) -> String {
        let (red, plain) = if crate::output::is_colourful() { ("\u{1b}[1;31m", "\u{1b}[0m") } else { ("", "") };
        let mut text = format!("{red}lapwing:{plain} {}\n", printable(&self.message));
        if !self.remedy.is_empty() {
            let _ = writeln!(text, "  next: {}", printable(&self.remedy));
        }
        let _ = write!(text, "  code: {}", harmless(&self.code));
        if !self.request_id.is_empty() {
            let _ = write!(text, ", request {}", harmless(&self.request_id));
        }
        text
    }

    /// Prints it and gives the exit status.
    pub(crate) fn report(&self) -> ExitCode {
        crate::output::raw_message(&self.text());
        ExitCode::from(self.exit as u8)
    }
}

impl From<client::Error> for Failure {
    fn from(error: client::Error) -> Self {
        let (exit, signed_out) = match error.refusal().map(|refusal| refusal.status) {
            Some(401) => (Exit::Refused, true),
            Some(403) => (Exit::Refused, false),
            Some(404) => (Exit::NotFound, false),
            _ => (Exit::Failed, false),
        };
        let message = error.refusal().map_or_else(|| error.to_string(), |refusal| refusal.message.clone());
        // One sentence of a server: it makes no lines of its own.
        let message = harmless(&message);
        let mut failure = Self::new(exit, error.code(), message);
        failure.request_id = error.request_id().unwrap_or_default().to_owned();
        failure.remedy = harmless(error.remedy());
        if failure.remedy.is_empty() && signed_out {
            failure.remedy = "sign in: lapwing login".to_owned();
        }
        failure
    }
}

impl From<client::Fault> for Failure {
    fn from(fault: client::Fault) -> Self {
        let code = match fault {
            client::Fault::Address(_) => "server_address_malformed",
            client::Fault::CaCertificate(_) => "ca_certificate_unusable",
            client::Fault::Identity(_) => "device_certificate_unusable",
            client::Fault::Tls(_) => "tls_failed",
        };
        Self::wrong_use(code, fault.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_prints_no_command_to_the_terminal() {
        let bad = "\u{1b}]0;x\u{7}\u{202e}";
        let mut failure = Failure::failed(bad, format!("{bad}\nmore")).next(bad);
        failure.request_id = format!("{bad}\n");
        let text = failure.text();
        let red = ["\u{1b}[1;31m", "\u{1b}[0m"].iter().fold(text.clone(), |text, colour| text.replace(colour, ""));
        assert!(!red.chars().any(|c| c != '\n' && (c.is_control() || laps::text::misleads(c))), "{text:?}");
        assert_eq!(text.lines().count(), 4, "{text}");
    }
}
