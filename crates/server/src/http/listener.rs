//! The one listener: TLS, the peer's certificate, limits, graceful shutdown.

use crate::ca::presented::PresentedCertificate;
use axum::Router;
use axum::body::Body;
use axum::extract::OriginalUri;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use rustls::ServerConfig;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tower_service::Service;

/// Bounds of the listener.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at the same time; more wait in the system's queue.
    pub connections: usize,
    /// Time for the TLS handshake.
    pub handshake: Duration,
    /// Time for the head of a request, from when the connection waits for one.
    pub header: Duration,
    /// Most bytes of a request's head.
    pub header_bytes: usize,
    /// Time that running requests get when the server stops.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 24_576,
            handshake: Duration::from_secs(10),
            header: Duration::from_secs(60),
            header_bytes: 32 * 1024,
            drain: Duration::from_secs(20),
        }
    }
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The address.
    pub address: SocketAddr,
    /// The certificate of a device, when it presented one of our CA.
    pub certificate: Option<PresentedCertificate>,
}

/// Serves until `stop` says true; then takes no more connections and lets running requests end.
///
/// `tls` may change while it runs: connections take the newest configuration.
pub async fn serve(
    listener: TcpListener,
    tls: watch::Receiver<Arc<ServerConfig>>,
    router: Router,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) {
    let slots = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            break;
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // The peer went away, or descriptors ran out: neither ends the server.
                tracing::warn!(code = "accept_failed", %error, "a connection could not be taken");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let acceptor = TlsAcceptor::from(Arc::clone(&tls.borrow()));
        let router = router.clone();
        let watcher = graceful.watcher();
        tokio::spawn(async move {
            let _slot = slot;
            if let Some(connection) = handshake(stream, address, acceptor, router, limits).await {
                let (io, service) = connection;
                let connection = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(limits.header)
                    .max_buf_size(limits.header_bytes.max(8192))
                    .serve_connection(io, service);
                if let Err(error) = watcher.watch(connection).await {
                    tracing::debug!(%address, %error, "connection ended");
                }
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(limits.drain, graceful.shutdown()).await.is_err() {
        tracing::warn!(code = "drain_timeout", "some requests did not end in time and are cut off");
    }
}

type TlsIo = TokioIo<tokio_rustls::server::TlsStream<TcpStream>>;

async fn handshake(
    stream: TcpStream,
    address: SocketAddr,
    acceptor: TlsAcceptor,
    router: Router,
    limits: Limits,
) -> Option<(TlsIo, PeerService)> {
    // Small answers go out at once; failure costs only latency.
    let _ = stream.set_nodelay(true);
    let stream = match tokio::time::timeout(limits.handshake, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(%address, %error, "TLS handshake failed");
            return None;
        }
        Err(_) => {
            tracing::debug!(%address, "TLS handshake timed out");
            return None;
        }
    };
    let certificate = stream
        .get_ref()
        .1
        .peer_certificates()
        .and_then(|chain| chain.first())
        .and_then(|der| PresentedCertificate::parse(der).ok());
    let peer = Peer { address, certificate };
    Some((TokioIo::new(stream), PeerService { peer, router }))
}

/// Gives every request its peer and its routed path.
#[derive(Clone)]
struct PeerService {
    peer: Peer,
    router: Router,
}

impl hyper::service::Service<http::Request<Incoming>> for PeerService {
    type Response = http::Response<Body>;
    type Error = std::convert::Infallible;
    type Future = <Router as Service<http::Request<Body>>>::Future;

    fn call(&self, request: http::Request<Incoming>) -> Self::Future {
        let mut request = request.map(Body::new);
        if let Some(uri) = super::routed_uri(request.uri()) {
            let written = std::mem::replace(request.uri_mut(), uri);
            // Links to the next page keep the caller's spelling.
            request.extensions_mut().insert(OriginalUri(written));
        }
        request.extensions_mut().insert(self.peer.clone());
        self.router.clone().call(request)
    }
}
