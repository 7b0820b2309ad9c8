//! What devices say of their account and of themselves: drift (rotation.md 10), judged by the versions that are
//! stored, and damaged state files. Both are kept as events and shown.

use super::credentials::Listed;
use super::record::{activity as own, category, target};
use super::{App, Result, store_page};
use crate::authz::{Action, Caller};
use crate::store::{self, DeviceEventKind, Page, Version, VersionState};
use laps::drift::Drift;
use laps::id::DeviceId;
use laps::rotation::Fingerprint;
use laps::time::{TICKS_PER_DAY, Timestamp};
use proto::admin::{DeviceEvent, DeviceStatus};
use proto::device::{DAMAGED_CHARS_MAX, DAMAGED_MAX, Evidence};
use serde_json::{Value, json};

/// Such events that a device can cause in 24 h.
const EVENTS_PER_DAY: u32 = 24;

impl App {
    /// What a device said about itself last.
    pub async fn device_status(&self, caller: &Caller, id: DeviceId) -> Result<DeviceStatus> {
        let device = self.device_for(caller, Action::DeviceRead, id).await?;
        let report = self.store.last_report(id).await?;
        let status = report.map(|stored| {
            let evidence: Evidence = serde_json::from_str(&stored.report.evidence).unwrap_or_default();
            let error = stored.report.last_error.and_then(|text| serde_json::from_str::<Value>(&text).ok());
            DeviceStatus {
                changed_date_time: Some(stored.changed_at),
                account: stored.report.account_name,
                usability: stored.report.usability,
                drift: evidence.drift,
                repair_held: evidence.repair_held,
                last_error: error.map(|error| {
                    let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
                    format!("{}: {}: {}", error["event"], text("code"), text("text"))
                }),
                ..DeviceStatus::default()
            }
        });
        Ok(DeviceStatus {
            forked_date_time: device.forked_at,
            clone_suspected: device.clone_suspected,
            ..status.unwrap_or_default()
        })
    }

    /// What happened to a device, newest first.
    pub async fn device_events(
        &self,
        caller: &Caller,
        id: DeviceId,
        after: Option<String>,
        limit: u32,
    ) -> Result<Listed<DeviceEvent>> {
        self.device_for(caller, Action::DeviceRead, id).await?;
        let page = self.store.device_events(id, store_page(after, limit)).await?;
        let items = page.items.into_iter().map(|event| DeviceEvent {
            sequence: event.sequence,
            at: event.at,
            kind: event.kind.word().to_owned(),
            detail: serde_json::from_str(&event.detail).unwrap_or(Value::Null),
        });
        Ok(Listed { items: items.collect(), next: page.next, count: None })
    }

    /// Judges what a device says of drift, and notes an event for what it did not say before. Written before
    /// the report is: a crash between the two gives an event twice, never none.
    pub(super) async fn note_drift(
        &self,
        caller: &Caller,
        device: &store::Device,
        evidence: &mut Evidence,
        installed: Option<Fingerprint>,
        now: Timestamp,
    ) -> Result<()> {
        if evidence.drift.is_empty() && !evidence.repair_held {
            return Ok(());
        }
        let versions = self.store.versions(device.id, true).await?;
        evidence.drift = judged(&evidence.drift, installed, &versions, device);
        let before = self.store.last_report(device.id).await?;
        let before: Evidence =
            before.and_then(|before| serde_json::from_str(&before.report.evidence).ok()).unwrap_or_default();
        let new: Vec<&String> = evidence.drift.iter().filter(|drift| !before.drift.contains(drift)).collect();
        if !new.is_empty() {
            self.note(caller, device, DeviceEventKind::Drift, json!({"drift": new}), now).await?;
        }
        if evidence.repair_held && !before.repair_held {
            self.note(caller, device, DeviceEventKind::RepairHeld, json!({"drift": evidence.drift}), now).await?;
        }
        Ok(())
    }

