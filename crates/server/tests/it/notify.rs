//! People are told of reads (docs/notifications.md): a webhook at a real HTTPS listener, mail at a real SMTP server
//! (aiosmtpd), syslog at a real rsyslog, each with certificates of a CA of the test's own.

use crate::harness::{Session, TestDevice, TestServer};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use reqwest::Method;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use serde_json::{Value, json};
use server::authz::{Caller, Job};
use std::fs;
use std::net::TcpListener as StdListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

/// Certificates for `localhost`: the CA's, the server's, and its key, PEM.
struct Certificates {
    ca: String,
    certificate: String,
    key: String,
}

fn certificates() -> Certificates {
    let ca_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = params.self_signed(&ca_key).unwrap();
    let issuer = Issuer::from_params(&params, &ca_key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = leaf.signed_by(&key, &issuer).unwrap();
    Certificates { ca: ca.pem(), certificate: certificate.pem(), key: key.serialize_pem() }
}

/// A request as it came: its head, its body.
type Taken = (String, String);

/// An HTTPS listener that answers each request with the next status, the last one for ever.
async fn hook(certificates: &Certificates, statuses: Vec<&'static str>) -> (u16, mpsc::UnboundedReceiver<Taken>) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let chain = vec![CertificateDer::from_pem_slice(certificates.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(certificates.key.as_bytes()).unwrap();
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, taken) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut number = 0;
        loop {
            let (connection, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(connection).await else { continue };
            let mut bytes = Vec::new();
            let head = loop {
                let mut chunk = [0; 4_096];
                match stream.read(&mut chunk).await {
                    Ok(0) | Err(_) => break None,
                    Ok(read) => bytes.extend_from_slice(&chunk[..read]),
                }
                let text = String::from_utf8_lossy(&bytes).into_owned();
                if let Some((head, body)) = text.split_once("\r\n\r\n") {
                    let length = head
                        .lines()
                        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok())
                        .unwrap_or(0);
                    if body.len() >= length {
                        break Some((head.to_owned(), body.to_owned()));
                    }
                }
            };
            let Some(request) = head else { continue };
            let status = statuses[number.min(statuses.len() - 1)];
            number += 1;
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\nlocation: https://localhost:{port}/other\r\n\r\n"
            );
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
            if sender.send(request).is_err() {
                return;
            }
        }
    });
    (port, taken)
}

async fn next(taken: &mut mpsc::UnboundedReceiver<Taken>) -> Taken {
    tokio::time::timeout(Duration::from_secs(30), taken.recv()).await.expect("in time").expect("a request")
}

async fn add(admin: &Session<'_>, name: &str, to: Value, secret: Option<&str>) -> Value {
    let (status, made) = admin.post("/v1.0/lapwing/channels", json!({"name": name, "to": to, "secret": secret})).await;
    assert_eq!(status, 201, "{made}");
    made
}

async fn ruled_device<'a>(server: &'a TestServer) -> TestDevice<'a> {
    server.switch_on().await;
    let device = server.device("pc-1").await;
    device.rotate(1, "the-secret-password").await;
    device
}

async fn read(admin: &Session<'_>, device: &TestDevice<'_>, glass: bool) {
    let url = admin.server.at(&format!("/v1.0/directory/deviceLocalCredentials/{}?$select=credentials", device.id()));
    let mut request =
        admin.server.http.get(url).bearer_auth(&admin.token).header("Lapwing-Reason", "disk%20%22full%22");
    if glass {
        request = request.header("Lapwing-Break-Glass", "true");
    }
    assert_eq!(request.send().await.unwrap().status(), 200);
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    head.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        .unwrap_or_else(|| panic!("{name}: {head}"))
}

