//! Finding what an administrator names: computers, organizational units, principals.

use super::AdminError;
use crate::{Connection, Entry, Error, ldap::Query};
use dpapi::Sid;
use ldap3::{Scope, ldap_escape};
use std::collections::BTreeSet;

/// An object that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its distinguished name.
    pub dn: String,
    /// Its name.
    pub name: String,
}

impl From<&Entry> for Object {
    fn from(entry: &Entry) -> Self {
        Self { dn: entry.dn.clone(), name: entry.text("name").unwrap_or_default().to_owned() }
    }
}

/// Names that every domain has and no search finds (MS-DTYP 2.4.2.4).
const WELL_KNOWN: [(&str, &str); 11] = [
    ("S-1-1-0", "Everyone"),
    ("S-1-3-0", "CREATOR OWNER"),
    ("S-1-3-1", "CREATOR GROUP"),
    ("S-1-3-4", "OWNER RIGHTS"),
    ("S-1-5-7", "NT AUTHORITY\\ANONYMOUS LOGON"),
    ("S-1-5-9", "NT AUTHORITY\\ENTERPRISE DOMAIN CONTROLLERS"),
    ("S-1-5-10", "NT AUTHORITY\\SELF"),
    ("S-1-5-11", "NT AUTHORITY\\Authenticated Users"),
    ("S-1-5-18", "NT AUTHORITY\\SYSTEM"),
    ("S-1-5-19", "NT AUTHORITY\\LOCAL SERVICE"),
    ("S-1-5-20", "NT AUTHORITY\\NETWORK SERVICE"),
];

/// Attribute and value by which a computer is found, from what a person wrote (laps-behaviour.md 9).
fn computer_filter(identity: &str) -> String {
    let attribute = match identity {
        dn if dn.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("CN=")) => "distinguishedName",
        account if account.ends_with('$') => "sAMAccountName",
        dns if dns.contains('.') => "dNSHostName",
        _ => "name",
    };
    format!("(&(objectClass=computer)({attribute}={}))", ldap_escape(identity))
}

/// A distinguished name, or a name.
fn unit_filter(unit: &str) -> String {
    let attribute = if unit.contains('=') { "distinguishedName" } else { "name" };
    let classes = "(|(objectClass=organizationalUnit)(objectClass=container)(objectClass=domainDNS))";
    format!("(&{classes}({attribute}={}))", ldap_escape(unit))
}

fn only(found: Vec<Entry>, kind: &'static str, name: &str) -> Result<Entry, AdminError> {
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(AdminError::NotFound { kind, name: name.to_owned() }),
        (Some(one), Some(other)) => {
            let found = [one, other].into_iter().chain(found).map(|entry| entry.dn).collect();
            Err(AdminError::Ambiguous { name: name.to_owned(), found })
        }
    }
}

impl Connection {
    /// The computer that a person names, with some of its attributes.
    ///
    /// # Errors
    /// [`AdminError::NotFound`], [`AdminError::Ambiguous`].
    pub(super) async fn computer_named(&self, identity: &str, attributes: &[&str]) -> Result<Entry, AdminError> {
        let found = self.below("looking for the computer", None, &computer_filter(identity), attributes).await?;
        only(found, "computer", identity)
    }

    /// The organizational unit, container or domain that a person names.
    ///
    /// # Errors
    /// [`AdminError::NotFound`], [`AdminError::Ambiguous`].
    pub async fn unit(&self, unit: &str) -> Result<Object, AdminError> {
        let found = self.below("looking for the organizational unit", None, &unit_filter(unit), &["name"]).await?;
        only(found, "organizational unit", unit).map(|entry| Object::from(&entry))
    }

    /// The computers below a container.
    ///
    /// # Errors
    /// Those of the connection.
    pub async fn computers_below(&self, dn: &str) -> Result<Vec<Object>, Error> {
        let found = self.below("looking for computers", Some(dn), "(objectClass=computer)", &["name"]).await?;
        Ok(found.iter().map(Object::from).collect())
    }

