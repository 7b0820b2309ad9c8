//! Devices: the two lists that tools know, state, deletion, and the request to rotate.

use super::credentials::{Listed, bad_filter, in_order_of_id, purged};
use super::explain::{device_evidence, is_in_active_directory};
use super::record::{category, target};
use super::{App, Error, Kind, Result};
use crate::audit::activity;
use crate::authz::{self, Action, Caller, Reach};
use crate::store::{self, DeviceChange, DeviceFilter, DeviceState, Page, PurgeBy, RotationRequest, StoreError};
use laps::id::DeviceId;
use proto::admin::{Candidate, Version};
use proto::graph::filter::Operator;
use proto::graph::query::Query;
use proto::graph::{Device, DeviceActionResult, DevicePatch, ManagedDevice};
use serde_json::json;

/// The code of a request that nothing here meets.
const IN_ACTIVE_DIRECTORY: &str = "in_active_directory";

fn in_active_directory() -> String {
    "the machine keeps its password in Active Directory, where no request of this server meets it; ask for a new one \
     there"
        .into()
}

impl App {
    /// Devices, tombstones left out unless the filter names their state.
    pub async fn devices(&self, caller: &Caller, query: &Query, after: Option<String>) -> Result<Listed<Device>> {
        let list = DeviceList {
            name: "displayname",
            ids: &["deviceid", "id"],
            make: device_entity,
            property: device_property,
        };
        self.device_list(caller, query, after, &list).await
    }

    /// One device.
    pub async fn device(&self, caller: &Caller, id: DeviceId) -> Result<Device> {
        let device = living(self.device_for(caller, Action::DeviceRead, id).await?)?;
        Ok(device_entity(&device))
    }

    /// Devices as a management service shows them.
    pub async fn managed_devices(
        &self,
        caller: &Caller,
        query: &Query,
        after: Option<String>,
    ) -> Result<Listed<ManagedDevice>> {
        let list = DeviceList {
            name: "devicename",
            ids: &["azureaddeviceid", "id"],
            make: |device| managed_entity(device, &[], false),
            property: managed_property,
        };
        self.device_list(caller, query, after, &list).await
    }

    /// One managed device, with its requests to rotate.
    pub async fn managed_device(&self, caller: &Caller, id: DeviceId) -> Result<ManagedDevice> {
        let device = living(self.device_for(caller, Action::DeviceRead, id).await?)?;
        let requests = self.store.rotation_requests(id).await?;
        let mut entity = managed_entity(&device, &requests, self.reset_failed(id));
        if requests.iter().any(RotationRequest::is_open)
            && let Some(cause) = self.explain_request(caller, &device).await?
        {
            for open in entity.device_action_results.iter_mut().filter(|action| action.action_state == "pending") {
                open.reason_code = Some(cause.code.to_owned());
                open.reason = Some(format!("{} {}", cause.cause, cause.remedy));
            }
        }
        Ok(entity)
    }

    /// Enables or disables a device.
    pub async fn patch_device(&self, caller: &Caller, id: DeviceId, patch: &DevicePatch) -> Result<()> {
        let Some(enabled) = patch.account_enabled else {
            return Err(Error::invalid(
                "nothing_to_change",
                "the body changes nothing: expected accountEnabled, true or false",
            ));
        };
        let device = living(self.device_for(caller, Action::DeviceEnable, id).await?)?;
        let change = if enabled { DeviceChange::Enable } else { DeviceChange::Disable };
        let audit = self.entry(
            caller,
            activity::UPDATE_DEVICE,
            category::DEVICE,
            target("device", &id, &device.name),
            json!({"accountEnabled": enabled}),
        )?;
        self.store.change_device(id, change, self.now(), audit).await?;
        Ok(())
    }

