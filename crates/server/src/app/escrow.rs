//! Escrow: passwords sealed with age to people's own keys, and the proof that such an archive opens.
//!
//! It is a disclosure in bulk: every version in it stands in a durable record before the archive leaves (rotation.md 4,
//! I2), and the clear text is never anywhere but in this server's memory, one line at a time.

use super::record::{category, target};
use super::{App, Error, Kind, Result, hex, unhex16};
use crate::audit::activity;
use crate::authz::{self, Action, Caller, Identity, Job, Reach};
use crate::seal::{ArchiveWriter, Place, recipients};
use crate::store::{
    self, DeviceFilter, DeviceState, DisclosedDevice, Disclosure, EscrowSettings, NewExport, StoreError,
};
use laps::id::{DeviceId, GroupId};
use laps::time::{TICKS_PER_DAY, Timestamp};
use proto::admin::{Drill, EscrowState, EscrowWarning, ExportRequest, ExportSummary};
use proto::escrow::{self, ARCHIVE_BYTES_MAX, Entry, Manifest, Opening, RECIPIENTS_MAX};
use serde_json::json;
use sha2::{Digest, Sha256};

/// Devices that are disclosed in one transaction, and so stand in one record.
const DEVICES_PER_RECORD: u32 = 500;
/// Devices that can be named in one request.
const DEVICES_NAMED_MAX: usize = 1000;
/// Exports that the state lists.
const EXPORTS_SHOWN: u32 = 20;
/// A drill is good for so long, days.
const DRILL_DAYS: u32 = 180;

/// An archive that is made and has not left.
pub struct Archive {
    /// The whole file.
    pub bytes: Vec<u8>,
    /// The name that its file should have.
    pub name: String,
    /// Its id, 32 hexadecimal digits.
    pub id: String,
    made_at: Timestamp,
    export: NewExport,
    devices: Vec<DeviceId>,
}

impl App {
    /// Makes an archive. It is remembered, and each version in it stands in the audit log, before this answers.
    pub async fn export(&self, caller: &Caller, asked: &ExportRequest) -> Result<Archive> {
        let reach = match authz::reach(caller, Action::CredentialExport) {
            Ok(reach) => reach,
            Err(denied) => {
                self.refuse_export(caller, denied.code()).await?;
                return Err(denied.into());
            }
        };
        let (devices, group) = self.wanted(asked).await?;
        let wanted = Wanted { reach, devices, group, history: asked.history, scheduled: false };
        let archive = self.seal_archive(caller, &asked.recipients, wanted).await?;
        self.remember(caller, &archive).await?;
        Ok(archive)
    }

    /// The scheduled archive, when it is due. It is remembered by [`App::export_is_kept`], when it is durable.
    pub async fn scheduled_export(&self, caller: &Caller) -> Result<Option<Archive>> {
        Self::only_export(caller)?;
        let settings = self.store.tenant().await?.settings.escrow;
        if settings.interval_days == 0 || settings.recipients.is_empty() {
            return Ok(None);
        }
        let exports = self.store.exports(EXPORTS_SHOWN).await?;
        let last = exports.iter().find(|export| export.export.scheduled);
        let is_due = last.is_none_or(|last| {
            self.now() >= last.made_at.plus_days(settings.interval_days)
                || last.export.recipients != sorted(&settings.recipients)
        });
        if !is_due {
            return Ok(None);
        }
        let wanted = Wanted { reach: Reach::Tenant, devices: Vec::new(), group: None, history: false, scheduled: true };
        match self.seal_archive(caller, &settings.recipients, wanted).await {
            // A directory without any password yet.
            Err(Error::NotFound { .. }) => Ok(None),
            other => other.map(Some),
        }
    }

    /// The scheduled archive stands in its file.
    pub async fn export_is_kept(&self, caller: &Caller, archive: &Archive) -> Result<()> {
        Self::only_export(caller)?;
        self.remember(caller, archive).await
    }

    /// Where scheduled archives go, and how many are kept.
    pub async fn escrow_settings(&self, caller: &Caller) -> Result<EscrowSettings> {
        Self::only_export(caller)?;
        Ok(self.store.tenant().await?.settings.escrow)
    }

