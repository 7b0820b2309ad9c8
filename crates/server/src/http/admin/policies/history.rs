//! The versions of a policy: who made each and when, what it changed, how two differ, and the way back to one.

use super::super::shell::{Section, Shell, ok};
use super::super::shown::{Shown, When};
use super::super::visit::{Visit, done, form};
use super::{Change, Head};
use crate::app::Error;
use askama::Template;
use axum::body::Bytes;
use axum::extract::Path;
use axum::response::Response;
use proto::admin::{PolicyVersion, RollBack, SettingChange};
use serde::Deserialize;

/// Versions of one page.
const VERSIONS: usize = 25;

struct Version {
    number: u32,
    /// Its name, where that was another one.
    name: Option<Shown>,
    at: When,
    by: Shown,
    changes: Vec<Change>,
    current: bool,
    first: bool,
}

/// A version that can be chosen.
struct Choice {
    number: u32,
    from: bool,
    to: bool,
}

/// How two versions differ.
struct Difference {
    from: u32,
    to: u32,
    changes: Vec<Change>,
}

#[derive(Template)]
#[template(path = "policy_history.html")]
struct HistoryPage {
    shell: Shell,
    head: Head,
    versions: Vec<Version>,
    choices: Vec<Choice>,
    difference: Option<Difference>,
    /// The version that the next page begins behind.
    earlier: Option<u32>,
    rollout_open: bool,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Asked {
    from: String,
    to: String,
    before: String,
}

/// A number of a version, as addresses and forms give it.
pub(super) fn number(text: &str) -> Result<u32, Error> {
    text.parse().map_err(|_| Error::invalid("bad_version", "a version is a number; choose one of the list"))
}

fn optional(text: &str) -> Result<Option<u32>, Error> {
    if text.is_empty() { Ok(None) } else { number(text).map(Some) }
}

fn version_of(versions: &[PolicyVersion], number: u32) -> Result<&PolicyVersion, Error> {
    versions.iter().find(|one| one.version == number).ok_or_else(|| {
        Error::not_found(
            "policy_version_unknown",
            format!("the policy has no version {number}; choose one of its history"),
        )
    })
}

/// The history, and with two versions named how they differ.
pub(crate) async fn history(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    let policy = visit.app.policy(&visit.caller, &id).await?;
    let asked: Asked = visit.query()?;
    let (from, to, before) = (optional(&asked.from)?, optional(&asked.to)?, optional(&asked.before)?);
    let versions = visit.app.policy_versions(&visit.caller, &id).await?;
    let difference = match (from, to) {
        (Some(from), Some(to)) => {
            let (a, b) = (version_of(&versions, from)?, version_of(&versions, to)?);
            let changes = SettingChange::between(&a.settings, &b.settings);
            Some(Difference { from, to, changes: changes.iter().map(Change::of).collect() })
        }
        _ => None,
    };
    let mut listed = versions.iter().filter(|one| before.is_none_or(|before| one.version < before));
    let page: Vec<&PolicyVersion> = listed.by_ref().take(VERSIONS).collect();
    let earlier = listed.next().and(page.last()).map(|last| last.version);
    let first = versions.last().map(|one| one.version);
    let (from, to) = (from.or(policy.version.checked_sub(1)), to.unwrap_or(policy.version));
    let head = Head::of(&visit, &policy, "history").await?;
    ok(&HistoryPage {
        shell: visit.shell(&Shown::new(&policy.name).to_string(), Section::Policies).await?,
        rollout_open: head.way.is_some(),
        head,
        choices: versions
            .iter()
            .map(|one| Choice { number: one.version, from: Some(one.version) == from, to: one.version == to })
            .collect(),
        versions: page
            .into_iter()
            .map(|one| Version {
                number: one.version,
                name: (one.name != policy.name).then(|| Shown::new(&one.name)),
                at: When::of(one.changed_date_time, visit.now),
                by: Shown::new(one.changed_by.as_deref().unwrap_or("not known any more")),
                changes: one.changes.iter().map(Change::of).collect(),
                current: one.version == policy.version,
                first: Some(one.version) == first,
            })
            .collect(),
        difference,
        earlier,
    })
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Back {
    version: String,
}

/// Back to the values of a version, as a new version.
pub(crate) async fn roll_back(visit: Visit, Path(id): Path<String>, body: Bytes) -> Result<Response, Error> {
    visit.app.may_write_policies(&visit.caller)?;
    let asked: Back = form(&body)?;
    let to = RollBack { version: number(&asked.version)? };
    let policy = visit.app.roll_back_policy(&visit.caller, &id, &to).await?;
    Ok(done(&format!("/admin/policies/{}/history", policy.id), "policy_rolled_back"))
}
