//! A connection to a domain: to the one domain controller that is used, and what it says of itself.

use crate::{
    Error,
    discovery::{Candidate, Names},
    kerberos::Login,
    ldap::{Entry, Query, Session},
    ping,
    settings::{Credential, Security, Settings},
};
use dpapi::Sid;
use laps::{active_directory::ENCRYPTION_LEVEL_MIN, time::Timestamp};
use ldap3::Scope;
use std::net::{IpAddr, SocketAddr};

/// LDAP_CAP_ACTIVE_DIRECTORY_PARTIAL_SECRETS_OID: the domain controller is a read-only one (MS-ADTS 3.1.1.3.4.3.6).
const CAPABILITY_READ_ONLY: &str = "1.2.840.113556.1.4.1920";
/// The class of the settings object of a read-only domain controller (MS-ADSC 2.225).
const CLASS_READ_ONLY: &[u8] = b"nTDSDSARO";

/// The domain controller in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Controller {
    /// Its DNS name, in lower case.
    pub host: String,
    /// The site that it stands in.
    pub site: Option<String>,
    /// Its address.
    pub address: IpAddr,
}

/// The domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain {
    /// Its DNS name.
    pub dns_name: String,
    /// Its NetBIOS name.
    pub netbios_name: String,
    /// The DNS name of its forest.
    pub forest: String,
    /// Its SID.
    pub sid: Sid,
    /// Its functional level, msDS-Behavior-Version; 7 is Windows Server 2016.
    pub functional_level: u32,
    /// The naming context of the domain.
    pub naming_context: String,
    /// The naming context of the configuration.
    pub configuration: String,
    /// The naming context of the schema.
    pub schema: String,
}

impl Domain {
    /// Domain Admins: who may decrypt when policy names nobody (laps-behaviour.md 7.12, 4.3).
    pub fn admins(&self) -> Result<Sid, Error> {
        format!("{}-512", self.sid).parse().map_err(|_| Error::Malformed {
            controller: self.dns_name.clone(),
            doing: "reading the domain",
            detail: "a SID with room for an account".to_owned(),
        })
    }
}

/// An open connection to a domain.
pub struct Connection {
    pub(crate) settings: Settings,
    pub(crate) session: Session,
    /// None when a simple bind was all that was possible, and Kerberos is not needed yet.
    pub(crate) login: Option<Login>,
    pub(crate) controller: Controller,
    pub(crate) domain: Domain,
    /// The other domain controllers, to be asked for group keys when this one has none.
    pub(crate) others: Vec<Candidate>,
    pub(crate) schema: Option<crate::computer::Schema>,
}

impl Connection {
    /// Connects to a writable domain controller: the one of the settings, else the preferred one (the one that took
    /// the last modify, rotation.md 9), those of the site, any. `prefer` is a DNS name.
    ///
    /// # Errors
    /// [`Error`]; [`Error::NoneUsable`] when several were tried and none could be used.
    pub async fn open(settings: &Settings, prefer: Option<&str>) -> Result<Self, Error> {
        let names = Names::new(settings.dns, settings.timeout)?;
        // A simple bind inside TLS needs no Kerberos.
        let login = match (&settings.credential, &settings.security) {
            (Credential::Password { .. }, Security::Ldaps { .. } | Security::StartTls { .. }) => None,
            _ => Some(Login::new(settings).await?),
        };
        if let Some(server) = &settings.server {
            let candidate = Candidate { host: server.host.to_ascii_lowercase(), address: server.address };
            return Self::to(settings, &names, &login, &candidate).await;
        }
        let mut candidates = names.candidates(settings, settings.site.as_deref(), prefer).await?;
        if settings.site.is_none()
            && let Some(site) = ping::site(&names, &candidates, &settings.domain).await
        {
            candidates = names.candidates(settings, Some(&site), prefer).await?;
        }
        let mut tried = Vec::new();
        while !candidates.is_empty() {
            let candidate = candidates.remove(0);
            match Self::to(settings, &names, &login, &candidate).await {
                Ok(connection) => {
                    candidates.extend(tried.into_iter().map(|(host, _)| Candidate { host, address: None }));
                    return Ok(Self { others: candidates, ..connection });
                }
                Err(error) if error.is_everywhere() => return Err(error),
                Err(error) => tried.push((candidate.host, error)),
            }
        }
        Err(Error::NoneUsable { domain: settings.domain.clone(), tried })
    }

