//! People and service principals, their roles, and what is shown once when one is made.

use super::devices::Badge;
use super::mistake::{again, mistake};
use super::shell::{Section, Shell, ok};
use super::shown::Shown;
use super::visit::{Visit, done, form};
use crate::app::Error;
use askama::Template;
use axum::body::Bytes;
use axum::extract::Path;
use axum::response::Response;
use laps::id::PrincipalId;
use proto::admin::{NewServicePrincipal, NewUser, Person, RoleAssignment};
use proto::oauth::Secret;
use serde::Deserialize;
use std::collections::BTreeMap;

/// People of one page of the list.
const PEOPLE: u32 = 100;

/// A role that somebody has.
pub(super) struct Held {
    pub(super) role: Shown,
    pub(super) role_name: String,
    /// The group, by id; empty for the whole tenant.
    pub(super) group: String,
    pub(super) scope: Shown,
}

/// Somebody, as the list and the page of a person show them.
pub(super) struct Line {
    pub(super) id: String,
    pub(super) name: Shown,
    pub(super) display_name: Shown,
    pub(super) state: Badge,
    pub(super) roles: Vec<Held>,
    enabled: bool,
}

pub(super) struct Choice {
    pub(super) value: String,
    pub(super) label: Shown,
}

#[derive(Template)]
#[template(path = "people.html")]
struct PeoplePage {
    shell: Shell,
    people: Vec<Line>,
    programs: Vec<Line>,
    roles: Vec<Choice>,
    groups: Vec<Choice>,
    next: Option<String>,
    may_write: bool,
    /// What was typed into the form of a new person.
    typed: Made,
    mistakes: Vec<Shown>,
}

