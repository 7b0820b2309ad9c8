//! Who the device is: the server it joined, its device object, certificate and key.

use super::{SoftwareKey, StateDir, StateError, durable};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use laps::{
    id::{DeviceId, Incarnation, TenantId},
    time::Timestamp,
};
use proto::serde_text;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct PredecessorForm {
    #[serde(with = "serde_text::text")]
    device: DeviceId,
    key: String,
}

#[derive(Serialize, Deserialize)]
struct IdentityForm {
    server: String,
    name: String,
    #[serde(with = "serde_text::text")]
    tenant: TenantId,
    #[serde(with = "serde_text::text")]
    device: DeviceId,
    #[serde(with = "serde_text::text")]
    incarnation: Incarnation,
    certificate: String,
    ca: Vec<String>,
    key: String,
    #[serde(with = "serde_text::time")]
    joined_at: Timestamp,
    prefix: Option<String>,
    #[serde(default)]
    volatile_ok: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    predecessor: Option<PredecessorForm>,
}

/// The key of a device object that this machine was before; it signs the next join (rotation.md 3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PredecessorKey {
    /// That device object.
    pub device: DeviceId,
    key: String,
}

/// What a join made, and what renewals changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The server, `https://NAME:PORT`.
    pub server: String,
    /// The name of the machine, as it was told to the server.
    pub name: String,
    /// The tenant.
    pub tenant: TenantId,
    /// The device object.
    pub device: DeviceId,
    /// The incarnation of the server's data at the join.
    pub incarnation: Incarnation,
    /// The device certificate, DER.
    pub certificate: Vec<u8>,
    /// The CA certificates that are trusted, DER, newest first.
    pub ca: Vec<Vec<u8>>,
    /// When it joined, by the server's clock.
    pub joined_at: Timestamp,
    /// The tree whose accounts are managed, when it is not the running system.
    pub prefix: Option<std::path::PathBuf>,
    /// The account database may be volatile: demo and tests (rotation.md 6).
    pub volatile_ok: bool,
    key: String,
    predecessor: Option<PredecessorKey>,
}

impl Identity {
    /// The device object that this machine was before the last join.
    pub fn predecessor(&self) -> Option<&PredecessorKey> {
        self.predecessor.as_ref()
    }
}

/// The parts of an [`Identity`] that a join fixes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// See [`Identity::server`].
    pub server: String,
    /// See [`Identity::name`].
    pub name: String,
    /// See [`Identity::tenant`].
    pub tenant: TenantId,
    /// See [`Identity::device`].
    pub device: DeviceId,
    /// See [`Identity::incarnation`].
    pub incarnation: Incarnation,
    /// See [`Identity::certificate`].
    pub certificate: Vec<u8>,
    /// See [`Identity::ca`].
    pub ca: Vec<Vec<u8>>,
    /// See [`Identity::joined_at`].
    pub joined_at: Timestamp,
    /// See [`Identity::prefix`].
    pub prefix: Option<std::path::PathBuf>,
    /// See [`Identity::volatile_ok`].
    pub volatile_ok: bool,
}

const FILE: &str = "identity.json";

