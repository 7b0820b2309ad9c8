//! The LDAP ping: a datagram by which any domain controller tells a machine which site it is in (MS-ADTS 6.3.3, 6.3.1.9).
//!
//! The answer is not authenticated. It decides only who is asked first; whoever is asked then proves who he is.

use crate::{
    ber::{element, tagged},
    discovery::{Candidate, Names},
};
use std::{net::SocketAddr, time::Duration};
use tokio::{net::UdpSocket, time::timeout};

/// So many are asked, one after the other.
const ASKED_MAX: usize = 3;
/// The longest to wait for each: a network that swallows the question costs no more.
const LIMIT: Duration = Duration::from_millis(500);
/// LOGON_SAM_LOGON_RESPONSE_EX.
const RESPONSE_EX: [u8; 2] = [23, 0];
/// Bytes of the answer before its names: kind, flags, GUID of the domain.
const NAMES_AT: usize = 24;
/// Which of the names is the site of the one who asks.
const CLIENT_SITE: usize = 7;

/// The site that the domain puts this machine in; `None` when nobody says.
pub(crate) async fn site(names: &Names, candidates: &[Candidate], domain: &str) -> Option<String> {
    for candidate in candidates.iter().take(ASKED_MAX) {
        let Ok(addresses) = names.addresses(&candidate.host).await else { continue };
        let Some(address) = addresses.first() else { continue };
        if let Ok(Some(site)) = timeout(LIMIT, ask(SocketAddr::new(*address, 389), domain)).await {
            return Some(site);
        }
    }
    None
}

async fn ask(address: SocketAddr, domain: &str) -> Option<String> {
    let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).await.ok()?;
    // Answers of others are not taken.
    socket.connect(address).await.ok()?;
    socket.send(&question(domain)).await.ok()?;
    let mut bytes = [0; 4096];
    let count = socket.recv(&mut bytes).await.ok()?;
    client_site(netlogon(bytes.get(..count)?)?)
}

/// A search of rootDSE for `netlogon` with `(&(DnsDomain=…)(NtVer=\06\00\00\00))`.
fn question(domain: &str) -> Vec<u8> {
    let domain = domain.as_bytes();
    let equal = |name: &[u8], value: &[u8]| tagged(0xa3, &[tagged(4, name), tagged(4, value)].concat());
    let filter = tagged(0xa0, &[equal(b"DnsDomain", domain), equal(b"NtVer", &[6, 0, 0, 0])].concat());
    let search = [
        tagged(4, b""),
        vec![10, 1, 0, 10, 1, 0, 2, 1, 0, 2, 1, 0, 1, 1, 0],
        filter,
        tagged(0x30, &tagged(4, b"netlogon")),
    ]
    .concat();
    tagged(0x30, &[vec![2, 1, 1], tagged(0x63, &search)].concat())
}

/// The value of the attribute in the answer.
fn netlogon(datagram: &[u8]) -> Option<&[u8]> {
    let (message, _) = element(datagram, 0x30)?;
    let (_, rest) = element(message, 2)?;
    let (entry, _) = element(rest, 0x64)?;
    let (_, rest) = element(entry, 4)?;
    let (attributes, _) = element(rest, 0x30)?;
    let (attribute, _) = element(attributes, 0x30)?;
    let (_, rest) = element(attribute, 4)?;
    let (values, _) = element(rest, 0x31)?;
    element(values, 4).map(|(value, _)| value)
}

/// The site of the one who asked, in NETLOGON_SAM_LOGON_RESPONSE_EX.
fn client_site(value: &[u8]) -> Option<String> {
    if value.get(..2)? != RESPONSE_EX {
        return None;
    }
    let mut at = NAMES_AT;
    for _ in 0..CLIENT_SITE {
        at = name(value, at)?.1;
    }
    let (site, _) = name(value, at)?;
    // It becomes part of a DNS name: one label of letters, digits and what sites have else.
    let is_label = !site.is_empty()
        && site.len() <= 63
        && site.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    is_label.then_some(site)
}

/// A name in the compressed form of RFC 1035 4.1.4, and where the next one stands.
fn name(value: &[u8], mut at: usize) -> Option<(String, usize)> {
    let (mut labels, mut next): (Vec<&str>, Option<usize>) = (Vec::new(), None);
    // Each jump goes backwards, or the name is none.
    loop {
        let length = usize::from(*value.get(at)?);
        match length {
            0 => return Some((labels.join("."), next.unwrap_or(at + 1))),
            1..=63 => {
                labels.push(core::str::from_utf8(value.get(at + 1..at + 1 + length)?).ok()?);
                at += 1 + length;
            }
            192.. => {
                let to = (length & 0x3f) << 8 | usize::from(*value.get(at + 1)?);
                next = next.or(Some(at + 2));
                if to >= at {
                    return None;
                }
                at = to;
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(names: &[u8]) -> Vec<u8> {
        let value = [&RESPONSE_EX[..], &[0; NAMES_AT - 2], names].concat();
        let values = tagged(0x31, &tagged(4, &value));
        let attributes = tagged(0x30, &tagged(0x30, &[tagged(4, b"netlogon"), values].concat()));
        let entry = tagged(0x64, &[tagged(4, b""), attributes].concat());
        tagged(0x30, &[vec![2, 1, 1], entry].concat())
    }

    fn read(datagram: &[u8]) -> Option<String> {
        client_site(netlogon(datagram)?)
    }

    #[test]
    fn the_site_is_the_eighth_name() {
        // laps.test, a jump to it, dc1 before it, LAPS, DC1, nobody, the site, a jump to the site.
        let mut names = b"\x04laps\x04test\0\xc0\x18\x03dc1\xc0\x18\x04LAPS\0\x03DC1\0\0".to_vec();
        let site_at = (NAMES_AT + names.len()) as u8;
        names.extend(b"\x06Berlin\0");
        names.extend([0xc0, site_at]);
        let whole = answer(&names);
        assert_eq!(read(&whole), Some("Berlin".to_owned()));
        for end in 0..whole.len() {
            assert_eq!(read(&whole[..end]), None);
        }
    }

    #[test]
    fn names_that_lie_are_none() {
        let before = b"\0\0\0\0\0\0\0";
        // A jump to itself, a jump forward, a label that is no part of a DNS name, none at all.
        for last in [&[0xc0, 0x1f][..], &[0xc0, 0xff], b"\x03a.b\0", b"\x02a/\0", b"\0", b"\x40"] {
            assert_eq!(read(&answer(&[&before[..], last].concat())), None, "{last:?}");
        }
        let mut other = answer(b"\0\0\0\0\0\0\0\x01a\0");
        assert_eq!(read(&other), Some("a".to_owned()));
        let at = other.windows(2).position(|pair| pair == RESPONSE_EX).unwrap();
        other[at] = 25;
        assert_eq!(read(&other), None);
    }
}
