//! What can go wrong with the directory: a variant a caller can act on, a stable code, the event, a remedy.

mod remedy;

use dpapi::rpc::get_key::GetKeyError;
use std::path::PathBuf;

/// Why something in the directory could not be done. Texts never show a password or the bytes of an answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// DNS knows no domain controller.
    #[error("DNS names no domain controller of {domain} ({detail})")]
    NoController {
        /// The domain.
        domain: String,
        /// What DNS said.
        detail: String,
    },
    /// None of the domain controllers could be used.
    #[error("no writable domain controller of {domain} can be used: {}", of_attempts(tried))]
    NoneUsable {
        /// The domain.
        domain: String,
        /// Each with its reason, in the order in which they were asked.
        tried: Vec<(String, Error)>,
    },
    /// A name has no address.
    #[error("the name {host} has no address ({detail})")]
    NameUnresolved {
        /// The name.
        host: String,
        /// What DNS said.
        detail: String,
    },
    /// Nothing listens there, or the way is blocked.
    #[error("{controller}: no connection ({detail})")]
    Unreachable {
        /// The domain controller.
        controller: String,
        /// What the system said.
        detail: String,
    },
    /// No answer within the time allowed. Not of a modify: that is [`Error::Unknown`].
    #[error("{controller}: no answer in time while {doing}")]
    TimedOut {
        /// Who was asked.
        controller: String,
        /// What for.
        doing: &'static str,
    },
    /// The connection broke in the middle. Not of a modify: that is [`Error::Unknown`].
    #[error("{controller}: the connection broke off while {doing} ({detail})")]
    BrokeOff {
        /// Who was asked.
        controller: String,
        /// What for.
        doing: &'static str,
        /// What the system said.
        detail: String,
    },
    /// It holds a copy of the domain that cannot be written (RODC).
    #[error("{controller} is a read-only domain controller")]
    ReadOnly {
        /// The domain controller.
        controller: String,
    },
    /// Somebody else answered.
    #[error("{controller} answered as {answered}")]
    WrongController {
        /// The name that was asked for.
        controller: String,
        /// The name or the domain that answered.
        answered: String,
    },
    /// The file of certificate authorities cannot be used.
    #[error("the certificate authorities in {path} cannot be used ({detail})", path = path.display())]
    CaUnusable {
        /// The file.
        path: PathBuf,
        /// Why.
        detail: String,
    },
    /// The certificate comes from a CA that is not trusted.
    #[error("{controller}: its certificate is not from a CA that is trusted here")]
    CaUnknown {
        /// The domain controller.
        controller: String,
    },
    /// The certificate is for other names.
    #[error("{controller}: its certificate is for another name")]
    CertificateName {
        /// The domain controller.
        controller: String,
    },
    /// The certificate is past its end, or its time has not come.
    #[error("{controller}: its certificate is not valid at this machine's time")]
    CertificateTime {
        /// The domain controller.
        controller: String,
    },
    /// Another fault of TLS.
    #[error("{controller}: TLS failed ({detail})")]
    Tls {
        /// The domain controller.
        controller: String,
        /// What rustls said.
        detail: String,
    },
    /// The connection is not sealed, although the bind succeeded.
    #[error("{controller} took the bind without sealing the connection; nothing was sent on it")]
    NotSealed {
        /// The domain controller.
        controller: String,
    },
    /// The bind was refused.
    #[error("{controller} refused the bind: {detail}")]
    BindRefused {
        /// The domain controller.
        controller: String,
        /// LDAP's result and its text.
        detail: String,
    },
    /// The bind was refused since it was not bound to the TLS channel.
    #[error("{controller} refused the bind: it wants it bound to the TLS channel, and sees another one")]
    ChannelBinding {
        /// The domain controller.
        controller: String,
    },
    /// A password that is wrong.
    #[error("the password of {principal} is wrong")]
    PasswordWrong {
        /// The account.
        principal: String,
    },
    /// The keytab cannot be read.
    #[error("the keytab {path} cannot be read ({detail})", path = path.display())]
    KeytabUnreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        detail: String,
    },
    /// The file is no keytab.
    #[error("{path} is no keytab: not its format at byte {offset}", path = path.display())]
    KeytabMalformed {
        /// The file.
        path: PathBuf,
        /// Where.
        offset: usize,
    },
    /// The keytab has no key for the account.
    #[error("the keytab {path} has no key for {wanted}; it has keys for {}", list(holds), path = path.display())]
    KeytabWithoutAccount {
        /// The file.
        path: PathBuf,
        /// The account, or what was looked for.
        wanted: String,
        /// The accounts that it has keys for.
        holds: Vec<String>,
    },
    /// The keys of the keytab are not the account's any more.
    #[error("the keys of {principal} in {path} (version {version}) are not those of the domain any more", path = path.display())]
    KeytabOutdated {
        /// The file.
        path: PathBuf,
        /// The account.
        principal: String,
        /// The version of its newest key there.
        version: u32,
    },
    /// The process was not started with what Kerberos wants to find in its environment.
    #[error("the environment variable {variable} is not {expected}")]
    Environment {
        /// The variable.
        variable: &'static str,
        /// What it should be.
        expected: String,
    },
    /// The account does not exist.
    #[error("the domain has no account {principal}")]
    AccountUnknown {
        /// The account.
        principal: String,
    },
    /// The account may not sign in: disabled, locked or expired.
    #[error("the account {principal} is disabled, locked or expired")]
    AccountDisabled {
        /// The account.
        principal: String,
    },
    /// The password has to be changed first.
    #[error("the password of {principal} has expired")]
    PasswordExpired {
        /// The account.
        principal: String,
    },
    /// There are no tickets.
    #[error("there are no Kerberos tickets to use ({detail})")]
    NoTickets {
        /// What Kerberos said.
        detail: String,
    },
    /// The clocks differ by more than the domain allows.
    #[error("this machine's clock and the domain's differ by more than Kerberos allows")]
    ClockSkew,
    /// No Kerberos server answers.
    #[error("no Kerberos server of {realm} answers ({detail})")]
    KdcUnreachable {
        /// The realm.
        realm: String,
        /// What Kerberos said.
        detail: String,
    },
    /// The domain does not know the domain controller by this name.
    #[error("the domain knows no service {service}")]
    ServiceUnknown {
        /// Its principal.
        service: String,
    },
    /// Another fault of Kerberos.
    #[error("Kerberos failed while {doing}: {detail}")]
    Kerberos {
        /// What was tried.
        doing: &'static str,
        /// What Kerberos said.
        detail: String,
    },
    /// A question was refused.
    #[error("{controller} refused {doing}: {detail}")]
    QueryRefused {
        /// The domain controller.
        controller: String,
        /// What was asked.
        doing: &'static str,
        /// LDAP's result and its text.
        detail: String,
    },
    /// A password could not be encrypted.
    #[error("the password could not be encrypted ({detail})")]
    NotEncrypted {
        /// Why.
        detail: String,
    },
    /// The object has another version than the one that was read; nothing was changed.
    #[error("{controller}: {dn} was changed since it was read")]
    ChangedMeanwhile {
        /// The domain controller.
        controller: String,
        /// The object.
        dn: String,
    },
    /// A change was refused; nothing was changed.
    #[error("{controller} refused the change of {dn}: {detail}")]
    ChangeRefused {
        /// The domain controller.
        controller: String,
        /// The object.
        dn: String,
        /// LDAP's result code.
        result: u32,
        /// LDAP's result and its text.
        detail: String,
    },
    /// A change that is larger than what domain controllers take in one message; it was not sent.
    #[error("the change of {dn} has {bytes} bytes; at most {bytes_max} are sent")]
    ChangeTooLarge {
        /// The object.
        dn: String,
        /// Its length.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// A change was refused for want of rights; nothing was changed.
    #[error("{controller} refused the change of {dn}: this account may not write there")]
    NoRights {
        /// The domain controller.
        controller: String,
        /// The object.
        dn: String,
    },
    /// The answer to a change was lost: it may have been made or not. Ask the same domain controller
    /// (rotation.md 9).
    #[error("{controller}: the answer to the change of {dn} was lost ({detail}); it may have been made")]
    Unknown {
        /// The domain controller.
        controller: String,
        /// The object.
        dn: String,
        /// How it was lost.
        detail: String,
    },
    /// The domain controller sent us elsewhere, which is never followed.
    #[error("{controller} refers to another server for {doing}; referrals are not followed")]
    Referral {
        /// The domain controller.
        controller: String,
        /// What was asked.
        doing: &'static str,
    },
    /// An answer that is none.
    #[error("{controller}: the answer while {doing} cannot be understood ({detail})")]
    Malformed {
        /// The domain controller.
        controller: String,
        /// What was asked.
        doing: &'static str,
        /// What was expected.
        detail: String,
    },
    /// A value that is larger than anything LAPS writes.
    #[error("the value of {attribute} has {bytes} bytes; at most {bytes_max} are read")]
    ValueTooLarge {
        /// The attribute.
        attribute: String,
        /// Its length.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The schema lacks the attributes of LAPS.
    #[error("the schema of the forest lacks {attribute}")]
    SchemaMissing {
        /// An attribute that is not there.
        attribute: &'static str,
    },
    /// The domain is too old for encryption.
    #[error("the domain functional level is {level}; encryption needs 7 (Windows Server 2016)")]
    FunctionalLevel {
        /// The level, msDS-Behavior-Version.
        level: u32,
    },
    /// There is no object of the machine.
    #[error("the domain has no computer object {account}")]
    ComputerUnknown {
        /// Its account.
        account: String,
    },
    /// A principal without a domain.
    #[error("{principal}: a name without a domain")]
    PrincipalIsolated {
        /// As it was given.
        principal: String,
    },
    /// A principal that the domain does not know.
    #[error("{principal}: there is no such account or group")]
    PrincipalUnknown {
        /// As it was given.
        principal: String,
    },
    /// The domain controller has no service for group keys.
    #[error("{controller} gives no group keys: {detail}")]
    NoKeyService {
        /// The domain controller.
        controller: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The domain controller answered the question for a group key with no.
    #[error("{controller}: {reason}")]
    KeyRefused {
        /// The domain controller.
        controller: String,
        /// Why.
        reason: GetKeyError,
    },
}

fn of_attempts(tried: &[(String, Error)]) -> String {
    let each: Vec<String> = tried.iter().map(|(_, error)| error.to_string()).collect();
    if each.is_empty() { "there is none".to_owned() } else { each.join("; ") }
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
}

impl Error {
    /// The stable code: for logs, events and decisions.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoController { .. } => "ad_controller_not_found",
            Self::NoneUsable { .. } => "ad_controller_none_usable",
            Self::NameUnresolved { .. } => "ad_name_unresolved",
            Self::Unreachable { .. } => "ad_unreachable",
            Self::TimedOut { .. } => "ad_timed_out",
            Self::BrokeOff { .. } => "ad_connection_broke_off",
            Self::ReadOnly { .. } => "ad_controller_read_only",
            Self::WrongController { .. } => "ad_controller_wrong",
            Self::CaUnusable { .. } => "ad_ca_unusable",
            Self::CaUnknown { .. } => "ad_ca_unknown",
            Self::CertificateName { .. } => "ad_certificate_name_wrong",
            Self::CertificateTime { .. } => "ad_certificate_not_valid_now",
            Self::Tls { .. } => "ad_tls_failed",
            Self::NotSealed { .. } => "ad_not_sealed",
            Self::BindRefused { .. } => "ad_bind_refused",
            Self::ChannelBinding { .. } => "ad_channel_binding_refused",
            Self::PasswordWrong { .. } => "ad_password_wrong",
            Self::KeytabUnreadable { .. } => "ad_keytab_unreadable",
            Self::KeytabMalformed { .. } => "ad_keytab_malformed",
            Self::KeytabWithoutAccount { .. } => "ad_keytab_without_account",
            Self::KeytabOutdated { .. } => "ad_keytab_outdated",
            Self::Environment { .. } => "ad_environment",
            Self::AccountUnknown { .. } => "ad_account_unknown",
            Self::AccountDisabled { .. } => "ad_account_disabled",
            Self::PasswordExpired { .. } => "ad_password_expired",
            Self::NoTickets { .. } => "ad_no_tickets",
            Self::ClockSkew => "ad_clock_skew",
            Self::KdcUnreachable { .. } => "ad_kdc_unreachable",
            Self::ServiceUnknown { .. } => "ad_service_unknown",
            Self::Kerberos { .. } => "ad_kerberos_failed",
            Self::QueryRefused { .. } => "ad_query_refused",
            Self::ChangeRefused { .. } => "ad_change_refused",
            Self::ChangedMeanwhile { .. } => "ad_changed_meanwhile",
            Self::NotEncrypted { .. } => "ad_not_encrypted",
            Self::ChangeTooLarge { .. } => "ad_change_too_large",
            Self::NoRights { .. } => "ad_no_rights",
            Self::Unknown { .. } => "ad_change_unknown",
            Self::Referral { .. } => "ad_referral",
            Self::Malformed { .. } => "ad_answer_malformed",
            Self::ValueTooLarge { .. } => "ad_value_too_large",
            Self::SchemaMissing { .. } => "ad_schema_missing",
            Self::FunctionalLevel { .. } => "ad_functional_level",
            Self::ComputerUnknown { .. } => "ad_computer_unknown",
            Self::PrincipalIsolated { .. } => "ad_principal_isolated",
            Self::PrincipalUnknown { .. } => "ad_principal_unknown",
            Self::NoKeyService { .. } => "ad_no_key_service",
            Self::KeyRefused { .. } => "ad_key_refused",
        }
    }

    /// The event of laps-behaviour.md 10 that says it best.
    pub fn event(&self) -> u32 {
        match self {
            Self::FunctionalLevel { .. } => 10006,
            Self::QueryRefused { .. }
            | Self::ComputerUnknown { .. }
            | Self::Referral { .. }
            | Self::Malformed { .. }
            | Self::ValueTooLarge { .. }
            | Self::TimedOut { .. }
            | Self::BrokeOff { .. } => 10011,
            Self::SchemaMissing { .. } => 10012,
            Self::ChangeRefused { .. }
            | Self::ChangedMeanwhile { .. }
            | Self::NotEncrypted { .. }
            | Self::Unknown { .. }
            | Self::NoKeyService { .. }
            | Self::KeyRefused { .. } => 10017,
            Self::PrincipalIsolated { .. } => 10034,
            Self::PrincipalUnknown { .. } => 10035,
            Self::NoController { .. }
            | Self::NoneUsable { .. }
            | Self::NameUnresolved { .. }
            | Self::KdcUnreachable { .. }
            | Self::Unreachable { .. }
            | Self::ReadOnly { .. } => 10056,
            Self::NoRights { .. } => 10065,
            _ => 10057,
        }
    }

    /// Whether a change may have been made although this came back (rotation.md 9): then, and only then, nothing
    /// may be done before the same domain controller was asked what it has.
    pub const fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown { .. })
    }

    /// Whether another domain controller would say the same: the fault is of the account, the keytab or the machine.
    pub(crate) const fn is_everywhere(&self) -> bool {
        matches!(
            self,
            Self::PasswordWrong { .. }
                | Self::KeytabUnreadable { .. }
                | Self::KeytabMalformed { .. }
                | Self::KeytabWithoutAccount { .. }
                | Self::KeytabOutdated { .. }
                | Self::Environment { .. }
                | Self::AccountUnknown { .. }
                | Self::AccountDisabled { .. }
                | Self::PasswordExpired { .. }
                | Self::NoTickets { .. }
                | Self::CaUnusable { .. }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_lost_answer_is_unknown() {
        let lost = Error::Unknown { controller: "dc1".into(), dn: "CN=A".into(), detail: "x".into() };
        assert!(lost.is_unknown());
        assert!(!Error::TimedOut { controller: "dc1".into(), doing: "x" }.is_unknown());
    }
}
