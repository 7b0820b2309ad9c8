//! The Graph-compatible API, as far as the command line uses it (protocols.md 5).

use crate::{Client, Error, client::Request};
use laps::id::DeviceId;
use proto::{
    graph::{
        Collection, Device, DeviceLocalCredentials, DevicePatch, DeviceRegistrationPolicy, DirectoryAudit,
        ManagedDevice, Organization, User,
    },
    oauth::Secret,
};
use reqwest::{
    Method,
    header::{self, HeaderValue},
};
use serde::{Serialize, de::DeserializeOwned};
use zeroize::Zeroizing;

/// A client with somebody's bearer token.
#[derive(Debug, Clone)]
pub struct SignedIn {
    client: Client,
    authorization: HeaderValue,
}

impl Client {
    /// Speaks as the one who got this access token.
    ///
    /// # Errors
    /// [`Error::Malformed`] when the token cannot stand in a header, so that the server cannot have made it.
    pub fn signed_in(&self, access_token: &Secret) -> Result<SignedIn, Error> {
        let text = Zeroizing::new(format!("Bearer {}", access_token.reveal()));
        let mut authorization =
            HeaderValue::from_str(&text).map_err(|_| self.malformed("the access token cannot stand in a header"))?;
        authorization.set_sensitive(true);
        Ok(SignedIn { client: self.clone(), authorization })
    }
}

impl SignedIn {
    /// The client beneath.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Who is signed in.
    ///
    /// # Errors
    /// [`Error`]; a service principal has no `/me`.
    pub async fn me(&self) -> Result<User, Error> {
        self.get("/v1.0/me", &[]).await
    }

    /// The tenant.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn organization(&self) -> Result<Option<Organization>, Error> {
        Ok(self.list("/v1.0/organization", &[]).await?.pop())
    }

    /// Devices; `filter` is an OData filter, such as `displayName eq 'PC-1'`.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn devices(&self, filter: Option<&str>) -> Result<Vec<Device>, Error> {
        match filter {
            Some(filter) => self.list("/v1.0/devices", &[("$filter", filter)]).await,
            None => self.list("/v1.0/devices", &[]).await,
        }
    }

    /// One device.
    ///
    /// # Errors
    /// [`Error`]; status 404 when there is none of this id.
    pub async fn device(&self, id: DeviceId) -> Result<Device, Error> {
        self.get(&format!("/v1.0/devices/{id}"), &[]).await
    }

    /// Enables or disables a device.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn set_device_enabled(&self, id: DeviceId, enabled: bool) -> Result<(), Error> {
        let patch = DevicePatch { account_enabled: Some(enabled) };
        self.act(Method::PATCH, &format!("/v1.0/devices/{id}"), Some(&patch)).await
    }

    /// Makes a device a tombstone.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn delete_device(&self, id: DeviceId) -> Result<(), Error> {
        self.act::<()>(Method::DELETE, &format!("/v1.0/devices/{id}"), None).await
    }

    /// The device's passwords, best first; reading them is written into the audit log.
    ///
    /// # Errors
    /// [`Error`]; status 404 when the device has none.
    pub async fn credentials(&self, id: DeviceId) -> Result<DeviceLocalCredentials, Error> {
        self.get(&format!("/v1.0/directory/deviceLocalCredentials/{id}"), &[("$select", "credentials")]).await
    }

    /// What is stored for the device, without passwords.
    ///
    /// # Errors
    /// [`Error`]; status 404 when the device has no password.
    pub async fn credential_metadata(&self, id: DeviceId) -> Result<DeviceLocalCredentials, Error> {
        self.get(&format!("/v1.0/directory/deviceLocalCredentials/{id}"), &[]).await
    }

    /// Asks a device to rotate.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn rotate(&self, id: DeviceId) -> Result<(), Error> {
        let path = format!("/beta/deviceManagement/managedDevices/{id}/rotateLocalAdminPassword");
        self.act::<()>(Method::POST, &path, None).await
    }

    /// The management side of a device, with its requests to rotate, newest first.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn managed_device(&self, id: DeviceId) -> Result<ManagedDevice, Error> {
        self.get(&format!("/beta/deviceManagement/managedDevices/{id}"), &[]).await
    }

    /// The registration policy, which holds the tenant switch "Enable LAPS".
    ///
    /// # Errors
    /// [`Error`].
    pub async fn registration_policy(&self) -> Result<DeviceRegistrationPolicy, Error> {
        self.get("/beta/policies/deviceRegistrationPolicy", &[]).await
    }

    /// Replaces the registration policy.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn set_registration_policy(&self, policy: &DeviceRegistrationPolicy) -> Result<(), Error> {
        self.act(Method::PUT, "/beta/policies/deviceRegistrationPolicy", Some(policy)).await
    }

    /// The audit log in Graph's form, newest first; at most `limit` records, all when absent.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn directory_audits(
        &self,
        filter: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Vec<DirectoryAudit>, Error> {
        let query: Vec<_> = filter.map(|filter| ("$filter", filter)).into_iter().collect();
        self.list_at_most("/v1.0/auditLogs/directoryAudits", &query, limit).await
    }

    pub(crate) async fn get<A: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Result<A, Error> {
        let request =
            query.iter().fold(self.request(Method::GET, path), |request, (name, value)| request.query(name, value));
        let answer = self.client.send(request).await?;
        self.client.read_json(&answer)
    }

    /// Every page of a list.
    pub(crate) async fn list<A: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Result<Vec<A>, Error> {
        self.list_at_most(path, query, None).await
    }

    async fn list_at_most<A: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
        limit: Option<usize>,
    ) -> Result<Vec<A>, Error> {
        let limit = limit.unwrap_or(usize::MAX);
        let mut page: Collection<A> = self.get(path, query).await?;
        let mut items = page.value;
        while let Some(link) = page.next_link.take().filter(|_| items.len() < limit) {
            let answer = self.client.send_link(&link, self.request(Method::GET, path)).await?;
            page = self.client.read_json(&answer)?;
            items.append(&mut page.value);
        }
        items.truncate(limit);
        Ok(items)
    }

    /// A request whose answer has no body that matters.
    pub(crate) async fn act<B: Serialize>(&self, method: Method, path: &str, body: Option<&B>) -> Result<(), Error> {
        self.client.send(self.with_body(method, path, body)).await.map(drop)
    }

    /// A request with a body, and its answer.
    pub(crate) async fn ask<B: Serialize, A: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&B>,
    ) -> Result<A, Error> {
        let answer = self.client.send(self.with_body(method, path, body)).await?;
        self.client.read_json(&answer)
    }

    pub(crate) fn with_body<'a, B: Serialize>(&self, method: Method, path: &'a str, body: Option<&B>) -> Request<'a> {
        let request = self.request(method, path);
        match body {
            Some(body) => request.json(body),
            None => request,
        }
    }

    fn request<'a>(&self, method: Method, path: &'a str) -> Request<'a> {
        Request::new(method, path).header(header::AUTHORIZATION, self.authorization.clone())
    }
}
