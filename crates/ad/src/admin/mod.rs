//! What administrators do in the directory: the schema, rights and who holds them, reading a password, expiring it.

pub mod ace;
pub mod attribute;
pub mod change;
pub mod descriptor;
pub mod grant;
pub mod rights;
pub mod schema;
