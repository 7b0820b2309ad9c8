//! Policies: the list, one with its settings and where it is assigned, and the form, drawn from the one
//! table of settings.

use super::devices::Badge;
use super::shell::{Section, Shell, ok};
use super::shown::{Prose, Shown, When};
use super::visit::{Visit, done, form};
use crate::app::Error;
use askama::Template;
use axum::body::Bytes;
use axum::extract::Path;
use axum::response::Response;
use laps::policy::{Allowed, DefaultValue, SettingInfo, TABLE};
use proto::admin::{ALL_DEVICES, Assign, LintFinding, Policy, PolicyImport};
use serde::Deserialize;
use serde_json::{Map, Number, Value};

/// Policies of one page of the list.
const POLICIES: u32 = 100;

struct Line {
    id: String,
    name: Shown,
    version: u32,
    settings: usize,
    groups: Vec<Shown>,
    changed: When,
}

#[derive(Template)]
#[template(path = "policies.html")]
struct PoliciesPage {
    shell: Shell,
    lines: Vec<Line>,
    next: Option<String>,
    may_write: bool,
}

/// A setting with its value in a policy.
struct SettingRow {
    name: &'static str,
    label: &'static str,
    value: Shown,
    meaning: &'static str,
    help: &'static str,
}

/// A choice of a setting.
struct Choice {
    value: String,
    label: String,
    chosen: bool,
}

/// A setting in the form.
struct Field {
    name: &'static str,
    label: &'static str,
    help: &'static str,
    notes: &'static [&'static str],
    /// What stands where nothing is set.
    default: String,
    /// Its range or length.
    bounds: String,
    needs: String,
    choices: Vec<Choice>,
    value: String,
    number: Option<(u32, u32)>,
    chars_max: usize,
}

struct Group {
    value: String,
    label: Shown,
}

struct Finding {
    tone: &'static str,
    text: Shown,
    remedy: Prose,
    devices: Shown,
}

#[derive(Template)]
#[template(path = "policy.html")]
struct PolicyPage {
    shell: Shell,
    id: String,
    name: Shown,
    version: u32,
    changed: When,
    rows: Vec<SettingRow>,
    assigned: Vec<Group>,
    groups: Vec<Group>,
    findings: Vec<Finding>,
    looked_at: String,
    may_write: bool,
}

#[derive(Template)]
#[template(path = "policy_form.html")]
struct FormPage {
    shell: Shell,
    id: Option<String>,
    name: String,
    fields: Vec<Field>,
    mistakes: Vec<Shown>,
}

fn line(policy: &Policy, visit: &Visit) -> Line {
    Line {
        id: policy.id.to_string(),
        name: Shown::new(&policy.name),
        version: policy.version,
        settings: policy.settings.len(),
        groups: policy.groups.iter().map(|group| Shown::new(group_label(group))).collect(),
        changed: When::of(policy.changed_date_time, visit.now),
    }
}

