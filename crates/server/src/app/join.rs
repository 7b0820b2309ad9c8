//! How a machine becomes a device: join tokens, join, renewal of the certificate; and whether a device
//! that speaks is authentic (design.md 5, "Device identity").

use super::record::{category, target};
use super::{App, Error, Result, hex, store_page, unhex16};
use crate::audit::activity;
use crate::authz::{Action, Caller, DeviceIdentity};
use crate::ca;
use crate::oauth::secret;
use crate::store::{self, DeviceState, NewCertificate, NewDevice, NewJoinToken, StoreError};
use base64::{Engine, engine::general_purpose::STANDARD};
use laps::id::DeviceId;
use laps::time::TICKS_PER_HOUR;
use proto::admin::{CreatedJoinToken, JoinToken, JoinTokenText, NewJoinToken as AskedToken};
use proto::device::{Code, JoinAnswer, JoinRequest, RenewAnswer, RenewRequest, rejoin_statement};
use serde_json::json;
use sha2::{Digest, Sha256};

/// Hours that a join token is good for (design.md 5).
const TOKEN_HOURS: u32 = 24;
/// Most hours.
const TOKEN_HOURS_MAX: u32 = 168;

/// What a device may be called: 1 to 255 printable characters.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().count() <= 255 && !name.chars().any(char::is_control)
}

impl App {
    /// Makes a join token; the only time that it is shown.
    pub async fn create_join_token(&self, caller: &Caller, asked: &AskedToken) -> Result<CreatedJoinToken> {
        self.require(caller, Action::JoinTokenWrite)?;
        let hours = asked.lifetime_hours.unwrap_or(TOKEN_HOURS);
        if !(1..=TOKEN_HOURS_MAX).contains(&hours) {
            return Err(Error::invalid(
                "bad_lifetime",
                format!("lifetimeHours is {hours}, expected 1 to {TOKEN_HOURS_MAX}"),
            ));
        }
        if asked.note.chars().count() > 200 {
            return Err(Error::invalid("note_too_long", "the note is longer than 200 characters"));
        }
        let group = match &asked.group {
            Some(name) => self.group_named(name).await?.map(|group| group.id),
            None => None,
        };
        let now = self.now();
        let id: [u8; 16] = self.random_bytes()?;
        let secret = secret::bearer("", &self.random_bytes()?);
        let fingerprint = self.authority.fingerprint();
        let text = JoinTokenText::new(fingerprint.0, secret.reveal().to_owned());
        let expires_at = now.plus_ticks(u64::from(hours) * TICKS_PER_HOUR);
        let created_by =
            caller.principal().map_or(laps::id::PrincipalId::from_bytes([0; 16]), |principal| principal.id);
        let audit = self.entry(
            caller,
            activity::CREATE_JOIN_TOKEN,
            category::DEVICE,
            target("joinToken", &hex(&id), &asked.note),
            json!({"expires": expires_at.to_string()}),
        )?;
        self.store
            .create_join_token(
                NewJoinToken {
                    id,
                    hash: secret::digest(text.secret()),
                    note: asked.note.clone(),
                    group,
                    created_by,
                    expires_at,
                },
                now,
                audit,
            )
            .await?;
        Ok(CreatedJoinToken {
            id: hex(&id),
            token: text.text().to_string(),
            expires_date_time: expires_at,
            server: self.options.url.clone(),
            ca_fingerprint: fingerprint.to_string(),
        })
    }

    /// Join tokens, without their secrets, and where the next page starts.
    pub async fn join_tokens(
        &self,
        caller: &Caller,
        after: Option<String>,
        limit: u32,
    ) -> Result<super::Listed<JoinToken>> {
        self.require(caller, Action::JoinTokenRead)?;
        let now = self.now();
        let page = self.store.join_tokens(store_page(after, limit)).await?;
        let items = page
            .items
            .into_iter()
            .map(|token| JoinToken {
                id: hex(&token.id),
                state: if token.used_at.is_some() {
                    "used"
                } else if token.revoked_at.is_some() {
                    "revoked"
                } else if token.expires_at <= now {
                    "expired"
                } else {
                    "usable"
                }
                .to_owned(),
                note: token.note,
                group: token.group,
                created_by: token.created_by,
                created_date_time: token.created_at,
                expires_date_time: token.expires_at,
                used_by: token.used_by,
                used_date_time: token.used_at,
            })
            .collect();
        Ok(super::Listed::new(items, page.next))
    }

