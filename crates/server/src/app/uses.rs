//! Uses of passwords: what devices tell of sign-ins, paired with the record of the read (laps-behaviour.md 5).
//!
//! A use without a read and a read without a use are both worth a look: the record of a use names the read that
//! came before it, and the list of records shows beside each read whether a use followed.

use super::record::{category, target};
use super::{App, Result};
use crate::audit::{AuditRecord, Outcome, activity};
use crate::authz::{Action, Caller};
use crate::store::{self, Page, PasswordUse, USES_KEPT, VersionState};
use laps::id::DeviceId;
use proto::device::{SIGN_INS_MAX, SignIn};
use serde_json::json;
use std::collections::{HashMap, hash_map::Entry};

/// The member of a record's detail that names the read of a use.
pub(super) const READ: &str = "read";
/// The same, in answers, of the use of a read.
pub(super) const USE: &str = "use";
/// What stands there when there is none.
pub(super) const NONE: &str = "none";

/// What is kept of a text of a device.
fn shortened(text: &str, chars: usize) -> String {
    laps::text::harmless(&text.chars().take(chars).collect::<String>())
}

impl App {
    /// Notes the sign-ins of a report. The same again is nothing.
    pub(super) async fn note_uses(&self, caller: &Caller, device: &store::Device, told: &[SignIn]) -> Result<()> {
        let now = self.now();
        for sign_in in told.iter().take(SIGN_INS_MAX) {
            let used = PasswordUse {
                device: device.id,
                id: sign_in.id,
                version: sign_in.version,
                account_name: shortened(&sign_in.account_name, 256),
                service: shortened(&sign_in.service, 64),
                from: sign_in.from.as_deref().map(|from| shortened(from, 256)),
                at: sign_in.at,
                deadline: sign_in.deadline,
                reported_at: now,
            };
            let read = self.store.last_read(device.id, sign_in.version).await?;
            let audit = self.entry(
                caller,
                activity::USE_PASSWORD,
                category::DEVICE,
                target("device", &device.id, &device.name),
                json!({
                    "version": used.version.to_string(),
                    "account": used.account_name,
                    "service": used.service,
                    "from": used.from,
                    "signedInAt": used.at.to_string(),
                    "deadline": used.deadline.map(|at| at.to_string()),
                    READ: read.as_ref().map_or_else(|| NONE.to_owned(), read_text),
                }),
            )?;
            let unread = read.is_none();
            if self.store.note_use(used, audit).await? && unread {
                tracing::warn!(device = %device.id, "a password was used that nobody has read");
            }
        }
        Ok(())
    }

    /// Uses of a device's passwords, newest first.
    pub async fn uses(&self, caller: &Caller, id: DeviceId) -> Result<Vec<proto::admin::PasswordUse>> {
        self.device_for(caller, Action::CredentialRead, id).await?;
        let versions = self.store.versions(id, false).await?;
        // What the device said is installed, else what it proved last.
        let installed = versions.iter().find(|version| version.installed);
        let current = installed.or_else(|| versions.iter().find(|version| version.state == VersionState::Current));
        let uses = self.store.uses(id, Page::first(USES_KEPT)).await?.items;
        let mut shown = Vec::with_capacity(uses.len());
        for used in uses {
            let read = self.store.last_read(id, used.version).await?;
            shown.push(proto::admin::PasswordUse {
                id: used.id,
                version: used.version,
                account_name: used.account_name,
                service: used.service,
                from: used.from,
                signed_in_date_time: used.at,
                deadline_date_time: used.deadline,
                reported_date_time: used.reported_at,
                read: read.as_ref().map(read_text),
                changed_since: current.is_some_and(|current| current.version != used.version),
            });
        }
        Ok(shown)
    }

    /// For each successful read in a page of records: the first use of what it gave out, or [`NONE`].
    pub(super) async fn uses_of_reads(&self, records: &[AuditRecord]) -> Result<HashMap<(u32, u64), String>> {
        let mut known: HashMap<DeviceId, Vec<PasswordUse>> = HashMap::new();
        let mut found = HashMap::new();
        for record in records {
            let is_read =
                record.entry.activity == activity::RECOVER_PASSWORD && record.entry.outcome == Outcome::Success;
            let (true, Ok(device)) = (is_read, record.entry.target.id.parse::<DeviceId>()) else {
                continue;
            };
            let uses = match known.entry(device) {
                Entry::Occupied(uses) => uses.into_mut(),
                Entry::Vacant(place) => place.insert(self.store.uses(device, Page::first(USES_KEPT)).await?.items),
            };
            // Oldest first: the first one that the server was told of after the read.
            let of_this = uses.iter().rev().find(|used| {
                used.reported_at >= record.entry.at
                    && record.disclosed.iter().any(|disclosed| disclosed.version == used.version)
            });
            let text = of_this.map_or_else(|| NONE.to_owned(), |used| format!("{} at {}", used.service, used.at));
            found.insert((record.chain, record.sequence), text);
        }
        Ok(found)
    }
}

/// Who read, when, and where that is recorded.
fn read_text(record: &AuditRecord) -> String {
    format!("{} at {}, record {}:{}", record.entry.actor.name(), record.entry.at, record.chain, record.sequence)
}
