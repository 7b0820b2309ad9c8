//! The panel with the password of a device: what is asked of a reader, and the password itself on request.

use super::super::password::Spelt;
use super::super::shell::{page, sentence};
use super::super::shown::{Shown, When};
use super::super::visit::{Visit, done, form};
use super::{Head, Row, head, key, proof_text, version_badge, whole};
use crate::app::inventory::DeviceSheet;
use crate::app::{Error, Justification};
use askama::Template;
use axum::body::Bytes;
use axum::extract::Path;
use axum::response::Response;
use http::StatusCode;
use proto::admin::{AccessRequest, NewAccessRequest};
use serde::Deserialize;

/// A password that was revealed.
pub(super) struct Revealed {
    pub(super) row: Row,
    pub(super) spelt: Spelt,
}

/// The panel with the password.
pub(super) struct Panel {
    /// None is stored.
    pub(super) none: bool,
    pub(super) shown: Vec<Revealed>,
    pub(super) earlier: Vec<Revealed>,
    pub(super) asks: Asks,
    /// The reader's own request for access that waits or can be used.
    pub(super) request: Option<OwnRequest>,
    /// When the password changes because it was read.
    pub(super) changes: Option<When>,
    /// What the reader typed, and what is wrong with it.
    pub(super) typed: Said,
    pub(super) mistake: Option<Shown>,
}

/// What the rules of the device's groups ask of who reads.
#[derive(Default)]
pub(super) struct Asks {
    pub(super) reason: bool,
    pub(super) ticket: bool,
    /// What the ticket must look like.
    pub(super) patterns: Vec<Shown>,
    /// How many others must approve.
    pub(super) approvals: u8,
    /// Minutes that a request for access may live.
    pub(super) minutes: u32,
    /// Reads that an approved request is good for.
    pub(super) reads: u32,
    /// How long after a read the password changes.
    pub(super) changes_after: Option<String>,
    /// The reader may pass over approval.
    pub(super) break_glass: bool,
}

/// The reader's own request.
pub(super) struct OwnRequest {
    pub(super) id: String,
    pub(super) approved: bool,
    /// Who approved so far.
    pub(super) by: Vec<Shown>,
    pub(super) needed: u8,
    pub(super) reads_left: u32,
    pub(super) until: When,
    pub(super) reason: Shown,
    pub(super) ticket: Option<Shown>,
}

/// What a reader says beside what is to be read.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Said {
    pub(super) reason: String,
    pub(super) ticket: String,
    pub(super) minutes: String,
    pub(super) break_glass: Option<String>,
}

#[derive(Template)]
#[template(path = "device_password.html")]
struct PasswordPart {
    head: Head,
    panel: Panel,
    shell: Token,
}

/// The form token, where a part of a page has no shell.
struct Token {
    form_token: String,
}

impl OwnRequest {
    fn of(request: &AccessRequest, visit: &Visit) -> Self {
        Self {
            id: request.id.clone(),
            approved: request.state == "approved",
            by: request.answers.iter().map(|answer| Shown::new(&answer.by_name)).collect(),
            needed: request.approvals_needed,
            reads_left: request.reads_left,
            until: When::of(request.expiration_date_time, visit.now),
            reason: Shown::cut(&request.reason, 500),
            ticket: request.ticket.as_deref().map(|ticket| Shown::cut(ticket, 500)),
        }
    }
}

impl Panel {
    /// Without a password: what is asked of who wants it.
    pub(super) async fn closed(visit: &Visit, sheet: &DeviceSheet) -> Result<Self, Error> {
        let mut panel = Self {
            none: !sheet.versions.iter().any(|version| version.live),
            shown: Vec::new(),
            earlier: Vec::new(),
            asks: Asks::default(),
            request: None,
            changes: None,
            typed: Said::default(),
            mistake: None,
        };
        if sheet.rights.reveal {
            panel.look(visit, sheet).await?;
        }
        Ok(panel)
    }

    /// What the rules ask, and how far the reader is.
    async fn look(&mut self, visit: &Visit, sheet: &DeviceSheet) -> Result<(), Error> {
        let rule = visit.app.device_reading_rule(&visit.caller, sheet.line.id).await?;
        if rule.approvals > 0 {
            let request = visit.app.own_access(&visit.caller, sheet.line.id).await?;
            self.request = request.map(|request| OwnRequest::of(&request, visit));
        }
        self.changes = When::maybe(rule.rotation_due_date_time, visit.now);
        self.asks = Asks {
            reason: rule.reason_required,
            ticket: rule.ticket_required,
            patterns: rule.ticket_patterns.iter().map(|pattern| Shown::new(pattern)).collect(),
            approvals: rule.approvals,
            minutes: rule.approval_minutes,
            reads: rule.approval_reads,
            changes_after: rule.rotate_after_minutes.map(|minutes| match minutes {
                0 => "at once".to_owned(),
                minutes => format!("{minutes} min after it is read"),
            }),
            break_glass: sheet.rights.break_glass,
        };
        Ok(())
    }

    /// Nothing of a password is on it.
    pub(super) fn is_closed(&self) -> bool {
        self.shown.is_empty() && self.earlier.is_empty()
    }

