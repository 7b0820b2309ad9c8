//! One machine (an account tree and a state directory) and a directory in a file, which outlives a killed
//! process.

use agent::{
    clock::{Clock, SystemClock},
    directory::Directory,
    domain::Domain,
    effect::{Connect, NoWitness, Parts, Runner, Witness},
    events::{EventLog, Output},
    platform::{Durability, ManagedTree, Tree},
    state::{EventRecord, Joined, SoftwareKey, StateDir},
};
use client::{Cause, Error, NoAnswer, Refusal};
use laps::{
    id::{DeviceId, Incarnation, TenantId, VersionId},
    password::Password,
    rotation::{AccountRef, Fingerprint},
    time::Timestamp,
};
use proto::{
    device::{
        Abandon, Code, HeldVersion, Next, Prove, RenewAnswer, RenewRequest, Report, ReportAnswer, Store, StoreAnswer,
        VersionAnswer, VersionState, WaitAnswer,
    },
    dm, serde_text,
};
use serde::{Deserialize, Serialize};
use std::{
    cell::RefCell,
    collections::VecDeque,
    fs,
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};

pub(crate) const TENANT: TenantId = TenantId::from_random_bytes([1; 16]);
pub(crate) const DEVICE: DeviceId = DeviceId::from_random_bytes([2; 16]);
const INCARNATION: Incarnation = Incarnation::from_random_bytes([3; 16]);

/// What happens to the next call of a verb that changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is answered as it should be.
    None,
    /// No connection.
    Unreachable,
    /// It never arrives, and nobody can tell.
    RequestLost,
    /// It is carried out and the answer is lost.
    AnswerLost,
    /// It is refused with this code.
    Refused(Code),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    #[serde(with = "serde_text::text")]
    pub(crate) version: VersionId,
    pub(crate) sequence: u64,
    pub(crate) state: VersionState,
    #[serde(with = "serde_text::text")]
    pub(crate) fingerprint: Fingerprint,
    pub(crate) account_id: u32,
    pub(crate) account_name: String,
    pub(crate) password: String,
    pub(crate) reasons: Vec<String>,
    #[serde(with = "serde_text::time")]
    expires_at: Timestamp,
}

impl Row {
    fn held(&self) -> HeldVersion {
        HeldVersion {
            version: self.version,
            sequence: self.sequence,
            fingerprint: self.fingerprint,
            account_id: self.account_id,
            account_name: self.account_name.clone(),
            expires_at: self.expires_at,
        }
    }
}

/// What the directory knows, as a file.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Book {
    pub(crate) rows: Vec<Row>,
    pub(crate) last_report: Option<Report>,
    pub(crate) ever_proven: bool,
    pub(crate) rotate_requested: Option<u64>,
    pub(crate) store_refused: Option<String>,
    #[serde(default)]
    pub(crate) repairs_per_day: Option<u32>,
    /// What devices told of files that they could not read.
    #[serde(default)]
    pub(crate) damaged: Vec<String>,
}

impl Book {
    pub(crate) fn read(path: &Path) -> Self {
        fs::read(path).map_or_else(|_| Self::default(), |bytes| serde_json::from_slice(&bytes).unwrap())
    }
    pub(crate) fn write(&self, path: &Path) {
        let new = path.with_extension("new");
        fs::write(&new, serde_json::to_vec(self).unwrap()).unwrap();
        fs::rename(new, path).unwrap();
    }
    pub(crate) fn current(&self) -> Option<&Row> {
        self.rows.iter().find(|row| row.state == VersionState::Current)
    }
}

/// The directory of rotation.md 3, in a file.
#[derive(Clone)]
pub(crate) struct FileDirectory {
    path: PathBuf,
    faults: Rc<RefCell<VecDeque<Fault>>>,
    /// Commands that the next management session brings.
    pub(crate) policy: Rc<RefCell<Vec<dm::Command<'static>>>>,
    session: Rc<RefCell<Option<dm::server::ServerSession>>>,
    /// What the device said in sessions: alerts as (source, data).
    pub(crate) alerts: Rc<RefCell<Vec<(String, String)>>>,
    /// Certificates that renewals hand out.
    pub(crate) certificate: Rc<RefCell<Option<Vec<u8>>>>,
    /// Wakes that are due.
    pub(crate) wakes: Rc<RefCell<u32>>,
}

