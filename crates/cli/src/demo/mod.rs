//! `demo`: the whole job on this machine, with the real server and the real agent, in a scratch directory.

mod process;
mod tree;

use crate::{
    command::{audit, password, policy},
    failure::Failure,
    output,
};
use clap::Args;
use client::{Client, Settings, SignedIn, Trust};
use laps::{
    id::DeviceId,
    password::{Password, PasswordSpec, generate},
    policy::{Account, EffectivePolicy, JoinState, Management, PolicySet},
};
use process::{Programs, Running, run};
use proto::{
    admin::{ALL_DEVICES, Assign, NewJoinToken, NewUser, PolicyImport},
    graph::CredentialVersion,
    oauth::{Secret, Verification, VerificationResult},
};
use rand_core::UnwrapErr;
use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tokio::signal::unix::{SignalKind, signal};
use tree::Scratch;

/// The first policy document of the published CSP page, as it is printed there.
const PUBLISHED_POLICY: &[u8] = include_bytes!("../../data/published-policy.xml");
/// The longest that the demo waits for one thing.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(50);
/// Name of the machine that gets a password, and of the one that does not.
const MACHINE: &str = "demo-pc-1";
const BARE_MACHINE: &str = "demo-pc-2";

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Leave the scratch directory, and say how to go on with it
    #[arg(long)]
    keep: bool,
    /// A policy document instead of the published example
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

/// `lapwing demo`. Ends the programs that it started however it ends.
pub(crate) async fn demo(arguments: &Demo) -> Result<(), Failure> {
    let signals =
        |kind| signal(kind).map_err(|error| Failure::failed("no_signals", format!("signals cannot be taken: {error}")));
    let (mut interrupt, mut terminate) = (signals(SignalKind::interrupt())?, signals(SignalKind::terminate())?);
    let mut stage = Stage::open(arguments)?;
    let outcome = tokio::select! {
        outcome = play(&mut stage) => outcome,
        _ = interrupt.recv() => Err(Failure::failed("interrupted", "interrupted")),
        _ = terminate.recv() => Err(Failure::failed("interrupted", "interrupted")),
    };
    let outcome = outcome.map_err(|failure| stage.with_logs(failure));
    stage.close(outcome.is_ok()).await;
    outcome
}

/// What the demo is played on: scratch directory, programs, what runs.
struct Stage {
    programs: Programs,
    policy: PolicySet,
    policy_name: String,
    scratch: Scratch,
    address: SocketAddr,
    server: Option<Running>,
    agent: Option<Running>,
    started: Instant,
    keep: bool,
}

impl Stage {
    fn open(arguments: &Demo) -> Result<Self, Failure> {
        let (policy, policy_name) = match &arguments.policy {
            Some(file) => (policy::document(file)?, file.display().to_string()),
            None => (policy::set_of(PUBLISHED_POLICY)?, "the published example".to_owned()),
        };
        let effective = EffectivePolicy::resolve(std::slice::from_ref(&policy), JoinState::Entra);
        if !matches!(effective.management(), Management::Managed(_)) {
            return Err(Failure::wrong_use(
                "policy_manages_nothing",
                "with this policy the demo's machine manages no account",
            )
            .next("see why: lapwing policy lint FILE; the demo needs BackupDirectory 1"));
        }
        let unable = |error: std::io::Error| Failure::failed("no_port", format!("no port on loopback: {error}"));
        // The port is free now; that somebody takes it before the server does is possible and would be told.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr()).map_err(unable)?;
        Ok(Self {
            programs: Programs::find()?,
            policy,
            policy_name,
            scratch: Scratch::create(arguments.keep)?,
            address,
            server: None,
            agent: None,
            started: Instant::now(),
            keep: arguments.keep,
        })
    }

