//! A server as it stands on a machine: its data directory, how it is made, how it runs.

pub mod config;
pub mod escrow;
pub mod init;
pub mod outlet;
mod outside;
pub mod run;
pub mod system;

use crate::app::{App, Options, Parts, Random};
use crate::ca::head::HeadKey;
use crate::ca::keys::KeyDirectory;
use crate::oauth::{Passwords, TokenSigner};
use crate::seal::{KeyFiles, KeyId, Sealer};
use crate::store::{Store, StoreError};
use config::Config;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a server could not be made or run. The text says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    /// There is a server in the data directory already.
    #[error("{0} holds a server already; use another directory, or run it: lapwingd run --data {0}")]
    Exists(PathBuf),
    /// Keys or a database without a configuration: an `init` that did not end. Nothing is overwritten.
    #[error("{0} holds parts of a server whose init was broken off; move it away and run init again")]
    BrokenOff(PathBuf),
    /// There is none.
    #[error("{0} holds no server; make one: lapwingd init --data {0}")]
    NotInitialised(PathBuf),
    /// A file of the data directory.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The configuration cannot be read.
    #[error("{path}: {text}; correct the line and start again")]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        text: String,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; choose another address with --listen")]
    Listen {
        /// The address.
        address: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Keys or certificates.
    #[error(transparent)]
    Ca(#[from] crate::ca::CaError),
    /// The token key.
    #[error(transparent)]
    Oauth(#[from] crate::oauth::OauthError),
    /// The store.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    /// The application.
    #[error(transparent)]
    App(#[from] crate::app::Error),
    /// The sealing.
    #[error(transparent)]
    Seal(#[from] crate::seal::SealError),
}

impl InstanceError {
    pub(crate) fn file(path: &Path, source: std::io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }
}

/// The database file of a data directory.
pub fn database(data: &Path) -> PathBuf {
    data.join("lapwing.db")
}

/// The key-encryption keys of a data directory, in the key directory; systemd may give them instead in
/// the directory of its credentials.
pub fn key_files(data: &Path) -> KeyFiles {
    KeyFiles::new(&data.join("keys")).with_credentials(std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from))
}

/// A sealer over the keys of a data directory.
pub fn sealer(data: &Path, active: KeyId) -> Sealer {
    let random = |bytes: &mut [u8]| system::SystemRandom.fill(bytes).map_err(std::io::Error::other);
    Sealer::new(Arc::new(key_files(data)), active, Arc::new(random))
}

/// Makes the application of a data directory over a store that is initialised.
pub async fn assemble(data: &Path, config: &Config, store: Arc<dyn Store>) -> Result<App, InstanceError> {
    let active = store.keys().await?.into_iter().find(|key| key.active).ok_or(StoreError::NotInitialised)?;
    let keys = KeyDirectory::of(data);
    let mut options = Options::new(config.url.clone(), config.names.clone());
    if let Some(seconds) = config.poll_after_s {
        options.poll_after_s = seconds;
    }
    if let Some(bounds) = config.requests_per_second {
        options.rates = bounds.rates();
    }
    if let Some(waiters) = config.waiters_max {
        options.waiters_max = waiters;
    }
    let parallel = std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
    let parts = Parts {
        store,
        sealer: Arc::new(sealer(data, active.id)),
        authority: keys.authority()?,
        head_key: HeadKey::open(&keys.read("audit.key")?)?,
        signer: TokenSigner::open(&keys.read("token.key")?)?,
        passwords: Passwords::new(parallel),
        clock: Arc::new(system::SystemClock),
        random: Arc::new(system::SystemRandom),
        options,
    };
    let app = App::open(parts).await?;
    app.reach_outside(Arc::new(outside::Network));
    app.notify_through(Arc::new(outlet::Courier));
    Ok(app)
}
