//! One person: roles, what the person signs in with, sessions, API tokens; and what an administrator does about them.

use super::mistake::{again, mistake};
use super::people::{Choice, Choices, Line, choices, key, line};
use super::shell::{Section, Shell, ok};
use super::shown::{Shown, When};
use super::visit::{Visit, done, form};
use crate::app::Error;
use askama::Template;
use axum::body::Bytes;
use axum::extract::Path;
use axum::response::Response;
use laps::id::PrincipalId;
use proto::admin::Identity;
use serde::Deserialize;

struct Session {
    id: String,
    client: Shown,
    kind: &'static str,
    since: When,
}

struct Token {
    id: String,
    name: Shown,
    scopes: String,
    until: When,
}

struct Link {
    provider: String,
    provider_name: Shown,
    subject: String,
    shown: Shown,
}

struct Provider {
    id: String,
    name: Shown,
}

#[derive(Template)]
#[template(path = "people/one.html")]
struct PersonPage {
    shell: Shell,
    line: Line,
    /// What can be given.
    roles: Vec<Choice>,
    groups: Vec<Choice>,
    totp_since: Option<When>,
    recovery_codes: u32,
    passkeys: Vec<(Shown, When)>,
    sessions: Vec<Session>,
    tokens: Vec<Token>,
    links: Vec<Link>,
    providers: Vec<Provider>,
    may_write: bool,
    /// What was typed into the field of a new link.
    subject: String,
    mistakes: Vec<Shown>,
}

/// The page.
pub(crate) async fn one(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    visit.app.may_read_people(&visit.caller)?;
    ok(&person_page(&visit, key(&id)?, String::new(), Vec::new()).await?)
}

async fn person_page(
    visit: &Visit,
    id: PrincipalId,
    subject: String,
    mistakes: Vec<Shown>,
) -> Result<PersonPage, Error> {
    let (app, caller, now) = (&visit.app, &visit.caller, visit.now);
    let person = app.person_of(caller, id).await?;
    let Choices { roles, groups, names } = choices(visit).await?;
    let factors = app.factors(caller, id).await?;
    let known = app.sign_in_providers(caller).await?;
    let provider_name = |id: &str| known.iter().find(|(own, _)| own == id).map_or("", |(_, name)| name.as_str());
    Ok(PersonPage {
        shell: visit.shell(&person.display_name, Section::People).await?,
        line: line(&person, &names),
        roles,
        groups,
        totp_since: When::maybe(factors.totp_since, now),
        recovery_codes: factors.recovery_codes,
        passkeys: factors
            .passkeys
            .iter()
            .map(|passkey| (Shown::new(&passkey.name), When::of(passkey.created_date_time, now)))
            .collect(),
        sessions: app
            .sessions(caller, id)
            .await?
            .into_iter()
            .map(|session| Session {
                client: Shown::new(session.client.as_deref().unwrap_or("a program")),
                kind: if session.kind == "cookie" { "browser" } else { "program" },
                since: When::of(session.created_date_time, now),
                id: session.id,
            })
            .collect(),
        tokens: app
            .api_tokens(caller)
            .await?
            .into_iter()
            .filter(|token| token.user == id)
            .map(|token| Token {
                name: Shown::new(&token.name),
                scopes: token.scopes.join(", "),
                until: When::of(token.expires_date_time, now),
                id: token.id,
            })
            .collect(),
        links: app
            .identities(caller, id)
            .await?
            .into_iter()
            .map(|link| Link {
                provider_name: Shown::new(provider_name(&link.provider)),
                shown: Shown::new(&link.subject),
                provider: link.provider,
                subject: link.subject,
            })
            .collect(),
        providers: known.iter().map(|(id, name)| Provider { id: id.clone(), name: Shown::new(name) }).collect(),
        may_write: app.may_write_people(caller).is_ok(),
        subject,
        mistakes,
    })
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Named {
    session: String,
    token: String,
    provider: String,
    subject: String,
}

/// What is done about a person: with its note; a mistake is said on the page.
macro_rules! acts {
    ($($(#[$doc:meta])* $name:ident $note:literal |$visit:ident, $id:ident, $named:ident| $act:expr;)*) => {$(
        $(#[$doc])*
        pub(crate) async fn $name($visit: Visit, Path(id): Path<String>, body: Bytes) -> Result<Response, Error> {
            $visit.app.may_write_people(&$visit.caller)?;
            let $id = key(&id)?;
            let $named: Named = form(&body)?;
            match $act.await {
                Ok(()) => Ok(done(&format!("/admin/people/{}", $id), $note)),
                Err(error) => {
                    let mistakes = vec![mistake(error)?];
                    again(&person_page(&$visit, $id, $named.subject, mistakes).await?)
                }
            }
        }
    )*};
}

acts! {
    /// Takes the generator of one-time codes away.
    reset_totp "totp_reset" |visit, id, named| visit.app.reset_totp(&visit.caller, id);
    /// Removes every passkey.
    reset_passkeys "passkeys_reset" |visit, id, named| visit.app.reset_passkeys(&visit.caller, id);
    /// Takes the lock of too many failures off.
    unlock "unlocked" |visit, id, named| visit.app.unlock_user(&visit.caller, id);
    /// Ends a session.
    end_session "session_over" |visit, id, named| visit.app.end_session(&visit.caller, id, &named.session);
    /// Revokes an API token.
    revoke_token "token_revoked" |visit, id, named| visit.app.revoke_api_token(&visit.caller, &named.token);
    /// Links an account elsewhere.
    link "identity_linked_other" |visit, id, named| visit.app.link_identity(&visit.caller, id, &Identity {
        provider: named.provider.clone(), subject: named.subject.clone() });
    /// Takes such a link away.
    unlink "identity_unlinked" |visit, id, named| visit.app.unlink_identity(&visit.caller, id, &Identity {
        provider: named.provider.clone(), subject: named.subject.clone() });
}