    fn at(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The account that the policy manages.
    fn account(&self) -> String {
        match EffectivePolicy::resolve(std::slice::from_ref(&self.policy), JoinState::Entra).account() {
            Account::Named(name) => name,
            _ => "root".to_owned(),
        }
    }

    /// A step that was done, with the time since the start.
    fn step(&self, text: &str) {
        output::message(&format!("[{:5.2} s] {text}", self.started.elapsed().as_secs_f64()));
    }

    fn check_programs(&mut self) -> Result<(), Failure> {
        [&mut self.server, &mut self.agent].into_iter().flatten().try_for_each(Running::still_runs)
    }

    fn with_logs(&self, failure: Failure) -> Failure {
        if failure.code() == "interrupted" || failure.code() == "program_failed" {
            return failure;
        }
        let mut text = failure.message().to_owned();
        for (name, running) in [("lapwingd", &self.server), ("lapwing-agent", &self.agent)] {
            let lines = running.as_ref().map(Running::last_lines).unwrap_or_default();
            if !lines.is_empty() {
                text.push_str(&format!("\n  {name} said last:\n{}", lines.trim_end()));
            }
        }
        failure.instead(text)
    }

    async fn close(self, is_done: bool) {
        for running in [self.agent, self.server].into_iter().flatten() {
            running.stop().await;
        }
        if self.keep {
            let data = self.scratch.path().join("data");
            output::message(&format!(
                "kept: {}\n  go on: lapwingd run --data {}",
                self.scratch.path().display(),
                data.display()
            ));
        } else if is_done {
            output::message("the programs have ended, the scratch directory is removed");
        }
    }
}

/// The play: from nothing to a password that opens the account.
async fn play(stage: &mut Stage) -> Result<(), Failure> {
    let (client, one_time) = start_server(stage).await?;
    let admin_password = random_password();
    let admin = sign_in(&client, "admin", &one_time, Some(&admin_password)).await?;
    let created = admin
        .create_user(&NewUser {
            user_name: "dana".into(),
            display_name: None,
            role: Some("Cloud Device Administrator".into()),
            group: None,
        })
        .await?;
    let dana =
        sign_in(&client, "dana", &Secret::new(created.one_time_secret.clone()), Some(&random_password())).await?;
    stage.step("signed in: admin (Global Administrator) and dana (Cloud Device Administrator)");

    let (tree, account) = (stage.at("machine-1"), stage.account());
    tree::account_tree(&tree, Some(&account))?;
    let device = join(stage, &admin, MACHINE, &tree, "agent-1").await?;
    let log = stage.at("agent-1.log");
    let state = stage.at("agent-1");
    let arguments = ["run", "--state", &text(&state), "--log", "stderr"].map(str::to_owned);
    stage.agent = Some(Running::start("lapwing-agent", &stage.programs.agent, &arguments, log)?);
    stage.step(&format!("{MACHINE} joined and its agent runs, over the accounts of {}", tree.display()));

    let import = PolicyImport { name: "demo".into(), settings: policy::settings(&stage.policy) };
    let policy = admin.import_policy(&import).await?;
    admin.assign_policy(policy.id, &Assign::to(ALL_DEVICES)).await?;
    let mut switch = admin.registration_policy().await?;
    switch.local_admin_password.is_enabled = true;
    admin.set_registration_policy(&switch).await?;
    let settings = policy.settings.len();
    stage.step(&format!("policy: {} ({settings} settings), assigned to all machines; LAPS is on", stage.policy_name));

    wait_for_proof(stage, &admin, device).await?;
    let verifier = tree::verifier(&tree, &account)?;
    let method = verifier.split('$').nth(1).unwrap_or("?");
    stage.step(&format!("{MACHINE} rotated: stored, set, proven; {account}'s new hash begins with ${method}$"));

    let credentials = dana.credentials(device).await?.credentials.unwrap_or_default();
    let best = credentials
        .first()
        .ok_or_else(|| Failure::failed("password_none", "the server gave no password for the machine"))?;
    stage.step(&format!("dana read the password through the Graph API: {}", password::describe(MACHINE, best)));

    show_audit(stage, &admin, device).await?;
    show_explanation(stage, &admin).await?;
    check_password(stage, best, &state, &tree).await
}

/// `lapwingd init` and `run`; a client that trusts its CA, and the first administrator's one-time secret.
async fn start_server(stage: &mut Stage) -> Result<(Client, Secret), Failure> {
    let data = stage.at("data");
    let address = stage.address.to_string();
    let arguments = ["init", "--data", &text(&data), "--hostname", &address, "--listen", &address].map(str::to_owned);
    let init = run(&stage.programs.server, &arguments, b"").await?;
    if !init.is_success {
        return Err(Failure::failed("program_failed", format!("lapwingd init: {}", init.err.trim())));
    }
    let said = zeroize::Zeroizing::new(format!("{}\n{}", init.out, init.err));
    let one_time = said
        .split_whitespace()
        .find(|word| word.starts_with("lapwing-once."))
        .map(|word| Secret::new(word.to_owned()))
        .ok_or_else(|| Failure::failed("program_failed", "lapwingd init gave no one-time secret"))?;
    let arguments = ["run", "--data", &text(&data)].map(str::to_owned);
    let log = stage.at("lapwingd.log");
    stage.server = Some(Running::start("lapwingd", &stage.programs.server, &arguments, log)?);

    let ca = std::fs::read(data.join("keys/ca.crt")).map(|file| client::certificates(&file)).unwrap_or_default();
    let mut settings = Settings::new(&stage.url(), Trust::Pinned(ca));
    settings.timeout = Duration::from_secs(10);
    let client = Client::new(&settings)?;
    let ends = Instant::now() + PATIENCE;
    while let Err(error) = client.alive().await {
        stage.check_programs()?;
        if Instant::now() >= ends {
            return Err(error.into());
        }
        tokio::time::sleep(LOOK).await;
    }
    stage.step(&format!("lapwingd serves {} with a new database and CA", stage.url()));
    Ok((client, one_time))
}

/// Signs a person in as the command line does: by device code, with name and password in the form.
async fn sign_in(
    client: &Client,
    name: &str,
    secret: &Secret,
    new_password: Option<&Secret>,
) -> Result<SignedIn, Failure> {
    let authorization = client.device_code(crate::session::CLIENT_ID).await?;
    let answer = client
        .verify(&Verification {
            user_code: authorization.user_code.clone(),
            user_name: name.to_owned(),
            password: secret.clone(),
            new_password: new_password.cloned(),
            ..Verification::default()
        })
        .await?;
    if answer.result != VerificationResult::Approved {
        return Err(Failure::failed("sign_in_failed", format!("{name} could not sign in: {}", answer.message)));
    }
    let tokens = client.wait_for_device_code(crate::session::CLIENT_ID, &authorization).await?;
    Ok(client.signed_in(&tokens.access_token)?)
}

/// Joins a machine with a new token, which goes to the agent's standard input.
async fn join(stage: &mut Stage, admin: &SignedIn, name: &str, tree: &Path, state: &str) -> Result<DeviceId, Failure> {
    let token = admin.create_join_token(&NewJoinToken { note: name.to_owned(), ..NewJoinToken::default() }).await?;
    let mut arguments = ["join", "--token-file", "-", "--volatile-ok", "--name", name].map(str::to_owned).to_vec();
    for (option, value) in [("--server", stage.url()), ("--state", text(&stage.at(state))), ("--prefix", text(tree))] {
        arguments.extend([option.to_owned(), value]);
    }
    let joined = run(&stage.programs.agent, &arguments, token.token.as_bytes()).await?;
    if !joined.is_success {
        return Err(Failure::failed("program_failed", format!("{name} could not join: {}", joined.err.trim())));
    }
    let device = crate::command::device::find(admin, name).await?;
    Ok(device.device_id)
}

async fn wait_for_proof(stage: &mut Stage, admin: &SignedIn, device: DeviceId) -> Result<(), Failure> {
    let ends = Instant::now() + PATIENCE;
    loop {
        if admin.versions(device).await?.iter().any(|version| version.state == "current") {
            return Ok(());
        }
        stage.check_programs()?;
        if Instant::now() >= ends {
            let why = admin.explain(device).await?.text(MACHINE);
            return Err(Failure::failed("not_proven", format!("no password was proven within a minute\n{why}")));
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn show_audit(stage: &Stage, admin: &SignedIn, device: DeviceId) -> Result<(), Failure> {
    let filter = format!("targetResources/any(t:t/id eq '{device}')");
    let records = admin.directory_audits(Some(&filter), Some(20)).await?;
    let record = records
        .iter()
        .find(|record| record.activity_display_name == "Recover device local administrator password")
        .ok_or_else(|| Failure::failed("audit_record_missing", "the audit log has no record of the reading"))?;
    stage.step(&format!(
        "the audit log says so: {} {} \"{}\" of {MACHINE}, {}",
        record.activity_date_time,
        audit::who(&record.initiated_by),
        record.activity_display_name,
        record.result
    ));
    Ok(())
}

/// A second machine without the account that the policy names: why has it no password?
async fn show_explanation(stage: &mut Stage, admin: &SignedIn) -> Result<(), Failure> {
    let tree = stage.at("machine-2");
    tree::account_tree(&tree, None)?;
    let device = join(stage, admin, BARE_MACHINE, &tree, "agent-2").await?;
    if stage.account() != "root" {
        // The cycle ends with a failure, which is what is to be explained. Root is there on every machine, so
        // with a policy for it the machine does not even check in.
        let arguments = ["cycle", "--state", &text(&stage.at("agent-2")), "--volatile-ok"].map(str::to_owned);
        run(&stage.programs.agent, &arguments, b"").await?;
    }
    let explanation = admin.explain(device).await?;
    stage.step(&format!("{BARE_MACHINE} joined too and has no password; lapwing explain {BARE_MACHINE}:"));
    for line in explanation.text(BARE_MACHINE).lines() {
        output::message(&format!("            {line}"));
    }
    Ok(())
}

/// The end: what was read opens the account, something else does not.
async fn check_password(stage: &Stage, read: &CredentialVersion, state: &Path, tree: &Path) -> Result<(), Failure> {
    let arguments = ["check-password", "--state", &text(state), "--prefix", &text(tree)].map(str::to_owned);
    let opens = run(&stage.programs.agent, &arguments, read.password.reveal().as_bytes()).await?;
    let other = run(&stage.programs.agent, &arguments, b"not the password").await?;
    if !opens.is_success || other.is_success {
        let said = if opens.is_success { other.err } else { opens.err };
        return Err(Failure::failed(
            "password_wrong",
            format!("the password does not open the account: {}", said.trim()),
        ));
    }
    stage.step(&format!("the password that was read opens {}; another does not", read.account_name));
    let mut line = zeroize::Zeroizing::new(String::with_capacity(read.password.reveal().len() + 1));
    line.push_str(read.password.reveal());
    line.push('\n');
    output::data(&line)
}

/// For people of the demo who choose a password.
fn random_password() -> Secret {
    let spec = PasswordSpec::new(4, 24, 0).unwrap_or_default();
    let password: Password = generate(spec, &mut UnwrapErr(getrandom::SysRng));
    Secret::new(password.reveal().to_owned())
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
