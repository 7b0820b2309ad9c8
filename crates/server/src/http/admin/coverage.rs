//! Coverage of the fleet: how many devices have a proven password, why others do not, how old passwords are, how
//! long rotations take. Plots are SVG, drawn here.

use super::shell::{Section, Shell, ok};
use super::shown::{Prose, Shown, When};
use super::visit::Visit;
use crate::app::Error;
use askama::Template;
use axum::response::Response;
use proto::admin::{Coverage, CoverageDevice, Latency};
use serde::Deserialize;

/// Parts of a bar's whole length.
const WHOLE: u64 = 1_000;
/// Devices of one page of the list behind a cause.
const DEVICES: u32 = 100;
/// The circle of the ring, in units of its picture.
const AROUND: u64 = 1_000;

/// A bar of a plot.
struct Bar {
    label: Shown,
    /// What stands at its end.
    value: String,
    /// Of [`WHOLE`].
    length: u64,
    href: Option<String>,
    remedy: Option<Prose>,
}

/// A part of the ring.
struct Arc {
    class: &'static str,
    length: u64,
    gap: u64,
    /// Where it starts, against the clock.
    offset: i64,
}

/// A line of the legend.
struct Share {
    class: &'static str,
    label: &'static str,
    count: u64,
    percent: String,
    href: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "coverage.html")]
struct CoveragePage {
    shell: Shell,
    devices: u64,
    covered: String,
    arcs: Vec<Arc>,
    shares: Vec<Share>,
    causes: Vec<Bar>,
    ages: Vec<Bar>,
    rotations: Vec<Bar>,
    rotated: u64,
    proofs: Vec<Bar>,
}

struct Line {
    id: String,
    name: Shown,
    cause: Shown,
    remedy: Prose,
    code: String,
    seen: Option<When>,
    lacks: bool,
}

#[derive(Template)]
#[template(path = "coverage_devices.html")]
struct DevicesPage {
    shell: Shell,
    title: String,
    lines: Vec<Line>,
    later: bool,
    code: String,
    next: Option<String>,
}

/// A part of a whole, rounded down; 0 of nothing.
const fn part(count: u64, of: u64, whole: u64) -> u64 {
    if of == 0 { 0 } else { (count as u128 * whole as u128 / of as u128) as u64 }
}

/// `98.7 %`; never 100 while one is missing.
fn percent(count: u64, of: u64) -> String {
    let tenths = part(count, of, 1_000);
    match tenths {
        1_000 => "100 %".into(),
        tenths => format!("{}.{} %", tenths / 10, tenths % 10),
    }
}

fn bar(label: &str, value: String, length: u64) -> Bar {
    Bar { label: Shown::cut(label, 200), value, length, href: None, remedy: None }
}

/// Bars of counts, the largest as long as the plot.
fn counted<'a>(counts: impl Iterator<Item = (&'a str, u64)> + Clone) -> Vec<Bar> {
    let most = counts.clone().map(|(_, count)| count).max().unwrap_or(0);
    counts.map(|(label, count)| bar(label, count.to_string(), part(count, most, WHOLE))).collect()
}

