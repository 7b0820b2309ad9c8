//! The schema in the directory: reading what it has of LAPS, and carrying out the steps that extend it.

use super::{
    AdminError,
    attribute::{ATTRIBUTES, PROPERTY_SET, PROPERTY_SET_NAME},
    schema::{AttributeFound, PropertySetFound, Schema, Step},
};
use crate::{Connection, Entry, Error, ldap::Query};
use ldap3::{Mod, Scope};
use uuid::Uuid;

/// Samba and Windows answer so when schema changes are off, or on another domain controller than the schema master.
const UNWILLING: u32 = 53;
const DOING: &str = "reading the schema";

impl Connection {
    /// What the schema of the forest has of LAPS.
    ///
    /// # Errors
    /// Those of the connection.
    pub async fn forest_schema(&self) -> Result<Schema, Error> {
        let domain = self.domain();
        let names: String =
            ATTRIBUTES.iter().map(|attribute| format!("(lDAPDisplayName={})", attribute.name)).collect();
        let attributes = [
            "lDAPDisplayName",
            "attributeID",
            "attributeSyntax",
            "oMSyntax",
            "isSingleValued",
            "searchFlags",
            "schemaIDGUID",
            "attributeSecurityGUID",
            "isDefunct",
        ];
        let found = self.children(&domain.schema, &format!("(|{names})"), &attributes).await?;
        let class = self
            .children(
                &domain.schema,
                "(&(objectClass=classSchema)(lDAPDisplayName=computer))",
                &["schemaIDGUID", "mayContain", "systemMayContain"],
            )
            .await?;
        let class = class.into_iter().next().ok_or_else(|| Error::Malformed {
            controller: self.controller().host.clone(),
            doing: DOING,
            detail: "the class computer".to_owned(),
        })?;
        let rights = format!("CN=Extended-Rights,{}", domain.configuration);
        let filter = format!("(|(rightsGuid={PROPERTY_SET})(cn={PROPERTY_SET_NAME}))");
        let set = self.children(&rights, &filter, &["rightsGuid", "validAccesses", "appliesTo"]).await?;
        let contained = class.all("mayContain").iter().chain(class.all("systemMayContain"));
        Ok(Schema {
            schema_dn: domain.schema.clone(),
            configuration_dn: domain.configuration.clone(),
            computer_dn: class.dn.clone(),
            computer: guid(&class, "schemaIDGUID").unwrap_or_default(),
            may_contain: contained.map(|name| String::from_utf8_lossy(name).into_owned()).collect(),
            attributes: found.iter().map(attribute).collect(),
            property_set: set.first().map(property_set),
        })
    }

    /// The DNS name of the domain controller that takes changes of the schema.
    ///
    /// # Errors
    /// Those of the connection.
    pub async fn schema_master(&self) -> Result<Option<String>, Error> {
        let schema = self.session.read(DOING, &self.domain().schema, &["fSMORoleOwner"]).await?;
        let Some(settings) = schema.as_ref().and_then(|entry| entry.text("fSMORoleOwner")) else { return Ok(None) };
        // CN=NTDS Settings,CN=SERVER,…: the server is the parent.
        let Some((_, server)) = settings.split_once(',') else { return Ok(None) };
        let server = self.session.read(DOING, server, &["dNSHostName"]).await?;
        Ok(server.as_ref().and_then(|entry| entry.text("dNSHostName")).map(str::to_ascii_lowercase))
    }

    /// Carries out one step.
    ///
    /// # Errors
    /// [`AdminError::SchemaRefused`], and [`crate::Error::NoRights`] through [`AdminError::Directory`].
    pub async fn extend(&self, step: &Step) -> Result<(), AdminError> {
        let done = match step {
            Step::Add { dn, attributes } => {
                let attributes =
                    attributes.iter().map(|(name, value)| (name.as_bytes().to_vec(), [value.clone()].into())).collect();
                self.session.add(dn, attributes).await
            }
            Step::UpdateNow => {
                let now = Mod::Add(b"schemaUpdateNow".to_vec(), [b"1".to_vec()].into());
                self.session.modify("", vec![now], None).await
            }
            Step::MayContain { dn, names } => {
                let names = names.iter().map(|name| name.as_bytes().to_vec()).collect();
                self.session.modify(dn, vec![Mod::Add(b"mayContain".to_vec(), names)], None).await
            }
        };
        done.map_err(|error| match error {
            Error::ChangeRefused { controller, result: UNWILLING, detail, .. } => {
                AdminError::SchemaRefused { controller, detail }
            }
            other => other.into(),
        })
    }

    async fn children(&self, base: &str, filter: &str, attributes: &[&str]) -> Result<Vec<Entry>, Error> {
        let query = Query { doing: DOING, base, scope: Scope::OneLevel, filter, attributes, descriptor_parts: None };
        self.session.search(query).await
    }
}

fn guid(entry: &Entry, attribute: &str) -> Option<Uuid> {
    entry.bytes(attribute).and_then(|bytes| bytes.try_into().ok()).map(Uuid::from_bytes_le)
}

fn attribute(entry: &Entry) -> AttributeFound {
    let text = |name| entry.text(name).unwrap_or_default().to_owned();
    let is = |name| entry.text(name).is_some_and(|value| value.eq_ignore_ascii_case("TRUE"));
    AttributeFound {
        name: text("lDAPDisplayName"),
        oid: text("attributeID"),
        syntax: text("attributeSyntax"),
        om_syntax: entry.number("oMSyntax").unwrap_or_default(),
        is_single_valued: is("isSingleValued"),
        search_flags: entry.number("searchFlags").unwrap_or_default(),
        guid: guid(entry, "schemaIDGUID").unwrap_or_default(),
        property_set: guid(entry, "attributeSecurityGUID"),
        is_defunct: is("isDefunct"),
    }
}

fn property_set(entry: &Entry) -> PropertySetFound {
    let applies_to = entry.all("appliesTo").iter().filter_map(|text| core::str::from_utf8(text).ok()?.parse().ok());
    PropertySetFound {
        guid: entry.text("rightsGuid").and_then(|text| text.parse().ok()),
        accesses: entry.number("validAccesses").unwrap_or_default(),
        applies_to: applies_to.collect(),
    }
}
