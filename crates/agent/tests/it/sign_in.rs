//! What follows a sign-in with the managed account (laps-behaviour.md 5; rotation.md 10), on a machine that only
//! records what would be ended.

use crate::world::{Fault, FileDirectory, World, block_on};
use agent::{
    clock::Clock,
    effect::{NoWitness, Parts, Runner},
    events::{EventLog, Output},
    platform::{Durability, ManagedTree, Tree},
    run::{Control, run},
    sign_in::{Inbox, Machine, Notice, ProcessRef, Told, WitnessedSession, tell},
    state::StateDir,
};
use laps::{
    cycle::Finish,
    decide::Reason,
    event,
    id::{BootId, SignInId},
    rotation::{AccountRef, Failure},
    time::Timestamp,
};
use proto::device::{Code, VersionState};
use std::{
    cell::{Cell, RefCell},
    fs,
    io::{Read as _, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    rc::Rc,
    time::{Duration, Instant},
};

/// A clock that the test moves.
#[derive(Clone)]
struct Hand(Rc<Cell<Timestamp>>);
impl Clock for Hand {
    fn now(&self) -> Timestamp {
        self.0.get()
    }
}

/// What the machine was asked to do, in order.
#[derive(Clone, Default)]
struct Record {
    acts: Rc<RefCell<Vec<String>>>,
    fails: Rc<Cell<bool>>,
    boot: Rc<Cell<u8>>,
    sessions: Rc<RefCell<Vec<WitnessedSession>>>,
}

impl Record {
    fn act(&self, what: &str, account: Option<&AccountRef>) -> Result<usize, Failure> {
        let name = account.map(|account| format!(" {}", account.name)).unwrap_or_default();
        self.acts.borrow_mut().push(format!("{what}{name}"));
        if self.fails.get() {
            return Err(Failure::new(event::RESTART_FAILED, "test", "it does not"));
        }
        Ok(2)
    }
    fn take(&self) -> Vec<String> {
        self.acts.borrow_mut().drain(..).collect()
    }
}

impl Machine for Record {
    fn boot(&self) -> BootId {
        BootId::from_bytes([self.boot.get(); 16])
    }
    fn is_alive(&self, _: &ProcessRef) -> bool {
        true
    }
    fn observe(&mut self, _: &AccountRef, _: &[ProcessRef]) {}
    fn sessions(&mut self, _: &AccountRef) -> Vec<WitnessedSession> {
        self.sessions.borrow().clone()
    }
    fn warn(&mut self, account: &AccountRef, _: &[ProcessRef], _: &str) -> usize {
        self.act("warn", Some(account)).unwrap_or(0)
    }
    fn end_sessions(&mut self, account: &AccountRef, _: &[ProcessRef]) -> Result<usize, Failure> {
        self.act("end sessions of", Some(account))
    }
    fn end_processes(&mut self, account: &AccountRef, _: &[ProcessRef]) -> Result<usize, Failure> {
        self.act("end processes of", Some(account))
    }
    fn restart(&mut self) -> Result<(), Failure> {
        self.act("restart", None).map(drop)
    }
}

type TestAgent = Runner<FileDirectory, Hand, NoWitness>;

/// A machine with its first password, on which `root` is managed and 8 hours pass between sign-in and reset.
struct Scene {
    world: World,
    record: Record,
    clock: Hand,
}

impl Scene {
    fn new(delay_hours: u32, actions: u32) -> Self {
        let world = World::new();
        let policy = format!(
            "BackupDirectory = 1\nPostAuthenticationResetDelay = {delay_hours}\nPostAuthenticationActions = {actions}\n"
        );
        fs::write(world.places.state().join("policy/local.toml"), policy).unwrap();
        let now = agent::clock::SystemClock.now();
        let scene = Self { world, record: Record::default(), clock: Hand(Rc::new(Cell::new(now))) };
        assert_eq!(cycle(&mut scene.agent()).proven.len(), 1);
        scene
    }
    fn state(&self) -> StateDir {
        StateDir::open(&self.world.places.state()).unwrap()
    }
    fn agent(&self) -> TestAgent {
        let (state, directory) = (self.state(), self.world.directory.clone());
        let mut agent = Runner::new(Parts {
            events: EventLog::new(state.events(), Output::None, self.clock.clone()),
            state,
            tree: ManagedTree::new(Tree::below(&self.world.places.tree()).unwrap()),
            durability: Durability::VolatileOk,
            connect: Box::new(move |_, _, _| Ok(directory.clone())),
            domain: None,
            clock: self.clock.clone(),
            witness: NoWitness,
        })
        .unwrap();
        agent.claim().unwrap();
        agent.ends_sessions_on(Box::new(self.record.clone()));
        agent
    }
    fn pass(&self, seconds: u64) {
        self.clock.0.set(self.clock.now().plus_seconds(seconds));
    }
    fn notice(&self, n: u8, user: &str) -> Notice {
        Notice {
            id: SignInId::from_random_bytes([n; 16]),
            user: user.into(),
            service: "sshd".into(),
            from: Some("192.0.2.7".into()),
            at: self.clock.now(),
            process: Some(ProcessRef { pid: 4_000_000, started: u64::from(n) }),
        }
    }
    fn sign_in(&self, n: u8) {
        Inbox::of(&self.state()).put(&self.notice(n, "root")).unwrap();
    }
    fn events(&self) -> Vec<u32> {
        self.world.places.events().iter().map(|event| event.event).collect()
    }
    fn seen(&self, event: u32) -> usize {
        self.events().iter().filter(|seen| **seen == event).count()
    }
    /// The first sign-in, told to the directory, and its deadline come.
    fn used(delay_hours: u32, actions: u32) -> (Self, TestAgent) {
        let scene = Self::new(delay_hours, actions);
        let mut agent = scene.agent();
        scene.sign_in(1);
        assert_eq!(cycle(&mut agent).proven.len(), 0);
        scene.pass(u64::from(delay_hours) * 3600);
        (scene, agent)
    }
}

fn cycle(agent: &mut TestAgent) -> Finish {
    block_on(agent.cycle(false, &mut || None)).unwrap().finish
}

/// laps-behaviour.md 5.2: 10042, the ordinary rotation, then the action, then 10044; the reset is proven first.
#[test]
fn the_reset_is_proven_before_sessions_are_warned_and_end() {
    let scene = Scene::new(8, 3);
    let mut agent = scene.agent();
    scene.sign_in(1);
    assert_eq!(cycle(&mut agent).proven.len(), 0);
    assert_eq!(scene.seen(event::SIGNED_IN), 1);
    let told = scene.world.directory.book().last_report.unwrap().sign_ins;
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].service.as_str(), told[0].from.as_deref()), ("sshd", Some("192.0.2.7")));
    assert_eq!(told[0].deadline, Some(scene.clock.now().plus_seconds(8 * 3600)));
    assert_eq!(told[0].version, scene.world.directory.book().current().unwrap().version);

    scene.pass(8 * 3600 - 1);
    assert_eq!(cycle(&mut agent).reasons, []);
    assert!(scene.world.directory.book().last_report.unwrap().sign_ins.is_empty(), "told once");
    assert_eq!(agent.sign_ins_due_in(), Some(Duration::from_secs(1)));
    scene.pass(1);
    let before = scene.events().len();
    let finish = cycle(&mut agent);
    assert_eq!((finish.reasons.as_slice(), finish.proven.len()), (&[Reason::PostAuthentication][..], 1));
    let events = scene.events().split_off(before);
    let of_order = [10042, 10003, 10051, 10029, 10020, 10004];
    assert_eq!(events.into_iter().filter(|event| of_order.contains(event)).collect::<Vec<_>>(), of_order);
    assert_eq!(scene.record.take(), Vec::<String>::new());

    agent.act_on_sign_ins();
    assert_eq!(scene.record.take(), ["warn root"]);
    assert_eq!(agent.sign_ins_due_in(), Some(Duration::from_secs(120)));
    scene.pass(119);
    agent.act_on_sign_ins();
    assert_eq!(scene.record.take(), Vec::<String>::new());
    scene.pass(1);
    agent.act_on_sign_ins();
    agent.act_on_sign_ins();
    assert_eq!(scene.record.take(), ["end sessions of root"]);
    assert_eq!(scene.events().last(), Some(&event::POST_AUTHENTICATION_DONE));
    assert_eq!(cycle(&mut agent).reasons, []);
}

