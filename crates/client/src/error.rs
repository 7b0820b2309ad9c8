//! What can go wrong between a client and the server: no answer, a refusal, an answer that is none of ours.

use core::fmt;
use std::time::Duration;

/// A request that did not succeed. The three cases ask for different acts: try again later, do what the
/// refusal says, or look at what stands between client and server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No answer of the server came. Whether it acted on the request is not known, except as
    /// [`NoAnswer::was_sent`] tells.
    #[error("{0}")]
    NoAnswer(NoAnswer),
    /// The server answered, and said no.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// Something answered that does not speak Lapwing's protocols, or not as expected.
    #[error("{0}")]
    Malformed(Malformed),
}

/// Why no answer came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{server}: {cause}")]
pub struct NoAnswer {
    /// The server's address as it was given.
    pub server: String,
    /// The cause.
    pub cause: Cause,
}

/// The cause of a [`NoAnswer`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The name has no address.
    #[error("the name of the server cannot be resolved ({0})")]
    NameUnresolved(String),
    /// Nothing listens there, or the way is blocked.
    #[error("no connection ({0})")]
    Unreachable(String),
    /// No answer within the time allowed.
    #[error("no answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The connection broke in the middle.
    #[error("the connection broke off ({0})")]
    BrokeOff(String),
    /// The server's certificate comes from another CA than the pinned one.
    #[error("the server's certificate is not from the CA that this client trusts")]
    WrongCa,
    /// The server's certificate is for other names.
    #[error("the server's certificate is for another name{}", of_names(.0))]
    WrongName(Vec<String>),
    /// The server's certificate is past its end.
    #[error("the server's certificate has expired")]
    Expired,
    /// The server's certificate is not valid yet: most often this machine's clock is slow.
    #[error("the server's certificate is not valid yet by this machine's clock")]
    NotYetValid,
    /// The server did not take our certificate.
    #[error("the server did not take this client's certificate ({0})")]
    ClientCertificate(String),
    /// Another fault of TLS.
    #[error("TLS failed ({0})")]
    Tls(String),
    /// A proxy or load balancer answered in the server's place, with this HTTP status.
    #[error("something in front of the server answered with HTTP status {0}")]
    Gateway(u16),
}

fn of_names(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!(": it names {}", names.join(", ")) }
}

impl Cause {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NameUnresolved(_) => "server_name_unresolved",
            Self::Unreachable(_) => "server_unreachable",
            Self::TimedOut(_) => "server_timed_out",
            Self::BrokeOff(_) => "connection_broke_off",
            Self::WrongCa => "server_ca_unknown",
            Self::WrongName(_) => "server_name_wrong",
            Self::Expired => "server_certificate_expired",
            Self::NotYetValid => "server_certificate_not_yet_valid",
            Self::ClientCertificate(_) => "client_certificate_refused",
            Self::Tls(_) => "tls_failed",
            Self::Gateway(_) => "gateway_answered",
        }
    }
    /// What to do next.
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::NameUnresolved(_) => "check the address of the server, and this machine's name service",
            Self::Unreachable(_) => "check that lapwingd runs there and that the port is open",
            Self::TimedOut(_) | Self::BrokeOff(_) => "try again; look at the server's log when it stays so",
            Self::WrongCa => "compare the fingerprint with the one that lapwingd prints; do not go on when it differs",
            Self::WrongName(_) => "use a name that the certificate has, or give lapwingd the name with --hostname",
            Self::Expired => {
                "restart lapwingd: it makes a new certificate at its start; else check this machine's clock"
            }
            Self::NotYetValid => "set this machine's clock",
            Self::ClientCertificate(_) => "join the machine again",
            Self::Tls(_) => "check that the address is that of a Lapwing server, with https",
            Self::Gateway(_) => "check that lapwingd runs behind it; Lapwing wants load balancers of layer 4",
        }
    }
}

impl NoAnswer {
    /// Whether the request may have reached the server: false when no connection was made at all.
    pub const fn was_sent(&self) -> bool {
        matches!(self.cause, Cause::TimedOut(_) | Cause::BrokeOff(_) | Cause::Gateway(_))
    }
}

/// An error answer of the server, whatever the shape that its surface gives it (device API, Graph, OAuth 2.0).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// Lapwing's stable code; OAuth's word on the token endpoint; Graph's when there is no finer one.
    pub code: String,
    /// A plain sentence.
    pub message: String,
    /// What to do next; empty when the message says it.
    pub remedy: String,
    /// Finds the request in the server's log; may be empty.
    pub request_id: String,
    /// When to come again, when the server said so.
    pub retry_after: Option<Duration>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if !self.remedy.is_empty() {
            write!(f, "; {}", self.remedy)?;
        }
        Ok(())
    }
}