impl FileDirectory {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            faults: Rc::default(),
            policy: Rc::default(),
            session: Rc::default(),
            alerts: Rc::default(),
            certificate: Rc::default(),
            wakes: Rc::default(),
        }
    }
    pub(crate) fn faults(&self, faults: impl IntoIterator<Item = Fault>) {
        self.faults.borrow_mut().extend(faults);
    }
    pub(crate) fn book(&self) -> Book {
        Book::read(&self.path)
    }
    pub(crate) fn change(&self, change: impl FnOnce(&mut Book)) {
        let mut book = self.book();
        change(&mut book);
        book.write(&self.path);
    }

    fn call<T>(&self, act: impl FnOnce(&mut Book) -> Result<T, Code>) -> Result<T, Error> {
        let fault = self.faults.borrow_mut().pop_front().unwrap_or(Fault::None);
        match fault {
            Fault::Unreachable => return Err(no_answer(Cause::Unreachable("refused".into()))),
            Fault::RequestLost => return Err(no_answer(Cause::TimedOut(Duration::from_secs(1)))),
            Fault::Refused(code) => return Err(refused(code)),
            Fault::None | Fault::AnswerLost => {}
        }
        let mut book = self.book();
        let answer = act(&mut book).map_err(refused)?;
        book.write(&self.path);
        if fault == Fault::AnswerLost {
            return Err(no_answer(Cause::BrokeOff("reset".into())));
        }
        Ok(answer)
    }
}

fn no_answer(cause: Cause) -> Error {
    Error::NoAnswer(NoAnswer { server: "https://directory.test".into(), cause })
}

fn refused(code: Code) -> Error {
    Error::Refused(Box::new(Refusal {
        status: code.http_status(),
        code: code.as_str().into(),
        message: "refused by the test".into(),
        remedy: String::new(),
        request_id: String::new(),
        retry_after: None,
    }))
}

fn now() -> Timestamp {
    SystemClock.now()
}

impl Directory for FileDirectory {
    async fn store(&self, store: &Store, password: &Password) -> Result<StoreAnswer, Error> {
        self.call(|book| {
            if let Some(code) = &book.store_refused {
                return Err(Code::parse(code).unwrap());
            }
            let sequence = book.rows.len() as u64 + 1;
            let known = book.rows.iter().find(|row| row.version == store.version);
            let row = match known {
                Some(row) if row.fingerprint != store.fingerprint => return Err(Code::VersionConflict),
                Some(row) => row.clone(),
                None => {
                    let row = Row {
                        version: store.version,
                        sequence,
                        state: VersionState::Pending,
                        fingerprint: store.fingerprint,
                        account_id: store.account.id,
                        account_name: store.account.name.clone(),
                        password: password.reveal().to_owned(),
                        reasons: store.reasons.clone(),
                        expires_at: store.expires_at,
                    };
                    book.rows.push(row.clone());
                    row
                }
            };
            Ok(StoreAnswer { sequence: row.sequence, state: row.state, stored_at: now(), server_time: now() })
        })
    }

    async fn prove(&self, prove: &Prove) -> Result<VersionAnswer, Error> {
        self.call(|book| {
            let row = book.rows.iter().find(|row| row.version == prove.version).ok_or(Code::VersionUnknown)?;
            let (sequence, state) = (row.sequence, row.state);
            match state {
                VersionState::Abandoned => return Err(Code::VersionAbandoned),
                VersionState::Current | VersionState::Superseded => {}
                VersionState::Pending => {
                    for row in &mut book.rows {
                        if row.version == prove.version {
                            row.state = VersionState::Current;
                        } else if row.state == VersionState::Current
                            || (row.state == VersionState::Pending && row.sequence < sequence)
                        {
                            row.state = VersionState::Superseded;
                        }
                    }
                    book.ever_proven = true;
                    book.rotate_requested.take_if(|requested| *requested < sequence);
                }
            }
            Ok(VersionAnswer { state: Some(VersionState::Current), server_time: now() })
        })
    }

    async fn abandon(&self, abandon: &Abandon) -> Result<VersionAnswer, Error> {
        self.call(|book| {
            let row = book.rows.iter_mut().find(|row| row.version == abandon.version);
            let state = row.map(|row| {
                if row.state == VersionState::Pending {
                    row.state = VersionState::Abandoned;
                }
                row.state
            });
            Ok(VersionAnswer { state, server_time: now() })
        })
    }

