//! Machines under a real server: `lapwingd` as a process over SQLite, the agent's own tree below a prefix, a real
//! join, retrieval through the Graph API.

mod kill;
mod reset;
mod soak;

use crate::world::{Places, write_tree};
use agent::{
    platform::{ManagedTree, Tree},
    state::{JournalFound, StateDir},
};
use client::{Client, Error, Settings as ClientSettings, SignedIn, Trust};
use laps::{id::DeviceId, rotation::AccountRef};
use proto::{
    admin::{ALL_DEVICES, Assign, CreatedServicePrincipal, NewJoinToken, NewServicePrincipal, PolicyImport, Settings},
    graph::{CredentialVersion, ManagedDevice},
    oauth::{Secret, Verification, VerificationResult},
};
use serde_json::json;
use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use testkit::programs::{Lapwingd, Running, programs, until};
use tokio::runtime::Runtime;

const PERSON: &str = "lapwing-cli";
/// The account whose password is managed.
const ACCOUNT: &str = "ops";
const ACCOUNT_ID: u32 = 1000;
/// A hash of a password that nobody noted: the account is enabled, and nobody knows its password yet.
const UNKNOWN: &str =
    "$6$lapwingdemo$GpEL0ZeZ1lYnxeQ4mwUIMxvECZS7hgCna.S.ZXISj6KN22HBjmmQ0qPPxnrqdTGDKuITCIkdjZIzRT9/1A434.";
/// Access tokens end after an hour; a new one is taken far more often, so that short runs do it too.
const TOKEN_FOR: Duration = Duration::from_secs(20);

fn program(name: &str) -> PathBuf {
    programs(env!("CARGO_BIN_EXE_lapwing-agent")).join(name)
}

/// A server that takes passwords, with a policy for all machines, and a program that may do everything there.
pub(crate) struct Service {
    pub(crate) server: Lapwingd,
    runtime: Runtime,
    client: Client,
    principal: CreatedServicePrincipal,
    signed_in: (SignedIn, Instant),
    machines: u32,
    place: TempDir,
}

impl Service {
    pub(crate) fn start() -> Self {
        let place = TempDir::new().unwrap();
        let server = Lapwingd::start(&program(""), place.path());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let ca = client::certificates(&fs::read(server.ca()).unwrap());
        let client = Client::new(&ClientSettings::new(&server.url(), Trust::Pinned(ca))).unwrap();
        let (principal, signed_in) = runtime.block_on(async {
            let admin = first_sign_in(&client, &server.one_time).await;
            let program = NewServicePrincipal {
                display_name: "test".into(),
                role: Some("Global Administrator".into()),
                group: None,
                permissions: Vec::new(),
                secret_days: None,
            };
            let principal = admin.create_service_principal(&program).await.unwrap();
            let signed_in = signed_in(&client, &principal).await.unwrap();
            // A test rotates more often than the usual bound of versions per day lets a machine.
            let settings = Settings { laps_enabled: Some(true), versions_per_day: Some(1000), ..Settings::default() };
            signed_in.change_settings(&settings).await.unwrap();
            let settings = json!({"BackupDirectory": 1, "AdministratorAccountName": ACCOUNT, "PasswordLength": 20});
            let settings = settings.as_object().unwrap().clone();
            let policy = signed_in.import_policy(&PolicyImport { name: "ops".into(), settings }).await.unwrap();
            signed_in.assign_policy(policy.id, &Assign::to(ALL_DEVICES)).await.unwrap();
            (principal, signed_in)
        });
        Self { server, runtime, client, principal, signed_in: (signed_in, Instant::now()), machines: 0, place }
    }

    /// Asks the server until it answers.
    fn asked<T, F: Future<Output = Result<T, Error>>>(&mut self, ask: impl Fn(SignedIn) -> F) -> T {
        let Self { runtime, client, principal, signed_in: (signed_in, since), .. } = self;
        let mut answer = None;
        until("the server answers", || {
            let result = runtime.block_on(async {
                if since.elapsed() > TOKEN_FOR {
                    *signed_in = self::signed_in(client, principal).await?;
                    *since = Instant::now();
                }
                ask(signed_in.clone()).await
            });
            answer = match result {
                Ok(answer) => Some(answer),
                // A connection of before the kill.
                Err(Error::NoAnswer(_)) => None,
                Err(error) => panic!("{error}"),
            };
            answer.is_some()
        });
        answer.unwrap()
    }

    /// A person asks for a rotation.
    pub(crate) fn request_rotation(&mut self, device: DeviceId) {
        self.asked(|signed_in| async move { signed_in.rotate(device).await });
    }

    /// The management side of a device.
    pub(crate) fn managed_device(&mut self, device: DeviceId) -> ManagedDevice {
        self.asked(|signed_in| async move { signed_in.managed_device(device).await })
    }

    /// What retrieval returns: the live set best first, then the history.
    pub(crate) fn credentials(&mut self, device: DeviceId) -> Vec<CredentialVersion> {
        let answer = self.asked(|signed_in| async move { signed_in.credentials(device).await });
        answer.credentials.unwrap_or_default()
    }