    /// Notes that a device could not read files of its own state. A report whose answer was lost tells it twice.
    pub(super) async fn note_damage(
        &self,
        caller: &Caller,
        device: &store::Device,
        damaged: Vec<String>,
        now: Timestamp,
    ) -> Result<()> {
        if damaged.is_empty() {
            return Ok(());
        }
        let short = |text: &String| text.chars().take(DAMAGED_CHARS_MAX).collect::<String>();
        let damaged: Vec<String> = damaged.iter().take(DAMAGED_MAX).map(short).collect();
        self.note(caller, device, DeviceEventKind::StateDamaged, json!({"damaged": damaged}), now).await
    }

    /// The machine has a new name: it is the device's from now on, with the record of it.
    pub(super) async fn rename(
        &self,
        caller: &Caller,
        device: &mut store::Device,
        name: Option<String>,
        now: Timestamp,
    ) -> Result<()> {
        let name = name.map(|name| name.trim().to_owned());
        let Some(name) = name.filter(|name| *name != device.name && super::join::is_name(name)) else {
            return Ok(());
        };
        if self.is_flood(device.id, now).await? {
            return Ok(());
        }
        let on = target("device", &device.id, &name);
        let detail = json!({"displayName": name, "formerName": device.name});
        let entry = self.entry(caller, crate::audit::activity::UPDATE_DEVICE, category::DEVICE, on, &detail)?;
        self.store.append_audit(entry).await?;
        self.store.note_event(device.id, DeviceEventKind::Renamed, detail.to_string(), now).await?;
        device.name = name;
        Ok(())
    }

    /// The device has caused as many events as it may in a day.
    async fn is_flood(&self, device: DeviceId, now: Timestamp) -> Result<bool> {
        let newest = self.store.device_events(device, Page::first(EVENTS_PER_DAY)).await?.items;
        let all_new = newest.iter().all(|event| now.ticks_since(event.at) < TICKS_PER_DAY);
        Ok(newest.len() == EVENTS_PER_DAY as usize && all_new)
    }

    pub(super) async fn note(
        &self,
        caller: &Caller,
        device: &store::Device,
        kind: DeviceEventKind,
        detail: Value,
        now: Timestamp,
    ) -> Result<()> {
        tracing::warn!(device = %device.id, event = kind.word(), %detail, "said by a device");
        if self.is_flood(device.id, now).await? {
            return Ok(());
        }
        let on = target("device", &device.id, &device.name);
        let said = json!({"event": kind.word(), "detail": detail});
        let entry = self.entry(caller, own::NOTE_IRREGULARITY, category::DEVICE, on, said)?;
        self.store.append_audit(entry).await?;
        Ok(self.store.note_event(device.id, kind, detail.to_string(), now).await?)
    }
}

/// The words that hold. A device whose journal or state was lost takes its own password for another hand's:
/// the fingerprints that are stored tell better.
fn judged(
    said: &[String],
    installed: Option<Fingerprint>,
    versions: &[Version],
    device: &store::Device,
) -> Vec<String> {
    let of_installed = installed.and_then(|installed| {
        let same = versions.iter().filter(|version| version.device == device.id && version.fingerprint == installed);
        same.max_by_key(|version| version.sequence).map(|version| version.state)
    });
    let judge = |drift: Drift| match (drift, of_installed) {
        (Drift::ChangedByHand | Drift::RolledBack, Some(VersionState::Pending | VersionState::Current)) => None,
        (Drift::ChangedByHand, Some(VersionState::Superseded | VersionState::Abandoned)) => Some(Drift::RolledBack),
        (drift, _) => Some(drift),
    };
    let mut drift: Vec<Drift> = said.iter().filter_map(|word| Drift::parse(word)).filter_map(judge).collect();
    drift.sort_unstable();
    drift.dedup();
    drift.into_iter().map(|drift| drift.as_str().to_owned()).collect()
}