    async fn report(&self, report: &Report) -> Result<ReportAnswer, Error> {
        self.call(|book| {
            book.last_report = Some(report.clone());
            book.damaged.extend(report.evidence.damaged.clone());
            let mut pending: Vec<&Row> = book.rows.iter().filter(|row| row.state == VersionState::Pending).collect();
            pending.sort_by_key(|row| core::cmp::Reverse(row.sequence));
            Ok(ReportAnswer {
                current: book.current().map(Row::held),
                unresolved: pending.into_iter().map(Row::held).collect(),
                incarnation: INCARNATION,
                audit_head: Some("head 1".into()),
                rotate_requested: book.rotate_requested,
                repairs_per_day: book.repairs_per_day.unwrap_or(laps::drift::REPAIRS_PER_DAY),
                store_refused: book.store_refused.clone(),
                ca: Vec::new(),
                server_time: now(),
                next: Next { poll_after_s: 3600, wait: true },
            })
        })
    }

    async fn renew(&self, _: &RenewRequest) -> Result<RenewAnswer, Error> {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        match self.certificate.borrow().as_ref() {
            Some(der) => Ok(RenewAnswer { certificate: STANDARD.encode(der), ca: Vec::new(), server_time: now() }),
            None => Err(no_answer(Cause::Unreachable("refused".into()))),
        }
    }

    async fn manage(&self, message: Vec<u8>) -> Result<Vec<u8>, Error> {
        let message = dm::read(&message, dm::Mode::Wire, &dm::Limits::default()).unwrap();
        let mut slot = self.session.borrow_mut();
        if message.header.msg_id == 1 {
            let limits = dm::session::SessionLimits::default();
            *slot = Some(dm::server::ServerSession::open(&self.management_uri(), &message.header, limits, now()));
        }
        let session = slot.as_mut().unwrap();
        let received = session.receive(&message, now()).unwrap();
        for notice in &received.notices {
            if let (Some(source), Some(data)) = (&notice.source, &notice.data) {
                self.alerts.borrow_mut().push((source.clone(), data.clone()));
            }
        }
        if received.is_final {
            for command in self.policy.borrow_mut().drain(..) {
                session.queue(command);
            }
        }
        Ok(dm::write(&session.reply()).into_bytes())
    }

