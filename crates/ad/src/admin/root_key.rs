//! Root keys in the directory, for those who may read them: domain administrators (laps-behaviour.md 7.9).

use super::AdminError;
use crate::{Connection, Entry, Error};
use dpapi::gkdi::{Agreement, Hash, ParameterError, RootKey};
use uuid::Uuid;
use zeroize::Zeroizing;

const DOING: &str = "reading the root key";
/// What is read of a root key.
pub(crate) const ATTRIBUTES: [&str; 7] = [
    "msKds-KDFAlgorithmID",
    "msKds-KDFParam",
    "msKds-SecretAgreementAlgorithmID",
    "msKds-SecretAgreementParam",
    "msKds-PrivateKeyLength",
    "msKds-PublicKeyLength",
    "msKds-RootKeyData",
];

impl Connection {
    /// A root key of the forest.
    ///
    /// # Errors
    /// [`AdminError::RootKeyHidden`] when there is none or the caller may not read it.
    pub async fn root_key(&self, id: Uuid) -> Result<RootKey, AdminError> {
        let container = "CN=Master Root Keys,CN=Group Key Distribution Service,CN=Services";
        let dn = format!("CN={id},{container},{}", self.domain().configuration);
        let entry = self.session.read(DOING, &dn, &ATTRIBUTES).await?;
        let entry = entry.filter(|entry| entry.bytes("msKds-RootKeyData").is_some());
        let entry = entry.ok_or(AdminError::RootKeyHidden { id })?;
        root_key(id, &entry).map_err(|error| {
            Error::Malformed { controller: self.controller().host.clone(), doing: DOING, detail: error.to_string() }
                .into()
        })
    }
}

/// A root key from its object.
pub(crate) fn root_key(id: Uuid, entry: &Entry) -> Result<RootKey, ParameterError> {
    let bytes = |name| entry.bytes(name).unwrap_or_default();
    let text = |name| entry.text(name).unwrap_or_default();
    let hash = Hash::from_parameters(bytes("msKds-KDFParam"))?;
    let agreement = Agreement::from_parameters(
        text("msKds-SecretAgreementAlgorithmID"),
        bytes("msKds-SecretAgreementParam"),
        entry.number("msKds-PrivateKeyLength").unwrap_or_default(),
        entry.number("msKds-PublicKeyLength").unwrap_or_default(),
    )?;
    let mut data = Zeroizing::new([0; 64]);
    let own = bytes("msKds-RootKeyData");
    match own.len() {
        64 => data.copy_from_slice(own),
        _ => {
            return Err(
                dpapi::FormatError { structure: "msKds-RootKeyData", offset: own.len(), expected: "64 bytes" }.into()
            );
        }
    }
    RootKey::new(id, text("msKds-KDFAlgorithmID"), hash, agreement, data)
}
