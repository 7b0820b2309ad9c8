//! Renewal of the device certificate, from half of its life.

use super::{Runner, Witness};
use crate::{
    clock::Clock,
    directory::{self, Directory},
    state::{DeviceKey as _, SoftwareKey},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use laps::{event, rotation::Failure, time::Timestamp};
use proto::device::RenewRequest;

/// From when to when a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// Its start.
    pub not_before: Timestamp,
    /// Its end.
    pub not_after: Timestamp,
}

impl Validity {
    /// Of a certificate in DER; `None` when it is none.
    pub fn of(der: &[u8]) -> Option<Self> {
        let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
        let time = |time: x509_parser::time::ASN1Time| Timestamp::from_unix_ms(time.timestamp().saturating_mul(1000));
        let validity = certificate.validity();
        Some(Self { not_before: time(validity.not_before), not_after: time(validity.not_after) })
    }

    /// Half of its life is over.
    pub const fn is_half_over(&self, now: Timestamp) -> bool {
        let half = self.not_after.ticks_since(self.not_before) / 2;
        now.ticks() >= self.not_before.plus_ticks(half).ticks()
    }
}

impl<D: Directory, C: Clock + Clone, W: Witness> Runner<D, C, W> {
    /// Renews the certificate when half of its life is over, by the later of the clock and the newest
    /// server time. An expired one may still renew. A failure is an event; the cycle goes on.
    pub(super) async fn renew_if_due(&mut self) {
        self.reconnect_if_changed();
        let now = self.contact.judging_time(self.clock.now());
        let Some(server) = &self.server else { return };
        let due = Validity::of(&server.identity.certificate).is_none_or(|validity| validity.is_half_over(now));
        if due && let Err(failure) = self.renew().await {
            self.events.failure(&failure);
        }
    }

    async fn renew(&mut self) -> Result<(), Failure> {
        let unusable = |text: String| Failure::new(event::AUTHENTICATION_FAILED, "renewal_failed", text);
        let Some(server) = &mut self.server else { return Ok(()) };
        // With a new key; the former one stays in force until the certificate is written.
        let key = SoftwareKey::generate().map_err(|error| unusable(error.to_string()))?;
        let csr = key.request().map_err(|error| unusable(error.to_string()))?;
        let answer = server
            .directory
            .renew(&RenewRequest { csr: STANDARD.encode(csr) })
            .await
            .map_err(|error| directory::failure(&error, "the device certificate was not renewed"))?;
        let decode =
            |text: &String| STANDARD.decode(text).map_err(|_| unusable("the answer holds no certificate".into()));
        let certificate = decode(&answer.certificate)?;
        let validity = Validity::of(&certificate).ok_or_else(|| unusable("the answer holds no certificate".into()))?;
        let ca = answer.ca.iter().map(decode).collect::<Result<Vec<_>, _>>()?;
        self.state
            .write_renewed(&mut server.identity, Some((certificate, &key)), ca)
            .map_err(|error| error.failure())?;
        server.changed = true;
        self.saw_server_time(answer.server_time);
        self.events.write(
            event::CERTIFICATE_RENEWED,
            &format!("the device certificate is valid until {}", validity.not_after),
        );
        self.reconnect_if_changed();
        Ok(())
    }

    /// A new client with what is stored now; the former one stays when that fails.
    fn reconnect_if_changed(&mut self) {
        let Some(server) = self.server.as_mut().filter(|server| server.changed) else { return };
        let made = self.state.device_key(&server.identity).map_err(|error| error.failure()).and_then(|key| {
            (server.connect)(&server.identity, &key, self.contact.server_time)
                .map_err(|error| Failure::new(event::AUTHENTICATION_FAILED, "identity_unusable", error.to_string()))
        });
        match made {
            Ok(directory) => {
                server.directory = directory;
                server.changed = false;
            }
            Err(failure) => self.events.failure(&failure),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_a_life() {
        let at = |s: i64| Timestamp::from_unix_ms(s * 1000);
        let validity = Validity { not_before: at(100), not_after: at(200) };
        assert!(!validity.is_half_over(at(149)));
        assert!(validity.is_half_over(at(150)));
        assert_eq!(Validity::of(b"no certificate"), None);
    }
}
