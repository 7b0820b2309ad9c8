//! Bounds on requests: by address before anybody is known, by device or account after it.

use super::{App, Error, Kind, Result};
use crate::authz::{Caller, Identity};
use laps::id::{DeviceId, PrincipalId};
use laps::time::{TICKS_PER_SECOND, Timestamp};
use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// Requests a second in the long run, and how many at once.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// In the long run.
    pub per_second: u32,
    /// At once.
    pub burst: u32,
}

/// The bounds.
#[derive(Debug, Clone, Copy)]
pub struct Rates {
    /// By address, for requests that nobody is known for yet.
    pub address: Rate,
    /// By device.
    pub device: Rate,
    /// By person or service principal.
    pub account: Rate,
}

impl Rate {
    /// So many in the long run, and ten seconds of them at once.
    pub const fn per_second(per_second: u32) -> Self {
        Self { per_second, burst: per_second.saturating_mul(10) }
    }
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            // Many machines join from behind one address.
            address: Rate::per_second(50),
            device: Rate::per_second(50),
            account: Rate::per_second(100),
        }
    }
}

/// Most keys of one kind that are remembered; when there are more, those that are full again are
/// forgotten first.
const KEYS_MAX: usize = 100_000;

/// A token bucket for each key.
struct Buckets<K> {
    rate: Rate,
    /// Thousandths of a request left, and since when.
    left: Mutex<HashMap<K, (u64, Timestamp)>>,
}

impl<K: Eq + Hash + Copy> Buckets<K> {
    fn new(rate: Rate) -> Self {
        Self { rate, left: Mutex::new(HashMap::new()) }
    }

    fn take(&self, key: K, now: Timestamp) -> bool {
        let full = u64::from(self.rate.burst) * 1000;
        let refilled = |left: u64, since: Timestamp| {
            let thousandths =
                now.ticks_since(since).saturating_mul(u64::from(self.rate.per_second) * 1000) / TICKS_PER_SECOND;
            left.saturating_add(thousandths).min(full)
        };
        let mut buckets = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= KEYS_MAX && !buckets.contains_key(&key) {
            buckets.retain(|_, (left, since)| refilled(*left, *since) < full);
            if buckets.len() >= KEYS_MAX {
                return false;
            }
        }
        let (left, since) = buckets.entry(key).or_insert((full, now));
        let available = refilled(*left, *since);
        let allowed = available >= 1000;
        (*left, *since) = (available - if allowed { 1000 } else { 0 }, now);
        allowed
    }
}

/// The bounds with what was used of them. In memory: a restart forgives.
pub(super) struct Admission {
    address: Buckets<IpAddr>,
    device: Buckets<DeviceId>,
    account: Buckets<PrincipalId>,
}

impl Admission {
    pub(super) fn new(rates: Rates) -> Self {
        Self {
            address: Buckets::new(rates.address),
            device: Buckets::new(rates.device),
            account: Buckets::new(rates.account),
        }
    }
}

impl App {
    /// Takes one request out of the caller's allowance, or refuses it.
    pub fn admit(&self, caller: &Caller) -> Result<()> {
        let now = self.now();
        let allowed = match &caller.identity {
            Identity::Anonymous => {
                caller.origin.address.is_none_or(|address| self.admission.address.take(subnet(address), now))
            }
            Identity::Device(device) => self.admission.device.take(device.device, now),
            Identity::User(principal) | Identity::App(principal) => self.admission.account.take(principal.id, now),
            Identity::System(_) => true,
        };
        if allowed {
            return Ok(());
        }
        Err(Error::refused(Kind::TooMany, "too_many_requests", "too many requests; wait as long as Retry-After says"))
    }
}

/// IPv6 hosts have a whole /64 to themselves.
pub(super) fn subnet(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => {
            let mut segments = six.segments();
            segments[4..].fill(0);
            IpAddr::V6(segments.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let buckets = Buckets::new(Rate { per_second: 2, burst: 3 });
        let start = Timestamp::from_unix_ms(0);
        for expected in [true, true, true, false] {
            assert_eq!(buckets.take(1, start), expected);
        }
        assert!(buckets.take(2, start), "another key has its own");
        let later = start.plus_ticks(TICKS_PER_SECOND / 2);
        assert!(buckets.take(1, later));
        assert!(!buckets.take(1, later));
    }

    #[test]
    fn one_network_of_ipv6_is_one_address() {
        let one = subnet("2001:db8::1".parse().unwrap());
        assert_eq!(one, subnet("2001:db8::ffff:1".parse().unwrap()));
        assert_ne!(one, subnet("2001:db8:0:1::1".parse().unwrap()));
    }
}