    async fn to(
        settings: &Settings,
        names: &Names,
        login: &Option<Login>,
        candidate: &Candidate,
    ) -> Result<Self, Error> {
        let port = if matches!(settings.security, Security::Ldaps { .. }) { 636 } else { 389 };
        let addresses = match candidate.address {
            Some(address) => vec![address],
            None => names.addresses(&candidate.host).await?.into_iter().map(|ip| SocketAddr::new(ip, port)).collect(),
        };
        let mut last = Error::NameUnresolved { host: candidate.host.clone(), detail: "no address".to_owned() };
        for address in addresses {
            let session = Session::open(
                &candidate.host,
                address,
                &settings.security,
                &settings.credential,
                login.as_ref(),
                settings.timeout,
            );
            match session.await {
                Ok(session) => return Self::with(settings, session, login.clone(), address.ip()).await,
                // Another address of the same name may answer.
                Err(error @ (Error::Unreachable { .. } | Error::TimedOut { .. })) => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    /// Asks who answered: its names, its domain, and whether it can be written to.
    async fn with(settings: &Settings, session: Session, login: Option<Login>, address: IpAddr) -> Result<Self, Error> {
        const DOING: &str = "reading what the domain controller is";
        let attributes = [
            "dnsHostName",
            "dsServiceName",
            "defaultNamingContext",
            "configurationNamingContext",
            "schemaNamingContext",
            "rootDomainNamingContext",
            "supportedCapabilities",
        ];
        let root = session.read(DOING, "", &attributes).await?;
        let root = root.ok_or_else(|| missing(&session, "rootDSE"))?;
        let text = |name: &'static str| root.text(name).map(str::to_owned).ok_or_else(|| missing(&session, name));
        let host = text("dnsHostName")?.to_ascii_lowercase();
        let naming_context = text("defaultNamingContext")?;
        let dns_name = dns_name(&naming_context);
        let asked = session.controller();
        let is_itself = host == asked || asked.eq_ignore_ascii_case(&settings.domain);
        if !is_itself || !dns_name.eq_ignore_ascii_case(&settings.domain) {
            let answered = if is_itself { dns_name } else { host };
            return Err(Error::WrongController { controller: asked.to_owned(), answered });
        }
        let service = text("dsServiceName")?;
        let own = session.read(DOING, &service, &["objectClass"]).await?.unwrap_or_default();
        let is_read_only = root.all("supportedCapabilities").iter().any(|oid| oid == CAPABILITY_READ_ONLY.as_bytes())
            || own.all("objectClass").iter().any(|class| class.eq_ignore_ascii_case(CLASS_READ_ONLY));
        if is_read_only {
            return Err(Error::ReadOnly { controller: host });
        }
        let (configuration, schema) = (text("configurationNamingContext")?, text("schemaNamingContext")?);
        let forest = self::dns_name(&text("rootDomainNamingContext")?);
        let head = session.read(DOING, &naming_context, &["objectSid", "msDS-Behavior-Version"]).await?;
        let head = head.ok_or_else(|| missing(&session, "the domain"))?;
        let sid = head.bytes("objectSid").and_then(|bytes| Sid::from_bytes(bytes).ok());
        let domain = Domain {
            netbios_name: netbios_name(&session, &configuration, &naming_context).await?,
            forest,
            sid: sid.ok_or_else(|| missing(&session, "objectSid of the domain"))?,
            // Absent means 0, Windows 2000 (MS-ADTS 6.1.4.3).
            functional_level: head.number("msDS-Behavior-Version").unwrap_or_default(),
            dns_name,
            naming_context,
            configuration,
            schema,
        };
        let controller = Controller { site: site(&service), host, address };
        Ok(Self { settings: settings.clone(), session, login, controller, domain, others: Vec::new(), schema: None })
    }

    /// The domain controller in use.
    pub fn controller(&self) -> &Controller {
        &self.controller
    }

    /// The domain.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// Whether passwords can be encrypted here, which needs [`ENCRYPTION_LEVEL_MIN`]. Below it nothing is stored, and never
    /// in clear instead (event 10006; laps-behaviour.md 4.3).
    ///
    /// # Errors
    /// [`Error::FunctionalLevel`].
    pub fn can_encrypt(&self) -> Result<(), Error> {
        let level = self.domain.functional_level;
        if level < ENCRYPTION_LEVEL_MIN { Err(Error::FunctionalLevel { level }) } else { Ok(()) }
    }

    /// The domain controller's time, whole seconds (rootDSE, currentTime).
    ///
    /// # Errors
    /// [`Error`].
    pub async fn server_time(&self) -> Result<Timestamp, Error> {
        let root = self.session.read("asking for the time", "", &["currentTime"]).await?;
        let time = root.as_ref().and_then(|root| root.text("currentTime")).and_then(generalized_time);
        time.ok_or_else(|| missing(&self.session, "currentTime"))
    }
}

async fn netbios_name(session: &Session, configuration: &str, naming_context: &str) -> Result<String, Error> {
    let query = Query {
        doing: "reading the names of the domain",
        base: &format!("CN=Partitions,{configuration}"),
        scope: Scope::OneLevel,
        filter: &format!("(&(objectClass=crossRef)(nCName={}))", ldap3::ldap_escape(naming_context)),
        attributes: &["nETBIOSName"],
        descriptor_parts: None,
    };
    let found = session.search(query).await?;
    let name = found.first().and_then(|entry: &Entry| entry.text("nETBIOSName"));
    name.map(str::to_owned).ok_or_else(|| missing(session, "nETBIOSName"))
}

fn missing(session: &Session, what: &str) -> Error {
    Error::Malformed {
        controller: session.controller().to_owned(),
        doing: "reading what the domain controller is",
        detail: format!("{what} is missing"),
    }
}

/// `DC=laps,DC=test` as `laps.test`.
fn dns_name(naming_context: &str) -> String {
    let parts = naming_context.split(',').filter_map(|part| {
        let (kind, value) = part.split_once('=')?;
        kind.trim().eq_ignore_ascii_case("DC").then(|| value.trim())
    });
    parts.collect::<Vec<_>>().join(".").to_ascii_lowercase()
}

/// `20261122070952.0Z`, GeneralizedTime in UTC (RFC 4517 3.3.13).
fn generalized_time(text: &str) -> Option<Timestamp> {
    let digits = text.get(..14).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    let (date, time) =
        (format!("{}-{}-{}", part(0, 4), part(4, 6), part(6, 8)), (part(8, 10), part(10, 12), part(12, 14)));
    text.ends_with('Z').then_some(())?;
    Timestamp::parse_rfc3339(&format!("{date}T{}:{}:{}Z", time.0, time.1, time.2))
}

/// The site in `CN=NTDS Settings,CN=DC1,CN=Servers,CN=SITE,CN=Sites,…`.
fn site(service: &str) -> Option<String> {
    let parts: Vec<&str> = service.split(',').collect();
    let at = parts.iter().position(|part| part.eq_ignore_ascii_case("CN=Sites"))?;
    parts.get(at.checked_sub(1)?)?.strip_prefix("CN=").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_out_of_naming_contexts() {
        assert_eq!(dns_name("DC=Laps,DC=test"), "laps.test");
        assert_eq!(dns_name("CN=x,DC=a"), "a");
        assert_eq!(
            site("CN=NTDS Settings,CN=DC1,CN=Servers,CN=Default-First-Site-Name,CN=Sites,CN=Configuration,DC=laps"),
            Some("Default-First-Site-Name".to_owned())
        );
        assert_eq!(generalized_time("20261122070952.0Z"), Timestamp::parse_rfc3339("2026-11-22T07:09:52Z"));
        assert_eq!(generalized_time("20261122070952"), None);
        assert_eq!(generalized_time("2026112207095ü.0Z"), None);
        assert_eq!(site("CN=Sites"), None);
        assert_eq!(site(""), None);
    }
}
