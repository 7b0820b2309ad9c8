//! Reading passwords: the list, one device's metadata, and the reveal (design.md 5, "Audit").

use super::reading::Justification;
use super::record::{category, target};
use super::{App, Error, Kind, Result};
use crate::audit::activity;
use crate::authz::{self, Action, Caller, Reach, Target};
use crate::store::{
    self, AccessRequest, CredentialSummary, DeviceFilter, DeviceState, Page, Reading, Reveal, StoreError, Version,
};
use laps::id::DeviceId;
use proto::graph::DeviceLocalCredentials;
use proto::graph::filter::{FilterError, Operator};
use proto::graph::query::Query;
use serde_json::{Value, json};

/// How often a reveal is decided again because the device changed meanwhile.
const ATTEMPTS: u32 = 3;

/// A page of a list, and where the next one starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page starts.
    pub next: Option<String>,
    /// How many items all pages have, where that was asked for and this is not the only page.
    pub count: Option<u64>,
}

impl<T> Listed<T> {
    /// A page that was not counted.
    pub const fn new(items: Vec<T>, next: Option<String>) -> Self {
        Self { items, next, count: None }
    }
}

impl App {
    /// Devices with a stored password: metadata only, never a password.
    pub async fn credentials(
        &self,
        caller: &Caller,
        query: &Query,
        after: Option<String>,
    ) -> Result<Listed<DeviceLocalCredentials>> {
        in_order_of_id(query)?;
        let groups = match authz::reach(caller, Action::CredentialRead)? {
            Reach::Tenant => None,
            Reach::Groups(groups) => Some(groups),
        };
        let filter = DeviceFilter {
            states: vec![DeviceState::Enabled, DeviceState::Disabled],
            name: name_of(query, "devicename", Operator::Equal),
            name_prefix: name_of(query, "devicename", Operator::StartsWith),
            hardware: None,
            groups,
        };
        let wanted = |summaries: Vec<CredentialSummary>| {
            let mut items = Vec::with_capacity(summaries.len());
            for entity in summaries.into_iter().map(summary_entity) {
                let wanted = match &query.filter {
                    None => true,
                    Some(filter) => filter.matches(|path| property(&entity, path)).map_err(bad_filter)?,
                };
                if wanted {
                    items.push(entity);
                }
            }
            Ok::<_, Error>(items)
        };
        let counted = query.count && after.is_none();
        let page = self.store.credentials(filter.clone(), Page::behind(after, query.page())).await?;
        let mut listed = Listed::new(wanted(page.items)?, page.next);
        if counted {
            let (mut count, mut next) = (listed.items.len() as u64, listed.next.clone());
            while let Some(after) = next {
                let page = self.store.credentials(filter.clone(), Page::behind(Some(after), Page::LIMIT_MAX)).await?;
                count += wanted(page.items)?.len() as u64;
                next = page.next;
            }
            listed.count = Some(count);
        }
        Ok(listed)
    }

    /// One device's metadata.
    pub async fn credential(&self, caller: &Caller, id: DeviceId) -> Result<DeviceLocalCredentials> {
        let device = self.device_for(caller, Action::CredentialRead, id).await?;
        let versions = self.store.versions(id, true).await?;
        entity(&device, &versions).ok_or_else(|| no_password(&device))
    }

    /// Gives passwords out. The record of it is durable before anything is unsealed; when the caller's
    /// rights, the device or the rules of its groups changed since the decision, it is decided again or refused.
    /// Passwords come best first, then the history.
    pub async fn reveal(
        &self,
        caller: &Caller,
        id: DeviceId,
        justification: &Justification,
    ) -> Result<DeviceLocalCredentials> {
        if caller.origin.user_agent.is_none() {
            return Err(Error::refused(
                Kind::HeaderMissing,
                "user_agent_missing",
                "Parameter (User-Agent) is required but missing from headers",
            ));
        }
        let principal = caller.principal().ok_or(authz::Denied::Kind(Action::CredentialReveal))?;
        let brought = justification.checked()?;
        for _ in 0..ATTEMPTS {
            let refused = async |error: Error, name: &str| {
                self.record_refused_read(caller, id, name, &error).await?;
                Err(error)
            };
            let device = match self.device_to_reveal(caller, id).await {
                Err(error) if matches!(error.kind(), Kind::Denied | Kind::NotFound) => return refused(error, "").await,
                other => other?,
            };
            let (reading, grant) = match self.admitted(caller, &device, &brought).await {
                Err(error) if error.kind() == Kind::Denied => return refused(error, &device.name).await,
                other => other?,
            };
            let audit = self.entry(
                caller,
                activity::RECOVER_PASSWORD,
                category::DEVICE,
                target("device", &device.id, &device.name),
                read_detail(&reading, grant.as_ref()),
            )?;
            let broke_glass = reading.break_glass;
            let revealed = self
                .store
                .reveal(
                    Reveal {
                        device: id,
                        device_revision: device.revision,
                        principal: principal.id,
                        epoch: principal.epoch,
                        reading,
                        history: true,
                    },
                    audit,
                )
                .await;
            let sealed = match revealed {
                Err(StoreError::Changed) => continue,
                Err(StoreError::AuthorizationChanged) => {
                    return Err(Error::not_signed_in("your rights changed since this token was made; sign in again"));
                }
                Err(StoreError::NoPassword) => return Err(no_password(&device)),
                other => other?,
            };
            self.metrics.reveals.inc();
            self.reads.notify_one();
            if broke_glass {
                tracing::warn!(device = %id, principal = %principal.id, "a password was read past approval");
            }
            let versions: Vec<Version> = sealed.iter().map(|row| row.version.clone()).collect();
            let mut entity = entity(&device, &versions).ok_or_else(|| no_password(&device))?;
            entity.rotation_due_date_time = self.store.rotation_due(id).await?.map(|due| due.due_at);
            entity.credentials = Some(sealed.iter().map(|row| self.unseal(row)).collect::<Result<_>>()?);
            return Ok(entity);
        }
        Err(StoreError::Changed.into())
    }

