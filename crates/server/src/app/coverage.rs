//! Coverage: how many devices lack a password, and why. The engine of `explain` over every device in the caller's
//! reach, on evidence that the store gives in bulk.

use super::credentials::Listed;
use super::explain::{Assignments, evidence_of};
use super::{App, Result};
use crate::authz::{self, Action, Caller, Reach};
use crate::store::{Page, SurveyFilter, Surveyed};
use laps::explain::{self, Cause};
use laps::id::DeviceId;
use laps::time::{TICKS_PER_DAY, TICKS_PER_SECOND, Timestamp};
use proto::admin::{Coverage, CoverageAge, CoverageCause, CoverageDevice, Latency};
use std::collections::{BTreeMap, btree_map::Entry};

/// Requests to rotate that were met in so many days count, days.
const LATENCY_DAYS: u32 = 90;
/// Where the ages of passwords are parted, days.
const AGES: [u32; 7] = [0, 1, 7, 14, 30, 60, 90];

/// What a device comes to.
struct Covered {
    cause: Option<Cause>,
    lacks: bool,
}

/// What was counted of some devices.
#[derive(Default)]
struct Tally {
    counts: Coverage,
    causes: BTreeMap<&'static str, CoverageCause>,
    ages: [u64; AGES.len()],
    /// How long requests to rotate took, and proofs, seconds.
    rotations: Vec<u64>,
    proofs: Vec<u64>,
}

impl Tally {
    fn count(&mut self, of: &Surveyed, covered: Covered, now: Timestamp) {
        self.counts.devices += 1;
        let proven = of.current.and_then(|current| Some((current.stored_at, current.proven_at?)));
        match proven {
            Some((stored, proven)) => {
                self.counts.proven += 1;
                self.proofs.push(proven.ticks_since(stored) / TICKS_PER_SECOND);
                let days = now.ticks_since(proven) / TICKS_PER_DAY;
                let place = AGES.iter().rposition(|from| days >= u64::from(*from)).unwrap_or(0);
                if let Some(count) = self.ages.get_mut(place) {
                    *count += 1;
                }
            }
            None if of.pending_since.is_some() => self.counts.only_stored += 1,
            None if !covered.lacks => self.counts.of_predecessor += 1,
            None => self.counts.lacking += 1,
        }
        if let Some(cause) = covered.cause {
            let counted = self.causes.entry(cause.code).or_insert_with(|| CoverageCause {
                code: cause.code.to_owned(),
                page: cause.page(),
                cause: cause.cause,
                remedy: cause.remedy,
                ..CoverageCause::default()
            });
            counted.devices += 1;
            counted.lacking += u64::from(covered.lacks);
        }
        let met = of.rotations.iter().map(|(asked, met)| met.ticks_since(*asked) / TICKS_PER_SECOND);
        self.rotations.extend(met);
    }

    /// Both together. Of a cause in both the words of the first stay.
    fn and(mut self, other: Self) -> Self {
        self.counts.devices += other.counts.devices;
        self.counts.proven += other.counts.proven;
        self.counts.only_stored += other.counts.only_stored;
        self.counts.of_predecessor += other.counts.of_predecessor;
        self.counts.lacking += other.counts.lacking;
        for (code, cause) in other.causes {
            match self.causes.entry(code) {
                Entry::Vacant(free) => {
                    free.insert(cause);
                }
                Entry::Occupied(mut known) => {
                    known.get_mut().devices += cause.devices;
                    known.get_mut().lacking += cause.lacking;
                }
            }
        }
        for (count, more) in self.ages.iter_mut().zip(other.ages) {
            *count += more;
        }
        self.rotations.extend(other.rotations);
        self.proofs.extend(other.proofs);
        self
    }

    fn coverage(self, now: Timestamp) -> Coverage {
        let mut causes: Vec<_> = self.causes.into_values().collect();
        causes.sort_by_key(|cause| (core::cmp::Reverse(cause.devices), cause.code.clone()));
        let ages = AGES.iter().zip(self.ages).enumerate().map(|(place, (from, devices))| CoverageAge {
            days_from: *from,
            days_below: AGES.get(place + 1).copied(),
            devices,
        });
        Coverage {
            made_date_time: Some(now),
            causes,
            ages: ages.collect(),
            rotation_latency: latency(self.rotations),
            proof_latency: latency(self.proofs),
            ..self.counts
        }
    }
}

impl App {
    /// The figures of coverage.
    pub async fn coverage(&self, caller: &Caller) -> Result<Coverage> {
        let whole = self.walk(caller, None).await?;
        let now = whole.now;
        // Side by side: while one part reads, another works out. The store keeps more readers than these three, for
        // whoever else asks.
        let [first, second, third] = whole.parts();
        let (first, second, third) = tokio::try_join!(first.tally(self), second.tally(self), third.tally(self))?;
        Ok(first.and(second).and(third).coverage(now))
    }

