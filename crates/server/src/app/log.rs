//! The audit log: as Graph's `directoryAudits`, as chained records, and its signed head.

use super::credentials::{Listed, bad_filter};
use super::{App, Error, Result, hex};
use crate::audit::{Actor, AuditFilter, AuditRecord, Outcome, SignedHead};
use crate::authz::{Action, Caller};
use crate::store::Page;
use laps::time::Timestamp;
use proto::admin;
use proto::graph::filter::{Filter, Operator};
use proto::graph::query::Query;
use proto::graph::{AuditApp, AuditInitiator, AuditKeyValue, AuditTarget, AuditUser, DirectoryAudit};
use serde_json::Value;

/// The service that Entra logs what is done to devices under.
const DEVICE_SERVICE: &str = "Device Registration Service";

impl App {
    /// Records as Graph shows them, newest first.
    pub async fn directory_audits(
        &self,
        caller: &Caller,
        query: &Query,
        after: Option<String>,
    ) -> Result<Listed<DirectoryAudit>> {
        self.require(caller, Action::AuditRead)?;
        if let Some((property, descending)) = &query.order_by
            && !(property.eq_ignore_ascii_case("activityDateTime") && *descending)
        {
            let text = format!("$orderby={property} is not supported here: audits come by activityDateTime desc only");
            return Err(Error::invalid("bad_orderby", text));
        }
        let filter = query.filter.as_ref();
        let narrowed = filter.map(narrowed).unwrap_or_default();
        let page = self.store.audit(narrowed, Page::behind(after, query.page())).await?;
        if query.count && (page.next.is_some() || query.skiptoken.is_some()) {
            let text = "$count is not supported on more of the audit log than one page; narrow $filter, or raise $top";
            return Err(Error::invalid("bad_count", text));
        }
        let mut items = Vec::with_capacity(page.items.len());
        let uses = self.uses_of_reads(&page.items).await?;
        for record in &page.items {
            let mut entity = graph_record(record);
            if let Some(used) = uses.get(&(record.chain, record.sequence)) {
                entity.additional_details.push(AuditKeyValue { key: super::uses::USE.into(), value: used.clone() });
            }
            let wanted = match filter {
                None => true,
                Some(filter) => filter.matches(|path| property(&entity, path)).map_err(bad_filter)?,
            };
            if wanted {
                items.push(entity);
            }
        }
        Ok(Listed::new(items, page.next))
    }

    /// Records as they are chained, newest first.
    pub async fn audit(&self, caller: &Caller, after: Option<String>, limit: u32) -> Result<Listed<admin::AuditEntry>> {
        self.require(caller, Action::AuditRead)?;
        let page = self.store.audit(AuditFilter::default(), Page::behind(after, limit)).await?;
        Ok(Listed::new(page.items.iter().map(chained_record).collect(), page.next))
    }

    /// Signs the head of every chain and keeps it; a job does this now and then.
    pub async fn sign_heads(&self, caller: &Caller) -> Result<()> {
        self.require(caller, Action::SettingsRead)?;
        for head in self.store.audit_heads().await? {
            if head.sequence > 0 {
                let signed = self.head_key.sign(head, self.now())?;
                self.store.put_signed_head(signed).await?;
            }
        }
        Ok(())
    }

    /// The head of every chain, signed.
    pub async fn audit_heads(&self, caller: &Caller) -> Result<Vec<admin::AuditHead>> {
        self.require(caller, Action::AuditRead)?;
        let mut heads = Vec::new();
        for head in self.store.audit_heads().await? {
            let signed = self.head_key.sign(head, self.now())?;
            heads.push(admin::AuditHead {
                chain: head.chain.to_string(),
                sequence: head.sequence,
                hash: hex(&head.hash),
                signed: head_text(&signed),
                public_key: hex(self.head_key.public_key()),
            });
        }
        Ok(heads)
    }
}

/// A signed head as devices keep it.
pub(super) fn head_text(signed: &SignedHead) -> String {
    crate::ca::head::exported(signed).to_string()
}

/// What of a filter the store holds by itself; all of it is held again against what is shown.
fn narrowed(filter: &Filter) -> AuditFilter {
    let value = |path: &str, operator| filter.value_of(path, operator).map(str::to_owned);
    let equal = |paths: &[&str]| paths.iter().find_map(|path| value(path, Operator::Equal));
    // The store compares letters beyond ASCII as they are.
    let ascii = |text: Option<String>| text.filter(|text| text.is_ascii());
    let time = |operator| filter.value_of("activitydatetime", operator).and_then(Timestamp::parse_rfc3339);
    let after = time(Operator::Greater).map(|after| after.plus_ticks(1));
    let upto = time(Operator::AtMost).map(|until| until.plus_ticks(1));
    let service = value("loggedbyservice", Operator::Equal);
    AuditFilter {
        activity: equal(&["activitydisplayname"]),
        actor: equal(&["initiatedby/user/id", "initiatedby/app/serviceprincipalid", "initiatedby/id"]),
        target: equal(&["targetresources/id"]),
        from: [time(Operator::AtLeast), after].into_iter().flatten().max(),
        until: [time(Operator::Less), upto].into_iter().flatten().min(),
        activity_prefix: ascii(value("activitydisplayname", Operator::StartsWith)),
        actor_name: ascii(equal(&[
            "initiatedby/user/userprincipalname",
            "initiatedby/app/displayname",
            "initiatedby/name",
        ])),
        category: value("category", Operator::Equal)
            .or_else(|| service.filter(|name| name == DEVICE_SERVICE).map(|_| "Device".to_owned())),
        failed: value("result", Operator::Equal).and_then(|result| match result.as_str() {
            "failure" => Some(true),
            "success" => Some(false),
            _ => None,
        }),
    }
}

