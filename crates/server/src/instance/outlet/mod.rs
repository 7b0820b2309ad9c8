//! The network, as the application's notices use it: HTTPS, SMTP and syslog, all inside TLS that is checked.

mod mail;
mod syslog;
mod webhook;

use crate::app::{App, Destination, NotSent, Notice, Outlet, Sending};
use crate::authz::{Caller, Job};
use proto::admin::Receiver;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Longest that connecting or sending one notice may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often channels are looked at when nothing is read.
const EVERY: Duration = Duration::from_secs(15);

/// Sends over the network of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Courier;

impl Outlet for Courier {
    fn send<'a>(&'a self, to: &'a Destination, notices: &'a [Notice]) -> Sending<'a> {
        Box::pin(async move {
            match &to.to {
                Receiver::Webhook { url, ca, allow_private } => {
                    let key = to.secret.as_ref().map(|key| key.as_slice()).unwrap_or_default();
                    webhook::send(url, ca.as_deref(), *allow_private, key, notices).await
                }
                Receiver::Mail { .. } => mail::send(to, notices).await,
                Receiver::Syslog { host, port, ca, .. } => syslog::send(host, *port, ca.as_deref(), notices).await,
            }
        })
    }
}

/// Nothing of it was taken.
fn nothing_sent(error: impl std::fmt::Display) -> NotSent {
    NotSent { sent: 0, error: error.to_string() }
}

/// A TLS client that trusts the given certificates, or the machine's own.
fn client_config(ca: Option<&str>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                let certificate = certificate.map_err(|error| format!("the CA of the channel: {error}"))?;
                roots.add(certificate).map_err(|error| format!("the CA of the channel: {error}"))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err("there is no certificate to trust; name one with --ca".to_owned());
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// Tells channels of what was recorded, each beside the others, so that one that fails keeps nobody waiting.
pub(super) async fn keep_told(app: Arc<App>) {
    let caller = Caller::system(Job::Notify);
    loop {
        // Whatever comes first; a read that is recorded meanwhile is seen at the next look.
        let _ = tokio::time::timeout(EVERY, app.await_reads()).await;
        let channels = match app.channels_to_tell(&caller).await {
            Ok(channels) => channels,
            Err(error) => {
                tracing::error!(code = error.code(), error = %error.inside(), "channels could not be looked at");
                continue;
            }
        };
        let mut telling = JoinSet::new();
        for id in channels {
            let (app, caller) = (Arc::clone(&app), caller.clone());
            telling.spawn(async move { app.tell_channel(&caller, id).await });
        }
        while let Some(told) = telling.join_next().await {
            if let Ok(Err(error)) = told {
                tracing::error!(code = error.code(), error = %error.inside(), "a channel could not be told");
            }
        }
    }
}
