//! `DATA/lapwingd.toml`: what the operator may change. Nothing in it is secret.

use super::InstanceError;
use crate::app::{Rate, Rates};
use serde::{Deserialize, Serialize};
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// Port when none is named.
pub const PORT: u16 = 8443;

/// The configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `https://NAME[:PORT]` as devices and people reach the server.
    pub url: String,
    /// Names and addresses in the server's certificate.
    pub names: Vec<String>,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Seconds between two check-ins of a device that does not wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poll_after_s: Option<u32>,
    /// Devices that may hold a wait channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiters_max: Option<usize>,
    /// Connections at the same time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections_max: Option<usize>,
    /// Bounds on requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_second: Option<RequestsPerSecond>,
}

/// Requests a second in the long run, ten seconds of them at once; what is not named keeps its default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestsPerSecond {
    /// From one address, for requests that nobody is known for yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<u32>,
    /// From one device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<u32>,
    /// From one person or service principal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<u32>,
}

impl RequestsPerSecond {
    /// The bounds that these ask for.
    pub fn rates(self) -> Rates {
        let rate = |asked: Option<u32>, default| asked.map_or(default, Rate::per_second);
        let Rates { address, device, account } = Rates::default();
        Rates {
            address: rate(self.address, address),
            device: rate(self.device, device),
            account: rate(self.account, account),
        }
    }
}

impl Config {
    /// For a server that is reached as `hostname` (`NAME`, `NAME:PORT`, an address).
    ///
    /// Loopback names are added to the certificate, so that commands on the machine itself work.
    pub fn of(hostname: &str, listen: Option<SocketAddr>) -> Self {
        let (name, port) = split_port(hostname);
        let port = port.or(listen.map(|listen| listen.port())).unwrap_or(PORT);
        let mut names = vec![name.to_owned()];
        for own in ["localhost", "127.0.0.1", "::1"] {
            if !names.iter().any(|name| name == own) {
                names.push(own.to_owned());
            }
        }
        let shown = if name.contains(':') { format!("[{name}]") } else { name.to_owned() };
        let url = if port == 443 { format!("https://{shown}") } else { format!("https://{shown}:{port}") };
        Self {
            url,
            names,
            listen: listen.unwrap_or_else(|| SocketAddr::new(IpAddr::from([0u16; 8]), port)),
            poll_after_s: None,
            waiters_max: None,
            connections_max: None,
            requests_per_second: None,
        }
    }

    /// The file of a data directory.
    pub fn path(data: &Path) -> PathBuf {
        data.join("lapwingd.toml")
    }

    /// Reads the file.
    pub fn read(data: &Path) -> Result<Self, InstanceError> {
        let path = Self::path(data);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(InstanceError::NotInitialised(data.to_owned()));
            }
            Err(error) => return Err(InstanceError::file(&path, error)),
        };
        toml::from_str(&text).map_err(|error| InstanceError::Config { path, text: error.to_string() })
    }

    /// Writes the file, which must not be there yet.
    pub fn write(&self, data: &Path) -> Result<(), InstanceError> {
        use std::io::Write;
        let path = Self::path(data);
        let text = toml::to_string(self)
            .map_err(|error| InstanceError::Config { path: path.clone(), text: error.to_string() })?;
        let write = || -> std::io::Result<()> {
            let mut file = fs::OpenOptions::new().write(true).create_new(true).open(&path)?;
            file.write_all(b"# Lapwing server. Restart lapwingd after a change.\n")?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::File::open(data)?.sync_all()
        };
        write().map_err(|error| InstanceError::file(&path, error))
    }
}

/// `NAME:PORT`, `[ADDRESS]:PORT`, or without a port; a bare IPv6 address has none.
fn split_port(hostname: &str) -> (&str, Option<u16>) {
    if let Some((address, rest)) = hostname.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (address, rest.strip_prefix(':').and_then(|port| port.parse().ok()));
    }
    match hostname.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') => match port.parse() {
            Ok(port) => (name, Some(port)),
            Err(_) => (hostname, None),
        },
        _ => (hostname, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_ports_and_addresses() {
        for (hostname, url) in [
            ("laps.example.test", "https://laps.example.test:8443"),
            ("laps.example.test:443", "https://laps.example.test"),
            ("127.0.0.1:9000", "https://127.0.0.1:9000"),
            ("::1", "https://[::1]:8443"),
            ("[::1]:9000", "https://[::1]:9000"),
        ] {
            assert_eq!(Config::of(hostname, None).url, url);
        }
        let listen = "127.0.0.1:7000".parse().ok();
        let config = Config::of("localhost", listen);
        assert_eq!(config.url, "https://localhost:7000");
        assert_eq!(config.names, ["localhost", "127.0.0.1", "::1"]);
    }

    #[test]
    fn what_is_written_is_read_and_what_is_unknown_is_said() {
        let data = tempfile::tempdir().unwrap();
        assert!(matches!(Config::read(data.path()), Err(InstanceError::NotInitialised(_))));
        let config = Config::of("laps.example.test", None);
        config.write(data.path()).unwrap();
        assert_eq!(Config::read(data.path()).unwrap(), config);
        std::fs::write(Config::path(data.path()), "listne = 1\n").unwrap();
        assert!(matches!(Config::read(data.path()), Err(InstanceError::Config { .. })));
    }
}
