//! A real server, real agents over scratch account trees, people with homes of their own; all on loopback.

use crate::program::{Home, Run};
use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Stdio},
};
use tempfile::TempDir;
pub(crate) use testkit::programs::until;
use testkit::programs::{Lapwingd, Running};

/// A hash of a password that nobody noted.
const UNKNOWN: &str =
    "$6$lapwingdemo$GpEL0ZeZ1lYnxeQ4mwUIMxvECZS7hgCna.S.ZXISj6KN22HBjmmQ0qPPxnrqdTGDKuITCIkdjZIzRT9/1A434.";

/// The directory with the three programs, all of the sources as they are now.
pub(crate) fn programs() -> &'static Path {
    testkit::programs::programs(env!("CARGO_BIN_EXE_lapwing"))
}

/// Runs a program to its end, `input` on standard input.
pub(crate) fn run(program: &Path, arguments: &[&str], input: &str) -> Run {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A run that does not read its input closes it: that is no failure of the test.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap().into()
}

/// A server with its first administrator signed in.
pub(crate) struct World {
    place: TempDir,
    server: Lapwingd,
    pub(crate) url: String,
    pub(crate) one_time: String,
    /// The home of the first administrator.
    pub(crate) admin: Home,
}

impl World {
    /// Makes and starts a server; the administrator redeems the one-time secret.
    pub(crate) fn start() -> Self {
        let place = TempDir::new().unwrap();
        let server = Lapwingd::start(programs(), place.path());
        let (url, one_time) = (server.url(), server.one_time.clone());
        let world = Self { place, server, url, one_time, admin: Home::new() };
        let run = world.login(&world.admin, "admin", &world.one_time);
        assert_eq!(run.status, 0, "{run:?}");
        world
    }

    /// Ends the server; nothing brings it back.
    pub(crate) fn stop(&mut self) {
        self.server.kill();
    }

    /// The certificate of the server's CA.
    pub(crate) fn ca(&self) -> String {
        self.server.ca().to_str().unwrap().to_owned()
    }

    /// The first sign-in of a person: the one-time secret is redeemed for a password.
    pub(crate) fn login(&self, home: &Home, name: &str, one_time: &str) -> Run {
        let new = self.place.path().join("new-password");
        fs::write(&new, "correct horse battery staple\n").unwrap();
        let (ca, new) = (self.ca(), new.to_str().unwrap());
        let login = ["login", "--here", "--user", name, "--secret-file", "-", "--new-password-file", new];
        home.run_with(&[&login[..], &["--server", &self.url, "--ca", &ca]].concat(), one_time)
    }

    /// Makes a person with a role, and signs the person in.
    pub(crate) fn person(&self, name: &str, role: &str) -> Home {
        let created = self.admin.run(&["user", "create", name, "--role", role]);
        assert_eq!(created.status, 0, "{created:?}");
        let home = Home::new();
        let run = self.login(&home, name, created.out.trim());
        assert_eq!(run.status, 0, "{run:?}");
        home
    }

    /// Runs `lapwing` as the administrator; it must succeed.
    pub(crate) fn done(&self, arguments: &[&str]) -> Run {
        let run = self.admin.run(arguments);
        assert_eq!(run.status, 0, "{arguments:?} {run:?}");
        run
    }

    /// Makes a policy, or changes it.
    pub(crate) fn policy(&self, name: &str, settings: &str) {
        let run = self.admin.run_with(&["policy", "import", "-", "--name", name], settings);
        assert_eq!(run.status, 0, "{run:?}");
    }

    /// Joins a machine whose accounts are root and localadmin; its agent does not run.
    pub(crate) fn join(&self, name: &str) -> Machine {
        let place = TempDir::new().unwrap();
        account_tree(&place.path().join("tree"));
        let machine = Machine { place, _agent: None, id: String::new(), name: name.to_owned() };
        let token = self.done(&["join-token", "create"]).out;
        let (state, tree) = (machine.state(), machine.tree());
        let how = ["--token-file", "-", "--volatile-ok", "--state", &state, "--prefix", &tree];
        let join = [&["join", "--server", &self.url, "--name", name][..], &how].concat();
        let joined = run(&programs().join("lapwing-agent"), &join, &token);
        assert_eq!(joined.status, 0, "{joined:?}");
        let id = joined.err.split_once("device ").unwrap().1.lines().next().unwrap().trim().to_owned();
        Machine { id, ..machine }
    }

