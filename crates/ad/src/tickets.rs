//! Whose tickets there are.

use libgssapi::{
    credential::{Cred, CredUsage},
    oid::{GSS_MECH_KRB5, OidSet},
};

/// The principal that the tickets of the environment (`kinit`) belong to, as in `ada@LAPS.TEST`; `None` without
/// tickets. It reads a file or asks the machine's keeper of tickets, nothing on the network.
pub fn ticket_principal() -> Option<String> {
    let mut mechanisms = OidSet::new().ok()?;
    mechanisms.add(&GSS_MECH_KRB5).ok()?;
    let credential = Cred::acquire(None, None, CredUsage::Initiate, Some(&mechanisms)).ok()?;
    let name = credential.name().ok()?.display_name().ok()?;
    String::from_utf8(name.to_vec()).ok()
}
