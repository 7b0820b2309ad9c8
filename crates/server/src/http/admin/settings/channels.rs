//! Channels by which people are told of reads: how each stands, and what is done with it.

use super::super::devices::Badge;
use super::super::people::SecretPage;
use super::super::shell::{Section, Shell, ok, page, sentence};
use super::super::shown::{Shown, When};
use super::super::visit::{Visit, done, form};
use super::{Tabs, tabs};
use crate::app::{Error, Kind};
use askama::Template;
use axum::body::Bytes;
use axum::response::Response;
use http::StatusCode;
use proto::admin::{Channel, MailSecurity, NewChannel, Receiver, SyslogFormat};
use proto::oauth::Secret;
use serde::Deserialize;

/// A channel in the list.
struct Line {
    /// As forms name it.
    name: String,
    shown: Shown,
    kind: &'static str,
    to: Shown,
    what: &'static str,
    state: Badge,
    told: Option<When>,
    waiting: u64,
    dropped: u64,
    /// The last failure: what it was, how often in a row, when it is tried again.
    failure: Option<(Shown, u32, Option<When>)>,
    paused: bool,
    mistake: Option<Shown>,
}

#[derive(Template)]
#[template(path = "channels.html")]
struct ChannelsPage {
    shell: Shell,
    tabs: Tabs,
    lines: Vec<Line>,
    typed: Typed,
    mistake: Option<Shown>,
}

/// The form of a new channel, as it was sent. Its secret is never shown again.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Typed {
    kind: String,
    name: String,
    everything: Option<String>,
    url: String,
    allow_private: Option<String>,
    host: String,
    port: String,
    security: String,
    from: String,
    to: String,
    user: String,
    format: String,
    ca: String,
    secret: Option<Secret>,
}

impl Typed {
    fn new_channel(&self) -> Result<NewChannel, Error> {
        let bad = |text: &str| Error::invalid("bad_channel", text);
        let filled = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let port = |usual: u16| match self.port.trim() {
            "" => Ok(usual),
            text => text.parse().map_err(|_| bad("the port must be 1 to 65535; correct it")),
        };
        let (host, ca) = (self.host.trim().to_owned(), filled(&self.ca));
        let to = match self.kind.as_str() {
            "webhook" => {
                Receiver::Webhook { url: self.url.trim().to_owned(), ca, allow_private: self.allow_private.is_some() }
            }
            "mail" => {
                let security = if self.security == "tls" { MailSecurity::Tls } else { MailSecurity::Starttls };
                let to = self.to.split(|c: char| c.is_whitespace() || c == ',');
                Receiver::Mail {
                    host,
                    port: port(if security == MailSecurity::Tls { 465 } else { 587 })?,
                    security,
                    from: self.from.trim().to_owned(),
                    to: to.filter(|address| !address.is_empty()).map(str::to_owned).collect(),
                    user: filled(&self.user),
                    ca,
                }
            }
            "syslog" => Receiver::Syslog {
                host,
                port: port(6514)?,
                format: match self.format.as_str() {
                    "cef" => SyslogFormat::Cef,
                    "ocsf" => SyslogFormat::Ocsf,
                    _ => SyslogFormat::Json,
                },
                ca,
            },
            _ => return Err(bad("choose a webhook, mail or syslog")),
        };
        let secret = self.secret.as_ref().map(Secret::reveal).filter(|secret| !secret.is_empty());
        Ok(NewChannel {
            name: self.name.clone(),
            everything: self.everything.is_some(),
            to,
            secret: secret.map(str::to_owned),
        })
    }
}

fn line(channel: &Channel, visit: &Visit) -> Line {
    let (kind, to) = match &channel.to {
        Receiver::Webhook { url, .. } => ("Webhook", url.clone()),
        Receiver::Mail { to, host, .. } => ("Mail", format!("{} by {host}", to.join(", "))),
        Receiver::Syslog { host, port, .. } => ("Syslog", format!("{host}:{port}")),
    };
    let state = match channel {
        channel if channel.paused => Badge::new("plain", "Paused"),
        channel if channel.failures > 0 => Badge::new("bad", "Failing"),
        channel if channel.delivered_date_time.is_some() => Badge::new("good", "Told"),
        _ => Badge::new("info", "Nothing told yet"),
    };
    Line {
        name: channel.name.clone(),
        shown: Shown::new(&channel.name),
        kind,
        to: Shown::new(&to),
        what: if channel.everything { "Every record" } else { "Reads" },
        state,
        told: When::maybe(channel.delivered_date_time, visit.now),
        waiting: channel.waiting,
        dropped: channel.dropped,
        failure: channel
            .last_error
            .as_deref()
            .map(|error| (Shown::cut(error, 300), channel.failures, When::maybe(channel.retry_date_time, visit.now))),
        paused: channel.paused,
        mistake: None,
    }
}

/// The page.
pub(crate) async fn channels(visit: Visit) -> Result<Response, Error> {
    shown(&visit, Typed::default(), None, StatusCode::OK).await
}

