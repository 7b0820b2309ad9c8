//! Counters for operators, as OpenMetrics text. No name of a person or a device is in them.

use super::{App, Error, Result};
use crate::authz::{Action, Caller};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    surface: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

/// The counters.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    /// Passwords that were given out.
    pub(super) reveals: Counter,
    /// Versions that were stored.
    pub(super) stored: Counter,
    /// Versions that were proven.
    pub(super) proven: Counter,
    /// Sign-ins that failed.
    pub(super) sign_in_failures: Counter,
    devices: Family<StateLabels, Gauge>,
    versions: Family<StateLabels, Gauge>,
    rotations_open: Gauge,
    waiters: Gauge,
    audit_records: Gauge,
    escrow_warning: Gauge,
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("lapwing");
        let requests = Family::default();
        registry.register("requests", "Requests by surface and status", requests.clone());
        let mut counter = |name, help| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let reveals = counter("reveals", "Reads of passwords that were answered");
        let stored = counter("versions_stored", "Versions that were stored");
        let proven = counter("versions_proven", "Versions that were proven");
        let sign_in_failures = counter("sign_in_failures", "Sign-ins that failed");
        let devices = Family::default();
        registry.register("devices", "Devices by state", devices.clone());
        let versions = Family::default();
        registry.register("versions", "Versions by state", versions.clone());
        let mut gauge = |name, help| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let rotations_open = gauge("rotations_open", "Requests to rotate that are not met");
        let waiters = gauge("waiters", "Devices that hold a wait channel");
        let audit_records = gauge("audit_records", "Records in the audit log");
        let escrow_warning = gauge("escrow_warning", "1 while nobody has shown that the newest escrow archive opens");
        Self {
            registry,
            requests,
            reveals,
            stored,
            proven,
            sign_in_failures,
            devices,
            versions,
            rotations_open,
            waiters,
            audit_records,
            escrow_warning,
        }
    }

    /// Counts a request.
    pub fn request(&self, surface: &'static str, status: u16) {
        self.requests.get_or_create(&RequestLabels { surface, status }).inc();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl App {
    /// Whether the caller may read the metrics from afar.
    pub fn may_read_metrics(&self, caller: &Caller) -> Result<()> {
        self.require(caller, Action::MetricsRead)
    }

    /// The metrics as OpenMetrics text. The edge has let only local or allowed callers come here.
    pub async fn read_metrics(&self, _caller: &Caller) -> Result<String> {
        let counts = self.store.counts().await?;
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let set = |family: &Family<StateLabels, Gauge>, state, value| {
            family.get_or_create(&StateLabels { state }).set(gauge(value));
        };
        let metrics = &self.metrics;
        set(&metrics.devices, "enabled", counts.devices_enabled);
        set(&metrics.devices, "disabled", counts.devices_disabled);
        set(&metrics.devices, "deleted", counts.devices_deleted);
        set(&metrics.versions, "pending", counts.versions_pending);
        set(&metrics.versions, "current", counts.versions_current);
        set(&metrics.versions, "history", counts.versions_history);
        metrics.rotations_open.set(gauge(counts.rotations_open));
        metrics.escrow_warning.set(i64::from(self.escrow_needs_somebody().await?));
        metrics.audit_records.set(gauge(counts.audit_records));
        metrics.waiters.set(i64::try_from(self.waiters.len()).unwrap_or(i64::MAX));
        let mut text = String::new();
        encode(&mut text, &metrics.registry).map_err(|error| Error::Internal(error.to_string()))?;
        Ok(text)
    }

    /// Whether the server can do its work: its store answers and can write.
    pub async fn ready(&self, _caller: &Caller) -> Result<()> {
        Ok(self.store.ready().await?)
    }
}