    /// Revokes a join token that was not used.
    pub async fn revoke_join_token(&self, caller: &Caller, id: &str) -> Result<()> {
        self.require(caller, Action::JoinTokenWrite)?;
        let Some(id) = unhex16(id) else {
            return Err(Error::not_found(
                "join_token_unknown",
                "there is no such join token; its id has 32 hexadecimal digits",
            ));
        };
        let audit = self.entry(
            caller,
            activity::REVOKE_JOIN_TOKEN,
            category::DEVICE,
            target("joinToken", &hex(&id), ""),
            json!({}),
        )?;
        match self.store.revoke_join_token(id, self.now(), audit).await {
            Err(StoreError::TokenUsed) => Err(Error::refused(
                super::Kind::Conflict,
                "join_token_used",
                "the join token was used already; delete or disable its device instead",
            )),
            other => Ok(other?),
        }
    }

    /// Makes a device object from a join token and a certificate request. The same token with the same
    /// key gives the same object again: the first answer may have been lost.
    pub async fn join(&self, caller: &Caller, request: &JoinRequest) -> Result<JoinAnswer> {
        let now = self.now();
        let unknown = |text: &str| Error::device(Code::JoinTokenUnknown, text);
        let token: JoinTokenText =
            request.token.parse().map_err(|error: proto::admin::NotAJoinToken| unknown(&error.to_string()))?;
        if token.ca_fingerprint != self.authority.fingerprint().0 {
            return Err(unknown("the join token is for another server"));
        }
        let name = request.name.trim();
        if !is_name(name) {
            return Err(Error::device(Code::BadRequest, "the device's name must have 1 to 255 printable characters"));
        }
        let hardware = match request.hardware.as_str() {
            "" => None,
            digest => Some(proto::hex::array(digest).ok_or_else(|| {
                Error::device(Code::BadRequest, "\"hardware\" must have 64 hexadecimal digits, or be left out")
            })?),
        };
        let csr = decode_csr(&request.csr)?;
        let public_key = ca::request_key(&csr)?;
        let hash = secret::digest(token.secret());
        let device = device_id(&hash, &public_key);
        // Asked before a certificate is made. A used token may be this machine's own, repeated: then the
        // object that follows from token and key is there, and the store compares the key once more.
        match self.store.check_join_token(hash, now).await {
            Ok(_) => {}
            Err(StoreError::TokenUsed) if self.store.device(device).await?.is_some() => {}
            Err(error) => return Err(error.into()),
        }
        let predecessor = self.predecessor(request, &csr).await?;
        let issued = self.authority.issue_device(&csr, self.tenant, device, self.random_bytes()?, now)?;
        let os = format!("{} {}", short(&request.os), short(&request.os_version));
        let audit = self.entry(
            caller,
            activity::REGISTER_DEVICE,
            category::DEVICE,
            target("device", &device, name),
            json!({"predecessor": predecessor.map(|device| device.to_string())}),
        )?;
        let joined = self
            .store
            .join(
                hash,
                NewDevice {
                    id: device,
                    name: name.to_owned(),
                    os: os.trim().to_owned(),
                    public_key,
                    hardware,
                    predecessor,
                    certificate: certificate(&issued),
                },
                now,
                audit,
            )
            .await?;
        Ok(JoinAnswer {
            tenant: self.tenant,
            device: joined.device.id,
            certificate: STANDARD.encode(&issued.der),
            ca: vec![STANDARD.encode(self.authority.root())],
            incarnation: self.incarnation,
            server_time: now,
        })
    }

    /// The device object that the machine was before, when it proves that with its old key. A proof that
    /// is wrong or names an unknown device is left aside: a person may link the two later.
    async fn predecessor(&self, request: &JoinRequest, csr: &[u8]) -> Result<Option<DeviceId>> {
        let Some(claim) = &request.predecessor else {
            return Ok(None);
        };
        let Ok(signature) = STANDARD.decode(&claim.signature) else {
            return Ok(None);
        };
        let former = self.store.device(claim.device).await?;
        Ok(former
            .filter(|former| ca::verify_p256(&former.public_key, &rejoin_statement(csr), &signature))
            .map(|former| former.id))
    }