#[test]
fn each_action_does_what_it_says() {
    let expected: [(u32, u64, &[&str]); 4] = [
        (1, 0, &[]),
        (3, 120, &["warn root", "end sessions of root"]),
        (5, 60, &["warn root", "restart"]),
        (11, 120, &["warn root", "end sessions of root", "end processes of root"]),
    ];
    for (actions, wait, done) in expected {
        let (scene, mut agent) = Scene::used(1, actions);
        assert_eq!(cycle(&mut agent).reasons, [Reason::PostAuthentication], "{actions}");
        agent.act_on_sign_ins();
        scene.pass(wait);
        agent.act_on_sign_ins();
        assert_eq!(scene.record.take(), done, "{actions}");
        assert_eq!(scene.seen(event::POST_AUTHENTICATION_DONE), 1, "{actions}");
        assert_eq!(agent.sign_ins_due_in(), None);
    }
}

/// The deadline outlives the agent and the machine; sessions of before a start of the machine are gone.
#[test]
fn deadlines_outlive_restarts() {
    let (scene, agent) = Scene::used(24, 3);
    drop(agent);
    scene.record.boot.set(1);
    let mut agent = scene.agent();
    assert_eq!(cycle(&mut agent).reasons, [Reason::PostAuthentication], "the first cycle after the start");
    agent.act_on_sign_ins();
    scene.pass(60);
    drop(agent);
    // The agent alone was started anew: the two minutes go on.
    let mut agent = scene.agent();
    agent.act_on_sign_ins();
    scene.pass(60);
    agent.act_on_sign_ins();
    assert_eq!(scene.record.take(), ["warn root", "warn root", "end sessions of root"]);

    let (scene, mut agent) = Scene::used(1, 5);
    cycle(&mut agent);
    drop(agent);
    scene.record.boot.set(2);
    let mut agent = scene.agent();
    agent.act_on_sign_ins();
    assert_eq!(scene.record.take(), Vec::<String>::new(), "it was restarted meanwhile");
    assert_eq!(scene.seen(event::POST_AUTHENTICATION_DONE), 1);
}

