//! Who may read a machine's password, and by which path.

use super::{device, people};
use crate::{
    arguments::{Form, Globals},
    failure::Failure,
    output,
};
use client::SignedIn;

/// `lapwing access explain PERSON DEVICE`.
pub(crate) async fn explain(
    globals: &Globals,
    signed_in: &SignedIn,
    person: &str,
    device: &str,
) -> Result<(), Failure> {
    let mut known = signed_in.users().await?;
    known.extend(signed_in.service_principals().await?);
    let person = people::find(&known, person)?;
    let device = device::find(signed_in, device).await?;
    let access = signed_in.explain_access(person, device.device_id).await?;
    if globals.output == Form::Json {
        return output::json(&access);
    }
    let mut fields = vec![
        ("Who", format!("{} ({})", access.name, access.principal)),
        ("Machine", format!("{} ({})", access.device_name, access.device)),
        ("May read", if access.may_read { "yes" } else { "no" }.to_owned()),
        ("Because", access.because.clone()),
        ("Asks for", access.asked.join(", ")),
    ];
    fields.extend(access.paths.iter().map(|path| {
        let label = if path.allows { "Opens" } else { "Does not open" };
        (label, path.because.clone())
    }));
    output::item(globals.output, &access, fields)
}

/// `lapwing access who DEVICE`.
pub(crate) async fn who(globals: &Globals, signed_in: &SignedIn, device: &str) -> Result<(), Failure> {
    let device = device::find(signed_in, device).await?;
    let readers = signed_in.readers(device.device_id).await?;
    output::list(globals.output, &readers, &["name", "kind", "id", "by", "asks for"], |access| {
        vec![
            access.name.clone(),
            access.kind.clone(),
            access.principal.to_string(),
            access.because.clone(),
            access.asked.join(", "),
        ]
    })
}
