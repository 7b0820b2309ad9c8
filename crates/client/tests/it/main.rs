//! The client against a scripted server over real TLS.

mod answers;
mod scripted;
mod tls;
