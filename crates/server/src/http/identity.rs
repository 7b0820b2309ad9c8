//! Which identity a route takes, enforced before its handler runs.

use super::Takes;
use super::context::Shared;
use super::listener::Peer;
use crate::app::browser::Browsing;
use crate::app::{Act, Error};
use crate::authz::{Caller, DeviceIdentity, Identity, Origin};
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, header};
use proto::device::Code;
use std::sync::Arc;

/// Acts whose refusal is recorded where it is decided, whatever refuses it.
const RECORDED: [&str; 2] = ["POST /admin/devices/{device}/password", "POST /v1.0/lapwing/escrow/export"];

/// Makes the [`Caller`] of a request, or refuses it; an act that is refused for want of a right is recorded.
pub(crate) async fn require(State((shared, takes)): State<(Shared, Takes)>, request: Request, next: Next) -> Response {
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    let asked = (changes && matches!(takes, Takes::Bearer | Takes::Cookie)).then(|| {
        let matched = request.extensions().get::<MatchedPath>();
        let route = format!("{} {}", request.method(), matched.map_or("-", MatchedPath::as_str));
        (route, request.uri().path().to_owned())
    });
    let response = let_through(&shared, takes, request, next).await;
    let Some((route, path)) = asked.filter(|(route, _)| !RECORDED.contains(&route.as_str())) else {
        return response;
    };
    let extensions = response.extensions();
    let caller = extensions.get::<Browsing>().map(|browsing| &browsing.caller).or_else(|| extensions.get::<Caller>());
    if let (Some(error), Some(caller)) = (extensions.get::<Arc<Error>>(), caller) {
        let act = Act { route: &route, path: &path };
        // It is refused either way.
        if let Err(failed) = shared.app.note_refused_act(caller, act, error).await {
            tracing::error!(error = %failed.inside(), "a refusal could not be recorded");
        }
    }
    response
}

async fn let_through(shared: &Shared, takes: Takes, mut request: Request, next: Next) -> Response {
    let origin = request.extensions().get::<Origin>().cloned().unwrap_or_else(|| Origin::internal("-"));
    let nobody = Caller::new(Identity::Anonymous, origin);
    let peer = request.extensions().get::<Peer>().cloned();
    if matches!(takes, Takes::Cookie) {
        return super::admin::visit::require(shared, nobody, request, next).await;
    }
    let caller = if matches!(takes, Takes::Operator) && is_local(peer.as_ref()) {
        Ok(nobody)
    } else {
        identify(shared, &nobody, takes, peer.as_ref(), request.headers()).await
    };
    match caller {
        Ok(caller) => {
            let known = matches!(takes, Takes::Bearer).then(|| caller.clone());
            request.extensions_mut().insert(caller);
            let mut response = next.run(request).await;
            if let Some(known) = known {
                response.extensions_mut().insert(known);
            }
            response
        }
        Err(error) => error.into_response(),
    }
}

async fn identify(
    shared: &Shared,
    nobody: &Caller,
    takes: Takes,
    peer: Option<&Peer>,
    headers: &HeaderMap,
) -> Result<Caller, Error> {
    let found = match takes {
        Takes::Nothing | Takes::JoinToken | Takes::Secret => Ok(nobody.clone()),
        Takes::DeviceCertificate => device(shared, nobody, peer),
        Takes::Bearer => bearer(shared, nobody, headers).await,
        // Judged by `admin::visit`, which also reads the form.
        Takes::Cookie => Err(Error::not_signed_in("sign in first")),
        Takes::Operator => match bearer(shared, nobody, headers).await {
            Ok(caller) => shared.app.may_read_metrics(&caller).map(|()| caller),
            Err(error) => Err(error),
        },
    };
    // By address until somebody is known, by device or account from then on.
    match found {
        Ok(caller) => shared.app.admit(&caller).map(|()| caller),
        Err(error) => Err(shared.app.admit(nobody).err().unwrap_or(error)),
    }
}

fn is_local(peer: Option<&Peer>) -> bool {
    peer.is_some_and(|peer| peer.address.ip().to_canonical().is_loopback())
}

fn device(shared: &Shared, nobody: &Caller, peer: Option<&Peer>) -> Result<Caller, Error> {
    let Some(certificate) = peer.and_then(|peer| peer.certificate.as_ref()) else {
        return Err(Error::device(
            Code::CertificateRequired,
            "this needs the device's client certificate of this server",
        ));
    };
    let identity = DeviceIdentity {
        tenant: certificate.tenant,
        device: certificate.device,
        fingerprint: certificate.fingerprint,
        not_before: certificate.not_before,
        not_after: certificate.not_after,
    };
    if identity.tenant != shared.app.tenant() {
        return Err(Error::device(Code::CertificateRequired, "the client certificate is of another tenant"));
    }
    Ok(nobody.with(Identity::Device(identity)))
}

async fn bearer(shared: &Shared, nobody: &Caller, headers: &HeaderMap) -> Result<Caller, Error> {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .ok_or_else(|| Error::not_signed_in("Access token is empty: sign in and send it as Authorization: Bearer"))?;
    shared.app.signed_in(nobody, token).await
}
