//! The management server against a device: a real session of the client's side over a real tree.

use laps::csp::{Effect, HResult, Node, Options as TreeOptions, Rights, Tree, Volatile};
use laps::id::{DeviceId, Incarnation, PrincipalId, TenantId, VersionId};
use laps::password::Password;
use laps::policy::{Setting, Value};
use laps::rotation::{AccountRef, Fingerprint};
use laps::time::Timestamp;
use proto::admin::{ALL_DEVICES, Assign, PolicyImport};
use proto::device::{ProofKind, Prove, Store as StoreVersion};
use proto::dm::client::{ClientSession, DeviceInfo, Event, Opening, Step};
use proto::dm::dispatch::{Answer, Dispatcher, Executor};
use proto::dm::session::SessionLimits;
use proto::dm::{Command, Limits, Message, Mode, alert, code, policy, read, write};
use server::app::{App, Clock, Kind, NoRandomness, Options, Parts, Random};
use server::audit::{Actor, AuditEntry, Outcome, Target};
use server::authz::{Assignment, Caller, DeviceIdentity, Identity, Origin, Principal, Role, RoleScope, Scopes};
use server::ca::{Authority, head::HeadKey};
use server::oauth::{Passwords, TokenSigner};
use server::seal::{KeyFiles, KeyId, Sealer};
use server::store::{DeviceChange, NewCertificate, NewDevice, NewJoinToken, NewTenant, Settings, Store};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use testkit::memory::MemoryStore;

const START: Timestamp = Timestamp::from_unix_ms(1_790_000_000_000);
const PUBLISHED: &[u8] = include_bytes!("../../../proto/tests/data/policy-entra.xml");

#[derive(Default)]
struct Hands {
    seconds: AtomicU64,
    drawn: AtomicU64,
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        START.plus_seconds(self.seconds.load(Ordering::Relaxed))
    }
}

impl Random for Hands {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        bytes.fill(0);
        let drawn = self.drawn.fetch_add(1, Ordering::Relaxed) + 1;
        bytes.iter_mut().zip(drawn.to_le_bytes()).for_each(|(byte, drawn)| *byte = drawn);
        Ok(())
    }
}

fn entry() -> AuditEntry {
    AuditEntry {
        id: [9; 16],
        at: START,
        activity: "test".into(),
        category: "test".into(),
        actor: Actor::System("test".into()),
        target: Target::default(),
        outcome: Outcome::Success,
        request_id: "test".into(),
        client: "{}".into(),
        detail: "{}".into(),
    }
}

/// The application over the store in memory, with a person who may do everything.
struct Server {
    app: App,
    store: Arc<MemoryStore>,
    hands: Arc<Hands>,
    tenant: TenantId,
    admin: Caller,
    _keys: tempfile::TempDir,
}

impl Server {
    async fn new() -> Self {
        let tenant = TenantId::from_random_bytes([1; 16]);
        let key = KeyId([1; 16]);
        let directory = tempfile::tempdir().unwrap();
        let keys = KeyFiles::new(directory.path());
        keys.add(key, &zeroize::Zeroizing::new([7; 32])).unwrap();
        let store = Arc::new(MemoryStore::new());
        let settings = Settings { laps_enabled: true, ..Settings::default() };
        let new = NewTenant { id: tenant, incarnation: Incarnation::from_random_bytes([2; 16]), key, settings };
        store.initialise(new, START, entry()).await.unwrap();
        let hands = Arc::new(Hands::default());
        let identity = Authority::create(tenant, START).unwrap();
        let app = App::open(Parts {
            store: store.clone(),
            sealer: Arc::new(Sealer::new(
                Arc::new(keys),
                key,
                Arc::new(|bytes: &mut [u8]| {
                    bytes.fill(3);
                    Ok(())
                }),
            )),
            authority: Authority::open(&identity.certificate_pem, &identity.key_pem).unwrap(),
            head_key: HeadKey::open(&HeadKey::create().unwrap()).unwrap(),
            signer: TokenSigner::open(&TokenSigner::create().unwrap()).unwrap(),
            passwords: Passwords::new(1),
            clock: hands.clone(),
            random: hands.clone(),
            options: Options::new("https://mdm.example.test".into(), vec!["mdm.example.test".into()]),
        })
        .await
        .unwrap();
        let admin = Caller::new(
            Identity::User(Principal {
                id: PrincipalId::from_random_bytes([3; 16]),
                name: "ada@example.test".into(),
                assignments: vec![Assignment { role: Role::GlobalAdministrator, scope: RoleScope::Tenant }],
                scopes: Scopes::all(),
                epoch: 1,
                client_id: String::new(),
            }),
            Origin::internal("test"),
        );
        Self { app, store, hands, tenant, admin, _keys: directory }
    }

