//! The tenant: its switch, its settings, its name.

use super::record::{activity as own, category, target};
use super::{App, Error, Result};
use crate::audit::activity;
use crate::authz::{Action, Caller};
use crate::store::{self, StoreError};
use proto::admin;
use proto::graph::{DeviceRegistrationPolicy, LocalAdminPassword, Organization};
use serde_json::json;

/// The fewest days that records of the audit log are kept, where not all are: devices keep heads for as long.
pub(crate) const AUDIT_DAYS_MIN: u32 = 30;

impl App {
    /// The tenant as `organization`.
    pub async fn organization(&self, caller: &Caller) -> Result<Organization> {
        self.require(caller, Action::OrganizationRead)?;
        Ok(Organization {
            id: self.tenant,
            display_name: self.options.names.first().cloned().unwrap_or_else(|| "Lapwing".into()),
            verified_domains: Vec::new(),
        })
    }

    /// The device registration policy, with the switch "Enable LAPS".
    pub async fn registration_policy(&self, caller: &Caller) -> Result<DeviceRegistrationPolicy> {
        self.require(caller, Action::RegistrationPolicyRead)?;
        Ok(policy_of(&self.store.tenant().await?.settings))
    }

    /// Replaces it: what is left out gets its default, as at the original (laps-behaviour.md 8.1).
    pub async fn set_registration_policy(
        &self,
        caller: &Caller,
        policy: &DeviceRegistrationPolicy,
    ) -> Result<DeviceRegistrationPolicy> {
        self.require(caller, Action::RegistrationPolicyWrite)?;
        if !matches!(policy.multi_factor_auth_configuration.as_str(), "notRequired" | "required") {
            return Err(Error::invalid(
                "bad_registration_policy",
                "multiFactorAuthConfiguration must be notRequired or required",
            ));
        }
        let tenant = self.store.tenant().await?;
        let settings = store::Settings {
            laps_enabled: policy.local_admin_password.is_enabled,
            registration_policy: json!({
                "userDeviceQuota": policy.user_device_quota,
                "multiFactorAuthConfiguration": policy.multi_factor_auth_configuration,
                "azureAdJoin": policy.azure_ad_join,
                "azureAdRegistration": policy.azure_ad_registration,
            })
            .to_string(),
            ..tenant.settings
        };
        if settings.registration_policy.len() > 16 * 1024 {
            return Err(Error::invalid("bad_registration_policy", "the policy is larger than 16 kB"));
        }
        let audit = self.entry(
            caller,
            activity::SET_REGISTRATION_POLICY,
            category::POLICY,
            target("tenant", &self.tenant, ""),
            json!({"localAdminPassword": settings.laps_enabled}),
        )?;
        let tenant = self.store.update_settings(settings, tenant.revision, audit).await?;
        Ok(policy_of(&tenant.settings))
    }

    /// The server's settings.
    pub async fn settings(&self, caller: &Caller) -> Result<admin::Settings> {
        self.require(caller, Action::SettingsRead)?;
        let tenant = self.store.tenant().await?;
        Ok(admin::Settings { clock_held_date_time: tenant.clock_held_at, ..wire(&tenant.settings) })
    }

