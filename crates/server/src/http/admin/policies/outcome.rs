//! What a policy would do on the real devices, before it is sent: of a version, or of what stands in the form.

use super::super::shell::{Section, Shell, ok};
use super::super::shown::{Prose, Shown, When};
use super::super::visit::Visit;
use super::{Group, Head, groups};
use crate::app::Error;
use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use proto::admin::{PolicyPreview, PreviewCause, PreviewRequest};
use serde::Deserialize;

/// Why devices would not do as the policy says.
pub(super) struct Cause {
    pub(super) tone: &'static str,
    /// `312 devices would refuse: minimum length 16`.
    pub(super) headline: Shown,
    pub(super) text: Shown,
    pub(super) remedy: Prose,
    pub(super) names: Vec<Shown>,
    /// There are more of them than names.
    pub(super) more: u64,
}

/// A preview, as pages show it.
pub(super) struct Outcome {
    pub(super) figures: Vec<(&'static str, u64)>,
    pub(super) causes: Vec<Cause>,
    /// Nobody would have it.
    pub(super) nobody: bool,
    /// How much of it is known.
    pub(super) known: String,
    pub(super) agents: Vec<(Shown, u64)>,
}

impl Outcome {
    pub(super) fn of(preview: &PolicyPreview) -> Self {
        let figures = [
            ("Would take it and change", preview.would_change),
            ("Have exactly this already", preview.unchanged),
            ("Would refuse it", preview.would_refuse),
            ("Would be held by a conflict", preview.would_hold),
            ("Would lock somebody out", preview.locked_out),
            ("Are disabled", preview.disabled),
        ];
        let mut known = match preview.devices {
            1 => "1 device was looked at".to_owned(),
            devices => format!("{devices} devices were looked at"),
        };
        if preview.more {
            known.push_str("; there are more");
        }
        match preview.unknown {
            0 => {}
            1 => known.push_str("; 1 of them has told nothing about itself"),
            unknown => known.push_str(&format!("; {unknown} of them have told nothing about themselves")),
        }
        known.push('.');
        Self {
            figures: figures.into_iter().filter(|(name, count)| *count > 0 || name.ends_with("change")).collect(),
            causes: preview.causes.iter().map(cause).collect(),
            nobody: preview.devices == 0,
            known,
            agents: preview.agents.iter().map(|(version, count)| (Shown::new(version), *count)).collect(),
        }
    }
}

fn cause(found: &PreviewCause) -> Cause {
    let (tone, does) = match found.kind.as_str() {
        "refused" => ("bad", "would refuse"),
        "held" => ("bad", "would be held"),
        "locked_out" => ("bad", "would lock somebody out"),
        _ => ("warn", "would take it, but"),
    };
    let devices = if found.devices == 1 { "device" } else { "devices" };
    Cause {
        tone,
        headline: Shown::cut(&format!("{} {devices} {does}: {}", found.devices, found.summary), 300),
        text: Shown::cut(&found.text, 400),
        remedy: Prose::cut(&found.remedy, 400),
        names: found.names.iter().map(|name| Shown::new(name)).collect(),
        more: found.devices.saturating_sub(found.names.len() as u64),
    }
}

/// A version that can be chosen.
struct Version {
    number: u32,
    at: When,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "policy_preview.html")]
struct PreviewPage {
    shell: Shell,
    head: Head,
    versions: Vec<Version>,
    groups: Vec<Group>,
    outcome: Outcome,
    /// The version that was looked at.
    version: u32,
    assigned: bool,
    grouped: bool,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Asked {
    version: Option<String>,
    group: String,
}

/// What a version of a policy would do.
pub(crate) async fn preview(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    let policy = visit.app.policy(&visit.caller, &id).await?;
    let asked: Asked = visit.query()?;
    let version = match asked.version.as_deref().filter(|text| !text.is_empty()) {
        Some(text) => super::history::number(text)?,
        None => policy.version,
    };
    let request = PreviewRequest {
        policy: Some(policy.id.to_string()),
        version: Some(version),
        settings: None,
        group: Some(asked.group.clone()).filter(|group| !group.is_empty()),
    };
    let seen = visit.app.preview_policy(&visit.caller, &request).await?;
    let versions = visit.app.policy_versions(&visit.caller, &id).await?;
    let grouped = !asked.group.is_empty();
    ok(&PreviewPage {
        shell: visit.shell(&Shown::new(&policy.name).to_string(), Section::Policies).await?,
        head: Head::of(&visit, &policy, "preview").await?,
        versions: versions
            .iter()
            .map(|one| Version {
                number: one.version,
                at: When::of(one.changed_date_time, visit.now),
                chosen: one.version == version,
            })
            .collect(),
        groups: groups(&visit, true, &[asked.group]).await,
        outcome: Outcome::of(&seen),
        version,
        assigned: !policy.groups.is_empty(),
        grouped,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_says_how_many_and_why() {
        let refused = PreviewCause {
            kind: "refused".into(),
            summary: "minimum length 16".into(),
            devices: 312,
            names: vec!["pc-1".into(), "<b>".into()],
            ..PreviewCause::default()
        };
        let preview = PolicyPreview {
            devices: 400,
            unknown: 2,
            would_refuse: 312,
            causes: vec![refused],
            ..PolicyPreview::default()
        };
        let outcome = Outcome::of(&preview);
        assert_eq!(outcome.causes[0].headline.to_string(), "312 devices would refuse: minimum length 16");
        assert_eq!((outcome.causes[0].more, outcome.nobody), (310, false));
        assert_eq!(outcome.known, "400 devices were looked at; 2 of them have told nothing about themselves.");
        assert_eq!(outcome.figures, [("Would take it and change", 0), ("Would refuse it", 312)]);
        assert!(Outcome::of(&PolicyPreview::default()).nobody);
    }
}