    async fn device(&self, n: u8) -> Device {
        let id = DeviceId::from_random_bytes([n; 16]);
        let fingerprint = [n; 32];
        let (not_before, not_after) = (START, START.plus_days(365));
        let token = NewJoinToken {
            id: [n; 16],
            hash: [n; 32],
            note: String::new(),
            group: None,
            created_by: PrincipalId::from_random_bytes([3; 16]),
            expires_at: START.plus_days(1),
        };
        self.store.create_join_token(token, START, entry()).await.unwrap();
        let device = NewDevice {
            id,
            name: format!("machine-{n}"),
            os: "Debian 12".into(),
            public_key: vec![n],
            predecessor: None,
            certificate: NewCertificate { fingerprint, serial: vec![n], not_before, not_after },
        };
        self.store.join([n; 32], device, START, entry()).await.unwrap();
        let identity =
            Identity::Device(DeviceIdentity { tenant: self.tenant, device: id, fingerprint, not_before, not_after });
        Device {
            id,
            caller: Caller::new(identity, Origin::internal("test")),
            tree: Tree::new(TreeOptions::default()),
            sessions: 0,
        }
    }

    async fn policy(&self, name: &str, json: &str) {
        let settings = serde_json::from_str(json).unwrap();
        self.app.import_policy(&self.admin, &PolicyImport { name: name.into(), settings }).await.unwrap();
    }
    async fn assign(&self, name: &str, assigned: bool) {
        self.app.assign_policy(&self.admin, name, &Assign::to(ALL_DEVICES), assigned).await.unwrap();
    }
    async fn exchange(&self, device: &Device, body: &str) -> Message<'static> {
        let answer = self.app.mdm_exchange(&device.caller, body.as_bytes()).await.unwrap();
        let answer: &'static [u8] = answer.leak();
        read(answer, Mode::Wire, &Limits::default()).unwrap()
    }
}

/// A machine: its tree, and the caller that its certificate makes.
struct Device {
    id: DeviceId,
    caller: Caller,
    tree: Tree,
    sessions: u32,
}

/// What a device was asked to do in one session.
#[derive(Default)]
struct Seen {
    /// Command, node's last step, status.
    done: Vec<(String, String, u16)>,
    /// What `Get`s read.
    read: Vec<String>,
    effects: Vec<Effect>,
    messages: usize,
}

impl Seen {
    fn of(&self, verb: &str) -> Vec<(&str, u16)> {
        self.done.iter().filter(|(name, ..)| name == verb).map(|(_, node, status)| (node.as_str(), *status)).collect()
    }
}