/// A secret that is shown this once.
#[derive(Template)]
#[template(path = "secret.html")]
pub(in crate::http::admin) struct SecretPage {
    pub(super) shell: Shell,
    pub(super) title: &'static str,
    pub(super) explanation: &'static str,
    pub(super) who: Shown,
    pub(super) facts: Vec<(&'static str, Shown)>,
    pub(super) secret: Secret,
    pub(super) back: &'static str,
}

/// The page.
pub(crate) async fn people(visit: Visit) -> Result<Response, Error> {
    ok(&people_page(&visit, Made::default(), Vec::new()).await?)
}

async fn people_page(visit: &Visit, typed: Made, mistakes: Vec<Shown>) -> Result<PeoplePage, Error> {
    let after = visit.after("admin/people")?;
    let first = after.is_none();
    let people = visit.app.users(&visit.caller, after, PEOPLE).await?;
    // Programs stand on the first page only; there are few of them.
    let programs = match first {
        true => visit.app.service_principals(&visit.caller, None, PEOPLE).await?.items,
        false => Vec::new(),
    };
    let Choices { roles, groups, names } = choices(visit).await?;
    Ok(PeoplePage {
        shell: visit.shell("People", Section::People).await?,
        people: people.items.iter().map(|person| line(person, &names)).collect(),
        programs: programs.iter().map(|person| line(person, &names)).collect(),
        roles,
        groups,
        next: visit.next("/admin/people", "admin/people", &[], people.next),
        may_write: visit.app.sections(&visit.caller).await?.write_people,
        typed,
        mistakes,
    })
}

/// What a role can be given for, and the names of groups by id.
pub(super) struct Choices {
    pub(super) roles: Vec<Choice>,
    pub(super) groups: Vec<Choice>,
    pub(super) names: BTreeMap<String, String>,
}

pub(super) async fn choices(visit: &Visit) -> Result<Choices, Error> {
    let roles = visit.app.roles(&visit.caller).await?;
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let mut groups = vec![Choice { value: String::new(), label: Shown::new("Every device") }];
    if let Ok(known) = visit.app.groups(&visit.caller, None, 500).await {
        let all = laps::id::GroupId::from_bytes([0xff; 16]);
        for group in known.items.into_iter().filter(|group| group.id != all) {
            groups.push(Choice { value: group.id.to_string(), label: Shown::new(&group.name) });
            names.insert(group.id.to_string(), group.name);
        }
    }
    let roles = roles.iter().map(|role| Choice { value: role.id.to_string(), label: Shown::new(&role.display_name) });
    Ok(Choices { roles: roles.collect(), groups, names })
}

pub(super) fn line(person: &Person, groups: &BTreeMap<String, String>) -> Line {
    Line {
        id: person.id.to_string(),
        name: Shown::new(&person.name),
        display_name: Shown::new(&person.display_name),
        state: if person.enabled { Badge::new("good", "Enabled") } else { Badge::new("warn", "Disabled") },
        enabled: person.enabled,
        roles: person
            .roles
            .iter()
            .map(|held| {
                let group = held.group.map(|group| group.to_string()).unwrap_or_default();
                let scope = match groups.get(&group) {
                    _ if group.is_empty() => "every device",
                    Some(name) => name,
                    None => &group,
                };
                Held { role: Shown::new(&held.role), role_name: held.role.clone(), scope: Shown::new(scope), group }
            })
            .collect(),
    }
}

pub(super) fn key(id: &str) -> Result<PrincipalId, Error> {
    id.parse().map_err(|_| Error::not_found("principal_unknown", "there is nobody with this id; look at the list"))
}

fn chosen(text: String) -> Option<String> {
    let text = text.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

#[derive(Deserialize, Default, Clone)]
#[serde(default)]
struct Made {
    user_name: String,
    display_name: String,
    role: String,
    group: String,
}

/// Makes a person; the one-time secret is shown once.
pub(crate) async fn create(visit: Visit, body: Bytes) -> Result<Response, Error> {
    let asked: Made = form(&body)?;
    let new = NewUser {
        user_name: asked.user_name.clone(),
        display_name: chosen(asked.display_name.clone()),
        role: chosen(asked.role.clone()),
        group: chosen(asked.group.clone()),
    };
    match visit.app.create_user(&visit.caller, &new).await {
        Ok(made) => one_time(&visit, &made).await,
        Err(error) => {
            let mistakes = vec![mistake(error)?];
            again(&people_page(&visit, asked, mistakes).await?)
        }
    }
}

/// Gives a person a new one-time secret.
pub(crate) async fn reset(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    let made = visit.app.reset_user(&visit.caller, key(&id)?).await?;
    one_time(&visit, &made).await
}

async fn one_time(visit: &Visit, made: &proto::admin::CreatedUser) -> Result<Response, Error> {
    ok(&SecretPage {
        shell: visit.shell("One-time secret", Section::People).await?,
        title: "One-time secret",
        explanation: "Give it to the person on a safe way. It is asked for at the first sign-in, together with a \
                      password of the person's own choice. It is shown this once.",
        who: Shown::new(&made.user_name),
        facts: vec![("Good until", Shown::new(&made.expires_date_time.to_string()))],
        secret: Secret::new(made.one_time_secret.clone()),
        back: "/admin/people",
    })
}

/// Makes a service principal; its secret is shown once.
pub(crate) async fn create_program(visit: Visit, body: Bytes) -> Result<Response, Error> {
    let asked: Made = form(&body)?;
    let new = NewServicePrincipal {
        display_name: asked.display_name.clone(),
        role: chosen(asked.role),
        group: chosen(asked.group),
        permissions: Vec::new(),
        secret_days: None,
    };
    let made = visit.app.create_service_principal(&visit.caller, &new).await?;
    ok(&SecretPage {
        shell: visit.shell("Client secret", Section::People).await?,
        title: "Client secret",
        explanation: "The program signs in with its client id and this secret (OAuth 2.0, client credentials). It is \
                      shown this once.",
        who: Shown::new(&asked.display_name),
        facts: vec![
            ("Client id", Shown::new(&made.client_id.to_string())),
            ("Tenant", Shown::new(&made.tenant_id)),
            ("Good until", Shown::new(&made.expires_date_time.to_string())),
        ],
        secret: Secret::new(made.client_secret.clone()),
        back: "/admin/people",
    })
}

/// Acts on a person: each is done, and the list is shown again with a note.
macro_rules! acts {
    ($($(#[$doc:meta])* $name:ident $note:literal |$app:ident, $caller:ident, $id:ident| $act:expr;)*) => {$(
        $(#[$doc])*
        pub(crate) async fn $name(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
            let $id = key(&id)?;
            let ($app, $caller) = (&visit.app, &visit.caller);
            $act.await?;
            Ok(done("/admin/people", $note))
        }
    )*};
}

acts! {
    /// Lets a person sign in again.
    enable "person_enabled" |app, caller, id| app.enable_user(caller, id, true);
    /// Lets a person sign in no more.
    disable "person_disabled" |app, caller, id| app.enable_user(caller, id, false);
    /// Removes a person.
    delete "person_deleted" |app, caller, id| app.delete_user(caller, id);
    /// Removes a service principal.
    delete_program "person_deleted" |app, caller, id| app.delete_service_principal(caller, id);
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Given {
    principal: String,
    role: String,
    group: String,
    /// `person` from the page of a person, to which it leads back.
    back: String,
}

/// What is asked for, and the page that it leads back to.
fn assignment(body: &Bytes) -> Result<(RoleAssignment, String), Error> {
    let asked: Given = form(body)?;
    let principal = key(&asked.principal)?;
    let back = match asked.back.as_str() {
        "person" => format!("/admin/people/{principal}"),
        _ => "/admin/people".to_owned(),
    };
    Ok((RoleAssignment { principal, role: asked.role, group: chosen(asked.group) }, back))
}

/// Gives a role.
pub(crate) async fn assign(visit: Visit, body: Bytes) -> Result<Response, Error> {
    let (asked, back) = assignment(&body)?;
    visit.app.assign_role(&visit.caller, &asked).await?;
    Ok(done(&back, "role_given"))
}

/// Takes a role.
pub(crate) async fn unassign(visit: Visit, body: Bytes) -> Result<Response, Error> {
    let (asked, back) = assignment(&body)?;
    visit.app.unassign_role(&visit.caller, &asked).await?;
    Ok(done(&back, "role_taken"))
}
