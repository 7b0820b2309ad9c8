//! The judge of a run: I1 to I4 of rotation.md 4, with exactly the exceptions that are written there.
//!
//! It knows what nobody else may know: every password that was ever made, and what was done to the machines.

use super::{
    accounts::{Account, Deed, opens},
    machine::Machine,
    message::Request,
    runner::Made,
    server::SimServer,
};
use agent::accounts::Verifier;
use laps::{
    account::Selection,
    decide::Plan,
    id::{DeviceId, VersionId},
    password::Password,
    rotation::AccountRef,
    time::Timestamp,
};
use server::store::{DeviceState, KEEP_DAYS, KEEP_PROVEN, VersionState};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// An invariant that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// `I1` to `I4`, or `I1 (retention)` and the like.
    pub invariant: &'static str,
    /// What is the matter.
    pub text: String,
}

impl Loss {
    pub(super) fn new(invariant: &'static str, text: impl Into<String>) -> Self {
        Self { invariant, text: text.into() }
    }
}

/// Why a version is no longer in the directory, with right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gone {
    /// Its time was over (exception b).
    Retention,
    /// The server was restored from before it was stored (exception c).
    Restore,
    /// Its device object was purged.
    Purge,
}

struct Known {
    machine: usize,
    verifier: Verifier,
    password: Password,
    account: AccountRef,
    gone: Option<Gone>,
}

/// What the directory shows of a version.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    pub(super) version: VersionId,
    pub(super) account_id: String,
    pub(super) account_name: String,
    pub(super) proven: bool,
}

/// The judge.
#[derive(Default)]
pub(super) struct Oracle {
    versions: HashMap<VersionId, Known>,
    by_verifier: HashMap<String, VersionId>,
    /// Verifiers and names that another hand put there: machine, uid, verifier or name (exception a).
    foreign: HashSet<(usize, u32, String)>,
    /// Accounts that another hand, or with right the agent, deleted.
    deleted: HashSet<(usize, u32)>,
    /// Accounts with a proven version: machine and uid, and the object that it was last proven under.
    managed: BTreeMap<(usize, u32), DeviceId>,
    /// Exceptions that were counted.
    excused: HashSet<(usize, u32, String)>,
    /// Proven versions that were counted.
    counted: HashSet<VersionId>,
    /// What the directory shows, while the server's generation is this one.
    shown: HashMap<DeviceId, Vec<Shown>>,
    shown_at: u64,
    counted_at: u64,
    judged: Vec<Option<(u64, u64)>>,
    /// How often I1 was judged.
    pub(super) checks: u64,
    /// How often an exception of rotation.md 4 was met, by its letter.
    pub(super) exceptions: BTreeMap<&'static str, u64>,
}

impl Oracle {
    /// A machine made a password.
    pub(super) fn made(&mut self, machine: usize, made: Made) {
        let Made { version, password, account, verifier } = made;
        self.by_verifier.insert(verifier.as_str().to_owned(), version);
        self.versions.insert(version, Known { machine, verifier, password, account, gone: None });
    }

    /// What a device says of a version must be true: one that it abandons is not set, and one that it calls
    /// proven would outlive a power cut (rotation.md 2, steps 5 to 7).
    pub(super) fn judge_word(&self, machine: &Machine, said: &Request) -> Option<Loss> {
        let (version, proven) = match said {
            Request::Abandon(abandon) => (abandon.version, false),
            Request::Prove(prove) => (prove.version, true),
            _ => return None,
        };
        let known = self.versions.get(&version)?;
        let holds =
            |account: Option<Account>| account.is_some_and(|one| one.verifier.as_ref() == Some(&known.verifier));
        let seen = || machine.accounts.of(known.account.id);
        let lie = |text| Some(Loss::new("I1", format!("{}: version {version} {text}", machine.name)));
        if !proven && holds(seen()) {
            return lie("is abandoned, and it is installed");
        }
        // Whether it is still there is another hand's affair; what it says is there must be so durably.
        let disk = machine.volatile.as_ref().unwrap_or(&machine.accounts);
        if proven && holds(seen()) && !holds(disk.durable(known.account.id)) {
            return lie("is proven, and a power cut would take it away");
        }
        None
    }

