//! A proxy between client and domain controller that loses what it is told to lose.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

const PASS: u8 = 0;
const SWALLOW_REQUESTS: u8 = 1;
const CUT_ANSWERS: u8 = 2;
const HOLD_ANSWERS: u8 = 3;

/// A running proxy; what it is told holds for all its connections.
pub(crate) struct Proxy {
    address: SocketAddr,
    mode: Arc<AtomicU8>,
    seen: Arc<Seen>,
}

/// What has happened.
#[derive(Default)]
struct Seen {
    request: Notify,
    held: Notify,
}

impl Proxy {
    /// At the server's own address, where its other services are too.
    pub(crate) async fn to(target: SocketAddr) -> Self {
        Self::at(&target.ip().to_string(), target).await
    }

    /// At another address, where the server's other services are not.
    pub(crate) async fn at(address: &str, target: SocketAddr) -> Self {
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (mode, seen) = (Arc::new(AtomicU8::new(PASS)), Arc::new(Seen::default()));
        let (for_all, noticed) = (Arc::clone(&mode), Arc::clone(&seen));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, target, Arc::clone(&for_all), Arc::clone(&noticed)));
            }
        });
        Self { address, mode, seen }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
    /// Everything goes through.
    pub(crate) fn pass(&self) {
        self.set(PASS);
    }
    /// The next request does not reach the server, and the connection breaks.
    pub(crate) fn swallow_requests(&self) {
        self.set(SWALLOW_REQUESTS);
    }
    /// The next answer does not reach the client, and the connection breaks.
    pub(crate) fn cut_answers(&self) {
        self.set(CUT_ANSWERS);
    }
    /// The next answer does not reach the client, and nothing tells it.
    pub(crate) fn hold_answers(&self) {
        self.set(HOLD_ANSWERS);
    }

    /// Waits for a request that has gone through after this was called.
    pub(crate) async fn request_passed(&self) {
        self.seen.request.notified().await;
    }
    /// Waits for an answer that was held.
    pub(crate) async fn answer_held(&self) {
        self.seen.held.notified().await;
    }

    fn set(&self, mode: u8) {
        self.mode.store(mode, Ordering::SeqCst);
    }
}

async fn serve(mut client: TcpStream, target: SocketAddr, mode: Arc<AtomicU8>, seen: Arc<Seen>) {
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    let (mut request, mut answer) = ([0; 16 * 1024], [0; 16 * 1024]);
    loop {
        tokio::select! {
            read = client.read(&mut request) => {
                let Ok(count @ 1..) = read else { return };
                if mode.load(Ordering::SeqCst) == SWALLOW_REQUESTS || server.write_all(&request[..count]).await.is_err() {
                    return;
                }
                seen.request.notify_waiters();
            }
            read = server.read(&mut answer) => {
                let Ok(count @ 1..) = read else { return };
                match mode.load(Ordering::SeqCst) {
                    CUT_ANSWERS => return,
                    HOLD_ANSWERS => seen.held.notify_one(),
                    _ if client.write_all(&answer[..count]).await.is_err() => return,
                    _ => {}
                }
            }
        }
    }
}
