//! The management server: one SyncML message of a device in, the answer out (protocols.md 1).
//!
//! A session is held in memory only. When it is lost the device goes on all the same: its next message
//! opens a new one, and what it has not taken is sent again.

mod memory;

pub(super) use memory::{Management, SESSIONS_MAX};

use super::delivery::{self, Plan, Shipment};
use super::{App, Error, Kind, Result};
use crate::authz::Caller;
use crate::store::{self, DeviceState};
use laps::csp::{HResult, Node};
use laps::id::DeviceId;
use laps::time::Timestamp;
use proto::device::Evidence;
use proto::dm::server::{Received, ServerSession, Ticket};
use proto::dm::session::SessionLimits;
use proto::dm::{Alert, Command, Fault, Header, Limits, Message, Mode, ReadError, Status, Verb};
use proto::dm::{alert, code};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Bounds of a session: 50 messages, 10 minutes, 1 MiB a message (protocols.md 1.7). Devices send no
/// large objects; what is held of one is bounded closer.
pub(super) const SESSION: SessionLimits =
    SessionLimits { messages: 50, duration_s: 600, message_bytes: 1 << 20, object_bytes: 64 << 10 };

/// The path of the management server.
const PATH: &str = "/mdm";

/// A session and what was sent in it.
pub(super) struct Running {
    session: ServerSession,
    session_id: String,
    opened_at: Timestamp,
    /// The device's first package has ended and was answered with work.
    is_begun: bool,
    delivery: Option<InFlight>,
    reset: ResetInFlight,
}

/// A delivery that was sent in this session and is not answered yet.
struct InFlight {
    shipment: Shipment,
    row: store::Delivery,
    atomic: Ticket,
    outcomes: BTreeMap<Ticket, u16>,
}

/// The commands about ResetPassword that were sent in this session.
#[derive(Default)]
struct ResetInFlight {
    /// `Exec`, and the request that it is for.
    exec: Option<(Ticket, u64)>,
    /// `Get` of the status after an accepted `Exec`.
    status: Option<Ticket>,
    /// An `Exec` was accepted: its status is read in the next message.
    is_status_due: bool,
}

impl Running {
    fn open(session: ServerSession, session_id: &str, opened_at: Timestamp) -> Self {
        Self {
            session,
            session_id: session_id.to_owned(),
            opened_at,
            is_begun: false,
            delivery: None,
            reset: ResetInFlight::default(),
        }
    }

    fn key(&self) -> (String, Timestamp) {
        (self.session_id.clone(), self.opened_at)
    }
}

impl App {
    /// Takes one SyncML message of a device and answers it. What is wrong inside the protocol is a status
    /// in the answer; a document without a readable header is an error with a stable code.
    pub async fn mdm_exchange(&self, caller: &Caller, body: &[u8]) -> Result<Vec<u8>> {
        let (device, _) = self.authentic(caller, false).await?;
        let now = self.now();
        let message = match proto::dm::read(body, Mode::Wire, &Limits::default()) {
            Ok(message) => message,
            Err(error) => return self.unreadable(device.id, body, &error),
        };
        let header = &message.header;
        let mut running = match self.management.take(device.id, &header.session_id) {
            Some(running) => running,
            None if self.management.has_room(now) => {
                // Before the store is read: what is assigned while the session runs wakes the device again.
                self.waiters.began(device.id, *self.store.watch_work().borrow());
                let session = ServerSession::open(&self.mdm_uri(), header, SESSION, now);
                Running::open(session, &header.session_id, now)
            }
            None => {
                return Err(Error::refused(
                    Kind::Unavailable,
                    "too_many_sessions",
                    "too many management sessions are open; try again in a minute",
                ));
            }
        };
        let received = match running.session.receive(&message, now) {
            Ok(received) => received,
            Err(error) => {
                tracing::debug!(device = %device.id, code = error.code(), "a management session was broken off");
                return Ok(self.broken_off(header, code::FAILED));
            }
        };
        if !received.is_repeat {
            self.advance(&device, &mut running, &received, now).await?;
        }
        let reply = running.session.reply();
        if !running.session.is_ended() {
            self.management.put(device.id, running);
        }
        Ok(proto::dm::write(&reply).into_bytes())
    }

    fn mdm_uri(&self) -> String {
        format!("{}{PATH}", self.options.url)
    }

