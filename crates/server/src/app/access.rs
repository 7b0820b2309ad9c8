//! Requests to read passwords, and their approval by others.
//!
//! People ask and people answer: a program could be somebody's own, so that one person would do both.

use super::credentials::Listed;
use super::reading::checked_text;
use super::record::{activity as own, category, target};
use super::{App, Error, Kind, Result, hex, store_page, unhex16};
use crate::authz::{self, Action, Caller, Identity, Principal, Target};
use crate::store::{self, AccessAnswer, AccessFilter, AccessRequest, AccessState, DeviceState, Page};
use laps::id::DeviceId;
use proto::admin::{self, NewAccessRequest};
use serde_json::json;

/// Requests that are looked through to say how many wait for somebody.
const WAITING_MAX: u32 = 100;

/// The person who asks or answers.
fn person<'a>(caller: &'a Caller, does: &str) -> Result<&'a Principal> {
    match &caller.identity {
        Identity::User(principal) => Ok(principal),
        _ => Err(Error::refused(
            Kind::Denied,
            "people_only",
            format!("only people {does}; sign in as a person: lapwing login"),
        )),
    }
}

fn unknown() -> Error {
    Error::not_found("access_request_unknown", "there is no such request for access; list them: lapwing access list")
}

impl App {
    /// Asks for access to the passwords of a device. The same again gives the request that is there.
    pub async fn request_access(&self, caller: &Caller, new: &NewAccessRequest) -> Result<admin::AccessRequest> {
        let device = self.device_for(caller, Action::CredentialReveal, new.device).await?;
        let asker = person(caller, "ask for access")?;
        if device.state == DeviceState::Deleted {
            authz::decide(caller, Action::CredentialRevealDeleted, Target::Device(&device.groups))?;
        }
        let rule = self.store.reading_rule_for(device.id).await?;
        if rule.approvals == 0 {
            return Err(Error::refused(
                Kind::Conflict,
                "approval_not_needed",
                format!(
                    "reading a password of {} needs nobody's approval: lapwing password get {}",
                    device.name, device.id
                ),
            ));
        }
        let reason = checked_text("reason", Some(&new.reason))?
            .ok_or_else(|| Error::invalid("reason_required", "say why access is needed: --reason"))?;
        let ticket = checked_text("ticket", new.ticket.as_deref())?;
        if let Some(shortfall) = rule.ticket_shortfall(ticket.as_deref()) {
            return Err(super::reading::refusal(&device, &shortfall, None, self.now(), false));
        }
        let minutes = new.minutes.unwrap_or(rule.approval_minutes);
        if !(1..=rule.approval_minutes).contains(&minutes) {
            return Err(Error::invalid(
                "bad_minutes",
                format!("a request for access to {} lives 1 to {} minutes", device.name, rule.approval_minutes),
            ));
        }
        let now = self.now();
        let request = store::NewAccessRequest {
            id: self.random_bytes()?,
            device: device.id,
            principal: asker.id,
            principal_name: asker.name.clone(),
            reason,
            ticket,
            until: now.plus_seconds(u64::from(minutes) * 60),
            approvals: rule.approvals,
            reads: rule.approval_reads,
        };
        let audit = self.entry(
            caller,
            own::REQUEST_ACCESS,
            category::DEVICE,
            target("device", &device.id, &device.name),
            json!({
                "request": hex(&request.id), "reason": request.reason, "ticket": request.ticket,
                "until": request.until.to_string(), "approvals": request.approvals,
            }),
        )?;
        let made = self.store.request_access(request, now, audit).await?;
        Ok(self.shown(&made.request, &device.name))
    }

    /// Requests for access, newest first: one's own, and those that one may answer. `living` leaves out those that
    /// are over.
    pub async fn access_requests(
        &self,
        caller: &Caller,
        living: bool,
        after: Option<String>,
        limit: u32,
    ) -> Result<Listed<admin::AccessRequest>> {
        let mine = caller.principal().map(|principal| principal.id);
        if authz::reach(caller, Action::AccessApprove).is_err() {
            authz::reach(caller, Action::CredentialReveal)?;
        }
        let filter = AccessFilter { living_at: living.then(|| self.now()), ..AccessFilter::default() };
        let page = self.store.access_requests(filter, store_page(after, limit)).await?;
        let mut items = Vec::new();
        for request in page.items {
            let Some(device) = self.store.device(request.asked.device).await? else {
                continue;
            };
            let may_answer = authz::decide(caller, Action::AccessApprove, Target::Device(&device.groups)).is_ok();
            if may_answer || mine == Some(request.asked.principal) {
                items.push(self.shown(&request, &device.name));
            }
        }
        Ok(Listed::new(items, page.next))
    }

    /// The caller's own request for a device that waits or can be used.
    pub async fn own_access(&self, caller: &Caller, device: DeviceId) -> Result<Option<admin::AccessRequest>> {
        let device = self.device_for(caller, Action::CredentialReveal, device).await?;
        let Some(principal) = caller.principal() else { return Ok(None) };
        let living_at = Some(self.now());
        let filter = AccessFilter { device: Some(device.id), principal: Some(principal.id), living_at };
        let newest = self.store.access_requests(filter, Page::first(1)).await?.items;
        Ok(newest.first().map(|request| self.shown(request, &device.name)))
    }

