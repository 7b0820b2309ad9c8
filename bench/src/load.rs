//! A bounded HTTPS load on loopback: the same requests, sent the same way, to the product and to the bare peer.

use anyhow::{Context as _, Result, bail, ensure};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

/// One client: a certificate, its key and the authority of the server.
pub fn client(ca: &Path, certificate: &Path, key: &Path) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    for each in CertificateDer::pem_file_iter(ca)? {
        roots.add(each?)?;
    }
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<Vec<_>, _>>()?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(key)?)?;
    // Every connection pays for its whole handshake.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

/// Every identity in `dir`: its name, which for a device is the device's id, and its client. `dir` holds `ca.pem`, and
/// one `NAME.pem` and `NAME.key` each.
pub fn identities(dir: &Path) -> Result<Vec<(String, Arc<ClientConfig>)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).with_context(|| format!("read {}", dir.display()))? {
        let key = entry?.path();
        if key.extension().is_some_and(|extension| extension == "key") && !key.ends_with("server.key") {
            let name = key.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            found.push((name, client(&dir.join("ca.pem"), &key.with_extension("pem"), &key)?));
        }
    }
    ensure!(!found.is_empty(), "no identity in {}", dir.display());
    Ok(found)
}

/// One open connection.
pub struct Connection {
    stream: TlsStream<TcpStream>,
    answer: Vec<u8>,
}

impl Connection {
    /// TCP and a full TLS 1.3 handshake.
    pub async fn open(port: u16, client: &Arc<ClientConfig>) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from("localhost")?;
        let stream = TlsConnector::from(Arc::clone(client)).connect(name, stream).await?;
        Ok(Self { stream, answer: Vec::with_capacity(8192) })
    }

    /// Sends `request` and reads the whole answer; its status and body.
    pub async fn send(&mut self, request: &[u8]) -> Result<(u16, &[u8])> {
        self.stream.write_all(request).await?;
        self.stream.flush().await?;
        self.answer.clear();
        loop {
            if let Some(head) = self.answer.windows(4).position(|four| four == b"\r\n\r\n") {
                let text = std::str::from_utf8(&self.answer[..head])?.to_ascii_lowercase();
                let status = text.split(' ').nth(1).context("status line")?.parse()?;
                let length = text.split("content-length:").nth(1).and_then(|rest| rest.lines().next());
                let length: usize = length.map_or(Ok(0), |digits| digits.trim().parse())?;
                if self.answer.len() >= head + 4 + length {
                    return Ok((status, &self.answer[head + 4..head + 4 + length]));
                }
            }
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                bail!("the server closed the connection");
            }
        }
    }
}

/// A POST of JSON, or a GET when `body` is empty.
pub fn request(path: &str, body: &[u8], close: bool) -> Vec<u8> {
    request_with(path, "Content-Type: application/json\r\n", body, close)
}

/// The same with header lines of one's own, each with its line end.
pub fn request_with(path: &str, headers: &str, body: &[u8], close: bool) -> Vec<u8> {
    let method = if body.is_empty() { "GET" } else { "POST" };
    let close = if close { "Connection: close\r\n" } else { "" };
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: lapwing-bench\r\n{close}{headers}Content-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// What one round of load saw.
pub struct Seen {
    /// Operations a second.
    pub per_s: f64,
    /// Server CPU microseconds for one operation.
    pub server_us: f64,
    /// Median latency in microseconds.
    pub p50_us: f64,
    /// 99th percentile of the latency in microseconds.
    pub p99_us: f64,
}

/// Collects the latencies of all clients into what the round saw; `cpu_s` is what the server used meanwhile.
pub fn seen(mut latencies_us: Vec<f64>, elapsed: Duration, cpu_s: f64) -> Seen {
    let operations = latencies_us.len().max(1) as f64;
    Seen {
        per_s: operations / elapsed.as_secs_f64(),
        server_us: cpu_s * 1e6 / operations,
        p50_us: crate::quantile(&mut latencies_us, 0.5),
        p99_us: crate::quantile(&mut latencies_us, 0.99),
    }
}

/// Runs `clients` tasks of `work` until `slice` is over; `work` answers with the latencies that it saw.
pub async fn run<F, W>(clients: usize, slice: Duration, server: u32, work: F) -> Result<Seen>
where
    F: Fn(usize, Instant) -> W,
    W: Future<Output = Result<Vec<f64>>> + Send + 'static,
{
    let (began, cpu) = (Instant::now(), crate::cpu_s(server));
    let tasks: Vec<_> = (0..clients).map(|client| tokio::spawn(work(client, began + slice))).collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await??);
    }
    Ok(seen(latencies, began.elapsed(), crate::cpu_s(server) - cpu))
}
