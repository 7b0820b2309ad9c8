//! In which order new versions of a policy reach its devices, and how the version does that is on its way.

use super::super::devices::Badge;
use super::super::shell::{Section, Shell, page};
use super::super::shown::{Shown, When};
use super::super::visit::{Visit, done, form};
use super::{Group, Head, form_status, groups, mistakes};
use crate::app::Error;
use askama::Template;
use axum::body::Bytes;
use axum::extract::Path;
use axum::response::Response;
use http::StatusCode;
use laps::rollout::{RINGS_MAX, SOAK_HOURS_MAX};
use proto::admin::{Ring, RingPlan, Rollout};
use serde::Deserialize;

/// Soak time that a new ring is offered with, hours.
const SOAK_HOURS: &str = "24";

/// A ring of the version that is on its way.
struct RingLine {
    /// Its place, or that it is the rest.
    title: String,
    who: Shown,
    state: Badge,
    devices: u64,
    taken: u64,
    failed: u64,
    soak: String,
    limit: String,
}

/// What a person may do about it.
struct Deed {
    act: &'static str,
    label: &'static str,
    text: String,
    danger: bool,
}

/// A version that goes by rings.
struct Way {
    state: Badge,
    tone: &'static str,
    wanted: u32,
    former: Option<u32>,
    /// What stands above the table: where it is, or why it stopped.
    said: Shown,
    started: When,
    next: Option<When>,
    rings: Vec<RingLine>,
    /// Names, and where they are found.
    failing: Vec<(Shown, String)>,
    more_failing: u64,
    deeds: Vec<Deed>,
}

/// A ring in the form.
struct Row {
    number: usize,
    percent: String,
    groups: Vec<Group>,
    soak: String,
    limit: String,
    by_percent: bool,
}

#[derive(Template)]
#[template(path = "policy_rollout.html")]
struct RolloutPage {
    shell: Shell,
    head: Head,
    way: Option<Way>,
    rows: Vec<Row>,
    has_plan: bool,
    may_add: bool,
    soak_max: u32,
    mistakes: Vec<Shown>,
}

fn who(ring: &Ring) -> String {
    match ring.percent {
        Some(share) => format!("{share} % of the devices"),
        None => ring.groups.join(", "),
    }
}

fn limit(ring: &Ring) -> String {
    match (ring.failures_max, ring.failures_percent_max) {
        (_, Some(most)) => format!("{most} %"),
        (Some(1), _) => "1 device".to_owned(),
        (most, None) => format!("{} devices", most.unwrap_or(0)),
    }
}

fn hours(hours: u32) -> String {
    match hours {
        48.. if hours.is_multiple_of(24) => format!("{} days", hours / 24),
        1 => "1 hour".to_owned(),
        _ => format!("{hours} hours"),
    }
}

/// Where the version is, or why it stopped.
fn said(rollout: &Rollout) -> String {
    let detail = rollout.detail.clone().unwrap_or_default();
    let count = rollout.rings.len();
    match rollout.state.as_str() {
        "running" => format!("Ring {} of {count} is reached.", rollout.ring),
        "halted" => match (detail["by"].as_str(), detail["failed"].as_u64()) {
            (Some(by), _) => format!("{by} halted it in ring {}. Nobody else gets the version.", rollout.ring),
            (None, Some(failed)) => {
                let known = match detail["forgiven"].as_u64() {
                    Some(known) if known > 0 => format!(", {known} of them known before"),
                    _ => String::new(),
                };
                let devices = if failed == 1 { "1 device".to_owned() } else { format!("{failed} devices") };
                format!(
                    "It halted by itself in ring {}: {devices} failed{known}, more than the limit of that ring. Nobody \
                     else gets the version.",
                    rollout.ring
                )
            }
            (None, None) => "It is halted. Nobody else gets the version.".to_owned(),
        },
        "complete" => match detail["by"].as_str() {
            Some(by) => format!("{by} gave it to every device."),
            None => "Every ring took it: it is the version of every device.".to_owned(),
        },
        _ => "Another version took its place before it was complete.".to_owned(),
    }
}

