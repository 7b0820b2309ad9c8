//! Join tokens: with one a machine becomes a device. Shown once, revoked before their time.

use super::devices::Badge;
use super::mistake::{again, mistake};
use super::shell::{Section, Shell, ok};
use super::shown::{Shown, When};
use super::visit::{Visit, done, form};
use crate::app::Error;
use askama::Template;
use axum::body::Bytes;
use axum::extract::Path;
use axum::response::Response;
use laps::id::GroupId;
use proto::admin::{JoinToken, NewJoinToken};
use proto::oauth::Secret;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Tokens of one page of the list.
const TOKENS: u32 = 100;
/// Groups that the form offers.
const GROUPS: u32 = 500;

struct Line {
    id: String,
    note: Shown,
    group: Shown,
    state: Badge,
    made: When,
    ends: When,
    /// The device that used it.
    used_by: String,
    usable: bool,
}

struct Choice {
    value: String,
    label: Shown,
    chosen: bool,
}

#[derive(Deserialize, Default, Clone)]
#[serde(default)]
struct Typed {
    note: String,
    group: String,
    hours: String,
}

#[derive(Template)]
#[template(path = "join_tokens.html")]
struct TokensPage {
    shell: Shell,
    lines: Vec<Line>,
    next: Option<String>,
    groups: Vec<Choice>,
    typed: Typed,
    mistakes: Vec<Shown>,
    may_write: bool,
}

#[derive(Template)]
#[template(path = "join_token_made.html")]
struct MadePage {
    shell: Shell,
    secret: Secret,
    until: When,
    server: Shown,
    fingerprint: Shown,
    id: String,
}

/// The list.
pub(crate) async fn list(visit: Visit) -> Result<Response, Error> {
    ok(&tokens_page(&visit, Typed { hours: "24".into(), ..Typed::default() }, Vec::new()).await?)
}

async fn tokens_page(visit: &Visit, typed: Typed, mistakes: Vec<Shown>) -> Result<TokensPage, Error> {
    let after = visit.after("admin/join-tokens")?;
    let tokens = visit.app.join_tokens(&visit.caller, after, TOKENS).await?;
    let mut names: BTreeMap<GroupId, String> = BTreeMap::new();
    let mut groups =
        vec![Choice { value: String::new(), label: Shown::new("No group"), chosen: typed.group.is_empty() }];
    if let Ok(known) = visit.app.groups(&visit.caller, None, GROUPS).await {
        for group in known.items {
            // A filter decides by itself who is in.
            if group.filter.is_none() && !crate::app::group_sheet::is_all_devices(&group) {
                let value = group.id.to_string();
                groups.push(Choice { chosen: typed.group == value, value, label: Shown::new(&group.name) });
            }
            names.insert(group.id, group.name);
        }
    }
    Ok(TokensPage {
        shell: visit.shell("Join tokens", Section::Devices).await?,
        lines: tokens.items.iter().map(|token| line(visit, token, &names)).collect(),
        next: visit.next("/admin/join-tokens", "admin/join-tokens", &[], tokens.next),
        groups,
        typed,
        mistakes,
        may_write: visit.app.may_write_join_tokens(&visit.caller).is_ok(),
    })
}

fn line(visit: &Visit, token: &JoinToken, names: &BTreeMap<GroupId, String>) -> Line {
    let group = match token.group {
        None => "none".to_owned(),
        Some(group) => names.get(&group).cloned().unwrap_or_else(|| group.to_string()),
    };
    Line {
        id: token.id.clone(),
        note: Shown::new(if token.note.is_empty() { "(no note)" } else { &token.note }),
        group: Shown::new(&group),
        state: match token.state.as_str() {
            "usable" => Badge::new("good", "Usable"),
            "used" => Badge::new("info", "Used"),
            "revoked" => Badge::new("warn", "Revoked"),
            _ => Badge::new("plain", "Expired"),
        },
        made: When::of(token.created_date_time, visit.now),
        ends: When::of(token.expires_date_time, visit.now),
        used_by: token.used_by.map(|device| device.to_string()).unwrap_or_default(),
        usable: token.state == "usable",
    }
}

/// Makes one; it is shown this once.
pub(crate) async fn create(visit: Visit, body: Bytes) -> Result<Response, Error> {
    visit.app.may_write_join_tokens(&visit.caller)?;
    let typed: Typed = form(&body)?;
    let made = async {
        let hours = match typed.hours.trim() {
            "" => None,
            text => Some(text.parse().map_err(|_| Error::invalid("bad_lifetime", "the hours are a number, 1 to 168"))?),
        };
        let group = Some(typed.group.clone()).filter(|group| !group.is_empty());
        let new = NewJoinToken { note: typed.note.trim().to_owned(), group, lifetime_hours: hours };
        visit.app.create_join_token(&visit.caller, &new).await
    };
    match made.await {
        Ok(made) => ok(&MadePage {
            shell: visit.shell("Join token", Section::Devices).await?,
            secret: Secret::new(made.token.clone()),
            until: When::of(made.expires_date_time, visit.now),
            server: Shown::cut(&made.server, 300),
            fingerprint: Shown::new(&made.ca_fingerprint),
            id: made.id.clone(),
        }),
        Err(error) => {
            let mistakes = vec![mistake(error)?];
            again(&tokens_page(&visit, typed, mistakes).await?)
        }
    }
}

/// Ends one before its time.
pub(crate) async fn revoke(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    visit.app.revoke_join_token(&visit.caller, &id).await?;
    Ok(done("/admin/join-tokens", "join_token_revoked"))
}