    /// The stable code of `lapwing explain`, as somebody sees it; `ok` when nothing is missing.
    pub(crate) fn explained(&self, reader: &Home, device: &str) -> String {
        let run = reader.run(&["explain", device]);
        assert_eq!(run.status, 0, "{run:?}");
        let Some((_, rest)) = run.out.split_once("  code:  ") else {
            assert!(!run.out.contains('\u{2717}'), "a broken link without a code: {}", run.out);
            return "ok".to_owned();
        };
        assert!(run.out.contains("  cause: ") && run.out.contains("  next:  "), "{}", run.out);
        assert_eq!(rest.matches('\u{2717}').count(), 1, "{}", run.out);
        rest.lines().next().unwrap().to_owned()
    }
}

/// A machine that has joined.
pub(crate) struct Machine {
    place: TempDir,
    _agent: Option<Running>,
    pub(crate) id: String,
    pub(crate) name: String,
}

impl Machine {
    pub(crate) fn state(&self) -> String {
        self.place.path().join("state").to_str().unwrap().to_owned()
    }
    pub(crate) fn tree(&self) -> String {
        self.place.path().join("tree").to_str().unwrap().to_owned()
    }
    /// Runs `lapwing-agent` on its state directory.
    pub(crate) fn agent(&self, arguments: &[&str], input: &str) -> Run {
        let state = self.state();
        run(&programs().join("lapwing-agent"), &[arguments, &["--state", &state]].concat(), input)
    }
    /// One cycle; how it ends is told by the server's side of the test.
    pub(crate) fn cycle(&self) -> Run {
        self.agent(&["cycle"], "")
    }
    /// Starts its agent.
    pub(crate) fn start(&mut self) {
        self._agent = Some(self.spawn(&["run", "--log", "stderr"]));
    }
    fn spawn(&self, arguments: &[&str]) -> Running {
        let log = self.place.path().join("agent.log");
        Running::start(&programs().join("lapwing-agent"), &[arguments, &["--state", &self.state()]].concat(), &log)
    }
    /// Runs a cycle while the account files are locked by another program; killed when `holds`.
    pub(crate) fn cycle_cut_short_by_a_lock(&self, holds: impl FnMut() -> bool) {
        // shadow-utils' own lock: a file with the process id of its owner, here one that lives.
        let lock = Path::new(&self.tree()).join("etc/shadow.lock");
        fs::write(&lock, std::process::id().to_string()).unwrap();
        let cycle = self.spawn(&["cycle"]);
        until("the cycle came to the lock", holds);
        drop(cycle);
        fs::remove_file(lock).unwrap();
    }
    /// Whether a password opens the account of the tree, by a check of its own.
    pub(crate) fn is_opened_by(&self, password: &str) -> bool {
        self.agent(&["check-password"], password).status == 0
    }
}

/// An account database with root, a person, `localadmin`, who may use sudo, and the account of the published documents.
pub(crate) fn account_tree(root: &Path) {
    let etc = root.join("etc");
    fs::create_dir_all(&etc).unwrap();
    let shadow = |name: &str| format!("{name}:{UNKNOWN}:20000:0:99999:7:::\n");
    for (name, text, mode) in [
        (
            "passwd",
            "root:x:0:0:root:/root:/bin/bash\nada:x:1000:1000:Ada:/home/ada:/bin/bash\n\
             localadmin:x:1001:1001::/home/localadmin:/bin/bash\n\
             ContosoLocalLapsAdmin:x:1002:1002::/home/contoso:/bin/bash\n"
                .to_owned(),
            0o644,
        ),
        ("shadow", ["root", "ada", "localadmin", "ContosoLocalLapsAdmin"].map(shadow).concat(), 0o640),
        ("group", "root:x:0:\nada:x:1000:\nlocaladmin:x:1001:\nsudo:x:27:localadmin\n".to_owned(), 0o644),
        ("gshadow", "root:*::\nada:!::\nlocaladmin:!::\nsudo:*::localadmin\n".to_owned(), 0o640),
        ("login.defs", "ENCRYPT_METHOD YESCRYPT\n".to_owned(), 0o644),
    ] {
        fs::write(etc.join(name), text).unwrap();
        fs::set_permissions(etc.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
}
