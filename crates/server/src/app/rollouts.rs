//! New versions of policies go from ring to ring (`laps::rollout`), and stop by themselves when they do harm.

use super::delivery;
use super::record::{activity, category, target};
use super::{App, Error, Kind, Result};
use crate::authz::{Action, Caller, Job};
use crate::store::{self, ALL_DEVICES, DeviceFilter, DeviceState, Page, RolloutChange, RolloutState, StoreError};
use laps::id::{GroupId, PolicyId};
use laps::rollout::{self, Limit, Progress, Step, Who, ring_of, step};
use proto::admin::{Ring, RingCounts, RingPlan, Rollout};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Devices that one look at a rollout counts.
const DEVICES_MAX: u64 = 20_000;
/// Names of failing devices.
const NAMES_MAX: usize = 20;

/// What a person does about a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RolloutAct {
    /// Nobody else gets the version.
    Halt,
    /// It goes on; the failures until now count no more.
    Resume,
    /// Every device gets it now.
    Complete,
    /// Every device gets the former version back.
    RollBack,
}

impl RolloutAct {
    /// From the last step of the route.
    fn from_word(word: &str) -> Option<Self> {
        match word.to_ascii_lowercase().as_str() {
            "halt" => Some(Self::Halt),
            "resume" => Some(Self::Resume),
            "complete" => Some(Self::Complete),
            "rollback" => Some(Self::RollBack),
            _ => None,
        }
    }
}

/// How a version does, and who fails.
struct Seen {
    progress: Progress,
    failing: Vec<String>,
    /// For each ring; the last is for those that no ring takes in.
    rings: Vec<RingCounts>,
}

/// How a version does on one device that it has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    /// Something else brings the device another version, or none.
    NotIts,
    /// It was not sent, or the device has not answered.
    Open,
    Taken,
    Failed,
}

impl App {
    /// The rings that new versions of a policy go by.
    pub async fn ring_plan(&self, caller: &Caller, name: &str) -> Result<RingPlan> {
        self.require(caller, Action::PolicyRead)?;
        let policy = self.stored_policy(name).await?;
        let rings = self.store.ring_plan(policy.id).await?.unwrap_or_default();
        Ok(RingPlan { rings: self.shown_rings(&rings).await? })
    }

    /// Sets the rings; no ring means all at once. A version that is on its way keeps the rings that it began with.
    pub async fn set_ring_plan(&self, caller: &Caller, name: &str, plan: &RingPlan) -> Result<RingPlan> {
        self.require(caller, Action::PolicyWrite)?;
        let policy = self.stored_policy(name).await?;
        let mut rings = Vec::with_capacity(plan.rings.len());
        for ring in plan.rings.iter().take(rollout::RINGS_MAX + 1) {
            rings.push(self.checked_ring(ring).await?);
        }
        let rings = (!rings.is_empty()).then_some(rings);
        if let Some(rings) = &rings {
            rollout::check(rings).map_err(|error| Error::invalid("bad_rings", error.to_string()))?;
        }
        let shown = self.shown_rings(rings.as_deref().unwrap_or_default()).await?;
        let about = target("policy", &policy.id, &policy.name);
        let audit = self.entry(caller, activity::SET_RINGS, category::POLICY, about, json!({"rings": shown}))?;
        self.store.set_ring_plan(policy.id, rings, audit).await?;
        Ok(RingPlan { rings: shown })
    }

    async fn checked_ring(&self, ring: &Ring) -> Result<rollout::Ring> {
        let who = match (ring.percent, ring.groups.is_empty()) {
            (Some(share), true) => Who::Percent(share),
            (None, false) => {
                let mut groups = Vec::new();
                for name in ring.groups.iter().take(rollout::RING_GROUPS_MAX + 1) {
                    groups.push(self.group_named(name).await?.map_or(ALL_DEVICES, |group| group.id));
                }
                if groups.contains(&ALL_DEVICES) {
                    return Err(Error::invalid("bad_rings", "for all devices use a share of 100 percent"));
                }
                Who::Groups(groups)
            }
            _ => return Err(Error::invalid("bad_rings", "a ring has either a share in percent or groups")),
        };
        let limit = match (ring.failures_max, ring.failures_percent_max) {
            (Some(most), None) => Limit::Devices(most),
            (None, Some(most)) => Limit::Percent(most),
            (None, None) => Limit::Devices(0),
            _ => return Err(Error::invalid("bad_rings", "a ring has one failure limit: devices or percent")),
        };
        Ok(rollout::Ring { who, soak_hours: ring.soak_hours, limit })
    }

