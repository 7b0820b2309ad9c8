//! What the measurements share: CPU time, percentiles, ratios of two sides in alternate rounds, arguments.
//!
//! On a shared machine rates swing by a factor while CPU per operation hardly moves. So both sides of a pair run in
//! short alternate rounds, in the same run, and what counts is the median of the ratios of the rounds.

pub mod load;

use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

/// CPU seconds that this process has used.
pub fn own_cpu_s() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// CPU seconds (user and system) that process `pid` has used; 0 when there is none.
pub fn cpu_s(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after_name = stat.rfind(')').map_or("", |at| &stat[at + 1..]);
    let ticks: f64 = after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    ticks / rustix::param::clock_ticks_per_second() as f64
}

/// The `at` quantile (0 to 1) of `values`; 0 when there are none.
pub fn quantile(values: &mut [f64], at: f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len().saturating_sub(1) as f64;
    values.get((last * at).round() as usize).copied().unwrap_or(0.0)
}

/// CPU microseconds of one call of `work`, over `slice` of wall time.
pub fn cpu_us_each(slice: Duration, mut work: impl FnMut()) -> f64 {
    for _ in 0..50 {
        work();
    }
    let (began, cpu) = (Instant::now(), own_cpu_s());
    let mut calls = 0_u64;
    while began.elapsed() < slice {
        for _ in 0..50 {
            work();
        }
        calls += 50;
    }
    (own_cpu_s() - cpu) * 1e6 / calls as f64
}

/// Which side of the aim the ratio should be on.
#[derive(Debug, Clone, Copy)]
pub enum Aim {
    /// At least this.
    AtLeast(f64),
    /// At most this.
    AtMost(f64),
}

impl Aim {
    fn met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(limit) => value >= limit,
            Self::AtMost(limit) => value <= limit,
        }
    }
}

/// Prints one line of JSON about a pair: the medians of both sides and of their ratio (ours over the peer's).
pub fn print_pair(pair: &str, what: &str, unit: &str, ours: &[f64], peer: &[f64], aim: Aim) {
    let ratios: Vec<f64> = ours.iter().zip(peer).map(|(a, b)| a / b).collect();
    let median = |values: &[f64]| quantile(&mut values.to_vec(), 0.5);
    let ratio = median(&ratios);
    let (sign, limit) = match aim {
        Aim::AtLeast(limit) => (">=", limit),
        Aim::AtMost(limit) => ("<=", limit),
    };
    println!(
        "{{\"pair\":\"{pair}\",\"what\":\"{what}\",\"unit\":\"{unit}\",\"ours\":{:.3},\"peer\":{:.3},\"ratio\":{ratio:.3},\
         \"ratio_min\":{:.3},\"ratio_max\":{:.3},\"rounds\":{},\"aim\":\"{sign} {limit}\",\"met\":{}}}",
        median(ours),
        median(peer),
        quantile(&mut ratios.clone(), 0.0),
        quantile(&mut ratios.clone(), 1.0),
        ratios.len(),
        aim.met(ratio),
    );
}

/// The value after `--NAME` on the command line, else `default`.
pub fn argument(name: &str, default: &str) -> String {
    let wanted = format!("--{name}");
    let mut words = std::env::args().skip_while(|word| *word != wanted).skip(1);
    words.next().unwrap_or_else(|| default.to_owned())
}

/// The number after `--NAME` on the command line, else `default`.
pub fn number(name: &str, default: u64) -> u64 {
    argument(name, "").parse().unwrap_or(default)
}
