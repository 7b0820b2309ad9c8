//! `policy lint`, and the same judgement before an assignment.

use super::policy::{json, settings};
use crate::{
    arguments::{Form, Globals},
    failure::Failure,
    output, session, terminal,
};
use client::SignedIn;
use laps::policy::{EffectivePolicy, JoinState, Management, PolicySet, Reason, Severity};
use proto::admin::{LintFinding, LintReport, LintRequest, Policy};
use serde::Serialize;

#[derive(Serialize)]
struct Linted {
    setting: &'static str,
    value: Option<serde_json::Value>,
    reason: String,
    noteworthy: bool,
}

#[derive(Serialize)]
struct Shown {
    settings: Vec<Linted>,
    /// Machines that were looked at; absent without `--group`.
    #[serde(skip_serializing_if = "Option::is_none")]
    devices: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown: Option<u64>,
    findings: Vec<LintFinding>,
}

/// `lapwing policy lint`. Exit code 1 when somebody would be locked out.
pub(super) async fn run(
    globals: &Globals,
    set: &PolicySet,
    group: Option<String>,
    name: Option<String>,
) -> Result<(), Failure> {
    // A machine that joined a Lapwing server counts as Entra-joined (design.md 4).
    let effective = EffectivePolicy::resolve(std::slice::from_ref(set), JoinState::Entra);
    let report = match group {
        Some(group) => {
            let signed_in = session::signed_in(globals).await?;
            Some(signed_in.lint_policy(&LintRequest { settings: settings(set), policy: name, group }).await?)
        }
        None => None,
    };
    output::message(verdict(&effective));
    let settings = lines(&effective);
    let findings = match &report {
        Some(report) => report.findings.clone(),
        None => {
            let anywhere = EffectivePolicy::resolve(std::slice::from_ref(set), JoinState::Hybrid);
            laps::policy::lint(&anywhere).into_iter().map(LintFinding::from).collect()
        }
    };
    let shown = Shown {
        settings,
        devices: report.as_ref().map(|report| report.devices),
        unknown: report.as_ref().map(|report| report.unknown),
        findings,
    };
    match globals.output {
        Form::Json => output::json(&shown)?,
        Form::Table => tables(&shown)?,
    }
    if let Some(report) = &report {
        scope(report);
    }
    match shown.findings.iter().find(|finding| is_grave(finding)) {
        Some(grave) => Err(locks_out(grave)),
        None => Ok(()),
    }
}

/// Tells what a policy does on the machines of a group; answers whether somebody confirmed that it locks
/// somebody out.
pub(super) async fn before_assignment(
    signed_in: &SignedIn,
    policy: &Policy,
    group: &str,
    yes: bool,
) -> Result<bool, Failure> {
    let request =
        LintRequest { settings: policy.settings.clone(), policy: Some(policy.name.clone()), group: group.to_owned() };
    let report = signed_in.lint_policy(&request).await?;
    let worth_telling = |finding: &&LintFinding| finding.severity != Severity::Note.as_str();
    for finding in report.findings.iter().filter(worth_telling) {
        let text = format!("{}: {}{}\n  next: {}", finding.severity, on(finding), finding.text, finding.remedy);
        output::message(&text);
    }
    let Some(grave) = report.findings.iter().find(|finding| is_grave(finding)) else { return Ok(false) };
    if yes {
        return Ok(true);
    }
    if terminal::is_there() && terminal::confirm(&format!("Assign {} all the same?", policy.name))? {
        return Ok(true);
    }
    Err(locks_out(grave))
}

fn is_grave(finding: &LintFinding) -> bool {
    finding.severity == Severity::Error.as_str()
}

fn locks_out(grave: &LintFinding) -> Failure {
    let text = format!("the policy locks somebody out: {}{}", on(grave), grave.text);
    Failure::failed("policy_locks_out", text).next(format!("{} To assign it all the same: --yes", grave.remedy))
}

/// How many machines, and some of their names.
fn on(finding: &LintFinding) -> String {
    match finding.devices {
        Some(1) => format!("1 machine ({}): ", finding.names.join(", ")),
        Some(devices) => {
            let more = if devices > finding.names.len() as u64 { ", …" } else { "" };
            format!("{devices} machines ({}{more}): ", finding.names.join(", "))
        }
        None => String::new(),
    }
}

fn scope(report: &LintReport) {
    let unknown = match report.unknown {
        0 => String::new(),
        unknown => format!("; {unknown} of them have told nothing about themselves yet"),
    };
    output::message(&format!("{} machines were looked at{unknown}", report.devices));
}

fn tables(shown: &Shown) -> Result<(), Failure> {
    output::table(
        &["setting", "value", "why"],
        shown.settings.iter().map(|line| {
            let value = line.value.as_ref();
            let value = value.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            let mark = if line.noteworthy { "! " } else { "" };
            vec![line.setting.to_owned(), value.unwrap_or_default(), format!("{mark}{}", line.reason)]
        }),
    )?;
    if shown.findings.is_empty() {
        return Ok(());
    }
    output::data("\n")?;
    output::table(
        &["finding", "code", "machines", "what"],
        shown.findings.iter().map(|finding| {
            let machines = finding.devices.map_or_else(|| "every".to_owned(), |devices| devices.to_string());
            vec![finding.severity.clone(), finding.code.clone(), machines, finding.text.clone()]
        }),
    )
}

fn lines(effective: &EffectivePolicy) -> Vec<Linted> {
    let in_csp = effective.settings().iter().filter(|setting| setting.setting.info().in_csp);
    in_csp
        .map(|setting| Linted {
            setting: setting.setting.name(),
            value: setting.value.as_ref().map(json),
            reason: setting.reason.to_string(),
            noteworthy: matches!(
                setting.reason,
                Reason::BadValue { .. }
                    | Reason::Unusable { .. }
                    | Reason::Raised { .. }
                    | Reason::Unused { given: Some(_), .. }
            ),
        })
        .collect()
}

fn verdict(effective: &EffectivePolicy) -> &'static str {
    match effective.management() {
        Management::Managed(_) | Management::Dsrm => "a machine that joined this server manages an account with it",
        Management::NoPolicy => "it sets nothing",
        Management::Disabled => "BackupDirectory is 0: no password is managed",
        Management::JoinStateDoesNotFit { .. } => {
            "BackupDirectory names Active Directory: a machine that joined only this server does nothing with it"
        }
        Management::DomainController => "nothing is managed on a domain controller",
    }
}
