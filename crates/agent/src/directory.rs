//! The server as the agent sees it: the verbs of rotation.md 3, the management session, the wait channel.

use client::{Client, Error, Fault, Identity as TlsIdentity, Settings, Trust};
use laps::{event, password::Password, rotation::Failure, rotation::Outcome, time::Timestamp};
use proto::device::{
    Abandon, Code, Prove, RenewAnswer, RenewRequest, Report, ReportAnswer, Store, StoreAnswer, VersionAnswer,
    WaitAnswer,
};
use std::time::Duration;

use crate::state::{Identity, SoftwareKey};

/// A directory and its management server. Tests bring one of their own.
#[allow(async_fn_in_trait, reason = "the agent runs on one thread; nothing needs Send")]
pub trait Directory {
    /// `store(v)`.
    async fn store(&self, store: &Store, password: &Password) -> Result<StoreAnswer, Error>;
    /// `prove(v)`.
    async fn prove(&self, prove: &Prove) -> Result<VersionAnswer, Error>;
    /// `abandon(v)`.
    async fn abandon(&self, abandon: &Abandon) -> Result<VersionAnswer, Error>;
    /// `report`.
    async fn report(&self, report: &Report) -> Result<ReportAnswer, Error>;
    /// A new certificate.
    async fn renew(&self, request: &RenewRequest) -> Result<RenewAnswer, Error>;
    /// One message of a management session, and the server's next one.
    async fn manage(&self, message: Vec<u8>) -> Result<Vec<u8>, Error>;
    /// Answers when there is work, or after a while; at most `at_most`.
    async fn wait(&self, at_most: Duration) -> Result<WaitAnswer, Error>;
    /// The address of the management server, for the messages of a session.
    fn management_uri(&self) -> String;
}

impl Directory for Client {
    async fn store(&self, store: &Store, password: &Password) -> Result<StoreAnswer, Error> {
        Client::store(self, store, password).await
    }
    async fn prove(&self, prove: &Prove) -> Result<VersionAnswer, Error> {
        Client::prove(self, prove).await
    }
    async fn abandon(&self, abandon: &Abandon) -> Result<VersionAnswer, Error> {
        Client::abandon(self, abandon).await
    }
    async fn report(&self, report: &Report) -> Result<ReportAnswer, Error> {
        Client::report(self, report).await
    }
    async fn renew(&self, request: &RenewRequest) -> Result<RenewAnswer, Error> {
        Client::renew(self, request).await
    }
    async fn manage(&self, message: Vec<u8>) -> Result<Vec<u8>, Error> {
        Client::mdm(self, message).await
    }
    async fn wait(&self, at_most: Duration) -> Result<WaitAnswer, Error> {
        Client::wait(self, at_most).await
    }
    fn management_uri(&self) -> String {
        format!("{}{}", self.server(), client::mdm::PATH)
    }
}

/// How this agent names itself in requests.
pub const USER_AGENT: &str = concat!("lapwing-agent/", env!("CARGO_PKG_VERSION"));

/// The client of a device that has joined. `floor` is the newest server time that is known.
///
/// # Errors
/// [`Fault`]: what a join stored cannot be used.
pub fn client_of(identity: &Identity, key: &SoftwareKey, floor: Option<Timestamp>) -> Result<Client, Fault> {
    let mut settings = Settings::new(&identity.server, Trust::Pinned(identity.ca.clone()));
    settings.identity = Some(TlsIdentity { chain: vec![identity.certificate.clone()], key: key.pkcs8() });
    settings.clock_floor = floor;
    settings.user_agent = USER_AGENT.into();
    Client::new(&settings)
}

