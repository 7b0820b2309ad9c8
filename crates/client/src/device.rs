//! The device API: join, renewal, and the verbs of rotation.md 3.

use crate::{Client, Error, client::Request};
use laps::password::Password;
use proto::device::{
    Abandon, BODY_BYTES_MAX, JoinAnswer, JoinRequest, Prove, RenewAnswer, RenewRequest, Report, ReportAnswer, Store,
    StoreAnswer, VersionAnswer, WaitAnswer, path,
};
use reqwest::Method;
use serde::{Serialize, de::DeserializeOwned};
use std::time::Duration;

/// Answers may carry CA certificates, so they may be larger than requests; in bytes.
const DEVICE_ANSWER_BYTES_MAX: usize = 16 * BODY_BYTES_MAX;

impl Client {
    /// Makes a device object; the token in the request is used up. Needs no identity.
    ///
    /// # Errors
    /// [`Error`]; codes `join_token_unknown`, `join_token_used`, `join_token_expired`, `csr_refused`.
    pub async fn join(&self, request: &JoinRequest) -> Result<JoinAnswer, Error> {
        self.device_verb(path::JOIN, request).await
    }

    /// A new certificate for the same device; also with an expired one.
    ///
    /// # Errors
    /// [`Error`]; codes `csr_refused`, `device_unknown`, `device_deleted`, `device_disabled`.
    pub async fn renew(&self, request: &RenewRequest) -> Result<RenewAnswer, Error> {
        self.device_verb(path::RENEW, request).await
    }

    /// `store(v)`: returns after the durable acknowledgement. The body is one buffer, wiped after use.
    ///
    /// # Errors
    /// [`Error`]; codes `laps_disabled`, `device_disabled`, `device_deleted`, `version_conflict`,
    /// `too_many_versions`. Only when [`Error::is_final`] is it certain that nothing was stored.
    pub async fn store(&self, store: &Store, password: &Password) -> Result<StoreAnswer, Error> {
        let request = Request::new(Method::POST, path::STORE).body("application/json", store.encode(password));
        self.device_answer(request).await
    }

    /// `prove(v)`.
    ///
    /// # Errors
    /// [`Error`]; codes `version_abandoned`, `version_unknown`: on either the agent rotates at once.
    pub async fn prove(&self, prove: &Prove) -> Result<VersionAnswer, Error> {
        self.device_verb(path::PROVE, prove).await
    }

    /// `abandon(v)`.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn abandon(&self, abandon: &Abandon) -> Result<VersionAnswer, Error> {
        self.device_verb(path::ABANDON, abandon).await
    }

    /// `report`.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn report(&self, report: &Report) -> Result<ReportAnswer, Error> {
        self.device_verb(path::REPORT, report).await
    }

    /// Holds the wait channel: answers when there is work, or when the server's time for it is over.
    /// `at_most` bounds it on this side.
    ///
    /// # Errors
    /// [`Error`]; [`crate::Cause::TimedOut`] when `at_most` is over.
    pub async fn wait(&self, at_most: Duration) -> Result<WaitAnswer, Error> {
        self.device_answer(Request::new(Method::GET, path::WAIT).timeout(at_most)).await
    }

    async fn device_verb<B: Serialize, A: DeserializeOwned>(&self, path: &str, body: &B) -> Result<A, Error> {
        self.device_answer(Request::new(Method::POST, path).json(body)).await
    }

    async fn device_answer<A: DeserializeOwned>(&self, request: Request<'_>) -> Result<A, Error> {
        let answer = self.send(request.answer_bytes_max(DEVICE_ANSWER_BYTES_MAX)).await?;
        self.read_json(&answer)
    }
}