    async fn shown_rings(&self, rings: &[rollout::Ring]) -> Result<Vec<Ring>> {
        let mut shown = Vec::with_capacity(rings.len());
        for ring in rings {
            let mut one = Ring { soak_hours: ring.soak_hours, ..Ring::default() };
            match &ring.who {
                Who::Percent(share) => one.percent = Some(*share),
                Who::Groups(groups) => {
                    for group in groups {
                        let name = self.store.group(*group).await?.map(|group| group.name);
                        one.groups.push(name.unwrap_or_else(|| group.to_string()));
                    }
                }
            }
            match ring.limit {
                Limit::Devices(most) => one.failures_max = Some(most),
                Limit::Percent(most) => one.failures_percent_max = Some(most),
            }
            shown.push(one);
        }
        Ok(shown)
    }

    /// A policy that nobody has yet, and that has a plan, goes by rings from its first assignment on.
    pub(super) async fn begin_with_rings(&self, caller: &Caller, policy: &store::Policy) -> Result<()> {
        let Some(rings) = self.store.ring_plan(policy.id).await? else { return Ok(()) };
        if !self.store.assignments(Some(policy.id)).await?.is_empty() || self.open_rollout(policy).await?.is_some() {
            return Ok(());
        }
        let about = target("policy", &policy.id, &policy.name);
        let detail = json!({"version": policy.version, "former": 0});
        let audit = self.entry(caller, activity::BEGIN_ROLLOUT, category::POLICY, about, detail)?;
        self.store.begin_rollout(policy.id, rings, self.now(), audit).await?;
        Ok(())
    }

    /// The last version of a policy that went by rings, and how it does.
    pub async fn rollout(&self, caller: &Caller, name: &str) -> Result<Rollout> {
        self.require(caller, Action::PolicyRead)?;
        let policy = self.stored_policy(name).await?;
        let rollout = self.store.rollout(policy.id).await?.ok_or_else(|| no_rollout(&policy.name))?;
        self.rollout_entity(&policy, &rollout).await
    }

