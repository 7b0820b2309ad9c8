//! A server in a temporary directory, and clients for it.

use base64::{Engine, engine::general_purpose::STANDARD};
use laps::id::VersionId;
use laps::password::Password;
use laps::rotation::{AccountRef, Fingerprint};
use laps::time::Timestamp;
use proto::admin::{CreatedServicePrincipal, CreatedUser, NewJoinToken, NewServicePrincipal};
use proto::device::{JoinAnswer, Report, Store, VersionAnswer};
use proto::oauth::{DeviceAuthorization, TokenAnswer};
use reqwest::{Certificate, Client, Identity, Method, Response, StatusCode};
use serde_json::{Value, json};
use server::app::App;
use server::authz::{Caller, Job};
use server::instance::config::{Config, RequestsPerSecond};
use server::instance::run::Server;
use server::instance::{
    database,
    init::{self, Initialised},
};
use server::store::sqlite::SqliteStore;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::oneshot;

pub(crate) const PASSWORD: &str = "a long enough passphrase";

/// A new data directory: its configuration, on port 0 of loopback, and what was made.
pub(crate) async fn make(data: &Path) -> (Config, Initialised) {
    made(data, Config::of("localhost", Some("127.0.0.1:0".parse().unwrap()))).await
}

async fn made(data: &Path, config: Config) -> (Config, Initialised) {
    let (tenant, key) = init::make_keys(data, &config).unwrap();
    let store = Arc::new(SqliteStore::create(&database(data)).unwrap());
    let made = init::make_tenant(data, &config, tenant, key, store).await.unwrap();
    (config, made)
}

