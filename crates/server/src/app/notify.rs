//! Channels by which people are told of reads, and of what somebody must decide: webhook, mail, syslog.
//!
//! The outbox is the audit log itself: a channel keeps the place that it was told of. A read writes nothing for it and
//! waits for nobody, what is told can be no more than the record (never a password), and after a crash each channel
//! goes on from its place: at least once, with the record's id.

use super::alarm::Alarm;
use super::groups::checked_name;
use super::record::{activity as own, category, target};
use super::{App, Error, Kind, Result, hex};
use crate::audit::{AuditRecord, activity};
use crate::authz::{Action, Caller, Denied, Identity, Job};
use crate::store::{self, ChannelProgress};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use laps::text::harmless;
use laps::time::{TICKS_PER_SECOND, Timestamp};
use proto::admin::{Channel, CreatedChannel, NewChannel, Receiver, SyslogFormat};
use proto::audit::{Line, Record, cef, ocsf};
use serde_json::json;
use std::future::Future;
use std::pin::Pin;
use zeroize::Zeroizing;

/// Records that are read at once.
const BATCH: u32 = 100;
/// Batches of one run for one channel.
const BATCHES: u32 = 50;
/// Seconds until the first repeat; each further one doubles it.
const RETRY_S: u64 = 15;
/// Seconds between two attempts at most.
const RETRY_S_MAX: u64 = 3_600;
/// A record older than this is left out, seconds: three days.
const AGE_S_MAX: u64 = 3 * 86_400;
/// Records that a channel may be behind.
const BEHIND_MAX: u64 = 100_000;
/// The chain that is told.
const CHAIN: u32 = 1;
/// Longest certificate text, bytes.
const CA_BYTES_MAX: usize = 64 * 1024;
/// Receivers of a mail.
const MAIL_RECEIVERS_MAX: usize = 20;

/// Something that is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Its id: the record's. The same again is the same notice.
    pub id: String,
    /// The record's time.
    pub at: Timestamp,
    /// One line.
    pub subject: String,
    /// What the receiver's form wants: a CloudEvent, a mail's text, a syslog message.
    pub body: String,
}

/// Where notices go, with the secret that it takes.
#[derive(Debug, Clone)]
pub struct Destination {
    /// Where and how.
    pub to: Receiver,
    /// The key of a webhook or the password of a mail account.
    pub secret: Option<Zeroizing<Vec<u8>>>,
}

/// Sending stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotSent {
    /// Notices that were taken before.
    pub sent: usize,
    /// Why the next one was not; goes into the list of channels.
    pub error: String,
}

/// A future of what sending came to.
pub type Sending<'a> = Pin<Box<dyn Future<Output = std::result::Result<(), NotSent>> + Send + 'a>>;

/// The network, as far as the application uses it.
pub trait Outlet: Send + Sync + 'static {
    /// Sends notices in their order; stops at the first that is not taken.
    fn send<'a>(&'a self, to: &'a Destination, notices: &'a [Notice]) -> Sending<'a>;
}

impl App {
    /// Channels.
    pub async fn channels(&self, caller: &Caller) -> Result<Vec<Channel>> {
        self.require(caller, Action::SettingsWrite)?;
        let head = self.store.audit_heads().await?.into_iter().find(|head| head.chain == CHAIN);
        let last = head.map_or(0, |head| head.sequence);
        self.store.channels().await?.iter().map(|channel| wire(channel, last)).collect()
    }