fn result(outcome: &Outcome) -> (&'static str, &str) {
    match outcome {
        Outcome::Success => ("success", ""),
        Outcome::Failure(code) => ("failure", code),
    }
}

fn graph_record(record: &AuditRecord) -> DirectoryAudit {
    let entry = &record.entry;
    let client: Value = serde_json::from_str(&entry.client).unwrap_or_default();
    let detail: Value = serde_json::from_str(&entry.detail).unwrap_or_default();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let (outcome, code) = result(&entry.outcome);
    let initiated_by = match &entry.actor {
        Actor::User(id, name) => AuditInitiator {
            user: Some(AuditUser {
                id: id.to_string(),
                user_principal_name: name.clone(),
                ip_address: text(&client["address"]),
            }),
            app: None,
        },
        other => AuditInitiator {
            user: None,
            app: Some(AuditApp { service_principal_id: other.id(), display_name: other.name().to_owned() }),
        },
    };
    let mut additional_details: Vec<AuditKeyValue> = detail
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| AuditKeyValue { key: key.clone(), value: text(value).unwrap_or_else(|| value.to_string()) })
        .collect();
    if let Some(agent) = text(&client["userAgent"]) {
        additional_details.push(AuditKeyValue { key: "User-Agent".into(), value: agent });
    }
    for disclosed in &record.disclosed {
        additional_details.push(AuditKeyValue { key: "Version".into(), value: disclosed.version.to_string() });
    }
    let result_reason = match code {
        "" => text(&detail["AdditionalInfo"]).unwrap_or_default(),
        code => code.to_owned(),
    };
    let mut kind = entry.target.kind.clone();
    if let Some(first) = kind.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    DirectoryAudit {
        id: format!("Directory_{}_{}", record.chain, record.sequence),
        category: entry.category.clone(),
        activity_display_name: entry.activity.clone(),
        activity_date_time: entry.at,
        correlation_id: text(&client["clientRequestId"]).unwrap_or_else(|| entry.request_id.clone()),
        logged_by_service: match entry.category.as_str() {
            "Device" => DEVICE_SERVICE,
            _ => "Core Directory",
        }
        .to_owned(),
        operation_type: String::new(),
        result: outcome.to_owned(),
        result_reason,
        initiated_by,
        target_resources: vec![AuditTarget {
            id: entry.target.id.clone(),
            display_name: entry.target.name.clone(),
            kind,
            modified_properties: Vec::new(),
        }],
        additional_details,
    }
}

fn property(audit: &DirectoryAudit, path: &str) -> Option<Vec<String>> {
    let (user, app) = (audit.initiated_by.user.as_ref(), audit.initiated_by.app.as_ref());
    let of_user = |text: fn(&AuditUser) -> String| user.map(text);
    let of_app = |text: fn(&AuditApp) -> String| app.map(text);
    let user_id = of_user(|user| user.id.clone());
    let user_name = of_user(|user| user.user_principal_name.clone());
    let app_id = of_app(|app| app.service_principal_id.clone());
    let app_name = of_app(|app| app.display_name.clone());
    let targets = |text: fn(&AuditTarget) -> String| audit.target_resources.iter().map(text).collect();
    Some(match path {
        "id" => vec![audit.id.clone()],
        "category" => vec![audit.category.clone()],
        "activitydatetime" => vec![audit.activity_date_time.to_string()],
        "activitydisplayname" => vec![audit.activity_display_name.clone()],
        "loggedbyservice" => vec![audit.logged_by_service.clone()],
        "correlationid" => vec![audit.correlation_id.clone()],
        "result" => vec![audit.result.clone()],
        "resultreason" => vec![audit.result_reason.clone()],
        "operationtype" => vec![audit.operation_type.clone()],
        "initiatedby/user/id" => user_id.into_iter().collect(),
        "initiatedby/user/userprincipalname" => user_name.into_iter().collect(),
        "initiatedby/user/ipaddress" => user.and_then(|user| user.ip_address.clone()).into_iter().collect(),
        "initiatedby/app/serviceprincipalid" => app_id.into_iter().collect(),
        "initiatedby/app/displayname" => app_name.into_iter().collect(),
        // Lapwing's: whoever it was.
        "initiatedby/id" => user_id.or(app_id).into_iter().collect(),
        "initiatedby/name" => user_name.or(app_name).into_iter().collect(),
        "targetresources/id" => targets(|target| target.id.clone()),
        "targetresources/displayname" => targets(|target| target.display_name.clone()),
        "targetresources/type" => targets(|target| target.kind.clone()),
        _ => return None,
    })
}

fn chained_record(record: &AuditRecord) -> admin::AuditEntry {
    let entry = &record.entry;
    let mut detail: Value = serde_json::from_str(&entry.detail).unwrap_or_default();
    if let Value::Object(members) = &mut detail
        && !record.disclosed.is_empty()
    {
        let versions = record.disclosed.iter().map(|disclosed| Value::from(disclosed.version.to_string())).collect();
        members.insert("disclosed".into(), Value::Array(versions));
    }
    let (outcome, code) = result(&entry.outcome);
    admin::AuditEntry {
        chain: record.chain.to_string(),
        sequence: record.sequence,
        at: entry.at,
        activity: entry.activity.clone(),
        outcome: if code.is_empty() { outcome.to_owned() } else { format!("{outcome}: {code}") },
        actor: format!("{} {}", entry.actor.kind(), entry.actor.name()).trim().to_owned(),
        targets: vec![admin::AuditTarget {
            kind: entry.target.kind.clone(),
            id: entry.target.id.clone(),
            name: entry.target.name.clone(),
        }],
        hash: hex(&record.hash),
        detail,
    }
}
