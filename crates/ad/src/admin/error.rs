//! What can go wrong with an administrator's work, beside the directory itself.

use super::{descriptor::ListTooLong, grant::NotInSchema, schema::Foreign};
use dpapi::FormatError;

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// The directory.
    #[error(transparent)]
    Directory(#[from] crate::Error),
    /// There is no such object, or the caller may not see it.
    #[error("the domain has no {kind} {name}, or this account may not see it")]
    NotFound {
        /// `computer` or `organizational unit`.
        kind: &'static str,
        /// As it was given.
        name: String,
    },
    /// Several objects have the name.
    #[error("{name} is the name of several: {}", .found.join("; "))]
    Ambiguous {
        /// As it was given.
        name: String,
        /// Their distinguished names.
        found: Vec<String>,
    },
    /// The caller may not read the access control list.
    #[error("this account may not read the {list} of {dn}")]
    ListHidden {
        /// The object.
        dn: String,
        /// `permissions` or `audit entries`.
        list: &'static str,
    },
    /// The object has no protection at all: entries would take everybody's access away.
    #[error("{dn} has no access control list: everybody may do everything, and an entry would end that for all")]
    Unprotected {
        /// The object.
        dn: String,
    },
    /// What the directory has is no security descriptor.
    #[error("the security descriptor of {dn} cannot be read: {error}")]
    Descriptor {
        /// The object.
        dn: String,
        /// Why.
        error: FormatError,
    },
    /// The list would be too long.
    #[error(transparent)]
    ListTooLong(#[from] ListTooLong),
    /// What was written is not what the directory then has.
    #[error("{dn} was changed, but does not have the entries that were written")]
    NotKept {
        /// The object.
        dn: String,
    },
    /// The schema was not extended.
    #[error(transparent)]
    NotInSchema(#[from] NotInSchema),
    /// The schema has something else under LAPS' names.
    #[error(transparent)]
    Foreign(#[from] Foreign),
    /// The root key is not there, or the caller may not read it.
    #[error("the root key {id} is not there, or this account may not read it")]
    RootKeyHidden {
        /// Its id.
        id: uuid::Uuid,
    },
    /// The domain controller takes no change of the schema.
    #[error("{controller} takes no change of the schema: {detail}")]
    SchemaRefused {
        /// The domain controller.
        controller: String,
        /// What it said.
        detail: String,
    },
}

impl AdminError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Directory(error) => error.code(),
            Self::NotFound { .. } => "ad_object_not_found",
            Self::Ambiguous { .. } => "ad_name_ambiguous",
            Self::ListHidden { .. } => "ad_list_hidden",
            Self::Unprotected { .. } => "ad_object_unprotected",
            Self::Descriptor { .. } => "ad_descriptor_malformed",
            Self::ListTooLong(_) => "ad_list_too_long",
            Self::NotKept { .. } => "ad_change_not_kept",
            Self::NotInSchema(_) => "ad_schema_missing",
            Self::Foreign(_) => "ad_schema_different",
            Self::RootKeyHidden { .. } => "ad_root_key_hidden",
            Self::SchemaRefused { .. } => "ad_schema_refused",
        }
    }
    /// What to do next; empty when nothing is to be said.
    pub fn remedy(&self) -> String {
        match self {
            Self::Directory(error) => error.remedy(),
            Self::NotFound { kind: "computer", .. } => "computers are found by name, DNS name, account name ending in $, or CN=… as a distinguished name".to_owned(),
            Self::NotFound { .. } => "organizational units are found by name, or by their distinguished name".to_owned(),
            Self::Ambiguous { .. } => "use the distinguished name".to_owned(),
            Self::ListHidden { list: "audit entries", .. } => "reading and writing them takes the right to manage auditing: ask as a domain administrator".to_owned(),
            Self::ListHidden { .. } => "ask as an administrator of that organizational unit".to_owned(),
            Self::Unprotected { .. } => "give it an access control list first".to_owned(),
            Self::Descriptor { .. } => "report it".to_owned(),
            Self::ListTooLong(_) => "give the rights to a group instead of single accounts".to_owned(),
            Self::NotKept { .. } => "look whether somebody else changed it at the same time, and run the command again".to_owned(),
            Self::NotInSchema(_) => "a schema administrator runs: lapwing ad schema extend".to_owned(),
            Self::Foreign(_) => "find out who made it; Lapwing does not change what is there".to_owned(),
            Self::RootKeyHidden { .. } => "ask as a domain administrator; a root key that was deleted is in a backup of a domain controller".to_owned(),
            Self::SchemaRefused { .. } => "ask as a member of Schema Admins; on Samba, set 'dsdb:schema update allowed = yes' in smb.conf of the schema master for the time of the extension".to_owned(),
        }
    }
}