    /// The name of a SID as Windows shows it; the SID itself when the domain does not know it.
    ///
    /// # Errors
    /// Those of the connection.
    pub async fn name_of(&self, sid: &Sid) -> Result<String, Error> {
        let text = sid.to_string();
        if let Some((_, name)) = WELL_KNOWN.iter().find(|(known, _)| *known == text) {
            return Ok((*name).to_owned());
        }
        let filter = format!("(objectSid={text})");
        let found = self.below("looking for a name", None, &filter, &["sAMAccountName"]).await?;
        let Some(name) = found.first().and_then(|entry| entry.text("sAMAccountName")) else { return Ok(text) };
        let domain = if text.starts_with("S-1-5-32-") { "BUILTIN" } else { &self.domain().netbios_name };
        Ok(format!("{domain}\\{name}"))
    }

    /// The SIDs of an account and of all groups that it is in, nested ones included, with those that everybody who
    /// signs in has.
    ///
    /// # Errors
    /// [`AdminError::NotFound`].
    pub async fn token_of(&self, sid: &Sid) -> Result<BTreeSet<Sid>, AdminError> {
        let found = self.below("looking for the principal", None, &format!("(objectSid={sid})"), &["name"]).await?;
        let entry = only(found, "principal", &sid.to_string())?;
        // Computed for the object of a base search only (MS-ADTS 3.1.1.4.5.19).
        let entry = self.session.read("reading the groups of the principal", &entry.dn, &["tokenGroups"]).await?;
        let groups =
            entry.iter().flat_map(|entry| entry.all("tokenGroups")).filter_map(|one| Sid::from_bytes(one).ok());
        let of_all = ["S-1-1-0", "S-1-5-11"].iter().filter_map(|sid| sid.parse().ok());
        Ok(groups.chain(of_all).chain([sid.clone()]).collect())
    }

    /// The SIDs of the caller; empty when the domain controller does not tell.
    ///
    /// # Errors
    /// Those of the connection.
    pub(super) async fn own_token(&self) -> Result<BTreeSet<Sid>, Error> {
        let root = self.session.read("reading who this account is", "", &["tokenGroups"]).await?;
        let sids = root.iter().flat_map(|root| root.all("tokenGroups"));
        Ok(sids.filter_map(|sid| Sid::from_bytes(sid).ok()).collect())
    }

    /// The objects below `base`, or in the domain.
    pub(super) async fn below(
        &self,
        doing: &'static str,
        base: Option<&str>,
        filter: &str,
        attributes: &[&str],
    ) -> Result<Vec<Entry>, Error> {
        let base = base.unwrap_or(&self.domain().naming_context);
        let query = Query { doing, base, scope: Scope::Subtree, filter, attributes, descriptor_parts: None };
        self.session.search(query).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// laps-behaviour.md 9.
    #[test]
    fn computers_are_found_as_the_cmdlet_finds_them() {
        for (identity, found) in [
            ("CN=WS01,OU=X,DC=a", "(distinguishedName=CN=WS01,OU=X,DC=a)"),
            ("cn=WS01,DC=a", "(distinguishedName=cn=WS01,DC=a)"),
            ("WS01$", "(sAMAccountName=WS01$)"),
            ("ws01.a.test", "(dNSHostName=ws01.a.test)"),
            ("ws01", "(name=ws01)"),
            ("a*)(objectClass=*", "(name=a\\2a\\29\\28objectClass=\\2a)"),
        ] {
            assert_eq!(computer_filter(identity), format!("(&(objectClass=computer){found})"));
        }
        assert!(unit_filter("OU=A,DC=b").ends_with("(distinguishedName=OU=A,DC=b))"));
        assert!(unit_filter("Workstations").ends_with("(name=Workstations))"));
    }
}
