//! The nodes of the tree.

use crate::policy::{ActionInfo, Format, RESET_PASSWORD, RESET_PASSWORD_STATUS, Setting};

/// The address of the root of the tree.
const ROOT_URI: &str = "./Device/Vendor/MSFT/LAPS";

/// A node of the tree (laps-behaviour.md 1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Node {
    /// `LAPS`, the root.
    Laps,
    /// `LAPS/Actions`.
    Actions,
    /// `LAPS/Actions/ResetPassword`.
    ResetPassword,
    /// `LAPS/Actions/ResetPasswordStatus`.
    ResetPasswordStatus,
    /// `LAPS/Policies`.
    Policies,
    /// `LAPS/Policies/…`; never [`Setting::ADBackupDSRMPassword`].
    Policy(Setting),
}

/// All nodes, parents before children, in the order of the published page.
pub const NODES: [Node; 22] = [
    Node::Laps,
    Node::Actions,
    Node::ResetPassword,
    Node::ResetPasswordStatus,
    Node::Policies,
    Node::Policy(Setting::ADEncryptedPasswordHistorySize),
    Node::Policy(Setting::AdministratorAccountName),
    Node::Policy(Setting::ADPasswordEncryptionEnabled),
    Node::Policy(Setting::ADPasswordEncryptionPrincipal),
    Node::Policy(Setting::AutomaticAccountManagementEnableAccount),
    Node::Policy(Setting::AutomaticAccountManagementEnabled),
    Node::Policy(Setting::AutomaticAccountManagementNameOrPrefix),
    Node::Policy(Setting::AutomaticAccountManagementRandomizeName),
    Node::Policy(Setting::AutomaticAccountManagementTarget),
    Node::Policy(Setting::BackupDirectory),
    Node::Policy(Setting::PassphraseLength),
    Node::Policy(Setting::PasswordAgeDays),
    Node::Policy(Setting::PasswordComplexity),
    Node::Policy(Setting::PasswordExpirationProtectionEnabled),
    Node::Policy(Setting::PasswordLength),
    Node::Policy(Setting::PostAuthenticationActions),
    Node::Policy(Setting::PostAuthenticationResetDelay),
];

/// The format of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NodeFormat {
    /// An interior node.
    Node,
    /// A node without a value.
    Null,
    /// A leaf with a value.
    Value(Format),
}

impl NodeFormat {
    /// The name in SyncML.
    pub const fn dm_name(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Null => "null",
            Self::Value(format) => format.dm_name(),
        }
    }
}

/// The verbs that a node takes (laps-behaviour.md 1.3 to 1.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Access {
    /// Add, Delete and Replace.
    pub write: bool,
    /// Exec.
    pub exec: bool,
    /// Get.
    pub get: bool,
}

impl Node {
    /// The last segment of its address.
    pub fn name(self) -> &'static str {
        match self {
            Self::Laps => "LAPS",
            Self::Actions => "Actions",
            Self::Policies => "Policies",
            Self::ResetPassword => RESET_PASSWORD.name,
            Self::ResetPasswordStatus => RESET_PASSWORD_STATUS.name,
            Self::Policy(setting) => setting.name(),
        }
    }
    /// The entry of the table, for an action.
    pub fn action(self) -> Option<&'static ActionInfo> {
        match self {
            Self::ResetPassword => Some(&RESET_PASSWORD),
            Self::ResetPasswordStatus => Some(&RESET_PASSWORD_STATUS),
            _ => None,
        }
    }
    /// The parent; the root has none.
    pub const fn parent(self) -> Option<Self> {
        match self {
            Self::Laps => None,
            Self::Actions | Self::Policies => Some(Self::Laps),
            Self::ResetPassword | Self::ResetPasswordStatus => Some(Self::Actions),
            Self::Policy(_) => Some(Self::Policies),
        }
    }
    /// Its full address.
    pub fn uri(self) -> String {
        match self.parent() {
            None => ROOT_URI.to_owned(),
            Some(parent) => format!("{}/{}", parent.uri(), self.name()),
        }
    }
    /// Its format.
    pub fn format(self) -> NodeFormat {
        match (self, self.action()) {
            (Self::Policy(setting), _) => NodeFormat::Value(setting.info().format),
            (_, Some(action)) => action.format.map_or(NodeFormat::Null, NodeFormat::Value),
            (_, None) => NodeFormat::Node,
        }
    }
    /// The verbs that it takes.
    pub fn access(self) -> Access {
        let exec = self.action().is_some_and(|action| action.exec);
        Access { write: matches!(self, Self::Policy(_)), exec, get: !exec }
    }
    /// The node below the root with these names.
    pub(super) fn from_names(below: &[&str]) -> Option<Self> {
        match below {
            [] => Some(Self::Laps),
            ["Actions"] => Some(Self::Actions),
            ["Actions", name] => {
                [Self::ResetPassword, Self::ResetPasswordStatus].into_iter().find(|node| node.name() == *name)
            }
            ["Policies"] => Some(Self::Policies),
            ["Policies", name] => Self::policy(name),
            _ => None,
        }
    }
    /// The node of the setting of this name.
    pub(super) fn policy(name: &str) -> Option<Self> {
        Setting::from_name(name).filter(|setting| setting.info().in_csp).map(Self::Policy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policies_are_those_of_the_table_in_its_order() {
        let listed: Vec<Setting> = NODES
            .iter()
            .filter_map(|node| match node {
                Node::Policy(setting) => Some(*setting),
                _ => None,
            })
            .collect();
        assert_eq!(listed, Setting::in_csp().collect::<Vec<_>>());
    }
}
