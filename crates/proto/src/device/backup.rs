//! The verbs of rotation.md 3: store, prove, abandon, report; and the wait channel.

use crate::serde_text;
use laps::{
    id::{Incarnation, SignInId, VersionId},
    password::Password,
    rotation::{AccountRef, Fingerprint},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

/// `store(v)`: a new version, which the server keeps as pending.
///
/// The password is no member of this type and so has no serde form of its own: [`Store::encode`] and
/// [`Store::decode`] are the two places where it is on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// The version that the agent made.
    pub version: VersionId,
    /// The account, with the name that it has after step 5.
    pub account: AccountRef,
    /// Fingerprint of (uid, name, new verifier).
    pub fingerprint: Fingerprint,
    /// When the agent will change the password again.
    pub expires_at: Timestamp,
    /// The device's clock; shown, never compared.
    pub device_time: Timestamp,
    /// Why it rotates: names of `laps::decide::Reason`s.
    pub reasons: Vec<String>,
}

#[derive(Serialize)]
struct StoreOut<'a> {
    #[serde(with = "serde_text::text")]
    version: VersionId,
    account_id: u32,
    account_name: &'a str,
    #[serde(with = "serde_text::text")]
    fingerprint: Fingerprint,
    #[serde(with = "serde_text::time")]
    expires_at: Timestamp,
    #[serde(with = "serde_text::time")]
    device_time: Timestamp,
    reasons: &'a [String],
    secret: SecretOut<'a>,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum SecretOut<'a> {
    Plain { password: &'a str },
}

#[derive(Deserialize)]
struct StoreIn {
    #[serde(with = "serde_text::text")]
    version: VersionId,
    account_id: u32,
    account_name: String,
    #[serde(with = "serde_text::text")]
    fingerprint: Fingerprint,
    #[serde(with = "serde_text::time")]
    expires_at: Timestamp,
    #[serde(with = "serde_text::time")]
    device_time: Timestamp,
    #[serde(default)]
    reasons: Vec<String>,
    secret: SecretIn,
}

/// How the password is wrapped on the wire: `plain` inside TLS today, sealed by the device later.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum SecretIn {
    Plain { password: WipedText },
}

#[derive(Deserialize)]
#[serde(transparent)]
struct WipedText(String);

impl Drop for WipedText {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// A body of [`Store`] that could not be read. It never shows the body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreDecodeError {
    /// Longer than [`super::BODY_BYTES_MAX`].
    #[error("the body has {bytes} bytes, the limit is {}", super::BODY_BYTES_MAX)]
    TooLarge {
        /// Its length in bytes.
        bytes: usize,
    },
    /// Not the JSON that the verb takes.
    #[error("not the JSON of a store request, at line {line} column {column}")]
    Malformed {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// The password is empty or longer than 256 bytes.
    #[error("the password has {bytes} bytes, expected 1 to 256")]
    PasswordLength {
        /// Its length in bytes.
        bytes: usize,
    },
}

impl Store {
    /// The JSON body, in a buffer that is wiped when dropped.
    pub fn encode(&self, password: &Password) -> Zeroizing<Vec<u8>> {
        let out = StoreOut {
            version: self.version,
            account_id: self.account.id,
            account_name: &self.account.name,
            fingerprint: self.fingerprint,
            expires_at: self.expires_at,
            device_time: self.device_time,
            reasons: &self.reasons,
            secret: SecretOut::Plain { password: password.reveal() },
        };
        // The buffer is made large enough at once: growing it would leave copies behind.
        let mut body = Zeroizing::new(Vec::with_capacity(super::BODY_BYTES_MAX));
        // Writing these types into memory has no failing case.
        let written = serde_json::to_writer(&mut *body, &out);
        debug_assert!(written.is_ok());
        body
    }

    /// Reads the JSON body.
    ///
    /// # Errors
    /// [`StoreDecodeError`], which never shows the body.
    pub fn decode(body: &[u8]) -> Result<(Self, Password), StoreDecodeError> {
        if body.len() > super::BODY_BYTES_MAX {
            return Err(StoreDecodeError::TooLarge { bytes: body.len() });
        }
        let store: StoreIn = serde_json::from_slice(body)
            .map_err(|error| StoreDecodeError::Malformed { line: error.line(), column: error.column() })?;
        let SecretIn::Plain { mut password } = store.secret;
        let bytes = password.0.len();
        if !(1..=256).contains(&bytes) {
            return Err(StoreDecodeError::PasswordLength { bytes });
        }
        let password = Password::new(core::mem::take(&mut password.0));
        Ok((
            Self {
                version: store.version,
                account: AccountRef { id: store.account_id, name: store.account_name },
                fingerprint: store.fingerprint,
                expires_at: store.expires_at,
                device_time: store.device_time,
                reasons: store.reasons,
            },
            password,
        ))
    }
}

/// Answer to `store`: the durable acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreAnswer {
    /// The order that the server gave the version.
    pub sequence: u64,
    /// Pending, or what it became since when the request is a repetition.
    pub state: VersionState,
    /// The server's clock at the store.
    #[serde(with = "serde_text::time")]
    pub stored_at: Timestamp,
    /// The server's clock now.
    #[serde(with = "serde_text::time")]
    pub server_time: Timestamp,
}

