//! HTTPS POST, signed as Standard Webhooks has it: `webhook-id`, `webhook-timestamp` (seconds), and
//! `webhook-signature: v1,<base64 of HMAC-SHA256(id.timestamp.body)>`. No redirect is followed.

use super::{PATIENCE, client_config, nothing_sent};
use crate::app::{Clock as _, NotSent, Notice};
use crate::instance::system::SystemClock;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::{Client, Url, header, redirect};
use sha2::Sha256;
use std::net::{IpAddr, SocketAddr};

pub(super) async fn send(
    url: &str,
    ca: Option<&str>,
    allow_private: bool,
    key: &[u8],
    notices: &[Notice],
) -> Result<(), NotSent> {
    let url = Url::parse(url).map_err(nothing_sent)?;
    let client = client(&url, ca, allow_private).await.map_err(nothing_sent)?;
    for (sent, notice) in notices.iter().enumerate() {
        post(&client, &url, key, notice).await.map_err(|error| NotSent { sent, error })?;
    }
    Ok(())
}

/// A client that connects to the addresses that were looked at, and no others.
async fn client(url: &Url, ca: Option<&str>, allow_private: bool) -> Result<Client, String> {
    let host = url.host_str().ok_or("the address has no host")?;
    let port = url.port_or_known_default().unwrap_or(443);
    let plain = host.trim_start_matches('[').trim_end_matches(']');
    let found: Vec<SocketAddr> = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((plain, port)))
        .await
        .map_err(|_| format!("the name {host} was not resolved in time"))?
        .map_err(|error| format!("the name {host} cannot be resolved: {error}"))?
        .collect();
    if let Some(private) = found.iter().find(|address| !allow_private && is_private(address.ip())) {
        return Err(format!(
            "{host} is {}, an address of a private network; allow that where the channel is made (--allow-private)",
            private.ip()
        ));
    }
    Client::builder()
        .tls_backend_preconfigured(client_config(ca)?)
        .https_only(true)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .resolve_to_addrs(host, &found)
        .user_agent(concat!("lapwingd/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(PATIENCE)
        .timeout(PATIENCE)
        .build()
        .map_err(|error| error.to_string())
}

async fn post(client: &Client, url: &Url, key: &[u8], notice: &Notice) -> Result<(), String> {
    let timestamp = (SystemClock.now().unix_ms() / 1_000).to_string();
    let signature = signature(key, &notice.id, &timestamp, &notice.body);
    let answer = client
        .post(url.clone())
        .header(header::CONTENT_TYPE, "application/cloudevents+json; charset=utf-8")
        .header("webhook-id", &notice.id)
        .header("webhook-timestamp", timestamp)
        .header("webhook-signature", signature)
        .body(notice.body.clone())
        .send()
        .await
        .map_err(|error| deepest(&error))?;
    // The body is not read: nothing in it matters, and it has no end that we set.
    let status = answer.status();
    if status.is_success() { Ok(()) } else { Err(format!("the receiver answered {}", status.as_u16())) }
}

/// The key is what follows `whsec_`, from base64; any other text is taken as it is.
fn signature(key: &[u8], id: &str, timestamp: &str, body: &str) -> String {
    let decoded = core::str::from_utf8(key)
        .ok()
        .and_then(|text| text.strip_prefix("whsec_"))
        .and_then(|text| STANDARD.decode(text).ok());
    let decoded = zeroize::Zeroizing::new(decoded.unwrap_or_else(|| key.to_vec()));
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&decoded) else {
        return String::new(); // HMAC takes a key of any length
    };
    for part in [id, ".", timestamp, ".", body] {
        mac.update(part.as_bytes());
    }
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

fn deepest(error: &reqwest::Error) -> String {
    let mut source: &dyn std::error::Error = error;
    while let Some(next) = source.source() {
        source = next;
    }
    source.to_string()
}

/// Whether an address is of this machine, of a private network, or none that a stranger has.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_multicast()
                || v4.is_broadcast()
                || first == 0
                || (first == 100 && (64..128).contains(&second))
        }
        IpAddr::V6(v6) => {
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_example_of_standard_webhooks() {
        let body = r#"{"test": 2432232314}"#;
        let found =
            signature(b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body);
        assert_eq!(found, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_ne!(found, signature(b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSx", "msg", "1614265330", body));
    }

    #[test]
    fn private_addresses() {
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "::1",
            "fe80::1",
            "fd00::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(is_private(private.parse().unwrap()), "{private}");
        }
        for public in ["1.1.1.1", "203.0.113.7", "2001:db8::1"] {
            assert!(!is_private(public.parse().unwrap()), "{public}");
        }
    }
}
