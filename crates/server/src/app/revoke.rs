//! Revocations: rotating exactly what a person was given, by the audit log (docs/revoke.md).

use super::campaigns::{RECORDS_AT_ONCE, Selector};
use super::record::activity as people;
use super::{App, Error, Result, store_page};
use crate::audit::{AuditFilter, activity};
use crate::authz::{Action, Caller};
use crate::store::{CampaignKind, DeviceState, Exposed, Page, exposed};
use laps::id::{DeviceId, PrincipalId};
use proto::admin::{Campaign, NewRevocation, Reader, RevocationPreview};
use std::collections::{BTreeMap, BTreeSet};

/// Records of programs that are read at once.
const PROGRAMS_AT_ONCE: u32 = 500;
/// Names that a preview gives.
const NAMES_MAX: usize = 20;

impl App {
    /// Rotates exactly what a person was given between two times. Needs the right over the whole tenant: the
    /// reads of a person are not of one group.
    pub async fn revoke(&self, caller: &Caller, new: &NewRevocation) -> Result<Campaign> {
        let selector = self.revocation(caller, new).await?;
        self.make_campaign(caller, CampaignKind::Revoke, &new.reason, selector, activity::REVOKE_PASSWORDS).await
    }

    /// What [`App::revoke`] would do; changes nothing.
    pub async fn preview_revocation(&self, caller: &Caller, new: &NewRevocation) -> Result<RevocationPreview> {
        let selector = self.revocation(caller, new).await?;
        let mut highest: BTreeMap<DeviceId, u64> = BTreeMap::new();
        let mut after = None;
        loop {
            let page = self.store.exposures(selector.exposures(), Page::behind(after, RECORDS_AT_ONCE)).await?;
            for one in page.items {
                let known = highest.entry(one.device).or_default();
                *known = one.exposed.unwrap_or(0).max(*known);
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let mut preview = RevocationPreview {
            readers: selector.readers,
            devices: highest.len() as u64,
            ..RevocationPreview::default()
        };
        for (id, sequence) in highest {
            let Some(device) = self.store.device(id).await? else { continue };
            let gone = matches!(device.state, DeviceState::Deleted | DeviceState::Purged);
            match exposed(&self.store.versions(id, false).await?, sequence) {
                Exposed::Nothing if !gone => preview.safe += 1,
                Exposed::Managed
                    if device.state == DeviceState::Enabled && self.refused_by_evidence(id).await?.is_none() =>
                {
                    preview.to_rotate += 1;
                    if preview.names.len() < NAMES_MAX {
                        preview.names.push(device.name);
                    }
                }
                _ => preview.refused += 1,
            }
        }
        Ok(preview)
    }

    async fn revocation(&self, caller: &Caller, new: &NewRevocation) -> Result<Selector> {
        self.require(caller, Action::Revoke)?;
        if matches!((new.from, new.until), (Some(from), Some(until)) if from >= until) {
            return Err(Error::invalid("bad_times", "the time 'from' must be before the time 'until'"));
        }
        let readers = self.readers(&new.person).await?;
        let heads = self.store.audit_heads().await?;
        Ok(Selector {
            about: readers.first().map(|reader| reader.name.clone()).unwrap_or_default(),
            readers,
            from: new.from,
            until: new.until,
            up_to: heads.iter().map(|head| head.sequence).max().unwrap_or(0),
            ..Selector::default()
        })
    }

    /// A person by id, sign-in name or shown name, also one that was deleted and whose name another has now, and the
    /// programs that the person made or changed: whoever holds their secrets reads as they do. API tokens of a person
    /// read as the person.
    async fn readers(&self, person: &str) -> Result<Vec<Reader>> {
        let name = person.trim();
        let mut found: Vec<PrincipalId> = Vec::new();
        if let Ok(id) = name.parse() {
            found.push(id);
        } else {
            match self.store.user_by_name(name.to_owned()).await? {
                Some(user) => found.push(user.id),
                None => found.extend(self.programs_named(name).await?),
            }
            // A name is given again: what was read under it before counts, too.
            found.extend(self.store.readers(name.to_owned()).await?);
        }
        let mut seen = BTreeSet::new();
        found.retain(|id| seen.insert(*id));
        let mut readers = Vec::new();
        for id in &found {
            readers.extend(self.reader(*id, name).await?);
        }
        if readers.is_empty() {
            return Err(Error::not_found(
                "person_unknown",
                format!(
                    "nobody called '{}' is known here, and the audit log has no read of such a person; \
                     list people with GET /v1.0/lapwing/users",
                    name.chars().take(120).collect::<String>()
                ),
            ));
        }
        for id in found {
            for (program, name) in self.programs_of(id).await? {
                if seen.insert(program) {
                    let known = self.reader(program, &name).await?;
                    readers.push(known.unwrap_or(Reader { id: program, name, enabled: None }));
                }
            }
        }
        Ok(readers)
    }

    /// Programs of a shown name.
    async fn programs_named(&self, name: &str) -> Result<Vec<PrincipalId>> {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = self.store.service_principals(store_page(after, Page::LIMIT_MAX)).await?;
            let same = page.items.iter().filter(|known| known.name.eq_ignore_ascii_case(name));
            found.extend(same.map(|known| known.id));
            after = page.next;
            if after.is_none() {
                return Ok(found);
            }
        }
    }

    /// The programs that somebody made or changed, by the audit log, each once.
    async fn programs_of(&self, person: PrincipalId) -> Result<Vec<(PrincipalId, String)>> {
        let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
        for activity in [people::ADD_SERVICE_PRINCIPAL, people::UPDATE_SERVICE_PRINCIPAL] {
            let filter = AuditFilter {
                activity: Some(activity.to_owned()),
                actor: Some(person.to_string()),
                ..AuditFilter::default()
            };
            let mut after = None;
            loop {
                let page = self.store.audit(filter.clone(), Page::behind(after, PROGRAMS_AT_ONCE)).await?;
                for target in page.items.into_iter().map(|record| record.entry.target) {
                    let program = target.id.parse::<PrincipalId>().ok().filter(|program| seen.insert(*program));
                    found.extend(program.map(|program| (program, target.name)));
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(found)
    }

    /// `None` for an id that neither is there nor has read anything.
    async fn reader(&self, id: PrincipalId, name: &str) -> Result<Option<Reader>> {
        if let Some(user) = self.store.user(id).await? {
            return Ok(Some(Reader { id, name: user.user_name, enabled: Some(user.enabled) }));
        }
        if let Some(program) = self.store.service_principal(id).await? {
            return Ok(Some(Reader { id, name: program.name, enabled: Some(program.enabled) }));
        }
        let filter = AuditFilter { actor: Some(id.to_string()), ..AuditFilter::default() };
        let known = self.store.audit(filter, Page::first(1)).await?.items.pop();
        let of_record = known.map(|record| record.entry.actor.name().to_owned()).filter(|name| !name.is_empty());
        Ok(of_record.map(|known| Reader {
            id,
            name: if known.is_empty() { name.to_owned() } else { known },
            enabled: None,
        }))
    }
}
