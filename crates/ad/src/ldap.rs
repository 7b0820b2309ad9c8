//! A protected LDAP connection to one domain controller: opened sealed or inside TLS, or not at all.
//!
//! `ldap3` does the protocol. What is ours: the sealing ([`crate::sealed`]), that no bind ever goes over a clear
//! connection, that every step has a limit and every failure its name, that no referral is followed, and that an
//! answer which `ldap3` cannot take (it panics on some) ends as an error.

use crate::{
    Error,
    kerberos::Login,
    sealed,
    settings::{Credential, Security},
    tls,
};
use ldap3::{
    Ldap, LdapConnAsync, LdapConnSettings, LdapError, LdapResult, Mod, Scope, SearchEntry, StdStream,
    adapters::{Adapter, EntriesOnly, PagedResults},
    controls::RawControl,
};
use std::{
    collections::{BTreeMap, HashSet},
    net::SocketAddr,
    time::Duration,
};
use tokio::net::TcpStream;

/// Results of RFC 4511 A.1.
const RESULT_REFERRAL: u32 = 10;
const RESULT_NO_SUCH_OBJECT: u32 = 32;
const RESULT_INVALID_CREDENTIALS: u32 = 49;
const RESULT_NO_RIGHTS: u32 = 50;
/// SEC_E_BAD_BINDINGS, as Windows and Samba put it into the text of result 49.
const BAD_BINDINGS: &str = "80090346";
/// LDAP_SERVER_SD_FLAGS_OID (MS-ADTS 3.1.1.3.4.1.11).
const SD_FLAGS: &str = "1.2.840.113556.1.4.801";
/// Entries in one page of an answer.
const PAGE_ENTRIES: i32 = 500;
/// The longest value that is taken: some 50 times an encrypted password.
pub(crate) const VALUE_BYTES_MAX: usize = 64 * 1024;
/// The largest modify: Samba takes sealed messages of 64 KiB, and twelve earlier passwords are 16 KiB.
const CHANGE_BYTES_MAX: usize = 60 * 1024;

/// What is searched.
#[derive(Debug, Clone)]
pub(crate) struct Query<'a> {
    /// What for, in the words of errors.
    pub(crate) doing: &'static str,
    /// Where.
    pub(crate) base: &'a str,
    /// How deep.
    pub(crate) scope: Scope,
    /// What.
    pub(crate) filter: &'a str,
    /// Which attributes.
    pub(crate) attributes: &'a [&'a str],
    /// Which parts of security descriptors come with them (MS-ADTS 3.1.1.3.4.1.11); `None`: the usual.
    pub(crate) descriptor_parts: Option<u8>,
}

/// An object with the attributes that were asked for and may be read.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// Its distinguished name.
    pub dn: String,
    /// By their names in lower case.
    attributes: BTreeMap<String, Vec<Vec<u8>>>,
}

impl Entry {
    /// All values of an attribute, in no order.
    pub fn all(&self, attribute: &str) -> &[Vec<u8>] {
        self.attributes.get(&attribute.to_ascii_lowercase()).map_or(&[], Vec::as_slice)
    }
    /// The one value of an attribute.
    pub fn bytes(&self, attribute: &str) -> Option<&[u8]> {
        self.all(attribute).first().map(Vec::as_slice)
    }
    /// The one value of an attribute as text; `None` when it is none.
    pub fn text(&self, attribute: &str) -> Option<&str> {
        self.bytes(attribute).and_then(|bytes| core::str::from_utf8(bytes).ok())
    }
    /// The one value of an attribute as a number; `None` when it is none.
    pub fn number<T: core::str::FromStr>(&self, attribute: &str) -> Option<T> {
        self.text(attribute).and_then(|text| text.parse().ok())
    }
}