/// A failed call as events and reports tell it.
pub fn failure(error: &Error, what: &'static str) -> Failure {
    let event = match error {
        Error::NoAnswer(none) if matches!(none.cause, client::Cause::ClientCertificate(_)) => {
            event::AUTHENTICATION_FAILED
        }
        Error::NoAnswer(_) => event::DISCOVERY_FAILED,
        Error::Refused(_) => match error.device_code() {
            Some(Code::CertificateRequired | Code::CertificateExpired) => event::AUTHENTICATION_FAILED,
            _ => event::DIRECTORY_REFUSED,
        },
        Error::Malformed(_) => event::DIRECTORY_REFUSED,
    };
    let mut text = format!("{what}: {error}");
    // A refusal's own text already says what to do.
    if error.refusal().is_none() && !error.remedy().is_empty() {
        text.push_str("; ");
        text.push_str(error.remedy());
    }
    if let Some(id) = error.request_id() {
        text.push_str(&format!(" (request {id})"));
    }
    Failure::new(event, error.code(), text)
}

/// What a failed `store` means for the rotation: refused only when it is certain that nothing was stored.
/// `in_doubt`: an earlier attempt for the same version may have been stored.
pub fn store_outcome(error: &Error, in_doubt: bool) -> Outcome {
    let failure = failure(error, "the directory did not take the new password; the current one was not changed");
    let certain = match error {
        Error::NoAnswer(none) => !none.was_sent() && !in_doubt,
        Error::Refused(_) => error.is_final() || error.device_code() == Some(Code::Unavailable),
        Error::Malformed(_) => false,
    };
    if certain { Outcome::Refused(failure) } else { Outcome::Unknown(failure) }
}

/// What a failed `prove` means: only "abandoned" and "unknown" are a no (rotation.md 3).
pub fn prove_outcome(error: &Error) -> Outcome {
    let failure = failure(error, "the directory was not told that the password is set");
    match error.device_code() {
        Some(Code::VersionAbandoned | Code::VersionUnknown) => Outcome::Refused(failure),
        _ => Outcome::Unknown(failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::{Cause, NoAnswer, Refusal};

    fn no_answer(cause: Cause) -> Error {
        Error::NoAnswer(NoAnswer { server: "https://s".into(), cause })
    }
    fn refused(code: Code) -> Error {
        Error::Refused(Box::new(Refusal {
            status: code.http_status(),
            code: code.as_str().into(),
            message: "no".into(),
            remedy: "wait".into(),
            request_id: "r1".into(),
            retry_after: None,
        }))
    }

    /// rotation.md 2, step 4, and 3: what is a no, and what may have happened.
    #[test]
    fn only_a_certain_no_ends_a_rotation() {
        let unreachable = no_answer(Cause::Unreachable("x".into()));
        assert!(matches!(store_outcome(&unreachable, false), Outcome::Refused(_)));
        assert!(matches!(store_outcome(&unreachable, true), Outcome::Unknown(_)));
        for doubtful in [no_answer(Cause::TimedOut(Duration::ZERO)), refused(Code::Internal)] {
            assert!(matches!(store_outcome(&doubtful, false), Outcome::Unknown(_)), "{doubtful:?}");
        }
        for no in [Code::LapsDisabled, Code::DeviceDisabled, Code::VersionConflict, Code::Unavailable] {
            assert!(matches!(store_outcome(&refused(no), true), Outcome::Refused(_)), "{no:?}");
        }
        for no in [Code::VersionAbandoned, Code::VersionUnknown] {
            assert!(matches!(prove_outcome(&refused(no)), Outcome::Refused(_)), "{no:?}");
        }
        for other in [Code::DeviceDisabled, Code::TooManyRequests, Code::Internal, Code::Unavailable] {
            assert!(matches!(prove_outcome(&refused(other)), Outcome::Unknown(_)), "{other:?}");
        }
        assert!(matches!(prove_outcome(&unreachable), Outcome::Unknown(_)));
    }

    #[test]
    fn failures_name_event_code_and_request() {
        let failure = failure(&refused(Code::CertificateExpired), "report");
        assert_eq!((failure.event, failure.code.as_str()), (event::AUTHENTICATION_FAILED, "certificate_expired"));
        assert!(failure.text.contains("r1") && failure.text.contains("wait"), "{failure}");
    }
}
