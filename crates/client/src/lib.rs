//! The HTTPS client of Lapwing's server: device API, management, OAuth 2.0, Graph, administration.
//!
//! One [`Client`] speaks to one server whose CA is pinned, by certificate or at first contact by
//! fingerprint ([`Trust`]). It reuses its connections, bounds every body, waits for a short Retry-After,
//! and turns every error answer into one [`Error`]: no answer, refused, or malformed. It runs on any tokio
//! runtime, a current-thread one too. Bodies that carry secrets are held in memory that is wiped.
//!
//! ```no_run
//! # async fn f(ca: Vec<u8>, report: &proto::device::Report) -> Result<(), Box<dyn std::error::Error>> {
//! let settings = client::Settings::new("https://lapwing.example:8443", client::Trust::Pinned(vec![ca]));
//! let client = client::Client::new(&settings)?;
//! let answer = client.report(report).await?;
//! # Ok(()) }
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod admin;
mod campaigns;
mod client;
mod device;
mod error;
mod graph;
mod life;
pub mod mdm;
mod notify;
mod oauth;
mod policies;
mod reading;
mod trust;

pub use client::{Client, Fault, Settings, shown_ca_certificate};
pub use error::{Cause, Error, Malformed, NoAnswer, Refusal};
pub use graph::SignedIn;
pub use oauth::Poll;
pub use reading::Justification;
pub use trust::{CaFingerprint, Identity, NotAFingerprint, Trust, certificates};