    /// Makes a channel; it is told of what comes from now on.
    pub async fn create_channel(&self, caller: &Caller, new: &NewChannel) -> Result<CreatedChannel> {
        self.require(caller, Action::SettingsWrite)?;
        let name = checked_name(&new.name)?;
        check(&new.to)?;
        let mut shown = None;
        let secret = match (&new.to, &new.secret) {
            (Receiver::Webhook { .. }, None) => {
                let made = format!("whsec_{}", STANDARD.encode(self.random_bytes::<32>()?));
                shown = Some(made.clone());
                Some(Zeroizing::new(made))
            }
            (Receiver::Webhook { .. }, Some(key)) if key.len() < 24 => {
                return Err(bad("the key of a webhook has at least 24 characters; leave it out, and one is made"));
            }
            (Receiver::Mail { user, .. }, secret) if user.is_some() != secret.is_some() => {
                return Err(bad("a mail account has a name and a password, or neither"));
            }
            (Receiver::Syslog { .. }, Some(_)) => return Err(bad("a syslog collector takes no secret")),
            (_, secret) => secret.clone().map(Zeroizing::new),
        };
        // Before its secret is kept; the verb looks again.
        if self.store.channels().await?.iter().any(|one| one.channel.name.to_lowercase() == name.to_lowercase()) {
            return Err(store::StoreError::Exists("channel").into());
        }
        let id: [u8; 16] = self.random_bytes()?;
        let on = target("channel", &hex(&id), &name);
        let settings = serde_json::to_string(&new.to).map_err(|error| Error::Internal(error.to_string()))?;
        let audit = self.entry(caller, own::ADD_CHANNEL, category::DIRECTORY, on.clone(), summary(&new.to))?;
        if let Some(secret) = &secret {
            let audit = self.entry(caller, own::KEEP_SECRET, category::DIRECTORY, on, json!({"of": "channel"}))?;
            let kept = secret_name(&id);
            let put = |sealed| self.store.put_secret(kept.clone(), sealed, audit.clone());
            self.keep(&kept, secret.as_bytes(), put).await?;
        }
        let stored = store::NewChannel { id, name: name.clone(), settings, everything: new.everything };
        self.store.create_channel(stored, self.now(), audit).await?;
        Ok(CreatedChannel { name, secret: shown })
    }

    /// Removes a channel and its secret.
    pub async fn delete_channel(&self, caller: &Caller, name: &str) -> Result<()> {
        self.require(caller, Action::SettingsWrite)?;
        let channel = self.channel_named(name).await?;
        let on = target("channel", &hex(&channel.channel.id), &channel.channel.name);
        let audit = self.entry(caller, own::REMOVE_CHANNEL, category::DIRECTORY, on.clone(), json!({}))?;
        self.store.delete_channel(channel.channel.id, audit).await?;
        let audit = self.entry(caller, own::FORGET_SECRET, category::DIRECTORY, on, json!({"of": "channel"}))?;
        Ok(self.store.delete_secret(secret_name(&channel.channel.id), audit).await?)
    }

    /// Pauses a channel, or lets it go on from where it was. What is older than three days by then is left out.
    pub async fn pause_channel(&self, caller: &Caller, name: &str, paused: bool) -> Result<()> {
        self.require(caller, Action::SettingsWrite)?;
        let channel = self.channel_named(name).await?;
        let on = target("channel", &hex(&channel.channel.id), &channel.channel.name);
        let audit = self.entry(caller, own::UPDATE_CHANNEL, category::DIRECTORY, on, json!({"paused": paused}))?;
        self.store.pause_channel(channel.channel.id, paused, audit).await?;
        self.reads.notify_one();
        Ok(())
    }

    /// Sends a notice that says that it is a test, and answers when it was taken.
    pub async fn test_channel(&self, caller: &Caller, name: &str) -> Result<()> {
        self.require(caller, Action::SettingsWrite)?;
        let channel = self.channel_named(name).await?;
        let destination = self.destination(&channel).await?;
        let on = target("channel", &hex(&channel.channel.id), &channel.channel.name);
        let entry = self.entry(caller, own::TEST_CHANNEL, category::DIRECTORY, on, json!({}))?;
        self.store.append_audit(entry.clone()).await?;
        // As the record would be told.
        let record = AuditRecord::chained(crate::audit::AuditHead::empty(CHAIN), entry, Vec::new()).exported();
        let notice = self.notice(&record, &destination.to)?;
        match self.hand_over(&destination, &[notice]).await {
            Ok(()) => Ok(()),
            Err(failed) => Err(Error::refused(
                Kind::Conflict,
                "not_delivered",
                format!("the channel {} took nothing: {}", channel.channel.name, failed.error),
            )),
        }
    }

    /// Channels that something may be for, by id.
    pub async fn channels_to_tell(&self, caller: &Caller) -> Result<Vec<[u8; 16]>> {
        only_notify(caller)?;
        let now = self.now();
        let due = |channel: &store::Channel| !channel.paused && channel.retry_at.is_none_or(|retry_at| retry_at <= now);
        Ok(self.store.channels().await?.into_iter().filter(due).map(|channel| channel.channel.id).collect())
    }

