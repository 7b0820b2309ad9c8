//! Access control lists in the directory: reading them, and writing a changed one.

use super::{
    AdminError,
    change::{Change, Direction, apply, has_work, plan},
    descriptor::{Acl, SecurityDescriptor},
    grant::Grant,
};
use crate::{Connection, ldap::Query};
use ldap3::{Mod, Scope};

const DESCRIPTOR: &str = "nTSecurityDescriptor";
/// Parts of a security descriptor (MS-ADTS 3.1.1.3.4.1.11).
const OWNER: u8 = 1;
const DACL: u8 = 4;
const SACL: u8 = 8;

/// Which of the two lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// Who may do what.
    Permissions,
    /// What is written into the security log.
    Audit,
}

impl List {
    const fn part(self) -> u8 {
        match self {
            Self::Permissions => DACL,
            Self::Audit => SACL,
        }
    }
    const fn name(self) -> &'static str {
        match self {
            Self::Permissions => "permissions",
            Self::Audit => "audit entries",
        }
    }
}

impl Connection {
    /// Owner and permissions of an object.
    ///
    /// # Errors
    /// [`AdminError::ListHidden`] and those of reading.
    pub async fn permissions(&self, dn: &str) -> Result<SecurityDescriptor, AdminError> {
        self.descriptor(dn, OWNER | DACL, List::Permissions).await
    }

    /// What the entries would become of an object's list: nothing is written.
    ///
    /// # Errors
    /// [`AdminError::ListHidden`], [`AdminError::Unprotected`] and those of reading.
    pub async fn planned(
        &self,
        dn: &str,
        list: List,
        grants: Vec<Grant>,
        direction: Direction,
    ) -> Result<Vec<Change>, AdminError> {
        let descriptor = self.descriptor(dn, list.part(), list).await?;
        if list == List::Permissions && descriptor.is_unprotected() {
            return Err(AdminError::Unprotected { dn: dn.to_owned() });
        }
        let empty = Acl::default();
        Ok(plan(of(&descriptor, list).unwrap_or(&empty), grants, direction))
    }

    /// Carries planned changes out on the list as it is now, in one modify, and looks whether the directory has
    /// them then.
    ///
    /// # Errors
    /// [`crate::Error::NoRights`] through [`AdminError::Directory`], [`AdminError::NotKept`].
    pub async fn carry_out(&self, dn: &str, list: List, changes: &[Change]) -> Result<(), AdminError> {
        if !has_work(changes) {
            return Ok(());
        }
        let mut descriptor = self.descriptor(dn, list.part(), list).await?;
        let target = match list {
            List::Permissions => descriptor.dacl.get_or_insert_default(),
            List::Audit => descriptor.sacl.get_or_insert_default(),
        };
        apply(target, changes);
        // The owner is not among the parts: it stays.
        let bytes = descriptor.to_bytes()?;
        let change = Mod::Replace(DESCRIPTOR.as_bytes().to_vec(), [bytes].into());
        self.session.modify(dn, vec![change], Some(list.part())).await?;

        let written = self.descriptor(dn, list.part(), list).await?;
        let has =
            |change: &Change| of(&written, list).is_some_and(|acl| acl.rules().any(|rule| *rule == change.grant.rule));
        let is_kept = changes.iter().all(|change| match change.action {
            super::change::Action::Add => has(change),
            super::change::Action::Remove => !has(change),
            _ => true,
        });
        if is_kept { Ok(()) } else { Err(AdminError::NotKept { dn: dn.to_owned() }) }
    }

    async fn descriptor(&self, dn: &str, parts: u8, list: List) -> Result<SecurityDescriptor, AdminError> {
        let query = Query {
            doing: "reading the access control list",
            base: dn,
            scope: Scope::Base,
            filter: "(objectClass=*)",
            attributes: &[DESCRIPTOR],
            descriptor_parts: Some(parts),
        };
        let found = self.session.search(query).await?;
        let hidden = || AdminError::ListHidden { dn: dn.to_owned(), list: list.name() };
        let bytes = found.first().and_then(|entry| entry.bytes(DESCRIPTOR)).ok_or_else(hidden)?;
        SecurityDescriptor::from_bytes(bytes).map_err(|error| AdminError::Descriptor { dn: dn.to_owned(), error })
    }
}

fn of(descriptor: &SecurityDescriptor, list: List) -> Option<&Acl> {
    match list {
        List::Permissions => descriptor.dacl.as_ref(),
        List::Audit => descriptor.sacl.as_ref(),
    }
}