    /// How escrow stands.
    pub async fn escrow_state(&self, caller: &Caller) -> Result<EscrowState> {
        authz::reach(caller, Action::CredentialExport)?;
        let settings = self.store.tenant().await?.settings.escrow;
        let exports = self.store.exports(EXPORTS_SHOWN).await?;
        Ok(EscrowState {
            warning: self.escrow_warning(exports.first()).await?,
            exports: exports.iter().map(summary).collect(),
            public_key: hex(self.head_key.public_key()),
            recipients: settings.recipients,
            interval_days: settings.interval_days,
        })
    }

    /// Somebody opened an archive and read every entry of it.
    pub async fn record_drill(&self, caller: &Caller, drill: &Drill) -> Result<EscrowState> {
        authz::reach(caller, Action::CredentialExport)?;
        let unknown = || {
            Error::not_found(
                "export_unknown",
                "this server has made no export with this id; GET /v1.0/lapwing/escrow lists the newest",
            )
        };
        let id = unhex16(&drill.export).ok_or_else(unknown)?;
        let exports = self.store.exports(EXPORTS_SHOWN).await?;
        let export = exports.iter().find(|export| export.export.id == id).ok_or_else(unknown)?;
        let proof = proto::hex::decode(&drill.proof).unwrap_or_default();
        let known: [u8; 32] = Sha256::digest(&proof).into();
        if known != export.export.proof_hash {
            self.refuse_drill(caller, &drill.export, "drill_not_proven").await?;
            return Err(Error::refused(
                Kind::Conflict,
                "drill_not_proven",
                "what was read from the archive is not what this server sealed in it; open the archive itself",
            ));
        }
        if (drill.devices, drill.versions) != (export.export.devices, export.export.versions) {
            self.refuse_drill(caller, &drill.export, "drill_incomplete").await?;
            return Err(Error::refused(
                Kind::Conflict,
                "drill_incomplete",
                format!(
                    "the archive holds {} passwords of {} devices, and {} of {} were read",
                    export.export.versions, export.export.devices, drill.versions, drill.devices
                ),
            ));
        }
        let by = caller.principal().map(|principal| principal.name.clone()).unwrap_or_default();
        let audit = self.entry(
            caller,
            activity::DRILL_EXPORT,
            category::DIRECTORY,
            target("export", &drill.export, ""),
            json!({"devices": drill.devices, "versions": drill.versions}),
        )?;
        self.store.record_drill(id, by, self.now(), audit).await?;
        self.escrow_state(caller).await
    }

    /// Whether a person should look after escrow: for the metrics.
    pub(super) async fn escrow_needs_somebody(&self) -> Result<bool> {
        let newest = self.store.exports(1).await?;
        Ok(self.escrow_warning(newest.first()).await?.is_some())
    }

    async fn escrow_warning(&self, newest: Option<&store::Export>) -> Result<Option<EscrowWarning>> {
        Ok(warning(newest, self.store.last_drilled().await?.as_ref(), self.now()))
    }

    fn only_export(caller: &Caller) -> Result<()> {
        match &caller.identity {
            Identity::System(Job::Export) => Ok(()),
            _ => Err(authz::Denied::Kind(Action::CredentialExport).into()),
        }
    }

    async fn refuse_export(&self, caller: &Caller, code: &str) -> Result<()> {
        let all = target("tenant", &self.tenant, "");
        self.record_refusal(caller, activity::EXPORT_PASSWORDS, category::DEVICE, all, code).await
    }

    async fn refuse_drill(&self, caller: &Caller, export: &str, code: &str) -> Result<()> {
        let of = target("export", &export, "");
        self.record_refusal(caller, activity::DRILL_EXPORT, category::DIRECTORY, of, code).await
    }

    /// What is asked for: devices that are named, or a group; both empty for all.
    async fn wanted(&self, asked: &ExportRequest) -> Result<(Vec<DeviceId>, Option<GroupId>)> {
        let ways = [!asked.devices.is_empty(), asked.group.is_some(), asked.all];
        if ways.iter().filter(|way| **way).count() != 1 {
            return Err(Error::invalid("bad_export", "name devices, or a group, or all: exactly one of them"));
        }
        if asked.devices.len() > DEVICES_NAMED_MAX {
            return Err(Error::invalid("bad_export", format!("at most {DEVICES_NAMED_MAX} devices can be named")));
        }
        let mut devices = Vec::with_capacity(asked.devices.len());
        for text in &asked.devices {
            let id = text.parse().map_err(|_| Error::invalid("bad_export", "devices are named by their ids"))?;
            devices.push(id);
        }
        devices.sort_unstable();
        devices.dedup();
        let group = match &asked.group {
            Some(name) => self.group_named(name).await?.map(|group| group.id),
            None => None,
        };
        Ok((devices, group))
    }

