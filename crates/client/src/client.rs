//! The one HTTPS client: one server, pinned CA, reused connections, bounded bodies, typed errors.

use crate::{
    Cause, Error, Malformed, NoAnswer, Refusal, error,
    trust::{self, Identity, Shown, Trust},
};
use bytes::Bytes;
use laps::time::Timestamp;
use reqwest::{
    Method, StatusCode, Url,
    header::{self, HeaderMap, HeaderName, HeaderValue},
};
use std::{sync::PoisonError, time::Duration};
use zeroize::Zeroizing;

/// Largest answer that is read, in bytes, unless a call says otherwise.
pub(crate) const ANSWER_BYTES_MAX: usize = 4 << 20;
/// How often a request is repeated because the server named a time in Retry-After.
const REPEATS_MAX: u32 = 3;

/// A [`Client`] that cannot be made from what was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The address of the server.
    #[error("'{0}' is not the address of a server; expected https://NAME or https://NAME:PORT")]
    Address(String),
    /// The CA certificate.
    #[error("the CA certificate cannot be used: {0}; give the ca.pem that lapwingd made")]
    CaCertificate(String),
    /// The client's certificate and key.
    #[error("the device certificate cannot be used: {0}; join the machine again")]
    Identity(String),
    /// TLS as such.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

/// Everything that makes a [`Client`].
#[derive(Debug, Clone)]
pub struct Settings {
    /// The server, `https://NAME[:PORT]`.
    pub server: String,
    /// How the right server is known.
    pub trust: Trust,
    /// The device certificate.
    pub identity: Option<Identity>,
    /// The newest server time that the caller knows; certificates are judged by the later of it and the clock.
    pub clock_floor: Option<Timestamp>,
    /// `User-Agent`; the server puts it into audit records.
    pub user_agent: String,
    /// For a whole request and its answer.
    pub timeout: Duration,
    /// A Retry-After of at most this is waited for and the request repeated; a longer one is returned as an
    /// error that carries it. Zero: never wait.
    pub retry_after_max: Duration,
}

impl Settings {
    /// With the usual times: 30 s for a request, Retry-After up to 5 s is waited for.
    pub fn new(server: &str, trust: Trust) -> Self {
        Self {
            server: server.to_owned(),
            trust,
            identity: None,
            clock_floor: None,
            user_agent: concat!("lapwing/", env!("CARGO_PKG_VERSION")).to_owned(),
            timeout: Duration::from_secs(30),
            retry_after_max: Duration::from_secs(5),
        }
    }
}

/// An HTTPS client of one server. Cheap to clone; connections are kept and reused.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    timeout: Duration,
    retry_after_max: Duration,
    shown: Shown,
}

impl core::fmt::Debug for Client {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Client").field(&self.server()).finish()
    }
}

/// A request. The body is held once, in memory that its owner wipes.
pub(crate) struct Request<'a> {
    method: Method,
    path: &'a str,
    query: Vec<(&'a str, &'a str)>,
    headers: HeaderMap,
    body: Option<Bytes>,
    timeout: Option<Duration>,
    answer_bytes_max: usize,
    any_status: bool,
}

impl<'a> Request<'a> {
    pub(crate) fn new(method: Method, path: &'a str) -> Self {
        Self {
            method,
            path,
            query: Vec::new(),
            headers: HeaderMap::new(),
            body: None,
            timeout: None,
            answer_bytes_max: ANSWER_BYTES_MAX,
            any_status: false,
        }
    }
    pub(crate) fn query(mut self, name: &'a str, value: &'a str) -> Self {
        self.query.push((name, value));
        self
    }
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }
    /// The body; reqwest takes over the one buffer, and wipes it when the last use ends.
    pub(crate) fn body(mut self, content_type: &'static str, body: Zeroizing<Vec<u8>>) -> Self {
        self.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        self.body = Some(Bytes::from_owner(body));
        self
    }
    pub(crate) fn json<T: serde::Serialize>(self, value: &T) -> Self {
        let mut body = Zeroizing::new(Vec::with_capacity(proto::device::BODY_BYTES_MAX));
        // Writing our own types into memory has no failing case.
        let written = serde_json::to_writer(&mut *body, value);
        debug_assert!(written.is_ok());
        self.body("application/json", body)
    }
    pub(crate) fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
    /// The route says in its own words what went wrong: a 4xx answer that is no [`Refusal`] is returned whole.
    pub(crate) fn take_any_status(mut self) -> Self {
        self.any_status = true;
        self
    }
    pub(crate) fn answer_bytes_max(mut self, bytes: usize) -> Self {
        self.answer_bytes_max = bytes;
        self
    }
}

