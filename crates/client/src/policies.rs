//! Editing, history, preview, exclusions and rings of policies.

use crate::{Error, SignedIn};
use laps::id::PolicyId;
use proto::admin::{
    Assign, HeldDevice, Policy, PolicyEdit, PolicyPreview, PolicyVersion, PreviewRequest, RingPlan, RollBack, Rollout,
    SettingDescription,
};
use reqwest::Method;

impl SignedIn {
    /// Every setting that a policy can have.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn settings_table(&self) -> Result<Vec<SettingDescription>, Error> {
        self.list("/v1.0/lapwing/settingsTable", &[]).await
    }

    /// Changes some settings of a policy.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn edit_policy(&self, id: PolicyId, edit: &PolicyEdit) -> Result<Policy, Error> {
        self.ask(Method::POST, &format!("/v1.0/lapwing/policies/{id}/edit"), Some(edit)).await
    }

    /// Makes a new version with the values of an old one.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn roll_back_policy(&self, id: PolicyId, to: &RollBack) -> Result<Policy, Error> {
        self.ask(Method::POST, &format!("/v1.0/lapwing/policies/{id}/rollBack"), Some(to)).await
    }

    /// Every version of a policy, newest first.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn policy_versions(&self, id: PolicyId) -> Result<Vec<PolicyVersion>, Error> {
        self.list(&format!("/v1.0/lapwing/policies/{id}/versions"), &[]).await
    }

    /// Leaves a group out of a policy.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn exclude_policy(&self, id: PolicyId, from: &Assign) -> Result<Policy, Error> {
        self.ask(Method::POST, &format!("/v1.0/lapwing/policies/{id}/exclude"), Some(from)).await
    }

    /// Ends an exclusion.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn include_policy(&self, id: PolicyId, from: &Assign) -> Result<Policy, Error> {
        self.ask(Method::POST, &format!("/v1.0/lapwing/policies/{id}/include"), Some(from)).await
    }

    /// Devices whose delivery is held by a conflict; of one policy, or all.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn conflicts(&self, policy: Option<PolicyId>) -> Result<Vec<HeldDevice>, Error> {
        match policy {
            Some(id) => self.list(&format!("/v1.0/lapwing/policies/{id}/conflicts"), &[]).await,
            None => self.list("/v1.0/lapwing/conflicts", &[]).await,
        }
    }

    /// What a policy would do on the real devices.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn preview_policy(&self, request: &PreviewRequest) -> Result<PolicyPreview, Error> {
        self.ask(Method::POST, "/v1.0/lapwing/preview", Some(request)).await
    }

    /// The rings that new versions of a policy go by.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn ring_plan(&self, id: PolicyId) -> Result<RingPlan, Error> {
        self.get(&format!("/v1.0/lapwing/policies/{id}/rings"), &[]).await
    }

    /// Sets them; no ring means all at once.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn set_ring_plan(&self, id: PolicyId, plan: &RingPlan) -> Result<RingPlan, Error> {
        self.ask(Method::PUT, &format!("/v1.0/lapwing/policies/{id}/rings"), Some(plan)).await
    }

    /// The last version of a policy that went by rings.
    ///
    /// # Errors
    /// [`Error`]; status 404 when none did.
    pub async fn rollout(&self, id: PolicyId) -> Result<Rollout, Error> {
        self.get(&format!("/v1.0/lapwing/policies/{id}/rollout"), &[]).await
    }

    /// Decides about it: `halt`, `resume`, `complete`, `rollBack`.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn act_on_rollout(&self, id: PolicyId, act: &str) -> Result<Rollout, Error> {
        self.ask::<(), _>(Method::POST, &format!("/v1.0/lapwing/policies/{id}/rollout/{act}"), None).await
    }
}
