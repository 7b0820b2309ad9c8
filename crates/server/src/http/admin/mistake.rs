//! A mistake in a form: said on the form, beside what was typed.

use super::shell::{page, sentence};
use super::shown::Shown;
use crate::app::{Error, Kind};
use askama::Template;
use axum::response::Response;
use http::StatusCode;

/// What to say on the form; an error that is not about what was typed stays one.
pub(super) fn mistake(error: Error) -> Result<Shown, Error> {
    match error.kind() {
        Kind::Invalid | Kind::Conflict => Ok(Shown::cut(&sentence(&error.text()), 400)),
        Kind::Denied if error.code() == "more_than_you_hold" => Ok(Shown::cut(&sentence(&error.text()), 400)),
        _ => Err(error),
    }
}

/// The form again.
pub(super) fn again(template: &impl Template) -> Result<Response, Error> {
    page(StatusCode::UNPROCESSABLE_ENTITY, template)
}
