//! HTTPS to the outside, for foreign OpenID providers.

use crate::app::{Outside, OutsideAnswer, OutsideRequest};
use std::time::Duration;

/// Longest that one exchange may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most bytes of an answer.
const BYTES_MAX: usize = 256 * 1024;

/// The network of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Network;

impl Outside for Network {
    fn ask<'a>(&'a self, request: OutsideRequest<'a>) -> OutsideAnswer<'a> {
        Box::pin(async move {
            let builder = reqwest::Client::builder()
                .https_only(true)
                .redirect(reqwest::redirect::Policy::none())
                .timeout(PATIENCE)
                .user_agent(concat!("lapwingd/", env!("CARGO_PKG_VERSION")));
            let builder = match request.ca {
                Some(pem) => {
                    let ca = reqwest::Certificate::from_pem(pem.as_bytes()).map_err(|error| error.to_string())?;
                    builder.tls_certs_only([ca])
                }
                None => builder,
            };
            let client = builder.build().map_err(|error| error.to_string())?;
            let mut asked = match request.form {
                Some(form) => {
                    let body = serde_urlencoded::to_string(form).map_err(|error| error.to_string())?;
                    client
                        .post(request.url)
                        .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                        .body(body)
                }
                None => client.get(request.url),
            };
            asked = asked.header(http::header::ACCEPT, "application/json");
            if let Some(authorization) = request.authorization {
                asked = asked.header(http::header::AUTHORIZATION, authorization);
            }
            let mut answer = asked.send().await.map_err(|error| error.without_url().to_string())?;
            let status = answer.status();
            if !status.is_success() {
                return Err(format!("the answer was {status}"));
            }
            let mut body = Vec::new();
            while let Some(chunk) = answer.chunk().await.map_err(|error| error.without_url().to_string())? {
                if body.len() + chunk.len() > BYTES_MAX {
                    return Err(format!("the answer is longer than {BYTES_MAX} bytes"));
                }
                body.extend_from_slice(&chunk);
            }
            Ok(body)
        })
    }
}
