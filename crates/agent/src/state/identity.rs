//! Who the device is: the server it joined, its device object, certificate and key.

use super::{SoftwareKey, StateDir, StateError, durable};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use laps::{
    id::{DeviceId, Incarnation, TenantId},
    time::Timestamp,
};
use proto::serde_text;
use serde::{Deserialize, Serialize};
use std::{ops::Deref, path::PathBuf};

/// DER in JSON: base64.
mod der {
    use super::*;
    use serde::{Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(der: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(der))
    }
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(from)?).map_err(|_| D::Error::custom("expected base64"))
    }
}

/// A list of [`der`].
mod ders {
    use super::*;
    use serde::{Deserializer, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Der(#[serde(with = "der")] Vec<u8>);

    pub(super) fn serialize<S: Serializer>(ders: &[Vec<u8>], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(ders.iter().cloned().map(Der))
    }
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Vec<u8>>, D::Error> {
        Ok(Vec::<Der>::deserialize(from)?.into_iter().map(|Der(der)| der).collect())
    }
}

/// The key of a device object that this machine was before; it signs the next join (rotation.md 3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PredecessorKey {
    /// That device object.
    #[serde(with = "serde_text::text")]
    pub device: DeviceId,
    key: String,
}

/// What a join makes, and what renewals change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// The server, `https://NAME:PORT`.
    pub server: String,
    /// The name of the machine, as it was told to the server.
    pub name: String,
    /// The tenant.
    #[serde(with = "serde_text::text")]
    pub tenant: TenantId,
    /// The device object.
    #[serde(with = "serde_text::text")]
    pub device: DeviceId,
    /// The incarnation of the server's data at the join.
    #[serde(with = "serde_text::text")]
    pub incarnation: Incarnation,
    /// The device certificate, DER.
    #[serde(with = "der")]
    pub certificate: Vec<u8>,
    /// The CA certificates that are trusted, DER, newest first.
    #[serde(with = "ders")]
    pub ca: Vec<Vec<u8>>,
    /// When it joined, by the server's clock.
    #[serde(with = "serde_text::time")]
    pub joined_at: Timestamp,
    /// The tree whose accounts are managed, when it is not the running system.
    pub prefix: Option<PathBuf>,
    /// The account database may be volatile: demo and tests (rotation.md 6).
    #[serde(default)]
    pub volatile_ok: bool,
}

/// Who the device is: what its last join made, and its keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    #[serde(flatten)]
    joined: Joined,
    key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    predecessor: Option<PredecessorKey>,
}

impl Deref for Identity {
    type Target = Joined;

    fn deref(&self) -> &Joined {
        &self.joined
    }
}

impl Identity {
    /// The device object that this machine was before the last join.
    pub fn predecessor(&self) -> Option<&PredecessorKey> {
        self.predecessor.as_ref()
    }
}

const FILE: &str = "identity.json";

impl StateDir {
    /// Who the device is; `None` when it never joined.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn identity(&self) -> Result<Option<Identity>, StateError> {
        durable::read_json(&self.file(FILE))
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
            joined,
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
            next.joined.certificate = certificate;
        }
        if !ca.is_empty() {
            next.joined.ca = ca;
        }
        self.write_identity(&next)?;
        *identity = next;
        Ok(())
    }

    fn write_identity(&self, identity: &Identity) -> Result<(), StateError> {
        // The rename of this file is the one commit point: it names the keys that are in use.
        durable::write_json(&self.file(FILE), identity)?;
        let mut kept = vec![identity.key.as_str()];
        kept.extend(identity.predecessor.as_ref().map(|predecessor| predecessor.key.as_str()));
        self.drop_keys_but(&kept)
    }

    /// The key of the device object that this machine is now, for the proof in a re-join. `None` when it is not
    /// known any more: a damaged identity is kept aside as `identity.damaged`, so that the machine can join as
    /// another device (rotation.md 3: "without it a person may link").
    ///
    /// # Errors
    /// [`StateError`]: a newer format, or the file system fails.
    pub fn predecessor_for_join(&self) -> Result<Option<(DeviceId, SoftwareKey)>, StateError> {
        let identity = match self.identity() {
            Ok(Some(identity)) => identity,
            Ok(None) => return Ok(None),
            Err(StateError::Damaged { .. }) => {
                self.keep_aside(FILE)?;
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        if !self.file(&identity.key).exists() {
            return Ok(None);
        }
        match self.read_key(&identity.key) {
            Ok(key) => Ok(Some((identity.device, key))),
            Err(StateError::Damaged { .. }) => Ok(None),
            Err(error) => Err(error),
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

    /// A machine that lost its identity or its key can join again, as another device (rotation.md 5).
    #[test]
    fn a_lost_identity_is_no_obstacle_to_another_join() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        let key = SoftwareKey::generate().unwrap();
        let identity = state.write_joined(joined(1), &key).unwrap();
        let (device, kept) = state.predecessor_for_join().unwrap().unwrap();
        assert_eq!((device, kept.public()), (joined(1).device, key.public()));
        std::fs::write(state.file(&identity.key), b"no key").unwrap();
        assert!(state.predecessor_for_join().unwrap().is_none());
        std::fs::remove_file(state.file(&identity.key)).unwrap();
        assert!(state.predecessor_for_join().unwrap().is_none());

        std::fs::write(state.file(FILE), b"{\"format\":1,").unwrap();
        assert!(matches!(state.identity(), Err(StateError::Damaged { .. })));
        assert!(state.predecessor_for_join().unwrap().is_none());
        assert_eq!(std::fs::read(state.file("identity.damaged")).unwrap(), b"{\"format\":1,");
        let joined = state.write_joined(joined(2), &SoftwareKey::generate().unwrap()).unwrap();
        assert_eq!(state.identity().unwrap(), Some(joined));
    }

    /// What an agent of before wrote is read by this one.
    #[test]
    fn the_stored_form() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        let id = "01010101-0101-4101-8101-010101010101";
        let text = format!(
            r#"{{"format":1,"server":"https://localhost:8443","name":"m1","tenant":"{id}","device":"{id}",
            "incarnation":"{id}","certificate":"AQIB","ca":["CQ==","CA=="],"key":"device-1.key",
            "joined_at":"2027-01-15T08:00:00Z","prefix":"/tmp/tree","predecessor":{{"device":"{id}","key":"device-0.key"}}}}"#
        );
        std::fs::write(state.file(FILE), text).unwrap();
        let identity = state.identity().unwrap().unwrap();
        let wanted = Joined {
            device: DeviceId::from_random_bytes([1; 16]),
            incarnation: Incarnation::from_random_bytes([1; 16]),
            volatile_ok: false,
            ..joined(1)
        };
        assert_eq!(*identity, wanted);
        assert_eq!((identity.key.as_str(), identity.predecessor().unwrap().device), ("device-1.key", wanted.device));
        state.write_identity(&identity).unwrap();
        assert_eq!(state.identity().unwrap(), Some(identity));
        std::fs::write(state.file(FILE), r#"{"format":1,"server":"s","certificate":"no base64"}"#).unwrap();
        assert!(matches!(state.identity(), Err(StateError::Damaged { .. })));
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
