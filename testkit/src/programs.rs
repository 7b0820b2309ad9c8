//! The programs of the workspace as processes: built when they are older than their sources, started, killed.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    thread::sleep,
    time::{Duration, Instant, SystemTime},
};

/// Longest wait for one thing; a busy machine is no failure.
const PATIENCE: Duration = Duration::from_secs(100);
/// The crates that each program is made of.
const PROGRAMS: [(&str, &[&str]); 3] = [
    ("lapwingd", &["laps", "proto", "server"]),
    ("lapwing-agent", &["laps", "proto", "client", "agent"]),
    ("lapwing", &["laps", "proto", "client", "cli"]),
];

/// The directory with the three programs, all of the sources as they are now. `own` is one of them, as cargo names
/// it to the tests of its package.
///
/// The environment variable `LAPWING_PROGRAMS` names another directory, such as that of a release build; what it
/// holds is taken as it is.
pub fn programs(own: &str) -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| match std::env::var_os("LAPWING_PROGRAMS") {
        Some(given) => PathBuf::from(given),
        None => built(Path::new(own).parent().unwrap()),
    })
}

/// `cargo test --workspace` has built them; after `cargo test -p` of one package the others may be old or missing.
fn built(directory: &Path) -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let is_fresh = |(name, crates): &(&str, &[&str])| {
        let sources = crates.iter().map(|one| newest_source(&workspace.join("crates").join(one).join("src")));
        let built = fs::metadata(directory.join(name)).and_then(|of| of.modified());
        built.is_ok_and(|built| sources.max().is_none_or(|newest| built >= newest))
    };
    if !PROGRAMS.iter().all(is_fresh) {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--locked", "-p", "lapwing-server", "-p", "lapwing-agent", "-p", "lapwing-cli"]);
        build.env("CARGO_TARGET_DIR", directory.parent().unwrap()).current_dir(workspace);
        if directory.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().unwrap().success(), "the programs do not build");
    }
    directory.to_owned()
}

/// When the newest source file below a directory changed.
fn newest_source(directory: &Path) -> SystemTime {
    let mut newest = SystemTime::UNIX_EPOCH;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            newest = newest.max(newest_source(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            newest = newest.max(fs::metadata(&path).unwrap().modified().unwrap());
        }
    }
    newest
}

/// Looks until it holds.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let ends = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < ends, "{what}: not within {} s", PATIENCE.as_secs());
        sleep(Duration::from_millis(2));
    }
}

/// A program that runs until it is killed or dropped.
#[derive(Debug)]
pub struct Running(Child);

impl Running {
    /// Starts a program with nothing on standard input; what it says is appended to a log.
    pub fn start(program: &Path, arguments: &[&str], log: &Path) -> Self {
        let log = File::options().append(true).create(true).open(log).unwrap();
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        Self(command.spawn().unwrap())
    }
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }
    /// Whether it has not ended by itself.
    pub fn is_alive(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
    /// Waits for its end; whether it succeeded.
    pub fn ends_well(&mut self) -> bool {
        self.0.wait().unwrap().success()
    }
    /// SIGKILL; returns when it is gone.
    pub fn kill(&mut self) {
        self.end();
    }
    fn end(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// `lapwingd` on a data directory of its own, on loopback, with an address that it keeps.
#[derive(Debug)]
pub struct Lapwingd {
    program: PathBuf,
    place: PathBuf,
    address: String,
    running: Option<Running>,
    /// The one-time secret of the first administrator, `admin`.
    pub one_time: String,
}

impl Lapwingd {
    /// Makes a server in `place/data`, and starts it; returns when it listens.
    pub fn start(programs: &Path, place: &Path) -> Self {
        let program = programs.join("lapwingd");
        // Free now. Somebody may take it before the server does: then it is tried again, and told in the end.
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let data = place.join("data");
        let init = Command::new(&program)
            .args(["init", "--data", data.to_str().unwrap(), "--hostname", &address, "--listen", &address])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&init.stdout);
        assert!(init.status.success(), "lapwingd init: {}", String::from_utf8_lossy(&init.stderr));
        let one_time = said.split_whitespace().find(|word| word.starts_with("lapwing-once.")).unwrap().to_owned();
        let mut server = Self { program, place: place.to_owned(), address, running: None, one_time };
        server.up();
        server
    }

    /// Starts it again; returns when it listens.
    pub fn up(&mut self) {
        let data = self.data();
        let arguments = ["run", "--data", data.to_str().unwrap()];
        let log = self.place.join("lapwingd.log");
        until("lapwingd listens", || {
            let running = self.running.get_or_insert_with(|| Running::start(&self.program, &arguments, &log));
            if !running.is_alive() {
                self.running = None;
                return false;
            }
            TcpStream::connect(&self.address).is_ok()
        });
    }

    /// SIGKILL; returns when it is gone.
    pub fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.kill();
        }
    }

    /// Where it is reached.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }
    /// Its data directory.
    pub fn data(&self) -> PathBuf {
        self.place.join("data")
    }
    /// The file with the certificate of its CA.
    pub fn ca(&self) -> PathBuf {
        self.data().join("keys/ca.crt")
    }
}