struct Watching<'a> {
    tree: &'a mut Tree,
    seen: &'a mut Seen,
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
    fn opening(&mut self, events: Vec<Event>) -> Opening {
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

    async fn check_in(&mut self, server: &Server) -> Seen {
        self.check_in_with(server, vec![]).await
    }

    async fn check_in_with(&mut self, server: &Server, events: Vec<Event>) -> Seen {
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

    fn names(&self) -> Vec<&'static str> {
        self.tree.values().keys().map(|setting| setting.name()).collect()
    }

    /// What the agent does for a reset: a new version, stored and proven.
    async fn rotate(&self, server: &Server, n: u8) {
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

fn published() -> String {
    policy::json(&policy::values(&policy::import(PUBLISHED).unwrap()))
}

#[tokio::test]
async fn the_published_document_is_delivered_and_in_force() {
    let server = Server::new().await;
    let mut device = server.device(1).await;
    server.policy("cloud", &published()).await;
    server.assign("cloud", true).await;

    let seen = device.check_in(&server).await;
    assert_eq!(seen.of("Atomic"), [("", 200)]);
    assert_eq!(seen.of("Replace").len(), 7);
    assert_eq!(seen.effects, [Effect::PolicyChanged]);
    assert_eq!(device.tree.values().get(&Setting::PasswordLength), Some(&Value::Int(32)));
    assert_eq!(
        device.tree.values().get(&Setting::AdministratorAccountName),
        Some(&Value::Text("ContosoLocalLapsAdmin".into()))
    );

    let shown = server.app.device_policy(&server.admin, device.id).await.unwrap();
    let in_force = shown.in_force.unwrap();
    assert_eq!(shown.sent.unwrap(), in_force);
    assert_eq!(in_force.statuses.len(), 7);
    assert!(in_force.statuses.iter().all(|status| status.status == 200));
    assert_eq!(in_force.values["settings"]["PasswordAgeDays"], 7);
    assert_eq!(shown.held, None);
}

#[tokio::test]
async fn a_check_in_with_nothing_to_do_costs_no_durable_write() {
    let server = Server::new().await;
    let mut bare = server.device(1).await;
    let verbs = server.store.write_verbs();
    assert_eq!(bare.check_in(&server).await.messages, 1);
    assert_eq!(server.store.write_verbs(), verbs, "nothing was ever assigned");

    server.policy("cloud", &published()).await;
    server.assign("cloud", true).await;
    assert_eq!(bare.check_in(&server).await.messages, 2);
    let verbs = server.store.write_verbs();
    for _ in 0..3 {
        let seen = bare.check_in(&server).await;
        assert_eq!((seen.messages, seen.done.len()), (1, 0));
    }
    assert_eq!(server.store.write_verbs(), verbs, "what is assigned is in force");

    // The positive control: a change is written.
    server.assign("cloud", false).await;
    let verbs = server.store.write_verbs();
    bare.check_in(&server).await;
    assert_eq!(server.store.write_verbs(), verbs + 2, "the delivery and its answer");

    // The same reason to hold is written once.
    server.policy("one", r#"{"PasswordLength":20}"#).await;
    server.policy("two", r#"{"PasswordLength":21}"#).await;
    server.assign("one", true).await;
    server.assign("two", true).await;
    bare.check_in(&server).await;
    let verbs = server.store.write_verbs();
    bare.check_in(&server).await;
    assert_eq!(server.store.write_verbs(), verbs);
}

#[tokio::test]
async fn what_is_no_longer_assigned_is_deleted() {
    let server = Server::new().await;
    let mut device = server.device(1).await;
    server.policy("length", r#"{"BackupDirectory":1,"PasswordLength":20}"#).await;
    server.policy("age", r#"{"PasswordAgeDays":14}"#).await;
    server.assign("length", true).await;
    server.assign("age", true).await;
    device.check_in(&server).await;
    assert_eq!(device.names(), ["BackupDirectory", "PasswordAgeDays", "PasswordLength"]);

    server.assign("length", false).await;
    let seen = device.check_in(&server).await;
    assert_eq!(seen.of("Delete"), [("BackupDirectory", 200), ("PasswordLength", 200)]);
    assert_eq!(seen.of("Replace"), [("PasswordAgeDays", 200)]);
    assert_eq!(device.names(), ["PasswordAgeDays"]);

    server.assign("age", false).await;
    device.check_in(&server).await;
    assert!(device.names().is_empty());
    assert_eq!(device.check_in(&server).await.messages, 1);
}

#[tokio::test]
async fn what_the_device_lost_is_not_deleted_again() {
    let server = Server::new().await;
    let mut device = server.device(1).await;
    server.policy("former", r#"{"BackupDirectory":1,"PasswordLength":20,"PasswordAgeDays":14}"#).await;
    server.assign("former", true).await;
    device.check_in(&server).await;
    // The machine went back to an image from before it was managed.
    device.tree = Tree::new(TreeOptions::default());
    server.assign("former", false).await;
    server.policy("next", r#"{"PasswordComplexity":4}"#).await;
    server.assign("next", true).await;
    let seen = device.check_in(&server).await;
    assert_eq!(seen.of("Atomic").last(), Some(&("", 200)));
    assert_eq!(seen.of("Delete").iter().filter(|(_, status)| *status == 404).count(), 3);
    assert_eq!(device.names(), ["PasswordComplexity"]);
    let shown = server.app.device_policy(&server.admin, device.id).await.unwrap();
    assert_eq!(shown.in_force, shown.sent);
    assert_eq!(device.check_in(&server).await.messages, 1);
}

#[tokio::test]
async fn a_conflict_holds_the_whole_delivery() {
    let server = Server::new().await;
    let mut device = server.device(1).await;
    server.policy("cloud", r#"{"BackupDirectory":1,"PasswordLength":20}"#).await;
    server.assign("cloud", true).await;
    device.check_in(&server).await;
    server.policy("other", r#"{"PasswordLength":21,"PasswordAgeDays":14}"#).await;
    server.assign("other", true).await;

    let seen = device.check_in(&server).await;
    assert_eq!((seen.messages, seen.done.len()), (1, 0));
    assert_eq!(device.tree.values().get(&Setting::PasswordLength), Some(&Value::Int(20)));
    assert_eq!(device.names(), ["BackupDirectory", "PasswordLength"], "the last complete policy stays, without a hole");
    let shown = server.app.device_policy(&server.admin, device.id).await.unwrap();
    let held = shown.held.unwrap();
    assert_eq!(held["code"], "policies_conflict");
    assert_eq!(held["conflicts"][0]["setting"], "PasswordLength");
    let names: Vec<_> =
        held["conflicts"][0]["policies"].as_array().unwrap().iter().map(|p| p["name"].clone()).collect();
    assert!(names.contains(&"cloud".into()) && names.contains(&"other".into()));
    let why = server.app.explain(&server.admin, &device.id.to_string()).await.unwrap();
    assert_eq!(why.code, "policy_conflict", "{why:?}");

    server.policy("other", r#"{"PasswordLength":20,"PasswordAgeDays":14}"#).await;
    device.check_in(&server).await;
    assert_eq!(device.names(), ["BackupDirectory", "PasswordAgeDays", "PasswordLength"]);
    assert_eq!(server.app.device_policy(&server.admin, device.id).await.unwrap().held, None);
}

#[tokio::test]
async fn a_refused_setting_is_recorded_and_the_former_policy_stays() {
    let server = Server::new().await;
    let mut device = server.device(1).await;
    server.policy("cloud", r#"{"BackupDirectory":1,"PasswordLength":20}"#).await;
    server.assign("cloud", true).await;
    device.check_in(&server).await;
    let before = server.app.device_policy(&server.admin, device.id).await.unwrap().in_force.unwrap();

    // A client that takes short values only.
    let values = device.tree.values().clone();
    device.tree = Tree::load(TreeOptions { data_bytes_max: 2, ..TreeOptions::default() }, values, HResult::OK);
    server.policy("cloud", r#"{"AdministratorAccountName":"locadm","BackupDirectory":1,"PasswordLength":24}"#).await;
    let seen = device.check_in(&server).await;
    assert_eq!(seen.of("Atomic"), [("", 507)]);
    assert_eq!(device.tree.values().get(&Setting::PasswordLength), Some(&Value::Int(20)));

    let shown = server.app.device_policy(&server.admin, device.id).await.unwrap();
    assert_eq!(shown.in_force.as_ref(), Some(&before));
    let sent = shown.sent.unwrap();
    assert!(sent.answered_date_time.is_some());
    let statuses: Vec<_> =
        sent.statuses.iter().map(|status| (status.uri.rsplit('/').next().unwrap(), status.status)).collect();
    assert_eq!(statuses, [("AdministratorAccountName", 413), ("BackupDirectory", 215), ("PasswordLength", 215)]);
    let why = server.app.explain(&server.admin, &device.id.to_string()).await.unwrap();
    assert_eq!(why.code, "policy_refused", "{why:?}");

    // It is tried again at each session, and the same answer is not written again.
    let verbs = server.store.write_verbs();
    assert_eq!(device.check_in(&server).await.of("Atomic"), [("", 507)]);
    assert_eq!(server.app.device_policy(&server.admin, device.id).await.unwrap().sent.unwrap(), sent);
    assert!(server.store.write_verbs() <= verbs + 1, "the note of what is sent, which changes nothing");
}

#[tokio::test]
async fn rotate_now_is_seen_going_ok_pending_ok_for_a_password_that_is_not_due() {
    let server = Server::new().await;
    let mut device = server.device(1).await;
    server.policy("cloud", &published()).await;
    server.assign("cloud", true).await;
    device.check_in(&server).await;
    device.rotate(&server, 1).await;

    server.app.request_rotation(&server.admin, device.id).await.unwrap();
    let seen = device.check_in(&server).await;
    assert_eq!(seen.of("Exec"), [("ResetPassword", 202)]);
    assert_eq!(seen.read, ["0", "-2147483638"]);
    assert_eq!(seen.effects, [Effect::ResetRequested { again: false }]);

    // Still running: looked at, not asked for again.
    let seen = device.check_in(&server).await;
    assert_eq!(seen.of("Exec"), []);
    assert_eq!(seen.read, ["-2147483638"]);
    assert_eq!(action(&server, &device).await, "pending");

    device.rotate(&server, 2).await;
    device.tree.finish_reset(HResult::OK);
    let seen = device.check_in(&server).await;
    assert_eq!(seen.of("Exec"), []);
    assert_eq!(seen.read, ["0"]);
    assert_eq!(action(&server, &device).await, "done");
    // Settled: nothing more is read.
    assert_eq!(device.check_in(&server).await.messages, 1);
}

async fn action(server: &Server, device: &Device) -> String {
    let managed = server.app.managed_device(&server.admin, device.id).await.unwrap();
    managed.device_action_results[0].action_state.clone()
}

#[tokio::test]
async fn a_reset_that_failed_is_shown_and_asked_for_again() {
    let server = Server::new().await;
    let mut device = server.device(1).await;
    server.app.request_rotation(&server.admin, device.id).await.unwrap();
    device.check_in(&server).await;
    device.tree.finish_reset(HResult::NOT_SUPPORTED);
    assert_eq!(device.check_in(&server).await.read, ["-2147024846"]);
    assert_eq!(action(&server, &device).await, "failed");
    let seen = device.check_in(&server).await;
    assert_eq!(seen.of("Exec"), [("ResetPassword", 202)]);
    assert_eq!(action(&server, &device).await, "pending");
}

#[tokio::test]
async fn a_finished_reset_may_be_announced() {
    let server = Server::new().await;
    let mut device = server.device(1).await;
    let event = Event {
        source: Node::ResetPasswordStatus.uri(),
        kind: "Reversed-Domain-Name:org.lapwing.laps.reset".into(),
        format: "int".into(),
        data: "0".into(),
    };
    assert_eq!(device.check_in_with(&server, vec![event]).await.messages, 1);
}

#[tokio::test]
async fn a_device_that_is_not_enabled_gets_statuses_only() {
    let server = Server::new().await;
    let mut device = server.device(1).await;
    server.policy("cloud", &published()).await;
    server.assign("cloud", true).await;
    server.app.request_rotation(&server.admin, device.id).await.unwrap();
    for change in [DeviceChange::Disable, DeviceChange::Delete] {
        server.store.change_device(device.id, change, START, entry()).await.unwrap();
        let seen = device.check_in(&server).await;
        assert_eq!((seen.messages, seen.done.len()), (1, 0), "{change:?}");
    }
    server.store.change_device(device.id, DeviceChange::Restore, START, entry()).await.unwrap();
    assert_eq!(device.check_in(&server).await.of("Atomic"), [("", 200)]);
}

#[tokio::test]
async fn certificates_that_are_not_good_are_refused() {
    let server = Server::new().await;
    let device = server.device(1).await;
    let mut stranger = *device.caller.device().unwrap();
    stranger.device = DeviceId::from_random_bytes([200; 16]);
    stranger.fingerprint = [200; 32];
    for (identity, code) in [(Identity::Device(stranger), "device_unknown"), (Identity::Anonymous, "not_signed_in")] {
        let error = server.app.mdm_exchange(&device.caller.with(identity), b"").await.unwrap_err();
        assert_eq!(error.code(), code);
    }
    server.hands.seconds.store(366 * 86_400, Ordering::Relaxed);
    let error = server.app.mdm_exchange(&device.caller, b"").await.unwrap_err();
    assert_eq!(error.code(), "certificate_expired");
}

fn hdr(session: &str, msg_id: u32) -> String {
    format!(
        "<SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>{session}</SessionID><MsgID>{msg_id}</MsgID>\
         <Target><LocURI>https://s/mdm</LocURI></Target><Source><LocURI>dev</LocURI></Source></SyncHdr>"
    )
}
fn document(session: &str, msg_id: u32, body: &str) -> String {
    format!("<SyncML xmlns='SYNCML:SYNCML1.2'>{}<SyncBody>{body}</SyncBody></SyncML>", hdr(session, msg_id))
}
fn header_status(message: &Message<'_>) -> u16 {
    message
        .commands
        .iter()
        .find_map(|command| match command {
            Command::Status(status) if status.cmd_ref == "0" => Some(status.code),
            _ => None,
        })
        .unwrap()
}
fn is_aborted(message: &Message<'_>) -> bool {
    message.commands.iter().any(|command| matches!(command, Command::Alert(a) if a.code == alert::SESSION_ABORT))
}

#[tokio::test]
async fn hostile_messages_are_answered_or_refused_and_change_nothing() {
    let server = Server::new().await;
    let device = server.device(1).await;
    server.policy("cloud", &published()).await;
    server.assign("cloud", true).await;
    let verbs = server.store.write_verbs();

    // Without a readable header: a stable code.
    let refused = [
        ("", "syncml_not_syncml"),
        ("<SyncML", "syncml_not_xml"),
        ("<html/>", "syncml_not_syncml"),
        ("<!DOCTYPE x [<!ENTITY a 'b'>]><SyncML/>", "syncml_dtd_refused"),
        ("<SyncML><SyncBody><Final/></SyncBody></SyncML>", "syncml_element_missing"),
    ];
    for (body, code) in refused {
        let error = server.app.mdm_exchange(&device.caller, body.as_bytes()).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::Invalid, code), "{body}");
    }
    let error = server.app.mdm_exchange(&device.caller, b"<SyncML>\xff").await.unwrap_err();
    assert_eq!(error.code(), "syncml_not_utf8");

    // With one: a status for it, and the session is over.
    let many = "<Get><CmdID>1</CmdID></Get>".repeat(501);
    let deep = format!("{}{}", "<a>".repeat(100), "</a>".repeat(100));
    for (body, expected) in [
        ("<Alert>".to_owned(), code::BAD_REQUEST),
        ("&boom;".to_owned(), code::BAD_REQUEST),
        (many, code::TOO_LARGE),
        (deep, code::TOO_LARGE),
    ] {
        let answer = server.exchange(&device, &document("1", 1, &body)).await;
        assert_eq!(header_status(&answer), expected);
        assert!(is_aborted(&answer) && answer.is_final);
        assert_eq!(answer.header.session_id, "1");
    }
    // Another version.
    let answer = server.exchange(&device, &document("1", 1, "<Final/>").replace("DM/1.2", "DM/9")).await;
    assert_eq!(header_status(&answer), code::PROTOCOL_UNSUPPORTED);
    // An abort is taken.
    let abort = "<Alert><CmdID>1</CmdID><Data>1223</Data></Alert><Final/>";
    server.exchange(&device, &document("1", 1, abort)).await;
    // Statuses for what was never sent.
    let forged =
        "<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>2</CmdRef><Cmd>Atomic</Cmd><Data>200</Data></Status>";
    server.exchange(&device, &document("2", 1, forged)).await;
    assert_eq!(server.store.write_verbs(), verbs);
}

#[tokio::test]
async fn sessions_have_bounds_and_may_be_lost() {
    let server = Server::new().await;
    let mut device = server.device(1).await;
    // 50 messages that never end their package; the 51st is one too many.
    for n in 1..=50 {
        assert_eq!(header_status(&server.exchange(&device, &document("1", n, "")).await), code::OK);
    }
    assert!(is_aborted(&server.exchange(&device, &document("1", 51, "")).await));
    // 10 minutes.
    server.exchange(&device, &document("2", 1, "")).await;
    server.hands.seconds.store(601, Ordering::Relaxed);
    assert!(is_aborted(&server.exchange(&device, &document("2", 2, "")).await));

    // Another server took over in the middle of a session: the device goes on, and is sent all again.
    server.policy("cloud", &published()).await;
    server.assign("cloud", true).await;
    let opening = device.opening(vec![]);
    let now = server.hands.now();
    let (mut session, first) = ClientSession::open(opening, SessionLimits::default(), now);
    let mut seen = Seen::default();
    let answer = server.exchange(&device, &write(&first)).await;
    let Step::Send(second) =
        session.receive(answer, now, &mut Watching { tree: &mut device.tree, seen: &mut seen }).unwrap()
    else {
        panic!("an answer");
    };
    // The server loses a session when it cannot read a message of it.
    server.exchange(&device, &document(&device.sessions.to_string(), 9, "<Alert>")).await;
    let answer = server.exchange(&device, &write(&second)).await;
    assert!(answer.commands.iter().any(|command| command.name() == "Atomic"));
    let Step::Send(third) =
        session.receive(answer, now, &mut Watching { tree: &mut device.tree, seen: &mut seen }).unwrap()
    else {
        panic!("an answer");
    };
    server.exchange(&device, &write(&third)).await;
    let shown = server.app.device_policy(&server.admin, device.id).await.unwrap();
    assert!(shown.in_force.is_some());
}

/// A device whose configuration tree was lost (a damaged file that was kept aside) says so in its report, and
/// gets everything again.
#[tokio::test]
async fn a_device_that_lost_its_policy_gets_it_again() {
    let server = Server::new().await;
    let mut device = server.device(1).await;
    server.policy("base", r#"{"BackupDirectory": 1, "PasswordLength": 20}"#).await;
    server.assign("base", true).await;
    assert_eq!(device.check_in(&server).await.of("Replace").len(), 2);
    let report = |policy_source: Option<&str>| proto::device::Report {
        account: None,
        installed_fingerprint: None,
        last_acknowledged: None,
        intent: None,
        incarnation: None,
        evidence: proto::device::Evidence {
            policy_source: policy_source.map(str::to_owned),
            ..proto::device::Evidence::default()
        },
        last_error: None,
        audit_head: None,
        device_time: START,
    };
    let tell = async |caller: &Caller, policy_source| {
        server.hands.seconds.fetch_add(60, Ordering::Relaxed);
        server.app.report(caller, &report(policy_source)).await.unwrap();
    };
    tell(&device.caller, Some("csp")).await;
    assert!(device.check_in(&server).await.done.is_empty(), "what is in force is not sent again");
    device.tree = Tree::new(TreeOptions::default());
    tell(&device.caller, None).await;
    assert_eq!(device.check_in(&server).await.of("Replace").len(), 2);
    assert_eq!(device.tree.values().get(&Setting::PasswordLength), Some(&Value::Int(20)));
    tell(&device.caller, Some("csp")).await;
    assert!(device.check_in(&server).await.done.is_empty());
}
