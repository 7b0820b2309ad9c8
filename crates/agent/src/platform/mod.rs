//! What touches the machine: opening, locking and replacing the account files, the system's libcrypt and
//! libpam, hardening of the process. The only place with unsafe code.
//!
//! [`ManagedTree`] is the face of it for the effect runner: plain calls, plain facts, no async. A call may
//! take as long as a password hash or, for [`ManagedTree::set`], as the 15 s of the database's locks; run
//! it on a blocking thread.

mod auth_stack;
mod claim;
mod crypt;
mod environment;
mod error;
mod harden;
mod lock;
mod login1;
mod managed;
mod mounts;
mod nss;
mod owned;
mod pam;
mod preflight;
mod processes;
mod replace;
mod sessions;
mod tree;

pub use auth_stack::{AuthStack, AuthStackError, HOOK_PROGRAM, HookLine, hook_line};
pub use crypt::SystemCrypt;
pub use environment::set_environment;
pub use error::AccountError;
pub use harden::forbid_core_dumps;
pub use managed::{Account, ManagedTree, Proof};
pub use owned::{Replaced, Whole};
pub use pam::{AccountPhase, PAM_SERVICE_TEXT, PamAnswer, ServiceFileError, install_pam_service};
pub use preflight::Durability;
pub use processes::session_root;
pub use sessions::{RunningSystem, boot};
pub use tree::Tree;