#[tokio::test]
async fn a_webhook_is_signed_repeated_and_never_blocks_a_read() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let device = ruled_device(&server).await;
    let trusted = certificates();
    let (port, mut taken) = hook(&trusted, vec!["503 Busy", "302 Found", "204 Taken"]).await;
    let to = json!({"kind": "webhook", "url": format!("https://localhost:{port}/hook?x=1"), "ca": trusted.ca, "allowPrivate": true});
    let made = add(&admin, "soar", to, None).await;
    let key = made["secret"].as_str().unwrap().strip_prefix("whsec_").unwrap().to_owned();
    assert_eq!(
        admin
            .post(
                "/v1.0/lapwing/channels",
                json!({"name": "SOAR", "to": {"kind": "webhook", "url": "https://x.test/"}})
            )
            .await
            .0,
        409
    );
    read(&admin, &device, true).await;
    let (first, body) = next(&mut taken).await;
    let event: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&event["type"], &event["specversion"]), (&json!("lapwing.password.breakGlass"), &json!("1.0")));
    assert_eq!((&event["data"]["actor"]["name"], &event["data"]["reason"]), (&json!("admin"), &json!("disk \"full\"")));
    assert!(!body.contains("the-secret-password") && !body.contains(&STANDARD.encode("the-secret-password")));
    let (id, at) = (header(&first, "webhook-id"), header(&first, "webhook-timestamp"));
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&STANDARD.decode(key).unwrap()).unwrap();
    mac.update(format!("{id}.{at}.{body}").as_bytes());
    assert_eq!(header(&first, "webhook-signature"), format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())));
    assert_eq!(event["id"], id);
    // It failed, and says so; reads go on meanwhile.
    let began = Instant::now();
    let failed = loop {
        let channels = admin.get_ok("/v1.0/lapwing/channels").await;
        if channels["value"][0]["failures"] == 1 {
            break channels;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{channels}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(failed["value"][0]["lastError"], "the receiver answered 503");
    assert!(failed["value"][0].get("secret").is_none());
    read(&admin, &device, false).await;
    // The next two attempts, by the clock of the server: a redirect is a failure and is not followed.
    let (again, same) = tokio::time::timeout(Duration::from_secs(60), next(&mut taken)).await.unwrap();
    assert_eq!((header(&again, "webhook-id"), same.as_str()), (id, body.as_str()), "at least once, the same id");
    server.stop().await;
}

/// What somebody must decide is told to every channel: a halted version, a forked device.
#[tokio::test]
async fn halts_and_forks_are_told_to_every_channel() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let device = ruled_device(&server).await;
    let trusted = certificates();
    let (port, mut taken) = hook(&trusted, vec!["204 Taken"; 4]).await;
    let to =
        json!({"kind": "webhook", "url": format!("https://localhost:{port}/"), "ca": trusted.ca, "allowPrivate": true});
    add(&admin, "soar", to, None).await;
    let policies = "/v1.0/lapwing/policies";
    let base = json!({"name": "Base <b>", "settings": {"BackupDirectory": 1, "PasswordLength": 20}});
    let (_, made) = admin.post(policies, base).await;
    let base = format!("{policies}/{}", made["id"].as_str().unwrap());
    assert_eq!(admin.post(&format!("{base}/assign"), json!({"group": "all"})).await.0, 200);
    let rings = json!({"rings": [{"percent": 100, "soakHours": 1}]});
    assert_eq!(admin.ask(reqwest::Method::PUT, &format!("{base}/rings"), Some(rings)).await.status(), 200);
    assert_eq!(admin.post(&format!("{base}/edit"), json!({"set": {"PasswordLength": 24}})).await.0, 200);
    for act in ["halt", "resume"] {
        assert_eq!(admin.post(&format!("{base}/rollout/{act}"), json!({})).await.0, 200, "{act}");
    }
    let (_, body) = next(&mut taken).await;
    let event: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (&event["type"], &event["data"]["target"]["name"]),
        (&json!("lapwing.rollout.halted"), &json!("Base <b>"))
    );
    assert_eq!(
        (&event["data"]["detail"]["version"], &event["data"]["detail"]["ring"]),
        (&json!(2), &json!(1)),
        "{event}"
    );

    // A machine that holds what it held before: it was put back. Neither the resuming nor the rotations are told.
    device.rotate(2, "another").await;
    assert_eq!(device.report(Some(1)).await.status(), 200);
    let (_, body) = next(&mut taken).await;
    let event: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&event["type"], &event["subject"]), (&json!("lapwing.device.forked"), &json!(device.id())), "{event}");
    assert!(!body.contains("another") && !body.contains("the-secret-password"));
    server.stop().await;
}