pub(crate) struct TestServer {
    pub(crate) app: Arc<App>,
    pub(crate) url: String,
    pub(crate) administrator: CreatedUser,
    ca: Certificate,
    pub(crate) http: Client,
    stop: Option<oneshot::Sender<()>>,
    running: Option<tokio::task::JoinHandle<()>>,
    _data: tempfile::TempDir,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        // The first of the tests in this process sets it, the others find it set.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let data = tempfile::tempdir().unwrap();
        let (config, made) = make(data.path()).await;
        Self::over(data, config, made).await
    }

    /// One that never finds requests too many.
    pub(crate) async fn start_unbounded() -> Self {
        let many = Some(1_000_000);
        Self::start_bounded(RequestsPerSecond { address: many, device: many, account: many }).await
    }

    /// One with bounds of its own; what is not named keeps its default.
    pub(crate) async fn start_bounded(bounds: RequestsPerSecond) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let data = tempfile::tempdir().unwrap();
        let mut config = Config::of("localhost", Some("127.0.0.1:0".parse().unwrap()));
        config.requests_per_second = Some(bounds);
        let (config, made) = made(data.path(), config).await;
        Self::over(data, config, made).await
    }

    /// Serves a data directory that was made.
    pub(crate) async fn over(data: tempfile::TempDir, config: Config, made: Initialised) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let ca = Certificate::from_pem(made.app.authority().root_pem().as_bytes()).unwrap();
        let server = Server::bind(data.path(), config, made.app).await.unwrap();
        let url = format!("https://localhost:{}", server.address().unwrap().port());
        let app = server.app();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        let http = client(&ca, None);
        Self {
            app,
            url,
            administrator: made.administrator,
            ca,
            http,
            stop: Some(stop),
            running: Some(running),
            _data: data,
        }
    }

    pub(crate) async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.running.take().unwrap().await.unwrap();
    }

    pub(crate) fn ca(&self) -> &Certificate {
        &self.ca
    }

    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// A client as a browser is: it follows no redirect by itself here.
    pub(crate) fn browser(&self) -> Client {
        Client::builder()
            .tls_certs_only([self.ca.clone()])
            .user_agent("Mozilla/5.0 (lapwing-tests)")
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap()
    }

    /// A client with another identity in TLS.
    pub(crate) fn with_identity(&self, certificate_der: &[u8], key: &rcgen::KeyPair) -> Client {
        let pem = format!(
            "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n{}",
            STANDARD.encode(certificate_der),
            key.serialize_pem()
        );
        client(&self.ca, Some(Identity::from_pem(pem.as_bytes()).unwrap()))
    }

    pub(crate) async fn device_code(&self, scope: &str) -> DeviceAuthorization {
        let answer = self
            .http
            .post(self.at("/common/oauth2/v2.0/devicecode"))
            .form(&[("client_id", "test-client"), ("scope", scope)])
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    }

    /// Posts the verification form as a program does.
    pub(crate) async fn verify(&self, fields: &[(&str, &str)]) -> (StatusCode, Value) {
        let answer =
            self.http.post(self.at("/device")).header("accept", "application/json").form(fields).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    pub(crate) async fn token(&self, fields: &[(&str, &str)]) -> Response {
        self.http.post(self.at("/common/oauth2/v2.0/token")).form(fields).send().await.unwrap()
    }

    /// Signs a person in whose one-time secret is not used yet.
    pub(crate) async fn first_sign_in(&self, user: &CreatedUser, scope: &str) -> TokenAnswer {
        let code = self.device_code(scope).await;
        let (status, answer) = self
            .verify(&[
                ("user_code", &code.user_code),
                ("user_name", &user.user_name),
                ("password", &user.one_time_secret),
                ("new_password", PASSWORD),
            ])
            .await;
        assert_eq!((status.as_u16(), &answer["result"]), (200, &json!("approved")));
        self.redeem(&code).await
    }

    pub(crate) async fn redeem(&self, code: &DeviceAuthorization) -> TokenAnswer {
        let answer = self
            .token(&[
                ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
                ("client_id", "test-client"),
                ("device_code", code.device_code.reveal()),
                ("client_info", "1"),
            ])
            .await;
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    }

    /// The first administrator's access token.
    pub(crate) async fn admin(&self) -> Session<'_> {
        let token = self.first_sign_in(&self.administrator, "https://graph.microsoft.com/.default").await;
        Session { server: self, token: token.access_token.reveal().to_owned() }
    }

    /// A service principal with a role, signed in.
    pub(crate) async fn program(&self, role: Option<&str>, permissions: &[&str]) -> Session<'_> {
        let made = self
            .app
            .create_service_principal(
                &Caller::system(Job::Init),
                &NewServicePrincipal {
                    display_name: format!("program {role:?} {permissions:?}").chars().take(100).collect(),
                    role: role.map(str::to_owned),
                    group: None,
                    permissions: permissions.iter().map(|name| (*name).to_owned()).collect(),
                    secret_days: None,
                },
            )
            .await
            .unwrap();
        self.client_token(&made).await
    }

    pub(crate) async fn client_token(&self, made: &CreatedServicePrincipal) -> Session<'_> {
        let answer = self
            .token(&[
                ("grant_type", "client_credentials"),
                ("client_id", &made.client_id.to_string()),
                ("client_secret", &made.client_secret),
                ("scope", "https://graph.microsoft.com/.default"),
            ])
            .await;
        assert_eq!(answer.status(), 200);
        let answer: TokenAnswer = answer.json().await.unwrap();
        Session { server: self, token: answer.access_token.reveal().to_owned() }
    }

    pub(crate) async fn join_token(&self) -> String {
        let token = self.app.create_join_token(&Caller::system(Job::Init), &NewJoinToken::default()).await.unwrap();
        token.token.clone()
    }

    /// Turns "Enable LAPS" on.
    pub(crate) async fn switch_on(&self) {
        let on = proto::admin::Settings { laps_enabled: Some(true), ..Default::default() };
        self.app.change_settings(&Caller::system(Job::Init), &on).await.unwrap();
    }

    /// A machine that has joined.
    pub(crate) async fn device(&self, name: &str) -> TestDevice<'_> {
        self.device_on("", name).await
    }

    /// A device that says what machine it is.
    pub(crate) async fn device_on(&self, hardware: &str, name: &str) -> TestDevice<'_> {
        let key = rcgen::KeyPair::generate().unwrap();
        let token = self.join_token().await;
        let answer = self.join_on(hardware, &token, &key, name).await;
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
        let joined: JoinAnswer = answer.json().await.unwrap();
        let certificate = STANDARD.decode(&joined.certificate).unwrap();
        let http = self.with_identity(&certificate, &key);
        TestDevice { server: self, joined, key, http }
    }

    pub(crate) async fn join(&self, token: &str, key: &rcgen::KeyPair, name: &str) -> Response {
        self.join_on("", token, key, name).await
    }

    pub(crate) async fn join_on(&self, hardware: &str, token: &str, key: &rcgen::KeyPair, name: &str) -> Response {
        let mut body = json!({"token": token, "csr": csr(key), "name": name, "os": "debian", "os_version": "12"});
        if !hardware.is_empty() {
            body["hardware"] = hardware.into();
        }
        self.http.post(self.at("/device/v1/join")).json(&body).send().await.unwrap()
    }
}

