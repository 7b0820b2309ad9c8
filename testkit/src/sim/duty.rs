//! What goes on without faults: when a device is due (I4), when it wakes, the server's jobs, people who read.

use super::{
    fault::retention,
    machine::{Machine, Watch},
    oracle::{Loss, deciding},
    world::{DAY, Event, HOUR, World},
};
use laps::{cycle::Finish, decide::Plan};
use server::authz::{Caller, Job};

impl World {
    /// Why a device must rotate in its next cycle, by the oracle's own account of rotation.md; empty: it need not.
    pub(super) fn due(&mut self, machine: usize) -> Vec<&'static str> {
        let (now, server_now) = (self.now(), self.server.now());
        let one = &self.machines[machine];
        let (Plan::Manage(manage), Some(object)) = (one.wanted.plan.clone(), one.object()) else {
            return Vec::new();
        };
        let state = &one.states[one.active];
        let mut due = Vec::new();
        if one.process.as_ref().is_some_and(|process| process.reset) {
            due.push("asked for on the machine");
        }
        let store = self.server.store();
        let requests = self.server.wait(store.rotation_requests(object)).unwrap_or_default();
        if requests.iter().any(|request| request.is_open()) {
            due.push("asked for at the server");
        }
        let versions = self.server.wait(store.versions(object, true)).unwrap_or_default();
        let own = versions.iter().filter(|version| !version.of_predecessor && version.proven_at.is_some());
        let Some(last) = own.max_by_key(|version| version.sequence) else {
            due.push("nothing proven");
            return due;
        };
        // What the directory says of it is not what the machine says of itself.
        if last.expires_at.is_some_and(|at| deciding(one.clock(now), server_now) >= at) {
            due.push("expired");
        }
        let account = one.managed(&manage.selection).map(|found| found.account);
        let uid = account.as_ref().map(|account| account.id);
        if uid.is_some_and(|uid| uid.to_string() != last.account_id) {
            due.push("another account");
        }
        if let Some(rule) = manage.selection.name_rule() {
            match &account {
                None => due.push("an account to be made"),
                Some(account) if !rule.fits(&account.name) => due.push("a name that does not fit"),
                Some(_) => {}
            }
        }
        let proven = state.memory.whole().map(|memory| memory.version);
        let signed_in = state.signed_in.as_ref().filter(|waiting| Some(waiting.version) == proven);
        if signed_in.is_some_and(|waiting| one.clock(now) >= waiting.deadline && Some(waiting.account.id) == uid) {
            due.push("a sign-in's deadline");
        }
        match state.memory.whole() {
            None => due.push("nothing remembered"),
            Some(memory) if memory.device != object => due.push("joined again"),
            Some(memory) if memory.incarnation != self.server.incarnation() => due.push("server restored"),
            Some(_) => {}
        }
        let drift = match (state.memory.whole(), &account) {
            (Some(memory), Some(account)) if memory.account.id == account.id => {
                let renamed = memory.account.name != account.name;
                renamed || !self.oracle.is_installed(one, account.id, memory.version)
            }
            _ => false,
        };
        let deciding = deciding(one.clock(now), server_now);
        let facts = one.managed(&manage.selection).and_then(|account| one.accounts.facts(&account, None, 20_000));
        let stands = facts.is_some_and(|facts| facts.enabled && facts.administrator);
        if self.machines[machine].repairs.is_due(drift, stands, deciding) {
            due.push("drift");
        }
        due
    }

    /// I4: a due device rotates within one cycle, when nothing is in its way.
    pub(super) fn judge_cycle(&mut self, machine: usize, watch: &Watch, finish: &Finish) {
        if watch.due.is_empty() || watch.excuse.is_some() {
            return;
        }
        self.tally.due_cycles += 1;
        if finish.proven.is_empty() {
            let text = format!(
                "{} was due ({}), nothing was in its way, and it did not rotate: {:?}",
                self.machines[machine].name,
                watch.due.join(", "),
                finish.last_error
            );
            self.lose(Some(Loss::new("I4", text)));
        }
    }

    /// How long an idle agent sleeps. Now and then somebody asks for a rotation meanwhile.
    pub(super) fn pause(&mut self, machine: usize) -> u64 {
        let asks = self.dice.below(10);
        if asks < 4 {
            if let Some(process) = &mut self.machines[machine].process {
                process.reset = true;
            }
        } else if asks < 7 {
            self.request(machine);
        }
        if self.dice.percent(15) {
            self.machines[machine].take_snapshot();
        }
        match self.dice.below(20) {
            0..10 => self.dice.between(HOUR, 12 * HOUR),
            10..18 => self.dice.between(DAY / 2, 3 * DAY),
            _ => self.dice.between(5 * DAY, 40 * DAY),
        }
    }

    /// A person asks the server for a rotation.
    fn request(&mut self, machine: usize) {
        let Some(object) = self.machines[machine].object().filter(|_| self.server.is_up()) else { return };
        let person = self.server.person();
        self.server.generation += 1;
        // Refused for a device that is disabled or deleted.
        drop(self.server.wait(self.server.app().request_rotation(&person, object)));
    }

    /// The server's background work: the clock is looked at, contacts are written, what is over goes.
    pub(super) fn jobs(&mut self) {
        let next = self.dice.between(DAY, 4 * DAY);
        self.at(next, Event::Jobs);
        if self.dice.percent(30) {
            self.server.back_up();
        }
        if !self.server.is_up() {
            return;
        }
        let elapsed = self.last_jobs.replace(self.now_ms).map(|last| (self.now_ms - last) / 1000);
        let job = retention();
        let held = self.server.wait(self.server.app().observe_clock(&job, elapsed));
        if matches!(held, Ok(true)) && self.dice.percent(50) {
            let person = self.server.person();
            drop(self.server.wait(self.server.app().confirm_clock(&person)));
        }
        let objects = self.objects();
        if self.dice.percent(30) && !objects.is_empty() {
            let (person, object) = (self.server.person(), self.dice.pick(&objects));
            drop(self.server.wait(self.server.app().clear_fork(&person, object)));
        }
        let mut removed = 0;
        let loss = self.oracle.trimming(&mut self.server, &objects, |server| {
            let app = server.app();
            removed = server.wait(async {
                drop(app.flush_seen(&job).await);
                drop(app.sweep(&job).await);
                drop(app.end_tombstones(&job).await);
                app.trim(&job).await.unwrap_or(0)
            });
            server.generation += 1;
        });
        self.say(|_| format!("server: jobs, {removed} versions removed"));
        self.lose(loss);
    }

    /// A person reads; the server may die right after the answer.
    pub(super) fn reads(&mut self) {
        let next = self.dice.between(DAY / 2, 5 * DAY);
        self.at(next, Event::Reads);
        let machine = self.dice.below(self.machines.len() as u64) as usize;
        let Some(object) = self.machines[machine].object().filter(|_| self.server.is_up()) else { return };
        let (request, revealed) = self.server.reveal(object);
        let Ok(revealed) = revealed else { return };
        if !self.calm && self.options.faults.is_none() && self.dice.percent(25) {
            self.server.crash(&mut self.dice);
            self.tally.fault("server dies after a reveal");
            self.disturb_all("server died");
            self.at(5_000, Event::ServerStarts);
        }
        let loss = self.oracle.judge_reveal(&self.server, &request, &revealed);
        self.lose(loss);
    }

    /// Everything is put right, so that the end can be judged.
    pub(super) fn calm_down(&mut self) {
        self.calm = true;
        self.say(|_| "-- calm".into());
        self.network = super::fault::Network::default();
        self.server.dies = None;
        self.server.clock_offset = 0;
        self.server.tick(self.now());
        if !self.server.is_up() {
            self.server.start();
        }
        let init = Caller::system(Job::Init);
        drop(self.server.wait(self.server.app().confirm_clock(&init)));
        self.switch(true);
        for machine in 0..self.machines.len() {
            let one = &mut self.machines[machine];
            if one.copy_of.is_some() {
                one.gone = true;
                one.process = None;
                continue;
            }
            one.hazard = super::disk::Hazard::default();
            (one.offline, one.read_only, one.refuses, one.unreadable, one.clock_offset) = (false, false, 0, 0, 0);
            if one.active != 0 || one.states.len() > 1 {
                one.stop(super::disk::Stop::Killed, &mut self.dice);
                let one = &mut self.machines[machine];
                one.active = 0;
                one.states.truncate(1);
            }
            self.put_accounts_right(machine);
            let one = &mut self.machines[machine];
            if matches!(one.wanted.plan, Plan::Unmanaged(_)) {
                one.wanted.plan = super::fault::manages(laps::account::Selection::BuiltIn, 14);
            }
            self.revive(machine);
            self.wake(machine, 60_000);
        }
    }

    /// A device that the directory does not take any more is brought back, or joins again.
    fn revive(&mut self, machine: usize) {
        let Some(object) = self.machines[machine].object() else {
            self.join(machine, false);
            return;
        };
        let person = self.server.person();
        let patch = proto::graph::DevicePatch { account_enabled: Some(true) };
        self.server.generation += 1;
        let back = self.server.wait(async {
            let app = self.server.app();
            let _ = app.restore_device(&person, object).await;
            app.patch_device(&person, object, &patch).await.is_ok()
        });
        if !back {
            self.machines[machine].stop(super::disk::Stop::Killed, &mut self.dice);
            self.join(machine, true);
        }
    }

    /// The machines whose last cycles count: those that were there from the beginning.
    pub(super) fn originals(&self) -> impl Iterator<Item = (usize, &Machine)> {
        self.machines.iter().enumerate().filter(|(_, machine)| machine.copy_of.is_none())
    }
}
