//! Errors of the device API.

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:literal;)*) => {
        /// The stable codes of the device API. A client that meets another one treats it as the HTTP
        /// status says.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// Every code, for tables and tests.
            pub const ALL: &[Self] = &[$(Self::$name,)*];
            /// The text on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
            /// The HTTP status that goes with it.
            pub const fn http_status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }
            /// The code with this text.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$name),)* _ => None }
            }
        }
    };
}

codes! {
    /// The body is not what the route takes.
    BadRequest = "bad_request", 400;
    /// The body is larger than [`super::BODY_BYTES_MAX`].
    TooLarge = "body_too_large", 413;
    /// No join token has this value, or not for this server.
    JoinTokenUnknown = "join_token_unknown", 401;
    /// The join token was used before; it is single use.
    JoinTokenUsed = "join_token_used", 401;
    /// The join token is past its expiry.
    JoinTokenExpired = "join_token_expired", 401;
    /// The certificate request is malformed, or its key is not one that the server takes.
    CsrRefused = "csr_refused", 400;
    /// No client certificate, or one of another CA.
    CertificateRequired = "certificate_required", 401;
    /// The certificate is past its end; only renew and report are allowed with it.
    CertificateExpired = "certificate_expired", 403;
    /// No device object belongs to the certificate: it was purged, or the server restored from before the join.
    DeviceUnknown = "device_unknown", 403;
    /// The device object is a tombstone.
    DeviceDeleted = "device_deleted", 403;
    /// The device object is disabled.
    DeviceDisabled = "device_disabled", 403;
    /// The tenant switch "Enable LAPS" is off.
    LapsDisabled = "laps_disabled", 403;
    /// `store`: the version exists with another account or fingerprint.
    VersionConflict = "version_conflict", 409;
    /// `prove`: the version was abandoned; rotate at once.
    VersionAbandoned = "version_abandoned", 409;
    /// `prove`: no such version; rotate at once.
    VersionUnknown = "version_unknown", 404;
    /// `store`: too many versions within 24 hours, or too many unresolved ones.
    TooManyVersions = "too_many_versions", 429;
    /// Too many requests of this device or address.
    TooManyRequests = "too_many_requests", 429;
    /// The server cannot store now; nothing was changed.
    Unavailable = "unavailable", 503;
    /// A fault of the server; the request id finds it in its log.
    Internal = "internal_error", 500;
}

/// The body of every error answer: `{"error": {…}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The one member.
    pub error: ErrorDetail,
}

/// What went wrong and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorDetail {
    /// A [`Code`] as text.
    pub code: String,
    /// A plain sentence.
    pub message: String,
    /// What to do next.
    pub remedy: String,
    /// Finds the request in the server's log.
    #[serde(default)]
    pub request_id: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_parse_back() {
        for code in Code::ALL {
            assert_eq!(Code::parse(code.as_str()), Some(*code));
            assert!((400..600).contains(&code.http_status()));
        }
        assert_eq!(Code::parse("no such code"), None);
    }
}
