//! Probes and metrics.

use super::context::Shared;
use crate::app::Error;
use crate::authz::Caller;
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

/// The process runs and answers.
pub(crate) async fn alive() -> Response {
    super::problem::as_text(StatusCode::OK, "ok")
}

/// The server can do its work: its store answers and can write.
pub(crate) async fn ready(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Error> {
    shared.app.ready(&caller).await?;
    Ok(super::problem::as_text(StatusCode::OK, "ready"))
}

/// OpenMetrics text.
pub(crate) async fn metrics(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Error> {
    let text = shared.app.read_metrics(&caller).await?;
    Ok(([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response())
}
