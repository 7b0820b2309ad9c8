//! Sessions: who gets which answers, hostile messages, bounds.

use super::device::{Seen, Watching};
use super::server::{START, Server, entry, published};
use laps::id::DeviceId;
use proto::dm::client::{ClientSession, Step};
use proto::dm::session::SessionLimits;
use proto::dm::{Command, Message, alert, code, write};
use server::app::{Clock, Kind};
use server::authz::Identity;
use server::store::{DeviceChange, Store};
use std::sync::atomic::Ordering;

#[tokio::test]
async fn a_device_that_is_not_enabled_gets_statuses_only() {
    let server = Server::new().await;
    let mut device = server.device(1).await;
    server.policy("cloud", &published()).await;
    server.assign("cloud", true).await;
    server.app.request_rotation(&server.admin, device.id).await.unwrap();
    for change in [DeviceChange::Disable, DeviceChange::Delete] {
        server.store.change_device(device.id, change, START, entry()).await.unwrap();
        let seen = device.check_in(&server).await;
        assert_eq!((seen.messages, seen.done.len()), (1, 0), "{change:?}");
    }
    server.store.change_device(device.id, DeviceChange::Restore, START, entry()).await.unwrap();
    assert_eq!(device.check_in(&server).await.of("Atomic"), [("", 200)]);
}

#[tokio::test]
async fn certificates_that_are_not_good_are_refused() {
    let server = Server::new().await;
    let device = server.device(1).await;
    let mut stranger = *device.caller.device().unwrap();
    stranger.device = DeviceId::from_random_bytes([200; 16]);
    stranger.fingerprint = [200; 32];
    for (identity, code) in [(Identity::Device(stranger), "device_unknown"), (Identity::Anonymous, "not_signed_in")] {
        let error = server.app.mdm_exchange(&device.caller.with(identity), b"").await.unwrap_err();
        assert_eq!(error.code(), code);
    }
    server.hands.seconds.store(366 * 86_400, Ordering::Relaxed);
    let error = server.app.mdm_exchange(&device.caller, b"").await.unwrap_err();
    assert_eq!(error.code(), "certificate_expired");
}

fn hdr(session: &str, msg_id: u32) -> String {
    format!(
        "<SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>{session}</SessionID><MsgID>{msg_id}</MsgID>\
         <Target><LocURI>https://s/mdm</LocURI></Target><Source><LocURI>dev</LocURI></Source></SyncHdr>"
    )
}
fn document(session: &str, msg_id: u32, body: &str) -> String {
    format!("<SyncML xmlns='SYNCML:SYNCML1.2'>{}<SyncBody>{body}</SyncBody></SyncML>", hdr(session, msg_id))
}
fn header_status(message: &Message<'_>) -> u16 {
    message
        .commands
        .iter()
        .find_map(|command| match command {
            Command::Status(status) if status.cmd_ref == "0" => Some(status.code),
            _ => None,
        })
        .unwrap()
}
fn is_aborted(message: &Message<'_>) -> bool {
    message.commands.iter().any(|command| matches!(command, Command::Alert(a) if a.code == alert::SESSION_ABORT))
}

#[tokio::test]
async fn hostile_messages_are_answered_or_refused_and_change_nothing() {
    let server = Server::new().await;
    let device = server.device(1).await;
    server.policy("cloud", &published()).await;
    server.assign("cloud", true).await;
    let verbs = server.store.write_verbs();

    // Without a readable header: a stable code.
    let refused = [
        ("", "syncml_not_syncml"),
        ("<SyncML", "syncml_not_xml"),
        ("<html/>", "syncml_not_syncml"),
        ("<!DOCTYPE x [<!ENTITY a 'b'>]><SyncML/>", "syncml_dtd_refused"),
        ("<SyncML><SyncBody><Final/></SyncBody></SyncML>", "syncml_element_missing"),
    ];
    for (body, code) in refused {
        let error = server.app.mdm_exchange(&device.caller, body.as_bytes()).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::Invalid, code), "{body}");
    }
    let error = server.app.mdm_exchange(&device.caller, b"<SyncML>\xff").await.unwrap_err();
    assert_eq!(error.code(), "syncml_not_utf8");

    // With one: a status for it, and the session is over.
    let many = "<Get><CmdID>1</CmdID></Get>".repeat(501);
    let deep = format!("{}{}", "<a>".repeat(100), "</a>".repeat(100));
    for (body, expected) in [
        ("<Alert>".to_owned(), code::BAD_REQUEST),
        ("&boom;".to_owned(), code::BAD_REQUEST),
        (many, code::TOO_LARGE),
        (deep, code::TOO_LARGE),
    ] {
        let answer = server.exchange(&device, &document("1", 1, &body)).await;
        assert_eq!(header_status(&answer), expected);
        assert!(is_aborted(&answer) && answer.is_final);
        assert_eq!(answer.header.session_id, "1");
    }
    // Another version.
    let answer = server.exchange(&device, &document("1", 1, "<Final/>").replace("DM/1.2", "DM/9")).await;
    assert_eq!(header_status(&answer), code::PROTOCOL_UNSUPPORTED);
    // An abort is taken.
    let abort = "<Alert><CmdID>1</CmdID><Data>1223</Data></Alert><Final/>";
    server.exchange(&device, &document("1", 1, abort)).await;
    // Statuses for what was never sent.
    let forged =
        "<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>2</CmdRef><Cmd>Atomic</Cmd><Data>200</Data></Status>";
    server.exchange(&device, &document("2", 1, forged)).await;
    assert_eq!(server.store.write_verbs(), verbs);
}

#[tokio::test]
async fn sessions_have_bounds_and_may_be_lost() {
    let server = Server::new().await;
    let mut device = server.device(1).await;
    // 50 messages that never end their package; the 51st is one too many.
    for n in 1..=50 {
        assert_eq!(header_status(&server.exchange(&device, &document("1", n, "")).await), code::OK);
    }
    assert!(is_aborted(&server.exchange(&device, &document("1", 51, "")).await));
    // 10 minutes.
    server.exchange(&device, &document("2", 1, "")).await;
    server.hands.seconds.store(601, Ordering::Relaxed);
    assert!(is_aborted(&server.exchange(&device, &document("2", 2, "")).await));

    // Another server took over in the middle of a session: the device goes on, and is sent all again.
    server.policy("cloud", &published()).await;
    server.assign("cloud", true).await;
    let opening = device.opening(vec![]);
    let now = server.hands.now();
    let (mut session, first) = ClientSession::open(opening, SessionLimits::default(), now);
    let mut seen = Seen::default();
    let answer = server.exchange(&device, &write(&first)).await;
    let Step::Send(second) =
        session.receive(answer, now, &mut Watching { tree: &mut device.tree, seen: &mut seen }).unwrap()
    else {
        panic!("an answer");
    };
    // The server loses a session when it cannot read a message of it.
    server.exchange(&device, &document(&device.sessions.to_string(), 9, "<Alert>")).await;
    let answer = server.exchange(&device, &write(&second)).await;
    assert!(answer.commands.iter().any(|command| command.name() == "Atomic"));
    let Step::Send(third) =
        session.receive(answer, now, &mut Watching { tree: &mut device.tree, seen: &mut seen }).unwrap()
    else {
        panic!("an answer");
    };
    server.exchange(&device, &write(&third)).await;
    let shown = server.app.device_policy(&server.admin, device.id).await.unwrap();
    assert!(shown.in_force.is_some());
}
