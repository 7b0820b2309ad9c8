//! Joining a server: token, key, certificate (design.md 5, "Device identity").

use crate::{
    clock::Clock,
    directory::USER_AGENT,
    platform::{AccountError, Durability, ManagedTree, Tree},
    state::{DeviceKey as _, Identity, Joined, KeyError, SoftwareKey, StateDir, StateError},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use client::{CaFingerprint, Client, Fault, Settings, Trust};
use laps::account::Selection;
use proto::{
    admin::{JoinTokenText, NotAJoinToken},
    device::{JoinRequest, Predecessor, hardware_statement, rejoin_statement},
};
use sha2::{Digest as _, Sha256};
use std::path::PathBuf;

/// The longest name of a machine, in characters.
const NAME_CHARS_MAX: usize = 255;

/// The fingerprint of the server's CA that a join token names.
fn named_ca(token: &JoinTokenText) -> Result<CaFingerprint, NotAJoinToken> {
    proto::hex::encode(&token.ca_fingerprint).parse().map_err(|_| NotAJoinToken)
}

/// What a join needs.
pub struct Request {
    /// The server, `https://NAME:PORT`.
    pub server: String,
    /// The join token.
    pub token: JoinTokenText,
    /// CA certificates to trust, DER; without them the token's fingerprint pins the CA.
    pub ca: Vec<Vec<u8>>,
    /// The name of the machine.
    pub name: String,
    /// The tree whose accounts are managed, when it is not the running system.
    pub prefix: Option<PathBuf>,
    /// Whether the account database must be durable.
    pub durability: Durability,
}

/// The machine did not join.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The token.
    #[error(transparent)]
    Token(#[from] NotAJoinToken),
    /// `--ca` and the token name different CAs.
    #[error("the join token is of a server with another CA than the given certificate; take both from the same server")]
    OtherCa,
    /// The state directory.
    #[error(transparent)]
    State(#[from] StateError),
    /// The tree cannot be managed.
    #[error("{0}; {remedy}", remedy = .0.remedy())]
    Accounts(#[from] AccountError),
    /// The tree that `--prefix` names cannot be reached.
    #[error(
        "the directory {prefix:?} cannot be used: {text}; give the root of a tree that holds etc/passwd and etc/shadow"
    )]
    Prefix {
        /// As it was given.
        prefix: PathBuf,
        /// What the system says.
        text: String,
    },
    /// The address or the CA.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The server, or the way to it.
    #[error("{0}{remedy}", remedy = with_remedy(.0))]
    Server(#[from] client::Error),
    /// The key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// An answer that cannot be used.
    #[error("the server's answer cannot be used: {0}")]
    Answer(&'static str),
}

fn with_remedy(error: &client::Error) -> String {
    match error.refusal() {
        None if !error.remedy().is_empty() => format!("; {}", error.remedy()),
        _ => String::new(),
    }
}

impl JoinError {
    /// The stable code.
    pub fn code(&self) -> &str {
        match self {
            Self::Token(_) => "join_token_malformed",
            Self::OtherCa => "join_token_other_ca",
            Self::State(error) => error.code(),
            Self::Accounts(error) => error.code(),
            Self::Prefix { .. } => "account_db_missing",
            Self::Fault(_) => "server_settings",
            Self::Server(error) => error.code(),
            Self::Key(_) => "device_key",
            Self::Answer(_) => "answer_malformed",
        }
    }
}

/// The tree that is managed: the running system, or the one below a prefix.
///
/// # Errors
/// [`JoinError::Prefix`].
pub fn tree_of(prefix: Option<&PathBuf>) -> Result<Tree, JoinError> {
    match prefix {
        None => Ok(Tree::running()),
        Some(prefix) => {
            Tree::below(prefix).map_err(|error| JoinError::Prefix { prefix: prefix.clone(), text: error.to_string() })
        }
    }
}

/// Joins, and stores the identity. The state directory is locked by the caller. Whatever could refuse
/// here is asked before the token is used up.
///
/// # Errors
/// [`JoinError`]; the former identity, if any, is then still in force.
pub async fn join(state: &StateDir, request: Request, clock: &impl Clock) -> Result<Identity, JoinError> {
    let named = named_ca(&request.token)?;
    if !request.ca.is_empty() && !request.ca.iter().any(|der| CaFingerprint::of(der) == named) {
        return Err(JoinError::OtherCa);
    }
    let tree = tree_of(request.prefix.as_ref())?;
    let root = tree.root().to_owned();
    let os = OsRelease::of(&tree);
    let hardware = hardware(&tree);
    let managed = ManagedTree::new(tree);
    let today = crate::accounts::day_of(clock.now());
    match managed.preflight(&Selection::BuiltIn, request.durability, today) {
        // Policy may name another account than the built-in administrator.
        Ok(_) | Err(AccountError::AccountNotFound { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    state.probe()?;

    let trust = if request.ca.is_empty() { Trust::Fingerprint(named) } else { Trust::Pinned(request.ca) };
    let mut settings = Settings::new(&request.server, trust);
    settings.user_agent = USER_AGENT.into();
    let client = Client::new(&settings)?;

    let key = SoftwareKey::generate()?;
    let csr = key.request()?;
    let predecessor = match state.predecessor_for_join()? {
        Some((device, old)) => {
            Some(Predecessor { device, signature: STANDARD.encode(old.sign(&rejoin_statement(&csr))?) })
        }
        None => None,
    };
    let name: String = request.name.chars().take(NAME_CHARS_MAX).collect();
    let answer = client
        .join(&JoinRequest {
            token: request.token.text().to_string(),
            csr: STANDARD.encode(&csr),
            name: name.clone(),
            os: os.id,
            os_version: os.version,
            agent_version: env!("CARGO_PKG_VERSION").into(),
            hardware,
            predecessor,
        })
        .await?;
    let decode = |text: &String| STANDARD.decode(text).map_err(|_| JoinError::Answer("a certificate is not base64"));
    let certificate = decode(&answer.certificate)?;
    if crate::effect::Validity::of(&certificate).is_none() {
        return Err(JoinError::Answer("the device certificate is not X.509"));
    }
    let ca = answer.ca.iter().map(decode).collect::<Result<Vec<_>, _>>()?;
    if ca.is_empty() {
        return Err(JoinError::Answer("it names no CA certificate"));
    }
    let joined = Joined {
        server: client.server(),
        name,
        tenant: answer.tenant,
        device: answer.device,
        incarnation: answer.incarnation,
        certificate,
        ca,
        joined_at: answer.server_time,
        prefix: request.prefix.is_some().then_some(root),
        volatile_ok: request.durability == Durability::VolatileOk,
    };
    Ok(state.write_joined(joined, &key)?)
}

/// The operating system, by os-release(5).
struct OsRelease {
    id: String,
    version: String,
}

impl OsRelease {
    fn of(tree: &Tree) -> Self {
        let bytes = tree.read("etc/os-release").or_else(|_| tree.read("usr/lib/os-release")).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            line.unwrap_or_default().trim_matches(['"', '\'']).chars().take(64).collect::<String>()
        };
        Self { id: value("ID"), version: value("VERSION_ID") }
    }
}

/// What machine this is, as [`JoinRequest::hardware`]; empty when it has no number of its own.
fn hardware(tree: &Tree) -> String {
    let number = tree.read("sys/class/dmi/id/product_uuid").unwrap_or_default();
    let number = String::from_utf8_lossy(&number).trim().to_ascii_lowercase();
    // Makers leave it out as all zeros or all ones (SMBIOS 7.2.1), or as what the firmware's author set.
    let digits: Vec<char> = number.chars().filter(|c| *c != '-').collect();
    let is_own = digits.len() == 32
        && digits.iter().all(char::is_ascii_hexdigit)
        && digits.iter().any(|digit| Some(digit) != digits.first())
        && number != "03000200-0400-0500-0006-000700080009";
    if is_own { proto::hex::encode(&Sha256::digest(hardware_statement(&number))) } else { String::new() }
}

/// The name of this machine: the host name.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_its_ca() {
        let der = b"a certificate";
        let hex = CaFingerprint::of(der).to_string();
        let token: JoinTokenText = format!("lapwing-join.{hex}.{}", "A".repeat(43)).parse().unwrap();
        assert_eq!(named_ca(&token), Ok(CaFingerprint::of(der)));
    }

    #[test]
    fn a_machine_is_known_by_its_own_number_and_not_by_what_makers_leave_there() {
        let dir = tempfile::tempdir().unwrap();
        let dmi = dir.path().join("sys/class/dmi/id");
        std::fs::create_dir_all(&dmi).unwrap();
        let of = |number: &str| {
            std::fs::write(dmi.join("product_uuid"), number).unwrap();
            hardware(&Tree::below(dir.path()).unwrap())
        };
        let own = of("4C4C4544-0042-3510-8054-B4C04F4A4E32\n");
        assert_eq!(own.len(), 64);
        assert_eq!(of("4c4c4544-0042-3510-8054-b4c04f4a4e32"), own);
        assert_ne!(of("4c4c4544-0042-3510-8054-b4c04f4a4e33"), own);
        for nothing in [
            "",
            "Not Settable",
            "00000000-0000-0000-0000-000000000000",
            "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
            "03000200-0400-0500-0006-000700080009",
        ] {
            assert_eq!(of(nothing), "", "{nothing}");
        }
        std::fs::remove_file(dmi.join("product_uuid")).unwrap();
        assert_eq!(hardware(&Tree::below(dir.path()).unwrap()), "");
    }

    #[test]
    fn os_release_is_read_below_the_prefix() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        std::fs::write(dir.path().join("etc/os-release"), "NAME=\"D\"\nID=debian\nVERSION_ID=\"12\"\n").unwrap();
        let os = OsRelease::of(&Tree::below(dir.path()).unwrap());
        assert_eq!((os.id.as_str(), os.version.as_str()), ("debian", "12"));
    }
}
