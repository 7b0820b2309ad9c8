//! `explain DEVICE`

use crate::{
    arguments::{Form, Globals},
    failure::Failure,
    output, session,
};

/// `lapwing explain DEVICE`.
pub(crate) async fn run(globals: &Globals, named: &str) -> Result<(), Failure> {
    let signed_in = session::signed_in(globals).await?;
    // A machine that was purged has no device object to find, and is explained all the same; a name may be that of
    // several, and the answer says so.
    let explanation = match named.parse() {
        Ok(id) => signed_in.explain(id).await?,
        Err(_) => signed_in.explain_named(named).await?,
    };
    match globals.output {
        Form::Json => output::json(&explanation),
        Form::Table => output::text(&explanation.text(named)),
    }
}