    async fn seal_archive(&self, caller: &Caller, to: &[String], wanted: Wanted) -> Result<Archive> {
        let to = sorted(to);
        if to.is_empty() || to.len() > RECIPIENTS_MAX {
            let text = format!("{} recipients, expected 1 to {RECIPIENTS_MAX} age recipients (age1…)", to.len());
            return Err(Error::invalid("bad_recipient", text));
        }
        let keys = recipients(&to).map_err(|error| Error::invalid("bad_recipient", error.to_string()))?;
        let failed = |error: crate::seal::SealError| Error::Internal(error.to_string());
        let not_json = |error: serde_json::Error| Error::Internal(error.to_string());
        let (id, secret): ([u8; 16], [u8; 32]) = (self.random_bytes()?, self.random_bytes()?);
        let now = self.now();
        let mut payload = ArchiveWriter::new(&keys).map_err(failed)?;
        let opening = Opening { export: hex(&id), proof: hex(&secret) };
        payload.line(&escrow::line(&opening).map_err(not_json)?).map_err(failed)?;

        let mut disclosure = wanted.disclosure(caller);
        let (mut devices, mut versions) = (Vec::new(), 0_u64);
        loop {
            let audit = self.entry(
                caller,
                activity::EXPORT_PASSWORDS,
                category::DEVICE,
                target("export", &hex(&id), ""),
                json!({"recipients": to, "group": wanted.group.map(|group| group.to_string()), "history": wanted.history}),
            )?;
            let page = match self.store.disclose(disclosure.clone(), audit).await {
                Err(StoreError::AuthorizationChanged) => {
                    return Err(Error::not_signed_in("your rights changed since this token was made; sign in again"));
                }
                other => other?,
            };
            for of in &page.devices {
                versions += self.seal_device(&mut payload, of)?;
                devices.push(of.device);
            }
            if payload.written() > ARCHIVE_BYTES_MAX {
                return Err(Error::refused(
                    Kind::TooLarge,
                    "export_too_large",
                    format!(
                        "the archive would be larger than {} MB; export group by group (what was read until here is in \
                         the audit log)",
                        ARCHIVE_BYTES_MAX >> 20
                    ),
                ));
            }
            disclosure.after = page.next;
            if disclosure.after.is_none() {
                break;
            }
        }
        if devices.is_empty() {
            return Err(Error::not_found("no_password", "none of these devices has a password that is stored"));
        }
        let payload = payload.finish().map_err(failed)?;
        let manifest = Manifest {
            export: hex(&id),
            tenant: self.tenant,
            incarnation: self.incarnation,
            server: self.options.url.clone(),
            made_date_time: now,
            recipients: to.clone(),
            devices: devices.len() as u64,
            versions,
            payload_bytes: payload.len() as u64,
            payload_sha256: hex(&Sha256::digest(&payload)),
            public_key: hex(self.head_key.public_key()),
        };
        let line = escrow::manifest_line(&manifest).map_err(not_json)?;
        let signature = self.head_key.attest(&escrow::statement(&line))?;
        let mut bytes = escrow::head(&line, &signature).into_bytes();
        bytes.extend_from_slice(&payload);
        Ok(Archive {
            bytes,
            name: file_name(now, &id),
            id: hex(&id),
            made_at: now,
            export: NewExport {
                id,
                made_by: made_by(caller),
                scheduled: wanted.scheduled,
                recipients: to,
                devices: devices.len() as u64,
                versions,
                proof_hash: Sha256::digest(secret).into(),
            },
            devices,
        })
    }