fn group_label(group: &str) -> &str {
    if group == ALL_DEVICES { "All devices" } else { group }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Asked {
    after: String,
}

/// The list.
pub(crate) async fn list(visit: Visit) -> Result<Response, Error> {
    let Asked { after } = visit.query()?;
    let after = visit.after("admin/policies", &after)?;
    let listed = visit.app.policies(&visit.caller, after, POLICIES).await?;
    ok(&PoliciesPage {
        shell: visit.shell("Policies", Section::Policies).await?,
        lines: listed.items.iter().map(|policy| line(policy, &visit)).collect(),
        next: visit.next("/admin/policies", "admin/policies", &[], listed.next),
        may_write: visit.app.sections(&visit.caller).await?.write_policies,
    })
}

/// One policy.
pub(crate) async fn one(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    let policy = visit.app.policy(&visit.caller, &id).await?;
    shown(&visit, &policy).await
}

async fn shown(visit: &Visit, policy: &Policy) -> Result<Response, Error> {
    let rows = policy.settings.iter().filter_map(|(name, value)| {
        let info = TABLE.iter().find(|info| info.name == name)?;
        Some(SettingRow {
            name: info.name,
            label: info.label,
            value: Shown::new(&text_of(value)),
            meaning: meaning(info, value),
            help: info.help,
        })
    });
    let mut groups = vec![Group { value: ALL_DEVICES.to_owned(), label: Shown::new("All devices") }];
    if let Ok(known) = visit.app.groups(&visit.caller, None, 200).await {
        let all = laps::id::GroupId::from_bytes([0xff; 16]);
        groups.extend(
            known
                .items
                .into_iter()
                .filter(|group| group.id != all)
                .map(|group| Group { value: group.name.clone(), label: Shown::new(&group.name) }),
        );
    }
    groups.retain(|group| !policy.groups.contains(&group.value));
    let assigned = |group: &String| Group { value: group.clone(), label: Shown::new(group_label(group)) };
    let request = proto::admin::LintRequest {
        settings: policy.settings.clone(),
        policy: Some(policy.name.clone()),
        group: policy.groups.first().cloned().unwrap_or_else(|| ALL_DEVICES.to_owned()),
    };
    let report = visit.app.lint_policy(&visit.caller, &request).await?;
    ok(&PolicyPage {
        shell: visit.shell(&Shown::new(&policy.name).to_string(), Section::Policies).await?,
        id: policy.id.to_string(),
        name: Shown::new(&policy.name),
        version: policy.version,
        changed: When::of(policy.changed_date_time, visit.now),
        rows: rows.collect(),
        assigned: policy.groups.iter().map(assigned).collect(),
        groups,
        findings: report.findings.iter().map(finding).collect(),
        looked_at: match report.devices {
            1 => "1 device was looked at.".to_owned(),
            devices => {
                format!("{devices} devices were looked at, {} of them have not told about themselves.", report.unknown)
            }
        },
        may_write: visit.app.sections(&visit.caller).await?.write_policies,
    })
}

fn finding(found: &LintFinding) -> Finding {
    Finding {
        tone: match found.severity.as_str() {
            "error" => "bad",
            "warning" => "warn",
            _ => "info",
        },
        text: Shown::cut(&found.text, 400),
        remedy: Prose::cut(&found.remedy, 400),
        devices: Shown::cut(
            &match found.devices {
                None => "every device".to_owned(),
                Some(1) => format!("1 device: {}", found.names.join(", ")),
                Some(count) => format!("{count} devices, such as {}", found.names.join(", ")),
            },
            300,
        ),
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".into(),
        Value::Bool(false) => "no".into(),
        other => other.to_string(),
    }
}

fn meaning(info: &SettingInfo, value: &Value) -> &'static str {
    match &info.allowed {
        Allowed::Enum(values) => {
            values.iter().find(|one| value.as_u64() == Some(u64::from(one.value))).map_or("", |one| one.meaning)
        }
        Allowed::Bool { yes, no, .. } => match value {
            Value::Bool(true) => yes,
            Value::Bool(false) => no,
            _ => "",
        },
        _ => info.unit.unwrap_or_default(),
    }
}

/// The form for a new policy.
pub(crate) async fn new_form(visit: Visit) -> Result<Response, Error> {
    visit.app.may_write_policies(&visit.caller)?;
    let shell = visit.shell("New policy", Section::Policies).await?;
    ok(&FormPage { shell, id: None, name: String::new(), fields: fields(&Map::new()), mistakes: Vec::new() })
}

/// The form for the next version of a policy.
pub(crate) async fn edit_form(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    visit.app.may_write_policies(&visit.caller)?;
    let policy = visit.app.policy(&visit.caller, &id).await?;
    ok(&FormPage {
        shell: visit.shell("Change a policy", Section::Policies).await?,
        id: Some(policy.id.to_string()),
        fields: fields(&policy.settings),
        name: policy.name,
        mistakes: Vec::new(),
    })
}

/// A field for every setting of the CSP, with the value that is given.
fn fields(given: &Map<String, Value>) -> Vec<Field> {
    TABLE.iter().filter(|info| info.in_csp).map(|info| field(info, given.get(info.name))).collect()
}

fn field(info: &'static SettingInfo, given: Option<&Value>) -> Field {
    let value = match given {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Bool(yes)) => yes.to_string(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let choice = |text: String, label: String| Choice { chosen: text == value, value: text, label };
    let choices = match &info.allowed {
        Allowed::Enum(values) => values
            .iter()
            .filter(|one| one.in_csp)
            .map(|one| choice(one.value.to_string(), format!("{}: {}", one.value, one.meaning)))
            .collect(),
        Allowed::Bool { no, yes, .. } => {
            vec![choice("true".into(), format!("Yes: {yes}")), choice("false".into(), format!("No: {no}"))]
        }
        _ => Vec::new(),
    };
    let unit = info.unit.map_or_else(String::new, |unit| format!(" {unit}"));
    let (number, bounds, chars_max) = match info.allowed {
        Allowed::Range { min, max } => (Some((min, max)), format!("{min} to {max}{unit}"), 10),
        Allowed::Text { chars_max } => (None, format!("at most {chars_max} characters"), chars_max),
        _ => (None, String::new(), 0),
    };
    let needs: Vec<String> = info
        .dependencies
        .iter()
        .filter(|dependency| dependency.range.is_none())
        .map(|dependency| {
            use laps::policy::Condition as C;
            let on = dependency.on.info().label;
            match dependency.condition {
                C::Is(value) => format!("“{on}” is {value}"),
                C::IsTrue => format!("“{on}” is on"),
                C::Within(from, to) => format!("“{on}” is {from} to {to}"),
            }
        })
        .collect();
    Field {
        name: info.name,
        label: info.label,
        help: info.help,
        notes: info.notes,
        default: match info.default {
            DefaultValue::Int(value) => format!("{value}{unit}"),
            DefaultValue::Bool(value) => if value { "yes" } else { "no" }.to_owned(),
            DefaultValue::Text(text) | DefaultValue::Absent(text) => text.to_owned(),
        },
        bounds,
        needs: needs.join(" and "),
        choices,
        value,
        number,
        chars_max,
    }
}

/// The settings of the form; what is left empty is not part of the policy.
fn given(pairs: &[(String, String)]) -> Map<String, Value> {
    let mut settings = Map::new();
    for (name, text) in pairs {
        let Some(name) = name.strip_prefix("s.") else { continue };
        if text.is_empty() {
            continue;
        }
        let info = TABLE.iter().find(|info| info.name == name);
        let value = match info.map(|info| &info.allowed) {
            Some(Allowed::Bool { .. }) => match text.as_str() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                _ => Value::String(text.clone()),
            },
            Some(Allowed::Range { .. } | Allowed::Enum(_)) => match text.trim().parse::<u32>() {
                Ok(number) => Value::Number(Number::from(number)),
                Err(_) => Value::String(text.clone()),
            },
            _ => Value::String(text.clone()),
        };
        settings.insert(name.to_owned(), value);
    }
    settings
}

