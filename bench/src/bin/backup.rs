//! (a) and (b): stores of the device API, the same bodies to the product and to the bare peer.
//!
//! `backup --port P --devices DIR --connections new|warm [--clients 32] [--seconds 4] [--server-pid PID]`; DIR holds
//! `ca.pem` and one `NAME.pem` with its `NAME.key` for each device. Clients share the devices out between them.

use anyhow::{Context as _, Result, ensure};
use bench::load::{self, Connection};
use laps::{id::VersionId, password::Password, rotation::AccountRef, rotation::Fingerprint, time::Timestamp};
use proto::device::{Store, path};
use rustls::ClientConfig;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[tokio::main]
async fn main() -> Result<()> {
    let port = u16::try_from(bench::number("port", 0))?;
    let clients = bench::number("clients", 32) as usize;
    let slice = Duration::from_secs(bench::number("seconds", 4));
    let server = bench::number("server-pid", 0) as u32;
    let warm = bench::argument("connections", "warm") == "warm";
    let devices: Vec<_> =
        load::identities(Path::new(&bench::argument("devices", ".")))?.into_iter().map(|(_, client)| client).collect();
    let shares: Vec<Vec<Arc<ClientConfig>>> =
        (0..clients).map(|client| devices.iter().skip(client).step_by(clients).cloned().collect()).collect();
    // A peer needs one identity only; the product one for each client, since its bounds are by device.
    let shares: Vec<_> =
        shares.into_iter().map(|share| if share.is_empty() { devices.clone() } else { share }).collect();

    let seen = if warm {
        let mut opened = Vec::new();
        for share in shares {
            let mut connections = Vec::new();
            for device in share {
                connections.push(Connection::open(port, &device).await?);
            }
            opened.push(std::sync::Mutex::new(Some(connections)));
        }
        let take = |client: usize| opened.get(client).and_then(|slot| slot.lock().ok()?.take()).unwrap_or_default();
        load::run(clients, slice, server, |client, until| warm_client(take(client), until)).await?
    } else {
        let share = |client: usize| shares.get(client).cloned().unwrap_or_default();
        load::run(clients, slice, server, |client, until| new_client(port, share(client), until)).await?
    };
    println!(
        "{{\"connections\":\"{}\",\"clients\":{clients},\"per_s\":{:.1},\"p50_us\":{:.0},\"p99_us\":{:.0},\"server_cpu_us\":{:.1}}}",
        if warm { "warm" } else { "new" },
        seen.per_s,
        seen.p50_us,
        seen.p99_us,
        seen.server_us
    );
    Ok(())
}

async fn warm_client(mut connections: Vec<Connection>, until: Instant) -> Result<Vec<f64>> {
    let mut latencies = Vec::new();
    let mut turn = 0;
    while Instant::now() < until {
        let request = load::request(path::STORE, &body()?, false);
        let at = turn % connections.len();
        latencies.push(timed(connections.get_mut(at).context("a connection")?, &request).await?);
        turn += 1;
    }
    Ok(latencies)
}

async fn new_client(port: u16, devices: Vec<Arc<ClientConfig>>, until: Instant) -> Result<Vec<f64>> {
    let mut latencies = Vec::new();
    let mut turns = devices.iter().cycle();
    while Instant::now() < until {
        let request = load::request(path::STORE, &body()?, true);
        let began = Instant::now();
        let mut connection = Connection::open(port, turns.next().context("a device")?).await?;
        timed(&mut connection, &request).await?;
        latencies.push(began.elapsed().as_secs_f64() * 1e6);
    }
    Ok(latencies)
}

async fn timed(connection: &mut Connection, request: &[u8]) -> Result<f64> {
    let began = Instant::now();
    let (status, answer) = connection.send(request).await?;
    ensure!(status == 200, "status {status}: {}", String::from_utf8_lossy(answer));
    Ok(began.elapsed().as_secs_f64() * 1e6)
}

/// A new version each time, as a device sends it.
fn body() -> Result<zeroize::Zeroizing<Vec<u8>>> {
    let mut random = [0_u8; 32];
    getrandom::fill(&mut random).map_err(|error| anyhow::anyhow!("{error}"))?;
    let (version, fingerprint) = random.split_at(16);
    let store = Store {
        version: VersionId::from_random_bytes(version.try_into()?),
        account: AccountRef { id: 0, name: "root".to_owned() },
        fingerprint: Fingerprint::from_bytes(fingerprint.try_into()?),
        expires_at: Timestamp::from_unix_ms(1_900_000_000_000),
        device_time: Timestamp::from_unix_ms(1_800_000_000_000),
        reasons: vec!["password_expired".to_owned()],
    };
    Ok(store.encode(&Password::new("Xk7!vQ2#mZ9$pL4&wR6*".to_owned())))
}
