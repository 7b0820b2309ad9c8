//! `policy rings` and `policy rollout …`: new versions go from ring to ring.

use super::policy::find;
use crate::{arguments::Globals, failure::Failure, output, session};
use clap::Subcommand;
use proto::admin::{Ring, RingPlan, Rollout};

#[derive(Debug, Subcommand)]
pub(crate) enum RolloutCommand {
    /// How the version does that is on its way
    Show {
        /// The policy's id or name
        policy: String,
    },
    /// Go on after a halt; the failures until now count no more
    Resume {
        /// The policy's id or name
        policy: String,
    },
    /// Stop: nobody else gets the version
    Halt {
        /// The policy's id or name
        policy: String,
    },
    /// Give the version to every machine now
    Complete {
        /// The policy's id or name
        policy: String,
    },
    /// Give every machine the former version back
    Rollback {
        /// The policy's id or name
        policy: String,
    },
}

/// `lapwing policy rollout …`.
pub(crate) async fn run(globals: &Globals, command: RolloutCommand) -> Result<(), Failure> {
    let signed_in = session::signed_in(globals).await?;
    let (policy, act) = match command {
        RolloutCommand::Show { policy } => (policy, None),
        RolloutCommand::Resume { policy } => (policy, Some("resume")),
        RolloutCommand::Halt { policy } => (policy, Some("halt")),
        RolloutCommand::Complete { policy } => (policy, Some("complete")),
        RolloutCommand::Rollback { policy } => (policy, Some("rollBack")),
    };
    let id = find(&signed_in, &policy).await?.id;
    let rollout = match act {
        None => signed_in.rollout(id).await?,
        Some(act) => signed_in.act_on_rollout(id, act).await?,
    };
    show(globals, &rollout)
}

fn show(globals: &Globals, rollout: &Rollout) -> Result<(), Failure> {
    let former = match rollout.former {
        0 => "none".to_owned(),
        version => version.to_string(),
    };
    let rings: Vec<String> = rollout
        .rings
        .iter()
        .zip(1_u32..)
        .map(|(ring, number)| {
            let mark = if number <= rollout.ring { "reached" } else { "to come" };
            format!("{number}: {} ({mark}){}", spec_of(ring), counted(rollout, number as usize - 1))
        })
        .collect();
    let rest = counted(rollout, rollout.rings.len());
    output::item(
        globals.output,
        rollout,
        vec![
            ("Policy", rollout.policy.clone()),
            ("Version", format!("{}, after {former}", rollout.wanted)),
            ("State", rollout.state.clone()),
            ("Rings", rings.join("\n")),
            ("In no ring", rest.trim_start_matches(", ").to_owned()),
            ("In this ring since", rollout.ring_date_time.to_string()),
            ("Next ring from", rollout.soaked_date_time.to_string()),
            ("Reached", rollout.reached.to_string()),
            ("Taken", rollout.taken.to_string()),
            ("Failed", rollout.failed.to_string()),
            ("Failing", rollout.failing.join(", ")),
        ],
    )?;
    if rollout.state == "halted" {
        output::message(&format!(
            "  next: look at a failing machine (lapwing policy explain), then lapwing policy rollout resume|rollback {}",
            rollout.policy
        ));
    }
    Ok(())
}

/// `, 40 machines, 12 took it, 1 failed` of a ring; nothing where no machine is.
fn counted(rollout: &Rollout, ring: usize) -> String {
    let counts = rollout.counts.get(ring).copied().unwrap_or_default();
    match counts.devices {
        0 => String::new(),
        devices => format!(", {devices} machines, {} took it, {} failed", counts.taken, counts.failed),
    }
}

/// `lapwing policy rings`: shows the plan, or sets it.
pub(crate) async fn rings(globals: &Globals, policy: &str, rings: Vec<Ring>, clear: bool) -> Result<(), Failure> {
    let signed_in = session::signed_in(globals).await?;
    let policy = find(&signed_in, policy).await?;
    let plan = match (rings.is_empty(), clear) {
        (true, false) => signed_in.ring_plan(policy.id).await?,
        _ => signed_in.set_ring_plan(policy.id, &RingPlan { rings }).await?,
    };
    if plan.rings.is_empty() {
        output::message(&format!("new versions of {} go to all machines at once", policy.name));
    }
    output::list(globals.output, &plan.rings, &["ring"], |ring| vec![spec_of(ring)])
}

/// A ring as it is typed: `10%,soak=24h,failures=2%` or `group=pilot+lab,soak=4h,failures=0`.
pub(crate) fn ring(text: &str) -> Result<Ring, String> {
    let mut ring = Ring { soak_hours: 24, ..Ring::default() };
    for part in text.split(',').map(str::trim) {
        let number = |text: &str| text.parse::<u32>().map_err(|_| format!("{text:?} is not a number"));
        let share = |text: &str| text.parse::<u8>().map_err(|_| format!("{text:?} is not a share of a hundred"));
        match part.split_once('=') {
            Some(("group", names)) => ring.groups = names.split('+').map(|name| name.trim().to_owned()).collect(),
            Some(("soak", time)) => {
                ring.soak_hours = match (time.strip_suffix('h'), time.strip_suffix('d')) {
                    (Some(hours), _) => number(hours)?,
                    (_, Some(days)) => number(days)?.saturating_mul(24),
                    _ => return Err("a soak time is in hours or days, as 24h or 3d".to_owned()),
                };
            }
            Some(("failures", most)) => match most.strip_suffix('%') {
                Some(most) => ring.failures_percent_max = Some(share(most)?),
                None => ring.failures_max = Some(number(most)?),
            },
            None if part.ends_with('%') => ring.percent = Some(share(part.trim_end_matches('%'))?),
            _ => return Err(format!("{part:?}: expected 10% or group=NAME, soak=24h, failures=2%")),
        }
    }
    Ok(ring)
}

fn spec_of(ring: &Ring) -> String {
    let who = match ring.percent {
        Some(share) => format!("{share}%"),
        None => format!("group={}", ring.groups.join("+")),
    };
    let limit = match (ring.failures_max, ring.failures_percent_max) {
        (_, Some(most)) => format!("{most}%"),
        (most, None) => most.unwrap_or(0).to_string(),
    };
    format!("{who},soak={}h,failures={limit}", ring.soak_hours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_is_read_and_written() {
        let one = ring("10%,soak=2d,failures=5%").unwrap();
        assert_eq!((one.percent, one.soak_hours, one.failures_percent_max), (Some(10), 48, Some(5)));
        assert_eq!(ring(&spec_of(&one)), Ok(one));
        let other = ring("group=pilot+lab, soak=4h, failures=0").unwrap();
        assert_eq!((other.groups.len(), other.failures_max), (2, Some(0)));
        assert_eq!(ring(&spec_of(&other)), Ok(other));
        for wrong in ["", "ten%", "10", "10%,soak=3", "10%,failures=x", "colour=red"] {
            assert!(ring(wrong).is_err(), "{wrong}");
        }
    }
}
