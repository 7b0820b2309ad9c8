//! Signing in: device code, refresh, client credentials (RFC 6749, RFC 8628).

use crate::{Client, Error, client::Request};
use proto::oauth::{DeviceAuthorization, Secret, TokenAnswer, Verification, VerificationAnswer};
use reqwest::{Method, header};
use std::time::Duration;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// The tenant in the paths; a server has one, and takes this alias for it.
const TENANT: &str = "common";
/// What tokens are asked for: everything that the person or program may do.
const SCOPE: &str = "https://graph.microsoft.com/.default";
/// The same for people, with a refresh token.
const SCOPE_OF_PERSON: &str = "https://graph.microsoft.com/.default offline_access openid profile";
/// Added to the interval when the server says `slow_down` (RFC 8628 3.5).
const SLOW_DOWN: Duration = Duration::from_secs(5);

/// How a poll for a device code ended.
#[derive(Debug)]
pub enum Poll {
    /// The person has not answered yet.
    Pending,
    /// Not yet, and asked too often.
    SlowDown,
    /// Signed in.
    Done(Box<TokenAnswer>),
}

impl Client {
    /// Asks for a device code: what the person types, and where.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn device_code(&self, client_id: &str) -> Result<DeviceAuthorization, Error> {
        let path = format!("/{TENANT}/oauth2/v2.0/devicecode");
        let body = form(&[("client_id", client_id), ("scope", SCOPE_OF_PERSON)]);
        let answer = self.send(Request::new(Method::POST, &path).body(FORM, body)).await?;
        self.read_json(&answer)
    }

    /// Asks once whether the person has answered.
    ///
    /// # Errors
    /// [`Error`]; codes `authorization_declined`, `expired_token`.
    pub async fn poll_device_code(&self, client_id: &str, code: &Secret) -> Result<Poll, Error> {
        let grant = ("grant_type", "urn:ietf:params:oauth:grant-type:device_code");
        let body = form(&[grant, ("client_id", client_id), ("device_code", code.reveal())]);
        match self.token(body).await {
            Ok(answer) => Ok(Poll::Done(Box::new(answer))),
            Err(error) if error.code() == "authorization_pending" => Ok(Poll::Pending),
            Err(error) if error.code() == "slow_down" => Ok(Poll::SlowDown),
            Err(error) => Err(error),
        }
    }

    /// Waits until the person has answered, polling at once and then as often as the server allows.
    ///
    /// # Errors
    /// [`Error`]; codes `authorization_declined`, `expired_token`.
    pub async fn wait_for_device_code(
        &self,
        client_id: &str,
        authorization: &DeviceAuthorization,
    ) -> Result<TokenAnswer, Error> {
        let ends = Instant::now() + Duration::from_secs(authorization.expires_in.saturating_add(10));
        let mut interval = Duration::from_secs(authorization.interval.clamp(1, 60));
        loop {
            match self.poll_device_code(client_id, &authorization.device_code).await {
                Ok(Poll::Done(answer)) => return Ok(*answer),
                Ok(Poll::Pending) => {}
                Ok(Poll::SlowDown) => interval += SLOW_DOWN,
                // A lost answer is no end: the server keeps what the person did until it is fetched.
                Err(Error::NoAnswer(_)) if Instant::now() < ends => {}
                Err(error) => return Err(error),
            }
            tokio::time::sleep(interval).await;
        }
    }

    /// Posts the form of the verification page, for a program that reads the password itself.
    ///
    /// # Errors
    /// [`Error`]; a sign-in that fails is an `Ok` that says so.
    pub async fn verify(&self, verification: &Verification) -> Result<VerificationAnswer, Error> {
        let mut fields = vec![
            ("user_code", verification.user_code.as_str()),
            ("user_name", verification.user_name.as_str()),
            ("password", verification.password.reveal()),
        ];
        let new_password = verification.new_password.as_ref().map(Secret::reveal);
        let again = verification.new_password_again.as_ref().map(Secret::reveal);
        fields.extend(new_password.map(|text| ("new_password", text)));
        fields.extend(again.or(new_password).map(|text| ("new_password_again", text)));
        fields.extend(verification.ticket.as_ref().map(|ticket| ("ticket", ticket.reveal())));
        fields.extend(verification.one_time_code.as_deref().map(|code| ("one_time_code", code)));
        fields.extend(verification.answer.as_deref().map(|text| ("answer", text)));
        let request = Request::new(Method::POST, "/device")
            .header(header::ACCEPT, header::HeaderValue::from_static("application/json"))
            .body(FORM, form(&fields))
            .take_any_status();
        let answer = self.send(request).await?;
        self.read_json(&answer)
    }

    /// New tokens for a refresh token.
    ///
    /// # Errors
    /// [`Error`]; code `invalid_grant` when the person must sign in again.
    pub async fn refresh(&self, client_id: &str, refresh_token: &Secret) -> Result<TokenAnswer, Error> {
        self.token(form(&[
            ("grant_type", "refresh_token"),
            ("client_id", client_id),
            ("refresh_token", refresh_token.reveal()),
            ("scope", SCOPE_OF_PERSON),
        ]))
        .await
    }

    /// A token for a service principal.
    ///
    /// # Errors
    /// [`Error`]; code `invalid_client` when id or secret is wrong.
    pub async fn client_credentials(&self, client_id: &str, secret: &Secret) -> Result<TokenAnswer, Error> {
        self.token(form(&[
            ("grant_type", "client_credentials"),
            ("client_id", client_id),
            ("client_secret", secret.reveal()),
            ("scope", SCOPE),
        ]))
        .await
    }

    async fn token(&self, body: Zeroizing<Vec<u8>>) -> Result<TokenAnswer, Error> {
        let path = format!("/{TENANT}/oauth2/v2.0/token");
        let answer = self.send(Request::new(Method::POST, &path).body(FORM, body)).await?;
        self.read_json(&answer)
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

/// A form body (WHATWG URL 5.2) in memory that is wiped and never grows.
fn form(fields: &[(&str, &str)]) -> Zeroizing<Vec<u8>> {
    let capacity = fields.iter().map(|(name, value)| 3 * (name.len() + value.len()) + 2).sum();
    let mut body = Zeroizing::new(Vec::with_capacity(capacity));
    for (name, value) in fields {
        if !body.is_empty() {
            body.push(b'&');
        }
        encode(name, &mut body);
        body.push(b'=');
        encode(value, &mut body);
    }
    body
}

fn encode(text: &str, to: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        match byte {
            b' ' => to.push(b'+'),
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'*' | b'-' | b'.' | b'_' => to.push(byte),
            _ => to.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_encoded_as_browsers_do() {
        let body = form(&[("a b", "ü&=+%"), ("c", "")]);
        assert_eq!(core::str::from_utf8(&body), Ok("a+b=%C3%BC%26%3D%2B%25&c="));
        assert!(body.len() <= body.capacity());
    }
}