    /// Tells a channel what it was not told yet; answers how many notices it took.
    pub async fn tell_channel(&self, caller: &Caller, id: [u8; 16]) -> Result<u64> {
        only_notify(caller)?;
        let mut told = 0;
        for _ in 0..BATCHES {
            let channels = self.store.channels().await?;
            let Some(channel) = channels.into_iter().find(|channel| channel.channel.id == id) else {
                return Ok(told);
            };
            if channel.paused || channel.retry_at.is_some_and(|retry_at| retry_at > self.now()) {
                return Ok(told);
            }
            let behind = self.leave_out(caller, &channel).await?;
            let records = self.store.audit_chain(CHAIN, behind, BATCH).await?;
            let Some(last) = records.last().map(|record| record.sequence) else {
                return Ok(told);
            };
            let wanted: Vec<Record> =
                records.iter().filter(|record| is_for(&channel, record)).map(AuditRecord::exported).collect();
            if wanted.is_empty() {
                self.store.advance_channel(id, behind, last, ChannelProgress::Told { at: None }).await?;
                continue;
            }
            let destination = self.destination(&channel).await?;
            let notices =
                wanted.iter().map(|record| self.notice(record, &destination.to)).collect::<Result<Vec<_>>>()?;
            match self.hand_over(&destination, &notices).await {
                Ok(()) => {
                    told += notices.len() as u64;
                    let progress = ChannelProgress::Told { at: Some(self.now()) };
                    self.store.advance_channel(id, behind, last, progress).await?;
                }
                Err(failed) => {
                    let mut from = behind;
                    if let Some(taken) = failed.sent.checked_sub(1).and_then(|index| wanted.get(index)) {
                        told += failed.sent as u64;
                        let progress = ChannelProgress::Told { at: Some(self.now()) };
                        self.store.advance_channel(id, behind, taken.sequence, progress).await?;
                        from = taken.sequence;
                    }
                    let failures = if from == behind { channel.failures } else { 0 };
                    let wait_s = (RETRY_S << failures.min(10)).min(RETRY_S_MAX);
                    let error: String = harmless(&failed.error.chars().take(300).collect::<String>());
                    let name = &channel.channel.name;
                    tracing::warn!(channel = %name, %error, wait_s, "people could not be told of a read");
                    let retry_at = self.now().plus_seconds(wait_s);
                    let progress = ChannelProgress::Failed { error, retry_at };
                    self.store.advance_channel(id, from, from, progress).await?;
                    return Ok(told);
                }
            }
        }
        Ok(told)
    }

    /// Waits until something was recorded that every channel tells, so that people are told at once.
    pub async fn await_reads(&self) {
        self.reads.notified().await;
    }

    /// Leaves out what is too old or too much, and says so in the log; answers where the channel stands.
    async fn leave_out(&self, caller: &Caller, channel: &store::Channel) -> Result<u64> {
        let position = channel.position;
        let now = self.now();
        let oldest = now.minus_ticks(AGE_S_MAX * TICKS_PER_SECOND);
        let head = self.store.audit_heads().await?.into_iter().find(|head| head.chain == CHAIN);
        let head = head.map_or(0, |head| head.sequence);
        let by_age = match self.store.audit_chain(CHAIN, position, 1).await?.first() {
            // Pruned records are gone too.
            Some(next) if next.sequence > position + 1 => next.sequence - 1,
            Some(next) if next.entry.at < oldest => {
                self.store.audit_from(CHAIN, oldest).await?.map_or(head, |from| from - 1)
            }
            _ => position,
        };
        let cut = by_age.max(head.saturating_sub(BEHIND_MAX)).max(position);
        if cut == position {
            return Ok(position);
        }
        let mut dropped = 0;
        let mut at = position;
        while at < cut {
            let records = self.store.audit_chain(CHAIN, at, 1_000).await?;
            let Some(last) = records.last() else { break };
            at = last.sequence;
            dropped += records.iter().filter(|one| one.sequence <= cut && is_for(channel, one)).count() as u64;
        }
        let id = channel.channel.id;
        if self.store.advance_channel(id, position, cut, ChannelProgress::Dropped(dropped)).await? && dropped > 0 {
            let on = target("channel", &hex(&id), &channel.channel.name);
            let detail = json!({"records": dropped, "upTo": cut, "lastError": channel.last_error});
            let entry = self.entry(caller, own::DROP_NOTICES, category::DIRECTORY, on, detail)?;
            self.store.append_audit(entry).await?;
        }
        Ok(cut)
    }