/// With what was typed; what is wrong belongs to the channel that is named, or to the form.
async fn shown(
    visit: &Visit,
    typed: Typed,
    wrong: Option<(Option<&str>, Shown)>,
    status: StatusCode,
) -> Result<Response, Error> {
    let listed = visit.app.channels(&visit.caller).await?;
    let mut lines: Vec<Line> = listed.iter().map(|channel| line(channel, visit)).collect();
    let mut mistake = None;
    match wrong {
        Some((Some(name), text)) => {
            for line in lines.iter_mut().filter(|line| line.name == name) {
                line.mistake = Some(text.clone());
            }
        }
        Some((None, text)) => mistake = Some(text),
        None => {}
    }
    let whole = ChannelsPage {
        shell: visit.shell("Notifications", Section::Settings).await?,
        tabs: tabs(visit, "channels").await?,
        lines,
        typed,
        mistake,
    };
    page(status, &whole)
}

/// Makes a channel; a key that is made for it is shown this once.
pub(crate) async fn create(visit: Visit, body: Bytes) -> Result<Response, Error> {
    visit.app.may_write_settings(&visit.caller)?;
    let mut typed: Typed = form(&body)?;
    let made = match typed.new_channel() {
        Ok(new) => visit.app.create_channel(&visit.caller, &new).await,
        Err(error) => Err(error),
    };
    match made {
        Ok(made) => match &made.secret {
            None => Ok(done("/admin/settings/channels", "channel_made")),
            Some(secret) => ok(&SecretPage {
                shell: visit.shell("Key of the webhook", Section::Settings).await?,
                title: "Key of the webhook",
                explanation: "Each notice is signed with it, as Standard Webhooks has it: the receiver checks the \
                              signature with this key. It is shown this once.",
                who: Shown::new(&made.name),
                facts: Vec::new(),
                secret: Secret::new(secret.clone()),
                back: "/admin/settings/channels",
            }),
        },
        Err(error) if matches!(error.kind(), Kind::Invalid | Kind::Conflict) => {
            typed.secret = None;
            let mistake = Shown::cut(&sentence(&error.text()), 400);
            shown(&visit, typed, Some((None, mistake)), StatusCode::UNPROCESSABLE_ENTITY).await
        }
        Err(error) => Err(error),
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Named {
    name: String,
}

/// Sends a test notice; what the receiver said is shown beside the channel.
pub(crate) async fn test(visit: Visit, body: Bytes) -> Result<Response, Error> {
    let Named { name } = form(&body)?;
    match visit.app.test_channel(&visit.caller, &name).await {
        Ok(()) => Ok(done("/admin/settings/channels", "channel_tested")),
        Err(error) if error.code() == "not_delivered" => {
            let mistake = Shown::cut(&sentence(&error.text()), 400);
            shown(&visit, Typed::default(), Some((Some(&name), mistake)), StatusCode::UNPROCESSABLE_ENTITY).await
        }
        Err(error) => Err(error),
    }
}

/// Tells a channel nothing until it is resumed.
pub(crate) async fn pause(visit: Visit, body: Bytes) -> Result<Response, Error> {
    let Named { name } = form(&body)?;
    visit.app.pause_channel(&visit.caller, &name, true).await?;
    Ok(done("/admin/settings/channels", "channel_paused"))
}

/// Lets a channel go on from where it was.
pub(crate) async fn resume(visit: Visit, body: Bytes) -> Result<Response, Error> {
    let Named { name } = form(&body)?;
    visit.app.pause_channel(&visit.caller, &name, false).await?;
    Ok(done("/admin/settings/channels", "channel_resumed"))
}

/// Removes a channel and its secret.
pub(crate) async fn remove(visit: Visit, body: Bytes) -> Result<Response, Error> {
    let Named { name } = form(&body)?;
    visit.app.delete_channel(&visit.caller, &name).await?;
    Ok(done("/admin/settings/channels", "channel_removed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_channel_comes_out_of_its_form() {
        let typed = |text: &str| serde_urlencoded::from_str::<Typed>(text).unwrap().new_channel();
        let hook = typed("kind=webhook&name=soar&url=https%3A%2F%2Fhook.test%2F&everything=yes&secret=").unwrap();
        assert!(hook.everything && hook.secret.is_none(), "an empty key is none");
        let ca = None;
        assert_eq!(hook.to, Receiver::Webhook { url: "https://hook.test/".into(), ca, allow_private: false });
        let mail = typed("kind=mail&name=m&host=mail.test&security=tls&from=a%40b.test&to=c%40d.test%2C+e%40f.test");
        let mail = mail.unwrap();
        assert!(matches!(&mail.to, Receiver::Mail { port: 465, to, user: None, .. } if to.len() == 2), "{mail:?}");
        let syslog = typed("kind=syslog&name=s&host=logs.test&port=7000&format=cef").unwrap();
        assert!(matches!(syslog.to, Receiver::Syslog { port: 7000, format: SyslogFormat::Cef, .. }));
        for bad in ["kind=pigeon&name=x", "kind=syslog&name=s&host=h&port=99999"] {
            assert_eq!(typed(bad).unwrap_err().code(), "bad_channel", "{bad}");
        }
    }
}
