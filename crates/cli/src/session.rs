//! Who is signed in on this machine: a file of mode 0600, and the client made of it.

use crate::{arguments::Globals, command::login, failure::Failure, output, terminal};
use client::{CaFingerprint, Client, Settings, SignedIn, Trust};
use laps::time::Timestamp;
use proto::oauth::{Secret, TokenAnswer};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// The id under which people sign in with this program.
pub(crate) const CLIENT_ID: &str = "lapwing-cli";
/// A token is renewed when it has less than this left.
const RENEW_BEFORE_S: u64 = 60;

/// How somebody signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// A person.
    Person,
    /// A program, by client id and secret.
    ServicePrincipal,
}

/// A sign-in. Holds tokens, never a password or a client secret.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Session {
    /// The server.
    pub(crate) server: String,
    /// Its pinned CA certificates: DER, base64.
    pub(crate) ca: Vec<String>,
    /// How.
    pub(crate) kind: Kind,
    /// The client id.
    pub(crate) client_id: String,
    /// The access token.
    pub(crate) access_token: Secret,
    /// For people: gets the next access token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refresh_token: Option<Secret>,
    /// When the access token ends.
    #[serde(with = "proto::serde_text::time")]
    pub(crate) ends_at: Timestamp,
}

impl Session {
    /// After a token answer.
    pub(crate) fn begin(client: &Client, kind: Kind, client_id: &str, answer: TokenAnswer) -> Self {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        Self {
            server: client.server(),
            ca: client.ca_certificate().iter().map(|der| STANDARD.encode(der)).collect(),
            kind,
            client_id: client_id.to_owned(),
            access_token: answer.access_token,
            refresh_token: answer.refresh_token,
            ends_at: now().plus_seconds(answer.expires_in),
        }
    }

    /// The one of the file; `None` when nobody is signed in.
    pub(crate) fn load() -> Result<Option<Self>, Failure> {
        let path = path()?;
        let text = match fs::read(&path) {
            Ok(text) => zeroize::Zeroizing::new(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unusable(&path, &error)),
        };
        match serde_json::from_slice(&text) {
            Ok(session) => Ok(Some(session)),
            Err(_) => {
                output::message(&format!("{}: not a session of this version; it is ignored", path.display()));
                Ok(None)
            }
        }
    }

    /// Writes the file, readable by its owner only, whole or not at all.
    pub(crate) fn save(&self) -> Result<(), Failure> {
        let path = path()?;
        let directory = path.parent().unwrap_or(Path::new("."));
        let write = || -> std::io::Result<()> {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
            let beside = directory.join(format!("session.json.{}", std::process::id()));
            let mut text = zeroize::Zeroizing::new(Vec::with_capacity(16 * 1024));
            serde_json::to_writer_pretty(&mut *text, self)?;
            let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&beside, &path)
        };
        write().map_err(|error| unusable(&path, &error))
    }

    /// Removes the file; whether there was one.
    pub(crate) fn forget() -> Result<bool, Failure> {
        let path = path()?;
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(unusable(&path, &error)),
        }
    }

    fn trust(&self) -> Trust {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        Trust::Pinned(self.ca.iter().filter_map(|text| STANDARD.decode(text).ok()).collect())
    }

    fn is_of(&self, globals: &Globals) -> bool {
        let plain = |text: &str| text.trim_end_matches('/').trim_start_matches("https://").to_ascii_lowercase();
        globals.server.as_ref().is_none_or(|server| plain(server) == plain(&self.server))
    }
}

/// The client for commands that need somebody to be signed in; a token that is about to end is renewed.
pub(crate) async fn signed_in(globals: &Globals) -> Result<SignedIn, Failure> {
    let session = Session::load()?.filter(|session| session.is_of(globals));
    let Some(mut session) = session else {
        return Err(Failure::refused("not_signed_in", "nobody is signed in").next(match &globals.server {
            Some(server) => format!("lapwing login --server {server}"),
            None => "lapwing login --server https://NAME:PORT".to_owned(),
        }));
    };
    let trust = match &globals.ca {
        Some(ca) => trust_of(ca)?,
        None => session.trust(),
    };
    let client = Client::new(&settings(&session.server, trust))?;
    if session.ends_at < now().plus_seconds(RENEW_BEFORE_S) {
        let ended = || {
            Failure::refused("sign_in_ended", "the sign-in has ended").next(match session.kind {
                Kind::Person => "lapwing login".to_owned(),
                Kind::ServicePrincipal => {
                    format!("lapwing login --client-id {} --secret-file FILE", session.client_id)
                }
            })
        };
        let Some(refresh_token) = &session.refresh_token else { return Err(ended()) };
        let answer = match client.refresh(&session.client_id, refresh_token).await {
            Ok(answer) => answer,
            Err(error) if error.is_final() => return Err(ended()),
            Err(error) => return Err(error.into()),
        };
        session.access_token = answer.access_token;
        session.ends_at = now().plus_seconds(answer.expires_in);
        session.refresh_token = answer.refresh_token.or(session.refresh_token);
        session.save()?;
    }
    Ok(client.signed_in(&session.access_token)?)
}