/// rotation.md 10: attempts count only when directory or machine refused; nothing is ended meanwhile.
#[test]
fn refusals_are_counted_and_being_off_the_network_is_not() {
    let (scene, mut agent) = Scene::used(1, 11);
    for _ in 0..3 {
        scene.world.directory.faults([Fault::Unreachable; 8]);
        assert!(cycle(&mut agent).offline);
        agent.act_on_sign_ins();
    }
    assert_eq!(scene.seen(event::POST_AUTHENTICATION_RETRY), 0);
    assert_eq!(scene.seen(event::GRACE_OVER), 1, "said once");
    scene.world.directory.change(|book| book.store_refused = Some(Code::LapsDisabled.as_str().to_owned()));
    // What the attempts before left in the queue.
    while cycle(&mut agent).offline {}
    let refused = scene.seen(event::POST_AUTHENTICATION_RETRY);
    assert_eq!(refused, 1);
    assert_eq!(agent.sign_ins_due_in(), Some(Duration::from_secs(300)));
    agent.act_on_sign_ins();
    assert_eq!(scene.record.take(), Vec::<String>::new(), "no session ends before the reset");
    scene.world.directory.change(|book| book.store_refused = None);
    scene.pass(300);
    assert_eq!(cycle(&mut agent).reasons, [Reason::PostAuthentication]);
}

#[test]
fn a_restart_that_fails_is_told_and_tried_again() {
    let (scene, mut agent) = Scene::used(1, 5);
    cycle(&mut agent);
    scene.record.fails.set(true);
    scene.pass(60);
    agent.act_on_sign_ins();
    assert_eq!(scene.seen(event::RESTART_FAILED), 1);
    assert_eq!(agent.sign_ins_due_in(), Some(Duration::from_secs(300)));
    scene.record.fails.set(false);
    scene.pass(300);
    agent.act_on_sign_ins();
    assert_eq!(scene.record.take(), ["warn root", "restart", "restart"]);
}

