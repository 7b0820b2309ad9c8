//! A real browser: Debian's Chromium, driven through WebDriver (W3C) by its own `chromedriver` on loopback.
//!
//! A fresh home and a fresh profile each time. The CA of the server under test is trusted through `certutil` in
//! the NSS store of that home: no certificate error is ever ignored.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader as Lines},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

/// Longest wait for one thing; a busy machine is no failure.
const PATIENCE: Duration = Duration::from_secs(100);
/// Between two looks: a page has no event that reaches us.
const LOOK: Duration = Duration::from_millis(50);
/// How an element is named in answers (WebDriver 12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// What must be installed, and in which package of Debian it is.
const NEEDED: [(&str, &str); 3] =
    [("chromium", "chromium"), ("chromedriver", "chromium-driver"), ("certutil", "libnss3-tools")];

/// A running browser with one window.
pub struct Browser {
    port: u16,
    session: String,
    driver: Child,
    /// Keeps the driver's pipe open: it would end without a reader.
    _said: Lines<ChildStdout>,
    _home: TempDir,
}

/// An element of the page that is shown now.
#[derive(Debug, Clone)]
pub struct Element(String);

/// Why no browser can be started here: what is missing; `None` when one can.
pub fn missing() -> Option<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = |name: &str| std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    let missing: Vec<&str> = NEEDED.iter().filter(|(name, _)| !found(name)).map(|(_, package)| *package).collect();
    (!missing.is_empty()).then(|| format!("not installed: {}", missing.join(", ")))
}