pub(crate) fn csr(key: &rcgen::KeyPair) -> String {
    STANDARD.encode(rcgen::CertificateParams::default().serialize_request(key).unwrap().der())
}

fn client(ca: &Certificate, identity: Option<Identity>) -> Client {
    let client = Client::builder().tls_certs_only([ca.clone()]).user_agent("lapwing-tests/1");
    match identity {
        Some(identity) => client.identity(identity),
        None => client,
    }
    .build()
    .unwrap()
}

/// Somebody who has signed in.
pub(crate) struct Session<'a> {
    pub(crate) server: &'a TestServer,
    pub(crate) token: String,
}

impl Session<'_> {
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Response {
        let request = self.server.http.request(method, self.server.at(path)).bearer_auth(&self.token);
        match body {
            Some(body) => request.json(&body),
            None => request,
        }
        .send()
        .await
        .unwrap()
    }
    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        let answer = self.ask(Method::GET, path, None).await;
        (answer.status(), answer.json().await.unwrap_or_default())
    }
    pub(crate) async fn get_ok(&self, path: &str) -> Value {
        let (status, value) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {value}");
        value
    }
    pub(crate) async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        let answer = self.ask(Method::POST, path, Some(body)).await;
        (answer.status(), answer.json().await.unwrap_or_default())
    }
}

/// A machine with its certificate.
pub(crate) struct TestDevice<'a> {
    pub(crate) server: &'a TestServer,
    pub(crate) joined: JoinAnswer,
    pub(crate) key: rcgen::KeyPair,
    pub(crate) http: Client,
}

impl TestDevice<'_> {
    pub(crate) fn id(&self) -> String {
        self.joined.device.to_string()
    }
    pub(crate) async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> Response {
        self.http.post(self.server.at(path)).body(body).send().await.unwrap()
    }
    pub(crate) async fn store(&self, n: u8, password: &str) -> Response {
        let body = version(n).encode(&Password::new(password.into())).to_vec();
        self.post("/device/v1/store", body).await
    }
    pub(crate) async fn prove(&self, n: u8) -> Response {
        let body = json!({
            "version": version(n).version.to_string(),
            "kind": "verifier",
            "device_time": "2026-11-21T10:00:00Z",
        });
        self.post("/device/v1/prove", body.to_string()).await
    }
    /// Stores and proves.
    pub(crate) async fn rotate(&self, n: u8, password: &str) {
        let stored = self.store(n, password).await;
        assert_eq!(stored.status(), 200, "{}", stored.text().await.unwrap());
        let proven = self.prove(n).await;
        assert_eq!(proven.status(), 200);
        let proven: VersionAnswer = proven.json().await.unwrap();
        assert_eq!(proven.state, Some(proto::device::VersionState::Current));
    }
    pub(crate) async fn report(&self, installed: Option<u8>) -> Response {
        self.report_with(installed, proto::device::Evidence::default()).await
    }
    /// A report of a device that tells about itself.
    pub(crate) async fn report_told(&self, evidence: proto::device::Evidence) -> Response {
        self.report_with(None, evidence).await
    }
    /// A report of a device on which policy manages nothing.
    pub(crate) async fn report_unmanaged(&self, installed: Option<u8>, why: &str) -> Response {
        let evidence = proto::device::Evidence { unmanaged: Some(why.into()), ..proto::device::Evidence::default() };
        self.report_with(installed, evidence).await
    }
    async fn report_with(&self, installed: Option<u8>, evidence: proto::device::Evidence) -> Response {
        let known = installed.map(version);
        let report = Report {
            account: None,
            installed_fingerprint: known.as_ref().map(|known| known.fingerprint),
            last_acknowledged: known.as_ref().map(|known| known.version),
            intent: None,
            incarnation: Some(self.joined.incarnation),
            evidence,
            last_error: None,
            sign_ins: Vec::new(),
            audit_head: None,
            device_time: Timestamp::from_unix_ms(1_790_000_000_000),
        };
        self.post("/device/v1/report", serde_json::to_vec(&report).unwrap()).await
    }
}

/// The n-th version of uid 0.
pub(crate) fn version(n: u8) -> Store {
    Store {
        version: VersionId::from_random_bytes([n; 16]),
        account: AccountRef { id: 0, name: "root".into() },
        fingerprint: Fingerprint::from_bytes([n; 16]),
        expires_at: Timestamp::parse_rfc3339("2027-01-01T00:00:00Z").unwrap(),
        device_time: Timestamp::parse_rfc3339("2026-11-21T10:00:00Z").unwrap(),
        reasons: vec!["first".into()],
    }
}
