//! Access: requests to read passwords, one's own and those that wait for one's answer; what groups ask of readers.

mod rules;

pub(crate) use rules::{clear, rule, rules, set};

use super::devices::Badge;
use super::shell::{Section, Shell, ok, page, sentence};
use super::shown::{Shown, When, words};
use super::visit::{Visit, done, form};
use crate::app::{Error, Kind};
use askama::Template;
use axum::body::Bytes;
use axum::extract::Path;
use axum::response::Response;
use http::StatusCode;
use proto::admin::AccessRequest;
use serde::Deserialize;

/// Requests that are looked at in one step.
const STEP: u32 = 100;
/// Steps for the page of what lives; there is more on the page of all.
const STEPS: usize = 5;

/// A request, as a card shows it.
struct Card {
    id: String,
    device: String,
    device_name: Shown,
    who: Shown,
    reason: Shown,
    ticket: Option<Shown>,
    asked: When,
    until: When,
    state: Badge,
    approvals: String,
    reads: String,
    answers: Vec<Answered>,
    /// Its time is not over.
    lives: bool,
    is_open: bool,
    is_approved: bool,
    mine: bool,
    /// What is wrong with the answer that was sent, and what was typed.
    mistake: Option<Shown>,
    typed: String,
}

struct Answered {
    who: Shown,
    word: &'static str,
    at: When,
    why: Option<Shown>,
}

/// The tabs of the section.
pub(super) struct Tabs {
    here: &'static str,
    requests: bool,
    rules: bool,
}

#[derive(Template)]
#[template(path = "access.html")]
struct AccessPage {
    shell: Shell,
    tabs: Tabs,
    /// Of others, and not answered by the person.
    waiting: Vec<Card>,
    mine: Vec<Card>,
    /// Of others, approved or answered by the person: they can still be denied.
    others: Vec<Card>,
    may_answer: bool,
}

#[derive(Template)]
#[template(path = "access_all.html")]
struct AllPage {
    shell: Shell,
    tabs: Tabs,
    cards: Vec<Card>,
    later: bool,
    next: Option<String>,
}

async fn tabs(visit: &Visit, here: &'static str) -> Result<Tabs, Error> {
    let sections = visit.app.sections(&visit.caller).await?;
    Ok(Tabs { here, requests: sections.access, rules: sections.reading_rules })
}

fn state_badge(state: &str) -> Badge {
    match state {
        "open" => Badge::new("info", "Waiting"),
        "approved" => Badge::new("good", "Approved"),
        "denied" => Badge::new("bad", "Denied"),
        "cancelled" => Badge::new("plain", "Taken back"),
        "used" => Badge::new("plain", "Used up"),
        "expired" => Badge::new("plain", "Run out"),
        other => Badge::new("plain", words(other)),
    }
}

fn card(request: &AccessRequest, visit: &Visit) -> Card {
    let me = visit.caller.principal().map(|principal| principal.id);
    let yes = request.answers.iter().filter(|answer| answer.approved).count();
    Card {
        id: request.id.clone(),
        device: request.device.to_string(),
        device_name: Shown::new(&request.device_name),
        who: Shown::new(&request.requested_by_name),
        reason: Shown::cut(&request.reason, 500),
        ticket: request.ticket.as_deref().map(|ticket| Shown::cut(ticket, 500)),
        asked: When::of(request.requested_date_time, visit.now),
        until: When::of(request.expiration_date_time, visit.now),
        state: state_badge(&request.state),
        approvals: format!("{yes} of {}", request.approvals_needed),
        reads: match request.reads_left {
            1 => "1 read left".to_owned(),
            reads => format!("{reads} reads left"),
        },
        answers: request
            .answers
            .iter()
            .map(|answer| Answered {
                who: Shown::new(&answer.by_name),
                word: if answer.approved { "approved" } else { "denied" },
                at: When::of(answer.date_time, visit.now),
                why: answer.reason.as_deref().map(|why| Shown::cut(why, 500)),
            })
            .collect(),
        lives: request.expiration_date_time > visit.now,
        is_open: request.state == "open",
        is_approved: request.state == "approved",
        mine: me == Some(request.requested_by),
        mistake: None,
        typed: String::new(),
    }
}

