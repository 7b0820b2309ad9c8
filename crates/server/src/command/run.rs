//! `lapwingd run`.

use super::Data;
use clap::Args;
use server::instance::config::Config;
use server::instance::run::Server;
use server::instance::{InstanceError, assemble, database};
use server::store::sqlite::SqliteStore;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    data: Data,
    /// Where to listen, instead of what the configuration says
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// After start, write the address that is listened on into this file (for port 0)
    #[arg(long, value_name = "FILE", hide = true)]
    address_file: Option<std::path::PathBuf>,
}

pub(crate) async fn run(arguments: Run) -> anyhow::Result<()> {
    let data = &arguments.data.data;
    let mut config = Config::read(data)?;
    if let Some(listen) = arguments.listen {
        config.listen = listen;
    }
    let store = SqliteStore::open(&database(data)).map_err(InstanceError::from)?;
    let app = assemble(data, &config, Arc::new(store)).await?;
    let server = Server::bind(data, config, app).await?;
    if let Some(file) = &arguments.address_file {
        std::fs::write(file, server.address()?.to_string())?;
    }
    run_until_told(server).await
}

async fn run_until_told(server: Server) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tracing::info!(address = %server.address()?, url = server.app().url(), "lapwingd serves");
    // Not under systemd there is nobody to tell.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    server
        .run(async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("lapwingd stops");
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
        })
        .await;
    Ok(())
}
