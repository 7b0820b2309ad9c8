//! Rotations of many devices: of a group, of all, of everything that a person was given; each followed up to the
//! proof.

use super::devices::Badge;
use super::shell::{Section, Shell, ok};
use super::shown::{Shown, When};
use super::visit::{Visit, done, form};
use crate::app::Error;
use askama::Template;
use axum::body::Bytes;
use axum::extract::Path;
use axum::response::Response;
use laps::id::{CampaignId, GroupId};
use laps::time::Timestamp;
use proto::admin::{Campaign, CampaignCounts, CancelCampaign, NewCampaign, NewRevocation};
use serde::Deserialize;

/// Rotations of one page of the list.
const ROTATIONS: u32 = 50;
/// Devices of one page.
const DEVICES: u32 = 100;

struct Line {
    id: String,
    title: Shown,
    by: Shown,
    reason: Shown,
    at: When,
    state: Badge,
    /// Of 1,000.
    length: u64,
    settled: u64,
    total: u64,
}

struct Choice {
    value: String,
    label: Shown,
}

#[derive(Template)]
#[template(path = "rotations.html")]
struct RotationsPage {
    shell: Shell,
    lines: Vec<Line>,
    groups: Vec<Choice>,
    next: Option<String>,
    may_rotate: bool,
    may_revoke: bool,
}

struct Device {
    id: String,
    name: Shown,
    state: Badge,
    text: Shown,
    changed: When,
}

#[derive(Template)]
#[template(path = "rotation.html")]
struct RotationPage {
    shell: Shell,
    line: Line,
    counts: Vec<(&'static str, u64)>,
    open: bool,
    /// Who called it off, and when.
    cancelled: Option<(Shown, When)>,
    may_cancel: bool,
    readers: Vec<Shown>,
    devices: Vec<Device>,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "revocation.html")]
struct PreviewPage {
    shell: Shell,
    person: String,
    from: String,
    until: String,
    reason: String,
    readers: Vec<Shown>,
    enabled: bool,
    devices: u64,
    safe: u64,
    to_rotate: u64,
    refused: u64,
    names: Vec<Shown>,
}

/// A text that may be empty.
fn or_dash(text: &str) -> Shown {
    Shown::cut(if text.trim().is_empty() { "—" } else { text }, 300)
}

const fn settled(counts: &CampaignCounts) -> u64 {
    counts.safe + counts.proven + counts.refused + counts.gone
}

fn line(campaign: &Campaign, now: Timestamp) -> Line {
    let (settled, total) = (settled(&campaign.counts), campaign.counts.total());
    let title = match campaign.kind.as_str() {
        "revoke" => format!("Everything that {} was given", campaign.about),
        "group" => format!("Group {}", campaign.about),
        "all" => "All devices".to_owned(),
        _ => "Chosen devices".to_owned(),
    };
    Line {
        id: campaign.id.to_string(),
        title: Shown::new(&title),
        by: Shown::new(&campaign.requested_by),
        reason: or_dash(&campaign.reason),
        at: When::of(campaign.created_date_time, now),
        state: match (campaign.completed_date_time, campaign.cancelled_date_time) {
            (Some(_), Some(_)) => Badge::new("warn", "Called off"),
            (None, Some(_)) => Badge::new("warn", "Being called off"),
            (Some(_), None) => Badge::new("good", "Complete"),
            (None, None) => Badge::new("info", "Under way"),
        },
        length: (settled * 1_000).checked_div(total).unwrap_or_default(),
        settled,
        total,
    }
}

/// The list.
pub(crate) async fn list(visit: Visit) -> Result<Response, Error> {
    let after = visit.after("admin/rotations")?;
    let listed = visit.app.campaigns(&visit.caller, after, ROTATIONS).await?;
    let mut groups = vec![Choice { value: "all".into(), label: Shown::new("All devices") }];
    if let Ok(known) = visit.app.groups(&visit.caller, None, 500).await {
        let all = GroupId::from_bytes([0xff; 16]);
        groups.extend(
            known
                .items
                .into_iter()
                .filter(|group| group.id != all)
                .map(|group| Choice { value: group.id.to_string(), label: Shown::new(&group.name) }),
        );
    }
    let sections = visit.app.sections(&visit.caller).await?;
    ok(&RotationsPage {
        shell: visit.shell("Rotations", Section::Rotations).await?,
        lines: listed.items.iter().map(|campaign| line(campaign, visit.now)).collect(),
        groups,
        next: visit.next("/admin/rotations", "admin/rotations", &[], listed.next),
        may_rotate: sections.rotate,
        may_revoke: sections.revoke,
    })
}

fn key(id: &str) -> Result<CampaignId, Error> {
    id.parse().map_err(|_| Error::not_found("campaign_unknown", "there is no such rotation; look at the list"))
}