    /// A new certificate for an enabled device; its old one may have run out but not be revoked.
    pub async fn renew(&self, caller: &Caller, request: &RenewRequest) -> Result<RenewAnswer> {
        let (device, _) = self.authentic(caller, true).await?;
        match device.state {
            DeviceState::Enabled => {}
            DeviceState::Disabled => return Err(StoreError::DeviceDisabled.into()),
            DeviceState::Deleted | DeviceState::Purged => {
                return Err(StoreError::DeviceDeleted.into());
            }
        }
        let now = self.now();
        let csr = decode_csr(&request.csr)?;
        let public_key = ca::request_key(&csr)?;
        let issued = self.authority.issue_device(&csr, self.tenant, device.id, self.random_bytes()?, now)?;
        let audit = self.entry(
            caller,
            activity::UPDATE_DEVICE,
            category::DEVICE,
            target("device", &device.id, &device.name),
            json!({"certificate": hex(&issued.serial), "notAfter": issued.not_after.to_string()}),
        )?;
        self.store.add_certificate(device.id, certificate(&issued), public_key, audit).await?;
        Ok(RenewAnswer {
            certificate: STANDARD.encode(&issued.der),
            ca: vec![STANDARD.encode(self.authority.root())],
            server_time: now,
        })
    }

    /// What the certificate says that a device speaks with.
    pub(super) fn speaking<'a>(&self, caller: &'a Caller) -> Result<&'a DeviceIdentity> {
        crate::authz::decide(caller, Action::DeviceSpeak, crate::authz::Target::Tenant)?;
        caller.device().ok_or_else(|| {
            Error::device(Code::CertificateRequired, "this needs the device's client certificate of this server")
        })
    }

    /// The device object behind a certificate that TLS has checked: known, not revoked, and in time
    /// unless `expired_too`. Its state is left to the verb: most verbs are taken from any authentic device.
    pub(super) async fn authentic(&self, caller: &Caller, expired_too: bool) -> Result<(store::Device, bool)> {
        let identity = self.speaking(caller)?;
        let now = self.now();
        // Its start does not count: this server issued it, so one that lies ahead says that our own clock was
        // set back since. The device could not renew it before half of its life is over.
        let in_time = now <= identity.not_after;
        let (device, revoked) = match self.store.device_by_certificate(identity.fingerprint).await? {
            Some((device, certificate)) => (Some(device), certificate.revoked_at.is_some()),
            // Of our CA but not in the store: the store was restored from before it was issued.
            None => (self.store.device(identity.device).await?, false),
        };
        let device = device.filter(|device| device.state != DeviceState::Purged).ok_or(StoreError::DeviceUnknown)?;
        if revoked {
            return Err(StoreError::CertificateRevoked.into());
        }
        if !in_time && !expired_too {
            return Err(Error::device(
                Code::CertificateExpired,
                format!("the certificate is not good at {now} by the server's clock; renew it first"),
            ));
        }
        self.store.note_seen(device.id, now);
        Ok((device, in_time))
    }
}

fn decode_csr(text: &str) -> Result<Vec<u8>> {
    STANDARD.decode(text).map_err(|_| Error::device(Code::CsrRefused, "the certificate request is not base64"))
}

/// The device's id follows from token and key, so that a repeated join names the same object and its
/// certificate. It is no secret.
fn device_id(token: &[u8; 32], public_key: &[u8]) -> DeviceId {
    let mut digest = Sha256::new();
    digest.update(b"lapwing/device-id/1");
    digest.update(token);
    digest.update(public_key);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.finalize()[..16]);
    DeviceId::from_random_bytes(bytes)
}

fn certificate(issued: &ca::IssuedCertificate) -> NewCertificate {
    NewCertificate {
        fingerprint: issued.fingerprint,
        serial: issued.serial.to_vec(),
        not_before: issued.not_before,
        not_after: issued.not_after,
    }
}

fn short(text: &str) -> String {
    laps::text::harmless(&text.chars().take(64).collect::<String>())
}