/// The states of a version (rotation.md 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VersionState {
    /// Stored, not known to be set.
    Pending,
    /// Proven, and the newest proven.
    Current,
    /// Overtaken by a later proof.
    Superseded,
    /// The device said that it was never set.
    Abandoned,
}

/// How a version was proven (rotation.md 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProofKind {
    /// The account database was read again and the password checked with a second crypt.
    Verifier,
    /// Also through PAM.
    Pam,
}

impl From<laps::rotation::ProofKind> for ProofKind {
    fn from(kind: laps::rotation::ProofKind) -> Self {
        match kind {
            laps::rotation::ProofKind::Verifier => Self::Verifier,
            laps::rotation::ProofKind::Pam => Self::Pam,
        }
    }
}

/// `prove(v)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prove {
    /// The version that is set.
    #[serde(with = "serde_text::text")]
    pub version: VersionId,
    /// How it was proven.
    pub kind: ProofKind,
    /// When it was set, by the device's clock; shown, never compared.
    #[serde(with = "serde_text::time")]
    pub device_time: Timestamp,
}

/// `abandon(v)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abandon {
    /// The version that was not set.
    #[serde(with = "serde_text::text")]
    pub version: VersionId,
    /// Why, as a stable code.
    pub reason: String,
}

/// Answer to `prove` and `abandon`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionAnswer {
    /// What the version is now; absent when `abandon` named an unknown one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<VersionState>,
    /// The server's clock.
    #[serde(with = "serde_text::time")]
    pub server_time: Timestamp,
}

/// Whether a person could sign in with the account; a separate fact, never part of I1 (rotation.md 4).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usability {
    /// No lock mark stands before the verifier.
    pub enabled: bool,
    /// The account's expiry date is past.
    pub expired: bool,
    /// The shell is one that refuses sign-in (`nologin`, `false`).
    pub no_login_shell: bool,
    /// A member of the Administrators group, or uid 0.
    pub administrator: bool,
}

/// The account as the device sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountReport {
    /// Its uid.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Whether it can be used.
    pub usability: Usability,
}

/// Damaged files in one report.
pub const DAMAGED_MAX: usize = 8;
/// Characters that are kept of what is said of one.
pub const DAMAGED_CHARS_MAX: usize = 300;

/// What else the device knows that explains a missing password.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// `csp`, `gpo`, `local`, `legacy`: the source that won; absent when none has a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_source: Option<String>,
    /// BackupDirectory in force: 0, 1 or 2.
    pub backup_directory: u8,
    /// Name of the account that policy asks for; absent for the built-in administrator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_wanted: Option<String>,
    /// Policy manages the account automatically: when it is not there, the device makes it.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub account_automatic: bool,
    /// Why nothing is managed: a name of `laps::decide::Unmanaged`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unmanaged: Option<String>,
    /// Version of the agent.
    pub agent_version: String,
    /// In what the account is not as it was set: words of `laps::drift::Drift` (rotation.md 10).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<String>,
    /// Repair of drift is held.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub repair_held: bool,
    /// Files of the device's own state that could not be read since the last report, one sentence each, at most
    /// [`DAMAGED_MAX`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<String>,
    /// The machine's name, when it changed since the last report; the server keeps it with the device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_name: Option<String>,
    /// What a policy is judged by before it is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<Machine>,
}

/// What a device tells about itself so that a policy can be judged before it is sent (`policy lint`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// Characters that its own rules demand of a password.
    pub length_min: u32,
    /// Local accounts of people and administrators, administrators first, at most 16.
    pub accounts: Vec<MachineAccount>,
    /// It has no others.
    pub complete: bool,
    /// It is joined to a domain too; absent from agents that do not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<bool>,
}

/// A local account of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineAccount {
    /// Its uid.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// A password can open it.
    pub enabled: bool,
    /// uid 0, or a member of the administrators' group.
    #[serde(rename = "admin")]
    pub administrator: bool,
}

/// The last error of the device, until a cycle ends well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastError {
    /// Event id (laps-behaviour.md 10).
    pub event: u32,
    /// Stable code.
    pub code: String,
    /// A plain sentence; at most 500 characters are kept.
    pub text: String,
    /// The device's clock.
    #[serde(with = "serde_text::time")]
    pub at: Timestamp,
}

/// Sign-ins in one report; more wait for the next one, so that a report stays below the limit of a body.
pub const SIGN_INS_MAX: usize = 4;

/// A successful authentication with the managed account's password (laps-behaviour.md 5.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignIn {
    /// Made where it was noticed: the same again is the same sign-in.
    #[serde(with = "serde_text::text")]
    pub id: SignInId,
    /// The version whose password it was.
    #[serde(with = "serde_text::text")]
    pub version: VersionId,
    /// Name of the account.
    pub account_name: String,
    /// When, by the device's clock; shown, never compared.
    #[serde(with = "serde_text::time")]
    pub at: Timestamp,
    /// The PAM service: `login`, `sshd`, `su`, `sudo`, ….
    pub service: String,
    /// From where, as PAM knows it: a host, a user who asked, or a terminal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// When the device changes the password for it, by its clock; absent when policy lets nothing follow.
    #[serde(default, with = "serde_text::time_option", skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
}