    fn seal_device(&self, payload: &mut ArchiveWriter, of: &DisclosedDevice) -> Result<u64> {
        for row in &of.versions {
            let version = &row.version;
            let place = Place {
                tenant: self.tenant,
                device: of.device,
                version: version.version,
                account: version.account_id.clone(),
            };
            let password =
                self.sealer.unseal(&place, &row.sealed).map_err(|error| Error::Internal(error.to_string()))?;
            let entry = Entry {
                device: of.device,
                name: of.name.clone(),
                device_state: of.state.word().to_owned(),
                account_name: version.account_name.clone(),
                account_id: version.account_id.clone(),
                version: version.version,
                state: version.state.word().to_owned(),
                live: version.live,
                stored_date_time: version.stored_at,
                proven_date_time: version.proven_at,
                expiration_date_time: version.expires_at,
                password,
            };
            let line = escrow::line(&entry).map_err(|error| Error::Internal(error.to_string()))?;
            payload.line(&line).map_err(|error| Error::Internal(error.to_string()))?;
        }
        Ok(of.versions.len() as u64)
    }

    async fn remember(&self, caller: &Caller, archive: &Archive) -> Result<()> {
        let audit = self.entry(
            caller,
            activity::EXPORT_PASSWORDS,
            category::DIRECTORY,
            target("export", &archive.id, &archive.name),
            json!({"devices": archive.export.devices, "versions": archive.export.versions}),
        )?;
        self.store.record_export(archive.export.clone(), archive.devices.clone(), archive.made_at, audit).await?;
        Ok(())
    }
}

struct Wanted {
    reach: Reach,
    devices: Vec<DeviceId>,
    group: Option<GroupId>,
    history: bool,
    scheduled: bool,
}

impl Wanted {
    fn disclosure(&self, caller: &Caller) -> Disclosure {
        let groups = match &self.reach {
            Reach::Tenant => None,
            Reach::Groups(groups) => Some(groups.clone()),
        };
        Disclosure {
            by: caller.principal().map(|principal| (principal.id, principal.epoch)),
            filter: DeviceFilter {
                states: vec![DeviceState::Enabled, DeviceState::Disabled, DeviceState::Deleted],
                groups,
                ..DeviceFilter::default()
            },
            member_of: self.group,
            devices: self.devices.clone(),
            history: self.history,
            after: None,
            limit: DEVICES_PER_RECORD,
        }
    }
}

fn sorted(recipients: &[String]) -> Vec<String> {
    let mut sorted: Vec<String> = recipients.iter().map(|recipient| recipient.trim().to_owned()).collect();
    sorted.sort_unstable();
    sorted.dedup();
    sorted
}

fn made_by(caller: &Caller) -> String {
    match &caller.identity {
        Identity::System(job) => job.name().to_owned(),
        _ => caller.principal().map(|principal| principal.name.clone()).unwrap_or_default(),
    }
}

/// `lapwing-escrow-20261122T101112Z-7f3a0b1c.escrow`: names sort by time.
fn file_name(now: Timestamp, id: &[u8; 16]) -> String {
    let plain: String = now.to_string().chars().take(19).filter(|c| !matches!(c, '-' | ':')).collect();
    format!("lapwing-escrow-{plain}Z-{}.escrow", hex(id).get(..8).unwrap_or_default())
}

fn summary(export: &store::Export) -> ExportSummary {
    ExportSummary {
        id: hex(&export.export.id),
        made_date_time: export.made_at,
        made_by: export.export.made_by.clone(),
        scheduled: export.export.scheduled,
        recipients: export.export.recipients.clone(),
        devices: export.export.devices,
        versions: export.export.versions,
        drilled_date_time: export.drilled.as_ref().map(|(at, _)| *at),
        drilled_by: export.drilled.as_ref().map(|(_, by)| by.clone()),
    }
}