    /// Another hand changed the password or the name of an account.
    pub(super) fn changed_by_hand(&mut self, machine: usize, uid: u32, verifier_or_name: &str) {
        self.foreign.insert((machine, uid, verifier_or_name.to_owned()));
    }

    /// Another hand deleted an account.
    pub(super) fn deleted_by_hand(&mut self, machine: usize, uid: u32) {
        self.deleted.insert((machine, uid));
    }

    /// The agent makes or deletes an account, or shuts the last administrator out (docs/design/automatic-account.md).
    pub(super) fn judge_deed(
        &mut self,
        server: &SimServer,
        index: usize,
        machine: &Machine,
        deed: &Deed,
    ) -> Option<Loss> {
        let plan = machine.states[machine.active].plan();
        let wanted = match &plan {
            Plan::Manage(manage) => Some(&manage.selection),
            Plan::Unmanaged(_) => None,
        };
        let lost = |text: String| Some(Loss::new("administrator", format!("{}: {text}", machine.name)));
        match deed {
            // Its uid may have been another account's before.
            Deed::Making(uid) => {
                self.managed.remove(&(index, *uid));
                self.deleted.remove(&(index, *uid));
                None
            }
            Deed::Removing(uid) => {
                self.deleted.insert((index, *uid));
                if *uid == 0 {
                    return lost("uid 0 is deleted".into());
                }
                let selection = wanted?;
                let wanted = machine.managed(selection).map(|account| account.account.id);
                let last = self.last_proven(server, index, machine);
                if wanted.is_none() || last.is_some_and(|last| Some(last) != wanted) {
                    return lost(format!("uid {uid} goes, and {wanted:?}, which policy wants, was not proven last"));
                }
                None
            }
            // Policy may want the account disabled, whoever else could sign in.
            Deed::NobodyLeft => match wanted {
                Some(Selection::Automatic(wanted)) if !wanted.enable => None,
                _ => lost("no administrator can sign in any more, and the agent did it".into()),
            },
        }
    }

    /// The account of the last version of its own that a machine has proven.
    fn last_proven(&self, server: &SimServer, index: usize, machine: &Machine) -> Option<u32> {
        // The object of the agent that speaks goes first; a second agent has one of its own.
        machine.object().iter().chain(machine.objects.iter().rev()).find_map(|object| {
            let versions = server.wait(server.store().versions(*object, true)).unwrap_or_default();
            let own = versions.into_iter().filter(|version| {
                version.proven_at.is_some()
                    && self.versions.get(&version.version).is_some_and(|known| known.machine == index)
            });
            own.max_by_key(|version| version.sequence)?.account_id.parse().ok()
        })
    }

    /// Whether an account holds the password of a version.
    pub(super) fn is_installed(&self, machine: &Machine, uid: u32, version: VersionId) -> bool {
        let installed = machine.accounts.of(uid).and_then(|account| account.verifier);
        installed.is_some_and(|verifier| self.by_verifier.get(verifier.as_str()) == Some(&version))
    }

    /// A copy of a machine stands beside it, with the same account database and the same claims.
    pub(super) fn copied(&mut self, from: usize, to: usize) {
        let foreign: Vec<_> = self.foreign.iter().filter(|(machine, ..)| *machine == from).cloned().collect();
        self.foreign.extend(foreign.into_iter().map(|(_, uid, verifier)| (to, uid, verifier)));
        let managed: Vec<_> = self.managed.iter().filter(|((machine, _), _)| *machine == from).collect();
        let managed: Vec<_> = managed.into_iter().map(|((_, uid), object)| ((to, *uid), *object)).collect();
        self.managed.extend(managed);
        let deleted: Vec<_> = self.deleted.iter().filter(|(machine, _)| *machine == from).copied().collect();
        self.deleted.extend(deleted.into_iter().map(|(_, uid)| (to, uid)));
    }