impl From<SearchEntry> for Entry {
    fn from(entry: SearchEntry) -> Self {
        let mut attributes: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
        let texts = entry.attrs.into_iter();
        for (name, values) in texts {
            let all = attributes.entry(name.to_ascii_lowercase()).or_default();
            all.extend(values.into_iter().map(String::into_bytes));
        }
        for (name, values) in entry.bin_attrs {
            attributes.entry(name.to_ascii_lowercase()).or_default().extend(values);
        }
        Self { dn: entry.dn, attributes }
    }
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Session {
    ldap: Ldap,
    controller: String,
    limit: Duration,
}

impl Session {
    /// Connects, protects the connection, binds.
    pub(crate) async fn open(
        controller: &str,
        address: SocketAddr,
        security: &Security,
        credential: &Credential,
        login: Option<&Login>,
        limit: Duration,
    ) -> Result<Self, Error> {
        let named = controller.to_owned();
        let unreachable =
            |error: std::io::Error| Error::Unreachable { controller: named.clone(), detail: error.to_string() };
        let stream = tokio::time::timeout(limit, TcpStream::connect(address)).await;
        let stream = stream.map_err(|_| Error::TimedOut { controller: named.clone(), doing: "connecting" })?;
        let stream = stream.map_err(unreachable)?;
        let (settings, url) = match security {
            Security::Sealed => {
                // There is no connection without it, and so no clear bind.
                let login = login.ok_or_else(|| Error::NotSealed { controller: named.clone() })?;
                let sealed = tokio::time::timeout(limit, sealed::open(controller, stream, login)).await;
                let sealed = match sealed {
                    Ok(Ok(stream)) => stream,
                    Ok(Err(sealed::Refused::Failed(error))) => return Err(error),
                    Ok(Err(sealed::Refused::Answered(answer))) => {
                        return Err(refused(controller, answer.result, &answer.text, None));
                    }
                    Err(_) => return Err(Error::TimedOut { controller: named, doing: "binding" }),
                };
                (LdapConnSettings::new().set_std_stream(StdStream::Unix(sealed)), "ldapi://sealed".to_owned())
            }
            Security::Ldaps { ca } | Security::StartTls { ca } => {
                let begins_clear = matches!(security, Security::StartTls { .. });
                let stream = StdStream::Tcp(stream.into_std().map_err(unreachable)?);
                let settings = LdapConnSettings::new().set_config(tls::configuration(ca.as_deref())?);
                let scheme = if begins_clear { "ldap" } else { "ldaps" };
                let url = format!("{scheme}://{controller}:{}", address.port());
                (settings.set_starttls(begins_clear).set_std_stream(stream), url)
            }
        };
        let opened = guarded(controller, "opening the connection", limit, async move {
            LdapConnAsync::with_settings(settings, &url).await
        });
        let (connection, ldap) = opened.await?;
        // It ends with the last handle, or with the connection; what was lost then is told to whoever waits.
        tokio::spawn(async move { connection.drive().await.is_ok() });

        let session = Self { ldap, controller: named, limit };
        if !matches!(security, Security::Sealed) {
            session.bind_in_tls(credential, login).await?;
        }
        Ok(session)
    }

    /// Binds inside TLS: with Kerberos bound to the channel, or with a person's password.
    async fn bind_in_tls(&self, credential: &Credential, login: Option<&Login>) -> Result<(), Error> {
        let mut ldap = self.ldap.clone();
        let (result, user) = match (login, credential) {
            (Some(login), _) => {
                // For its errors: the bind then finds the ticket.
                login.ticket(&format!("ldap/{}", self.controller)).await?;
                let (credential, host) =
                    (login.credential.clone().into(), format!("{}@{}", self.controller, login.realm()));
                let bound = self.guarded("binding", async move { ldap.sasl_gssapi_cred_bind(credential, &host).await });
                (bound.await?, None)
            }
            (None, Credential::Password { user, password }) => {
                let (name, password) = (user.clone(), password.clone());
                let bound = self.guarded("binding", async move { ldap.simple_bind(&name, password.reveal()).await });
                (bound.await?, Some(user.as_str()))
            }
            (None, _) => return Err(Error::NoTickets { detail: "no account to bind with".to_owned() }),
        };
        if result.rc == 0 { Ok(()) } else { Err(refused(&self.controller, result.rc, &result.text, user)) }
    }

    /// The name of the domain controller, as it was asked for.
    pub(crate) fn controller(&self) -> &str {
        &self.controller
    }