    /// A machine that has joined; its agent does not run.
    pub(crate) fn machine(&mut self) -> Machine {
        self.machines += 1;
        let name = format!("pc-{}", self.machines);
        let root = self.place.path().join(&name);
        let places = Places { root };
        write_tree(&places.tree());
        let shadow = ["root", ACCOUNT, "ada"].map(|name| format!("{name}:{UNKNOWN}:20000:0:99999:7:::\n")).concat();
        fs::write(places.tree().join("etc/shadow"), shadow).unwrap();
        let passwd = fs::read_to_string(places.tree().join("etc/passwd")).unwrap();
        fs::write(places.tree().join("etc/passwd"), passwd + "ada:x:1001:1001::/home/ada:/bin/sh\n").unwrap();
        let token = self
            .asked(|signed_in| async move { signed_in.create_join_token(&NewJoinToken::default()).await })
            .token
            .clone();
        let (state, tree, url) = (places.state(), places.tree(), self.server.url());
        let mut join = Command::new(program("lapwing-agent"))
            .args(["join", "--server", &url, "--name", &name, "--token-file", "-", "--volatile-ok"])
            .args([Path::new("--state"), &state, Path::new("--prefix"), &tree])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        join.stdin.take().unwrap().write_all(token.as_bytes()).unwrap();
        let joined = join.wait_with_output().unwrap();
        assert!(joined.status.success(), "{}", String::from_utf8_lossy(&joined.stderr));
        let state = StateDir::existing(&state).unwrap();
        Machine { device: state.identity().unwrap().unwrap().device, places, state }
    }

    /// I1 of rotation.md 4: tries what retrieval returns against the account, every candidate of the live set.
    pub(crate) fn try_candidates(&mut self, machine: &Machine) -> Tried {
        let all = self.credentials(machine.device);
        let live: Vec<&CredentialVersion> = all.iter().filter(|version| version.live).collect();
        let opening: Vec<usize> =
            live.iter().enumerate().filter(|(_, version)| machine.is_opened_by(version)).map(|(at, _)| at).collect();
        // The others of the machine are as they were: no line of the account database was harmed.
        let shadow = fs::read_to_string(machine.places.tree().join("etc/shadow")).unwrap();
        for other in ["root", "ada"] {
            let line = format!("{other}:{UNKNOWN}:20000:0:99999:7:::\n");
            assert!(shadow.contains(&line), "the line of {other} in {shadow}");
        }
        assert_eq!(shadow.lines().count(), 3, "{shadow}");
        Tried {
            candidates: live.len(),
            opening: opening.len(),
            best: opening.first() == Some(&0),
            proven: all.iter().filter(|version| version.proof.is_some()).count(),
            states: live.iter().map(|version| version.state.clone()).collect(),
        }
    }
}

/// What came of trying what retrieval returned.
#[derive(Debug)]
pub(crate) struct Tried {
    /// Candidates that were tried.
    pub(crate) candidates: usize,
    /// How many of them open the account: one, or the password is lost.
    pub(crate) opening: usize,
    /// It was the first.
    pub(crate) best: bool,
    /// Versions of the machine that were ever proven.
    pub(crate) proven: usize,
    /// Their states, best first.
    pub(crate) states: Vec<String>,
}

async fn first_sign_in(client: &Client, one_time: &str) -> SignedIn {
    let code = client.device_code(PERSON).await.unwrap();
    let form = Verification {
        user_code: code.user_code.clone(),
        user_name: "admin".into(),
        password: Secret::new(one_time.to_owned()),
        new_password: Some(Secret::new("correct horse battery staple".to_owned())),
        ..Verification::default()
    };
    assert_eq!(client.verify(&form).await.unwrap().result, VerificationResult::Approved);
    let token = client.wait_for_device_code(PERSON, &code).await.unwrap();
    client.signed_in(&token.access_token).unwrap()
}

async fn signed_in(client: &Client, principal: &CreatedServicePrincipal) -> Result<SignedIn, Error> {
    let secret = Secret::new(principal.client_secret.clone());
    let token = client.client_credentials(&principal.client_id.to_string(), &secret).await?;
    client.signed_in(&token.access_token)
}

/// A machine that has joined.
pub(crate) struct Machine {
    pub(crate) places: Places,
    pub(crate) state: StateDir,
    pub(crate) device: DeviceId,
}

impl Machine {
    /// Starts `lapwing-agent` on it.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let state = self.places.state();
        let arguments = [arguments, &["--state", state.to_str().unwrap()]].concat();
        Running::start(&program("lapwing-agent"), &arguments, &self.places.root.join("agent.log"))
    }
    /// Whether the journal holds an intent: a rotation was begun and not finished.
    pub(crate) fn is_in_a_rotation(&self) -> bool {
        !matches!(self.state.journal().unwrap(), JournalFound::Empty)
    }
    fn is_opened_by(&self, version: &CredentialVersion) -> bool {
        let tree = ManagedTree::new(Tree::below(&self.places.tree()).unwrap());
        tree.prove(&AccountRef { id: ACCOUNT_ID, name: version.account_name.clone() }, &version.password).is_ok()
    }
}
