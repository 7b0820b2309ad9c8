//! Integration tests: one binary.

mod rotation;