/// One of them, as far as it is.
pub(crate) async fn one(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    let id = key(&id)?;
    let campaign = visit.app.campaign(&visit.caller, id).await?;
    let name = format!("admin/rotations/{id}");
    let after = visit.after(&name)?;
    let listed = visit.app.campaign_devices(&visit.caller, id, None, after, DEVICES).await?;
    let counts = &campaign.counts;
    let sections = visit.app.sections(&visit.caller).await?;
    let may = if campaign.kind == "revoke" { sections.revoke } else { sections.rotate };
    let may_cancel = may && campaign.completed_date_time.is_none() && campaign.cancelled_date_time.is_none();
    ok(&RotationPage {
        shell: visit.shell("Rotation", Section::Rotations).await?,
        line: line(&campaign, visit.now),
        counts: [
            ("Proven", counts.proven),
            ("Asked, not proven yet", counts.requested),
            ("Not asked yet", counts.waiting),
            ("Safe already", counts.safe),
            ("Cannot be asked", counts.refused),
            ("Not there any more", counts.gone),
            ("Called off", counts.cancelled),
        ]
        .into_iter()
        .filter(|(name, count)| *count > 0 || *name != "Called off")
        .collect(),
        open: campaign.completed_date_time.is_none(),
        cancelled: campaign
            .cancelled_date_time
            .map(|at| (Shown::new(campaign.cancelled_by.as_deref().unwrap_or_default()), When::of(at, visit.now))),
        may_cancel,
        readers: campaign.readers.iter().map(|reader| Shown::new(&reader.name)).collect(),
        devices: listed
            .items
            .iter()
            .map(|device| Device {
                id: device.device.to_string(),
                name: Shown::new(&device.name),
                state: match device.state.as_str() {
                    "proven" => Badge::new("good", "Proven"),
                    "safe" => Badge::new("good", "Safe already"),
                    "requested" => Badge::new("info", "Asked"),
                    "waiting" => Badge::new("plain", "Not asked yet"),
                    "refused" => Badge::new("bad", "Cannot be asked"),
                    "cancelled" => Badge::new("warn", "Called off"),
                    _ => Badge::new("plain", "Not there any more"),
                },
                text: or_dash(device.text.as_deref().unwrap_or_default()),
                changed: When::of(device.changed_date_time, visit.now),
            })
            .collect(),
        next: visit.next(&format!("/admin/rotations/{id}"), &name, &[], listed.next),
    })
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Started {
    group: String,
    reason: String,
}

/// Asks a group, or all devices, to rotate.
pub(crate) async fn start(visit: Visit, body: Bytes) -> Result<Response, Error> {
    let asked: Started = form(&body)?;
    let all = asked.group == "all";
    let new = NewCampaign { group: (!all).then_some(asked.group), all, reason: asked.reason, ..NewCampaign::default() };
    let campaign = visit.app.start_campaign(&visit.caller, &new).await?;
    Ok(done(&format!("/admin/rotations/{}", campaign.id), "rotations_asked"))
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Cancelled {
    reason: String,
}

/// Calls one off.
pub(crate) async fn cancel(visit: Visit, Path(id): Path<String>, body: Bytes) -> Result<Response, Error> {
    let asked: Cancelled = form(&body)?;
    let campaign =
        visit.app.cancel_campaign(&visit.caller, key(&id)?, &CancelCampaign { reason: asked.reason }).await?;
    Ok(done(&format!("/admin/rotations/{}", campaign.id), "rotation_cancelled"))
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Revoked {
    person: String,
    from: String,
    until: String,
    reason: String,
}

/// A moment of the form: a day, or a day and a time; empty for none.
pub(super) fn moment(text: &str) -> Result<Option<Timestamp>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    let whole = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        16 => format!("{text}:00Z"),
        _ => format!("{text}Z"),
    };
    Timestamp::parse_rfc3339(&whole)
        .map(Some)
        .ok_or_else(|| Error::invalid("bad_time", "a time is written as 2026-11-22T10:30, in UTC"))
}

impl Revoked {
    fn request(&self) -> Result<NewRevocation, Error> {
        Ok(NewRevocation {
            person: self.person.trim().to_owned(),
            from: moment(&self.from)?,
            until: moment(&self.until)?,
            reason: self.reason.clone(),
        })
    }
}

/// What taking back would do; nothing is asked for yet.
pub(crate) async fn preview(visit: Visit, body: Bytes) -> Result<Response, Error> {
    let asked: Revoked = form(&body)?;
    let found = visit.app.preview_revocation(&visit.caller, &asked.request()?).await?;
    ok(&PreviewPage {
        shell: visit.shell("Take back what was read", Section::Rotations).await?,
        readers: found.readers.iter().map(|reader| Shown::new(&reader.name)).collect(),
        enabled: found.readers.iter().any(|reader| reader.enabled == Some(true)),
        devices: found.devices,
        safe: found.safe,
        to_rotate: found.to_rotate,
        refused: found.refused,
        names: found.names.iter().map(|name| Shown::new(name)).collect(),
        person: asked.person,
        from: asked.from,
        until: asked.until,
        reason: asked.reason,
    })
}

/// Takes back: rotates everything that the person was given.
pub(crate) async fn revoke(visit: Visit, body: Bytes) -> Result<Response, Error> {
    let asked: Revoked = form(&body)?;
    let campaign = visit.app.revoke(&visit.caller, &asked.request()?).await?;
    Ok(done(&format!("/admin/rotations/{}", campaign.id), "rotations_asked"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_browsers_send_them() {
        for text in ["2026-11-22", "2026-11-22T00:00", "2026-11-22T00:00:00"] {
            assert_eq!(moment(text).unwrap(), Timestamp::parse_rfc3339("2026-11-22T00:00:00Z"), "{text}");
        }
        assert_eq!(moment("").unwrap(), None);
        assert!(moment("yesterday").is_err() && moment("2026-11-22 ''").is_err());
    }
}