fn deeds(rollout: &Rollout) -> Vec<Deed> {
    let deed = |act, label, text: String, danger| Deed { act, label, text, danger };
    let resume = deed(
        "resume",
        "Go on",
        "The failures until now are known and count no more; the soak time of this ring begins again.".into(),
        false,
    );
    let halt = deed("halt", "Halt", "Nobody else gets the version until somebody decides.".into(), false);
    let complete =
        deed("complete", "Complete now", "Every device gets the version at its next check-in.".into(), false);
    let back = deed(
        "rollBack",
        "Roll back",
        format!("Every device gets the values of version {} back, as a new version.", rollout.former),
        true,
    );
    let first = match rollout.state.as_str() {
        "running" => halt,
        "halted" => resume,
        _ => return Vec::new(),
    };
    let mut all = vec![first, complete];
    all.extend((rollout.former > 0).then_some(back));
    all
}

/// A device by its name, and the search that finds it.
fn found(name: &String) -> (Shown, String) {
    let query = serde_urlencoded::to_string([("search", name)]).unwrap_or_default();
    (Shown::new(name), format!("/admin/devices?{query}"))
}

fn way(rollout: &Rollout, visit: &Visit) -> Way {
    let open = matches!(rollout.state.as_str(), "running" | "halted");
    let reached = rollout.ring as usize;
    let state = |number: usize| match number {
        _ if rollout.state == "rolled_back" => Badge::new("plain", "Taken back"),
        _ if !open || number < reached => Badge::new("good", "Reached"),
        number if number > reached => Badge::new("plain", "To come"),
        _ if rollout.state == "halted" => Badge::new("bad", "Halted here"),
        _ => Badge::new("info", "Here now"),
    };
    let counts = |index: usize| rollout.counts.get(index).copied().unwrap_or_default();
    let ring_line = |(index, ring): (usize, &Ring)| RingLine {
        title: format!("Ring {}", index + 1),
        who: Shown::cut(&who(ring), 300),
        state: state(index + 1),
        devices: counts(index).devices,
        taken: counts(index).taken,
        failed: counts(index).failed,
        soak: hours(ring.soak_hours),
        limit: limit(ring),
    };
    let mut rings: Vec<RingLine> = rollout.rings.iter().enumerate().map(ring_line).collect();
    let rest = counts(rollout.rings.len());
    if rest.devices > 0 {
        rings.push(RingLine {
            title: "The rest".to_owned(),
            who: Shown::new("whoever is in no ring"),
            state: state(rollout.rings.len() + 1),
            devices: rest.devices,
            taken: rest.taken,
            failed: rest.failed,
            soak: "—".to_owned(),
            limit: "—".to_owned(),
        });
    }
    let (tone, badge) = match rollout.state.as_str() {
        "running" => ("info", Badge::new("info", "On its way")),
        "halted" => ("bad", Badge::new("bad", "Halted")),
        "complete" => ("good", Badge::new("good", "Complete")),
        _ => ("warn", Badge::new("warn", "Rolled back")),
    };
    Way {
        state: badge,
        tone,
        wanted: rollout.wanted,
        former: Some(rollout.former).filter(|former| *former > 0),
        said: Shown::cut(&said(rollout), 400),
        started: When::of(rollout.started_date_time, visit.now),
        next: (rollout.state == "running").then(|| When::of(rollout.soaked_date_time, visit.now)),
        rings,
        failing: if open { rollout.failing.iter().map(found).collect() } else { Vec::new() },
        more_failing: if open { rollout.failed.saturating_sub(rollout.failing.len() as u64) } else { 0 },
        deeds: deeds(rollout),
    }
}

/// A ring as the form sends it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Typed {
    percent: String,
    groups: Vec<String>,
    soak: String,
    limit: String,
    by_percent: bool,
}

impl Typed {
    fn of(ring: &Ring) -> Self {
        let text = |number: Option<u8>| number.map(|number| number.to_string()).unwrap_or_default();
        Self {
            percent: text(ring.percent),
            groups: ring.groups.clone(),
            soak: ring.soak_hours.to_string(),
            limit: match (ring.failures_max, ring.failures_percent_max) {
                (_, Some(most)) => most.to_string(),
                (most, None) => most.unwrap_or(0).to_string(),
            },
            by_percent: ring.failures_percent_max.is_some(),
        }
    }