/// Skipped when another rotation came in between, dropped when the account is not managed any more.
#[test]
fn a_rotation_in_between_and_another_policy() {
    let (scene, mut agent) = Scene::used(1, 1);
    let finish = block_on(agent.cycle(true, &mut || None)).unwrap().finish;
    assert_eq!(finish.proven.len(), 1);
    assert_eq!(cycle(&mut agent).reasons, []);
    assert_eq!(scene.seen(event::POST_AUTHENTICATION_DONE), 1);

    let (scene, mut agent) = Scene::used(1, 11);
    fs::write(scene.world.places.state().join("policy/local.toml"), "BackupDirectory = 0\n").unwrap();
    assert_eq!(cycle(&mut agent).reasons, []);
    assert_eq!(scene.seen(event::POST_AUTHENTICATION_DROPPED), 1);
    scene.pass(1000);
    agent.act_on_sign_ins();
    assert_eq!(scene.record.take(), Vec::<String>::new());
}

/// Delay 0 disables; the sign-in is told all the same. A repeated notice is one sign-in, another account's none.
#[test]
fn without_a_delay_nothing_follows_and_each_sign_in_counts_once() {
    let scene = Scene::new(0, 3);
    let mut agent = scene.agent();
    scene.sign_in(1);
    Inbox::of(&scene.state()).put(&scene.notice(2, "ops")).unwrap();
    assert!(agent.sign_in_waits());
    cycle(&mut agent);
    let told = scene.world.directory.book().last_report.unwrap().sign_ins;
    assert_eq!((told.len(), told[0].deadline), (1, None));
    assert_eq!((scene.seen(event::SIGNED_IN), scene.seen(event::SIGNED_IN_AGAIN)), (0, 1));
    scene.sign_in(1);
    Inbox::of(&scene.state()).put(&scene.notice(3, "ops")).unwrap();
    cycle(&mut agent);
    assert_eq!(scene.seen(event::SIGNED_IN_AGAIN), 1);
    Inbox::of(&scene.state()).put(&scene.notice(4, "ops")).unwrap();
    assert!(!agent.sign_in_waits(), "another account's sign-in starts nothing");
    scene.pass(1_000_000);
    assert_eq!(agent.sign_ins_due_in(), None);
}

/// A report whose answer is lost tells the sign-in again, with the same id.
#[test]
fn a_sign_in_is_told_until_a_report_is_answered() {
    let scene = Scene::new(8, 3);
    let mut agent = scene.agent();
    for n in 1..=6 {
        scene.sign_in(n);
    }
    scene.world.directory.faults([Fault::AnswerLost]);
    assert!(cycle(&mut agent).offline);
    let first = scene.world.directory.book().last_report.unwrap().sign_ins;
    assert_eq!(first.len(), proto::device::SIGN_INS_MAX);
    assert_eq!(scene.state().sign_ins().unwrap().unreported.len(), 6);
    drop(agent);
    let mut agent = scene.agent();
    scene.world.directory.faults([Fault::AnswerLost]);
    cycle(&mut agent);
    assert_eq!(scene.world.directory.book().last_report.unwrap().sign_ins, first, "the same ids");
    cycle(&mut agent);
    cycle(&mut agent);
    assert_eq!(scene.state().sign_ins().unwrap().unreported, []);
}

/// A damaged state file is kept aside and the password is changed: nobody knows any more who used it.
#[test]
fn a_damaged_file_is_kept_aside_and_the_password_is_changed() {
    let (scene, agent) = Scene::used(8, 3);
    drop(agent);
    fs::write(scene.state().file("sign-ins.json"), b"{\"format\":1,").unwrap();
    let mut agent = scene.agent();
    scene.world.directory.faults([Fault::Unreachable; 3]);
    assert!(cycle(&mut agent).offline);
    drop(agent);
    let mut agent = scene.agent();
    while cycle(&mut agent).proven.is_empty() {}
    assert_eq!(cycle(&mut agent).reasons, [], "once");
    assert_eq!(fs::read(scene.state().file("sign-ins.damaged")).unwrap(), b"{\"format\":1,");
    assert_eq!(scene.seen(event::STATE_DAMAGED), 1);
    let told = scene.world.directory.book().damaged;
    assert!(told.iter().any(|text| text.contains("sign-ins.json")), "{told:?}");
    scene.world.places.check("after the damage");
}