    /// An approved request stands for reason and ticket.
    pub(super) fn granted(&self) -> bool {
        self.request.as_ref().is_some_and(|request| request.approved)
    }

    /// The reader must ask somebody first.
    pub(super) fn must_ask(&self) -> bool {
        self.asks.approvals > 0 && self.request.is_none()
    }
}

/// What is to be said beside the form; `None` for what is no matter of the form.
fn mistake(error: &Error, asks: &Asks) -> Option<Shown> {
    let text = match error.code() {
        "reason_required" => "Say why you need it: a reason is asked for here.".to_owned(),
        "ticket_required" => "Name the ticket: one is asked for here.".to_owned(),
        "ticket_malformed" => {
            let patterns: Vec<String> = asks.patterns.iter().map(Shown::to_string).collect();
            format!("The ticket does not look as it must: {}.", patterns.join(" and "))
        }
        "approval_required" => {
            "Reading needs an approval, and you have none that is good now. Ask for access below.".to_owned()
        }
        "bad_reason" | "bad_ticket" | "bad_minutes" => sentence(&error.text()),
        _ => return None,
    };
    Some(Shown::cut(&text, 400))
}

/// The panel again, with what was typed and what is wrong with it.
async fn again(visit: &Visit, sheet: &DeviceSheet, said: Said, error: Error) -> Result<Response, Error> {
    let mut panel = Panel::closed(visit, sheet).await?;
    let Some(mistake) = mistake(&error, &panel.asks) else { return Err(error) };
    panel.typed = said;
    panel.mistake = Some(mistake);
    answer(visit, sheet, panel, StatusCode::UNPROCESSABLE_ENTITY).await
}

async fn answer(visit: &Visit, sheet: &DeviceSheet, panel: Panel, status: StatusCode) -> Result<Response, Error> {
    if !visit.part {
        return whole(visit, sheet, panel, status).await;
    }
    let shell = Token { form_token: visit.form_token.clone() };
    page(status, &PasswordPart { head: head(sheet, "password", visit.now), panel, shell })
}

fn given(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.trim().is_empty())
}

/// Reveals the password: in place, or without a script as a whole page.
pub(crate) async fn reveal(visit: Visit, Path(id): Path<String>, body: Bytes) -> Result<Response, Error> {
    let id = key(&id)?;
    // Whoever may not see the device learns nothing of it, and the log learns of the attempt.
    let sheet = match visit.app.device_sheet(&visit.caller, id).await {
        Ok(sheet) => sheet,
        Err(error) => return Err(visit.app.refused_read(&visit.caller, id, error).await),
    };
    let said: Said = form(&body)?;
    let justification = Justification {
        reason: given(&said.reason),
        ticket: given(&said.ticket),
        break_glass: said.break_glass.is_some(),
    };
    let mut entity = match visit.app.reveal(&visit.caller, id, &justification).await {
        Ok(entity) => entity,
        Err(error) if sheet.rights.reveal => return again(&visit, &sheet, said, error).await,
        Err(error) => return Err(error),
    };
    let mut panel = Panel::closed(&visit, &sheet).await?;
    for version in entity.credentials.take().unwrap_or_default() {
        let live = version.live || version.of_predecessor;
        let revealed = Revealed {
            row: Row {
                account: Shown::new(&version.account_name),
                state: version_badge(&version.state),
                proof: proof_text(version.proof.as_deref()),
                stored: When::of(version.backup_date_time, visit.now),
                proven: When::maybe(version.proven_date_time, visit.now),
                due: When::maybe(version.expiration_date_time, visit.now),
                installed: version.installed,
                released: version.released,
                of_predecessor: version.of_predecessor,
                id: version.version_id.to_string(),
            },
            spelt: Spelt::of(&version.password),
        };
        if live { panel.shown.push(revealed) } else { panel.earlier.push(revealed) }
    }
    panel.none = panel.is_closed();
    answer(&visit, &sheet, panel, StatusCode::OK).await
}

/// Asks others for access to the passwords of the device.
pub(crate) async fn ask(visit: Visit, Path(id): Path<String>, body: Bytes) -> Result<Response, Error> {
    let id = key(&id)?;
    let sheet = visit.app.device_sheet(&visit.caller, id).await?;
    let said: Said = form(&body)?;
    let minutes = match said.minutes.trim() {
        "" => None,
        // What is no number is out of bounds like one that is too large.
        text => Some(text.parse().unwrap_or(u32::MAX)),
    };
    let new = NewAccessRequest { device: id, reason: said.reason.clone(), ticket: given(&said.ticket), minutes };
    match visit.app.request_access(&visit.caller, &new).await {
        Ok(_) => Ok(done(&format!("/admin/devices/{id}"), "access_asked")),
        Err(error) if sheet.rights.reveal => again(&visit, &sheet, said, error).await,
        Err(error) => Err(error),
    }
}

/// The reader is done with the password: it changes now.
pub(crate) async fn read_done(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    let id = key(&id)?;
    visit.app.device_sheet(&visit.caller, id).await?;
    visit.app.reading_done(&visit.caller, id).await?;
    Ok(done(&format!("/admin/devices/{id}"), "reading_done"))
}
