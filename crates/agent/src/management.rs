//! The management session: policy comes in by SyncML, the result of a reset goes out (protocols.md 1.4).

use crate::{
    clock,
    directory::{self, Directory},
    state::{PolicyFile, StateDir, StateError},
};
use laps::{
    csp::{Effect, HResult, Options, Rights, Tree},
    event,
    id::DeviceId,
    rotation::Failure,
    time::Timestamp,
};
use proto::dm::{
    Limits, Mode,
    client::{ClientSession, DeviceInfo, Event, Opening, Step},
    dispatch::{Dispatcher, Executor, Refused},
    session::SessionLimits,
};

/// The node that tells how the last reset ended.
const RESET_STATUS_NODE: &str = "./Device/Vendor/MSFT/LAPS/Actions/ResetPasswordStatus";
/// Type of the alert that says so (protocols.md 1.4, 1226).
const RESET_ALERT_KIND: &str = "Reversed-Domain-Name:org.lapwing.laps.reset";

/// The device's configuration tree and the file that keeps it.
#[derive(Debug)]
pub struct Configuration {
    /// The tree.
    pub tree: Tree,
    file: PolicyFile,
}

impl Configuration {
    /// Loads the stored tree.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn load(state: &StateDir) -> Result<Self, StateError> {
        let (values, reset, file) = state.policy()?;
        Ok(Self { tree: Tree::load(Options::default(), values, reset), file })
    }

    /// The tree and its store, for a document of a person.
    pub fn parts(&mut self) -> (&mut Tree, &mut PolicyFile) {
        (&mut self.tree, &mut self.file)
    }

    /// A reset ended; the status is kept.
    ///
    /// # Errors
    /// [`StateError`]: it is lost at the next start, and nothing else is.
    pub fn finish_reset(&mut self, status: HResult) -> Result<(), StateError> {
        self.tree.finish_reset(status);
        self.file.write_reset_status(status, self.tree.values())
    }
}

/// What a session brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionReport {
    /// Values changed.
    pub policy_changed: bool,
    /// What was refused.
    pub refused: Vec<Refused>,
}

/// The HRESULT that a failed reset is reported with (laps-behaviour.md 1.5 and 8.6).
pub fn hresult_of(failure: &Failure) -> HResult {
    /// WININET_E_NAME_NOT_RESOLVED (WinInet error 12007).
    const NAME_NOT_RESOLVED: HResult = HResult::from_win32(12007);
    if let Some(code) = proto::device::Code::parse(&failure.code) {
        return HResult::from_win32(code.http_status());
    }
    match failure.code.as_str() {
        "not_supported" | "no_policy" | "backup_disabled" | "join_state_mismatch" | "active_directory" => {
            HResult::NOT_SUPPORTED
        }
        "server_name_unresolved" => NAME_NOT_RESOLVED,
        _ => HResult::FAIL,
    }
}

/// Collects what a session did; the dispatcher of each message borrows the tree anew.
struct Collecting<'a> {
    configuration: &'a mut Configuration,
    report: SessionReport,
}

impl Executor for Collecting<'_> {
    fn execute<'c>(&mut self, commands: &'c [proto::dm::Command<'_>]) -> Vec<proto::dm::dispatch::Answer<'c>> {
        let (tree, file) = self.configuration.parts();
        let mut dispatcher = Dispatcher::new(tree, file, Rights::ALL);
        let answers = dispatcher.execute(commands);
        self.report.policy_changed |= dispatcher.effects().contains(&Effect::PolicyChanged);
        self.report.refused.extend_from_slice(dispatcher.refused());
        answers
    }
}

/// One whole session.
///
/// # Errors
/// A [`Failure`]: the server was not reached, or the session broke off. What was committed before that
/// is in force.
pub async fn session(
    directory: &impl Directory,
    configuration: &mut Configuration,
    device: DeviceId,
    reset_ended: Option<HResult>,
    now: impl Fn() -> Timestamp,
) -> Result<SessionReport, Failure> {
    let broken = |code: &str, text: String| Failure::new(event::POLICY_FAILED, code, text);
    let session_id: [u8; 4] = clock::random().map_err(|error| broken("no_randomness", error.to_string()))?;
    let opening = Opening {
        device_uri: device.to_string(),
        server_uri: directory.management_uri(),
        session_id: format!("{:08x}", u32::from_be_bytes(session_id)),
        is_server_initiated: false,
        login: "none",
        info: DeviceInfo {
            device_id: device.to_string(),
            manufacturer: "Lapwing".into(),
            model: "lapwing-agent".into(),
            client_version: env!("CARGO_PKG_VERSION").into(),
            language: "en-US".into(),
        },
        events: reset_ended
            .map(|status| Event {
                source: RESET_STATUS_NODE.into(),
                kind: RESET_ALERT_KIND.into(),
                format: "int".into(),
                data: status.to_string(),
            })
            .into_iter()
            .collect(),
    };
    let limits = SessionLimits::default();
    let (mut session, mut message) = ClientSession::open(opening, limits, now());
    let mut collecting = Collecting { configuration, report: SessionReport::default() };
    loop {
        let answer = directory
            .manage(proto::dm::write(&message).into_bytes())
            .await
            .map_err(|error| directory::failure(&error, "the management session did not come to its end"))?;
        let answer = proto::dm::read(&answer, Mode::Wire, &Limits::default())
            .map_err(|error| broken(error.fault.code(), format!("the management server's message: {error}")))?;
        match session.receive(answer, now(), &mut collecting) {
            Ok(Step::Send(next)) => message = *next,
            Ok(Step::End { is_aborted: false }) => return Ok(collecting.report),
            Ok(Step::End { is_aborted: true }) => {
                return Err(broken("dm_session_aborted", "the management server broke the session off".into()));
            }
            Err(error) => return Err(broken(error.code(), format!("the management session failed: {error}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_of_a_reset_have_the_published_codes() {
        let of = |code: &str| hresult_of(&Failure::new(10028, code, "")).0;
        assert_eq!(of("not_supported"), 0x8007_0032);
        assert_eq!(of("laps_disabled"), 0x8007_0193);
        assert_eq!(of("server_name_unresolved"), 0x8007_2EE7);
        assert_eq!(of("account_not_found"), 0x8000_4005);
    }
}