    /// Searches. An object that does not exist is no error, but nothing.
    pub(crate) async fn search(&self, query: Query<'_>) -> Result<Vec<Entry>, Error> {
        let mut ldap = self.ldap.clone();
        if let Some(parts) = query.descriptor_parts {
            ldap.with_controls(descriptor_control(parts));
        }
        let (base, filter, scope) = (query.base.to_owned(), query.filter.to_owned(), query.scope);
        let attributes: Vec<String> = query.attributes.iter().map(|name| (*name).to_owned()).collect();
        let found = self.guarded(query.doing, async move {
            let mut adapters: Vec<Box<dyn Adapter<'_, String, Vec<String>>>> = vec![Box::new(EntriesOnly::new())];
            if scope != Scope::Base {
                adapters.push(Box::new(PagedResults::new(PAGE_ENTRIES)));
            }
            let mut stream = ldap.streaming_search_with(adapters, &base, scope, &filter, attributes).await?;
            let mut entries = Vec::new();
            while let Some(entry) = stream.next().await? {
                entries.push(Entry::from(SearchEntry::construct(entry)));
            }
            Ok((entries, stream.finish().await))
        });
        let (entries, result) = found.await?;
        let (controller, doing) = (self.controller.clone(), query.doing);
        match result.rc {
            0 => {}
            RESULT_NO_SUCH_OBJECT => return Ok(Vec::new()),
            RESULT_REFERRAL => return Err(Error::Referral { controller, doing }),
            _ => return Err(Error::QueryRefused { controller, doing, detail: detail(&result) }),
        }
        for (name, value) in
            entries.iter().flat_map(|entry| &entry.attributes).flat_map(|(n, all)| all.iter().map(move |v| (n, v)))
        {
            if value.len() > VALUE_BYTES_MAX {
                let attribute = name.clone();
                return Err(Error::ValueTooLarge { attribute, bytes: value.len(), bytes_max: VALUE_BYTES_MAX });
            }
        }
        Ok(entries)
    }

    /// One object by its name.
    pub(crate) async fn read(
        &self,
        doing: &'static str,
        dn: &str,
        attributes: &[&str],
    ) -> Result<Option<Entry>, Error> {
        let query = Query {
            doing,
            base: dn,
            scope: Scope::Base,
            filter: "(objectClass=*)",
            attributes,
            descriptor_parts: None,
        };
        Ok(self.search(query).await?.into_iter().next())
    }

    /// One modify. Once it was handed over, anything but an answer means that it may have been made.
    pub(crate) async fn modify(
        &self,
        dn: &str,
        changes: Vec<Mod<Vec<u8>>>,
        descriptor_parts: Option<u8>,
    ) -> Result<(), Error> {
        let bytes = changes.iter().map(bytes_of).sum::<usize>();
        if bytes > CHANGE_BYTES_MAX {
            return Err(Error::ChangeTooLarge { dn: dn.to_owned(), bytes, bytes_max: CHANGE_BYTES_MAX });
        }
        let mut ldap = self.ldap.clone();
        if let Some(parts) = descriptor_parts {
            ldap.with_controls(descriptor_control(parts));
        }
        let object = dn.to_owned();
        let changed = self.guarded("changing an object", async move { ldap.modify(&object, changes).await }).await;
        self.changed(dn, changed)
    }

    /// Makes one object, with the same meaning of errors as [`Session::modify`].
    pub(crate) async fn add(&self, dn: &str, attributes: Vec<(Vec<u8>, HashSet<Vec<u8>>)>) -> Result<(), Error> {
        let (mut ldap, object) = (self.ldap.clone(), dn.to_owned());
        let added = self.guarded("adding an object", async move { ldap.add(&object, attributes).await }).await;
        self.changed(dn, added)
    }

