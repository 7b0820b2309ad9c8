//! Events of the Open Cybersecurity Schema Framework, version 1.3 (protocols.md 7).

use super::{RECOVER_PASSWORD, ROTATE_PASSWORD, Record, SIGN_IN, UPDATE_PASSWORD, severity, shown};
use crate::hex;
use serde_json::{Map, Value, json};

/// A class of OCSF: its category, its number and name, and what of it this is.
struct Class {
    category: (u32, &'static str),
    class: (u32, &'static str),
    activity: (u32, &'static str),
}

const IAM: (u32, &str) = (3, "Identity & Access Management");
const APPLICATION: (u32, &str) = (6, "Application Activity");
const ACCOUNT_CHANGE: (u32, &str) = (3001, "Account Change");
const AUTHENTICATION: (u32, &str) = (3002, "Authentication");
const API_ACTIVITY: (u32, &str) = (6003, "API Activity");

fn class(record: &Record) -> Class {
    let first = record.activity.split(' ').next().unwrap_or_default();
    match record.activity.as_str() {
        RECOVER_PASSWORD => Class { category: APPLICATION, class: API_ACTIVITY, activity: (2, "Read") },
        UPDATE_PASSWORD => Class { category: IAM, class: ACCOUNT_CHANGE, activity: (3, "Password Change") },
        ROTATE_PASSWORD => Class { category: IAM, class: ACCOUNT_CHANGE, activity: (4, "Password Reset") },
        SIGN_IN => Class { category: IAM, class: AUTHENTICATION, activity: (1, "Logon") },
        "Sign out" => Class { category: IAM, class: AUTHENTICATION, activity: (2, "Logoff") },
        _ => {
            let activity = match first {
                "Add" | "Create" | "Register" => (1, "Create"),
                "Update" | "Change" | "Set" | "Assign" | "Approve" | "Restore" => (3, "Update"),
                "Delete" | "Remove" | "Hard" | "Revoke" | "Unassign" => (4, "Delete"),
                _ => (99, "Other"),
            };
            Class { category: APPLICATION, class: API_ACTIVITY, activity }
        }
    }
}

/// One event.
pub fn ocsf(record: &Record, version: &str) -> Value {
    let Class { category, class, activity } = class(record);
    let failed = record.failure.is_some();
    let (severity_id, severity_name) = match severity(record) {
        0..=3 => (1, "Informational"),
        4..=5 => (2, "Low"),
        6..=7 => (3, "Medium"),
        8 => (4, "High"),
        _ => (5, "Critical"),
    };
    let mut event = Map::new();
    let mut put = |name: &str, value: Value| {
        if !matches!(&value, Value::Null) && value != Value::String(String::new()) {
            event.insert(name.to_owned(), value);
        }
    };
    put("category_uid", category.0.into());
    put("category_name", category.1.into());
    put("class_uid", class.0.into());
    put("class_name", class.1.into());
    put("activity_id", activity.0.into());
    put("activity_name", activity.1.into());
    put("type_uid", (class.0 * 100 + activity.0).into());
    put("type_name", format!("{}: {}", class.1, activity.1).into());
    put("time", record.at.unix_ms().into());
    put("severity_id", severity_id.into());
    put("severity", severity_name.into());
    put("status_id", if failed { 2 } else { 1 }.into());
    put("status", if failed { "Failure" } else { "Success" }.into());
    put("status_code", shown(record.failure.as_deref().unwrap_or_default()).into());
    put("message", shown(&record.activity).into());
    put(
        "metadata",
        json!({
            "version": "1.3.0",
            "uid": hex::encode(&record.id),
            "sequence": record.sequence,
            "correlation_uid": shown(&record.client_member("clientRequestId").unwrap_or_else(|| record.request_id.clone())),
            "log_name": "audit",
            "product": {"name": "lapwingd", "vendor_name": "Lapwing", "version": version},
        }),
    );
    let user = json!({
        "uid": shown(&record.actor.id),
        "name": shown(&record.actor.name),
        "type": shown(&record.actor.kind),
    });
    put("actor", json!({"user": user}));
    put("src_endpoint", json!({"ip": shown(&record.client_member("address").unwrap_or_else(|| "0.0.0.0".into()))}));
    let target = json!({
        "uid": shown(&record.target.id),
        "name": shown(&record.target.name),
        "type": shown(&record.target.kind),
    });
    match class {
        API_ACTIVITY => {
            put("api", json!({"operation": record.slug(), "request": {"uid": shown(&record.request_id)}}));
            put("resources", json!([target]));
        }
        ACCOUNT_CHANGE => {
            // The account of the device that the password is of.
            put("user", json!({"name": "local administrator", "type": "Admin", "type_id": 2}));
            put("device", json!({"uid": target["uid"], "name": target["name"], "type_id": 0}));
        }
        _ => put("user", target),
    }
    if let Some(agent) = record.client_member("userAgent") {
        put("http_request", json!({"user_agent": shown(&agent)}));
    }
    put(
        "unmapped",
        json!({
            "category": shown(&record.category),
            "reason": record.detail_member("reason").map(|text| shown(&text)),
            "ticket": record.detail_member("ticket").map(|text| shown(&text)),
            "break_glass": record.is_break_glass(),
            "detail": shown(&record.detail),
            "disclosed": record.disclosed.iter().map(|one| one.version.to_string()).collect::<Vec<_>>(),
            "hash": hex::encode(&record.hash),
        }),
    );
    Value::Object(event)
}
