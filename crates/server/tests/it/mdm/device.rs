//! A machine of these tests: its tree, its sessions, and what it was asked to do in them.

use super::server::Server;
use laps::csp::{Effect, Rights, Tree, Volatile};
use laps::id::{DeviceId, VersionId};
use laps::password::Password;
use laps::rotation::{AccountRef, Fingerprint};
use proto::device::{ProofKind, Prove, Store as StoreVersion};
use proto::dm::client::{ClientSession, DeviceInfo, Event, Opening, Step};
use proto::dm::dispatch::{Answer, Dispatcher, Executor};
use proto::dm::session::SessionLimits;
use proto::dm::{Command, Limits, Mode, read, write};
use server::app::Clock;
use server::authz::Caller;

/// A machine: its tree, and the caller that its certificate makes.
pub(crate) struct Device {
    pub(crate) id: DeviceId,
    pub(crate) caller: Caller,
    pub(crate) tree: Tree,
    pub(crate) sessions: u32,
}

/// What a device was asked to do in one session.
#[derive(Default)]
pub(crate) struct Seen {
    /// Command, node's last step, status.
    pub(crate) done: Vec<(String, String, u16)>,
    /// What `Get`s read.
    pub(crate) read: Vec<String>,
    pub(crate) effects: Vec<Effect>,
    pub(crate) messages: usize,
}

impl Seen {
    pub(crate) fn of(&self, verb: &str) -> Vec<(&str, u16)> {
        self.done.iter().filter(|(name, ..)| name == verb).map(|(_, node, status)| (node.as_str(), *status)).collect()
    }
}

/// Carries out what the server asks on the tree, and notes it.
pub(crate) struct Watching<'a> {
    pub(crate) tree: &'a mut Tree,
    pub(crate) seen: &'a mut Seen,
}

impl Executor for Watching<'_> {
    fn execute<'c>(&mut self, commands: &'c [Command<'_>]) -> Vec<Answer<'c>> {
        let mut storage = Volatile;
        let mut dispatcher = Dispatcher::new(self.tree, &mut storage, Rights::ALL);
        let answers = dispatcher.execute(commands);
        self.seen.effects.extend_from_slice(dispatcher.effects());
        for answer in &answers {
            let node = answer.target.unwrap_or_default().rsplit('/').next().unwrap_or_default();
            self.seen.done.push((answer.cmd.into(), node.into(), answer.status));
            let data = answer.result.as_ref().and_then(|item| item.data.as_deref());
            self.seen.read.extend(data.map(str::to_owned));
        }
        answers
    }
}

impl Device {
    pub(crate) fn opening(&mut self, events: Vec<Event>) -> Opening {
        self.sessions += 1;
        Opening {
            device_uri: self.id.to_string(),
            server_uri: "https://mdm.example.test/mdm".into(),
            session_id: self.sessions.to_string(),
            is_server_initiated: false,
            login: "none",
            info: DeviceInfo {
                device_id: self.id.to_string(),
                manufacturer: "Example Co".into(),
                model: "Model 1".into(),
                client_version: "1".into(),
                language: "en-US".into(),
            },
            events,
        }
    }

    pub(crate) async fn check_in(&mut self, server: &Server) -> Seen {
        self.check_in_with(server, vec![]).await
    }

    pub(crate) async fn check_in_with(&mut self, server: &Server, events: Vec<Event>) -> Seen {
        let opening = self.opening(events);
        let now = server.hands.now();
        let (mut session, mut message) = ClientSession::open(opening, SessionLimits::default(), now);
        let mut seen = Seen::default();
        loop {
            seen.messages += 1;
            let answer = server.app.mdm_exchange(&self.caller, write(&message).as_bytes()).await.unwrap();
            let answer = read(&answer, Mode::Wire, &Limits::default()).unwrap();
            let mut executor = Watching { tree: &mut self.tree, seen: &mut seen };
            match session.receive(answer, now, &mut executor).unwrap() {
                Step::Send(next) => message = *next,
                Step::End { is_aborted } => {
                    assert!(!is_aborted);
                    return seen;
                }
            }
        }
    }

    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.tree.values().keys().map(|setting| setting.name()).collect()
    }

    /// What the agent does for a reset: a new version, stored and proven.
    pub(crate) async fn rotate(&self, server: &Server, n: u8) {
        let version = VersionId::from_random_bytes([n; 16]);
        let now = server.hands.now();
        let new = StoreVersion {
            version,
            account: AccountRef { id: 0, name: "root".into() },
            fingerprint: Fingerprint::from_bytes([n; 16]),
            expires_at: now.plus_days(7),
            device_time: now,
            reasons: vec!["requested".into()],
        };
        server.app.store_version(&self.caller, &new, &Password::new("correct horse".into())).await.unwrap();
        let proof = Prove { version, kind: ProofKind::Verifier, device_time: now };
        server.app.prove_version(&self.caller, &proof).await.unwrap();
    }
}