    /// The devices with a cause, in the order of their ids: those of one code, or of `any`, or those that are
    /// `lacking` a password.
    pub async fn coverage_devices(
        &self,
        caller: &Caller,
        code: &str,
        after: Option<String>,
        limit: u32,
    ) -> Result<Listed<CoverageDevice>> {
        let size = Page::first(limit).size();
        let mut items = Vec::new();
        let mut walk = self.walk(caller, after).await?;
        while items.len() <= size
            && let Some(page) = walk.next(self).await?
        {
            for (of, covered) in page {
                let Some(cause) = covered.cause else { continue };
                let wanted = match code {
                    "any" => true,
                    "lacking" => covered.lacks,
                    code => cause.code == code,
                };
                if wanted && items.len() <= size {
                    items.push(CoverageDevice {
                        id: of.device.id,
                        name: of.device.name,
                        state: of.device.state.word().to_owned(),
                        code: cause.code.to_owned(),
                        lacks: covered.lacks,
                        cause: cause.cause,
                        remedy: cause.remedy,
                        last_seen_date_time: of.device.last_seen,
                        proven_date_time: of.current.and_then(|current| current.proven_at),
                        expiration_date_time: of.current.and_then(|current| current.expires_at),
                    });
                }
            }
        }
        let more = items.len() > size;
        items.truncate(size);
        let next = items.last().filter(|_| more).map(|last| last.id.to_string());
        Ok(Listed::new(items, next))
    }

    async fn walk(&self, caller: &Caller, after: Option<String>) -> Result<Walk> {
        let groups = match authz::reach(caller, Action::Explain)? {
            Reach::Tenant => None,
            Reach::Groups(groups) => Some(groups),
        };
        let now = self.now();
        let met_since = now.minus_ticks(u64::from(LATENCY_DAYS) * TICKS_PER_DAY);
        Ok(Walk {
            filter: SurveyFilter { device: None, until: None, groups, met_since },
            place: Some(after),
            assignments: Assignments::default(),
            settings: self.store.tenant().await?.settings,
            now,
        })
    }
}

/// A walk over every device in reach, a page at a time.
struct Walk {
    filter: SurveyFilter,
    /// Where the next page starts; `None` when there is none.
    place: Option<Option<String>>,
    assignments: Assignments,
    settings: crate::store::Settings,
    now: Timestamp,
}

impl Walk {
    /// The same walk in parts. Ids are random, so the parts are of one size.
    fn parts(self) -> [Self; 3] {
        let [third, two_thirds] = [[0x55; 16], [0xaa; 16]].map(DeviceId::from_bytes);
        [(None, Some(third)), (Some(third), Some(two_thirds)), (Some(two_thirds), None)].map(|(after, until)| Self {
            filter: SurveyFilter { until, ..self.filter.clone() },
            place: Some(after.map(|id| id.to_string())),
            assignments: Assignments::default(),
            settings: self.settings.clone(),
            now: self.now,
        })
    }

    async fn tally(mut self, app: &App) -> Result<Tally> {
        let mut tally = Tally::default();
        while let Some(page) = self.next(app).await? {
            for (of, covered) in page {
                tally.count(&of, covered, self.now);
            }
        }
        Ok(tally)
    }

    async fn next(&mut self, app: &App) -> Result<Option<Vec<(Surveyed, Covered)>>> {
        let Some(after) = self.place.take() else { return Ok(None) };
        let page = app.store.survey(self.filter.clone(), Page::behind(after, Page::LIMIT_MAX)).await?;
        self.place = page.next.map(Some);
        let mut covered = Vec::with_capacity(page.items.len());
        for of in page.items {
            let assigned = self.assignments.of(app, &of.device).await?;
            let is_answered = self.assignments.is_answered(&assigned, of.sent.as_ref());
            // Coverage is about the devices, not about who asks.
            let reader = explain::Reader { may_read: true, sees_all: true, roles: Vec::new(), asked: Vec::new() };
            let evidence = evidence_of(&of, &assigned, is_answered, &self.settings, reader, self.now);
            let evidence = explain::Evidence { former: app.former(&of).await?, ..evidence };
            let lacks = of.pending_since.is_none() && of.current.is_none() && evidence.former.is_none();
            covered.push((of, Covered { cause: explain::cause(&evidence), lacks }));
        }
        Ok(Some(covered))
    }
}

fn latency(mut seconds: Vec<u64>) -> Latency {
    seconds.sort_unstable();
    let at = |hundredth: usize| {
        // The smallest value that so many of a hundred do not exceed.
        let rank = (seconds.len() * hundredth).div_ceil(100).max(1);
        seconds.get(rank - 1).copied().unwrap_or(0)
    };
    Latency {
        count: seconds.len() as u64,
        p50_s: at(50),
        p90_s: at(90),
        p99_s: at(99),
        max_s: seconds.last().copied().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        assert_eq!(latency(Vec::new()), Latency::default());
        let hundred = latency((1..=100).rev().collect());
        assert_eq!(hundred, Latency { count: 100, p50_s: 50, p90_s: 90, p99_s: 99, max_s: 100 });
        assert_eq!(latency(vec![7]), Latency { count: 1, p50_s: 7, p90_s: 7, p99_s: 7, max_s: 7 });
    }
}
