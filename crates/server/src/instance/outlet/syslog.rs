//! Syslog over TLS: RFC 5424 messages in RFC 5425 frames (length, space, message).

use super::{PATIENCE, client_config, nothing_sent};
use crate::app::{NotSent, Notice};
use laps::time::Timestamp;
use rustls::pki_types::ServerName;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Facility 13: log audit.
const FACILITY: u32 = 13;
/// How long the collector may take to close after the last message.
const CLOSING: Duration = Duration::from_secs(5);

pub(super) async fn send(host: &str, port: u16, ca: Option<&str>, notices: &[Notice]) -> Result<(), NotSent> {
    let config = client_config(ca).map_err(nothing_sent)?;
    let name = ServerName::try_from(host.to_owned()).map_err(nothing_sent)?;
    let late = |what: &str| nothing_sent(format!("{what} {host}:{port} took too long"));
    let connection = tokio::time::timeout(PATIENCE, TcpStream::connect((host, port)))
        .await
        .map_err(|_| late("connecting to"))?
        .map_err(|error| nothing_sent(format!("{host}:{port}: {error}")))?;
    let connector = TlsConnector::from(Arc::new(config));
    let mut stream = tokio::time::timeout(PATIENCE, connector.connect(name, connection))
        .await
        .map_err(|_| late("TLS with"))?
        .map_err(|error| nothing_sent(format!("TLS with {host}:{port}: {error}")))?;
    let writing = async {
        for notice in notices {
            let message = message(notice);
            stream.write_all(format!("{} ", message.len()).as_bytes()).await?;
            stream.write_all(message.as_bytes()).await?;
        }
        stream.flush().await?;
        stream.shutdown().await
    };
    // The protocol has no acknowledgement. A collector that broke off took some of it or none: all is sent again.
    tokio::time::timeout(PATIENCE, writing)
        .await
        .map_err(|_| late("writing to"))?
        .map_err(|error| nothing_sent(format!("{host}:{port}: {error}")))?;
    let mut rest = [0; 256];
    let closing = async {
        loop {
            match stream.read(&mut rest).await {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                // Closing without the last word of TLS is what many collectors do.
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    };
    match tokio::time::timeout(CLOSING, closing).await {
        Ok(Err(error)) => Err(nothing_sent(format!("{host}:{port} broke off: {error}"))),
        Ok(Ok(())) | Err(_) => Ok(()),
    }
}

/// `<PRI>1 TIME HOST lapwingd - MSGID [lapwing@32473 id="…"] MESSAGE`.
fn message(notice: &Notice) -> String {
    // Notice (5), or alert (1) for a read past approval.
    let severity = if notice.subject.starts_with("BREAK GLASS") { 1 } else { 5 };
    let priority = FACILITY * 8 + severity;
    // At most six digits of the second's fraction (RFC 5424, 6.2.3).
    let at = Timestamp::from_unix_ms(notice.at.unix_ms());
    let line: String = notice.body.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("<{priority}>1 {at} {} lapwingd - audit [lapwing@32473 id=\"{}\"] {line}", host_name(), notice.id)
}

/// The machine's name, as far as it is printable ASCII; else `-`.
fn host_name() -> String {
    let name = rustix::system::uname();
    let text: String = name.nodename().to_string_lossy().chars().filter(char::is_ascii_graphic).take(255).collect();
    if text.is_empty() { "-".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line() {
        let notice = Notice {
            id: "0a0b".into(),
            at: Timestamp::from_ticks(132_000_000_001_234_567),
            subject: "BREAK GLASS: ada read".into(),
            body: "a\nb\0c \u{fc}".into(),
        };
        let text = message(&notice);
        assert!(text.starts_with("<105>1 2019-04-17T"), "{text}");
        assert!(text.ends_with("lapwingd - audit [lapwing@32473 id=\"0a0b\"] a b c \u{fc}"), "{text}");
        assert!(!text.chars().any(char::is_control));
        let stamp = text.split(' ').nth(1).unwrap();
        assert!(stamp.split('.').nth(1).is_none_or(|fraction| fraction.len() <= 7), "{stamp}");
    }
}
