//! The formats of the cloud side. Pure: no I/O, no clock.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod dm;
