//! The verbs of devices (rotation.md 3): store, prove, abandon, report.

use super::record::{activity as own, category, target};
use super::{App, Error, Result};
use crate::audit::activity;
use crate::authz::Caller;
use crate::store::{self, KnownVersion, NewVersion, Proof, StoreError, VersionState};
use laps::password::Password;
use laps::text::harmless;
use laps::time::Timestamp;
use proto::device::{
    self, Abandon, Code, HeldVersion, Next, Prove, Report, ReportAnswer, Store, StoreAnswer, VersionAnswer,
};
use serde::Serialize;
use serde_json::json;

/// Longest account name that is taken, bytes.
const ACCOUNT_NAME_BYTES_MAX: usize = 256;
/// Characters that are kept of a device's last error.
const ERROR_CHARS_MAX: usize = 500;
/// Characters that are kept of a code or a word of a device.
const CODE_CHARS_MAX: usize = 100;
/// Characters that are kept of a name in a report.
const NAME_CHARS_MAX: usize = 256;
/// Reasons of a rotation that are recorded.
const REASONS_MAX: usize = 16;

/// What the record of a `store` says of it.
#[derive(Serialize)]
struct StoredDetail<'a> {
    account: &'a str,
    reasons: &'a [String],
    state: &'static str,
    version: String,
}

impl App {
    /// `store(v)`: the password is sealed before anything else is done with it.
    pub async fn store_version(&self, caller: &Caller, version: &Store, password: &Password) -> Result<StoreAnswer> {
        let identity = self.speaking(caller)?;
        let now = self.now();
        if now > identity.not_after {
            // Refused for that, or for what comes before it.
            self.authentic(caller, false).await?;
        }
        let device = identity.device;
        let name = &version.account.name;
        if name.is_empty() || name.len() > ACCOUNT_NAME_BYTES_MAX || name.chars().any(char::is_control) {
            return Err(Error::device(
                Code::BadRequest,
                format!("the account's name must have 1 to {ACCOUNT_NAME_BYTES_MAX} printable bytes"),
            ));
        }
        let account_id = version.account.id.to_string();
        // A key that is retired between sealing and storing is met once more with the new one.
        for attempt in 0..3 {
            let sealed = self.seal(device, version.version, &account_id, password)?;
            // The verb looks at the device and its certificate, and names the device.
            let audit = self.entry(
                caller,
                activity::UPDATE_PASSWORD,
                category::DEVICE,
                target("device", &device, ""),
                StoredDetail {
                    account: name,
                    reasons: version.reasons.get(..REASONS_MAX).unwrap_or(&version.reasons),
                    state: "pending",
                    version: version.version.to_string(),
                },
            )?;
            let stored = self
                .store
                .store_pending(
                    NewVersion {
                        device,
                        certificate: Some(identity.fingerprint),
                        version: version.version,
                        account_id: account_id.clone(),
                        account_name: name.clone(),
                        fingerprint: version.fingerprint,
                        expires_at: Some(version.expires_at),
                        device_time: Some(version.device_time),
                        sealed,
                    },
                    now,
                    audit,
                )
                .await;
            if !matches!(stored, Err(StoreError::DeviceUnknown | StoreError::CertificateRevoked)) {
                self.store.note_seen(device, now);
            }
            match stored {
                Err(StoreError::KeyRetired { active }) if attempt < 2 => self.sealer.set_active(active),
                Err(error) => return Err(Error::of_store(error, now)),
                Ok(stored) => {
                    self.metrics.stored.inc();
                    return Ok(StoreAnswer {
                        sequence: stored.sequence,
                        state: wire_state(stored.state),
                        stored_at: stored.stored_at,
                        server_time: now,
                    });
                }
            }
        }
        Err(Error::Internal("every key was retired while sealing".into()))
    }

    /// `prove(v)`.
    pub async fn prove_version(&self, caller: &Caller, proof: &Prove) -> Result<VersionAnswer> {
        let (device, _) = self.authentic(caller, false).await?;
        let now = self.now();
        let kind = match proof.kind {
            device::ProofKind::Verifier => laps::rotation::ProofKind::Verifier,
            device::ProofKind::Pam => laps::rotation::ProofKind::Pam,
        };
        let audit = self.entry(
            caller,
            activity::UPDATE_PASSWORD,
            category::DEVICE,
            target("device", &device.id, &device.name),
            json!({
                "version": proof.version.to_string(),
                "state": "current",
                "proof": super::sealing::proof_word(kind),
            }),
        )?;
        let proven = self
            .store
            .mark_proven(
                Proof {
                    device: device.id,
                    version: proof.version,
                    kind,
                    set_at: Some(proof.device_time),
                    expires_at: None,
                },
                now,
                audit,
            )
            .await?;
        if !proven.again {
            self.metrics.proven.inc();
        }
        Ok(VersionAnswer { state: Some(wire_state(proven.state)), server_time: now })
    }

