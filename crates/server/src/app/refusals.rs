//! Acts that people and programs were refused for want of a right, as the audit log has them.
//!
//! Reads that were refused are recorded where they are decided. Everything else that would have changed something is
//! recorded here, so often that somebody who tries shows, and so seldom that nobody floods the log: each act on each
//! target once a minute for each person, and at most [`ACTS_MAX`] of them; what was left out is counted in the next
//! record of that person.

use super::record::{activity, category, target};
use super::{App, Error, Result};
use crate::authz::{Caller, Denied};
use crate::store::StoreError;
use laps::id::{DeviceId, PrincipalId};
use laps::time::{TICKS_PER_SECOND, Timestamp};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// Seconds in which the same refusal is recorded once.
const WINDOW_S: u64 = 60;
/// Refusals of one person that are recorded in that time.
const ACTS_MAX: usize = 30;
/// People whose refusals are looked after at once.
const PEOPLE_MAX: usize = 4_096;
/// Longest path that is recorded, characters.
const PATH_CHARS_MAX: usize = 200;

/// An act, as the edge saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Act<'a> {
    /// Method and route, such as `POST /v1.0/lapwing/groups/{group}`.
    pub route: &'a str,
    /// The path that was asked for.
    pub path: &'a str,
}

impl Act<'_> {
    /// The device that the path names.
    fn device(&self) -> Option<DeviceId> {
        let place = self.route.split('/').position(|step| step == "{device}")?;
        self.path.split('/').nth(place)?.parse().ok()
    }
}

/// What one person was refused in this minute.
struct Window {
    since: Timestamp,
    acts: BTreeSet<String>,
    left_out: u64,
}

/// What was refused lately.
#[derive(Default)]
pub(super) struct Refusals(Mutex<BTreeMap<PrincipalId, Window>>);

impl Refusals {
    /// Whether this refusal is to be recorded: then how many of the person's were left out since the last record.
    fn take(&self, who: PrincipalId, act: String, now: Timestamp) -> Option<u64> {
        let mut people = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |window: &Window| now.ticks_since(window.since) >= WINDOW_S * TICKS_PER_SECOND;
        if people.len() >= PEOPLE_MAX && !people.contains_key(&who) {
            people.retain(|_, window| !is_over(window));
            if people.len() >= PEOPLE_MAX {
                return None;
            }
        }
        let fresh = || Window { since: now, acts: BTreeSet::new(), left_out: 0 };
        let window = people.entry(who).or_insert_with(fresh);
        if is_over(window) {
            *window = Window { left_out: window.left_out, ..fresh() };
        }
        if window.acts.len() >= ACTS_MAX || !window.acts.insert(act) {
            window.left_out += 1;
            return None;
        }
        Some(core::mem::take(&mut window.left_out))
    }
}

impl App {
    /// Records that the caller was refused an act for want of a right. Nothing was decided here: the refusal is what
    /// `error` says, and any other error records nothing.
    pub async fn note_refused_act(&self, caller: &Caller, act: Act<'_>, error: &Error) -> Result<()> {
        let (Error::Denied(denied), Some(principal)) = (error, caller.principal()) else { return Ok(()) };
        let needed = match denied {
            Denied::Anonymous => return Ok(()),
            Denied::Role(action) | Denied::Scope(action) | Denied::Group(action) | Denied::Kind(action) => {
                action.name()
            }
        };
        let path: String = act.path.chars().take(PATH_CHARS_MAX).collect();
        let Some(left_out) = self.refusals.take(principal.id, format!("{} {path}", act.route), self.now()) else {
            return Ok(());
        };
        let on = match act.device() {
            Some(id) => {
                let device = self.store.device(id).await.or_else(|error| match error {
                    StoreError::DeviceUnknown => Ok(None),
                    error => Err(error),
                })?;
                target("device", &id, &device.map(|device| device.name).unwrap_or_default())
            }
            None => target("path", &path, ""),
        };
        let detail = json!({"act": act.route, "needs": needed, "leftOut": left_out});
        let mut entry = self.entry(caller, activity::REFUSE_ACT, category::DIRECTORY, on, detail)?;
        entry.outcome = crate::audit::Outcome::Failure(denied.code().to_owned());
        Ok(self.store.append_audit(entry).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_recorded_once_a_minute_and_nobody_floods_the_log() {
        let refusals = Refusals::default();
        let (ada, eve) = (PrincipalId::from_random_bytes([1; 16]), PrincipalId::from_random_bytes([2; 16]));
        let start = Timestamp::from_unix_ms(1_790_000_000_000);
        assert_eq!(refusals.take(ada, "a".into(), start), Some(0));
        assert_eq!(refusals.take(ada, "a".into(), start.plus_seconds(59)), None, "the same");
        assert_eq!(refusals.take(eve, "a".into(), start), Some(0), "somebody else");
        for number in 1..ACTS_MAX {
            assert_eq!(refusals.take(ada, number.to_string(), start), Some(if number == 1 { 1 } else { 0 }));
        }
        for number in 0..1_000 {
            assert_eq!(refusals.take(ada, format!("x{number}"), start), None);
        }
        assert_eq!(refusals.take(ada, "a".into(), start.plus_seconds(60)), Some(1_000), "and says how many");
        // A clock that went back lets nothing through twice.
        assert_eq!(refusals.take(ada, "a".into(), start), None);
    }

    #[test]
    fn more_people_than_are_looked_after_do_not_fill_the_memory() {
        let refusals = Refusals::default();
        let start = Timestamp::from_unix_ms(1_790_000_000_000);
        let person = |number: usize| {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&u32::try_from(number).unwrap().to_be_bytes());
            PrincipalId::from_random_bytes(bytes)
        };
        for number in 0..PEOPLE_MAX {
            assert!(refusals.take(person(number), "a".into(), start).is_some());
        }
        assert_eq!(refusals.take(person(PEOPLE_MAX), "a".into(), start), None);
        assert_eq!(refusals.take(person(PEOPLE_MAX), "a".into(), start.plus_seconds(60)), Some(0));
    }

    #[test]
    fn the_device_of_a_path_is_found_by_its_route() {
        let id = "00000000-0000-4000-8000-000000000001";
        let path = format!("/v1.0/devices/{id}");
        assert_eq!(Act { route: "PATCH /v1.0/devices/{device}", path: &path }.device(), id.parse().ok());
        assert_eq!(Act { route: "POST /v1.0/lapwing/groups", path: "/v1.0/lapwing/groups" }.device(), None);
    }
}