/// What lives: what waits for the person, the person's own, the rest.
pub(crate) async fn access(visit: Visit) -> Result<Response, Error> {
    shown(&visit, None).await
}

/// With what was typed into the answer of one request, and what is wrong with it.
async fn shown(visit: &Visit, wrong: Option<(&str, String, Shown)>) -> Result<Response, Error> {
    let me = visit.caller.principal().map(|principal| principal.id);
    let (mut waiting, mut mine, mut others) = (Vec::new(), Vec::new(), Vec::new());
    let mut after = None;
    for _ in 0..STEPS {
        let listed = visit.app.access_requests(&visit.caller, true, after, STEP).await?;
        for request in &listed.items {
            let answered = request.answers.iter().any(|answer| Some(answer.by) == me);
            let mut card = card(request, visit);
            if let Some((_, typed, mistake)) = wrong.as_ref().filter(|(id, ..)| *id == card.id) {
                (card.typed, card.mistake) = (typed.clone(), Some(mistake.clone()));
            }
            match (card.mine, card.is_open && !answered) {
                (true, _) => mine.push(card),
                (false, true) => waiting.push(card),
                (false, false) => others.push(card),
            }
        }
        after = listed.next;
        if after.is_none() {
            break;
        }
    }
    // Who has waited longest comes first.
    waiting.reverse();
    let status = if wrong.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let whole = AccessPage {
        shell: visit.shell("Access", Section::Access).await?,
        tabs: tabs(visit, "requests").await?,
        may_answer: visit.app.may_answer_access(&visit.caller),
        waiting,
        mine,
        others,
    };
    page(status, &whole)
}

/// Every request that is kept, page by page.
pub(crate) async fn all(visit: Visit) -> Result<Response, Error> {
    let after = visit.after("admin/access")?;
    let later = after.is_some();
    let listed = visit.app.access_requests(&visit.caller, false, after, STEP / 2).await?;
    ok(&AllPage {
        shell: visit.shell("Access", Section::Access).await?,
        tabs: tabs(&visit, "all").await?,
        cards: listed.items.iter().map(|request| card(request, &visit)).collect(),
        later,
        next: visit.next("/admin/access/all", "admin/access", &[], listed.next),
    })
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Answer {
    reason: String,
}

async fn answer(visit: Visit, id: &str, approved: bool, body: &[u8]) -> Result<Response, Error> {
    let Answer { reason } = form(body)?;
    let why = Some(reason.as_str()).filter(|reason| !reason.trim().is_empty());
    match visit.app.answer_access(&visit.caller, id, approved, why).await {
        Ok(_) => Ok(done("/admin/access", if approved { "access_approved" } else { "access_denied" })),
        Err(error) if error.kind() == Kind::Invalid => {
            let mistake = Shown::cut(&sentence(&error.text()), 400);
            shown(&visit, Some((id, reason, mistake))).await
        }
        Err(error) => Err(error),
    }
}

/// Approves a request of somebody else.
pub(crate) async fn approve(visit: Visit, Path(id): Path<String>, body: Bytes) -> Result<Response, Error> {
    answer(visit, &id, true, &body).await
}

/// Denies a request of somebody else, and says why.
pub(crate) async fn deny(visit: Visit, Path(id): Path<String>, body: Bytes) -> Result<Response, Error> {
    answer(visit, &id, false, &body).await
}

/// Takes one's own request back.
pub(crate) async fn cancel(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    visit.app.cancel_access(&visit.caller, &id).await?;
    Ok(done("/admin/access", "access_cancelled"))
}