/// `report`: the truth about the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The managed account; absent when policy manages none or it was not found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountReport>,
    /// Fingerprint of what the account database holds now; absent when it cannot be told.
    #[serde(default, with = "serde_text::text_option", skip_serializing_if = "Option::is_none")]
    pub installed_fingerprint: Option<Fingerprint>,
    /// The version of the last proof that the server acknowledged.
    #[serde(default, with = "serde_text::text_option", skip_serializing_if = "Option::is_none")]
    pub last_acknowledged: Option<VersionId>,
    /// The version of the device's unresolved intent. When it is the server's current one, only the answer
    /// to its proof was lost, and the device is not forked.
    #[serde(default, with = "serde_text::text_option", skip_serializing_if = "Option::is_none")]
    pub intent: Option<VersionId>,
    /// The incarnation that the device saw last.
    #[serde(default, with = "serde_text::text_option", skip_serializing_if = "Option::is_none")]
    pub incarnation: Option<Incarnation>,
    /// What explains a missing password.
    #[serde(default)]
    pub evidence: Evidence,
    /// The last error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<LastError>,
    /// Sign-ins that no report has told yet, oldest first; at most [`SIGN_INS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sign_ins: Vec<SignIn>,
    /// Sequence of the newest audit head that the device keeps; it is sent back so that a shortened log shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit_head: Option<String>,
    /// The device's clock.
    #[serde(with = "serde_text::time")]
    pub device_time: Timestamp,
}

/// A version that the server holds for the device: the current one, or one that is pending.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldVersion {
    /// The version.
    #[serde(with = "serde_text::text")]
    pub version: VersionId,
    /// Its order.
    pub sequence: u64,
    /// Its fingerprint.
    #[serde(with = "serde_text::text")]
    pub fingerprint: Fingerprint,
    /// Uid of its account.
    pub account_id: u32,
    /// Name of its account.
    pub account_name: String,
    /// When the device means to change it again.
    #[serde(with = "serde_text::time")]
    pub expires_at: Timestamp,
}

/// When to come again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Next {
    /// Seconds until the next check-in; the agent adds jitter.
    pub poll_after_s: u32,
    /// Whether the device may hold a wait channel.
    pub wait: bool,
}

/// Answer to `report`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportAnswer {
    /// The current version of the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<HeldVersion>,
    /// Pending versions, newest first.
    #[serde(default)]
    pub unresolved: Vec<HeldVersion>,
    /// The incarnation of the server's data.
    #[serde(with = "serde_text::text")]
    pub incarnation: Incarnation,
    /// Newest signed audit head, as text; devices keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit_head: Option<String>,
    /// Sequence of the newest request to rotate that no proof has met yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotate_requested: Option<u64>,
    /// Repairs of drift in 24 h after which the device holds repair (rotation.md 10).
    #[serde(default = "repairs_per_day")]
    pub repairs_per_day: u32,
    /// Whether `store` would be taken now, by switch and device state; the code that it would be refused with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_refused: Option<String>,
    /// The CA certificates to pin, DER in base64, when they changed; a roll-over is taken at check-in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ca: Vec<String>,
    /// The server's clock.
    #[serde(with = "serde_text::time")]
    pub server_time: Timestamp,
    /// When to come again.
    pub next: Next,
}

/// What a server of before this member meant.
const fn repairs_per_day() -> u32 {
    laps::drift::REPAIRS_PER_DAY
}

/// Answer of the wait channel. It carries no command: a wake only starts a check-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitAnswer {
    /// There is work; check in now.
    pub wake: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> Store {
        Store {
            version: VersionId::from_random_bytes([1; 16]),
            account: AccountRef { id: 0, name: "root".into() },
            fingerprint: Fingerprint::from_bytes([2; 16]),
            expires_at: Timestamp::from_ticks(133_000_000_000_000_001),
            device_time: Timestamp::from_unix_ms(0),
            reasons: vec!["expired".into()],
        }
    }

    #[test]
    fn store_goes_over_the_wire_and_keeps_every_tick() {
        let password = Password::new("p\"\\ä".into());
        let (back, secret) = Store::decode(&store().encode(&password)).unwrap();
        assert_eq!((back, secret), (store(), password));
    }

    #[test]
    fn store_refuses_without_showing_the_body() {
        let error = Store::decode(b"{\"secret\":{\"kind\":\"plain\",\"password\":\"hunter2\"}").unwrap_err();
        assert!(matches!(error, StoreDecodeError::Malformed { .. }));
        assert!(!format!("{error} {error:?}").contains("hunter2"));
        assert!(matches!(
            Store::decode(&vec![b' '; super::super::BODY_BYTES_MAX + 1]),
            Err(StoreDecodeError::TooLarge { .. })
        ));
        let empty = store().encode(&Password::new(String::new()));
        assert_eq!(Store::decode(&empty), Err(StoreDecodeError::PasswordLength { bytes: 0 }));
    }
}