    /// The policies of which a version is on its way by rings, and how it stands: `running` or `halted`.
    pub async fn open_rollouts(&self, caller: &Caller) -> Result<BTreeMap<PolicyId, &'static str>> {
        self.require(caller, Action::PolicyRead)?;
        let open = self.store.open_rollouts().await?;
        Ok(open.into_iter().map(|open| (open.policy, open.state.word())).collect())
    }

    /// A person decides about a rollout; `act` is a word of [`RolloutAct`].
    pub async fn act_on_rollout(&self, caller: &Caller, name: &str, act: &str) -> Result<Rollout> {
        self.require(caller, Action::PolicyWrite)?;
        let act = RolloutAct::from_word(act)
            .ok_or_else(|| Error::invalid("bad_rollout_act", "expected halt, resume, complete or rollBack"))?;
        let policy = self.stored_policy(name).await?;
        let open = self.open_rollout(&policy).await?.ok_or_else(|| no_rollout(&policy.name))?;
        let (change, activity) = match act {
            RolloutAct::Halt => (RolloutChange::Halt, activity::HALT_ROLLOUT),
            RolloutAct::Resume => (RolloutChange::Resume, activity::RESUME_ROLLOUT),
            RolloutAct::Complete => (RolloutChange::Complete, activity::COMPLETE_ROLLOUT),
            RolloutAct::RollBack => {
                if open.former == 0 {
                    return Err(Error::refused(
                        Kind::Conflict,
                        "rollout_has_no_former",
                        "no version was in force before this one; take the assignment back instead",
                    ));
                }
                self.go_back(caller, policy.clone(), open.former).await?;
                let ended = self.store.rollout(policy.id).await?.ok_or_else(|| no_rollout(&policy.name))?;
                return self.rollout_entity(&policy, &ended).await;
            }
        };
        let seen = self.seen(&open).await?;
        let detail = json!({
            "by": caller.principal().map(|principal| principal.name.clone()),
            "ring": open.ring + 1,
            // Going on takes the failures until now as known.
            "forgiven": if act == RolloutAct::Resume { seen.progress.failed } else { forgiven(&open) },
        });
        self.change(caller, &policy, open, change, activity, detail).await.map_err(|error| match error {
            Error::Store(StoreError::Changed) => Error::refused(
                Kind::Conflict,
                "rollout_state",
                "the rollout is not in a state for this; look at it again",
            ),
            other => other,
        })
    }

    async fn change(
        &self,
        caller: &Caller,
        policy: &store::Policy,
        from: store::Rollout,
        change: RolloutChange,
        activity: &str,
        detail: Value,
    ) -> Result<Rollout> {
        let mut about = detail.clone();
        about["version"] = Value::from(from.wanted);
        let audit =
            self.entry(caller, activity, category::POLICY, target("policy", &policy.id, &policy.name), about)?;
        let changed = self.store.change_rollout(from, change, detail.to_string(), self.now(), audit).await?;
        if change == RolloutChange::Halt {
            self.reads.notify_one();
        }
        self.rollout_entity(policy, &changed).await
    }

    /// Takes the next step of every rollout that runs. The shell calls it once a minute while the clock is trusted.
    pub async fn carry_rollouts(&self, caller: &Caller) -> Result<()> {
        Self::only(caller, Job::Rollouts)?;
        let open = self.store.open_rollouts().await?;
        for rollout in open.into_iter().filter(|open| open.state == RolloutState::Running) {
            let Some(policy) = self.store.policy(rollout.policy).await? else { continue };
            let seen = self.seen(&rollout).await?;
            let counted = Progress { failed: seen.progress.failed.saturating_sub(forgiven(&rollout)), ..seen.progress };
            let ring = usize::try_from(rollout.ring).unwrap_or(usize::MAX);
            let (change, activity) = match step(&rollout.rings, ring, rollout.ring_at, self.now(), counted) {
                Step::Stay => continue,
                Step::Advance => (RolloutChange::Advance, activity::ADVANCE_ROLLOUT),
                Step::Complete => (RolloutChange::Complete, activity::COMPLETE_ROLLOUT),
                Step::Halt => (RolloutChange::Halt, activity::HALT_ROLLOUT),
            };
            if change == RolloutChange::Halt {
                tracing::warn!(
                    policy = %policy.id, version = rollout.wanted, failed = seen.progress.failed,
                    "a policy was halted: failures passed its limit"
                );
            }
            let detail = json!({
                "ring": rollout.ring + 1,
                "reached": seen.progress.reached,
                "taken": seen.progress.taken,
                "failed": seen.progress.failed,
                "failing": seen.failing,
                "forgiven": forgiven(&rollout),
            });
            match self.change(caller, &policy, rollout, change, activity, detail).await {
                // A person was faster.
                Err(Error::Store(StoreError::Changed)) => {}
                done => drop(done?),
            }
        }
        Ok(())
    }

    /// Counts the devices that a version has reached.
    async fn seen(&self, rollout: &store::Rollout) -> Result<Seen> {
        let rings = vec![RingCounts::default(); rollout.rings.len() + 1];
        let mut seen = Seen { progress: Progress::default(), failing: Vec::new(), rings };
        let groups: Vec<GroupId> =
            self.store.assignments(Some(rollout.policy)).await?.iter().map(|one| one.group).collect();
        if groups.is_empty() {
            return Ok(seen);
        }
        let excluded: Vec<GroupId> =
            self.store.exclusions(Some(rollout.policy)).await?.iter().map(|one| one.group).collect();
        let open = rollout.state.is_open();
        let reached = usize::try_from(rollout.ring).unwrap_or(usize::MAX);
        let mut after = None;
        loop {
            let filter = DeviceFilter {
                states: vec![DeviceState::Enabled],
                groups: (!groups.contains(&ALL_DEVICES)).then(|| groups.clone()),
                ..DeviceFilter::default()
            };
            let page = self.store.devices(filter, Page { after, limit: Page::LIMIT_MAX }).await?;
            for device in page.items {
                if device.groups.iter().any(|group| excluded.contains(group)) {
                    continue;
                }
                let ring = ring_of(&rollout.rings, rollout.policy, device.id, &device.groups);
                let counts = seen.rings.get_mut(ring);
                let on = if open && ring > reached { On::NotIts } else { self.on(rollout, &device).await? };
                if let Some(counts) = counts {
                    counts.devices += 1;
                    counts.taken += u64::from(on == On::Taken);
                    counts.failed += u64::from(on == On::Failed);
                }
                seen.progress.reached += u64::from(on != On::NotIts);
                seen.progress.taken += u64::from(on == On::Taken);
                seen.progress.failed += u64::from(on == On::Failed);
                if on == On::Failed && seen.failing.len() < NAMES_MAX {
                    seen.failing.push(device.name);
                }
            }
            after = page.next;
            if after.is_none() || seen.progress.reached >= DEVICES_MAX {
                return Ok(seen);
            }
        }
    }

    async fn on(&self, rollout: &store::Rollout, device: &store::Device) -> Result<On> {
        let assigned = self.store.policies_for(device.id).await?;
        if !assigned.iter().any(|one| one.policy.id == rollout.policy && one.policy.version >= rollout.wanted) {
            return Ok(On::NotIts);
        }
        let deliveries = self.store.deliveries(device.id).await?;
        let answered = delivery::is_answered(&assigned, &deliveries);
        let taken = answered && delivery::is_taken(&deliveries);
        let answered_at = deliveries.sent.as_ref().and_then(|sent| sent.answered_at);
        let error_at = self.store.last_report(device.id).await?.and_then(|report| report.error_at);
        let erred = taken
            && matches!((error_at, answered_at), (Some(error), Some(answered)) if error > answered.max(rollout.started_at));
        Ok(match taken {
            _ if deliveries.held.is_some() || (answered && !taken) || erred => On::Failed,
            true => On::Taken,
            false => On::Open,
        })
    }

    async fn rollout_entity(&self, policy: &store::Policy, rollout: &store::Rollout) -> Result<Rollout> {
        let seen = self.seen(rollout).await?;
        let soak_hours = usize::try_from(rollout.ring).ok().and_then(|ring| rollout.rings.get(ring));
        let soak_s = soak_hours.map_or(0, |ring| u64::from(ring.soak_hours).saturating_mul(3_600));
        let detail: Value = serde_json::from_str(&rollout.detail).unwrap_or_default();
        Ok(Rollout {
            policy: policy.name.clone(),
            former: rollout.former,
            wanted: rollout.wanted,
            state: rollout.state.word().to_owned(),
            rings: self.shown_rings(&rollout.rings).await?,
            ring: rollout.ring.saturating_add(1),
            ring_date_time: rollout.ring_at,
            soaked_date_time: rollout.ring_at.plus_seconds(soak_s),
            started_date_time: rollout.started_at,
            detail: Some(detail).filter(|detail| detail.as_object().is_some_and(|members| !members.is_empty())),
            reached: seen.progress.reached,
            taken: seen.progress.taken,
            failed: seen.progress.failed,
            failing: seen.failing,
            counts: seen.rings,
        })
    }
}

/// Failures that a person has seen and went on with.
fn forgiven(rollout: &store::Rollout) -> u64 {
    let detail: Value = serde_json::from_str(&rollout.detail).unwrap_or_default();
    detail["forgiven"].as_u64().unwrap_or(0)
}

fn no_rollout(policy: &str) -> Error {
    Error::not_found(
        "rollout_unknown",
        format!("no version of {policy} is on its way by rings; give it rings, then change it"),
    )
}
