//! Passwords: the secret type, and how one is generated.

mod secret;

pub use secret::Password;