/// A home in which the CA is trusted by what uses NSS.
fn home_that_trusts(ca_pem: &str) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    let ca = home.path().join("ca.pem");
    fs::write(&ca, ca_pem).unwrap();
    // Chromium of 2026 looks into the second, older ones into the first.
    for store in [".pki/nssdb", ".local/share/pki/nssdb"] {
        let store = home.path().join(store);
        fs::create_dir_all(&store).unwrap();
        let store = format!("sql:{}", store.display());
        let certutil = |arguments: &[&str]| {
            let done = Command::new("certutil").args(["-d", &store]).args(arguments).stdin(Stdio::null()).output();
            let done = done.unwrap();
            assert!(done.status.success(), "certutil {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        };
        certutil(&["-N", "--empty-password"]);
        certutil(&["-A", "-n", "server under test", "-t", "C,,", "-i", ca.to_str().unwrap()]);
    }
    home
}

impl Browser {
    /// Starts one that trusts the CA.
    pub async fn start(ca_pem: &str) -> Self {
        let home = home_that_trusts(ca_pem);
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .env("HOME", home.path())
            .env("XDG_CONFIG_HOME", home.path().join("config"))
            .env("XDG_CACHE_HOME", home.path().join("cache"))
            .env("XDG_DATA_HOME", home.path().join(".local/share"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = Lines::new(driver.stdout.take().unwrap());
        let port = loop {
            let mut line = String::new();
            assert_ne!(said.read_line(&mut line).unwrap(), 0, "chromedriver ended");
            if let Some(rest) = line.split("successfully on port ").nth(1) {
                break rest.trim().trim_end_matches('.').parse().unwrap();
            }
        };
        let mut browser = Self { port, session: String::new(), driver, _said: said, _home: home };
        let profile = browser._home.path().join("profile");
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--force-color-profile=srgb",
            "--window-size=1280,900",
            &format!("--user-data-dir={}", profile.display()),
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "acceptInsecureCerts": false,
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"args": arguments},
        }}});
        let made = browser.command("POST", "/session", Some(wanted)).await;
        browser.session = made["sessionId"].as_str().expect("a session").to_owned();
        browser
    }

    /// Ends the window and the browser.
    pub async fn quit(self) {
        self.ask("DELETE", "", None).await;
    }

    /// One command of the session. A failure of the protocol fails the test with its text.
    pub async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        self.command(method, &format!("/session/{}{path}", self.session), body).await
    }

    async fn command(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.exchange(method, path, body).await;
        assert_eq!(status, 200, "{method} {path}: {answer}");
        answer["value"].clone()
    }

    /// One request on a connection of its own.
    async fn exchange(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.port,
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let mut stream = BufReader::new(stream);
        let (mut length, mut status) = (0, 0);
        loop {
            let mut line = String::new();
            assert_ne!(stream.read_line(&mut line).await.unwrap(), 0, "chromedriver closed the connection");
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            if status == 0 {
                status = line.split(' ').nth(1).unwrap().parse().unwrap();
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap();
            }
        }
        answer.resize(length, 0);
        stream.read_exact(&mut answer).await.unwrap();
        (status, serde_json::from_slice(&answer).unwrap_or_default())
    }

    /// A command of Chromium's own protocol.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.ask("POST", "/goog/cdp/execute", Some(json!({"cmd": command, "params": parameters}))).await
    }

    /// Opens an address.
    pub async fn open(&self, url: &str) {
        self.ask("POST", "/url", Some(json!({"url": url}))).await;
    }
    /// The address of the page.
    pub async fn url(&self) -> String {
        self.ask("GET", "/url", None).await.as_str().unwrap().to_owned()
    }

    /// What a script of ours answers: it runs beside the page, its policy does not bind it.
    pub async fn script(&self, script: &str) -> Value {
        self.ask("POST", "/execute/sync", Some(json!({"script": script, "args": []}))).await
    }

    /// Elements that a CSS selector names now.
    pub async fn all(&self, selector: &str) -> Vec<Element> {
        let found = self.ask("POST", "/elements", Some(json!({"using": "css selector", "value": selector}))).await;
        let ids = found.as_array().unwrap().iter();
        ids.map(|element| Element(element[ELEMENT].as_str().unwrap().to_owned())).collect()
    }
    /// The first element that a CSS selector names, as soon as there is one.
    pub async fn one(&self, selector: &str) -> Element {
        let ends = Instant::now() + PATIENCE;
        loop {
            if let Some(element) = self.all(selector).await.into_iter().next() {
                return element;
            }
            if Instant::now() > ends {
                panic!("{selector}: not within {} s; the page says:\n{}", PATIENCE.as_secs(), self.says().await);
            }
            tokio::time::sleep(LOOK).await;
        }
    }
    /// Waits until the page says something.
    pub async fn until_it_says(&self, text: &str) {
        let ends = Instant::now() + PATIENCE;
        while !self.says().await.contains(text) {
            assert!(Instant::now() < ends, "'{text}': not within {} s: {}", PATIENCE.as_secs(), self.says().await);
            tokio::time::sleep(LOOK).await;
        }
    }
    /// The text of the page, as it is shown.
    pub async fn says(&self) -> String {
        self.script("return document.body ? document.body.innerText : ''").await.as_str().unwrap_or_default().to_owned()
    }

    /// The text of an element, as it is shown.
    pub async fn text(&self, element: &Element) -> String {
        self.ask("GET", &format!("/element/{}/text", element.0), None).await.as_str().unwrap().to_owned()
    }
    /// Clicks.
    pub async fn click(&self, selector: &str) {
        let element = self.one(selector).await;
        self.ask("POST", &format!("/element/{}/click", element.0), Some(json!({}))).await;
    }
    /// Empties a field and types into it.
    pub async fn fill(&self, selector: &str, text: &str) {
        let element = self.one(selector).await;
        self.ask("POST", &format!("/element/{}/clear", element.0), Some(json!({}))).await;
        self.ask("POST", &format!("/element/{}/value", element.0), Some(json!({"text": text}))).await;
    }
    /// Presses a key wherever the focus is, such as `\u{e004}` (tab) or `\u{e007}` (enter).
    pub async fn press(&self, key: &str) {
        let actions = json!([{"type": "key", "id": "keyboard", "actions": [
            {"type": "keyDown", "value": key}, {"type": "keyUp", "value": key},
        ]}]);
        self.ask("POST", "/actions", Some(json!({"actions": actions}))).await;
    }

    /// Light or dark, and the size of the window in CSS pixels.
    pub async fn looks(&self, dark: bool, width: u32, height: u32) {
        let scheme = if dark { "dark" } else { "light" };
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", features).await;
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
    }
    /// The whole page as a picture.
    pub async fn picture(&self, file: &Path) -> PathBuf {
        let shot =
            self.devtools("Page.captureScreenshot", json!({"format": "png", "captureBeyondViewport": true})).await;
        fs::write(file, STANDARD.decode(shot["data"].as_str().unwrap()).unwrap()).unwrap();
        file.to_owned()
    }

    /// What the browser complained of since the last question: blocked by policy, failed to load, thrown.
    pub async fn complaints(&self) -> Vec<String> {
        let log = self.ask("POST", "/se/log", Some(json!({"type": "browser"}))).await;
        let severe = log.as_array().unwrap().iter().filter(|entry| entry["level"] == "SEVERE");
        severe.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// An authenticator for passkeys in this browser (WebAuthn 11), with a key of its own that asks nobody.
    pub async fn add_authenticator(&self) -> String {
        let wanted = json!({
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true,
            "isUserConsenting": true, "isUserVerified": true,
        });
        self.ask("POST", "/webauthn/authenticator", Some(wanted)).await.as_str().unwrap().to_owned()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
