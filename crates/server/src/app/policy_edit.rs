//! Policies edited from the table of settings, their history, what they go back to, and whom they leave out.

use super::groups::checked_name;
use super::policies::{checked_values, same_settings, settings_of};
use super::record::{activity, category, target};
use super::{App, Error, Kind, Result, store_page};
use crate::audit::AuditFilter;
use crate::authz::{Action, Caller};
use crate::store::{self, ALL_DEVICES, Page, RolloutState, Spread};
use proto::admin::{
    Assign, HeldDevice, Policy, PolicyEdit, PolicyVersion, RollBack, SettingChange, SettingDescription,
};
use proto::dm::policy::{import, import_json, json as json_of, syncml, values};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Versions that a history looks up the authors of.
const AUTHORS_MAX: u32 = 1_000;
/// Devices that a list of conflicts shows.
const HELD_MAX: usize = 1_000;

impl App {
    /// Every setting that a policy can have: range, default, dependencies, help.
    pub async fn settings_table(&self, caller: &Caller) -> Result<Vec<SettingDescription>> {
        self.require(caller, Action::PolicyRead)?;
        Ok(SettingDescription::table())
    }

    /// Changes some settings of a policy, which makes its next version. Nothing changed is no new version.
    pub async fn edit_policy(&self, caller: &Caller, name: &str, edit: &PolicyEdit) -> Result<Policy> {
        self.require(caller, Action::PolicyWrite)?;
        let former = self.stored_policy(name).await?;
        if edit.version.is_some_and(|version| version != former.version) {
            return Err(store::StoreError::Changed.into());
        }
        let mut settings: Map<String, Value> = settings_of(&former.values);
        for name in &edit.unset {
            if settings.remove(name).is_none() {
                return Err(Error::invalid(
                    "setting_not_set",
                    format!("the policy does not set '{}'", name.chars().take(80).collect::<String>()),
                ));
            }
        }
        settings.extend(edit.set.clone());
        let values = checked_values(&settings)?;
        let name = edit.name.as_deref().map_or_else(|| Ok(former.name.clone()), checked_name)?;
        if name == former.name && same_settings(&former.values, &values) {
            return self.policy_entity(former).await;
        }
        let policy = self.revise(caller, former, name, values, json!({})).await?;
        self.policy_entity(policy).await
    }

    /// Makes a new version that has the values of an old one, for all devices at once; ends a rollout.
    pub async fn roll_back_policy(&self, caller: &Caller, name: &str, to: &RollBack) -> Result<Policy> {
        self.require(caller, Action::PolicyWrite)?;
        let former = self.stored_policy(name).await?;
        let policy = self.go_back(caller, former, to.version).await?;
        self.policy_entity(policy).await
    }

    pub(super) async fn go_back(&self, caller: &Caller, former: store::Policy, version: u32) -> Result<store::Policy> {
        let versions = self.store.policy_versions(former.id).await?;
        let old = versions.into_iter().find(|old| old.version == version).ok_or_else(|| unknown_version(version))?;
        let open = self.open_rollout(&former).await?.is_some();
        if !open && same_settings(&old.values, &former.values) {
            return Ok(former);
        }
        // What an older server took may not be taken by this one.
        let values = checked_values(&settings_of(&old.values))?;
        let audit = self.entry(
            caller,
            activity::UPDATE_POLICY,
            category::POLICY,
            target("policy", &former.id, &former.name),
            json!({"settings": settings_of(&values), "version": former.version + 1, "rolledBackTo": version}),
        )?;
        let (name, now) = (former.name.clone(), self.now());
        Ok(self.store.revise_policy(former.id, former.version, name, values, Spread::AtOnce, now, audit).await?)
    }

    /// Makes the next version: by rings when the policy has a plan and somebody has it, else at once.
    pub(super) async fn revise(
        &self,
        caller: &Caller,
        former: store::Policy,
        name: String,
        values: String,
        mut detail: Value,
    ) -> Result<store::Policy> {
        if let Some(open) = self.open_rollout(&former).await? {
            return Err(Error::refused(
                Kind::Conflict,
                "rollout_open",
                format!(
                    "version {} of {} is still on its way by rings; complete it or roll it back before you change the \
                     policy",
                    open.wanted, former.name
                ),
            ));
        }
        let is_assigned = !self.store.assignments(Some(former.id)).await?.is_empty();
        let spread = match self.store.ring_plan(former.id).await? {
            Some(rings) if is_assigned && !same_settings(&former.values, &values) => Spread::Rings(rings),
            _ => Spread::AtOnce,
        };
        detail["settings"] = Value::Object(settings_of(&values));
        detail["version"] = Value::from(former.version + 1);
        detail["byRings"] = Value::from(matches!(spread, Spread::Rings(_)));
        let audit =
            self.entry(caller, activity::UPDATE_POLICY, category::POLICY, target("policy", &former.id, &name), detail)?;
        Ok(self.store.revise_policy(former.id, former.version, name, values, spread, self.now(), audit).await?)
    }

    pub(super) async fn open_rollout(&self, policy: &store::Policy) -> Result<Option<store::Rollout>> {
        let open = |rollout: &store::Rollout| matches!(rollout.state, RolloutState::Running | RolloutState::Halted);
        Ok(self.store.rollout(policy.id).await?.filter(open))
    }