    /// Deletes a device: it becomes a tombstone, and with a retention of 0 days its passwords go at once.
    pub async fn delete_device(&self, caller: &Caller, id: DeviceId) -> Result<()> {
        let device = living(self.device_for(caller, Action::DeviceDelete, id).await?)?;
        let now = self.now();
        let audit = self.entry(
            caller,
            activity::DELETE_DEVICE,
            category::DEVICE,
            target("device", &id, &device.name),
            json!({}),
        )?;
        self.store.change_device(id, DeviceChange::Delete, now, audit).await?;
        if self.store.tenant().await?.settings.tombstone_days == 0 {
            let audit = self.entry(
                caller,
                activity::PURGE_DEVICE,
                category::DEVICE,
                target("device", &id, &device.name),
                json!({"tombstoneDays": 0}),
            )?;
            match self.store.purge_device(id, PurgeBy::Person, now, audit).await {
                // What must still be kept is purged by the job, once nothing depends on it.
                Ok(()) | Err(StoreError::PurgeRefused(_) | StoreError::ClockHeld) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Brings a deleted device back.
    pub async fn restore_device(&self, caller: &Caller, id: DeviceId) -> Result<Device> {
        let device = self.device_for(caller, Action::DeviceDelete, id).await?;
        let audit = self.entry(
            caller,
            activity::RESTORE_DEVICE,
            category::DEVICE,
            target("device", &id, &device.name),
            json!({}),
        )?;
        let device = self.store.change_device(id, DeviceChange::Restore, self.now(), audit).await?;
        Ok(device_entity(&device))
    }

    /// Removes a tombstone and its passwords for good.
    pub async fn purge_device(&self, caller: &Caller, id: DeviceId) -> Result<()> {
        let device = self.device_for(caller, Action::DeviceDelete, id).await?;
        let audit = self.entry(
            caller,
            activity::PURGE_DEVICE,
            category::DEVICE,
            target("device", &id, &device.name),
            json!({}),
        )?;
        Ok(self.store.purge_device(id, PurgeBy::Person, self.now(), audit).await?)
    }

    /// Ends a fork: trimming goes on, the suspicion of a clone is gone.
    pub async fn clear_fork(&self, caller: &Caller, id: DeviceId) -> Result<Device> {
        let device = self.device_for(caller, Action::DeviceEnable, id).await?;
        let audit = self.entry(
            caller,
            activity::UPDATE_DEVICE,
            category::DEVICE,
            target("device", &id, &device.name),
            json!({"fork": "cleared"}),
        )?;
        let device = self.store.clear_fork(id, self.now(), audit).await?;
        Ok(device_entity(&device))
    }

    /// Says which object a machine had before.
    pub async fn link_predecessor(&self, caller: &Caller, id: DeviceId, predecessor: DeviceId) -> Result<Device> {
        let device = self.device_for(caller, Action::DeviceDelete, id).await?;
        self.device_for(caller, Action::DeviceDelete, predecessor).await?;
        let audit = self.entry(
            caller,
            activity::UPDATE_DEVICE,
            category::DEVICE,
            target("device", &id, &device.name),
            json!({"predecessor": predecessor.to_string()}),
        )?;
        let device = self.store.link_predecessor(id, predecessor, audit).await?;
        Ok(device_entity(&device))
    }

    /// Asks a device to rotate now. Repeats before a version was stored are one request.
    pub async fn request_rotation(&self, caller: &Caller, id: DeviceId) -> Result<u64> {
        let device = self.device_for(caller, Action::Rotate, id).await?;
        let Some(principal) = caller.principal() else {
            return Err(authz::Denied::Kind(Action::Rotate).into());
        };
        let report = self.store.last_report(id).await?;
        if report.is_some_and(|report| is_in_active_directory(&device_evidence(&report.report.evidence))) {
            return Err(Error::refused(
                Kind::Conflict,
                IN_ACTIVE_DIRECTORY,
                format!("{}: lapwing ad expire {}", in_active_directory(), device.name),
            ));
        }
        let audit = self.entry(
            caller,
            activity::ROTATE_PASSWORD,
            category::DEVICE,
            target("device", &id, &device.name),
            json!({}),
        )?;
        match self.store.request_rotation(id, principal.id, self.now(), audit).await {
            Ok(requested) => Ok(requested.request.sequence),
            Err(StoreError::DeviceDisabled) => Err(Error::refused(
                Kind::Conflict,
                "device_disabled",
                "the device is disabled and cannot store a new password; enable it first",
            )),
            Err(StoreError::DeviceDeleted) => {
                Err(Error::refused(Kind::Conflict, "device_deleted", "the device was deleted; restore it first"))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Open requests of a device that keeps its password in Active Directory now are closed: nothing meets them.
    pub(super) async fn close_rotations(
        &self,
        caller: &Caller,
        device: &store::Device,
        now: laps::time::Timestamp,
    ) -> Result<()> {
        let audit = self.entry(
            caller,
            activity::CLOSE_ROTATION,
            category::DEVICE,
            target("device", &device.id, &device.name),
            json!({"reason": IN_ACTIVE_DIRECTORY}),
        )?;
        self.store.close_requests(device.id, IN_ACTIVE_DIRECTORY, now, audit).await?;
        Ok(())
    }

    /// Objects that the machine may have had before it joined: of the same hardware or the same name, and not heard of
    /// since. A person chooses; nothing is linked by itself.
    pub async fn predecessor_candidates(&self, caller: &Caller, id: DeviceId) -> Result<Vec<Candidate>> {
        let device = self.device_for(caller, Action::DeviceRead, id).await?;
        self.former_objects(&authz::reach(caller, Action::DeviceRead)?, &device).await
    }

    /// What keeps a device from meeting its open request to rotate: the cause. `None` when it only has to come, and
    /// when nothing is open.
    pub async fn request_waits_for(&self, caller: &Caller, id: DeviceId) -> Result<Option<laps::explain::Cause>> {
        let device = self.seen_device(caller, id).await?;
        let open = self.store.rotation_requests(id).await?.iter().any(RotationRequest::is_open);
        if open { self.explain_request(caller, &device).await } else { Ok(None) }
    }

    /// The candidates for a device's former object, of those in reach, the likeliest first.
    pub(super) async fn former_objects(&self, reach: &Reach, device: &store::Device) -> Result<Vec<Candidate>> {
        if device.predecessor.is_some() {
            return Ok(Vec::new());
        }
        let states = [DeviceState::Enabled, DeviceState::Disabled, DeviceState::Deleted];
        let mut found = self.of_name(reach, &device.name, &states).await?;
        if let Some(hardware) = device.hardware {
            let same = self.of_hardware(reach, hardware, &states).await?;
            found.retain(|other| same.iter().all(|one| one.id != other.id));
            found.extend(same);
        }
        let mut candidates = Vec::new();
        for other in found {
            let seen = other.last_seen.unwrap_or(other.registered_at);
            if other.id == device.id || other.registered_at > device.registered_at || seen > device.registered_at {
                continue;
            }
            candidates.push(Candidate {
                has_password: !self.store.versions(other.id, false).await?.is_empty(),
                id: other.id,
                same_hardware: device.hardware.is_some() && other.hardware == device.hardware,
                same_system: other.os == device.os,
                operating_system: other.os,
                name: other.name,
                state: other.state.word().to_owned(),
                registered_date_time: other.registered_at,
                last_seen_date_time: other.last_seen,
            });
        }
        // The same machine first, then what can be read, then the one of before, not of long ago.
        candidates.sort_by_key(|one| {
            let same = (one.same_hardware, one.has_password, one.same_system);
            core::cmp::Reverse((same, one.last_seen_date_time, one.registered_date_time))
        });
        Ok(candidates)
    }

    /// A device's versions without their passwords, best first.
    pub async fn versions(&self, caller: &Caller, id: DeviceId) -> Result<Vec<Version>> {
        self.device_for(caller, Action::CredentialRead, id).await?;
        let versions = self.store.versions(id, true).await?;
        Ok(versions
            .into_iter()
            .map(|version| Version {
                id: version.version,
                device: version.device,
                account_id: version.account_id,
                account_name: version.account_name,
                state: version.state.word().to_owned(),
                sequence: version.sequence,
                proof: version.proof.map(|kind| super::sealing::proof_word(kind).to_owned()),
                stored_date_time: version.stored_at,
                proven_date_time: version.proven_at,
                expiration_date_time: version.expires_at,
                live: version.live,
                installed: version.installed,
                released: version.released_at.is_some(),
            })
            .collect())
    }

    /// A page of a list of devices; with `$count` on the first page all pages are counted.
    async fn device_list<T>(
        &self,
        caller: &Caller,
        query: &Query,
        after: Option<String>,
        list: &DeviceList<'_, T>,
    ) -> Result<Listed<T>> {
        in_order_of_id(query)?;
        let counted = query.count && after.is_none();
        let page = self.device_rows(caller, query, list, Page::behind(after, query.page())).await?;
        let mut listed = Listed::new(list.wanted(&page.items, query)?, page.next);
        if counted {
            let (mut count, mut next) = (listed.items.len() as u64, listed.next.clone());
            while let Some(after) = next {
                let page = self.device_rows(caller, query, list, Page::behind(Some(after), Page::LIMIT_MAX)).await?;
                count += list.wanted(&page.items, query)?.len() as u64;
                next = page.next;
            }
            listed.count = Some(count);
        }
        Ok(listed)
    }

    /// The rows of a device list. A filter for one id or one name is looked up, not scanned for.
    async fn device_rows<T>(
        &self,
        caller: &Caller,
        query: &Query,
        list: &DeviceList<'_, T>,
        page: Page,
    ) -> Result<store::PageOf<store::Device>> {
        let groups = match authz::reach(caller, Action::DeviceRead)? {
            Reach::Tenant => None,
            Reach::Groups(groups) => Some(groups),
        };
        let filter = query.filter.as_ref();
        let value = |path: &str, operator| filter.and_then(|filter| filter.value_of(path, operator)).map(str::to_owned);
        let states = match value("state", Operator::Equal) {
            Some(word) => vec![
                DeviceState::from_word(&word.to_lowercase())
                    .ok_or_else(|| Error::invalid("bad_filter", "state is enabled, disabled, deleted or purged"))?,
            ],
            None => vec![DeviceState::Enabled, DeviceState::Disabled],
        };
        if let Some(id) = list.ids.iter().find_map(|path| value(path, Operator::Equal)) {
            let found = match id.parse() {
                Ok(id) => self.store.device(id).await?,
                Err(_) => None,
            };
            let items = found
                .filter(|device| {
                    states.contains(&device.state)
                        && groups.as_ref().is_none_or(|groups| device.groups.iter().any(|group| groups.contains(group)))
                })
                .into_iter()
                .collect();
            return Ok(store::PageOf { items, next: None });
        }
        let filter = DeviceFilter {
            states,
            name: value(list.name, Operator::Equal),
            name_prefix: value(list.name, Operator::StartsWith),
            hardware: None,
            groups,
        };
        Ok(self.store.devices(filter, page).await?)
    }
}

/// What a list of devices is made of.
struct DeviceList<'a, T> {
    /// The property that holds the name.
    name: &'a str,
    /// The properties that hold the id.
    ids: &'a [&'a str],
    make: fn(&store::Device) -> T,
    property: fn(&T, &str) -> Option<Vec<String>>,
}

impl<T> DeviceList<'_, T> {
    /// Those that the filter lets through.
    fn wanted(&self, devices: &[store::Device], query: &Query) -> Result<Vec<T>> {
        let mut items = Vec::with_capacity(devices.len());
        for device in devices {
            let entity = (self.make)(device);
            let wanted = match &query.filter {
                None => true,
                Some(filter) => filter
                    .matches(|path| match path {
                        "state" => Some(vec![device.state.word().to_owned()]),
                        _ => (self.property)(&entity, path),
                    })
                    .map_err(bad_filter)?,
            };
            if wanted {
                items.push(entity);
            }
        }
        Ok(items)
    }
}

/// A device that is there for Graph: a tombstone is not.
fn living(device: store::Device) -> Result<store::Device> {
    match device.state {
        DeviceState::Enabled | DeviceState::Disabled => Ok(device),
        DeviceState::Deleted => Err(Error::not_found(
            "device_deleted",
            format!(
                "the device {} was deleted; GET /v1.0/devices?$filter=state eq 'deleted' shows it, and \
                 POST /v1.0/lapwing/devices/{}/restore brings it back",
                device.name, device.id
            ),
        )),
        DeviceState::Purged => Err(purged(&device)),
    }
}

/// `Debian 12` → name and version, as Graph has them apart.
fn os_parts(os: &str) -> (String, String) {
    match os.split_once(' ') {
        Some((name, version)) => (name.to_owned(), version.to_owned()),
        None => (os.to_owned(), String::new()),
    }
}

fn device_entity(device: &store::Device) -> Device {
    let (operating_system, operating_system_version) = os_parts(&device.os);
    Device {
        id: device.id,
        device_id: device.id,
        display_name: device.name.clone(),
        account_enabled: device.state == DeviceState::Enabled,
        operating_system,
        operating_system_version,
        trust_type: "AzureAd".into(),
        is_managed: true,
        is_compliant: None,
        approximate_last_sign_in_date_time: device.last_seen,
        registration_date_time: Some(device.registered_at),
        deleted_date_time: device.deleted_at,
        physical_ids: Vec::new(),
        alternative_security_ids: Vec::new(),
        state: device.state.word().to_owned(),
    }
}

fn device_property(device: &Device, path: &str) -> Option<Vec<String>> {
    Some(vec![match path {
        "id" => device.id.to_string(),
        "deviceid" => device.device_id.to_string(),
        "displayname" => device.display_name.clone(),
        "accountenabled" => device.account_enabled.to_string(),
        "operatingsystem" => device.operating_system.clone(),
        "operatingsystemversion" => device.operating_system_version.clone(),
        "trusttype" => device.trust_type.clone(),
        "approximatelastsignindatetime" => device.approximate_last_sign_in_date_time?.to_string(),
        "registrationdatetime" => device.registration_date_time?.to_string(),
        _ => return None,
    }])
}

/// `reset_failed`: the device said that its last reset failed, which an open request waits for.
fn managed_entity(device: &store::Device, requests: &[RotationRequest], reset_failed: bool) -> ManagedDevice {
    let (operating_system, os_version) = os_parts(&device.os);
    ManagedDevice {
        id: device.id,
        device_name: device.name.clone(),
        azure_ad_device_id: device.id,
        operating_system,
        os_version,
        last_sync_date_time: device.last_seen,
        enrolled_date_time: Some(device.registered_at),
        compliance_state: "unknown".into(),
        management_agent: "mdm".into(),
        serial_number: String::new(),
        user_principal_name: String::new(),
        device_action_results: requests
            .iter()
            .map(|request| DeviceActionResult {
                action_name: "rotateLocalAdminPassword".into(),
                action_state: match request.met_at {
                    Some(_) => "done",
                    None if request.closed.is_some() => "canceled",
                    None if reset_failed => "failed",
                    None => "pending",
                }
                .into(),
                start_date_time: request.requested_at,
                last_updated_date_time: request
                    .met_at
                    .or(request.closed.as_ref().map(|(at, _)| *at))
                    .unwrap_or(request.requested_at),
                sequence: request.sequence,
                reason_code: request.closed.as_ref().map(|(_, code)| code.clone()),
                reason: request.closed.as_ref().map(|(_, code)| closed_because(code)),
            })
            .collect(),
    }
}

/// Why no rotation meets a request any more.
pub(super) fn closed_because(code: &str) -> String {
    match code {
        store::CANCELLED => "the rotation of many devices that asked for it was called off".to_owned(),
        _ => in_active_directory(),
    }
}

fn managed_property(device: &ManagedDevice, path: &str) -> Option<Vec<String>> {
    Some(vec![match path {
        "id" => device.id.to_string(),
        "azureaddeviceid" => device.azure_ad_device_id.to_string(),
        "devicename" => device.device_name.clone(),
        "operatingsystem" => device.operating_system.clone(),
        "osversion" => device.os_version.clone(),
        "managementagent" => device.management_agent.clone(),
        _ => return None,
    }])
}
