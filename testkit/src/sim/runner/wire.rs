//! The report as the agent writes it, and what it reads in the answer.

use laps::{
    cycle,
    decide::View,
    event,
    id::DeviceId,
    rotation::{AccountRef, Destination, Failure, Intent},
    time::Timestamp,
};
use proto::device::{AccountReport, Evidence, LastError, Report, ReportAnswer, Usability};

pub(super) fn report(report: cycle::Report, now: Timestamp) -> Report {
    Report {
        installed_fingerprint: report.account.as_ref().and_then(|account| account.installed),
        account: report.account.map(|facts| AccountReport {
            id: facts.account.id,
            name: facts.account.name,
            usability: Usability {
                enabled: facts.enabled,
                expired: facts.expired,
                no_login_shell: facts.no_login_shell,
                administrator: facts.administrator,
            },
        }),
        last_acknowledged: report.last_acknowledged,
        intent: report.intent,
        incarnation: report.incarnation,
        evidence: Evidence {
            unmanaged: report.unmanaged.map(|why| why.as_str().to_owned()),
            agent_version: "0.1.0".into(),
            drift: report.drift.iter().map(|drift| drift.as_str().to_owned()).collect(),
            repair_held: report.repair_held,
            ..Evidence::default()
        },
        last_error: report.last_error.map(|failure| LastError {
            event: failure.event,
            code: failure.code,
            text: failure.text,
            at: now,
        }),
        audit_head: None,
        sign_ins: Vec::new(),
        device_time: now,
    }
}

pub(super) fn view(answer: ReportAnswer, device: DeviceId) -> View {
    View {
        current: answer.current.map(|current| current.version),
        unresolved: answer
            .unresolved
            .into_iter()
            .map(|pending| Intent {
                tenant: crate::sim::server::TENANT,
                device,
                version: pending.version,
                account: AccountRef { id: pending.account_id, name: pending.account_name },
                fingerprint: pending.fingerprint,
                expires_at: pending.expires_at,
                destination: Destination::Cloud,
            })
            .collect(),
        incarnation: answer.incarnation,
        rotate_requested: answer.rotate_requested.is_some(),
        repairs_per_day: answer.repairs_per_day,
        store_refused: answer.store_refused.map(|code| Failure::new(event::BACKUP_FAILED, code, "in the simulation")),
        server_time: answer.server_time,
        active_directory: None,
    }
}
