//! `explain DEVICE`

use super::device;
use crate::{
    arguments::{Form, Globals},
    failure::Failure,
    output, session,
};

/// `lapwing explain DEVICE`.
pub(crate) async fn run(globals: &Globals, named: &str) -> Result<(), Failure> {
    let signed_in = session::signed_in(globals).await?;
    // A machine that was purged has no device object to find, and is explained all the same.
    let id = match named.parse() {
        Ok(id) => id,
        Err(_) => device::find(&signed_in, named).await?.device_id,
    };
    let explanation = signed_in.explain(id).await?;
    match globals.output {
        Form::Json => output::json(&explanation),
        Form::Table => output::data(&explanation.text(named)),
    }
}
