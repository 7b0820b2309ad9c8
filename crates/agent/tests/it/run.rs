//! The background loop: what starts a cycle, and the socket.

use crate::world::{Agent, World, block_on};
use agent::{
    effect::NoWitness,
    run::{Answer, Control, Verb, ask, run, running},
    state::StateDir,
};
use proto::device::VersionState;
use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    process::Command,
    time::{Duration, Instant},
};
use tokio::{sync::oneshot, task::JoinHandle};

const PATIENCE: Duration = Duration::from_secs(20);

fn state(world: &World) -> StateDir {
    StateDir::open(&world.places.state()).unwrap()
}

/// Waits until something holds; looking does not disturb the loop.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn proven(world: &World) -> usize {
    let kept = |state: VersionState| matches!(state, VersionState::Current | VersionState::Superseded);
    world.directory.book().rows.iter().filter(|row| kept(row.state)).count()
}

/// Runs the loop beside `test`, and stops it as a signal would.
fn with_loop<F: Future<Output = ()>>(world: &World, test: impl FnOnce() -> F) {
    let local = tokio::task::LocalSet::new();
    let agent: Agent<NoWitness> = world.agent();
    let state = state(world);
    block_on(local.run_until(async {
        let control = Control::listen(&state).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let looped = tokio::task::spawn_local(run(agent, control, async { drop(stopped.await) }));
        test().await;
        stop.send(()).unwrap();
        tokio::time::timeout(PATIENCE, looped).await.expect("it stops").unwrap();
    }));
    assert!(running(&state).is_none(), "the socket is gone");
    let last = world.places.events().pop().unwrap();
    assert_eq!(last.event, laps::event::AGENT_STOPPED);
}

fn asked(world: &World, verb: Verb) -> JoinHandle<Option<Answer>> {
    let state = state(world);
    tokio::task::spawn_blocking(move || ask(&state, verb).unwrap())
}

/// At the start, and on a wake ("rotate now" to proven in under 10 s).
#[test]
fn a_cycle_at_the_start_and_on_a_wake() {
    let world = World::new();
    with_loop(&world, || async {
        until("the first password", || proven(&world) == 1).await;
        world.directory.change(|book| book.rotate_requested = Some(1));
        let began = Instant::now();
        *world.directory.wakes.borrow_mut() = 1;
        until("the second password", || proven(&world) == 2).await;
        assert!(began.elapsed() < Duration::from_secs(10));
    });
    world.places.check("at the end");
}

/// rotation.md 6: `reset` and `cycle` go to the running agent.
#[test]
fn reset_and_cycle_go_to_the_running_agent() {
    let world = World::new();
    with_loop(&world, || async {
        until("the first password", || proven(&world) == 1).await;
        let state = state(&world);
        let mode = fs::metadata(state.file("agent.sock")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(running(&state), i32::try_from(std::process::id()).ok());

        let answer = asked(&world, Verb::Cycle).await.unwrap().unwrap();
        assert_eq!((answer.proven.len(), answer.code), (0, None));
        let answer = asked(&world, Verb::Reset).await.unwrap().unwrap();
        assert_eq!((answer.proven.len(), answer.code), (1, None));
        assert_eq!(answer.reasons, ["administrator_request"]);

        // Repeats coalesce, and each is answered by a proof that is newer than it.
        let all = [asked(&world, Verb::Reset), asked(&world, Verb::Reset), asked(&world, Verb::Reset)];
        for answer in all {
            assert!(!answer.await.unwrap().unwrap().proven.is_empty());
        }
        assert!((3..=5).contains(&proven(&world)), "{}", proven(&world));
    });
    assert_eq!(ask(&state(&world), Verb::Reset).unwrap(), None, "nobody listens any more");
}

#[test]
fn bad_requests_are_refused_and_bounded() {
    let world = World::new();
    with_loop(&world, || async {
        until("the first password", || proven(&world) == 1).await;
        let socket = state(&world).file("agent.sock");
        let talk = move |line: Vec<u8>| {
            let mut stream = UnixStream::connect(&socket).unwrap();
            // The agent may hang up before it has read everything.
            drop(stream.write_all(&line));
            drop(stream.shutdown(std::net::Shutdown::Write));
            let mut answer = String::new();
            drop(stream.read_to_string(&mut answer));
            answer
        };
        let answers = tokio::task::spawn_blocking(move || {
            [b"".to_vec(), b"{}\n".to_vec(), b"{\"verb\":\"explode\"}\n".to_vec(), vec![b'x'; 100_000]].map(talk)
        });
        for answer in answers.await.unwrap() {
            assert!(answer.is_empty() || answer.contains("bad_request"), "{answer}");
        }
        assert_eq!(proven(&world), 1);
    });
}

/// Another user's request is refused, even where the modes of directory and socket were opened to it.
#[test]
fn a_request_of_another_user_is_refused() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED run::a_request_of_another_user_is_refused: only root can be somebody else");
        return;
    }
    let world = World::new();
    with_loop(&world, || async {
        until("the first password", || proven(&world) == 1).await;
        // The directories above it, too.
        let socket = state(&world).file("agent.sock");
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).unwrap();
        for path in [world.places.state(), world.places.root.clone()] {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let program = std::env::current_exe().unwrap();
        let asked = tokio::task::spawn_blocking(move || {
            Command::new("setpriv")
                .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
                .arg(program)
                .args(["--exact", "run::child_asks_as_somebody_else", "--ignored", "--nocapture"])
                .env("LAPWING_TEST_SOCKET", socket)
                .output()
        });
        let Ok(output) = asked.await.unwrap() else {
            eprintln!("SKIPPED run::a_request_of_another_user_is_refused: there is no setpriv");
            return;
        };
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("\"code\":\"not_allowed\""), "{text}{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(proven(&world), 1);
    });
}

#[test]
#[ignore = "a child of a_request_of_another_user_is_refused"]
fn child_asks_as_somebody_else() {
    let mut stream = UnixStream::connect(std::env::var_os("LAPWING_TEST_SOCKET").unwrap()).unwrap();
    // The agent may have answered and hung up by now.
    drop(stream.write_all(b"{\"verb\":\"reset\"}\n"));
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    println!("{}", String::from_utf8_lossy(&answer));
}

/// A state directory may lie deeper than the 108 bytes of a socket's path.
#[test]
fn a_long_path_is_no_obstacle() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("d".repeat(120));
    let state = StateDir::open(&path).unwrap();
    block_on(async {
        let control = Control::listen(&state).unwrap();
        assert!(running(&state).is_some());
        drop(control);
    });
    assert!(running(&state).is_none());
}
