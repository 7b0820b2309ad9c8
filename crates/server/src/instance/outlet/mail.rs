//! Mail by SMTP, inside TLS from its first byte or from STARTTLS on; never in clear.

use super::{PATIENCE, nothing_sent};
use crate::app::{Destination, NotSent, Notice};
use lettre::message::{Mailbox, Message, header::ContentType};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use proto::admin::{MailSecurity, Receiver};

pub(super) async fn send(destination: &Destination, notices: &[Notice]) -> Result<(), NotSent> {
    let Receiver::Mail { host, port, security, from, to, user, ca } = &destination.to else {
        return Err(nothing_sent("not a mail channel"));
    };
    let mut tls = TlsParameters::builder(host.clone());
    if let Some(ca) = ca {
        let certificate = Certificate::from_pem(ca.as_bytes()).map_err(nothing_sent)?;
        tls = tls.certificate_store(CertificateStore::None).add_root_certificate(certificate);
    }
    let tls = tls.build_rustls().map_err(nothing_sent)?;
    let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host.as_str())
        .port(*port)
        .timeout(Some(PATIENCE))
        .tls(match security {
            MailSecurity::Starttls => Tls::Required(tls),
            MailSecurity::Tls => Tls::Wrapper(tls),
        });
    if let (Some(user), Some(password)) = (user, &destination.secret) {
        let password = core::str::from_utf8(password).map_err(nothing_sent)?;
        transport = transport.credentials(Credentials::new(user.clone(), password.to_owned()));
    }
    let transport = transport.build();
    for (sent, notice) in notices.iter().enumerate() {
        let not_sent = |error: String| NotSent { sent, error };
        let message = message(from, to, notice).map_err(not_sent)?;
        // A server that dawdles in each step of the dialogue is given up as a whole.
        let sending = tokio::time::timeout(PATIENCE, transport.send(message)).await;
        let answered = sending.map_err(|_| not_sent("the mail server did not take it in time".to_owned()))?;
        answered.map_err(|error| not_sent(shown(&error)))?;
    }
    Ok(())
}

fn message(from: &str, to: &[String], notice: &Notice) -> Result<Message, String> {
    let mailbox = |address: &str| {
        address.parse::<Address>().map(|address| Mailbox::new(None, address)).map_err(|error| error.to_string())
    };
    let domain = from.rsplit('@').next().unwrap_or("localhost");
    // The same notice has the same id, so that a receiver tells a repeat.
    let mut message = Message::builder()
        .from(mailbox(from)?)
        .subject(format!("Lapwing: {}", notice.subject))
        .message_id(Some(format!("<{}@{domain}>", notice.id)))
        .header(ContentType::TEXT_PLAIN);
    for address in to {
        message = message.to(mailbox(address)?);
    }
    message.body(notice.body.clone()).map_err(|error| error.to_string())
}

/// The whole chain of an error; lettre's own text is its last link only.
fn shown(error: &lettre::transport::smtp::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(next) = source {
        text.push_str(&format!(": {next}"));
        source = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use laps::time::Timestamp;

    #[test]
    fn a_name_adds_no_header() {
        let notice = Notice {
            id: "ab".into(),
            at: Timestamp::MIN,
            subject: "eve\r\nBcc: all@example.test read a password of \u{fc}".into(),
            body: "text\r\n.\r\nMAIL FROM:<x>".into(),
        };
        let message = message("lapwing@example.test", &["ada@example.test".into()], &notice).unwrap();
        let text = String::from_utf8(message.formatted()).unwrap();
        let headers = text.split("\r\n\r\n").next().unwrap();
        assert!(!headers.lines().any(|line| line.to_ascii_lowercase().starts_with("bcc:")), "{headers}");
        assert!(headers.contains("Message-ID: <ab@example.test>"), "{headers}");
        assert_eq!(message.envelope().to().len(), 1);
    }
}
