//! The account database: properties of the formats, trees on disk, the running system in a namespace.

mod change;
mod files;
mod fixture;
mod namespace;
mod tree;