    /// Every version of a policy, newest first, with what it changed and who made it.
    pub async fn policy_versions(&self, caller: &Caller, name: &str) -> Result<Vec<PolicyVersion>> {
        self.require(caller, Action::PolicyRead)?;
        let policy = self.stored_policy(name).await?;
        let mut authors: BTreeMap<u64, String> = BTreeMap::new();
        let filter = AuditFilter { target: Some(policy.id.to_string()), ..AuditFilter::default() };
        for record in self.store.audit(filter, Page::first(AUTHORS_MAX)).await?.items {
            let made = [activity::CREATE_POLICY, activity::UPDATE_POLICY].contains(&record.entry.activity.as_str());
            let detail: Value = serde_json::from_str(&record.entry.detail).unwrap_or_default();
            if let Some(version) = detail["version"].as_u64().filter(|_| made) {
                authors.entry(version).or_insert_with(|| record.entry.actor.name().to_owned());
            }
        }
        let stored = self.store.policy_versions(policy.id).await?;
        let mut versions = Vec::with_capacity(stored.len());
        for (index, one) in stored.iter().enumerate() {
            let settings = settings_of(&one.values);
            let before = stored.get(index + 1).map(|before| settings_of(&before.values)).unwrap_or_default();
            versions.push(PolicyVersion {
                version: one.version,
                name: one.name.clone(),
                changes: SettingChange::between(&before, &settings),
                settings,
                changed_date_time: one.changed_at,
                changed_by: authors.get(&u64::from(one.version)).cloned(),
            });
        }
        Ok(versions)
    }

    /// A policy as a SyncML document, as `import` takes it back; its newest version, or another one.
    pub async fn policy_syncml(&self, caller: &Caller, name: &str, version: Option<u32>) -> Result<String> {
        self.require(caller, Action::PolicyRead)?;
        let policy = self.version_of(name, version).await?;
        let set = import_json(policy.values.as_bytes()).map_err(|error| super::policies::refused(&error))?;
        Ok(syncml(&values(&set)))
    }

    /// A policy as the JSON object of its settings, as `import` takes it back; its newest version, or another one.
    pub async fn policy_json(&self, caller: &Caller, name: &str, version: Option<u32>) -> Result<String> {
        self.require(caller, Action::PolicyRead)?;
        let policy = self.version_of(name, version).await?;
        serde_json::to_string_pretty(&settings_of(&policy.values)).map_err(|error| Error::Internal(error.to_string()))
    }

    async fn version_of(&self, name: &str, version: Option<u32>) -> Result<store::Policy> {
        let policy = self.stored_policy(name).await?;
        match version {
            None => Ok(policy),
            Some(version) => {
                let mut all = self.store.policy_versions(policy.id).await?.into_iter();
                all.find(|one| one.version == version).ok_or_else(|| unknown_version(version))
            }
        }
    }

    /// The settings that a document holds, SyncML or JSON by its first character. Every mistake is named, and then
    /// nothing is taken; nothing is stored here.
    pub fn read_policy_document(&self, caller: &Caller, document: &str) -> Result<Map<String, Value>> {
        self.require(caller, Action::PolicyWrite)?;
        let set = import(document.as_bytes()).map_err(|error| super::policies::refused(&error))?;
        Ok(settings_of(&json_of(&values(&set))))
    }

    /// Leaves the devices of a group out of a policy, whatever else brings it to them; or ends that.
    pub async fn exclude_policy(&self, caller: &Caller, name: &str, from: &Assign, excluded: bool) -> Result<Policy> {
        self.require(caller, Action::PolicyWrite)?;
        let policy = self.stored_policy(name).await?;
        let Some(group) = self.group_named(&from.group).await?.filter(|group| group.id != ALL_DEVICES) else {
            return Err(Error::invalid(
                "all_devices_excluded",
                "all devices cannot be left out; take the assignment back instead",
            ));
        };
        let activity = if excluded { activity::EXCLUDE_POLICY } else { activity::INCLUDE_POLICY };
        let about = target("policy", &policy.id, &policy.name);
        let audit = self.entry(caller, activity, category::POLICY, about, json!({"group": group.name}))?;
        match excluded {
            true => self.store.exclude_policy(policy.id, group.id, self.now(), audit).await?,
            false => self.store.include_policy(policy.id, group.id, audit).await?,
        }
        self.policy_entity(policy).await
    }

    /// Devices whose delivery is held because policies disagree on them; with a policy, those that it is part of.
    pub async fn conflicts(&self, caller: &Caller, policy: Option<&str>) -> Result<Vec<HeldDevice>> {
        self.require(caller, Action::PolicyRead)?;
        let wanted = match policy {
            Some(name) => Some(self.stored_policy(name).await?.id.to_string()),
            None => None,
        };
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = self.store.held_devices(store_page(after, Page::LIMIT_MAX)).await?;
            for held in page.items {
                // Its reason names every policy by its id.
                if wanted.as_ref().is_none_or(|id| held.reason.contains(id.as_str())) {
                    let reason = serde_json::from_str(&held.reason).unwrap_or(Value::String(held.reason));
                    found.push(HeldDevice { device: held.device, name: held.name, held: reason });
                }
            }
            after = page.next;
            if after.is_none() || found.len() >= HELD_MAX {
                found.truncate(HELD_MAX);
                return Ok(found);
            }
        }
    }
}

pub(super) fn unknown_version(version: u32) -> Error {
    Error::not_found(
        "policy_version_unknown",
        format!("the policy has no version {version}; GET its versions to see which it has"),
    )
}