    async fn wait(&self, _: Duration) -> Result<WaitAnswer, Error> {
        loop {
            if *self.wakes.borrow() > 0 {
                *self.wakes.borrow_mut() -= 1;
                return Ok(WaitAnswer { wake: true });
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn management_uri(&self) -> String {
        "https://directory.test/mdm".into()
    }
}

pub(crate) type Agent<W> = Runner<FileDirectory, SystemClock, W>;

/// Paths of one machine and its directory.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    pub(crate) root: PathBuf,
}

impl Places {
    pub(crate) fn tree(&self) -> PathBuf {
        self.root.join("tree")
    }
    pub(crate) fn state(&self) -> PathBuf {
        self.root.join("state")
    }
    pub(crate) fn book(&self) -> PathBuf {
        self.root.join("directory.json")
    }

    /// An agent on this machine.
    pub(crate) fn agent<W: Witness>(&self, directory: &FileDirectory, witness: W) -> Agent<W> {
        let directory = directory.clone();
        self.agent_with(Box::new(move |_, _, _| Ok(directory.clone())), witness)
    }

    /// An agent on this machine, with another way to its directory.
    pub(crate) fn agent_with<D: Directory, W: Witness>(
        &self,
        connect: Connect<D>,
        witness: W,
    ) -> Runner<D, SystemClock, W> {
        self.agent_in(None, connect, witness)
    }

    /// An agent on this machine, which may have joined a domain.
    pub(crate) fn agent_in<D: Directory, W: Witness>(
        &self,
        domain: Option<Box<dyn Domain>>,
        connect: Connect<D>,
        witness: W,
    ) -> Runner<D, SystemClock, W> {
        let state = StateDir::open(&self.state()).unwrap();
        let mut agent = Runner::new(Parts {
            events: EventLog::new(state.events(), Output::None, SystemClock),
            state,
            tree: ManagedTree::new(Tree::below(&self.tree()).unwrap()),
            durability: Durability::VolatileOk,
            connect,
            domain,
            clock: SystemClock,
            witness,
        })
        .unwrap();
        // A test beside this one in the same process may stand between fork and exec: until then its child has a
        // copy of what an agent that is dropped by now had locked.
        let ends = std::time::Instant::now() + Duration::from_secs(5);
        while let Err(failure) = agent.claim() {
            assert!(std::time::Instant::now() < ends, "{failure}");
            std::thread::sleep(Duration::from_millis(1));
        }
        agent
    }

    /// Whether a password opens the account.
    pub(crate) fn opens(&self, name: &str, id: u32, password: &str) -> bool {
        let tree = ManagedTree::new(Tree::below(&self.tree()).unwrap());
        tree.prove(&AccountRef { id, name: name.into() }, &Password::new(password.into())).is_ok()
    }

    /// I1 of rotation.md 4, and what must hold beside it.
    pub(crate) fn check(&self, when: &str) {
        let book = Book::read(&self.book());
        if !book.ever_proven {
            return;
        }
        let opening: Vec<&Row> =
            book.rows.iter().filter(|row| self.opens(&row.account_name, row.account_id, &row.password)).collect();
        assert_eq!(opening.len(), 1, "I1 {when}: {} of {} versions open the account", opening.len(), book.rows.len());
        assert_ne!(opening[0].state, VersionState::Abandoned, "I1 {when}: an abandoned version is set");
        assert_ne!(opening[0].state, VersionState::Superseded, "{when}: a superseded version is set");
    }

    /// A file of the machine in which a stored password stands: there must be none (rotation.md 2).
    pub(crate) fn password_on_disk(&self) -> Option<PathBuf> {
        let book = Book::read(&self.book());
        assert!(!book.rows.is_empty(), "there is something to look for");
        let places = [self.state(), self.state().join("policy"), self.tree().join("etc")];
        let files = places.iter().flat_map(|place| fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path()));
        files.filter(|path| path.is_file()).find(|path| {
            let bytes = fs::read(path).unwrap();
            let holds = |row: &Row| bytes.windows(row.password.len()).any(|window| window == row.password.as_bytes());
            book.rows.iter().any(holds)
        })
    }

    pub(crate) fn events(&self) -> Vec<EventRecord> {
        StateDir::open(&self.state()).unwrap().events().read(10_000).unwrap()
    }
}

/// A machine that has joined, with a local policy that backs up the built-in administrator.
pub(crate) struct World {
    _dir: tempfile::TempDir,
    pub(crate) places: Places,
    pub(crate) directory: FileDirectory,
}

/// A certificate that is valid long past the tests.
pub(crate) fn certificate() -> Vec<u8> {
    rcgen::generate_simple_self_signed(["device".to_owned()]).unwrap().cert.der().to_vec()
}

/// An account tree with `root` (disabled) and `ops`.
pub(crate) fn write_tree(root: &Path) {
    let etc = root.join("etc");
    fs::create_dir_all(&etc).unwrap();
    fs::write(etc.join("passwd"), "root:x:0:0:root:/root:/bin/sh\nops:x:1000:1000::/home/ops:/bin/sh\n").unwrap();
    fs::write(etc.join("shadow"), "root:*:20000:0:99999:7:::\nops:!:20000:0:99999:7:::\n").unwrap();
    fs::write(etc.join("group"), "root:x:0:\nsudo:x:27:ops\n").unwrap();
    // The cheapest hash that is a real one: the tests rotate hundreds of times.
    fs::write(etc.join("login.defs"), "ENCRYPT_METHOD SHA512\nSHA_CRYPT_MAX_ROUNDS 1000\n").unwrap();
}

impl World {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let places = Places { root: dir.path().canonicalize().unwrap() };
        write_tree(&places.tree());
        let state = StateDir::open(&places.state()).unwrap();
        let joined = Joined {
            server: "https://directory.test".into(),
            name: "m1".into(),
            tenant: TENANT,
            device: DEVICE,
            incarnation: INCARNATION,
            certificate: certificate(),
            ca: vec![vec![1]],
            joined_at: now(),
            prefix: Some(places.tree()),
            volatile_ok: true,
        };
        state.write_joined(joined, &SoftwareKey::generate().unwrap()).unwrap();
        fs::create_dir(state.file("policy")).unwrap();
        fs::write(state.file("policy/local.toml"), "BackupDirectory = 1\nPasswordLength = 20\n").unwrap();
        let directory = FileDirectory::new(places.book());
        Self { _dir: dir, places, directory }
    }

    pub(crate) fn agent(&self) -> Agent<NoWitness> {
        self.places.agent(&self.directory, NoWitness)
    }
}

/// Runs a future on a runtime of its own, as the agent does.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
