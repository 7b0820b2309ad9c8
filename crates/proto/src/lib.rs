//! The formats of the cloud side. Pure: no I/O, no clock.