/// The second witness: a session that nobody told of is an event, once, and starts no clock.
#[test]
fn a_session_without_a_sign_in_is_told_and_starts_nothing() {
    let (scene, mut agent) = Scene::used(0, 3);
    let session =
        |id: &str, leader: i32| WitnessedSession { id: id.into(), service: "sshd".into(), leader: Some(leader) };
    scene.record.sessions.borrow_mut().extend([session("4", 4_000_000), session("5", 77)]);
    cycle(&mut agent);
    cycle(&mut agent);
    assert_eq!(scene.seen(event::SESSION_UNEXPLAINED), 1);
    assert_eq!(agent.sign_ins_due_in(), None);
}

/// The hook is answered by the running agent; what is no notice is refused.
#[test]
fn the_socket_takes_notices_and_refuses_what_is_none() {
    let scene = Scene::new(8, 3);
    let state = scene.state();
    let local = tokio::task::LocalSet::new();
    block_on(local.run_until(async {
        let control = Control::listen(&state).unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let looped = tokio::task::spawn_local(run(scene.agent(), control, async { drop(stopped.await) }));
        let (notice, socket) = (scene.notice(1, "root"), state.file("agent.sock"));
        let began = Instant::now();
        // A cycle that hashes a password may hold the agent for longer than the hook waits; the inbox takes it.
        let told = tokio::task::spawn_blocking({
            let state = state.clone();
            move || tell(&state, &notice)
        });
        assert_ne!(told.await.unwrap(), Told::Nobody);
        while scene.world.directory.book().last_report.is_none_or(|report| report.sign_ins.is_empty()) {
            assert!(began.elapsed() < Duration::from_secs(50));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let talk = move |line: &str| {
            let mut stream = UnixStream::connect(&socket).unwrap();
            stream.write_all(line.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        };
        let refused = tokio::task::spawn_blocking(move || {
            [
                "{\"verb\":\"sign_in\"}\n",
                "{\"verb\":\"sign_in\",\"sign_in\":{\"user\":\"root\"}}\n",
                "{\"verb\":\"sign_in\",\"sign_in\":{\"id\":\"00000000-0000-4000-8000-000000000000\",\"user\":\"\",\"service\":\"su\",\"at\":\"2026-01-01T00:00:00Z\"}}\n",
            ]
            .map(talk)
        });
        for answer in refused.await.unwrap() {
            assert!(answer.contains("bad_request"), "{answer}");
        }
        stop.send(()).unwrap();
        looped.await.unwrap();
    }));
    assert_eq!(scene.seen(event::SIGNED_IN), 1);
}

/// No sign-in waits for an agent that is dead, or that takes connections and never answers.
#[test]
fn nobody_waits_for_a_dead_or_stopped_agent() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    let scene = Scene::new(8, 3);
    let limit = Duration::from_millis(100);
    let timed = |n: u8| {
        let began = Instant::now();
        let told = tell(&state, &scene.notice(n, "root"));
        (told, began.elapsed())
    };
    let (told, took) = timed(1);
    assert!(told == Told::Inbox && took < limit, "dead: {told:?} {took:?}");
    let listener = UnixListener::bind(state.file("agent.sock")).unwrap();
    let (told, took) = timed(2);
    assert!(told == Told::Inbox && took < limit, "stopped: {told:?} {took:?}");
    drop(listener);
    assert_eq!(Inbox::of(&state).read().0.len(), 2);
    fs::remove_dir_all(state.path()).unwrap();
    assert_eq!(timed(3).0, Told::Nobody);
}

/// I1 holds with a deadline on every step: the process ends wherever it is, and the next one finishes.
#[test]
fn a_deadline_in_the_middle_of_faults_loses_nothing() {
    for fault in [Fault::AnswerLost, Fault::RequestLost, Fault::Unreachable, Fault::Refused(Code::Internal)] {
        for at in 0..5 {
            let (scene, mut agent) = Scene::used(1, 3);
            scene.world.directory.faults(std::iter::repeat_n(Fault::None, at).chain([fault]));
            cycle(&mut agent);
            drop(agent);
            let mut agent = scene.agent();
            cycle(&mut agent);
            scene.world.places.check("after the second cycle");
            let states: Vec<_> = scene.world.directory.book().rows.iter().map(|row| row.state).collect();
            assert!(states.iter().filter(|state| **state == VersionState::Current).count() == 1);
            agent.act_on_sign_ins();
            scene.pass(120);
            agent.act_on_sign_ins();
            assert_eq!(scene.record.take(), ["warn root", "end sessions of root"], "{fault:?} at {at}");
        }
    }
}