    fn empty() -> Self {
        Self { soak: SOAK_HOURS.to_owned(), limit: "0".to_owned(), ..Self::default() }
    }

    /// Nothing says whom it takes in: it is no ring.
    fn is_empty(&self) -> bool {
        self.percent.trim().is_empty() && self.groups.is_empty()
    }

    fn ring(&self, number: usize) -> Result<Ring, Error> {
        let wrong = |what: &str| Error::invalid("bad_rings", format!("ring {number}: {what}"));
        let percent = match self.percent.trim() {
            "" => None,
            text => Some(text.parse().map_err(|_| wrong("the share is a number from 1 to 100"))?),
        };
        let most = |text: &str| text.trim().parse::<u32>().map_err(|_| wrong("the failures are a number"));
        let (failures_max, failures_percent_max) = match (self.limit.trim(), self.by_percent) {
            ("", _) => (Some(0), None),
            (text, false) => (Some(most(text)?), None),
            (text, true) => {
                let share = u8::try_from(most(text)?).map_err(|_| wrong("the failures are 0 to 100 percent"))?;
                (None, Some(share))
            }
        };
        let soak_hours = match self.soak.trim() {
            "" => 0,
            text => text.parse().map_err(|_| wrong("the soak time is a number of hours"))?,
        };
        Ok(Ring { percent, groups: self.groups.clone(), soak_hours, failures_max, failures_percent_max })
    }
}

/// The rings of the form, in the order of their numbers: fields `r0.percent`, `r0.group`, …
fn typed(pairs: &[(String, String)]) -> Vec<Typed> {
    let mut rings: Vec<Typed> = Vec::new();
    for (name, text) in pairs {
        let Some((number, field)) = name.strip_prefix('r').and_then(|rest| rest.split_once('.')) else { continue };
        let Ok(number) = number.parse::<usize>() else { continue };
        if number > RINGS_MAX {
            continue;
        }
        if rings.len() <= number {
            rings.resize(number + 1, Typed::default());
        }
        let ring = &mut rings[number];
        match field {
            "percent" => ring.percent.clone_from(text),
            "group" => ring.groups.push(text.clone()),
            "soak" => ring.soak.clone_from(text),
            "limit" => ring.limit.clone_from(text),
            "unit" => ring.by_percent = text == "percent",
            _ => {}
        }
    }
    rings
}

async fn shown(
    visit: &Visit,
    id: &str,
    status: StatusCode,
    asked: Option<Vec<Typed>>,
    mistakes: Vec<Shown>,
) -> Result<Response, Error> {
    let policy = visit.app.policy(&visit.caller, id).await?;
    let plan = visit.app.ring_plan(&visit.caller, id).await?;
    let way = match visit.app.rollout(&visit.caller, id).await {
        Ok(rollout) => Some(way(&rollout, visit)),
        Err(Error::NotFound { .. }) => None,
        Err(error) => return Err(error),
    };
    let mut rings = asked.unwrap_or_else(|| plan.rings.iter().map(Typed::of).collect());
    if rings.is_empty() {
        rings.push(Typed::empty());
    }
    let mut rows = Vec::new();
    for (number, ring) in rings.iter().enumerate() {
        let mut offered = groups(visit, false, &ring.groups).await;
        // One that is not among those that are offered stays part of the ring.
        for name in &ring.groups {
            if !offered.iter().any(|group| group.chosen && group.value == *name) {
                offered.push(Group { value: name.clone(), label: Shown::new(name), chosen: true });
            }
        }
        rows.push(Row {
            number,
            percent: ring.percent.clone(),
            groups: offered,
            soak: ring.soak.clone(),
            limit: ring.limit.clone(),
            by_percent: ring.by_percent,
        });
    }
    page(
        status,
        &RolloutPage {
            shell: visit.shell(&Shown::new(&policy.name).to_string(), Section::Policies).await?,
            head: Head::of(visit, &policy, "rings").await?,
            way,
            may_add: rows.len() < RINGS_MAX,
            rows,
            has_plan: !plan.rings.is_empty(),
            soak_max: SOAK_HOURS_MAX,
            mistakes,
        },
    )
}

