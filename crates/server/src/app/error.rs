//! What `app` refuses and why it fails: one type for every edge.

use crate::authz::Denied;
use crate::ca::CaError;
use crate::oauth::{OauthError, PasswordError};
use crate::store::StoreError;
use laps::time::Timestamp;
use proto::device::Code;

/// What an edge makes of an error: its status, and Graph's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The request is malformed or asks for something that cannot be.
    Invalid,
    /// A header that must be there is missing.
    HeaderMissing,
    /// No identity, or one that is not good (any more).
    NotSignedIn,
    /// The identity may not do this.
    Denied,
    /// There is no such thing.
    NotFound,
    /// The path has no such method.
    Method,
    /// It contradicts what is there.
    Conflict,
    /// What the decision was made on changed meanwhile.
    Changed,
    /// The body is too large.
    TooLarge,
    /// Too often.
    TooMany,
    /// The server cannot do it now; nothing was changed.
    Unavailable,
    /// A fault of the server.
    Internal,
}

/// Why `app` did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not allowed.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The request itself is wrong.
    #[error("{text}")]
    Invalid {
        /// The stable code.
        code: &'static str,
        /// What was expected, and the next step.
        text: String,
    },
    /// There is no such thing.
    #[error("{text}")]
    NotFound {
        /// The stable code.
        code: &'static str,
        /// What is not there, and the next step.
        text: String,
    },
    /// A plain refusal of an edge.
    #[error("{text}")]
    Refused {
        /// Its kind.
        kind: Kind,
        /// The stable code.
        code: &'static str,
        /// A sentence, and the next step.
        text: String,
    },
    /// A device's certificate or state does not allow it, or its request is not usable.
    #[error("{text}")]
    Device {
        /// The code of the device API.
        code: Code,
        /// A sentence.
        text: String,
    },
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A bound in 24 hours is reached.
    #[error("too many versions in 24 hours; the next one is taken in {retry_after_s} seconds")]
    TooManyVersions {
        /// Seconds until there is room.
        retry_after_s: u64,
    },
    /// The certificate authority refused or failed.
    #[error(transparent)]
    Ca(#[from] CaError),
    /// A token could not be made.
    #[error(transparent)]
    Oauth(#[from] OauthError),
    /// A password of a person was not taken or not checked.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// A fault of the server; the text is for the log only.
    #[error("{0}")]
    Internal(String),
}

/// Results of `app`.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A malformed request.
    pub fn invalid(code: &'static str, text: impl Into<String>) -> Self {
        Self::Invalid { code, text: text.into() }
    }
    /// Something that is not there.
    pub fn not_found(code: &'static str, text: impl Into<String>) -> Self {
        Self::NotFound { code, text: text.into() }
    }
    /// A refusal with its kind.
    pub fn refused(kind: Kind, code: &'static str, text: impl Into<String>) -> Self {
        Self::Refused { kind, code, text: text.into() }
    }
    /// A refusal of the device API.
    pub fn device(code: Code, text: impl Into<String>) -> Self {
        Self::Device { code, text: text.into() }
    }
    /// Nobody has signed in, or the token is not good (any more).
    pub fn not_signed_in(text: impl Into<String>) -> Self {
        Self::refused(Kind::NotSignedIn, "not_signed_in", text)
    }
    /// The store's error, with the time in it turned into seconds from `now`.
    pub fn of_store(error: StoreError, now: Timestamp) -> Self {
        match error {
            StoreError::TooManyVersions { retry_at } => {
                Self::TooManyVersions { retry_after_s: retry_at.seconds_since(now).max(1) }
            }
            other => Self::Store(other),
        }
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Denied(Denied::Anonymous) => Kind::NotSignedIn,
            Self::Denied(_) => Kind::Denied,
            Self::Invalid { .. } => Kind::Invalid,
            Self::NotFound { .. } => Kind::NotFound,
            Self::Refused { kind, .. } => *kind,
            Self::Device { code, .. } => kind_of_device(*code),
            Self::Store(error) => kind_of_store(error),
            Self::TooManyVersions { .. } => Kind::TooMany,
            Self::Ca(CaError::BadRequest(_) | CaError::WeakKey | CaError::BadName(_)) => Kind::Invalid,
            Self::Password(PasswordError::Busy) => Kind::TooMany,
            Self::Password(PasswordError::Failed) => Kind::Internal,
            Self::Password(_) => Kind::Invalid,
            Self::Ca(_) | Self::Oauth(_) | Self::Internal(_) => Kind::Internal,
        }
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Denied(denied) => denied.code(),
            Self::Invalid { code, .. } | Self::NotFound { code, .. } | Self::Refused { code, .. } => code,
            Self::Device { code, .. } => code.as_str(),
            Self::Store(error) => error.code(),
            Self::TooManyVersions { .. } => "too_many_versions",
            Self::Ca(CaError::BadRequest(_) | CaError::WeakKey) => "csr_refused",
            Self::Ca(CaError::BadName(_)) => "bad_host_name",
            Self::Password(PasswordError::Busy) => "busy",
            Self::Password(PasswordError::Failed) | Self::Ca(_) | Self::Oauth(_) | Self::Internal(_) => {
                "internal_error"
            }
            Self::Password(_) => "password_unfit",
        }
    }

    /// The sentence for the caller; internals are not in it.
    pub fn text(&self) -> String {
        match self.kind() {
            Kind::Internal => "the server met a fault; the request id finds it in its log".to_owned(),
            Kind::Unavailable => match self {
                Self::Store(StoreError::DiskFull | StoreError::ReadOnly | StoreError::ClockHeld) => {
                    format!("{self}; nothing was changed")
                }
                _ => "the server cannot do this now; nothing was changed, try again later".to_owned(),
            },
            _ => self.to_string(),
        }
    }

    /// The whole text, for the log.
    pub fn inside(&self) -> String {
        self.to_string()
    }

    /// Seconds after which it is worth trying again.
    pub fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::TooManyVersions { retry_after_s } => Some(*retry_after_s),
            Self::Store(StoreError::TooManyUnresolved) => Some(3_600),
            Self::Password(PasswordError::Busy) => Some(2),
            _ => match self.kind() {
                Kind::TooMany => Some(10),
                Kind::Unavailable => Some(30),
                _ => None,
            },
        }
    }

    /// Its code on the device API.
    pub fn device_code(&self) -> Code {
        match self {
            Self::Device { code, .. } => *code,
            Self::Store(error) => match error {
                StoreError::SwitchOff => Code::LapsDisabled,
                StoreError::DeviceUnknown => Code::DeviceUnknown,
                StoreError::CertificateRevoked => Code::CertificateRequired,
                StoreError::DeviceDisabled => Code::DeviceDisabled,
                StoreError::DeviceDeleted => Code::DeviceDeleted,
                StoreError::VersionConflict => Code::VersionConflict,
                StoreError::VersionAbandoned => Code::VersionAbandoned,
                StoreError::VersionUnknown => Code::VersionUnknown,
                StoreError::TooManyVersions { .. } | StoreError::TooManyUnresolved => Code::TooManyVersions,
                StoreError::TokenUnknown => Code::JoinTokenUnknown,
                StoreError::TokenUsed => Code::JoinTokenUsed,
                StoreError::TokenExpired | StoreError::TokenRevoked => Code::JoinTokenExpired,
                StoreError::DiskFull
                | StoreError::ReadOnly
                | StoreError::KeyRetired { .. }
                | StoreError::Unavailable(_) => Code::Unavailable,
                _ => Code::Internal,
            },
            Self::TooManyVersions { .. } => Code::TooManyVersions,
            Self::Ca(CaError::BadRequest(_) | CaError::WeakKey) => Code::CsrRefused,
            _ => match self.kind() {
                Kind::Invalid | Kind::HeaderMissing | Kind::Method | Kind::NotFound => Code::BadRequest,
                Kind::NotSignedIn | Kind::Denied => Code::CertificateRequired,
                Kind::TooLarge => Code::TooLarge,
                Kind::TooMany => Code::TooManyRequests,
                Kind::Conflict | Kind::Changed => Code::VersionConflict,
                Kind::Unavailable => Code::Unavailable,
                Kind::Internal => Code::Internal,
            },
        }
    }
}

