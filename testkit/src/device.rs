//! A device without a machine: joins over real TLS with a key of its own, and speaks the device API.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use client::{Client, Error, Identity, Settings, Trust};
use laps::{
    id::{DeviceId, VersionId},
    password::Password,
    rotation::{AccountRef, Fingerprint},
    time::Timestamp,
};
use proto::device::{JoinRequest, ProofKind, Prove, Store, StoreAnswer, VersionAnswer};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use std::time::Duration;
use zeroize::Zeroizing;

/// The time that a fake device's clock shows.
const DEVICE_TIME: Timestamp = Timestamp::from_unix_ms(1_790_000_000_000);

/// A device that has joined.
pub struct FakeDevice {
    /// Its object.
    pub id: DeviceId,
    identity: Identity,
    ca: Vec<u8>,
}

impl FakeDevice {
    /// Joins the server at `url`, whose CA certificate is `ca` (DER), with a join token.
    pub async fn join(url: &str, ca: &[u8], token: &str, name: &str) -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let csr = CertificateParams::default().serialize_request(&key).unwrap();
        let client = Client::new(&Settings::new(url, Trust::Pinned(vec![ca.to_vec()]))).unwrap();
        let request = JoinRequest {
            token: token.into(),
            csr: STANDARD.encode(csr.der()),
            name: name.into(),
            os: "debian".into(),
            os_version: "13".into(),
            agent_version: "0.1.0".into(),
            hardware: String::new(),
            predecessor: None,
        };
        let joined = client.join(&request).await.unwrap();
        let identity = Identity {
            chain: vec![STANDARD.decode(&joined.certificate).unwrap()],
            key: Zeroizing::new(key.serialize_der()),
        };
        Self { id: joined.device, identity, ca: ca.to_vec() }
    }

    /// A client with the device's certificate for the server at `url`; it waits for no Retry-After.
    pub fn client(&self, url: &str) -> Client {
        let mut settings = Settings::new(url, Trust::Pinned(vec![self.ca.clone()]));
        settings.identity = Some(self.identity.clone());
        settings.retry_after_max = Duration::ZERO;
        Client::new(&settings).unwrap()
    }
}

/// `store` of a version of the account with uid 0, whose fingerprint is the version's id.
pub async fn store(client: &Client, version: VersionId) -> Result<StoreAnswer, Error> {
    let store = Store {
        version,
        account: AccountRef { id: 0, name: "root".into() },
        fingerprint: Fingerprint::from_bytes(*version.as_bytes()),
        expires_at: DEVICE_TIME.plus_days(30),
        device_time: DEVICE_TIME,
        reasons: vec!["first".into()],
    };
    client.store(&store, &Password::new(format!("password of {version}"))).await
}

/// `prove` of a version.
pub async fn prove(client: &Client, version: VersionId) -> Result<VersionAnswer, Error> {
    client.prove(&Prove { version, kind: ProofKind::Verifier, device_time: DEVICE_TIME }).await
}