    async fn hand_over(&self, to: &Destination, notices: &[Notice]) -> std::result::Result<(), NotSent> {
        match self.outlet.get() {
            Some(outlet) => outlet.send(to, notices).await,
            None => Err(NotSent { sent: 0, error: "the server has no network".into() }),
        }
    }

    async fn channel_named(&self, name: &str) -> Result<store::Channel> {
        let wanted = name.to_lowercase();
        let channels = self.store.channels().await?;
        channels.into_iter().find(|one| one.channel.name.to_lowercase() == wanted).ok_or_else(|| {
            Error::not_found("channel_unknown", "there is no such channel; list them: lapwing notify list")
        })
    }

    async fn destination(&self, channel: &store::Channel) -> Result<Destination> {
        let secret = self.kept(&secret_name(&channel.channel.id)).await?;
        Ok(Destination { to: receiver(&channel.channel.settings)?, secret })
    }

    fn notice(&self, record: &Record, to: &Receiver) -> Result<Notice> {
        Ok(Notice { id: hex(&record.id), at: record.at, subject: subject(record), body: body(record, to, self.url())? })
    }
}

/// What a receiver gets of a record, in its own form.
fn body(record: &Record, to: &Receiver, url: &str) -> Result<String> {
    let version = env!("CARGO_PKG_VERSION");
    Ok(match to {
        Receiver::Webhook { .. } => in_ascii_marks(&cloud_event(record, url).to_string()),
        Receiver::Mail { .. } => mail_text(record, url),
        Receiver::Syslog { format, .. } => match format {
            SyslogFormat::Cef => cef(record, version),
            SyslogFormat::Ocsf => ocsf(record, version).to_string(),
            SyslogFormat::Json => in_ascii_marks(
                &serde_json::to_string(&Line::Record(Box::new(record.clone())))
                    .map_err(|error| Error::Internal(error.to_string()))?,
            ),
        },
    })
}

/// JSON of the same value in which what would turn a line around, or part it, is written as an escape: it can stand
/// in strings only, and the receiver reads the very same text (the hash of a record covers it).
fn in_ascii_marks(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            c if c.is_control() || laps::text::misleads(c) => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => text.push(c),
        }
    }
    text
}

/// A CloudEvent 1.0 in its structured form (protocols.md 7).
fn cloud_event(record: &Record, url: &str) -> serde_json::Value {
    let alarm = Alarm::of(&record.activity, &record.detail);
    let kind = match (record.activity.as_str(), record.failure.is_some()) {
        (activity::RECOVER_PASSWORD, false) if record.is_break_glass() => "lapwing.password.breakGlass",
        (activity::RECOVER_PASSWORD, false) => "lapwing.password.read",
        (activity::RECOVER_PASSWORD, true) => "lapwing.password.readRefused",
        _ => alarm.map_or("lapwing.audit", Alarm::event),
    };
    json!({
        "specversion": "1.0",
        "id": hex(&record.id),
        "source": url,
        "type": kind,
        "subject": record.target.id,
        "time": record.at.to_string(),
        "datacontenttype": "application/json",
        "data": {
            "activity": record.activity,
            "outcome": if record.failure.is_some() { "failure" } else { "success" },
            "code": record.failure,
            "actor": {"kind": record.actor.kind, "id": record.actor.id, "name": record.actor.name},
            "target": {"kind": record.target.kind, "id": record.target.id, "name": record.target.name},
            "address": record.client_member("address"),
            "reason": record.detail_member("reason"),
            "ticket": record.detail_member("ticket"),
            "breakGlass": record.is_break_glass(),
            "detail": alarm.and_then(|_| serde_json::from_str::<serde_json::Value>(&record.detail).ok()),
            "record": format!("{}:{}", record.chain, record.sequence),
        },
    })
}

fn only_notify(caller: &Caller) -> Result<()> {
    match &caller.identity {
        Identity::System(Job::Notify) => Ok(()),
        _ => Err(Denied::Kind(Action::SettingsWrite).into()),
    }
}

/// Reads, refused reads, and whatever else gave passwords out; everything where that was asked for. What is done with a channel itself is not told by a
/// channel, or a receiver that fails would make records for ever.
fn is_for(channel: &store::Channel, record: &AuditRecord) -> bool {
    let entry = &record.entry;
    if entry.activity == own::DROP_NOTICES {
        return false;
    }
    channel.channel.everything
        || entry.activity == activity::RECOVER_PASSWORD
        || !record.disclosed.is_empty()
        || Alarm::of(&entry.activity, &entry.detail).is_some()
}

