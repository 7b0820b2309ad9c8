//! Passwords: the secret type, what one is made of, and how one is generated.

mod alphabet;
mod generate;
mod secret;
mod spec;
mod wordlist;

pub use alphabet::Alphabet;
pub use generate::generate;
pub use secret::Password;
pub use spec::{Material, PasswordSpec, SpecError};
pub use wordlist::WordList;
