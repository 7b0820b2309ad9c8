//! The wait channel: devices that wait are woken when there is work for them. A wake carries no command.

use super::{App, Error, Kind, Result};
use crate::authz::Caller;
use crate::store::{ALL_DEVICES, Work, WorkTarget};
use laps::id::{DeviceId, GroupId};
use proto::device::WaitAnswer;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Pieces of work that are read at a time.
const WORK_BATCH: u32 = 256;

/// The devices that wait, and how far each has seen the outbox.
pub(super) struct Waiters {
    most: usize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    waiting: HashMap<DeviceId, Waiter>,
    /// The newest work at a device's last check-in; a device that is not here checks in at once.
    seen: HashMap<DeviceId, u64>,
    /// The newest work when a device began its management session; its report ends the check-in.
    began: HashMap<DeviceId, u64>,
    next_ticket: u64,
}

struct Waiter {
    ticket: u64,
    groups: Vec<GroupId>,
    wake: Arc<Notify>,
}

impl Waiters {
    pub(super) fn new(most: usize) -> Self {
        Self { most, inner: Mutex::new(Inner::default()) }
    }
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.lock().waiting.len()
    }
    /// Whether a device holds a wait channel.
    pub(super) fn holds(&self, device: DeviceId) -> bool {
        self.lock().waiting.contains_key(&device)
    }
    /// Whether one more may wait.
    pub(super) fn has_room(&self, device: DeviceId) -> bool {
        let inner = self.lock();
        inner.waiting.len() < self.most || inner.waiting.contains_key(&device)
    }
    /// Notes that a device began a management session when `newest` was the newest work.
    pub(super) fn began(&self, device: DeviceId, newest: u64) {
        self.lock().began.insert(device, newest);
    }
    /// Notes that a device reported when `newest` was the newest work. What came after its management session
    /// had begun, policy above all, it may have missed, and is not counted as seen.
    pub(super) fn saw(&self, device: DeviceId, newest: u64) {
        let mut inner = self.lock();
        let seen = inner.began.remove(&device).unwrap_or(newest);
        inner.seen.insert(device, seen);
    }
    fn seen(&self, device: DeviceId) -> Option<u64> {
        self.lock().seen.get(&device).copied()
    }
    /// Enters a device; one that waits already is let go.
    fn enter(&self, device: DeviceId, groups: Vec<GroupId>) -> Option<Entered<'_>> {
        let mut inner = self.lock();
        if inner.waiting.len() >= self.most && !inner.waiting.contains_key(&device) {
            return None;
        }
        inner.next_ticket += 1;
        let ticket = inner.next_ticket;
        let wake = Arc::new(Notify::new());
        let waiter = Waiter { ticket, groups, wake: Arc::clone(&wake) };
        if let Some(former) = inner.waiting.insert(device, waiter) {
            former.wake.notify_one();
        }
        Some(Entered { waiters: self, device, ticket, wake })
    }
    /// Wakes whom a piece of work is for.
    fn wake(&self, work: &Work) {
        let inner = self.lock();
        match work.target {
            WorkTarget::Device(device) => {
                if let Some(waiter) = inner.waiting.get(&device) {
                    waiter.wake.notify_one();
                }
            }
            WorkTarget::Group(group) => inner
                .waiting
                .values()
                .filter(|waiter| group == ALL_DEVICES || waiter.groups.contains(&group))
                .for_each(|waiter| waiter.wake.notify_one()),
        }
    }
    /// Wakes everybody: the server stops.
    fn wake_all(&self) {
        self.lock().waiting.values().for_each(|waiter| waiter.wake.notify_one());
    }
}

/// A place among the waiters; left when dropped, also when the device hangs up.
struct Entered<'a> {
    waiters: &'a Waiters,
    device: DeviceId,
    ticket: u64,
    wake: Arc<Notify>,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let mut inner = self.waiters.lock();
        if inner.waiting.get(&self.device).is_some_and(|waiter| waiter.ticket == self.ticket) {
            inner.waiting.remove(&self.device);
        }
    }
}

fn is_for(work: &Work, device: DeviceId, groups: &[GroupId]) -> bool {
    match work.target {
        WorkTarget::Device(target) => target == device,
        WorkTarget::Group(group) => group == ALL_DEVICES || groups.contains(&group),
    }
}