    /// Whether the caller may answer requests of others, for some device at least.
    pub fn may_answer_access(&self, caller: &Caller) -> bool {
        matches!(&caller.identity, Identity::User(_)) && authz::reach(caller, Action::AccessApprove).is_ok()
    }

    /// How many requests wait for the caller's answer, of the newest hundred that live.
    pub async fn access_waiting(&self, caller: &Caller) -> Result<usize> {
        let Identity::User(person) = &caller.identity else { return Ok(0) };
        if !self.may_answer_access(caller) {
            return Ok(0);
        }
        let now = self.now();
        let filter = AccessFilter { living_at: Some(now), ..AccessFilter::default() };
        let mut waiting = 0;
        for request in self.store.access_requests(filter, Page::first(WAITING_MAX)).await?.items {
            let answered = request.answers.iter().any(|answer| answer.principal == person.id);
            if request.state(now) != AccessState::Open || request.asked.principal == person.id || answered {
                continue;
            }
            if let Some(device) = self.store.device(request.asked.device).await? {
                let may = authz::decide(caller, Action::AccessApprove, Target::Device(&device.groups)).is_ok();
                waiting += usize::from(may);
            }
        }
        Ok(waiting)
    }

    /// Approves or denies somebody else's request. Who denies may say why; the asker reads it.
    pub async fn answer_access(
        &self,
        caller: &Caller,
        id: &str,
        approved: bool,
        why: Option<&str>,
    ) -> Result<admin::AccessRequest> {
        authz::reach(caller, Action::AccessApprove)?;
        let answerer = person(caller, "answer requests for access")?;
        let why = checked_text("reason", why)?;
        let id = unhex16(id).ok_or_else(unknown)?;
        let request = self.store.access_request(id).await?.ok_or_else(unknown)?;
        // One for a device out of reach is the same as none.
        let device = self
            .device_for(caller, Action::AccessApprove, request.asked.device)
            .await
            .map_err(|error| if matches!(error.kind(), Kind::Denied | Kind::NotFound) { unknown() } else { error })?;
        let activity = if approved { own::APPROVE_ACCESS } else { own::DENY_ACCESS };
        let entry =
            |detail| self.entry(caller, activity, category::DEVICE, target("device", &device.id, &device.name), detail);
        let audit = entry(json!({
            "request": hex(&id),
            "requestedBy": request.asked.principal_name,
            "requestedById": request.asked.principal.to_string(),
            "reason": request.asked.reason,
            "answer": why,
        }))?;
        let answer = AccessAnswer {
            principal: answerer.id,
            principal_name: answerer.name.clone(),
            approved,
            at: self.now(),
            reason: why,
        };
        match self.store.answer_access(id, answer, audit).await {
            Ok(request) => Ok(self.shown(&request, &device.name)),
            Err(error @ store::StoreError::OwnRequest) => {
                let on = target("device", &device.id, &device.name);
                self.record_refusal(caller, activity, category::DEVICE, on, error.code()).await?;
                Err(error.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Takes one's own request back.
    pub async fn cancel_access(&self, caller: &Caller, id: &str) -> Result<admin::AccessRequest> {
        authz::reach(caller, Action::CredentialReveal)?;
        let asker = person(caller, "ask for access")?;
        let id = unhex16(id).ok_or_else(unknown)?;
        let own_request = |request: &AccessRequest| request.asked.principal == asker.id;
        let request = self.store.access_request(id).await?.filter(own_request).ok_or_else(unknown)?;
        let name = self.store.device(request.asked.device).await?.map(|device| device.name).unwrap_or_default();
        let audit = self.entry(
            caller,
            own::CANCEL_ACCESS,
            category::DEVICE,
            target("device", &request.asked.device, &name),
            json!({"request": hex(&id)}),
        )?;
        let request = self.store.cancel_access(id, asker.id, self.now(), audit).await?;
        Ok(self.shown(&request, &name))
    }

    fn shown(&self, request: &AccessRequest, device_name: &str) -> admin::AccessRequest {
        let asked = &request.asked;
        admin::AccessRequest {
            id: hex(&asked.id),
            device: asked.device,
            device_name: device_name.to_owned(),
            requested_by: asked.principal,
            requested_by_name: asked.principal_name.clone(),
            reason: asked.reason.clone(),
            ticket: asked.ticket.clone(),
            requested_date_time: request.asked_at,
            expiration_date_time: asked.until,
            state: request.state(self.now()).word().to_owned(),
            approvals_needed: asked.approvals,
            reads_left: request.reads_left,
            answers: request
                .answers
                .iter()
                .map(|answer| admin::AccessAnswer {
                    by: answer.principal,
                    by_name: answer.principal_name.clone(),
                    approved: answer.approved,
                    date_time: answer.at,
                    reason: answer.reason.clone(),
                })
                .collect(),
        }
    }
}