/// The rings of a policy, and the version that is on its way.
pub(crate) async fn rollout(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    shown(&visit, &id, StatusCode::OK, None, Vec::new()).await
}

/// Takes the plan; or shows the form with one ring more or less.
pub(crate) async fn set_rings(visit: Visit, Path(id): Path<String>, body: Bytes) -> Result<Response, Error> {
    visit.app.may_write_policies(&visit.caller)?;
    let pairs: Vec<(String, String)> = form(&body)?;
    let of = |wanted: &str| pairs.iter().find(|(name, _)| name == wanted).map(|(_, text)| text.as_str());
    let mut rings = typed(&pairs);
    if of("add").is_some() {
        rings.push(Typed::empty());
        return shown(&visit, &id, StatusCode::OK, Some(rings), Vec::new()).await;
    }
    if let Some(number) = of("drop").and_then(|text| text.parse::<usize>().ok()).filter(|at| *at < rings.len()) {
        rings.remove(number);
        return shown(&visit, &id, StatusCode::OK, Some(rings), Vec::new()).await;
    }
    let result = match of("clear") {
        Some(_) => Ok(Vec::new()),
        None => rings.iter().filter(|ring| !ring.is_empty()).zip(1..).map(|(ring, n)| ring.ring(n)).collect(),
    };
    let result = match result {
        Ok(wanted) => visit.app.set_ring_plan(&visit.caller, &id, &RingPlan { rings: wanted }).await,
        Err(error) => Err(error),
    };
    match result {
        Ok(_) => {
            let policy = visit.app.policy(&visit.caller, &id).await?;
            Ok(done(&format!("/admin/policies/{}/rollout", policy.id), "rings_saved"))
        }
        Err(error) => match form_status(&error) {
            Some(status) => shown(&visit, &id, status, Some(rings), mistakes(&error)).await,
            None => Err(error),
        },
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Decided {
    act: String,
}

/// A person decides about the version that is on its way.
pub(crate) async fn act(visit: Visit, Path(id): Path<String>, body: Bytes) -> Result<Response, Error> {
    visit.app.may_write_policies(&visit.caller)?;
    let Decided { act } = form(&body)?;
    match visit.app.act_on_rollout(&visit.caller, &id, &act).await {
        Ok(_) => {
            let policy = visit.app.policy(&visit.caller, &id).await?;
            Ok(done(&format!("/admin/policies/{}/rollout", policy.id), "rollout_changed"))
        }
        Err(error) => match form_status(&error) {
            Some(status) => shown(&visit, &id, status, None, mistakes(&error)).await,
            None => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_are_read_from_the_form_as_they_are_written_into_it() {
        let plan = [
            Ring {
                groups: vec!["pilot".into(), "lab".into()],
                soak_hours: 24,
                failures_max: Some(0),
                ..Ring::default()
            },
            Ring { percent: Some(10), soak_hours: 48, failures_percent_max: Some(2), ..Ring::default() },
        ];
        let mut pairs = Vec::new();
        for (n, ring) in plan.iter().map(Typed::of).enumerate() {
            pairs.push((format!("r{n}.percent"), ring.percent));
            pairs.extend(ring.groups.into_iter().map(|group| (format!("r{n}.group"), group)));
            pairs.push((format!("r{n}.soak"), ring.soak));
            pairs.push((format!("r{n}.limit"), ring.limit));
            pairs.push((format!("r{n}.unit"), if ring.by_percent { "percent" } else { "devices" }.into()));
        }
        let read: Vec<Ring> = typed(&pairs).iter().map(|ring| ring.ring(1).unwrap()).collect();
        assert_eq!(read, plan);
        assert!(typed(&[("r99.soak".into(), "1".into()), ("rx.soak".into(), "1".into())]).is_empty());
        assert!(Typed::empty().is_empty());
        for (field, text) in [("percent", "ten"), ("soak", "-1"), ("limit", "x")] {
            let ring = &typed(&[("r0.percent".into(), "5".into()), (format!("r0.{field}"), text.into())])[0];
            assert!(ring.ring(1).is_err(), "{field}");
        }
        assert_eq!((hours(1), hours(24), hours(72)), ("1 hour".into(), "24 hours".into(), "3 days".into()));
    }
}
