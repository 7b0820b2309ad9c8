//! Who may decrypt: from what policy names to a SID (laps-behaviour.md 4.3, step 9).

use crate::{Connection, Error, ldap::Query};
use dpapi::Sid;
use laps::policy::{Principal, PrincipalError};
use ldap3::{Scope, ldap_escape};

impl Connection {
    /// The SID of a principal as policy names it.
    ///
    /// # Errors
    /// [`Error::PrincipalUnknown`] (event 10035), and what [`Connection`] says else.
    pub async fn resolve(&mut self, principal: &Principal) -> Result<Sid, Error> {
        match principal {
            // It may be of another domain of the forest: taken as it stands.
            Principal::Sid(text) => text.parse().map_err(|_| Error::PrincipalUnknown { principal: text.clone() }),
            Principal::Qualified { domain, name } => {
                let shown = format!("{domain}\\{name}");
                let unknown = || Error::PrincipalUnknown { principal: shown.clone() };
                if !self.is_own(domain) {
                    return Err(unknown());
                }
                let filter = format!("(sAMAccountName={})", ldap_escape(name));
                self.sid_of(&filter).await?.ok_or_else(unknown)
            }
            Principal::Upn(upn) => {
                let unknown = || Error::PrincipalUnknown { principal: upn.clone() };
                let filter = format!("(userPrincipalName={})", ldap_escape(upn));
                if let Some(sid) = self.sid_of(&filter).await? {
                    return Ok(sid);
                }
                // Groups and many accounts have no such name: the domain's own name stands for it.
                let (name, domain) = upn.rsplit_once('@').ok_or_else(unknown)?;
                if !self.is_own(domain) {
                    return Err(unknown());
                }
                let filter = format!("(sAMAccountName={})", ldap_escape(name));
                self.sid_of(&filter).await?.ok_or_else(unknown)
            }
        }
    }

    /// The SID of a principal as a person writes it.
    ///
    /// # Errors
    /// [`Error::PrincipalIsolated`] (event 10034), [`Error::PrincipalUnknown`] (event 10035), and what
    /// [`Connection`] says else.
    pub async fn resolve_text(&mut self, principal: &str) -> Result<Sid, Error> {
        match Principal::parse(principal) {
            Ok(principal) => self.resolve(&principal).await,
            Err(PrincipalError::Isolated) => Err(Error::PrincipalIsolated { principal: principal.to_owned() }),
            Err(PrincipalError::Quoted | PrincipalError::Malformed) => {
                Err(Error::PrincipalUnknown { principal: principal.to_owned() })
            }
        }
    }

    /// The names under which Windows knows the accounts of this domain.
    fn is_own(&self, domain: &str) -> bool {
        let own = [&self.domain.netbios_name, &self.domain.dns_name];
        own.iter().any(|name| name.eq_ignore_ascii_case(domain)) || domain.eq_ignore_ascii_case("BUILTIN")
    }

    async fn sid_of(&self, filter: &str) -> Result<Option<Sid>, Error> {
        let query = Query {
            doing: "looking up a principal",
            base: &self.domain.naming_context,
            scope: Scope::Subtree,
            filter: &format!("(&(objectSid=*){filter})"),
            attributes: &["objectSid"],
            descriptor_parts: None,
        };
        let found = self.session.search(query).await?;
        Ok(found.first().and_then(|entry| Sid::from_bytes(entry.bytes("objectSid")?).ok()))
    }
}
