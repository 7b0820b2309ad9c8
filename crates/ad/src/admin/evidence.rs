//! What the directory shows of a computer, for `laps::explain` (laps-behaviour.md 11.1).

use super::{
    AdminError,
    attribute::{CLEAR, ENCRYPTED, EXPIRY, LEGACY, wanted},
    grant::SELF,
    password::{Decryption, Keys, Source},
    rights::{Place, Right, Verdict, may_write, verdict},
    schema::Schema,
};
use crate::{Connection, Entry, Error};
use dpapi::{
    Sid,
    value::{Credential, EncryptedValue, Holder},
};
use laps::{
    explain::{self, ComputerObject, Directory, StoredForm},
    time::Timestamp,
};
use std::collections::BTreeSet;

/// Bits of userAccountControl (MS-ADTS 2.2.16).
const ACCOUNT_DISABLED: u32 = 0x2;
const SERVER_TRUST: u32 = 0x2000;

impl Connection {
    /// What the directory shows of a computer. It tries to decrypt, as the caller.
    ///
    /// # Errors
    /// [`AdminError::Ambiguous`] and those of the connection; a computer that is not found is none.
    pub async fn evidence(&mut self, identity: &str) -> Result<Directory, AdminError> {
        let schema = self.forest_schema().await?;
        let lacks = wanted(false).filter(|attribute| schema.attribute(attribute.name).is_none());
        let directory = Directory {
            controller: self.controller().host.clone(),
            is_read_only: false,
            schema_lacks: lacks.map(|attribute| attribute.name.to_owned()).collect(),
            functional_level: self.domain().functional_level,
            computer: None,
        };
        let attributes = [
            "userAccountControl",
            "objectSid",
            EXPIRY,
            CLEAR,
            LEGACY,
            Holder::Account.attribute(),
            Holder::Dsrm.attribute(),
        ];
        let entry = match self.computer_named(identity, &attributes).await {
            Ok(entry) => entry,
            Err(AdminError::NotFound { .. }) => return Ok(directory),
            Err(error) => return Err(error),
        };
        let computer = self.computer_object(&schema, &entry).await?;
        Ok(Directory { computer: Some(computer), ..directory })
    }

    async fn computer_object(&mut self, schema: &Schema, entry: &Entry) -> Result<ComputerObject, AdminError> {
        let control: u32 = entry.number("userAccountControl").unwrap_or_default();
        let mut object = ComputerObject {
            dn: entry.dn.clone(),
            is_enabled: control & ACCOUNT_DISABLED == 0,
            is_controller: control & SERVER_TRUST != 0,
            forms: forms(entry),
            expires_at: entry.number(EXPIRY).map(Timestamp::from_ticks),
            ..ComputerObject::default()
        };
        let dacl = match self.permissions(&entry.dn).await {
            Ok(descriptor) => descriptor.dacl,
            Err(AdminError::ListHidden { .. }) => None,
            Err(error) => return Err(error),
        };
        if let Some(dacl) = dacl {
            let own = self.own_token().await?;
            let cannot_read = |right: &Right| {
                right.is_reading()
                    && right.attribute().is_some_and(|name| schema.attribute(name).is_some())
                    && !matches!(verdict(schema, &dacl, &own, *right, Place::Object), Verdict::Allowed(_))
            };
            let hidden = Right::ALL.into_iter().filter(cannot_read).filter_map(Right::attribute);
            object.cannot_read = (!own.is_empty()).then(|| hidden.map(str::to_owned).collect());
            if let Some(sid) = entry.bytes("objectSid").and_then(|bytes| Sid::from_bytes(bytes).ok()) {
                let mut token: BTreeSet<Sid> = self.token_of(&sid).await?;
                token.extend(SELF.parse());
                let may = |name: &&str| may_write(schema, &dacl, &token, name);
                let mut cannot: Vec<_> = [EXPIRY].into_iter().filter(|name| !may(name)).collect();
                // One of the two is enough: which, the policy says.
                if ![ENCRYPTED, CLEAR].iter().any(may) {
                    cannot.extend([ENCRYPTED, CLEAR]);
                }
                // A schema that lacks them all is another link's matter.
                cannot.retain(|name| schema.attribute(name).is_some());
                object.cannot_write = Some(cannot.into_iter().map(str::to_owned).collect());
            }
        }
        if matches!(object.forms.first(), Some((StoredForm::Encrypted | StoredForm::Dsrm, _))) {
            let readings = self.password_of(&entry.dn, false, &mut Keys::of_controller()).await?;
            if let Some(reading) =
                readings.into_iter().next().filter(|reading| reading.source != Source::PasswordMissing)
            {
                object.decryptor = reading.decryptor;
                object.decryption = match reading.decryption {
                    Decryption::NotApplicable => None,
                    Decryption::Success => Some(explain::Decryption::Success),
                    Decryption::Unauthorized => Some(explain::Decryption::Unauthorized),
                    Decryption::Error(text) => Some(explain::Decryption::Failed(text)),
                };
            }
        }
        Ok(object)
    }
}

/// What there is to say when the only domain controller that answered is a read-only one.
pub fn read_only(error: &Error) -> Option<Directory> {
    let Error::ReadOnly { controller } = error else { return None };
    Some(Directory {
        controller: controller.clone(),
        is_read_only: true,
        schema_lacks: Vec::new(),
        functional_level: 0,
        computer: None,
    })
}

/// The forms that are seen, the one that counts first.
fn forms(entry: &Entry) -> Vec<(StoredForm, Option<Timestamp>)> {
    let encrypted = |form, holder: Holder| {
        let value = entry.bytes(holder.attribute())?;
        Some((form, EncryptedValue::from_bytes(value).ok().map(|value| value.updated_at)))
    };
    let clear = || {
        let value = entry.bytes(CLEAR)?;
        let read = core::str::from_utf8(value).ok().and_then(|text| Credential::from_json(text).ok());
        Some((StoredForm::Clear, read.map(|credential| credential.updated_at)))
    };
    let legacy = || entry.bytes(LEGACY).map(|_| (StoredForm::Legacy, None));
    [encrypted(StoredForm::Encrypted, Holder::Account), encrypted(StoredForm::Dsrm, Holder::Dsrm), clear(), legacy()]
        .into_iter()
        .flatten()
        .collect()
}
