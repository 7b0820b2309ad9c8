//! The form of a policy, drawn from the one table of settings: new, changed, read from a document; what it would do
//! is shown on it before it is saved.

use super::super::shell::{Section, Shell, page};
use super::super::shown::Shown;
use super::super::visit::{Visit, done, form};
use super::outcome::Outcome;
use super::{Group, form_status, groups, mistakes};
use crate::app::{Error, Kind};
use askama::Template;
use axum::body::Bytes;
use axum::extract::Path;
use axum::response::Response;
use http::StatusCode;
use laps::policy::{Allowed, DefaultValue, SettingInfo, TABLE};
use proto::admin::{Policy, PolicyEdit, PolicyImport, PreviewRequest};
use serde_json::{Map, Number, Value};

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

#[derive(Template)]
#[template(path = "policy_form.html")]
struct FormPage {
    shell: Shell,
    id: Option<String>,
    /// The version that the change is made from.
    version: u32,
    name: String,
    fields: Vec<Field>,
    groups: Vec<Group>,
    mistakes: Vec<Shown>,
    /// The settings come from a document and are not saved yet.
    read: bool,
    outcome: Option<Outcome>,
}

/// What stands in the form.
#[derive(Default)]
pub(super) struct Draft {
    /// The policy that is changed; `None` for a new one.
    pub(super) id: Option<String>,
    /// The version that the change is made from.
    pub(super) version: u32,
    pub(super) name: String,
    pub(super) settings: Map<String, Value>,
    /// On whose devices the preview looks.
    pub(super) group: String,
}

impl Draft {
    pub(super) fn of(policy: Policy) -> Self {
        Self {
            id: Some(policy.id.to_string()),
            version: policy.version,
            name: policy.name,
            settings: policy.settings,
            group: String::new(),
        }
    }

    fn sent(body: &[u8]) -> Result<Self, Error> {
        let pairs: Vec<(String, String)> = form(body)?;
        let of = |wanted: &str| pairs.iter().find(|(name, _)| name == wanted).map(|(_, text)| text.clone());
        Ok(Self {
            id: of("id").filter(|id| !id.is_empty()),
            version: of("version").and_then(|text| text.parse().ok()).unwrap_or(0),
            name: of("name").unwrap_or_default(),
            settings: given(&pairs),
            group: of("preview_group").unwrap_or_default(),
        })
    }
}

/// The form, with what is known about what stands in it.
#[derive(Default)]
pub(super) struct Said {
    pub(super) mistakes: Vec<Shown>,
    pub(super) read: bool,
    pub(super) outcome: Option<Outcome>,
}

pub(super) async fn shown(visit: &Visit, status: StatusCode, draft: Draft, said: Said) -> Result<Response, Error> {
    let title = if draft.id.is_some() { "Change a policy" } else { "New policy" };
    page(
        status,
        &FormPage {
            shell: visit.shell(title, Section::Policies).await?,
            id: draft.id,
            version: draft.version,
            name: draft.name,
            fields: fields(&draft.settings),
            groups: groups(visit, true, &[draft.group]).await,
            mistakes: said.mistakes,
            read: said.read,
            outcome: said.outcome,
        },
    )
}

/// The form for a new policy.
pub(crate) async fn new_form(visit: Visit) -> Result<Response, Error> {
    visit.app.may_write_policies(&visit.caller)?;
    shown(&visit, StatusCode::OK, Draft::default(), Said::default()).await
}

/// The form for the next version of a policy.
pub(crate) async fn edit_form(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    visit.app.may_write_policies(&visit.caller)?;
    let policy = visit.app.policy(&visit.caller, &id).await?;
    shown(&visit, StatusCode::OK, Draft::of(policy), Said::default()).await
}

/// What the policy in the form would do; nothing is saved.
pub(crate) async fn preview_form(visit: Visit, body: Bytes) -> Result<Response, Error> {
    visit.app.may_write_policies(&visit.caller)?;
    let draft = Draft::sent(&body)?;
    let request = PreviewRequest {
        policy: draft.id.clone(),
        version: None,
        settings: Some(draft.settings.clone()),
        group: Some(draft.group.clone()).filter(|group| !group.is_empty()),
    };
    match visit.app.preview_policy(&visit.caller, &request).await {
        Ok(preview) => {
            let said = Said { outcome: Some(Outcome::of(&preview)), ..Said::default() };
            shown(&visit, StatusCode::OK, draft, said).await
        }
        Err(error) => again(&visit, draft, error).await,
    }
}

/// Takes the form: a new policy, or the next version of one.
pub(crate) async fn save(visit: Visit, body: Bytes) -> Result<Response, Error> {
    visit.app.may_write_policies(&visit.caller)?;
    let draft = Draft::sent(&body)?;
    match saved(&visit, &draft).await {
        Ok(policy) => Ok(done(&format!("/admin/policies/{}", policy.id), "policy_saved")),
        Err(error) => again(&visit, draft, error).await,
    }
}

async fn saved(visit: &Visit, draft: &Draft) -> Result<Policy, Error> {
    let Some(id) = &draft.id else {
        if !draft.name.trim().is_empty() && visit.app.policy(&visit.caller, &draft.name).await.is_ok() {
            return Err(Error::refused(
                Kind::Conflict,
                "exists",
                "there is a policy of this name; choose another name, or open that policy and change it",
            ));
        }
        let import = PolicyImport { name: draft.name.clone(), settings: draft.settings.clone() };
        return visit.app.import_policy(&visit.caller, &import).await;
    };
    let known = visit.app.policy(&visit.caller, id).await?;
    let unset = known.settings.keys().filter(|name| !draft.settings.contains_key(*name)).cloned().collect();
    let edit =
        PolicyEdit { set: draft.settings.clone(), unset, version: Some(draft.version), name: Some(draft.name.clone()) };
    visit.app.edit_policy(&visit.caller, id, &edit).await
}

/// The form again: every mistake is shown beside what was typed.
async fn again(visit: &Visit, mut draft: Draft, error: Error) -> Result<Response, Error> {
    let Some(status) = form_status(&error) else { return Err(error) };
    let mut said = Said { mistakes: mistakes(&error), ..Said::default() };
    if let (Kind::Changed, Some(id)) = (error.kind(), &draft.id) {
        let known = visit.app.policy(&visit.caller, id).await?;
        draft.version = known.version;
        said.mistakes = vec![Shown::cut(
            &format!(
                "Somebody else saved version {} of this policy while you changed it. What you typed is kept: look at \
                 its history, then save again to put yours on top.",
                known.version
            ),
            400,
        )];
    }
    shown(visit, status, draft, said).await
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