impl App {
    /// Waits until there is work for the device, or until a while has passed. The time is kept by
    /// `elapsed`, which the edge brings.
    pub async fn wait(&self, caller: &Caller, elapsed: impl Future<Output = ()> + Send) -> Result<WaitAnswer> {
        let (device, _) = self.authentic(caller, false).await?;
        let entered = self.waiters.enter(device.id, device.groups.clone()).ok_or_else(|| {
            Error::refused(Kind::Unavailable, "no_wait_channel", "all wait channels are taken; poll instead")
        })?;
        // Entered first, then looked: work that comes between the two wakes the waiter.
        let Some(mut after) = self.waiters.seen(device.id) else {
            return Ok(WaitAnswer { wake: true });
        };
        loop {
            let batch = self.store.work_since(after, WORK_BATCH).await?;
            if batch.iter().any(|work| is_for(work, device.id, &device.groups)) {
                return Ok(WaitAnswer { wake: true });
            }
            match batch.last() {
                Some(last) => after = last.sequence,
                None => break,
            }
        }
        tokio::select! {
            () = entered.wake.notified() => Ok(WaitAnswer { wake: true }),
            () = elapsed => Ok(WaitAnswer { wake: false }),
        }
    }

    /// How many devices wait now.
    pub fn waiting_devices(&self) -> usize {
        self.waiters.len()
    }

    /// Seconds that a wait channel is held.
    pub const fn wait_s(&self) -> u64 {
        self.options.wait_s
    }

    /// Carries wakes from the outbox to the waiters, until the store closes. The shell runs it.
    pub async fn carry_wakes(&self) {
        let mut newest = self.store.watch_work();
        let mut after = *newest.borrow_and_update();
        while newest.changed().await.is_ok() {
            loop {
                match self.store.work_since(after, WORK_BATCH).await {
                    Ok(batch) => {
                        batch.iter().for_each(|work| self.waiters.wake(work));
                        match batch.last() {
                            Some(last) => after = last.sequence,
                            None => break,
                        }
                    }
                    Err(error) => {
                        // Devices poll all the same; the next change tries again.
                        tracing::warn!(code = error.code(), "work for devices could not be read");
                        break;
                    }
                }
            }
        }
    }

    /// Lets every waiting device go, so that the server can stop.
    pub fn release_waiters(&self) {
        self.waiters.wake_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::WorkKind;

    fn device(n: u8) -> DeviceId {
        DeviceId::from_random_bytes([n; 16])
    }
    fn work(target: WorkTarget) -> Work {
        Work { sequence: 1, target, kind: WorkKind::Rotate }
    }

    #[tokio::test]
    async fn only_whom_it_concerns_is_woken() {
        let waiters = Waiters::new(8);
        let group = GroupId::from_random_bytes([9; 16]);
        let one = waiters.enter(device(1), vec![group]).unwrap();
        let two = waiters.enter(device(2), vec![]).unwrap();
        waiters.wake(&work(WorkTarget::Group(group)));
        one.wake.notified().await;
        assert!(tokio::time::timeout(std::time::Duration::ZERO, two.wake.notified()).await.is_err());
        waiters.wake(&work(WorkTarget::Device(device(2))));
        two.wake.notified().await;
        waiters.wake(&work(WorkTarget::Group(ALL_DEVICES)));
        one.wake.notified().await;
        two.wake.notified().await;
    }

    #[test]
    fn work_between_session_and_report_is_not_taken_for_seen() {
        let waiters = Waiters::new(1);
        waiters.began(device(1), 4);
        waiters.saw(device(1), 7);
        assert_eq!(waiters.seen(device(1)), Some(4));
        waiters.saw(device(1), 9);
        assert_eq!(waiters.seen(device(1)), Some(9), "a report without a session");
    }

    #[tokio::test]
    async fn places_are_bounded_and_given_back() {
        let waiters = Waiters::new(1);
        let first = waiters.enter(device(1), vec![]).unwrap();
        assert!(!waiters.has_room(device(2)) && waiters.has_room(device(1)));
        assert!(waiters.enter(device(2), vec![]).is_none());
        let again = waiters.enter(device(1), vec![]).unwrap();
        first.wake.notified().await;
        drop(first);
        assert_eq!(waiters.len(), 1, "the newer one stays");
        drop(again);
        assert_eq!(waiters.len(), 0);
    }
}
