//! What can go wrong with the directory: a variant a caller can act on, a stable code, a remedy.

/// Why something in the directory could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The directory did not answer in time.
    #[error("the domain controller {server} did not answer in time while {doing}")]
    Timeout {
        /// The domain controller.
        server: String,
        /// What was asked of it.
        doing: &'static str,
    },
}