    fn changed(&self, dn: &str, result: Result<LdapResult, Error>) -> Result<(), Error> {
        let (controller, dn) = (self.controller.clone(), dn.to_owned());
        match result {
            Ok(result) => match result.rc {
                0 => Ok(()),
                RESULT_NO_RIGHTS => Err(Error::NoRights { controller, dn }),
                RESULT_REFERRAL => Err(Error::Referral { controller, doing: "a change" }),
                rc => Err(Error::ChangeRefused { controller, dn, result: rc, detail: detail(&result) }),
            },
            // The connection had ended before: nothing was handed over.
            Err(error @ Error::Unreachable { .. }) => Err(error),
            Err(error) => Err(Error::Unknown { controller, dn, detail: error.to_string() }),
        }
    }

    async fn guarded<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl Future<Output = Result<T, LdapError>> + Send + 'static,
    ) -> Result<T, Error> {
        guarded(&self.controller, doing, self.limit, work).await
    }
}

/// How much one part of a modify is.
fn bytes_of(change: &Mod<Vec<u8>>) -> usize {
    match change {
        Mod::Add(name, values) | Mod::Delete(name, values) | Mod::Replace(name, values) => {
            name.len().saturating_add(values.iter().map(|value| value.len().saturating_add(8)).sum())
        }
        Mod::Increment(name, value) => name.len().saturating_add(value.len()),
    }
}

/// What a refused bind means; `user`: who gave a password.
fn refused(controller: &str, result: u32, text: &str, user: Option<&str>) -> Error {
    let controller = controller.to_owned();
    match (result, user) {
        (RESULT_INVALID_CREDENTIALS, _) if text.contains(BAD_BINDINGS) => Error::ChannelBinding { controller },
        (RESULT_INVALID_CREDENTIALS, Some(user)) => Error::PasswordWrong { principal: user.to_owned() },
        _ => {
            let result =
                LdapResult { rc: result, matched: String::new(), text: text.to_owned(), refs: vec![], ctrls: vec![] };
            Error::BindRefused { controller, detail: detail(&result) }
        }
    }
}

fn descriptor_control(parts: u8) -> RawControl {
    // SEQUENCE of one INTEGER.
    RawControl { ctype: SD_FLAGS.to_owned(), crit: true, val: Some(vec![0x30, 3, 2, 1, parts & 0x0f]) }
}

/// LDAP's result: its name, and the text without what would break a line.
fn detail(result: &LdapResult) -> String {
    let whole = result.to_string();
    // Of `rc=50 (insufficientAccessRights), dn: "…", text: "…"` the first part, and the text.
    let name = whole.split(", dn:").next().unwrap_or_default();
    let text: String = result.text.chars().filter(|c| !c.is_control()).take(300).collect();
    if text.is_empty() { name.to_owned() } else { format!("{name}: {text}") }
}

/// Runs a step with a limit on a task of its own, so that a panic over an answer that is none becomes an error.
async fn guarded<T: Send + 'static>(
    controller: &str,
    doing: &'static str,
    limit: Duration,
    work: impl Future<Output = Result<T, LdapError>> + Send + 'static,
) -> Result<T, Error> {
    let controller = controller.to_owned();
    let mut task = tokio::spawn(work);
    let Ok(joined) = tokio::time::timeout(limit, &mut task).await else {
        task.abort();
        return Err(Error::TimedOut { controller, doing });
    };
    match joined {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(fault(controller, doing, error)),
        Err(_) => Err(Error::Malformed { controller, doing, detail: "not the message that was expected".to_owned() }),
    }
}

fn fault(controller: String, doing: &'static str, error: LdapError) -> Error {
    match error {
        LdapError::Io { source } => tls::fault(&controller, &source).unwrap_or_else(|| Error::BrokeOff {
            controller,
            doing,
            detail: source.to_string(),
        }),
        LdapError::OpSend { .. } => Error::Unreachable { controller, detail: "the connection has ended".to_owned() },
        LdapError::ResultRecv { .. } | LdapError::EndOfStream => {
            Error::BrokeOff { controller, doing, detail: "the domain controller closed it".to_owned() }
        }
        LdapError::Timeout { .. } => Error::TimedOut { controller, doing },
        LdapError::LdapResult { result } => Error::QueryRefused { controller, doing, detail: detail(&result) },
        LdapError::GssapiOperationError(detail) => Error::Kerberos { doing, detail },
        other => Error::Malformed { controller, doing, detail: other.to_string() },
    }
}