const fn kind_of_device(code: Code) -> Kind {
    match code.http_status() {
        401 => Kind::NotSignedIn,
        403 => Kind::Denied,
        404 => Kind::NotFound,
        409 => Kind::Conflict,
        413 => Kind::TooLarge,
        429 => Kind::TooMany,
        503 => Kind::Unavailable,
        500 => Kind::Internal,
        _ => Kind::Invalid,
    }
}

const fn kind_of_store(error: &StoreError) -> Kind {
    use StoreError as E;
    match error {
        E::NotFound(_) | E::DeviceUnknown | E::VersionUnknown | E::NoPassword => Kind::NotFound,
        E::Exists(_)
        | E::InUse(_)
        | E::Filtered
        | E::Unfiltered
        | E::TooMany(_)
        | E::DeviceState(_)
        | E::VersionConflict
        | E::VersionAbandoned
        | E::LastAdministrator
        | E::PurgeRefused(_) => Kind::Conflict,
        E::Changed | E::AuthorizationChanged => Kind::Changed,
        E::SwitchOff | E::DeviceDisabled | E::DeviceDeleted => Kind::Denied,
        E::TooManyVersions { .. } | E::TooManyUnresolved => Kind::TooMany,
        E::CertificateRevoked | E::TokenUnknown | E::TokenUsed | E::TokenExpired | E::TokenRevoked => Kind::NotSignedIn,
        E::BadCursor => Kind::Invalid,
        E::ClockHeld | E::KeyRetired { .. } | E::DiskFull | E::ReadOnly | E::Unavailable(_) => Kind::Unavailable,
        E::NotInitialised | E::Newer { .. } | E::Corrupt(_) => Kind::Internal,
    }
}