    /// Takes in what a message says, and queues what is to be said.
    async fn advance(
        &self,
        device: &store::Device,
        running: &mut Running,
        received: &Received,
        now: Timestamp,
    ) -> Result<()> {
        for (uri, value) in &received.device_info {
            tracing::debug!(device = %device.id, uri, value, "device information");
        }
        for notice in &received.notices {
            let (kind, source) = (notice.kind.as_deref(), notice.source.as_deref());
            tracing::debug!(device = %device.id, code = notice.code, kind, source, data = notice.data.as_deref(), "alert");
        }
        self.take_reset(device.id, &mut running.reset, received);
        // Only an enabled device is given anything to do; what the others say is taken.
        let speaks = received.is_final && running.session.takes_commands() && device.state == DeviceState::Enabled;
        if let Some(again) = self.take_delivery(device.id, running, received, now).await?
            && speaks
        {
            self.send(device.id, running, again, now).await?;
        }
        if !speaks {
            return Ok(());
        }
        if running.is_begun {
            if core::mem::take(&mut running.reset.is_status_due) {
                running.reset.status = Some(queue_get(&mut running.session));
            }
            return Ok(());
        }
        running.is_begun = true;
        self.deliver(device.id, running, now).await?;
        self.rotate(device.id, running).await
    }

    /// Sends what is wanted and not in force.
    async fn deliver(&self, device: DeviceId, running: &mut Running, now: Timestamp) -> Result<()> {
        let assigned = self.store.policies_for(device).await?;
        let mut deliveries = self.store.deliveries(device).await?;
        if let Some(in_force) = &deliveries.in_force
            && self.has_lost_its_policy(device, in_force).await?
        {
            // What was taken is sent again, whole.
            deliveries.sent = deliveries.in_force.take();
        }
        match delivery::plan(&assigned, &deliveries) {
            Plan::InForce => Ok(()),
            Plan::Held(reason) if deliveries.held.as_deref() == Some(reason.as_str()) => Ok(()),
            Plan::Held(reason) => Ok(self.store.hold_delivery(device, reason).await?),
            Plan::Send(shipment) => self.send(device, running, shipment, now).await,
        }
    }

    /// Whether the device said last that its configuration tree holds nothing: a tree with one value in it wins
    /// over every other source (laps-behaviour.md 2.1).
    async fn has_lost_its_policy(&self, device: DeviceId, in_force: &store::Delivery) -> Result<bool> {
        let Some(report) = self.store.last_report(device).await? else { return Ok(false) };
        let evidence: Option<Evidence> = serde_json::from_str(&report.report.evidence).ok();
        // A report from before the delivery knows nothing of it.
        let is_newer = in_force.answered_at.is_some_and(|answered| report.changed_at > answered);
        let is_empty = evidence.is_some_and(|evidence| evidence.policy_source.as_deref() != Some("csp"));
        Ok(is_newer && is_empty && delivery::has_settings(in_force))
    }

    /// Notes a shipment, then queues it.
    async fn send(&self, device: DeviceId, running: &mut Running, shipment: Shipment, now: Timestamp) -> Result<()> {
        let row = self.store.record_delivery(shipment.row(device), now).await?;
        let Some(command) = shipment.command() else {
            // Nothing is wanted and nothing is there.
            return Ok(self.store.answer_delivery(device, row.sequence, Vec::new(), true, now).await?);
        };
        let atomic = running.session.queue(command);
        running.delivery = Some(InFlight { shipment, row, atomic, outcomes: BTreeMap::new() });
        Ok(())
    }

    /// Takes statuses of the delivery. When the device has answered for it that is stored; when it had
    /// lost what was to be deleted, the answer is what to send instead.
    async fn take_delivery(
        &self,
        device: DeviceId,
        running: &mut Running,
        received: &Received,
        now: Timestamp,
    ) -> Result<Option<Shipment>> {
        let Some(sent) = &mut running.delivery else { return Ok(None) };
        let inside: Vec<Ticket> =
            (1..=sent.shipment.len()).filter_map(|n| u32::try_from(n).ok()).map(|n| sent.atomic.plus(n)).collect();
        for outcome in &received.outcomes {
            if outcome.ticket == sent.atomic || inside.contains(&outcome.ticket) {
                sent.outcomes.insert(outcome.ticket, outcome.status);
            }
        }
        let Some(atomic) = sent.outcomes.get(&sent.atomic).copied() else { return Ok(None) };
        let statuses: Vec<Option<u16>> = inside.iter().map(|ticket| sent.outcomes.get(ticket).copied()).collect();
        if statuses.contains(&None) && !received.is_final {
            return Ok(None);
        }
        let Some(sent) = running.delivery.take() else { return Ok(None) };
        if let Some(again) = sent.shipment.without_lost(&statuses) {
            return Ok(Some(again));
        }
        let complete = atomic == code::OK && statuses.iter().all(|status| *status == Some(code::OK));
        let statuses = sent.shipment.statuses(&statuses);
        tracing::info!(device = %device, sequence = sent.row.sequence, complete, atomic, "policy was answered");
        if sent.row.answered_at.is_none() || sent.row.statuses != statuses {
            self.store.answer_delivery(device, sent.row.sequence, statuses, complete, now).await?;
        }
        Ok(None)
    }