/// A successful answer, its body in memory that is wiped.
pub(crate) struct Answer {
    pub(crate) body: Zeroizing<Vec<u8>>,
}

impl Client {
    /// A client of one server. No connection is made yet.
    ///
    /// # Errors
    /// [`Fault`] when address, CA certificate or identity cannot be used.
    pub fn new(settings: &Settings) -> Result<Self, Fault> {
        Self::make(settings, Some(&settings.trust))
    }

    fn make(settings: &Settings, trust: Option<&Trust>) -> Result<Self, Fault> {
        let base = address(&settings.server)?;
        let (tls, shown) = trust::config(trust, settings.identity.as_ref(), settings.clock_floor)?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(true)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent(&settings.user_agent)
            .connect_timeout(settings.timeout.min(Duration::from_secs(10)))
            .pool_idle_timeout(Duration::from_secs(60))
            .pool_max_idle_per_host(4)
            .tcp_keepalive(Duration::from_secs(30))
            .build()
            .map_err(|error| Fault::Tls(error.to_string()))?;
        Ok(Self { http, base, timeout: settings.timeout, retry_after_max: settings.retry_after_max, shown })
    }

    /// The server's address, `https://NAME[:PORT]`.
    pub fn server(&self) -> String {
        self.base.as_str().trim_end_matches('/').to_owned()
    }

    /// Whether the server answers at all.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn alive(&self) -> Result<(), Error> {
        self.send(Request::new(Method::GET, "/healthz")).await.map(drop)
    }

    /// The CA certificate (DER) to pin: the first of those that were given, or, when the server was known by
    /// a fingerprint only, the one that it showed in a handshake that succeeded.
    pub fn ca_certificate(&self) -> Option<Vec<u8>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn malformed(&self, what: impl Into<String>) -> Error {
        Error::Malformed(Malformed { server: self.server(), what: what.into() })
    }

    fn no_answer(&self, cause: Cause) -> Error {
        Error::NoAnswer(NoAnswer { server: self.server(), cause })
    }

    /// Sends, waits for a short Retry-After and sends again, and reads the answer.
    pub(crate) async fn send(&self, request: Request<'_>) -> Result<Answer, Error> {
        let mut url = self.base.clone();
        url.set_path(request.path);
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        self.send_to(url, request).await
    }

    /// The same to a full address that the server itself gave (`@odata.nextLink`); it must be on this server.
    pub(crate) async fn send_link(&self, link: &str, request: Request<'_>) -> Result<Answer, Error> {
        let url = Url::parse(link)
            .ok()
            .filter(|url| url.origin() == self.base.origin())
            .ok_or_else(|| self.malformed("the answer's next page is not on this server"))?;
        self.send_to(url, request).await
    }

    async fn send_to(&self, url: Url, request: Request<'_>) -> Result<Answer, Error> {
        let mut repeats = 0;
        loop {
            match self.send_once(&url, &request).await {
                Err(Error::Refused(refusal)) if repeats < REPEATS_MAX && self.worth_waiting(&refusal) => {
                    repeats += 1;
                    tokio::time::sleep(refusal.retry_after.unwrap_or_default()).await;
                }
                outcome => return outcome,
            }
        }
    }

    fn worth_waiting(&self, refusal: &Refusal) -> bool {
        matches!(refusal.status, 429 | 503)
            && refusal.retry_after.is_some_and(|after| !self.retry_after_max.is_zero() && after <= self.retry_after_max)
    }

    async fn send_once(&self, url: &Url, request: &Request<'_>) -> Result<Answer, Error> {
        let timeout = request.timeout.unwrap_or(self.timeout);
        let mut out =
            self.http.request(request.method.clone(), url.clone()).headers(request.headers.clone()).timeout(timeout);
        if let Some(body) = &request.body {
            out = out.body(body.clone()); // counts a reference, copies nothing
        }
        let mut answer = out.send().await.map_err(|error| self.no_answer(cause(&error, timeout)))?;
        let status = answer.status();
        let retry_after = answer.headers().get(header::RETRY_AFTER).and_then(seconds);
        let length = usize::try_from(answer.content_length().unwrap_or(0)).unwrap_or(usize::MAX);
        let too_large = || self.malformed(format!("the answer is larger than {} bytes", request.answer_bytes_max));
        if length > request.answer_bytes_max {
            return Err(too_large());
        }
        // Made large enough at once when the length is known: growing would leave copies behind.
        let mut body = Zeroizing::new(Vec::with_capacity(length));
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.no_answer(cause(&error, timeout)))? {
            if body.len() + chunk.len() > request.answer_bytes_max {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        if status.is_success() {
            return Ok(Answer { body });
        }
        Err(match error::refusal(status.as_u16(), &body, retry_after) {
            Some(refusal) => Error::Refused(Box::new(refusal)),
            None if request.any_status && status.is_client_error() => return Ok(Answer { body }),
            None if is_gateway(status) => self.no_answer(Cause::Gateway(status.as_u16())),
            None => self.malformed(format!("HTTP status {} without an error that can be read", status.as_u16())),
        })
    }

    /// Reads a JSON answer.
    pub(crate) fn read_json<T: serde::de::DeserializeOwned>(&self, answer: &Answer) -> Result<T, Error> {
        serde_json::from_slice(&answer.body).map_err(|error| {
            // serde_json's own text may quote a value of the answer; place and kind are enough.
            let (line, column) = (error.line(), error.column());
            self.malformed(format!("the answer is not what the route gives (line {line} column {column})"))
        })
    }
}

