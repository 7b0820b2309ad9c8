//! `access …`: who may read passwords; requests to read them, and their approval.

use super::{device, readers};
use crate::{arguments::Globals, failure::Failure, output, session};
use clap::Subcommand;
use proto::admin::{AccessRequest, NewAccessRequest};

#[derive(Debug, Subcommand)]
pub(crate) enum AccessCommand {
    /// Whether somebody may read a machine's password, and by which path
    Explain {
        /// The person or program: its id or name
        person: String,
        /// The machine: its id, or its name when no other has it
        device: String,
    },
    /// Everybody who may read a machine's password, and by which path
    Who {
        /// The machine: its id, or its name when no other has it
        device: String,
    },
    /// Ask for access to the passwords of a machine whose groups ask for approval
    Request {
        /// The machine: its id, or its name when no other has it
        device: String,
        /// Why; those who approve see it, and it goes into the audit log
        #[arg(long)]
        reason: String,
        /// The ticket
        #[arg(long)]
        ticket: Option<String>,
        /// Minutes that the request lives; default: as long as the rules let it
        #[arg(long, value_name = "MINUTES")]
        minutes: Option<u32>,
    },
    /// List your requests, and those that you may answer
    List {
        /// Also those that are over
        #[arg(long)]
        all: bool,
    },
    /// Approve somebody else's request
    Approve {
        /// The request's id
        id: String,
    },
    /// Deny somebody else's request
    Deny {
        /// The request's id
        id: String,
        /// Why; who asked reads it
        #[arg(long)]
        reason: Option<String>,
    },
    /// Take your own request back
    Cancel {
        /// The request's id
        id: String,
    },
}

/// `lapwing access …`.
pub(crate) async fn run(globals: &Globals, command: AccessCommand) -> Result<(), Failure> {
    let signed_in = session::signed_in(globals).await?;
    match command {
        AccessCommand::Explain { person, device } => readers::explain(globals, &signed_in, &person, &device).await,
        AccessCommand::Who { device } => readers::who(globals, &signed_in, &device).await,
        AccessCommand::Request { device, reason, ticket, minutes } => {
            let device = device::find(&signed_in, &device).await?;
            let new = NewAccessRequest { device: device.device_id, reason, ticket, minutes };
            let request = signed_in.request_access(&new).await?;
            output::message(&format!(
                "asked for access to {}: {} of {} approved, until {}",
                device.display_name,
                request.answers.len(),
                request.approvals_needed,
                request.expiration_date_time
            ));
            output::message(&format!("  next: somebody else approves it: lapwing access approve {}", request.id));
            output::item(globals.output, &request, fields(&request))
        }
        AccessCommand::List { all } => {
            let requests = signed_in.access_requests(all).await?;
            output::list(
                globals.output,
                &requests,
                &["id", "machine", "who", "reason", "ticket", "state", "approved", "until"],
                |request| {
                    vec![
                        request.id.clone(),
                        request.device_name.clone(),
                        request.requested_by_name.clone(),
                        request.reason.clone(),
                        request.ticket.clone().unwrap_or_default(),
                        request.state.clone(),
                        approved(request),
                        request.expiration_date_time.to_string(),
                    ]
                },
            )
        }
        AccessCommand::Approve { id } => answered(globals, &signed_in.answer_access(&id, "approve").await?),
        AccessCommand::Deny { id, reason } => answered(globals, &signed_in.deny_access(&id, reason.as_deref()).await?),
        AccessCommand::Cancel { id } => answered(globals, &signed_in.answer_access(&id, "cancel").await?),
    }
}

fn approved(request: &AccessRequest) -> String {
    let yes = request.answers.iter().filter(|answer| answer.approved).count();
    format!("{yes} of {}", request.approvals_needed)
}

fn answered(globals: &Globals, request: &AccessRequest) -> Result<(), Failure> {
    let (name, who) = (&request.device_name, &request.requested_by_name);
    output::message(&format!("the request of {who} to read passwords of {name} is {}", request.state));
    output::item(globals.output, request, fields(request))
}

fn fields(request: &AccessRequest) -> Vec<(&'static str, String)> {
    let answers: Vec<_> = request
        .answers
        .iter()
        .map(|answer| {
            let word = if answer.approved { "approved" } else { "denied" };
            let why = answer.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
            format!("{word} by {} at {}{why}", answer.by_name, answer.date_time)
        })
        .collect();
    vec![
        ("Id", request.id.clone()),
        ("Machine", request.device_name.clone()),
        ("Asked by", request.requested_by_name.clone()),
        ("Reason", request.reason.clone()),
        ("Ticket", request.ticket.clone().unwrap_or_default()),
        ("State", request.state.clone()),
        ("Approved", approved(request)),
        ("Answers", answers.join("\n")),
        ("Until", request.expiration_date_time.to_string()),
        ("Reads left", request.reads_left.to_string()),
    ]
}
