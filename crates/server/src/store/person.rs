//! People, service principals, their roles and what they sign in with.

use super::SecretHash;
use laps::{
    id::{GroupId, PrincipalId, RoleId},
    time::Timestamp,
};

/// The role that `init` gives; the store never lets its last holder go.
pub const GLOBAL_ADMINISTRATOR: &str = "Global Administrator";

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user's id.
    pub id: PrincipalId,
    /// The sign-in name, unique without case.
    pub user_name: String,
    /// The shown name.
    pub display_name: String,
    /// Whether the user may sign in.
    pub enabled: bool,
    /// The password's hash as a PHC string (Argon2id); `None` while there is none.
    pub password_hash: Option<String>,
    /// A one-time secret is waiting to be redeemed until then.
    pub one_time_until: Option<Timestamp>,
    /// Counts every change that bears on what the user may do: roles, state, password. Tokens and
    /// decisions name it.
    pub epoch: u64,
    /// When the user was made.
    pub created_at: Timestamp,
}

/// What is stored of a new user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUser {
    /// The user's id.
    pub id: PrincipalId,
    /// The sign-in name.
    pub user_name: String,
    /// The shown name.
    pub display_name: String,
    /// SHA-256 of the one-time secret (256 random bits) and until when it can be redeemed.
    pub one_time: Option<(SecretHash, Timestamp)>,
    /// A password's hash, when one is set at once.
    pub password_hash: Option<String>,
}

/// A change of a user; `None` leaves as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserChange {
    /// The shown name.
    pub display_name: Option<String>,
    /// Whether the user may sign in.
    pub enabled: Option<bool>,
    /// The password's hash.
    pub password_hash: Option<String>,
    /// A new one-time secret; the password stops working until it is redeemed.
    pub one_time: Option<(SecretHash, Timestamp)>,
}

/// A service principal: a program that signs in by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePrincipal {
    /// Its id, which is also its client id.
    pub id: PrincipalId,
    /// The shown name.
    pub name: String,
    /// Whether it may sign in.
    pub enabled: bool,
    /// Application permissions that it was granted, by Graph's names.
    pub permissions: Vec<String>,
    /// Its secrets, without them.
    pub secrets: Vec<ClientSecret>,
    /// Counts every change that bears on what it may do.
    pub epoch: u64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A secret of a service principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientSecret {
    /// Its id.
    pub id: [u8; 16],
    /// SHA-256 of the secret (256 random bits, made by the server).
    pub hash: SecretHash,
    /// The first characters, to tell it by.
    pub hint: String,
    /// Until when it works.
    pub expires_at: Timestamp,
}

/// What is stored of a new service principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewServicePrincipal {
    /// Its id.
    pub id: PrincipalId,
    /// The shown name.
    pub name: String,
    /// Application permissions that it is granted.
    pub permissions: Vec<String>,
}

/// A change of a service principal; `None` leaves as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServicePrincipalChange {
    /// The shown name.
    pub name: Option<String>,
    /// Whether it may sign in.
    pub enabled: Option<bool>,
    /// Its application permissions.
    pub permissions: Option<Vec<String>>,
    /// A secret to add.
    pub add_secret: Option<ClientSecret>,
    /// A secret to remove.
    pub remove_secret: Option<[u8; 16]>,
}

/// A role that a principal has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleAssignment {
    /// Its id.
    pub id: [u8; 16],
    /// Who has it.
    pub principal: PrincipalId,
    /// A built-in role by its name, a custom one by its id.
    pub role: String,
    /// The devices that it holds for; `None` for the whole tenant.
    pub scope: Option<GroupId>,
}

/// A role that people made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomRole {
    /// Its id.
    pub id: RoleId,
    /// Its name, unique without case.
    pub name: String,
    /// What it allows, by the names of the actions. One that a program does not know allows nothing.
    pub actions: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A change of a custom role; `None` leaves as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomRoleChange {
    /// Its name.
    pub name: Option<String>,
    /// What it allows.
    pub actions: Option<Vec<String>>,
}

/// Most custom roles of a tenant.
pub const CUSTOM_ROLES_MAX: usize = 200;

/// What a principal may do, read in one piece: the ground of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// Whose.
    pub principal: PrincipalId,
    /// The shown name.
    pub display_name: String,
    /// A user, or else a service principal.
    pub is_user: bool,
    /// Whether it may sign in at all.
    pub enabled: bool,
    /// The epoch of all this.
    pub epoch: u64,
    /// Its roles.
    pub roles: Vec<RoleAssignment>,
    /// The custom ones among them.
    pub custom: Vec<CustomRole>,
    /// Its application permissions (service principals).
    pub permissions: Vec<String>,
}