    /// Asks for a reset when a person wants one and none is known to run, else for its status.
    async fn rotate(&self, device: DeviceId, running: &mut Running) -> Result<()> {
        let requests = self.store.rotation_requests(device).await?;
        let wanted = requests.iter().filter(|request| request.is_open()).map(|request| request.sequence).max();
        let known = self.management.reset(device);
        let runs = known.is_some_and(|reset| reset.is_running() && wanted.is_none_or(|wanted| wanted <= reset.request));
        match wanted {
            _ if runs => running.reset.status = Some(queue_get(&mut running.session)),
            // The status before it shows whether there is such a node at all.
            Some(request) => {
                queue_get(&mut running.session);
                let exec = Command::request(Verb::Exec, Node::ResetPassword.uri());
                running.reset.exec = Some((running.session.queue(exec), request));
            }
            None if known.is_some() => self.management.forget(device),
            None => {}
        }
        Ok(())
    }

    /// Takes statuses and readings of the reset. Only a newly proven version proves a rotation; these say
    /// whether the device is at it.
    fn take_reset(&self, device: DeviceId, reset: &mut ResetInFlight, received: &Received) {
        for outcome in &received.outcomes {
            if let Some((exec, request)) = reset.exec
                && exec == outcome.ticket
            {
                reset.exec = None;
                reset.is_status_due = matches!(outcome.status, code::OK | code::ACCEPTED);
                if reset.is_status_due {
                    self.management.submitted(device, request);
                } else {
                    tracing::info!(%device, status = outcome.status, "ResetPassword was refused");
                }
            }
            if reset.status == Some(outcome.ticket) && outcome.status != code::OK {
                // It takes Exec of anything and has no such node (protocols.md 1.5).
                tracing::info!(%device, status = outcome.status, "ResetPasswordStatus cannot be read");
                self.management.read(device, HResult::NOT_SUPPORTED);
            }
        }
        for reading in &received.readings {
            if reset.status != Some(reading.ticket) {
                continue;
            }
            let status = HResult::parse(&reading.data).unwrap_or(HResult::FAIL);
            tracing::info!(%device, ?status, "ResetPasswordStatus");
            self.management.read(device, status);
        }
    }

    /// Whether the reset that was last submitted to a device ended in a failure, as far as that is known.
    /// The next session submits it again.
    pub(super) fn reset_failed(&self, device: DeviceId) -> bool {
        let status = self.management.reset(device).and_then(|reset| reset.status);
        status.is_some_and(|status| !status.is_pending() && status != HResult::OK)
    }

    /// The answer to a document that cannot be read: a status for its header when that can be read alone,
    /// else the reader's error.
    fn unreadable(&self, device: DeviceId, body: &[u8], error: &ReadError) -> Result<Vec<u8>> {
        let alone = header_alone(body);
        let Some(Ok(message)) = alone.as_deref().map(|alone| proto::dm::read(alone, Mode::Wire, &Limits::default()))
        else {
            return Err(Error::invalid(error.code(), format!("{error}; {}", error.fault.next_step())));
        };
        self.management.take(device, &message.header.session_id);
        let status = match error.fault {
            Fault::Limit { .. } => code::TOO_LARGE,
            _ => code::BAD_REQUEST,
        };
        Ok(self.broken_off(&message.header, status))
    }

    /// Status for the header, and alert 1223: this session is over.
    fn broken_off(&self, header: &Header<'_>, status: u16) -> Vec<u8> {
        let reference = |uri: &str| if uri.is_empty() { Vec::new() } else { vec![Cow::Owned(uri.to_owned())] };
        let reply = Message {
            header: Header {
                session_id: Cow::Borrowed(&header.session_id),
                msg_id: header.msg_id,
                target: Cow::Borrowed(&header.source),
                source: Cow::Owned(self.mdm_uri()),
                ..Header::default()
            },
            commands: vec![
                Command::Status(Status {
                    id: Cow::Borrowed("1"),
                    msg_ref: header.msg_id,
                    cmd_ref: Cow::Borrowed("0"),
                    cmd: Cow::Borrowed("SyncHdr"),
                    target_refs: reference(&header.target),
                    source_refs: reference(&header.source),
                    code: status,
                    ..Status::default()
                }),
                Command::Alert(Alert { id: Cow::Borrowed("2"), code: alert::SESSION_ABORT, items: Vec::new() }),
            ],
            is_final: true,
        };
        proto::dm::write(&reply).into_bytes()
    }
}

fn queue_get(session: &mut ServerSession) -> Ticket {
    session.queue(Command::request(Verb::Get, Node::ResetPasswordStatus.uri()))
}

/// The document up to the end of its header, with an empty body.
fn header_alone(body: &[u8]) -> Option<Vec<u8>> {
    const END: &[u8] = b"</SyncHdr>";
    let end = body.windows(END.len()).position(|bytes| bytes == END)? + END.len();
    let mut alone = body.get(..end)?.to_vec();
    alone.extend_from_slice(b"<SyncBody><Final/></SyncBody></SyncML>");
    Some(alone)
}
