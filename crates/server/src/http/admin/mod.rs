//! The admin centre, `/admin`: pages for people, made on the server. They work without a script; with it
//! parts of a page are exchanged in place.
//!
//! A page is a struct that holds what is shown, and a template under `templates/` that says how. Handlers
//! call `app`, make the struct, and leave.

pub(crate) mod access;
pub(crate) mod account;
mod asset;
pub(crate) mod audit;
pub(crate) mod coverage;
pub(crate) mod device;
mod devices;
pub(crate) mod groups;
pub(crate) mod join_tokens;
mod mistake;
mod password;
pub(crate) mod people;
pub(crate) mod person;
pub(crate) mod policies;
pub(crate) mod readers;
pub(crate) mod roles;
pub(crate) mod rotations;
pub(crate) mod settings;
mod shell;
mod shown;
mod sign_in;
pub(crate) mod visit;

pub(crate) use asset::{ASSETS, asset_file};
pub(crate) use devices::devices;
pub(crate) use shell::{error_page, page};
pub(crate) use shown::Shown;
pub(crate) use sign_in::{form as sign_in_form, sign_in, sign_in_by_passkey, sign_out};

use axum::response::Redirect;

/// From the root of the server to the admin centre.
pub(crate) async fn root() -> Redirect {
    Redirect::to("/admin")
}

/// The start: how the fleet stands, for who may see that.
pub(crate) async fn start(visit: visit::Visit) -> Result<Redirect, crate::app::Error> {
    let sections = visit.app.sections(&visit.caller).await?;
    Ok(Redirect::to(if sections.coverage { "/admin/coverage" } else { "/admin/devices" }))
}