/// Seconds as a person says them.
fn duration(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// On a scale of powers, for what is seconds here and weeks there.
fn latency(of: &Latency) -> Vec<Bar> {
    if of.count == 0 {
        return Vec::new();
    }
    let height = |seconds: u64| {
        u64::from((seconds + 1).ilog2()) * 100 + part(seconds + 1, 1 << (seconds + 1).ilog2(), 100) - 100
    };
    let most = height(of.max_s).max(1);
    [("Half of them", of.p50_s), ("90 of 100", of.p90_s), ("99 of 100", of.p99_s), ("The longest", of.max_s)]
        .into_iter()
        .map(|(label, seconds)| bar(label, duration(seconds), part(height(seconds), most, WHOLE).max(4)))
        .collect()
}

fn ring(parts: &[(&'static str, u64)]) -> Vec<Arc> {
    let all: u64 = parts.iter().map(|(_, count)| count).sum();
    let mut before = 0;
    let mut arcs = Vec::new();
    for (class, count) in parts.iter().filter(|(_, count)| *count > 0) {
        let end = before + count;
        let (from, to) = (part(before, all, AROUND), part(end, all, AROUND));
        // One device of a million is still seen.
        let length = (to - from).max(2);
        arcs.push(Arc { class, length, gap: AROUND - length.min(AROUND), offset: -(from.min(AROUND - 2) as i64) });
        before = end;
    }
    arcs
}

fn ages(coverage: &Coverage) -> Vec<Bar> {
    let labels: Vec<String> = coverage
        .ages
        .iter()
        .map(|age| match age.days_below {
            Some(1) => "Today".to_owned(),
            Some(below) => format!("{} to {} days", age.days_from, below - 1),
            None => format!("{} days and more", age.days_from),
        })
        .collect();
    counted(labels.iter().map(String::as_str).zip(coverage.ages.iter().map(|age| age.devices)))
}

/// The page.
pub(crate) async fn coverage(visit: Visit) -> Result<Response, Error> {
    let found = visit.app.coverage(&visit.caller).await?;
    let most = found.causes.iter().map(|cause| cause.devices).max().unwrap_or(0);
    let causes = found.causes.iter().map(|cause| Bar {
        href: serde_urlencoded::to_string([("code", &cause.code)])
            .ok()
            .map(|query| format!("/admin/coverage/devices?{query}")),
        remedy: Some(Prose::cut(&cause.remedy, 300)),
        ..bar(&cause.cause, cause.devices.to_string(), part(cause.devices, most, WHOLE).max(4))
    });
    let parts = [
        ("proven", found.proven),
        ("stored", found.only_stored),
        ("former", found.of_predecessor),
        ("lacking", found.lacking),
    ];
    let share = |class, label, count, href| Share { class, label, count, percent: percent(count, found.devices), href };
    ok(&CoveragePage {
        shell: visit.shell("Coverage", Section::Coverage).await?,
        devices: found.devices,
        covered: percent(found.proven, found.devices),
        arcs: ring(&parts),
        shares: vec![
            share("proven", "With a proven password", found.proven, None),
            share("stored", "Stored, not proven yet", found.only_stored, Some("/admin/devices?password=unproven")),
            share("former", "Only that of a former object", found.of_predecessor, None),
            share("lacking", "Without a password", found.lacking, Some("/admin/coverage/devices?code=lacking")),
        ],
        causes: causes.collect(),
        ages: ages(&found),
        rotations: latency(&found.rotation_latency),
        rotated: found.rotation_latency.count,
        proofs: latency(&found.proof_latency),
    })
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Asked {
    code: String,
}

/// The devices behind a cause.
pub(crate) async fn devices(visit: Visit) -> Result<Response, Error> {
    let asked: Asked = visit.query()?;
    let code = if asked.code.is_empty() { "any" } else { asked.code.as_str() };
    if code.len() > 64 {
        return Err(Error::invalid("bad_code", "a cause has a code of at most 64 characters; choose one of the list"));
    }
    let list = format!("admin/coverage/{code}");
    let after = visit.after(&list)?;
    let later = after.is_some();
    let listed = visit.app.coverage_devices(&visit.caller, code, after, DEVICES).await?;
    let title = match (code, listed.items.first()) {
        ("any", _) => "Devices with a cause".to_owned(),
        ("lacking", _) => "Devices without a password".to_owned(),
        (_, Some(first)) => first.cause.clone(),
        (code, None) => code.to_owned(),
    };
    ok(&DevicesPage {
        shell: visit.shell("Coverage", Section::Coverage).await?,
        title: Shown::cut(&title, 200).to_string(),
        lines: listed.items.iter().map(|device| line(device, &visit)).collect(),
        later,
        next: visit.next("/admin/coverage/devices", &list, &[("code", code)], listed.next),
        code: code.to_owned(),
    })
}

fn line(device: &CoverageDevice, visit: &Visit) -> Line {
    Line {
        id: device.id.to_string(),
        name: Shown::new(&device.name),
        cause: Shown::cut(&device.cause, 300),
        remedy: Prose::cut(&device.remedy, 300),
        code: device.code.clone(),
        seen: When::maybe(device.last_seen_date_time, visit.now),
        lacks: device.lacks,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_honest() {
        assert_eq!(percent(999_999, 1_000_000), "99.9 %");
        assert_eq!(percent(5, 5), "100 %");
        assert_eq!(percent(0, 0), "0.0 %");
        let arcs = ring(&[("a", 1), ("b", 0), ("c", 999_999)]);
        assert_eq!(arcs.len(), 2, "what is not there has no arc");
        assert!(arcs[0].length >= 2, "one of a million is seen");
        let half = ring(&[("a", 1), ("b", 1)]);
        assert_eq!(half.iter().map(|arc| (arc.length, arc.offset)).collect::<Vec<_>>(), [(500, 0), (500, -500)]);
    }

    #[test]
    fn latencies_are_on_a_scale_of_powers_and_in_order() {
        let of = Latency { count: 9, p50_s: 3, p90_s: 60, p99_s: 7_200, max_s: 1_000_000 };
        let bars = latency(&of);
        let lengths: Vec<u64> = bars.iter().map(|bar| bar.length).collect();
        assert!(lengths.is_sorted() && lengths[3] == WHOLE && lengths[0] > 50, "{lengths:?}");
        assert_eq!(bars[2].value, "2 h");
        assert!(latency(&Latency::default()).is_empty());
    }
}
