//! Devices as witnesses of the audit log: each keeps the newest signed head and sends it back with its next report.
//! A log that does not hold that head was cut or written anew, by somebody who may well hold the server.

use super::{App, Result};
use crate::audit::{AuditHead, SignedHead};
use crate::authz::Caller;
use crate::ca::head::is_signed_by;
use crate::store::{self, DeviceEventKind};
use laps::time::Timestamp;
use proto::audit::Head;
use proto::device::Report;
use serde_json::json;

impl App {
    /// Compares the head that a device kept with the log, and notes what does not fit. A restored server has lost
    /// records and says so itself: what a device kept of the incarnation before is no news.
    pub(super) async fn compare_head(
        &self,
        caller: &Caller,
        device: &store::Device,
        report: &Report,
        now: Timestamp,
    ) -> Result<()> {
        let Some(kept) = report.audit_head.as_deref().and_then(|text| Head::parse(text).ok()) else {
            return Ok(());
        };
        if kept.sequence == 0 {
            return Ok(());
        }
        let found = self.store.audit_chain(kept.chain, kept.sequence - 1, 1).await?.into_iter().next();
        let what = match found.filter(|record| record.sequence == kept.sequence) {
            Some(record) if record.hash == kept.hash => return Ok(()),
            Some(_) => "rewritten",
            None => {
                let heads = self.store.audit_heads().await?;
                let head = heads.iter().find(|head| head.chain == kept.chain);
                // A record that is not there any more because its time was over is no fault.
                if head.is_some_and(|head| kept.sequence <= head.sequence) {
                    return Ok(());
                }
                "cut"
            }
        };
        if report.incarnation.is_some_and(|seen| seen != self.incarnation) {
            return Ok(());
        }
        let head = AuditHead { chain: kept.chain, sequence: kept.sequence, hash: kept.hash };
        let signed = SignedHead { head, signed_at: kept.signed_at, signature: kept.signature };
        // What this server did not sign proves nothing against it.
        if !is_signed_by(&signed, self.head_key.public_key()) {
            return Ok(());
        }
        let detail = json!({"what": what, "record": kept.sequence, "signed": kept.signed_at.to_string()});
        self.note(caller, device, DeviceEventKind::AuditLogDiffers, detail, now).await
    }
}