fn secret_name(id: &[u8; 16]) -> String {
    format!("channel/{}", hex(id))
}

fn receiver(settings: &str) -> Result<Receiver> {
    serde_json::from_str(settings).map_err(|error| Error::Internal(format!("settings of a channel: {error}")))
}

fn bad(text: impl Into<String>) -> Error {
    Error::invalid("bad_channel", text)
}

/// What can be checked without asking anybody.
fn check(to: &Receiver) -> Result<()> {
    let plain = |name: &str, text: &str, max: usize| {
        if text.is_empty() || text.len() > max || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(bad(format!("{name} must have 1 to {max} characters without spaces")));
        }
        Ok(())
    };
    let port = |port: u16| if port == 0 { Err(bad("port must be 1 to 65535")) } else { Ok(()) };
    let ca = match to {
        Receiver::Webhook { url, ca, .. } => {
            plain("url", url, 2_000)?;
            let host = url.strip_prefix("https://").map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
            match host {
                Some(host) if !host.is_empty() && !host.contains('@') => {}
                _ => return Err(bad("url must begin with https:// and a host, without a name or password")),
            }
            ca
        }
        Receiver::Mail { host, port: number, from, to, ca, user, .. } => {
            plain("host", host, 255)?;
            port(*number)?;
            if to.is_empty() || to.len() > MAIL_RECEIVERS_MAX {
                return Err(bad(format!("a mail has 1 to {MAIL_RECEIVERS_MAX} receivers")));
            }
            for address in to.iter().chain([from]) {
                if address.parse::<lettre::Address>().is_err() {
                    let shown: String = address.chars().filter(|c| !c.is_control()).take(80).collect();
                    return Err(bad(format!("'{shown}' is not a mail address")));
                }
            }
            if let Some(user) = user {
                plain("user", user, 255)?;
            }
            ca
        }
        Receiver::Syslog { host, port: number, ca, .. } => {
            plain("host", host, 255)?;
            port(*number)?;
            ca
        }
    };
    match ca {
        Some(ca) if ca.len() > CA_BYTES_MAX || !ca.contains("-----BEGIN CERTIFICATE-----") => {
            Err(bad("ca must be certificates in PEM form, at most 64 kB"))
        }
        _ => Ok(()),
    }
}

/// What the record of a new channel says.
fn summary(to: &Receiver) -> serde_json::Value {
    match to {
        Receiver::Webhook { url, allow_private, .. } => {
            json!({"kind": "webhook", "url": url, "allowPrivate": allow_private})
        }
        Receiver::Mail { host, port, to, .. } => json!({"kind": "mail", "host": host, "port": port, "to": to}),
        Receiver::Syslog { host, port, .. } => json!({"kind": "syslog", "host": host, "port": port}),
    }
}

/// A name in one line of text that people read.
fn named<'a>(name: &'a str, id: &'a str) -> String {
    let text = if name.is_empty() { id } else { name };
    harmless(&text.chars().take(120).collect::<String>())
}

fn subject(record: &Record) -> String {
    let (who, what) = (named(&record.actor.name, &record.actor.id), named(&record.target.name, &record.target.id));
    match (record.activity.as_str(), record.failure.is_some()) {
        (activity::RECOVER_PASSWORD, false) if record.is_break_glass() => {
            format!("BREAK GLASS: {who} read a password of {what} past approval")
        }
        (activity::RECOVER_PASSWORD, false) => format!("{who} read a password of {what}"),
        (activity::RECOVER_PASSWORD, true) => format!("{who} was refused a password of {what}"),
        _ => match Alarm::of(&record.activity, &record.detail) {
            Some(alarm) => alarm.subject(&who, &what, &record.detail),
            None => format!("{who}: {} ({what})", named(&record.activity, "")),
        },
    }
}