/// The CA certificate (DER) that a server shows, last of its chain, while nothing is trusted and nothing sent.
/// For asking a person whether [`crate::CaFingerprint::of`] it is the one that `lapwingd` printed.
///
/// # Errors
/// [`Error::NoAnswer`]: an address that cannot be used is [`Cause::Unreachable`], like
/// a server that showed no certificate.
pub async fn shown_ca_certificate(server: &str) -> Result<Vec<u8>, Error> {
    let unusable = |fault: Fault| {
        Error::NoAnswer(NoAnswer { server: server.to_owned(), cause: Cause::Unreachable(fault.to_string()) })
    };
    let client = Client::make(&Settings::new(server, Trust::Pinned(Vec::new())), None).map_err(unusable)?;
    let outcome = client.send(Request::new(Method::GET, "/healthz")).await;
    match (client.ca_certificate(), outcome) {
        (Some(der), _) => Ok(der),
        (None, Err(error)) => Err(error),
        (None, Ok(_)) => Err(client.no_answer(Cause::Tls("no certificate was shown".into()))),
    }
}

fn address(text: &str) -> Result<Url, Fault> {
    let wrong = || Fault::Address(text.to_owned());
    let spelled = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let url = Url::parse(&spelled).map_err(|_| wrong())?;
    let plain = url.scheme() == "https"
        && url.has_host()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if plain { Ok(url) } else { Err(wrong()) }
}

const fn is_gateway(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT)
}

/// Retry-After as seconds; its date form is not used by Lapwing and counts as absent.
fn seconds(value: &HeaderValue) -> Option<Duration> {
    value.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

fn cause(error: &reqwest::Error, timeout: Duration) -> Cause {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut deepest = String::new();
    while let Some(current) = source {
        let inner = current.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let tls = current
            .downcast_ref::<rustls::Error>()
            .or_else(|| inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()));
        if let Some(tls) = tls {
            return trust::cause_of(tls);
        }
        if let Some(io) = current.downcast_ref::<std::io::Error>()
            && io.kind() == std::io::ErrorKind::TimedOut
        {
            return Cause::TimedOut(timeout);
        }
        deepest = current.to_string();
        // An io::Error passes over the error that it wraps when asked for its source.
        source = match inner {
            Some(inner) => Some(inner),
            None => current.source(),
        };
    }
    if error.is_timeout() {
        Cause::TimedOut(timeout)
    } else if error.is_connect() && (deepest.contains("lookup") || deepest.contains("resolve")) {
        Cause::NameUnresolved(deepest)
    } else if error.is_connect() {
        Cause::Unreachable(deepest)
    } else {
        Cause::BrokeOff(deepest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for good in ["https://a.test", "https://a.test/", "https://a.test:8443", "https://[::1]:8443", "a.test:8443"] {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in
            ["", "http://a.test", "https://a.test/x", "https://u@a.test", "https://a.test?x", "ftp://a", "https://"]
        {
            assert_eq!(address(bad), Err(Fault::Address(bad.into())), "{bad}");
        }
    }

    #[test]
    fn retry_after_is_seconds() {
        assert_eq!(seconds(&HeaderValue::from_static(" 3 ")), Some(Duration::from_secs(3)));
        assert_eq!(seconds(&HeaderValue::from_static("Sat, 21 Nov 2026 10:00:00 GMT")), None);
    }
}
