//! Drift within a cycle: what is told, what is repaired, what is remembered (rotation.md 10).

use super::Cycle;
use crate::{
    account::{Difference, Selection},
    decide::{Memory, Plan, Reason, View},
    drift::{self, Drift, Standing, Trace, Watch},
    event,
    rotation::Intent,
    time::Timestamp,
};

impl Cycle {
    /// What is remembered of an account of this device object.
    pub(super) fn memory(&self) -> Option<&Memory> {
        self.start.memory.as_ref().filter(|memory| memory.device == self.start.device)
    }

    pub(super) fn selection(&self) -> Option<&Selection> {
        match &self.plan {
            Plan::Manage(manage) => Some(&manage.selection),
            Plan::Unmanaged(_) => None,
        }
    }

    /// In what the account is not as it was set, as far as the machine alone can tell.
    pub(super) fn drift(&self) -> Vec<Drift> {
        let (Some(selection), Some(memory)) = (self.selection(), self.memory()) else { return Vec::new() };
        let mut found = match self.is_seen() {
            true => drift::find(selection, memory, self.account.as_ref(), self.trace.as_ref()),
            false => Vec::new(),
        };
        if self.proven.is_empty() {
            found.extend(&self.undone);
            found.sort_unstable();
        }
        found
    }

    /// Which of the differences that automatic management has put right were another hand's: policy itself may
    /// have changed.
    pub(super) fn undone_by_shaping(&self, differences: &[Difference]) -> Vec<Drift> {
        let Some(standing) = self.memory().and_then(|memory| memory.watch.standing) else { return Vec::new() };
        let drift = |difference: &Difference| match difference {
            Difference::Disabled if standing.enabled => Some(Drift::Disabled),
            Difference::NotAdministrator if standing.administrator => Some(Drift::NotAdministrator),
            _ => None,
        };
        differences.iter().filter_map(drift).collect()
    }

    /// Automatic management keeps the standing itself, as policy wants it, before the account is looked at.
    fn is_automatic(&self) -> bool {
        matches!(self.selection(), Some(Selection::Automatic(_)))
    }

    pub(super) fn repair_held(&self) -> bool {
        self.memory().is_some_and(|memory| memory.watch.held)
    }

    /// Judges drift by what the directory says, writes the events, and answers the reasons to rotate.
    pub(super) fn watch(&mut self, view: &View, now: Timestamp) -> Vec<Reason> {
        let mut found = self.drift();
        let Some(memory) = self.memory() else { return Vec::new() };
        // The agent's own state may be the older one then; the password is changed at once anyway.
        if memory.incarnation != view.incarnation || !memory.is_held(view) {
            found.retain(|drift| !matches!(drift, Drift::ChangedByHand | Drift::RolledBack));
            if memory.incarnation == view.incarnation {
                self.note(
                    event::DRIFT,
                    "the directory's current version is not the one that this device set last: the machine was \
                     restored from a snapshot, or cloned; the password is changed",
                );
            }
        }
        // What could not be looked at has neither drifted nor come back.
        if !self.is_seen() {
            return Vec::new();
        }
        let Some(memory) = self.memory() else { return Vec::new() };
        let before = memory.watch.clone();
        let name = memory.account.name.clone();
        let judgement = drift::judge(&found, &before, now, view.repairs_per_day);
        for drift in found.iter().filter(|drift| !before.found.contains(drift)) {
            let done = match &self.trace {
                Some(Trace::Named(new)) => format!("it is {new:?} now, and policy asks for {name:?}"),
                Some(Trace::Gone) => "it is reported; manual mode makes no account".to_owned(),
                None if judgement.held => "repair is held".to_owned(),
                None if drift.is_of_standing() && !self.is_automatic() => {
                    "the password is changed; the account stays so, manual mode undoes nothing else".to_owned()
                }
                None => "the password is changed".to_owned(),
            };
            self.note(event::DRIFT, format!("{drift}: account {name:?}: {}; {done}", drift.text()));
        }
        if judgement.held && !before.held {
            let text = format!(
                "repaired {} times in 24 hours and changed again; repair is tried once a day from now on: find out \
                 what changes account {name:?}",
                view.repairs_per_day
            );
            self.note(event::REPAIR_HELD, text);
        }
        if found.is_empty() && !before.found.is_empty() {
            self.note(event::DRIFT_OVER, format!("account {name:?} is as it was set"));
        }
        let standing = self.account.as_ref().map(Standing::of);
        let is_automatic = self.is_automatic();
        if let Some(memory) = &mut self.start.memory {
            let standing = match before.standing {
                Some(before) if !is_automatic => Some(before),
                _ => standing.filter(|_| found.is_empty() || is_automatic),
            };
            let after = Watch { standing, held: judgement.held, found, ..before.clone() };
            self.watch_changed = after != before;
            memory.watch = after;
        }
        // Policy asks for a name that the account has no more: there is nothing to set. What automatic management
        // has to make is due anyway.
        if self.account.is_none() {
            return Vec::new();
        }
        judgement.repair.into_iter().map(Reason::Drift).collect()
    }

    /// What drift is measured by after a proof; what was found of the account is what is set now.
    pub(super) fn watch_after(&mut self, intent: &Intent, now: Timestamp) -> Watch {
        self.watch_changed = false;
        let known = self.account.as_mut().filter(|account| account.account.id == intent.account.id);
        let standing = known.map(|account| {
            account.account = intent.account.clone();
            account.installed = Some(intent.fingerprint);
            Standing::of(account)
        });
        let before = self.memory().filter(|memory| memory.account.id == intent.account.id);
        let set_before = before.map(|memory| memory.fingerprint).filter(|print| *print != intent.fingerprint);
        let is_repair = self.reasons.iter().any(|reason| matches!(reason, Reason::Drift(_)));
        let watch = before.map(|memory| memory.watch.clone()).unwrap_or_default();
        watch.after_proof(set_before, standing, is_repair.then_some(now))
    }
}
