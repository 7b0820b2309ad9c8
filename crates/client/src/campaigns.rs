//! Campaigns: rotations of many devices, and revocations.

use crate::{Error, SignedIn};
use laps::id::CampaignId;
use proto::admin::{Campaign, CampaignDevice, CancelCampaign, NewCampaign, NewRevocation, RevocationPreview};
use reqwest::Method;

impl SignedIn {
    /// Rotates many devices now.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn start_campaign(&self, new: &NewCampaign) -> Result<Campaign, Error> {
        self.ask(Method::POST, "/v1.0/lapwing/campaigns", Some(new)).await
    }

    /// Rotates what a person was given.
    ///
    /// # Errors
    /// [`Error`]; status 404 when nobody of this name is known.
    pub async fn revoke(&self, new: &NewRevocation) -> Result<Campaign, Error> {
        self.ask(Method::POST, "/v1.0/lapwing/revocations", Some(new)).await
    }

    /// What [`SignedIn::revoke`] would do.
    ///
    /// # Errors
    /// [`Error`]; status 404 when nobody of this name is known.
    pub async fn preview_revocation(&self, new: &NewRevocation) -> Result<RevocationPreview, Error> {
        self.ask(Method::POST, "/v1.0/lapwing/revocations/preview", Some(new)).await
    }

    /// Campaigns, newest first.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn campaigns(&self) -> Result<Vec<Campaign>, Error> {
        self.list("/v1.0/lapwing/campaigns", &[]).await
    }

    /// One campaign, as far as it is.
    ///
    /// # Errors
    /// [`Error`]; status 404 when there is none of this id.
    pub async fn campaign(&self, id: CampaignId) -> Result<Campaign, Error> {
        self.get(&format!("/v1.0/lapwing/campaigns/{id}"), &[]).await
    }

    /// Calls a campaign off.
    ///
    /// # Errors
    /// [`Error`]; status 409 when it has ended.
    pub async fn cancel_campaign(&self, id: CampaignId, why: &CancelCampaign) -> Result<Campaign, Error> {
        self.ask(Method::POST, &format!("/v1.0/lapwing/campaigns/{id}/cancel"), Some(why)).await
    }

    /// Devices of a campaign; only those in `state`, or all.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn campaign_devices(&self, id: CampaignId, state: Option<&str>) -> Result<Vec<CampaignDevice>, Error> {
        let filter = state.map(|state| format!("state eq '{}'", state.replace('\'', "''")));
        let query: Vec<_> = filter.iter().map(|filter| ("$filter", filter.as_str())).collect();
        self.list(&format!("/v1.0/lapwing/campaigns/{id}/devices"), &query).await
    }
}