/// The same; when nobody is signed in and a person can be asked, signs in first.
pub(crate) async fn signed_in_or_ask(globals: &Globals) -> Result<SignedIn, Failure> {
    match signed_in(globals).await {
        Err(failure) if matches!(failure.code(), "not_signed_in" | "sign_in_ended") && terminal::is_there() => {
            output::message("sign in first");
            login::here(globals).await?;
            signed_in(globals).await
        }
        outcome => outcome,
    }
}

/// The client for a sign-in: server and CA from the options, else from the last sign-in, else asked for.
pub(crate) async fn client_to_sign_in(globals: &Globals) -> Result<Client, Failure> {
    let last = Session::load()?.filter(|session| session.is_of(globals));
    let server = match (&globals.server, &last) {
        (Some(server), _) => server.clone(),
        (None, Some(last)) => last.server.clone(),
        (None, None) if terminal::is_there() => terminal::ask("Server (https://NAME:PORT)")?,
        (None, None) => {
            return Err(Failure::wrong_use("server_missing", "which server is not known")
                .next("add --server https://NAME:PORT --ca FILE"));
        }
    };
    let trust = match (&globals.ca, &last) {
        (Some(ca), _) => trust_of(ca)?,
        (None, Some(last)) => last.trust(),
        (None, None) => ask_trust(&server).await?,
    };
    Ok(Client::new(&settings(&server, trust))?)
}

fn settings(server: &str, trust: Trust) -> Settings {
    let mut settings = Settings::new(server, trust);
    settings.user_agent = concat!("lapwing/", env!("CARGO_PKG_VERSION")).to_owned();
    settings
}

/// `--ca`: a fingerprint, or a file of certificates.
fn trust_of(ca: &str) -> Result<Trust, Failure> {
    if let Ok(fingerprint) = ca.parse() {
        return Ok(Trust::Fingerprint(fingerprint));
    }
    let file = fs::read(ca).map_err(|error| {
        Failure::wrong_use("ca_certificate_unread", format!("--ca {ca}: {error}"))
            .next("give the ca.pem that lapwingd made, or its fingerprint as sha256:HEX")
    })?;
    let certificates = client::certificates(&file);
    if certificates.is_empty() {
        return Err(Failure::wrong_use("ca_certificate_unusable", format!("--ca {ca}: the file holds no certificate"))
            .next("give the ca.pem that lapwingd made, or its fingerprint as sha256:HEX"));
    }
    Ok(Trust::Pinned(certificates))
}

async fn ask_trust(server: &str) -> Result<Trust, Failure> {
    if !terminal::is_there() {
        return Err(Failure::wrong_use("ca_missing", format!("how to know {server} is not known"))
            .next("add --ca FILE with the ca.pem that lapwingd made, or --ca sha256:HEX"));
    }
    let shown = client::shown_ca_certificate(server).await?;
    let fingerprint = CaFingerprint::of(&shown);
    output::message(&format!("{server} shows the CA with this SHA-256 fingerprint:\n  {fingerprint}"));
    if terminal::confirm("Is it the one that lapwingd printed?")? {
        Ok(Trust::Pinned(vec![shown]))
    } else {
        Err(Failure::refused("server_ca_unknown", "the server is not trusted; nothing was sent")
            .next("compare with `lapwingd init`, or give --ca FILE"))
    }
}

/// `$XDG_CONFIG_HOME/lapwing/session.json`, else `~/.config/lapwing/session.json`.
fn path() -> Result<PathBuf, Failure> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path: &PathBuf| path.is_absolute());
    absolute("XDG_CONFIG_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".config")))
        .map(|directory| directory.join("lapwing/session.json"))
        .ok_or_else(|| {
            Failure::failed("no_home", "there is no place for the session: neither HOME nor XDG_CONFIG_HOME is set")
                .next("set HOME or XDG_CONFIG_HOME to an absolute path")
        })
}

fn unusable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed("session_file", format!("{}: {error}", path.display()))
        .next("correct the permissions of the file and its directory, or remove the file")
}

#[allow(clippy::disallowed_methods, reason = "the shell is where the clock is read")]
pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