    /// `abandon(v)`.
    pub async fn abandon_version(&self, caller: &Caller, abandon: &Abandon) -> Result<VersionAnswer> {
        let (device, _) = self.authentic(caller, false).await?;
        let now = self.now();
        let audit = self.entry(
            caller,
            activity::UPDATE_PASSWORD,
            category::DEVICE,
            target("device", &device.id, &device.name),
            json!({
                "version": abandon.version.to_string(),
                "state": "abandoned",
                "reason": kept(&abandon.reason, CODE_CHARS_MAX),
            }),
        )?;
        let state = self.store.abandon(device.id, abandon.version, now, audit).await?;
        Ok(VersionAnswer { state: state.map(wire_state), server_time: now })
    }

    /// `report`: taken from any authentic device, with an expired certificate too.
    pub async fn report(&self, caller: &Caller, report: &Report) -> Result<ReportAnswer> {
        let (mut device, in_time) = self.authentic(caller, true).await?;
        let now = self.now();
        // Before the store is read: work that comes while it is read wakes the device again.
        let newest_work = *self.store.watch_work().borrow();
        let mut evidence = harmless_evidence(&report.evidence);
        self.note_drift(caller, &device, &mut evidence, report.installed_fingerprint, now).await?;
        self.note_damage(caller, &device, core::mem::take(&mut evidence.damaged), now).await?;
        self.rename(caller, &mut device, evidence.new_name.take(), now).await?;
        self.note_uses(caller, &device, &report.sign_ins).await?;
        self.compare_head(caller, &device, report, now).await?;
        let mut answer = self.store.report(stored_report(&device, report, &evidence), now).await?;
        if has_left(report) && (answer.current.is_some() || !answer.unresolved.is_empty()) {
            let audit = self.entry(
                caller,
                activity::RELEASE_PASSWORD,
                category::DEVICE,
                target("device", &device.id, &device.name),
                json!({"reason": evidence.unmanaged}),
            )?;
            // Again is success and writes nothing.
            self.store.release(device.id, now, audit).await?;
        }
        if answer.rotate.is_some() && super::explain::is_in_active_directory(&report.evidence) {
            // No version that this server stores will ever meet them.
            self.close_rotations(caller, &device, now).await?;
            answer.rotate = None;
        }
        for event in &answer.events {
            let on = target("device", &device.id, &device.name);
            let said = json!({"event": event.word()});
            let entry = self.entry(caller, own::NOTE_IRREGULARITY, category::DEVICE, on, said)?;
            self.store.append_audit(entry).await?;
            tracing::warn!(device = %device.id, event = event.word(), "seen in a report");
            self.reads.notify_one();
        }
        let head = self.head_key.sign(answer.audit_head, now)?;
        self.waiters.saw(device.id, newest_work);
        Ok(ReportAnswer {
            current: answer.current.as_ref().and_then(held),
            unresolved: answer.unresolved.iter().filter_map(held).collect(),
            incarnation: answer.incarnation,
            audit_head: Some(super::log::head_text(&head)),
            rotate_requested: answer.rotate,
            repairs_per_day: answer.repairs_per_day,
            store_refused: match answer.store_refused {
                Some("laps_not_enabled") => Some(Code::LapsDisabled.as_str().to_owned()),
                Some(code) => Some(code.to_owned()),
                None if !in_time => Some(Code::CertificateExpired.as_str().to_owned()),
                None => None,
            },
            ca: Vec::new(),
            server_time: now,
            next: Next { poll_after_s: self.options.poll_after_s, wait: self.waiters.has_room(device.id) },
        })
    }
}

const fn wire_state(state: VersionState) -> device::VersionState {
    match state {
        VersionState::Pending => device::VersionState::Pending,
        VersionState::Current => device::VersionState::Current,
        VersionState::Superseded => device::VersionState::Superseded,
        VersionState::Abandoned => device::VersionState::Abandoned,
    }
}

