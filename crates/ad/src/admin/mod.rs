//! What administrators do in the directory: the schema, rights and who holds them, reading a password, expiring it.

pub mod ace;
pub mod attribute;
pub mod change;
pub mod descriptor;
mod entry;
mod error;
mod evidence;
mod forest;
pub mod grant;
mod object;
pub mod password;
pub mod rights;
pub(crate) mod root_key;
pub mod schema;

pub use entry::List;
pub use error::AdminError;
pub use evidence::read_only;
pub use object::Object;
