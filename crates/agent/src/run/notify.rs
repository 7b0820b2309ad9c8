//! The service manager: READY, STATUS, WATCHDOG, STOPPING (sd_notify(3)). Without one, nothing.

use sd_notify::NotifyState;
use std::time::Duration;

/// The agent is ready.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// One line for `systemctl status`.
pub(super) fn status(text: &str) {
    tell(&[NotifyState::Status(text)]);
}

/// The agent stops.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(state: &[NotifyState<'_>]) {
    // A service manager that does not listen is no reason to stop.
    drop(sd_notify::notify(state));
}

/// Feeds the watchdog at half its time, for as long as it is awaited. There is one thread: a loop that
/// hangs anywhere starves this too, which is what the watchdog is for.
pub(super) async fn watchdog() {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return std::future::pending().await;
    };
    let mut ticks = tokio::time::interval((limit / 2).max(Duration::from_millis(10)));
    loop {
        ticks.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}