    /// Every version that the directory holds of these objects.
    fn held(&self, server: &SimServer, objects: &[DeviceId]) -> HashSet<VersionId> {
        let store = server.store();
        let all = objects.iter().flat_map(|object| server.wait(store.versions(*object, true)).unwrap_or_default());
        all.filter(|version| !version.of_predecessor).map(|version| version.version).collect()
    }

    /// Does something to the server that may take versions away with right, and sees which.
    pub(super) fn restoring(&mut self, server: &mut SimServer, objects: &[DeviceId], act: impl FnOnce(&mut SimServer)) {
        act(server);
        let after = self.held(server, objects);
        // Versions that were never stored are not in it either; they may yet come: late messages are late.
        for (version, known) in &mut self.versions {
            if !after.contains(version) && known.gone.is_none() {
                known.gone = Some(Gone::Restore);
            }
        }
    }

    /// The retention job runs. It may take only what rotation.md 3 lets go.
    pub(super) fn trimming(
        &mut self,
        server: &mut SimServer,
        objects: &[DeviceId],
        act: impl FnOnce(&mut SimServer),
    ) -> Option<Loss> {
        let store = server.store();
        let mut before = Vec::new();
        for object in objects {
            let versions = server.wait(store.versions(*object, true)).unwrap_or_default();
            before.extend(versions.into_iter().filter(|version| !version.of_predecessor));
        }
        act(server);
        let after = self.held(server, objects);
        let now = server.now();
        for version in before.iter().filter(|version| !after.contains(&version.version)) {
            let object = server.wait(store.device(version.device)).ok().flatten();
            let purged = object.is_none_or(|object| object.state == DeviceState::Purged);
            if let Some(known) = self.versions.get_mut(&version.version) {
                known.gone = Some(if purged { Gone::Purge } else { Gone::Retention });
            }
            let newer = |other: &&server::store::Version| {
                other.device == version.device
                    && other.account_id == version.account_id
                    && other.state == VersionState::Superseded
                    && other.proven_at.is_some()
                    && other.sequence > version.sequence
            };
            let kept = version.released_at.is_some()
                || version.installed
                || !matches!(version.state, VersionState::Superseded | VersionState::Abandoned)
                || version.ended_at.is_none_or(|ended| now < ended.plus_days(KEEP_DAYS))
                || (version.proven_at.is_some() && before.iter().filter(newer).count() < KEEP_PROVEN);
            if kept && !purged {
                return Some(Loss::new(
                    "I1",
                    format!("retention removed version {} too early: {version:?}", version.version),
                ));
            }
        }
        None
    }

    fn look(&mut self, server: &SimServer, object: DeviceId) -> &[Shown] {
        if self.shown_at != server.generation {
            self.shown.clear();
            self.shown_at = server.generation;
        }
        self.shown.entry(object).or_insert_with(|| {
            let versions = server.wait(server.store().versions(object, true)).unwrap_or_default();
            versions
                .into_iter()
                .map(|version| Shown {
                    version: version.version,
                    proven: version.proven_at.is_some() && !version.of_predecessor,
                    account_id: version.account_id,
                    account_name: version.account_name,
                })
                .collect()
        })
    }

    /// I1, for every machine whose account database or directory may have changed since it was last judged.
    /// Answers how many proofs are new.
    pub(super) fn judge(&mut self, server: &SimServer, machines: &mut [Machine]) -> Result<u64, Loss> {
        let proofs = self.count(server, machines);
        self.judged.resize_with(machines.len(), || None);
        for (index, machine) in machines.iter_mut().enumerate().filter(|(_, machine)| !machine.gone) {
            if self.judged[index] == Some((server.generation, machine.accounts.generation)) {
                continue;
            }
            self.checks += 1;
            let managed: Vec<(u32, DeviceId)> =
                self.managed.range((index, 0)..=(index, u32::MAX)).map(|((_, uid), object)| (*uid, *object)).collect();
            for (uid, object) in managed {
                self.judge_account(server, index, machine, uid, object)?;
            }
            self.judged[index] = Some((server.generation, machine.accounts.generation));
        }
        Ok(proofs)
    }