/// An answer that could not be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{server}: {what}")]
pub struct Malformed {
    /// The server's address as it was given.
    pub server: String,
    /// What was wrong with it. It never shows the answer.
    pub what: String,
}

impl Error {
    /// The stable code: for logs, events and decisions.
    pub fn code(&self) -> &str {
        match self {
            Self::NoAnswer(none) => none.cause.code(),
            Self::Refused(refusal) => &refusal.code,
            Self::Malformed(_) => "answer_malformed",
        }
    }
    /// What to do next; empty when the message says it.
    pub fn remedy(&self) -> &str {
        match self {
            Self::NoAnswer(none) => none.cause.remedy(),
            Self::Refused(refusal) => &refusal.remedy,
            Self::Malformed(_) => "check that the address is that of a Lapwing server of a fitting version",
        }
    }
    /// Id of the request in the server's log, when it answered with one.
    pub fn request_id(&self) -> Option<&str> {
        self.refusal().map(|refusal| refusal.request_id.as_str()).filter(|id| !id.is_empty())
    }
    /// The refusal, when it is one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::NoAnswer(_) | Self::Malformed(_) => None,
        }
    }
    /// The code of the device API, when the server refused with one of them.
    pub fn device_code(&self) -> Option<proto::device::Code> {
        self.refusal().and_then(|refusal| proto::device::Code::parse(&refusal.code))
    }
    /// Whether the server decided against the request, so that nothing was changed by it (HTTP 4xx).
    /// When false, the outcome may be unknown: repeat the request, which every verb allows.
    pub fn is_final(&self) -> bool {
        self.refusal().is_some_and(|refusal| (400..500).contains(&refusal.status))
    }
    /// When to come again, when the server said so.
    pub fn retry_after(&self) -> Option<Duration> {
        self.refusal().and_then(|refusal| refusal.retry_after)
    }
}

/// Reads an error answer of any surface. `None` when the body is none of the three shapes.
pub(crate) fn refusal(status: u16, body: &[u8], retry_after: Option<Duration>) -> Option<Refusal> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    let text = |value: &serde_json::Value, name: &str| {
        value.get(name).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
    };
    let error = body.get("error")?;
    if let Some(word) = error.as_str() {
        // RFC 6749 5.2, with Entra's members
        return Some(Refusal {
            status,
            code: word.to_owned(),
            message: Some(text(&body, "error_description")).filter(|text| !text.is_empty()).unwrap_or(word.to_owned()),
            remedy: String::new(),
            request_id: text(&body, "trace_id"),
            retry_after,
        });
    }
    let outer = text(error, "code");
    if outer.is_empty() {
        return None;
    }
    let inner = error.get("innerError");
    let finer = inner.map(|inner| text(inner, "code")).filter(|code| !code.is_empty());
    let request_id = inner.map_or_else(|| text(error, "request_id"), |inner| text(inner, "request-id"));
    Some(Refusal {
        status,
        code: finer.unwrap_or(outer),
        message: text(error, "message"),
        remedy: text(error, "remedy"),
        request_id,
        retry_after,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_three_shapes_are_read() {
        let device = br#"{"error":{"code":"laps_disabled","message":"m","remedy":"r","request_id":"1"}}"#;
        let graph = br#"{"error":{"code":"Authorization_RequestDenied","message":"m","innerError":{"code":"role_missing","date":"","request-id":"2","client-request-id":""}}}"#;
        let oauth = br#"{"error":"authorization_pending","error_description":"AADSTS70016: wait","trace_id":"3"}"#;
        let read = |body: &[u8]| refusal(403, body, None).unwrap();
        assert_eq!((read(device).code.as_str(), read(device).remedy.as_str()), ("laps_disabled", "r"));
        assert_eq!(read(device).request_id, "1");
        assert_eq!((read(graph).code.as_str(), read(graph).request_id.as_str()), ("role_missing", "2"));
        assert_eq!((read(oauth).code.as_str(), read(oauth).request_id.as_str()), ("authorization_pending", "3"));
    }

    #[test]
    fn other_bodies_are_not_refusals() {
        for body in [&b""[..], b"<html>", b"{}", b"{\"error\":null}", b"{\"error\":{}}", b"[]"] {
            assert_eq!(refusal(500, body, None), None);
        }
    }

    #[test]
    fn only_a_4xx_of_the_server_is_final() {
        let refused = |status| {
            Error::Refused(Box::new(Refusal {
                status,
                code: "x".into(),
                message: String::new(),
                remedy: String::new(),
                request_id: String::new(),
                retry_after: None,
            }))
        };
        assert!(refused(403).is_final());
        assert!(!refused(503).is_final());
        let none = NoAnswer { server: "s".into(), cause: Cause::WrongCa };
        assert!(!none.was_sent());
        assert!(!Error::NoAnswer(none).is_final());
    }
}