impl StateDir {
    /// Who the device is; `None` when it never joined.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn identity(&self) -> Result<Option<Identity>, StateError> {
        let path = self.file(FILE);
        let Some(form) = durable::read_json::<IdentityForm>(&path)? else {
            return Ok(None);
        };
        let decode = |text: &String| {
            STANDARD.decode(text).map_err(|_| StateError::Damaged { path: path.clone(), what: "a certificate".into() })
        };
        Ok(Some(Identity {
            certificate: decode(&form.certificate)?,
            ca: form.ca.iter().map(decode).collect::<Result<_, _>>()?,
            server: form.server,
            name: form.name,
            tenant: form.tenant,
            device: form.device,
            incarnation: form.incarnation,
            joined_at: form.joined_at,
            prefix: form.prefix.map(Into::into),
            volatile_ok: form.volatile_ok,
            key: form.key,
            predecessor: form.predecessor.map(|form| PredecessorKey { device: form.device, key: form.key }),
        }))
    }

    /// The device key.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn device_key(&self, identity: &Identity) -> Result<SoftwareKey, StateError> {
        self.read_key(&identity.key)
    }

    /// Keeps what a join answered, in one step; the identity of before becomes the predecessor.
    ///
    /// # Errors
    /// [`StateError`]; then the former identity is still in force.
    pub fn write_joined(&self, joined: Joined, key: &SoftwareKey) -> Result<Identity, StateError> {
        let before = self.identity()?;
        let identity = Identity {
            key: self.write_key(key)?,
            predecessor: before.map(|before| PredecessorKey { device: before.device, key: before.key }),
            server: joined.server,
            name: joined.name,
            tenant: joined.tenant,
            device: joined.device,
            incarnation: joined.incarnation,
            certificate: joined.certificate,
            ca: joined.ca,
            joined_at: joined.joined_at,
            prefix: joined.prefix,
            volatile_ok: joined.volatile_ok,
        };
        self.write_identity(&identity)?;
        Ok(identity)
    }

    /// Keeps a renewed certificate (and its key when that is new too) and the CA certificates.
    ///
    /// # Errors
    /// [`StateError`]; then the former ones are still in force.
    pub fn write_renewed(
        &self,
        identity: &mut Identity,
        certificate: Option<(Vec<u8>, &SoftwareKey)>,
        ca: Vec<Vec<u8>>,
    ) -> Result<(), StateError> {
        let mut next = identity.clone();
        if let Some((certificate, key)) = certificate {
            next.key = self.write_key(key)?;
            next.certificate = certificate;
        }
        if !ca.is_empty() {
            next.ca = ca;
        }
        self.write_identity(&next)?;
        *identity = next;
        Ok(())
    }

    fn write_identity(&self, identity: &Identity) -> Result<(), StateError> {
        let form = IdentityForm {
            server: identity.server.clone(),
            name: identity.name.clone(),
            tenant: identity.tenant,
            device: identity.device,
            incarnation: identity.incarnation,
            certificate: STANDARD.encode(&identity.certificate),
            ca: identity.ca.iter().map(|der| STANDARD.encode(der)).collect(),
            key: identity.key.clone(),
            joined_at: identity.joined_at,
            prefix: identity.prefix.as_ref().map(|path| path.to_string_lossy().into_owned()),
            volatile_ok: identity.volatile_ok,
            predecessor: identity
                .predecessor
                .as_ref()
                .map(|predecessor| PredecessorForm { device: predecessor.device, key: predecessor.key.clone() }),
        };
        // The rename of this file is the one commit point: it names the keys that are in use.
        durable::write_json(&self.file(FILE), &form)?;
        let mut kept = vec![identity.key.as_str()];
        kept.extend(identity.predecessor.as_ref().map(|predecessor| predecessor.key.as_str()));
        self.drop_keys_but(&kept)
    }

    /// The key of the device object that this machine is now, for the proof in a re-join.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn predecessor_for_join(&self) -> Result<Option<(DeviceId, SoftwareKey)>, StateError> {
        match self.identity()? {
            Some(identity) => Ok(Some((identity.device, self.read_key(&identity.key)?))),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::DeviceKey as _;
    use super::*;

    fn joined(n: u8) -> Joined {
        Joined {
            server: "https://localhost:8443".into(),
            name: "m1".into(),
            tenant: TenantId::from_random_bytes([1; 16]),
            device: DeviceId::from_random_bytes([n; 16]),
            incarnation: Incarnation::from_random_bytes([3; 16]),
            certificate: vec![1, 2, n],
            ca: vec![vec![9], vec![8]],
            joined_at: Timestamp::from_unix_ms(1_800_000_000_000),
            prefix: Some("/tmp/tree".into()),
            volatile_ok: true,
        }
    }

    #[test]
    fn a_rejoin_keeps_the_former_key_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        assert_eq!(state.identity().unwrap(), None);
        let keys: Vec<SoftwareKey> = (0..3).map(|_| SoftwareKey::generate().unwrap()).collect();
        for (n, key) in (0..).zip(&keys) {
            let identity = state.write_joined(joined(n), key).unwrap();
            assert_eq!(state.identity().unwrap(), Some(identity));
        }
        let identity = state.identity().unwrap().unwrap();
        assert_eq!(state.device_key(&identity).unwrap().public(), keys[2].public());
        let predecessor = identity.predecessor().unwrap();
        assert_eq!(predecessor.device, joined(1).device);
        assert_eq!(state.read_key(&predecessor.key).unwrap().public(), keys[1].public());
        let files = std::fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(files, 3, "the identity and two keys");
    }

    #[test]
    fn a_renewal_replaces_certificate_and_key_in_one_step() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        let mut identity = state.write_joined(joined(1), &SoftwareKey::generate().unwrap()).unwrap();
        let key = SoftwareKey::generate().unwrap();
        state.write_renewed(&mut identity, Some((vec![7], &key)), vec![vec![5]]).unwrap();
        let read = state.identity().unwrap().unwrap();
        assert_eq!((&read, &read.certificate, &read.ca), (&identity, &vec![7], &vec![vec![5]]));
        assert_eq!(state.device_key(&read).unwrap().public(), key.public());
    }
}