    /// Records a read that was refused on the way to [`App::reveal`], as that records its own refusals; gives the
    /// refusal back, or what kept it from being recorded. What is no refusal of a person or program is not recorded.
    pub async fn refused_read(&self, caller: &Caller, id: DeviceId, error: Error) -> Error {
        if caller.principal().is_none() || !matches!(error.kind(), Kind::Denied | Kind::NotFound) {
            return error;
        }
        self.record_refused_read(caller, id, "", &error).await.err().unwrap_or(error)
    }

    async fn record_refused_read(&self, caller: &Caller, id: DeviceId, name: &str, error: &Error) -> Result<()> {
        let on = target("device", &id, name);
        self.record_refusal(caller, activity::RECOVER_PASSWORD, category::DEVICE, on, error.code()).await?;
        self.reads.notify_one();
        Ok(())
    }

    async fn device_to_reveal(&self, caller: &Caller, id: DeviceId) -> Result<store::Device> {
        let device = self.device_for(caller, Action::CredentialReveal, id).await?;
        match device.state {
            DeviceState::Enabled | DeviceState::Disabled => {}
            DeviceState::Deleted => {
                authz::decide(caller, Action::CredentialRevealDeleted, Target::Device(&device.groups))?
            }
            DeviceState::Purged => return Err(purged(&device)),
        }
        Ok(device)
    }
}

/// What the record of a read says beside who and what.
fn read_detail(reading: &Reading, grant: Option<&AccessRequest>) -> Value {
    let mut detail = json!({"AdditionalInfo": "Successfully recovered local credential by device id"});
    let mut put = |name: &str, value: Value| {
        if let Value::Object(members) = &mut detail {
            members.insert(name.to_owned(), value);
        }
    };
    if let Some(reason) = &reading.reason {
        put("reason", reason.clone().into());
    }
    if let Some(ticket) = &reading.ticket {
        put("ticket", ticket.clone().into());
    }
    if reading.break_glass {
        put("breakGlass", true.into());
    }
    if let Some(request) = grant {
        put("request", super::hex(&request.asked.id).into());
        put("approvedBy", request.answers.iter().map(|answer| answer.principal_name.as_str()).collect());
    }
    detail
}

fn name_of(query: &Query, path: &str, operator: Operator) -> Option<String> {
    query.filter.as_ref()?.value_of(path, operator).map(str::to_owned)
}

/// Lists of devices page by key; another order would have to read all of them.
pub(super) fn in_order_of_id(query: &Query) -> Result<()> {
    match &query.order_by {
        Some((property, descending)) if *descending || !property.eq_ignore_ascii_case("id") => Err(Error::invalid(
            "bad_orderby",
            format!(
                "$orderby={property} is not supported here: this list is in the order of id; leave it out and sort what you read"
            ),
        )),
        _ => Ok(()),
    }
}

pub(super) fn bad_filter(error: FilterError) -> Error {
    Error::invalid("bad_filter", format!("$filter: {error}"))
}

fn property(entity: &DeviceLocalCredentials, path: &str) -> Option<Vec<String>> {
    let value = match path {
        "id" => entity.id.to_string(),
        "devicename" => entity.device_name.clone(),
        "lastbackupdatetime" => entity.last_backup_date_time.to_string(),
        "refreshdatetime" => entity.refresh_date_time.to_string(),
        _ => return None,
    };
    Some(vec![value])
}

fn summary_entity(summary: CredentialSummary) -> DeviceLocalCredentials {
    DeviceLocalCredentials {
        id: summary.device,
        device_name: summary.device_name,
        last_backup_date_time: summary.last_backup_at,
        // Never null: the Windows cmdlet parses it (protocols.md 5.2).
        refresh_date_time: summary.refresh_at.unwrap_or(summary.last_backup_at),
        credentials: None,
        rotation_due_date_time: None,
    }
}

fn entity(device: &store::Device, versions: &[Version]) -> Option<DeviceLocalCredentials> {
    let best = versions.first()?;
    let newest = versions.iter().map(|version| version.stored_at).max().unwrap_or(best.stored_at);
    Some(DeviceLocalCredentials {
        id: device.id,
        device_name: device.name.clone(),
        last_backup_date_time: newest,
        refresh_date_time: best.expires_at.unwrap_or(newest),
        credentials: None,
        rotation_due_date_time: None,
    })
}

fn no_password(device: &store::Device) -> Error {
    if device.state == DeviceState::Purged {
        return purged(device);
    }
    Error::not_found(
        "no_password",
        format!(
            "no password is stored for the device {}; GET /v1.0/lapwing/devices/{}/explain says why",
            device.name, device.id
        ),
    )
}

pub(super) fn purged(device: &store::Device) -> Error {
    Error::not_found(
        "device_purged",
        format!(
            "the device {} was removed for good and its passwords with it; join it again, or use another local administrator",
            device.name
        ),
    )
}
