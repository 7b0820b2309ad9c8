//! `lapwingd run`: the listener, the background work, the end.

use super::InstanceError;
use super::config::Config;
use super::system::{SystemClock, SystemRandom};
use crate::app::{App, Clock, Random};
use crate::authz::{Caller, Job};
use crate::ca::keys::KeyDirectory;
use crate::ca::{CaError, SERVER_CERTIFICATE_DAYS, tls};
use crate::http::listener::{Limits, serve};
use crate::http::router;
use rustls::ServerConfig;
use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// A server that listens and has not begun to serve.
pub struct Server {
    app: Arc<App>,
    data: PathBuf,
    config: Config,
    listener: TcpListener,
    tls: watch::Sender<Arc<ServerConfig>>,
}

impl Server {
    /// Binds the address and reads the certificate; one that is about to end is issued again.
    pub async fn bind(data: &Path, config: Config, app: App) -> Result<Self, InstanceError> {
        let tls = tls_config(data, &config, &app)?;
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|source| InstanceError::Listen { address: config.listen.to_string(), source })?;
        Ok(Self { app: Arc::new(app), data: data.to_owned(), config, listener, tls: watch::Sender::new(Arc::new(tls)) })
    }

    /// Where it listens: with port 0 in the configuration the one that the system gave.
    pub fn address(&self) -> Result<SocketAddr, InstanceError> {
        self.listener
            .local_addr()
            .map_err(|source| InstanceError::Listen { address: self.config.listen.to_string(), source })
    }

    /// The application.
    pub fn app(&self) -> Arc<App> {
        Arc::clone(&self.app)
    }

    /// Serves until `end` is done, then lets running requests finish.
    pub async fn run(self, end: impl Future<Output = ()>) {
        let limits = Limits {
            connections: self.config.connections_max.unwrap_or(Limits::default().connections),
            ..Limits::default()
        };
        let (stop, stopped) = watch::channel(false);
        let wakes = {
            let app = Arc::clone(&self.app);
            tokio::spawn(async move { app.carry_wakes().await })
        };
        let telling = tokio::spawn(super::outlet::keep_told(Arc::clone(&self.app)));
        let jobs = tokio::spawn(keep_house(Arc::clone(&self.app), self.data.clone()));
        let campaigns = tokio::spawn(carry_campaigns(Arc::clone(&self.app)));
        let certificates = {
            let (app, data, config, tls) =
                (Arc::clone(&self.app), self.data.clone(), self.config.clone(), self.tls.clone());
            tokio::spawn(async move { keep_certificate(&app, &data, &config, &tls).await })
        };
        let mut serving =
            tokio::spawn(serve(self.listener, self.tls.subscribe(), router(Arc::clone(&self.app)), limits, stopped));
        tokio::select! {
            () = end => {}
            _ = &mut serving => {}
        }
        // Nobody listens any more when serving ended by itself.
        let _ = stop.send(true);
        self.app.release_waiters();
        if !serving.is_finished() {
            let _ = serving.await;
        }
        for task in [wakes, jobs, telling, campaigns, certificates] {
            task.abort();
        }
        if let Err(error) = self.app.flush_seen(&Caller::system(Job::Retention)).await {
            tracing::warn!(code = error.code(), "last contacts of devices were not written");
        }
    }
}

/// The TLS configuration from the key directory, with a new certificate when a third of its life is left or
/// the names changed.
fn tls_config(data: &Path, config: &Config, app: &App) -> Result<ServerConfig, InstanceError> {
    let keys = KeyDirectory::of(data);
    let chain = keys.read("server.crt")?;
    let now = SystemClock.now();
    if !tls::is_good(&chain, &config.names, now.plus_days(SERVER_CERTIFICATE_DAYS / 3))? {
        let mut serial = [0; 16];
        SystemRandom.fill(&mut serial).map_err(|error| CaError::Internal(error.to_string()))?;
        let new = app.authority().issue_server(&config.names, serial, now)?;
        keys.write("server.key", &new.key_pem)?;
        keys.write("server.crt", &new.certificate_pem)?;
        tracing::info!("the server's certificate was issued again");
    }
    let chain = keys.read("server.crt")?;
    let key = keys.read("server.key")?;
    Ok(tls::server_config(app.authority(), &chain, &key)?)
}

async fn keep_certificate(app: &App, data: &Path, config: &Config, tls: &watch::Sender<Arc<ServerConfig>>) {
    loop {
        tokio::time::sleep(Duration::from_secs(86_400)).await;
        match tls_config(data, config, app) {
            Ok(new) => {
                tls.send_replace(Arc::new(new));
            }
            Err(error) => tracing::error!(code = "certificate_not_renewed", %error, "the server's certificate"),
        }
    }
}

/// Background work, once a minute each what is due.
async fn keep_house(app: Arc<App>, data: PathBuf) {
    let retention = Caller::system(Job::Retention);
    let heads = Caller::system(Job::SignHeads);
    let after_read = Caller::system(Job::AfterRead);
    let mut minutes = tokio::time::interval(Duration::from_secs(60));
    let mut last: Option<Instant> = None;
    for minute in 0_u64.. {
        minutes.tick().await;
        let elapsed_s = last.map(|last| last.elapsed().as_secs());
        last = Some(Instant::now());
        let held = said(app.observe_clock(&retention, elapsed_s).await, "clock").unwrap_or(true);
        said(app.flush_seen(&retention).await, "flush_seen");
        said(app.rotate_after_reads(&after_read).await, "rotate_after_reads");
        if minute % 10 == 0 {
            said(app.sweep(&retention).await, "sweep");
            said(app.sign_heads(&heads).await, "sign_heads");
        }
        if !held {
            said(app.carry_rollouts(&Caller::system(Job::Rollouts)).await, "rollouts");
        }
        if minute % 60 == 5 && !held {
            said(app.trim(&retention).await, "trim");
            said(app.end_tombstones(&retention).await, "end_tombstones");
            said(app.prune_audit(&retention).await, "prune_audit");
        }
        if minute % 60 == 7
            && let Err(error) = super::escrow::export_when_due(&app, &data).await
        {
            tracing::error!(job = "escrow", %error, "the scheduled export failed; it is tried again");
        }
    }
}

/// Rotations of many devices, a batch a second: so are the wakes spread.
async fn carry_campaigns(app: Arc<App>) {
    let caller = Caller::system(Job::Campaigns);
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for second in 0_u64.. {
        seconds.tick().await;
        said(app.carry_campaigns(&caller).await, "campaigns");
        if second % 60 == 30 {
            said(app.review_campaigns(&caller).await, "review_campaigns");
        }
    }
}

fn said<T>(done: crate::app::Result<T>, job: &'static str) -> Option<T> {
    match done {
        Ok(done) => Some(done),
        Err(error) => {
            tracing::error!(job, code = error.code(), error = %error.inside(), "background work failed; it is tried again");
            None
        }
    }
}
