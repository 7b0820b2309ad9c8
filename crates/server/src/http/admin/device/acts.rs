//! Acts on a device: each is done, and its page is shown again with a note.

use super::super::visit::{Visit, done, form};
use super::key;
use crate::app::Error;
use axum::body::Bytes;
use axum::extract::Path;
use axum::response::Response;
use proto::graph::DevicePatch;
use serde::Deserialize;

/// Acts on a device: each is done, and its page is shown again with a note. A device that the caller may not
/// see is not there.
macro_rules! acts {
    ($($(#[$doc:meta])* $name:ident $note:literal |$app:ident, $caller:ident, $id:ident| $act:expr;)*) => {$(
        $(#[$doc])*
        pub(crate) async fn $name(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
            let $id = key(&id)?;
            let ($app, $caller) = (&visit.app, &visit.caller);
            $app.device_sheet($caller, $id).await?;
            $act.await?;
            Ok(done(&format!("/admin/devices/{}", $id), $note))
        }
    )*};
}

acts! {
    /// Asks for a new password.
    rotate "rotation" |app, caller, id| app.request_rotation(caller, id);
    /// Lets it store passwords again.
    enable "enabled" |app, caller, id| app.patch_device(caller, id, &DevicePatch { account_enabled: Some(true) });
    /// Takes nothing new from it.
    disable "disabled" |app, caller, id| app.patch_device(caller, id, &DevicePatch { account_enabled: Some(false) });
    /// Makes it a tombstone.
    delete "deleted" |app, caller, id| app.delete_device(caller, id);
    /// Brings it back.
    restore "restored" |app, caller, id| app.restore_device(caller, id);
    /// Removes it and its passwords for good.
    purge "purged" |app, caller, id| app.purge_device(caller, id);
    /// Ends a fork.
    clear_fork "fork_cleared" |app, caller, id| app.clear_fork(caller, id);
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Linked {
    predecessor: String,
}

/// Says which object the machine had before.
pub(crate) async fn link(visit: Visit, Path(id): Path<String>, body: Bytes) -> Result<Response, Error> {
    let id = key(&id)?;
    visit.app.device_sheet(&visit.caller, id).await?;
    let Linked { predecessor } = form(&body)?;
    let former = key(predecessor.trim())?;
    visit.app.device_sheet(&visit.caller, former).await?;
    visit.app.link_predecessor(&visit.caller, id, former).await?;
    Ok(done(&format!("/admin/devices/{id}"), "linked"))
}