#[tokio::test]
async fn a_paused_channel_keeps_its_place() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let device = ruled_device(&server).await;
    let trusted = certificates();
    let (port, mut taken) = hook(&trusted, vec!["204 Taken"]).await;
    let to =
        json!({"kind": "webhook", "url": format!("https://localhost:{port}/"), "ca": trusted.ca, "allowPrivate": true});
    add(&admin, "soar", to, None).await;
    let act = async |act: &str| {
        let path = format!("/v1.0/lapwing/channels/soar/{act}");
        assert_eq!(admin.ask(Method::POST, &path, None).await.status(), 204, "{act}");
    };
    act("pause").await;
    act("pause").await;
    assert_eq!(admin.get_ok("/v1.0/lapwing/channels").await["value"][0]["paused"], true);
    read(&admin, &device, true).await;
    let job = Caller::system(Job::Notify);
    assert!(server.app.channels_to_tell(&job).await.unwrap().is_empty());
    assert!(taken.try_recv().is_err(), "nothing is told while it is paused");
    act("resume").await;
    let (_, body) = next(&mut taken).await;
    assert!(body.contains("lapwing.password.breakGlass"), "what was read meanwhile is told now: {body}");
    assert!(admin.get_ok("/v1.0/lapwing/channels").await["value"][0].get("paused").is_none());
    let unknown = admin.ask(Method::POST, "/v1.0/lapwing/channels/nobody/pause", None).await;
    assert_eq!(unknown.status(), 404);
    server.stop().await;
}

#[tokio::test]
async fn a_channel_that_cannot_be_reached_says_why() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let trusted = certificates();
    let (port, _taken) = hook(&trusted, vec!["204 Taken"]).await;
    let url = format!("https://localhost:{port}/");
    let test = async |name: &str| {
        let (status, answer) = admin.post(&format!("/v1.0/lapwing/channels/{name}/test"), json!(null)).await;
        (status.as_u16(), answer["error"]["message"].as_str().unwrap_or_default().to_owned())
    };
    add(&admin, "good", json!({"kind": "webhook", "url": url, "ca": trusted.ca, "allowPrivate": true}), None).await;
    assert_eq!(test("good").await, (204, String::new()));
    add(&admin, "private", json!({"kind": "webhook", "url": url, "ca": trusted.ca}), None).await;
    let (status, text) = test("private").await;
    assert!(status == 409 && text.contains("private network"), "{text}");
    let other = certificates();
    add(&admin, "stranger", json!({"kind": "webhook", "url": url, "ca": other.ca, "allowPrivate": true}), None).await;
    let (status, text) = test("stranger").await;
    assert!(status == 409 && text.to_lowercase().contains("certificate"), "TLS is checked: {text}");
    assert_eq!(test("nobody").await.0, 404);
    for bad in [
        json!({"kind": "webhook", "url": "http://x.test/"}),
        json!({"kind": "webhook", "url": "https://user:pass@x.test/"}),
        json!({"kind": "webhook", "url": "https://x.test/", "ca": "nonsense"}),
        json!({"kind": "mail", "host": "h", "port": 25, "security": "tls", "from": "a@b.test\r\nBcc: x@y.test", "to": ["a@b.test"]}),
        json!({"kind": "mail", "host": "h", "port": 25, "security": "tls", "from": "a@b.test", "to": []}),
        json!({"kind": "syslog", "host": "a b", "port": 6514, "format": "json"}),
        json!({"kind": "syslog", "host": "a", "port": 0, "format": "json"}),
        json!({"kind": "pigeon"}),
    ] {
        let (status, answer) = admin.post("/v1.0/lapwing/channels", json!({"name": "bad", "to": bad})).await;
        assert_eq!(status, 400, "{answer}");
    }
    assert_eq!(admin.ask(Method::DELETE, "/v1.0/lapwing/channels/good", None).await.status(), 204);
    assert_eq!(admin.ask(Method::DELETE, "/v1.0/lapwing/channels/good", None).await.status(), 404);
    server.stop().await;
}

