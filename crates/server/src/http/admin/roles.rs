//! Roles: the list, what one allows and who has it, and the form of a role of one's own: every action in words.

use super::mistake::{again, mistake};
use super::shell::{Section, Shell, ok};
use super::shown::Shown;
use super::visit::{Visit, done};
use crate::app::Error;
use crate::authz::Action;
use askama::Template;
use axum::body::Bytes;
use axum::extract::Path;
use axum::response::Response;
use proto::admin::{NewRole, Role, RoleChange};

/// Actions by what they are about, in words. Every action that a role may hold stands here once.
const AREAS: &[(&str, &[(Action, &str)])] = &[
    (
        "Passwords",
        &[
            (Action::CredentialRead, "See that a password is stored, and its times"),
            (Action::CredentialReveal, "Read passwords"),
            (Action::CredentialRevealDeleted, "Read passwords of deleted devices, while their tombstone stands"),
            (Action::BreakGlass, "Read without the approval that a group asks for (break-glass, loud)"),
            (Action::AccessApprove, "Approve and deny requests of others to read"),
            (Action::CredentialExport, "Export passwords in bulk, sealed"),
            (Action::Rotate, "Ask devices for a new password"),
            (Action::Revoke, "Take back what somebody was given: rotate all of it"),
        ],
    ),
    (
        "Devices",
        &[
            (Action::DeviceRead, "List and see devices"),
            (Action::Explain, "Ask why a password is missing; see coverage"),
            (Action::DeviceEnable, "Enable and disable devices, clear forks"),
            (Action::DeviceDelete, "Delete, restore and purge devices, link predecessors"),
            (Action::JoinTokenRead, "List join tokens"),
            (Action::JoinTokenWrite, "Make and revoke join tokens"),
        ],
    ),
    (
        "Groups and policies",
        &[
            (Action::GroupRead, "See groups"),
            (Action::GroupWrite, "Make groups, change their members and filters"),
            (Action::PolicyRead, "See policies and their assignment"),
            (Action::PolicyWrite, "Make, change and assign policies"),
        ],
    ),
    (
        "People",
        &[
            (Action::PeopleRead, "See people, programs and roles"),
            (Action::PeopleWrite, "Make people and programs, give and take roles"),
            (Action::AuditRead, "Read the audit log"),
        ],
    ),
    (
        "Server",
        &[
            (Action::OrganizationRead, "See the tenant"),
            (Action::RegistrationPolicyRead, "See whether LAPS is on"),
            (Action::RegistrationPolicyWrite, "Turn LAPS on and off"),
            (Action::SettingsRead, "See the settings"),
            (Action::SettingsWrite, "Change the settings, sign-in providers and notifications"),
            (Action::MetricsRead, "Read the metrics from afar"),
        ],
    ),
];

struct Line {
    id: String,
    name: Shown,
    built_in: bool,
    actions: usize,
}

#[derive(Template)]
#[template(path = "roles/list.html")]
struct ListPage {
    shell: Shell,
    own: Vec<Line>,
    built_in: Vec<Line>,
    may_write: bool,
}

/// An action, as a page shows it.
struct Shape {
    name: &'static str,
    label: &'static str,
    chosen: bool,
}

struct Area {
    label: &'static str,
    actions: Vec<Shape>,
}

#[derive(Template)]
#[template(path = "roles/one.html")]
struct RolePage {
    shell: Shell,
    id: String,
    name: Shown,
    built_in: bool,
    /// With the actions that it allows only.
    areas: Vec<Area>,
    holders: Vec<Holder>,
    /// More have it than are shown.
    more: bool,
    may_write: bool,
    mistakes: Vec<Shown>,
}

struct Holder {
    name: Shown,
    kind: &'static str,
    scope: Shown,
}

#[derive(Template)]
#[template(path = "roles/form.html")]
struct FormPage {
    shell: Shell,
    id: String,
    name: String,
    areas: Vec<Area>,
    mistakes: Vec<Shown>,
}

/// Every action, with those chosen that are named.
fn areas(named: &[String]) -> Vec<Area> {
    let shape = |(action, label): &(Action, &'static str)| Shape {
        name: action.name(),
        label,
        chosen: named.iter().any(|name| name.eq_ignore_ascii_case(action.name())),
    };
    AREAS.iter().map(|(label, actions)| Area { label, actions: actions.iter().map(shape).collect() }).collect()
}

/// The list.
pub(crate) async fn list(visit: Visit) -> Result<Response, Error> {
    let roles = visit.app.roles(&visit.caller).await?;
    let line = |role: &Role| Line {
        id: role.id.to_string(),
        name: Shown::new(&role.display_name),
        built_in: role.is_built_in,
        actions: role.actions.len(),
    };
    let (built_in, own) = roles.iter().map(line).partition(|line| line.built_in);
    ok(&ListPage {
        shell: visit.shell("Roles", Section::People).await?,
        own,
        built_in,
        may_write: visit.app.may_write_people(&visit.caller).is_ok(),
    })
}