    /// Takes notice of proofs: of the machine that made the password, under the object that it was stored for.
    fn count(&mut self, server: &SimServer, machines: &mut [Machine]) -> u64 {
        if self.counted_at == server.generation {
            return 0;
        }
        self.counted_at = server.generation;
        let objects: BTreeSet<DeviceId> = machines.iter().filter_map(Machine::object).collect();
        let mut new = 0;
        for object in objects {
            let proven = self.look(server, object).iter().filter(|shown| shown.proven);
            let proven: Vec<(VersionId, Option<u32>)> =
                proven.map(|shown| (shown.version, shown.account_id.parse().ok())).collect();
            for (version, uid) in proven {
                let (Some(uid), Some(known)) = (uid, self.versions.get(&version)) else { continue };
                if self.counted.insert(version) {
                    new += 1;
                    machines[known.machine].rotations += 1;
                    let maker = known.machine;
                    // A clone took its twin's place: the twin is one that was rolled back (rotation.md 1, "forked").
                    for twin in machines.iter_mut().filter(|machine| machine.object() == Some(object)) {
                        twin.rolled_back.insert(uid);
                    }
                    machines[maker].rolled_back.remove(&uid);
                    self.managed.insert((known.machine, uid), object);
                }
            }
        }
        new
    }

    fn judge_account(
        &mut self,
        server: &SimServer,
        index: usize,
        machine: &Machine,
        uid: u32,
        object: DeviceId,
    ) -> Result<(), Loss> {
        let purged = server.wait(server.store().device(object)).ok().flatten();
        if purged.is_none_or(|object| object.state == DeviceState::Purged) {
            return Ok(());
        }
        let lost = |text: String| Err(Loss::new("I1", format!("{}, uid {uid}: {text}", machine.name)));
        let rolled_back = machine.rolled_back.contains(&uid);
        let Some(account) = machine.accounts.of(uid) else {
            // An account that another hand or policy deleted, or that was not there yet, has no password to lose.
            let gone = machine.accounts.files().is_some() && (rolled_back || self.deleted.contains(&(index, uid)));
            return if gone { Ok(()) } else { lost("the account is not there, and nobody deleted it".into()) };
        };
        let verifier = account.verifier.as_ref().map_or("", |verifier| verifier.as_str());
        let version = self.by_verifier.get(verifier).copied();
        let mut letter = None;
        if let Some(version) = version {
            for object in machine.objects.iter().rev() {
                let shown = self.look(server, *object).iter();
                let mut shown = shown.filter(|shown| shown.version == version && shown.account_id == uid.to_string());
                match shown.next() {
                    Some(shown) if shown.account_name == account.account.name => return Ok(()),
                    // Another hand renamed it; a candidate shows the name that it was set under.
                    Some(_) => letter = Some("a"),
                    None => {}
                }
            }
        }
        let by_hand = |what: &str| self.foreign.contains(&(index, uid, what.to_owned()));
        let letter = if letter.is_some() && by_hand(&account.account.name) || by_hand(verifier) {
            "a"
        } else {
            match version.and_then(|version| self.versions.get(&version)).and_then(|known| known.gone) {
                Some(Gone::Retention) if rolled_back => "b",
                // Back to before the account was managed at all.
                None if rolled_back && version.is_none() => "b",
                Some(Gone::Restore) => "c",
                Some(Gone::Purge) => return Ok(()),
                gone => {
                    return lost(format!(
                        "version {version:?} is installed under the name {:?}, and the directory has it not ({gone:?})",
                        account.account.name
                    ));
                }
            }
        };
        if self.excused.insert((index, uid, verifier.to_owned())) {
            *self.exceptions.entry(letter).or_default() += 1;
        }
        Ok(())
    }

