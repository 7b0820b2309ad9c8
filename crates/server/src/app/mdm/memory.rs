//! What the management server holds in memory: open sessions, and the resets that it submitted. Both may
//! be lost at any time: the device opens a new session, and a reset is submitted once more.

use super::Running;
use laps::csp::HResult;
use laps::id::DeviceId;
use laps::time::{TICKS_PER_SECOND, Timestamp};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Sessions that are open at one time.
pub(in crate::app) const SESSIONS_MAX: usize = 10_000;
/// Sessions of one device: more than one only when the machine was cloned or broke one off.
const SESSIONS_PER_DEVICE_MAX: usize = 4;
/// Resets that are remembered; others are submitted again at each session, and coalesce.
const RESETS_MAX: usize = 20_000;

/// A reset that a device accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reset {
    /// The sequence of the request that it is for.
    pub(super) request: u64,
    /// The last status that was read.
    pub(super) status: Option<HResult>,
}

impl Reset {
    /// Its end has not been seen.
    pub(super) fn is_running(self) -> bool {
        self.status.is_none_or(HResult::is_pending)
    }
}

struct Open {
    session_id: String,
    opened_at: Timestamp,
    running: Running,
}

#[derive(Default)]
struct Inner {
    sessions: HashMap<DeviceId, Vec<Open>>,
    count: usize,
    resets: HashMap<DeviceId, Reset>,
}

/// The sessions and resets, bounded in number.
pub(in crate::app) struct Management {
    sessions_max: usize,
    session_s: u64,
    inner: Mutex<Inner>,
}

impl Management {
    pub(in crate::app) fn new(sessions_max: usize, session_s: u64) -> Self {
        Self { sessions_max, session_s, inner: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a session out, to go on with it. While it is out another message of it finds none.
    pub(super) fn take(&self, device: DeviceId, session_id: &str) -> Option<Running> {
        let mut inner = self.lock();
        let sessions = inner.sessions.get_mut(&device)?;
        let place = sessions.iter().position(|open| open.session_id == session_id)?;
        let open = sessions.swap_remove(place);
        if sessions.is_empty() {
            inner.sessions.remove(&device);
        }
        inner.count = inner.count.saturating_sub(1);
        Some(open.running)
    }

    /// Whether one more may be opened; those whose time is over make room.
    pub(super) fn has_room(&self, now: Timestamp) -> bool {
        let mut inner = self.lock();
        if inner.count >= self.sessions_max {
            let ticks = self.session_s.saturating_mul(TICKS_PER_SECOND);
            inner.sessions.retain(|_, sessions| {
                sessions.retain(|open| now.ticks().saturating_sub(open.opened_at.ticks()) <= ticks);
                !sessions.is_empty()
            });
            inner.count = inner.sessions.values().map(Vec::len).sum();
        }
        inner.count < self.sessions_max
    }

    /// Puts a session (back) in. The oldest of a device that has too many is lost, and so is this one
    /// when there is no room.
    pub(super) fn put(&self, device: DeviceId, running: Running) {
        let mut inner = self.lock();
        let Inner { sessions, count, .. } = &mut *inner;
        let own = sessions.entry(device).or_default();
        let (session_id, opened_at) = running.key();
        *count = count.saturating_sub(own.len());
        own.retain(|open| open.session_id != session_id);
        if own.len() >= SESSIONS_PER_DEVICE_MAX
            && let Some(oldest) = (0..own.len()).min_by_key(|n| own.get(*n).map(|open| open.opened_at))
        {
            own.swap_remove(oldest);
        }
        if count.saturating_add(own.len()) < self.sessions_max {
            own.push(Open { session_id, opened_at, running });
        }
        *count = count.saturating_add(own.len());
        if own.is_empty() {
            sessions.remove(&device);
        }
    }

    pub(super) fn reset(&self, device: DeviceId) -> Option<Reset> {
        self.lock().resets.get(&device).copied()
    }

    /// The device accepted a reset for a request.
    pub(super) fn submitted(&self, device: DeviceId, request: u64) {
        let mut inner = self.lock();
        if inner.resets.len() < RESETS_MAX || inner.resets.contains_key(&device) {
            inner.resets.insert(device, Reset { request, status: None });
        }
    }

    /// A status of the device's reset was read.
    pub(super) fn read(&self, device: DeviceId, status: HResult) {
        if let Some(reset) = self.lock().resets.get_mut(&device) {
            reset.status = Some(status);
        }
    }

    /// Nothing more is to be learned about the device's reset.
    pub(super) fn forget(&self, device: DeviceId) {
        self.lock().resets.remove(&device);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Running, SESSION};
    use super::*;
    use proto::dm::Header;
    use proto::dm::server::ServerSession;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::MIN.plus_seconds(seconds)
    }
    fn device(n: u8) -> DeviceId {
        DeviceId::from_random_bytes([n; 16])
    }
    fn running(id: &str, seconds: u64) -> Running {
        Running::open(ServerSession::open("s", &Header::default(), SESSION, at(seconds)), id, at(seconds))
    }
    fn count(management: &Management) -> usize {
        let inner = management.lock();
        assert_eq!(inner.count, inner.sessions.values().map(Vec::len).sum::<usize>());
        inner.count
    }

    #[test]
    fn sessions_are_of_one_device_and_one_id() {
        let management = Management::new(10, 600);
        management.put(device(1), running("1", 0));
        assert!(management.take(device(2), "1").is_none());
        assert!(management.take(device(1), "2").is_none());
        assert!(management.take(device(1), "1").is_some());
        assert!(management.take(device(1), "1").is_none(), "it is out");
        management.put(device(1), running("1", 0));
        management.put(device(1), running("1", 1));
        assert_eq!(count(&management), 1, "the same again takes its place");
    }

    #[test]
    fn a_device_has_a_few_and_loses_its_oldest() {
        let management = Management::new(10, 600);
        for n in 0..6 {
            management.put(device(1), running(&n.to_string(), n));
        }
        assert_eq!(count(&management), SESSIONS_PER_DEVICE_MAX);
        assert!(management.take(device(1), "1").is_none());
        assert!(management.take(device(1), "5").is_some());
    }

    #[test]
    fn all_together_are_bounded_and_old_ones_make_room() {
        let management = Management::new(2, 600);
        management.put(device(1), running("1", 0));
        management.put(device(2), running("1", 300));
        assert!(!management.has_room(at(600)));
        management.put(device(3), running("1", 600));
        assert_eq!(count(&management), 2);
        assert!(management.take(device(3), "1").is_none());
        assert!(management.has_room(at(601)));
        management.put(device(3), running("1", 601));
        assert!(management.take(device(1), "1").is_none());
        assert_eq!(count(&management), 2);
    }
}