fn mail_text(record: &Record, url: &str) -> String {
    let mut text = format!("{}\r\n\r\n", subject(record));
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            let value: String = harmless(&value.chars().take(500).collect::<String>());
            text.push_str(&format!("{name}: {value}\r\n"));
        }
    };
    line("When", &record.at.to_string());
    line("Who", &format!("{} ({} {})", record.actor.name, record.actor.kind, record.actor.id));
    line("From", &record.client_member("address").unwrap_or_default());
    line("What", &format!("{} ({} {})", record.target.name, record.target.kind, record.target.id));
    line("Activity", &record.activity);
    line("Refused", record.failure.as_deref().unwrap_or_default());
    line("Reason", &record.detail_member("reason").unwrap_or_default());
    if Alarm::of(&record.activity, &record.detail).is_some() {
        line("Detail", &record.detail);
    }
    line("Ticket", &record.detail_member("ticket").unwrap_or_default());
    line("Record", &format!("{}:{} of {url}", record.chain, record.sequence));
    text
}

fn wire(channel: &store::Channel, last: u64) -> Result<Channel> {
    Ok(Channel {
        name: channel.channel.name.clone(),
        everything: channel.channel.everything,
        to: receiver(&channel.channel.settings)?,
        created_date_time: channel.created_at,
        waiting: last.saturating_sub(channel.position),
        delivered_date_time: channel.delivered_at,
        dropped: channel.dropped,
        failures: channel.failures,
        retry_date_time: channel.retry_at,
        last_error: channel.last_error.clone(),
        paused: channel.paused,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::admin::MailSecurity;
    use proto::audit::{Actor, Target};

    const BAD: &str = "pc\u{202e}gpj\u{1b}[2J\r\nBcc: eve@example.test\u{2028}|a=b\\\u{9b}m<script>";

    fn record(activity: &str, failure: Option<&str>) -> Record {
        Record {
            chain: 1,
            sequence: 7,
            id: [1; 16],
            at: Timestamp::from_unix_ms(1_790_000_000_000),
            activity: activity.into(),
            category: "Device".into(),
            actor: Actor { kind: "user".into(), id: BAD.into(), name: BAD.into() },
            target: Target { kind: "device".into(), id: BAD.into(), name: BAD.into() },
            failure: failure.map(str::to_owned),
            request_id: BAD.into(),
            client: json!({"address": BAD, "userAgent": BAD}).to_string(),
            detail: json!({"reason": BAD, "ticket": BAD, "event": "forked", "from": BAD}).to_string(),
            disclosed: Vec::new(),
            previous: [0; 32],
            hash: [0; 32],
        }
    }

    fn is_one_line(what: &str, text: &str) {
        let bad = text.chars().find(|c| c.is_control() || laps::text::misleads(*c));
        assert_eq!(bad, None, "{what}: {text:?}");
    }

    #[test]
    fn hostile_names_are_harmless_in_every_notice() {
        let syslog = |format| Receiver::Syslog { host: "h".into(), port: 1, format, ca: None };
        let hook = Receiver::Webhook { url: "https://h.test/".into(), allow_private: false, ca: None };
        let mail = Receiver::Mail {
            host: "h".into(),
            port: 25,
            security: MailSecurity::Starttls,
            from: "a@h.test".into(),
            to: vec!["b@h.test".into()],
            user: None,
            ca: None,
        };
        for (activity, failure) in [
            (activity::RECOVER_PASSWORD, None),
            (activity::RECOVER_PASSWORD, Some(BAD)),
            (own::NOTE_IRREGULARITY, None),
            (own::REQUEST_ACCESS, None),
            (own::HALT_ROLLOUT, None),
            (BAD, None),
        ] {
            let record = record(activity, failure);
            is_one_line("subject", &subject(&record));
            for to in [&hook, &syslog(SyslogFormat::Json), &syslog(SyslogFormat::Cef), &syslog(SyslogFormat::Ocsf)] {
                let text = body(&record, to, "https://h.test").unwrap();
                is_one_line("a body", &text);
                if text.starts_with('{') {
                    serde_json::from_str::<serde_json::Value>(&text).unwrap();
                }
            }
            // The value itself is what the record holds.
            let event: serde_json::Value = serde_json::from_str(&body(&record, &hook, "").unwrap()).unwrap();
            assert_eq!(event["data"]["actor"]["name"], BAD);
            let json = body(&record, &syslog(SyslogFormat::Json), "").unwrap();
            match serde_json::from_str::<Line>(&json).unwrap() {
                Line::Record(told) => assert_eq!(*told, record),
                other => panic!("{other:?}"),
            }
            let text = body(&record, &mail, "https://h.test").unwrap();
            for line in text.split("\r\n") {
                is_one_line("a line of a mail", line);
                assert!(!line.starts_with("Bcc"), "{text}");
            }
        }
    }
}
