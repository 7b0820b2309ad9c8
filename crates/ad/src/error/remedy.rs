//! What to do next, for every error.

use super::Error;

impl Error {
    /// What to do next.
    pub fn remedy(&self) -> String {
        let fixed = match self {
            Self::NoController { domain, .. } => {
                return format!(
                    "check that this machine asks the domain's name servers: _ldap._tcp.dc._msdcs.{domain} must have SRV records"
                );
            }
            Self::NoneUsable { tried, .. } => {
                let first = tried.iter().find(|(_, error)| !matches!(error, Self::ReadOnly { .. }));
                return first.or(tried.first()).map(|(_, error)| error.remedy()).unwrap_or_default();
            }
            Self::KeytabWithoutAccount { wanted, .. } => {
                return format!("join the machine again, or name the account that the keytab has (wanted: {wanted})");
            }
            Self::NoRights { dn, .. } => {
                return format!(
                    "an administrator gives the computers the right: lapwing ad permit self '{}'",
                    parent(dn)
                );
            }
            Self::Environment { variable, expected } => {
                return format!("start the program with {variable}={expected}");
            }
            Self::NameUnresolved { .. } => "check this machine's name service, and the name",
            Self::Unreachable { .. } => {
                "check that the domain controller runs, and that ports 389, 636 and 135 are open to it"
            }
            Self::TimedOut { .. } | Self::BrokeOff { .. } => {
                "it is tried again in the next cycle; look at the domain controller when it stays so"
            }
            Self::ReadOnly { .. } => {
                "make a writable domain controller reachable from this machine: a backup is a write"
            }
            Self::WrongController { .. } => "correct the name, or the DNS record that leads to another machine",
            Self::CaUnusable { .. } => "name a PEM file with the certificates of the domain's CA",
            Self::CaUnknown { .. } => {
                "name the CA of the domain's certificates, and do not go on if it should be known already"
            }
            Self::CertificateName { .. } => "use the name that the certificate has",
            Self::CertificateTime { .. } => "set this machine's clock, or renew the domain controller's certificate",
            Self::Tls { .. } => {
                "check that the domain controller has a certificate for LDAP; a sealed connection needs none"
            }
            Self::NotSealed { .. } => {
                "something answers in the domain controller's place: find out what stands between"
            }
            Self::BindRefused { .. } => "read the domain controller's reason; its event log says more",
            Self::ChannelBinding { .. } => "nothing may take TLS apart between this machine and the domain controller",
            Self::PasswordWrong { .. } => "type the password again",
            Self::KeytabUnreadable { .. } => "join the machine to the domain, or name its keytab; it is read as root",
            Self::KeytabMalformed { .. } => "join the machine again, which writes a new keytab",
            Self::KeytabOutdated { .. } => {
                "the machine's password was changed elsewhere: join the machine again (adcli update, net ads keytab)"
            }
            Self::AccountUnknown { .. } => "the account was deleted or renamed: join the machine again",
            Self::AccountDisabled { .. } => "an administrator enables the account",
            Self::PasswordExpired { .. } => "change the password first",
            Self::NoTickets { .. } => "get tickets with kinit, or name a user",
            Self::ClockSkew => "set this machine's clock; the domain allows 5 minutes",
            Self::KdcUnreachable { .. } => "check that port 88 of a domain controller is open, and krb5.conf",
            Self::ServiceUnknown { .. } => "use the domain controller's full DNS name",
            Self::Kerberos { .. } => "KRB5_TRACE=/dev/stderr shows what Kerberos does",
            Self::QueryRefused { .. } => "read the domain controller's reason",
            Self::ChangeRefused { .. } => "read the domain controller's reason; the current password was not changed",
            Self::NotEncrypted { .. } => "look at the domain's KDS root keys; nothing is stored in clear instead",
            Self::ChangedMeanwhile { .. } => {
                "it is tried again in the next cycle; when it stays so, two agents have this machine's account"
            }
            Self::ChangeTooLarge { .. } => {
                "values in the history are not of LAPS: find out who wrote them, and clear it"
            }
            Self::Unknown { .. } => {
                "nothing: the same domain controller is asked what it has, before anything else is done"
            }
            Self::Referral { .. } => "the object belongs to another domain: name that domain",
            Self::Malformed { .. } => "check that it is a domain controller; report it when it is",
            Self::ValueTooLarge { .. } => "find out who wrote the value, and clear the attribute",
            Self::SchemaMissing { .. } => "a schema administrator extends the schema: lapwing ad schema extend",
            Self::FunctionalLevel { .. } => {
                "raise the domain functional level, or turn ADPasswordEncryptionEnabled off: clear text is never stored instead by itself"
            }
            Self::ComputerUnknown { .. } => "join the machine to the domain",
            Self::PrincipalIsolated { .. } => "write it as DOMAIN\\name, name@domain or a SID",
            Self::PrincipalUnknown { .. } => "correct ADPasswordEncryptionPrincipal, or write it as a SID",
            Self::NoKeyService { .. } => {
                "a Windows domain controller of 2016 or later gives group keys; Samba has no such service"
            }
            Self::KeyRefused { .. } => {
                "the domain needs a KDS root key (Add-KdsRootKey, or samba-tool domain kds root-key create)"
            }
        };
        fixed.to_owned()
    }
}

/// The container of an object: behind the first comma that is not escaped.
fn parent(dn: &str) -> &str {
    let mut escaped = false;
    for (at, character) in dn.char_indices() {
        match character {
            ',' if !escaped => return dn.get(at + 1..).unwrap_or_default(),
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    dn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remedy_for_missing_rights_names_the_container() {
        let error = Error::NoRights { controller: "dc1".into(), dn: "CN=A\\,B,OU=No Rights,DC=laps,DC=test".into() };
        assert_eq!(error.event(), 10065);
        assert!(
            error.remedy().ends_with("lapwing ad permit self 'OU=No Rights,DC=laps,DC=test'"),
            "{}",
            error.remedy()
        );
    }
}