/// A child that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits until a file holds a text.
async fn until_file(path: &Path, wanted: impl Fn(&str) -> bool) -> String {
    let began = Instant::now();
    loop {
        let text = fs::read_to_string(path).unwrap_or_default();
        if wanted(&text) {
            return text;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{}: {text}", path.display());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn until_listening(port: u16) {
    let began = Instant::now();
    while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(30), "nothing listens on {port}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The system's Python, which has the system's packages, when another one comes before it.
fn python() -> &'static str {
    if Path::new("/usr/bin/python3").exists() { "/usr/bin/python3" } else { "python3" }
}

const SMTP: &str = r#"
import json, ssl, sys, time
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

place, port, implicit = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "tls"
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(place + "/server.pem", place + "/server.key")

def authenticate(server, session, envelope, mechanism, data):
    return AuthResult(success=(data.login, data.password) == (b"lapwing", b"mail password"))

class Handler:
    async def handle_DATA(self, server, session, envelope):
        with open(place + "/mail.txt", "a") as out:
            out.write(json.dumps({"from": envelope.mail_from, "to": envelope.rcpt_tos, "tls": session.ssl is not None,
                                  "authenticated": session.authenticated, "text": envelope.content.decode()}) + "\n")
        return "250 taken"

class Own(Controller):
    def factory(self):
        if implicit:
            return SMTP(self.handler, auth_required=True, auth_require_tls=False, authenticator=authenticate)
        return SMTP(self.handler, tls_context=context, require_starttls=True, auth_required=True, authenticator=authenticate)

Own(Handler(), hostname="127.0.0.1", port=port, ssl_context=context if implicit else None).start()
time.sleep(600)
"#;

#[tokio::test]
async fn mail_goes_to_a_real_server_inside_tls() {
    let there = Command::new(python()).args(["-c", "import aiosmtpd"]).stderr(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        println!("SKIPPED mail_goes_to_a_real_server_inside_tls: python3-aiosmtpd is not installed");
        return;
    }
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let device = ruled_device(&server).await;
    for security in ["starttls", "tls"] {
        let place = tempfile::tempdir().unwrap();
        let trusted = certificates();
        fs::write(place.path().join("server.pem"), &trusted.certificate).unwrap();
        fs::write(place.path().join("server.key"), &trusted.key).unwrap();
        fs::write(place.path().join("smtp.py"), SMTP).unwrap();
        let port = free_port();
        let arguments = [place.path().to_str().unwrap(), &port.to_string(), security].map(str::to_owned);
        let smtp = Command::new(python()).arg(place.path().join("smtp.py")).args(arguments).spawn().unwrap();
        let _smtp = Running(smtp);
        until_listening(port).await;
        let to = json!({
            "kind": "mail", "host": "localhost", "port": port, "security": security, "from": "lapwing@example.test",
            "to": ["one@example.test", "two@example.test"], "user": "lapwing", "ca": trusted.ca,
        });
        add(&admin, security, to, Some("mail password")).await;
        read(&admin, &device, true).await;
        let text = until_file(&place.path().join("mail.txt"), |text| text.ends_with('\n')).await;
        let mail: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!((&mail["from"], &mail["authenticated"]), (&json!("lapwing@example.test"), &json!(true)), "{mail}");
        assert_eq!(mail["to"], json!(["one@example.test", "two@example.test"]));
        let text = mail["text"].as_str().unwrap();
        assert!(text.contains("Subject: Lapwing: BREAK GLASS: admin read a password of pc-1 past approval"), "{text}");
        assert!(text.contains("Reason: disk \"full\"") && text.contains("Message-ID: <"), "{text}");
        assert!(!text.contains("the-secret-password"));
        let wrong = json!({
            "kind": "mail", "host": "localhost", "port": port, "security": security, "from": "lapwing@example.test",
            "to": ["one@example.test"], "user": "lapwing", "ca": trusted.ca,
        });
        add(&admin, &format!("wrong {security}"), wrong, Some("not the password")).await;
        let (status, answer) =
            admin.post(&format!("/v1.0/lapwing/channels/wrong%20{security}/test"), json!(null)).await;
        assert_eq!(status, 409, "{answer}");
        assert!(!answer.to_string().contains("not the password"));
    }
    server.stop().await;
}

#[tokio::test]
async fn syslog_goes_to_a_real_rsyslog_inside_tls() {
    let program = ["/usr/sbin/rsyslogd", "/sbin/rsyslogd"].into_iter().find(|path| Path::new(path).exists());
    let driver = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib"]
        .iter()
        .any(|lib| Path::new(lib).join("rsyslog/lmnsd_gtls.so").exists());
    let (Some(program), true) = (program, driver) else {
        println!("SKIPPED syslog_goes_to_a_real_rsyslog_inside_tls: rsyslog and rsyslog-gnutls are not installed");
        return;
    };
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let device = ruled_device(&server).await;
    let place = tempfile::tempdir().unwrap();
    let trusted = certificates();
    let at = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    fs::write(at("ca.pem"), &trusted.ca).unwrap();
    fs::write(at("server.pem"), &trusted.certificate).unwrap();
    fs::write(at("server.key"), &trusted.key).unwrap();
    let port = free_port();
    let configuration = format!(
        r#"global(workDirectory="{0}" defaultNetstreamDriverCAFile="{0}/ca.pem"
  defaultNetstreamDriverCertFile="{0}/server.pem" defaultNetstreamDriverKeyFile="{0}/server.key" maxMessageSize="64k")
module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="anon")
input(type="imtcp" port="{port}" address="127.0.0.1")
template(name="all" type="string" string="%pri%|%protocol-version%|%app-name%|%msgid%|%structured-data%|%msg%\n")
action(type="omfile" file="{0}/out.log" template="all")
"#,
        place.path().display()
    );
    fs::write(at("rsyslog.conf"), configuration).unwrap();
    let rsyslog = Command::new(program).args(["-n", "-f", &at("rsyslog.conf"), "-i", &at("pid")]).spawn().unwrap();
    let _rsyslog = Running(rsyslog);
    until_listening(port).await;
    for format in ["json", "cef", "ocsf"] {
        let to = json!({"kind": "syslog", "host": "localhost", "port": port, "format": format, "ca": trusted.ca});
        add(&admin, format, to, None).await;
    }
    read(&admin, &device, true).await;
    read(&admin, &device, false).await;
    let text = until_file(Path::new(&at("out.log")), |text| text.lines().count() >= 6).await;
    let mut seen = [0; 3];
    for line in text.lines() {
        let parts: Vec<&str> = line.splitn(6, '|').collect();
        let [priority, version, app, message_id, data, message] = parts[..] else { panic!("{line}") };
        assert!(["105", "109"].contains(&priority), "{line}");
        assert_eq!((version, app, message_id), ("1", "lapwingd", "audit"), "{line}");
        assert!(data.starts_with("[lapwing@32473 id=\""), "{line}");
        let message = message.trim();
        if message.starts_with("CEF:0|Lapwing|lapwingd|") {
            assert!(message.contains(r#" cs1=disk "full""#), "{message}");
            seen[1] += 1;
        } else {
            let event: Value = serde_json::from_str(message).unwrap();
            seen[if event["class_uid"] == 6003 { 2 } else { 0 }] += 1;
        }
    }
    assert_eq!(seen, [2, 2, 2], "{text}");
    assert!(!text.contains("the-secret-password"));
    // What is not a collector of ours is told nothing.
    let other = certificates();
    let to = json!({"kind": "syslog", "host": "localhost", "port": port, "format": "json", "ca": other.ca});
    add(&admin, "stranger", to, None).await;
    let (status, answer) = admin.post("/v1.0/lapwing/channels/stranger/test", json!(null)).await;
    assert!(status == 409 && answer.to_string().to_lowercase().contains("certificate"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn only_the_job_tells_and_only_administrators_look() {
    let server = TestServer::start().await;
    let dana = server.program(Some("Cloud Device Administrator"), &[]).await;
    assert_eq!(dana.get("/v1.0/lapwing/channels").await.0, 403);
    assert!(server.app.tell_channel(&Caller::system(Job::Retention), [0; 16]).await.is_err());
    assert_eq!(server.app.tell_channel(&Caller::system(Job::Notify), [0; 16]).await.unwrap(), 0);
    server.stop().await;
}
