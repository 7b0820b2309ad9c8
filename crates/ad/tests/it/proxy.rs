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
};

const PASS: u8 = 0;
const SWALLOW_REQUESTS: u8 = 1;
const CUT_ANSWERS: u8 = 2;
const HOLD_ANSWERS: u8 = 3;

/// A running proxy; what it is told holds for all its connections.
pub(crate) struct Proxy {
    address: SocketAddr,
    mode: Arc<AtomicU8>,
}

impl Proxy {
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((target.ip(), 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mode = Arc::new(AtomicU8::new(PASS));
        let for_all = Arc::clone(&mode);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, target, Arc::clone(&for_all)));
            }
        });
        Self { address, mode }
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

    fn set(&self, mode: u8) {
        self.mode.store(mode, Ordering::SeqCst);
    }
}

async fn serve(mut client: TcpStream, target: SocketAddr, mode: Arc<AtomicU8>) {
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    let (mut request, mut answer) = ([0; 16 * 1024], [0; 16 * 1024]);
    loop {
        tokio::select! {
            read = client.read(&mut request) => {
                let Ok(count @ 1..) = read else { return };
                if mode.load(Ordering::SeqCst) == SWALLOW_REQUESTS || server.write_all(&request[..count]).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut answer) => {
                let Ok(count @ 1..) = read else { return };
                match mode.load(Ordering::SeqCst) {
                    CUT_ANSWERS => return,
                    HOLD_ANSWERS => {}
                    _ if client.write_all(&answer[..count]).await.is_err() => return,
                    _ => {}
                }
            }
        }
    }
}
