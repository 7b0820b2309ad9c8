//! (f) and (g): one operation of the server at a time, over warm connections.
//!
//! `api --operation report|check-in|read|list --port P --devices DIR [--clients 8] [--seconds 4] [--server-pid PID]`;
//! `read` and `list` take a bearer token from the file `--token`, and the device to read from `--device ID`.

use anyhow::{Context as _, Result, bail, ensure};
use bench::load::{self, Connection};
use laps::csp::{Options, Rights, Tree, Volatile};
use laps::time::Timestamp;
use proto::device::{Evidence, Report, path};
use proto::dm::client::{ClientSession, DeviceInfo, Opening, Step};
use proto::dm::dispatch::Dispatcher;
use proto::dm::session::SessionLimits;
use proto::dm::{Limits, Mode, read, write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[tokio::main]
async fn main() -> Result<()> {
    let port = u16::try_from(bench::number("port", 0))?;
    let slice = Duration::from_secs(bench::number("seconds", 4));
    let server = bench::number("server-pid", 0) as u32;
    let devices = load::identities(Path::new(&bench::argument("devices", ".")))?;
    let clients = (bench::number("clients", 8) as usize).min(devices.len());
    let operation = Arc::new(Operation::from_arguments()?);
    let connection = |client: usize| devices.get(client).cloned().context("a device");
    let mut opened = Vec::new();
    for client in 0..clients {
        let (id, device) = connection(client)?;
        opened.push((id, Connection::open(port, &device).await?));
    }
    let opened = std::sync::Mutex::new(opened);
    let take = || opened.lock().ok().and_then(|mut all| all.pop());
    let seen = load::run(clients, slice, server, |_, until| client(take(), Arc::clone(&operation), until)).await?;
    println!(
        "{{\"operation\":\"{}\",\"per_s\":{:.1},\"p50_us\":{:.0},\"p99_us\":{:.0},\"server_cpu_us\":{:.1}}}",
        bench::argument("operation", ""),
        seen.per_s,
        seen.p50_us,
        seen.p99_us,
        seen.server_us
    );
    Ok(())
}

async fn client(opened: Option<(String, Connection)>, operation: Arc<Operation>, until: Instant) -> Result<Vec<f64>> {
    let (device, mut connection) = opened.context("a connection")?;
    let mut latencies = Vec::new();
    while Instant::now() < until {
        let began = Instant::now();
        operation.run(&mut connection, &device).await?;
        latencies.push(began.elapsed().as_secs_f64() * 1e6);
    }
    Ok(latencies)
}

enum Operation {
    /// A report with nothing to tell.
    Report,
    /// A whole management session.
    CheckIn,
    /// A request that is the same each time.
    Fixed(Vec<u8>),
}

impl Operation {
    fn from_arguments() -> Result<Self> {
        let get = |path: &str| -> Result<Self> {
            let token = std::fs::read_to_string(bench::argument("token", "token"))?;
            let bearer = format!("Authorization: Bearer {}\r\n", token.trim());
            Ok(Self::Fixed(load::request_with(path, &bearer, b"", false)))
        };
        match bench::argument("operation", "").as_str() {
            "report" => Ok(Self::Report),
            "check-in" => Ok(Self::CheckIn),
            "read" => get(&format!(
                "/v1.0/directory/deviceLocalCredentials/{}?$select=credentials",
                bench::argument("device", "")
            )),
            "list" => get("/v1.0/directory/deviceLocalCredentials?$top=100"),
            other => bail!("no such operation: {other:?}"),
        }
    }

    async fn run(&self, connection: &mut Connection, device: &str) -> Result<()> {
        match self {
            Self::Report => {
                let report = Report {
                    account: None,
                    installed_fingerprint: None,
                    intent: None,
                    last_acknowledged: None,
                    incarnation: None,
                    evidence: Evidence::default(),
                    last_error: None,
                    sign_ins: Vec::new(),
                    audit_head: None,
                    device_time: Timestamp::from_unix_ms(1_800_000_000_000),
                };
                let body = serde_json::to_vec(&report)?;
                sent(connection, &load::request(path::REPORT, &body, false)).await.map(drop)
            }
            Self::CheckIn => session(connection, device).await,
            Self::Fixed(request) => sent(connection, request).await.map(drop),
        }
    }
}

async fn sent<'a>(connection: &'a mut Connection, request: &[u8]) -> Result<&'a [u8]> {
    let (status, answer) = connection.send(request).await?;
    ensure!(status == 200, "status {status}: {}", String::from_utf8_lossy(answer));
    Ok(answer)
}

/// One session as the agent has it, over an empty tree.
async fn session(connection: &mut Connection, device: &str) -> Result<()> {
    let mut tree = Tree::new(Options::default());
    let mut storage = Volatile;
    let now = Timestamp::from_unix_ms(1_800_000_000_000);
    let opening = Opening {
        device_uri: device.to_owned(),
        server_uri: "https://localhost/mdm".to_owned(),
        session_id: "1".to_owned(),
        is_server_initiated: false,
        login: "none",
        info: DeviceInfo {
            device_id: device.to_owned(),
            manufacturer: "Lapwing".to_owned(),
            model: "lapwing-bench".to_owned(),
            client_version: "0".to_owned(),
            language: "en-US".to_owned(),
        },
        events: Vec::new(),
    };
    let (mut session, mut message) = ClientSession::open(opening, SessionLimits::default(), now);
    loop {
        let request = load::request_with(
            "/mdm",
            "Content-Type: application/vnd.syncml.dm+xml; charset=utf-8\r\n",
            write(&message).as_bytes(),
            false,
        );
        let answer = sent(connection, &request).await?.to_vec();
        let answer = read(&answer, Mode::Wire, &Limits::default())?;
        let mut dispatcher = Dispatcher::new(&mut tree, &mut storage, Rights::ALL);
        match session.receive(answer, now, &mut dispatcher)? {
            Step::Send(next) => message = *next,
            Step::End { is_aborted } => {
                ensure!(!is_aborted, "the server broke the session off");
                return Ok(());
            }
        }
    }
}