/// What the settings of the scheduled export must be.
pub(super) fn check_settings(settings: &EscrowSettings) -> Result<()> {
    let bad = |text: String| Err(Error::invalid("bad_setting", text));
    if settings.recipients.len() > RECIPIENTS_MAX {
        return bad(format!(
            "escrowRecipients has {} entries, expected at most {RECIPIENTS_MAX}",
            settings.recipients.len()
        ));
    }
    if let Err(error) = recipients(&settings.recipients) {
        return bad(error.to_string());
    }
    if settings.interval_days > 365 {
        return bad(format!("escrowIntervalDays is {}, expected 0 to 365", settings.interval_days));
    }
    if !(1..=1000).contains(&settings.kept) {
        return bad(format!("escrowKept is {}, expected 1 to 1000", settings.kept));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if settings.folder.is_empty() || settings.folder.len() > 64 || !settings.folder.chars().all(plain) {
        return bad("escrowFolder must be one name of 1 to 64 letters, digits, - and _".into());
    }
    if settings.folder == "keys" {
        return bad("escrowFolder may not be the folder of the keys".into());
    }
    Ok(())
}

/// What a person should do about escrow: from the newest export and the one that a drill opened last.
fn warning(newest: Option<&store::Export>, drilled: Option<&store::Export>, now: Timestamp) -> Option<EscrowWarning> {
    let drill = "open one: lapwing escrow drill FILE --identity KEYFILE";
    let warning =
        |code: &str, text: String, remedy: &str| Some(EscrowWarning { code: code.into(), text, remedy: remedy.into() });
    let Some(newest) = newest else {
        return warning(
            "escrow_none",
            "no escrow export was ever made: passwords that this server loses are lost".into(),
            "lapwing export --to age1… --all --file FILE, or a schedule: lapwing escrow schedule",
        );
    };
    let Some((drilled, at)) = drilled.and_then(|export| Some((export, export.drilled.as_ref()?.0))) else {
        return warning("escrow_not_drilled", "nobody has shown yet that an escrow archive opens".into(), drill);
    };
    if drilled.export.recipients != newest.export.recipients {
        let text = "the newest escrow archive is for other recipients than the one that was shown to open".into();
        return warning("escrow_new_recipients", text, drill);
    }
    if now.ticks_since(at) > u64::from(DRILL_DAYS) * TICKS_PER_DAY {
        let text = format!("it was shown last on {at} that an escrow archive opens, over {DRILL_DAYS} days ago");
        return warning("escrow_drill_old", text, drill);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drill_counts_for_its_recipients_and_for_180_days() {
        let made = Timestamp::parse_rfc3339("2026-01-01T00:00:00Z").unwrap();
        let export = |recipient: &str, drilled: Option<Timestamp>| store::Export {
            export: store::NewExport {
                id: [1; 16],
                made_by: "somebody".into(),
                scheduled: true,
                recipients: vec![recipient.into()],
                devices: 1,
                versions: 1,
                proof_hash: [0; 32],
            },
            sequence: 1,
            made_at: made,
            drilled: drilled.map(|at| (at, "somebody".into())),
        };
        let (newest, drilled) = (export("age1a", None), export("age1a", Some(made)));
        let code = |newest: Option<&store::Export>, drilled: Option<&store::Export>, now| {
            warning(newest, drilled, now).map(|warning| warning.code)
        };
        assert_eq!(code(None, None, made).as_deref(), Some("escrow_none"));
        assert_eq!(code(Some(&newest), None, made).as_deref(), Some("escrow_not_drilled"));
        assert_eq!(code(Some(&newest), Some(&newest), made).as_deref(), Some("escrow_not_drilled"));
        assert_eq!(code(Some(&export("age1b", None)), Some(&drilled), made).as_deref(), Some("escrow_new_recipients"));
        assert_eq!(code(Some(&newest), Some(&drilled), made.plus_days(180)), None);
        let later = made.plus_days(180).plus_ticks(1);
        assert_eq!(code(Some(&newest), Some(&drilled), later).as_deref(), Some("escrow_drill_old"));
        // A clock that went back makes no warning of age.
        assert_eq!(code(Some(&newest), Some(&export("age1a", Some(later))), made), None);
    }

    #[test]
    fn names_of_archives_sort_by_time() {
        let at = Timestamp::parse_rfc3339("2026-11-22T10:11:12.123Z").unwrap();
        assert_eq!(file_name(at, &[0x7f; 16]), "lapwing-escrow-20261122T101112Z-7f7f7f7f.escrow");
    }

    #[test]
    fn a_folder_leads_nowhere_else() {
        for folder in ["", "..", "a/b", "keys", "/tmp", "a b", &"x".repeat(65)] {
            let settings = EscrowSettings { folder: folder.into(), ..EscrowSettings::default() };
            assert!(check_settings(&settings).is_err(), "{folder:?}");
        }
        check_settings(&EscrowSettings::default()).unwrap();
        let settings = EscrowSettings { recipients: vec!["age1nonsense".into()], ..EscrowSettings::default() };
        assert!(check_settings(&settings).is_err());
    }
}
