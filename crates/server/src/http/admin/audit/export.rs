//! The audit log as a file, and how its chain stands.

use super::super::shell::{Section, Shell, ok};
use super::super::shown::{Shown, When};
use super::super::visit::Visit;
use super::day;
use crate::app::audit_proof::AuditProof;
use crate::app::{App, Error};
use crate::authz::Caller;
use askama::Template;
use axum::body::{Body, Bytes};
use axum::response::Response;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use http::{HeaderValue, header};
use hyper::body::Frame;
use laps::time::Timestamp;
use proto::audit::{Line, cef, ocsf};
use serde::Deserialize;
use std::sync::Arc;

/// Records that are read at once.
const RECORDS: u32 = 500;

#[derive(Template)]
#[template(path = "audit_proof.html")]
struct ProofPage {
    shell: Shell,
    /// The last record, and when its head was signed.
    last: u64,
    signed: Option<When>,
    head: String,
    key: String,
    /// Records up to there were removed because their time was over.
    pruned: u64,
    proof: Option<Proven>,
    today: String,
}

/// What looking through the chain came to.
struct Proven {
    first: u64,
    last: u64,
    fault: Option<Shown>,
}

/// How the chain stands, and the form of the export.
pub(crate) async fn proof(visit: Visit) -> Result<Response, Error> {
    shown(&visit, None).await
}

/// Looks through the chain.
pub(crate) async fn prove(visit: Visit) -> Result<Response, Error> {
    let proof = visit.app.prove_audit(&visit.caller).await?;
    shown(&visit, Some(proof)).await
}

async fn shown(visit: &Visit, proof: Option<AuditProof>) -> Result<Response, Error> {
    let state = visit.app.audit_state(&visit.caller).await?;
    ok(&ProofPage {
        shell: visit.shell("Audit log", Section::Audit).await?,
        last: state.last,
        signed: When::maybe(state.signed_at.map(|at| at.min(visit.now)), visit.now),
        head: state.head,
        key: state.public_key,
        pruned: state.pruned,
        proof: proof.map(|proof| Proven {
            first: proof.first,
            last: proof.last,
            fault: proof.fault.map(|fault| Shown::cut(&fault, 300)),
        }),
        today: visit.now.to_string().chars().take(10).collect(),
    })
}

/// The form of the lines.
#[derive(Clone, Copy)]
enum Format {
    JsonLines,
    Cef,
    Ocsf,
}

impl Format {
    fn of(word: &str) -> Result<Self, Error> {
        match word {
            "" | "jsonl" => Ok(Self::JsonLines),
            "cef" => Ok(Self::Cef),
            "ocsf" => Ok(Self::Ocsf),
            _ => Err(Error::invalid("bad_format", "an export is jsonl, cef or ocsf; choose one of them")),
        }
    }
    const fn word(self) -> &'static str {
        match self {
            Self::JsonLines => "jsonl",
            Self::Cef => "cef",
            Self::Ocsf => "ocsf",
        }
    }
    const fn ending(self) -> &'static str {
        match self {
            Self::JsonLines => "jsonl",
            Self::Cef => "cef",
            Self::Ocsf => "ocsf.jsonl",
        }
    }
    const fn content_type(self) -> &'static str {
        match self {
            Self::Cef => "text/plain; charset=utf-8",
            _ => "application/x-ndjson",
        }
    }
    fn put(self, line: &Line, to: &mut String) -> Result<(), Error> {
        let version = env!("CARGO_PKG_VERSION");
        match (self, line) {
            (Self::JsonLines, line) => {
                let text = serde_json::to_string(line);
                to.push_str(&text.map_err(|error| Error::Internal(format!("a record cannot be written: {error}")))?);
            }
            (Self::Cef, Line::Record(record)) => to.push_str(&cef(record, version)),
            (Self::Ocsf, Line::Record(record)) => to.push_str(&ocsf(record, version).to_string()),
            _ => return Ok(()),
        }
        to.push('\n');
        Ok(())
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Asked {
    format: String,
    from: String,
    until: String,
}

/// What is exported, for each of its pieces.
#[derive(Clone)]
struct Export {
    app: Arc<App>,
    caller: Caller,
    format: Format,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Export {
    /// The next lines, and the place behind them.
    async fn piece(self, after: Option<String>) -> Result<(Bytes, Option<String>), Error> {
        let listed =
            self.app.audit_export(&self.caller, self.format.word(), self.since, self.until, after, RECORDS).await?;
        let mut text = String::new();
        for line in &listed.items {
            self.format.put(line, &mut text)?;
        }
        Ok((text.into(), listed.next))
    }
}

type Piece = Pin<Box<dyn Future<Output = Result<(Bytes, Option<String>), Error>> + Send>>;

/// The body of a download: the next piece is read when the one before it was taken. One that cannot be read breaks
/// the download off, and what was taken does not verify: its signed end is missing.
struct Download {
    export: Export,
    ready: Option<Bytes>,
    after: Option<String>,
    piece: Option<Piece>,
}

impl hyper::body::Body for Download {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let download = self.get_mut();
        if let Some(bytes) = download.ready.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if let Some(after) = download.after.take() {
            download.piece = Some(Box::pin(download.export.clone().piece(Some(after))));
        }
        let Some(piece) = &mut download.piece else { return Poll::Ready(None) };
        let read = ready!(piece.as_mut().poll(context));
        download.piece = None;
        Poll::Ready(Some(read.map(|(bytes, after)| {
            download.after = after;
            Frame::data(bytes)
        })))
    }
}

/// The log of some days as a file.
pub(crate) async fn export(visit: Visit) -> Result<Response, Error> {
    let asked: Asked = visit.query()?;
    let format = Format::of(&asked.format)?;
    let moment = |text: &str| Ok::<_, Error>(day(text)?.as_deref().and_then(Timestamp::parse_rfc3339));
    let (since, until) = (moment(&asked.from)?, moment(&asked.until)?.map(|until| until.plus_days(1)));
    let export = Export { app: Arc::clone(&visit.app), caller: visit.caller.clone(), format, since, until };
    // What is refused is refused before anything is sent.
    let (first, after) = export.clone().piece(None).await?;
    let mut response = Response::new(Body::new(Download { export, ready: Some(first), after, piece: None }));
    super::super::super::no_store(&mut response);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    let day: String = visit.now.to_string().chars().take(10).collect();
    let name = format!("attachment; filename=\"lapwing-audit-{day}.{}\"", format.ending());
    if let Ok(name) = HeaderValue::from_str(&name) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}