    /// Changes the settings that are named.
    pub async fn change_settings(&self, caller: &Caller, change: &admin::Settings) -> Result<admin::Settings> {
        let only_switch = admin::Settings { laps_enabled: change.laps_enabled, ..admin::Settings::default() };
        // The switch alone is what the device registration policy may change too.
        let action = if *change == only_switch { Action::RegistrationPolicyWrite } else { Action::SettingsWrite };
        self.require(caller, action)?;
        let bound = |name: &str, value: Option<u32>, from: u32, to: u32| match value {
            Some(value) if !(from..=to).contains(&value) => {
                Err(Error::invalid("bad_setting", format!("{name} is {value}, expected {from} to {to}")))
            }
            _ => Ok(()),
        };
        bound("tombstoneDays", change.tombstone_days, 0, 365)?;
        bound("versionsPerDay", change.versions_per_day, 1, 1000)?;
        bound("unresolvedMax", change.unresolved_max, 1, 100)?;
        bound("repairsPerDay", change.repairs_per_day, 1, laps::drift::REPAIRS_PER_DAY_MAX)?;
        if change.audit_days.is_some_and(|days| days != 0) {
            bound("auditDays", change.audit_days, AUDIT_DAYS_MIN, 3650)?;
        }
        for _ in 0..3 {
            let tenant = self.store.tenant().await?;
            let now = tenant.settings;
            // Who names the recipients reads every password that the schedule seals. Forms send them unchanged, too.
            if change.escrow_recipients.as_ref().is_some_and(|asked| *asked != now.escrow.recipients) {
                self.require(caller, Action::CredentialExport)?;
            }
            let settings = store::Settings {
                laps_enabled: change.laps_enabled.unwrap_or(now.laps_enabled),
                tombstone_days: change.tombstone_days.unwrap_or(now.tombstone_days),
                versions_per_day: change.versions_per_day.unwrap_or(now.versions_per_day),
                unresolved_max: change.unresolved_max.unwrap_or(now.unresolved_max),
                repairs_per_day: change.repairs_per_day.unwrap_or(now.repairs_per_day),
                audit_days: change.audit_days.unwrap_or(now.audit_days),
                escrow: store::EscrowSettings {
                    recipients: change.escrow_recipients.clone().unwrap_or(now.escrow.recipients),
                    interval_days: change.escrow_interval_days.unwrap_or(now.escrow.interval_days),
                    folder: change.escrow_folder.clone().unwrap_or(now.escrow.folder),
                    kept: change.escrow_kept.unwrap_or(now.escrow.kept),
                },
                registration_policy: now.registration_policy,
            };
            super::escrow::check_settings(&settings.escrow)?;
            let audit = self.entry(
                caller,
                if action == Action::SettingsWrite { own::UPDATE_SETTINGS } else { activity::SET_REGISTRATION_POLICY },
                category::DIRECTORY,
                target("tenant", &self.tenant, ""),
                serde_json::to_value(change).unwrap_or_default(),
            )?;
            match self.store.update_settings(settings, tenant.revision, audit).await {
                Err(StoreError::Changed) => {}
                other => return Ok(wire(&other?.settings)),
            }
        }
        Err(StoreError::Changed.into())
    }

    /// A person confirms that the server's clock is right; ends the hold on jobs that destroy.
    pub async fn confirm_clock(&self, caller: &Caller) -> Result<()> {
        self.require(caller, Action::SettingsWrite)?;
        let audit = self.entry(
            caller,
            activity::CONFIRM_CLOCK,
            category::DIRECTORY,
            target("tenant", &self.tenant, ""),
            json!({}),
        )?;
        Ok(self.store.confirm_clock(self.now(), audit).await?)
    }
}

fn wire(settings: &store::Settings) -> admin::Settings {
    admin::Settings {
        laps_enabled: Some(settings.laps_enabled),
        tombstone_days: Some(settings.tombstone_days),
        versions_per_day: Some(settings.versions_per_day),
        unresolved_max: Some(settings.unresolved_max),
        repairs_per_day: Some(settings.repairs_per_day),
        audit_days: Some(settings.audit_days),
        escrow_recipients: Some(settings.escrow.recipients.clone()),
        escrow_interval_days: Some(settings.escrow.interval_days),
        escrow_folder: Some(settings.escrow.folder.clone()),
        escrow_kept: Some(settings.escrow.kept),
        clock_held_date_time: None,
    }
}

fn policy_of(settings: &store::Settings) -> DeviceRegistrationPolicy {
    let stored: serde_json::Value = serde_json::from_str(&settings.registration_policy).unwrap_or_default();
    let usual = DeviceRegistrationPolicy::default();
    let quota = stored["userDeviceQuota"].as_u64().and_then(|quota| u32::try_from(quota).ok());
    DeviceRegistrationPolicy {
        user_device_quota: quota.unwrap_or(usual.user_device_quota),
        multi_factor_auth_configuration: stored["multiFactorAuthConfiguration"]
            .as_str()
            .map_or(usual.multi_factor_auth_configuration, str::to_owned),
        azure_ad_join: stored["azureAdJoin"].clone(),
        azure_ad_registration: stored["azureAdRegistration"].clone(),
        local_admin_password: LocalAdminPassword { is_enabled: settings.laps_enabled },
        ..DeviceRegistrationPolicy::default()
    }
}