    /// The end of a run, after calm and a rotation that was asked for: what a reader is shown first opens the
    /// account.
    pub(super) fn judge_end(&mut self, server: &mut SimServer, machine: &Machine, uid: u32) -> Option<Loss> {
        let lost = |text: String| Some(Loss::new("I1", format!("{}, uid {uid}, at the end: {text}", machine.name)));
        let object = machine.object()?;
        let Some(account) = machine.accounts.of(uid) else {
            return lost("no account".into());
        };
        let (_, revealed) = server.reveal(object);
        let Ok(revealed) = revealed else {
            return lost(format!(
                "nothing is revealed: {}",
                revealed.err().map_or_else(String::new, |error| error.inside())
            ));
        };
        let best = revealed.credentials.unwrap_or_default().into_iter().next();
        match best {
            Some(best)
                if account.verifier.as_ref().is_some_and(|verifier| opens(best.password.reveal(), verifier))
                    && best.account_name == account.account.name =>
            {
                None
            }
            best => lost(format!(
                "the best candidate does not open it: {:?}",
                best.map(|best| (best.version_id, best.state))
            )),
        }
    }

    /// I2 and I1 together: a person has read; what was read is what was made, and the record of it is there.
    pub(super) fn judge_reveal(
        &mut self,
        server: &SimServer,
        request: &str,
        revealed: &proto::graph::DeviceLocalCredentials,
    ) -> Option<Loss> {
        let credentials = revealed.credentials.as_deref().unwrap_or_default();
        for credential in credentials {
            let known = self.versions.get(&credential.version_id);
            if known.is_none_or(|known| known.password != credential.password) {
                return Some(Loss::new(
                    "I1",
                    format!("version {} does not read as it was stored", credential.version_id),
                ));
            }
            if known.is_some_and(|known| known.account.name != credential.account_name) {
                return Some(Loss::new("I1", format!("version {} shows another name", credential.version_id)));
            }
        }
        let store = server.store();
        let filter = server::audit::AuditFilter {
            activity: Some(server::audit::activity::RECOVER_PASSWORD.into()),
            ..server::audit::AuditFilter::default()
        };
        let page = server.wait(store.audit(filter, server::store::Page::first(20))).unwrap();
        let record = page.items.iter().find(|record| record.entry.request_id == request);
        let disclosed: HashSet<VersionId> =
            record.iter().flat_map(|record| &record.disclosed).map(|disclosed| disclosed.version).collect();
        let missing = credentials.iter().find(|credential| !disclosed.contains(&credential.version_id));
        missing.map(|credential| {
            Loss::new("I2", format!("version {} was read, and no durable record says so", credential.version_id))
        })
    }

    /// I3: whether a text that is written down or sent holds a password.
    pub(super) fn judge_text(&self, text: &str, held: Option<&Password>) -> Option<Loss> {
        let held = held?;
        text.contains(held.reveal()).then(|| Loss::new("I3", "a password stands in an event"))
    }

    /// I3 over everything that a run has written: none of the passwords stands in it.
    pub(super) fn judge_bytes(&self, what: &str, bytes: &[u8]) -> Option<Loss> {
        const PREFIX: usize = 8;
        let known: HashMap<&[u8], &[u8]> = self
            .versions
            .values()
            .filter_map(|known| {
                Some((known.password.reveal().as_bytes().get(..PREFIX)?, known.password.reveal().as_bytes()))
            })
            .collect();
        let hit = bytes.windows(PREFIX).enumerate().any(|(at, window)| {
            known.get(window).is_some_and(|password| bytes.get(at..at + password.len()) == Some(*password))
        });
        hit.then(|| Loss::new("I3", format!("a password stands in clear in {what}")))
    }
}

/// When rotation.md 10 lets the device's clock decide, and when the server's: the oracle's own words.
pub(super) fn deciding(device: Timestamp, server: Timestamp) -> Timestamp {
    const FIVE_MINUTES: u64 = 5 * 60 * laps::time::TICKS_PER_SECOND;
    if device.ticks().abs_diff(server.ticks()) > FIVE_MINUTES { server } else { device }
}