/// Takes the form: a new policy, or the next version of the policy of that name.
pub(crate) async fn save(visit: Visit, body: Bytes) -> Result<Response, Error> {
    let pairs: Vec<(String, String)> = form(&body)?;
    let of = |wanted: &str| pairs.iter().find(|(name, _)| name == wanted).map(|(_, text)| text.clone());
    let (name, id) = (of("name").unwrap_or_default(), of("id").filter(|id| !id.is_empty()));
    let settings = given(&pairs);
    let import = PolicyImport { name: name.clone(), settings: settings.clone() };
    match visit.app.import_policy(&visit.caller, &import).await {
        Ok(policy) => Ok(done(&format!("/admin/policies/{}", policy.id), "policy_saved")),
        // Every mistake is shown beside what was typed.
        Err(error @ Error::Invalid { .. }) => {
            let shell = visit.shell("Change a policy", Section::Policies).await?;
            let mistakes = error.text().lines().map(|mistake| Shown::cut(mistake, 400)).collect();
            let page = FormPage { shell, id, name, fields: fields(&settings), mistakes };
            super::shell::page(http::StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
        Err(error) => Err(error),
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Assignment {
    group: String,
    confirmed: String,
}

/// Assigns it to a group.
pub(crate) async fn assign(visit: Visit, Path(id): Path<String>, body: Bytes) -> Result<Response, Error> {
    let asked: Assignment = form(&body)?;
    let to = Assign { group: asked.group, confirmed: asked.confirmed == "yes" };
    let policy = visit.app.assign_policy(&visit.caller, &id, &to, true).await?;
    Ok(done(&format!("/admin/policies/{}", policy.id), "policy_assigned"))
}

/// Ends an assignment.
pub(crate) async fn unassign(visit: Visit, Path(id): Path<String>, body: Bytes) -> Result<Response, Error> {
    let asked: Assignment = form(&body)?;
    let policy = visit.app.assign_policy(&visit.caller, &id, &Assign::to(asked.group), false).await?;
    Ok(done(&format!("/admin/policies/{}", policy.id), "policy_unassigned"))
}

/// Removes a policy that is not assigned.
pub(crate) async fn delete(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    visit.app.delete_policy(&visit.caller, &id).await?;
    Ok(done("/admin/policies", "policy_deleted"))
}

/// A badge for how many groups have a policy.
impl Line {
    fn badge(&self) -> Badge {
        if self.groups.is_empty() { Badge::new("plain", "Not assigned") } else { Badge::new("good", "Assigned") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_has_every_setting_and_gives_back_what_it_was_given() {
        let settings: Map<String, Value> = serde_json::from_str(
            r#"{"BackupDirectory": 1, "PasswordLength": 20, "AutomaticAccountManagementEnabled": true, "AdministratorAccountName": "adm"}"#,
        )
        .unwrap();
        let fields = fields(&settings);
        assert_eq!(fields.len(), TABLE.iter().filter(|info| info.in_csp).count());
        let pairs: Vec<(String, String)> =
            fields.iter().map(|field| (format!("s.{}", field.name), field.value.clone())).collect();
        assert_eq!(given(&pairs), settings);
        for field in &fields {
            assert!(!field.help.is_empty() && !field.default.is_empty(), "{}", field.name);
            assert!(!field.choices.is_empty() || field.number.is_some() || field.chars_max > 0, "{}", field.name);
            let chosen = field.choices.iter().filter(|choice| choice.chosen).count();
            assert_eq!(chosen, usize::from(!field.choices.is_empty() && !field.value.is_empty()), "{}", field.name);
        }
    }
}
