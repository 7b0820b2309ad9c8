//! What goes over the simulated network: the verbs of the device API in their wire types.

use client::Error;
use laps::{decide::Plan, rotation::Failure};
use proto::device::{Abandon, Prove, Report, ReportAnswer, Store};
use server::{
    app::{self, App},
    authz::Caller,
};
use zeroize::Zeroizing;

/// A request of a device. It may be delivered late, and more than once.
#[derive(Debug, Clone)]
pub(super) enum Request {
    /// A session with the management server; with the result of a reset. Answered by the run itself.
    CheckIn(Option<Result<(), Failure>>),
    /// `store`, as the bytes on the wire.
    Store(Zeroizing<Vec<u8>>),
    /// `prove`
    Prove(Prove),
    /// `abandon`
    Abandon(Abandon),
    /// `report`
    Report(Box<Report>),
}

/// An answer of the server.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    /// The policy in force, and whether the management server sent `ResetPassword`.
    CheckedIn(Plan, bool),
    /// `store`, `prove` or `abandon` was taken.
    Taken,
    /// `report`
    Report(Box<ReportAnswer>),
}

impl Request {
    /// One word for traces.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::CheckIn(_) => "check-in",
            Self::Store(_) => "store",
            Self::Prove(_) => "prove",
            Self::Abandon(_) => "abandon",
            Self::Report(_) => "report",
        }
    }

    /// Asks the application, as the HTTP edge does.
    pub(super) async fn ask(&self, app: &App, caller: &Caller) -> app::Result<Answer> {
        match self {
            // The run answers it before it comes here.
            Self::CheckIn(_) => Err(app::Error::Internal("a check-in is not a verb of the directory".into())),
            Self::Store(body) => {
                let (store, password) = Store::decode(body)
                    .map_err(|error| app::Error::device(proto::device::Code::BadRequest, error.to_string()))?;
                app.store_version(caller, &store, &password).await.map(|_| Answer::Taken)
            }
            Self::Prove(prove) => app.prove_version(caller, prove).await.map(|_| Answer::Taken),
            Self::Abandon(abandon) => app.abandon_version(caller, abandon).await.map(|_| Answer::Taken),
            Self::Report(report) => app.report(caller, report).await.map(|answer| Answer::Report(Box::new(answer))),
        }
    }
}

/// A request on its way.
#[derive(Debug, Clone)]
pub(super) struct Envelope {
    /// Which machine sent it.
    pub(super) machine: usize,
    /// The life of the process that waits for the answer.
    pub(super) life: u64,
    /// Its number.
    pub(super) number: u64,
    /// With which certificate.
    pub(super) certificate: server::authz::DeviceIdentity,
    /// What it asks.
    pub(super) request: Request,
    /// The answer is lost.
    pub(super) deaf: bool,
    /// How long the answer takes, milliseconds.
    pub(super) back_ms: u64,
}

/// An answer on its way.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    /// To which machine.
    pub(super) machine: usize,
    /// The life of the process that waits for it.
    pub(super) life: u64,
    /// The number of the request.
    pub(super) number: u64,
    /// The answer.
    pub(super) answer: Result<Answer, Error>,
}