/// One role.
pub(crate) async fn one(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    let role = visit.app.role(&visit.caller, &id).await?;
    ok(&role_page(&visit, &role, Vec::new()).await?)
}

async fn role_page(visit: &Visit, role: &Role, mistakes: Vec<Shown>) -> Result<RolePage, Error> {
    let mut areas = areas(&role.actions);
    for area in &mut areas {
        area.actions.retain(|action| action.chosen);
    }
    areas.retain(|area| !area.actions.is_empty());
    let held = visit.app.role_holders(&visit.caller, &role.id.to_string()).await?;
    Ok(RolePage {
        shell: visit.shell(&role.display_name, Section::People).await?,
        id: role.id.to_string(),
        name: Shown::new(&role.display_name),
        built_in: role.is_built_in,
        areas,
        more: held.more,
        holders: held
            .holders
            .iter()
            .map(|holder| Holder {
                name: Shown::new(&holder.name),
                kind: if holder.is_person { "person" } else { "program" },
                scope: Shown::new(holder.group.as_deref().unwrap_or("every device")),
            })
            .collect(),
        may_write: visit.app.may_write_people(&visit.caller).is_ok(),
        mistakes,
    })
}

/// The form of a new role; `like` names one to begin with.
pub(crate) async fn new_form(visit: Visit) -> Result<Response, Error> {
    visit.app.may_write_people(&visit.caller)?;
    let asked: Vec<(String, String)> = visit.query()?;
    let like = match asked.iter().find(|(name, _)| name == "like") {
        Some((_, named)) => visit.app.role(&visit.caller, named).await?.actions,
        None => Vec::new(),
    };
    let shell = visit.shell("New role", Section::People).await?;
    ok(&FormPage { shell, id: String::new(), name: String::new(), areas: areas(&like), mistakes: Vec::new() })
}

/// The form of a role that there is.
pub(crate) async fn edit_form(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    visit.app.may_write_people(&visit.caller)?;
    let role = visit.app.role(&visit.caller, &id).await?;
    ok(&FormPage {
        shell: visit.shell("Change a role", Section::People).await?,
        id: role.id.to_string(),
        areas: areas(&role.actions),
        name: role.display_name,
        mistakes: Vec::new(),
    })
}

/// Makes a role, or changes one.
pub(crate) async fn save(visit: Visit, body: Bytes) -> Result<Response, Error> {
    visit.app.may_write_people(&visit.caller)?;
    let pairs: Vec<(String, String)> = super::visit::form(&body)?;
    let value = |wanted: &str| {
        pairs.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let (id, name) = (value("id"), value("name"));
    let actions: Vec<String> =
        pairs.iter().filter(|(name, _)| name == "action").map(|(_, action)| action.clone()).collect();
    let saved = if id.is_empty() {
        let new = NewRole { display_name: name.clone(), actions: actions.clone() };
        visit.app.create_role(&visit.caller, &new).await
    } else {
        let change = RoleChange { display_name: Some(name.clone()), actions: Some(actions.clone()) };
        visit.app.change_role(&visit.caller, &id, &change).await
    };
    match saved {
        Ok(role) => Ok(done(&format!("/admin/roles/{}", role.id), "role_saved")),
        Err(error) => {
            let mistakes = vec![mistake(error)?];
            let title = if id.is_empty() { "New role" } else { "Change a role" };
            let shell = visit.shell(title, Section::People).await?;
            again(&FormPage { shell, id, name, areas: areas(&actions), mistakes })
        }
    }
}

/// Deletes a role that nobody has.
pub(crate) async fn delete(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    visit.app.may_write_people(&visit.caller)?;
    let role = visit.app.role(&visit.caller, &id).await?;
    match visit.app.delete_role(&visit.caller, &id).await {
        Ok(()) => Ok(done("/admin/roles", "role_deleted")),
        Err(error) => {
            let mistakes = vec![mistake(error)?];
            again(&role_page(&visit, &role, mistakes).await?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_of_roles_stands_in_the_form_once() {
        let mut listed: Vec<Action> =
            AREAS.iter().flat_map(|(_, actions)| *actions).map(|(action, _)| *action).collect();
        listed.sort_unstable();
        let mut all: Vec<Action> = Action::ALL.iter().copied().filter(|action| action.is_of_roles()).collect();
        all.sort_unstable();
        assert_eq!(listed, all);
    }

    #[test]
    fn chosen_is_what_is_named() {
        let named = [Action::Rotate.name().to_uppercase()];
        let chosen: Vec<_> = areas(&named)
            .iter()
            .flat_map(|area| &area.actions)
            .filter(|one| one.chosen)
            .map(|one| one.name)
            .collect::<Vec<_>>();
        assert_eq!(chosen, [Action::Rotate.name()]);
    }
}