fn held(version: &KnownVersion) -> Option<HeldVersion> {
    Some(HeldVersion {
        version: version.version,
        sequence: version.sequence,
        fingerprint: version.fingerprint,
        account_id: version.account_id.parse().ok()?,
        account_name: version.account_name.clone(),
        expires_at: version.expires_at.unwrap_or(Timestamp::MIN),
    })
}

/// Whether policy has left the device's account, or its password is in Active Directory now, proven there; then the
/// live set is released (rotation.md 3 and 9). A policy that the device cannot carry out has not left it.
fn has_left(report: &Report) -> bool {
    matches!(report.evidence.unmanaged.as_deref(), Some("no_policy" | "backup_disabled" | "active_directory"))
}

/// What is kept of a text of a device: whoever took the machine over chose it, and it is shown to administrators.
fn kept(text: &str, chars: usize) -> String {
    harmless(&text.chars().take(chars).collect::<String>())
}

/// What a device tells of itself, as it is judged and kept. A new name stays as it is sent: it is a name or it is not taken.
fn harmless_evidence(told: &device::Evidence) -> device::Evidence {
    let mut evidence = told.clone();
    let device::Evidence { policy_source, account_wanted, unmanaged, agent_version, drift, damaged, machine, .. } =
        &mut evidence;
    let words = [policy_source, unmanaged].into_iter().flatten().chain(drift);
    let accounts = machine.iter_mut().flat_map(|machine| &mut machine.accounts).map(|account| &mut account.name);
    for (chars, texts) in [
        (CODE_CHARS_MAX, words.chain([agent_version]).collect::<Vec<_>>()),
        (NAME_CHARS_MAX, account_wanted.iter_mut().chain(accounts).collect()),
        (device::DAMAGED_CHARS_MAX, damaged.iter_mut().collect()),
    ] {
        for text in texts {
            *text = kept(text, chars);
        }
    }
    evidence
}

/// What is kept of a report. It holds no time of the report itself, so that the same again costs no write.
fn stored_report(device: &store::Device, report: &Report, evidence: &device::Evidence) -> store::Report {
    let usability = match &report.account {
        None => "missing",
        Some(account) if !account.usability.enabled => "disabled",
        Some(account) if account.usability.expired => "expired",
        Some(account) if account.usability.no_login_shell => "no_login_shell",
        Some(account) if !account.usability.administrator => "not_administrator",
        Some(_) => "usable",
    };
    let last_error = report.last_error.as_ref().map(|error| {
        json!({
            "event": error.event,
            "code": kept(&error.code, CODE_CHARS_MAX),
            "text": kept(&error.text, ERROR_CHARS_MAX),
        })
        .to_string()
    });
    store::Report {
        device: device.id,
        account_id: report.account.as_ref().map(|account| account.id.to_string()),
        account_name: report.account.as_ref().map(|account| kept(&account.name, NAME_CHARS_MAX)),
        usability: usability.to_owned(),
        installed: report.installed_fingerprint,
        acknowledged: report.last_acknowledged,
        intent: report.intent,
        last_error,
        evidence: serde_json::to_string(evidence).unwrap_or_else(|_| "{}".into()),
        name: device.name.clone(),
        os: device.os.clone(),
        agent_version: kept(&report.evidence.agent_version, 64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::device::{Evidence, Machine, MachineAccount};

    #[test]
    fn what_a_device_says_is_kept_without_what_forges_lines() {
        let bad = "x\u{1b}[2J\n  next: y\u{202e}";
        let account = |name: &str| MachineAccount { id: 1, name: name.into(), enabled: true, administrator: true };
        let machine = Machine { accounts: vec![account(bad), account("root")], ..Machine::default() };
        let told = Evidence {
            policy_source: Some(bad.into()),
            account_wanted: Some(bad.into()),
            unmanaged: Some(bad.into()),
            agent_version: bad.into(),
            drift: vec![bad.into()],
            damaged: vec![format!("{bad}{}", "z".repeat(1_000))],
            new_name: Some("pc-1".into()),
            machine: Some(machine),
            ..Evidence::default()
        };
        let evidence = harmless_evidence(&told);
        let text = serde_json::to_string(&evidence).unwrap();
        // JSON escapes control characters: its backslash would show them.
        assert!(!text.contains(['\\', '\u{202e}']), "{text}");
        assert_eq!(evidence.damaged[0].chars().count(), device::DAMAGED_CHARS_MAX);
        assert_eq!(evidence.machine.unwrap().accounts[1].name, "root");
        let plain = Evidence { agent_version: "1.2.3".into(), ..Evidence::default() };
        assert_eq!(harmless_evidence(&plain), plain);
    }
}
