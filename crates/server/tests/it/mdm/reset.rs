//! "Rotate now": ResetPassword, and how its result comes back.

use super::device::Device;
use super::server::{Server, published};
use laps::csp::{Effect, HResult, Node};
use proto::dm::client::Event;

#[tokio::test]
async fn rotate_now_is_seen_going_ok_pending_ok_for_a_password_that_is_not_due() {
    let server = Server::new().await;
    let mut device = server.device(1).await;
    server.policy("cloud", &published()).await;
    server.assign("cloud", true).await;
    device.check_in(&server).await;
    device.rotate(&server, 1).await;

    server.app.request_rotation(&server.admin, device.id).await.unwrap();
    let seen = device.check_in(&server).await;
    assert_eq!(seen.of("Exec"), [("ResetPassword", 202)]);
    assert_eq!(seen.read, ["0", "-2147483638"]);
    assert_eq!(seen.effects, [Effect::ResetRequested { again: false }]);

    // Still running: looked at, not asked for again.
    let seen = device.check_in(&server).await;
    assert_eq!(seen.of("Exec"), []);
    assert_eq!(seen.read, ["-2147483638"]);
    assert_eq!(action(&server, &device).await, "pending");

    device.rotate(&server, 2).await;
    device.tree.finish_reset(HResult::OK);
    let seen = device.check_in(&server).await;
    assert_eq!(seen.of("Exec"), []);
    assert_eq!(seen.read, ["0"]);
    assert_eq!(action(&server, &device).await, "done");
    // Settled: nothing more is read.
    assert_eq!(device.check_in(&server).await.messages, 1);
}

async fn action(server: &Server, device: &Device) -> String {
    let managed = server.app.managed_device(&server.admin, device.id).await.unwrap();
    managed.device_action_results[0].action_state.clone()
}

#[tokio::test]
async fn a_reset_that_failed_is_shown_and_asked_for_again() {
    let server = Server::new().await;
    let mut device = server.device(1).await;
    server.app.request_rotation(&server.admin, device.id).await.unwrap();
    device.check_in(&server).await;
    device.tree.finish_reset(HResult::NOT_SUPPORTED);
    assert_eq!(device.check_in(&server).await.read, ["-2147024846"]);
    assert_eq!(action(&server, &device).await, "failed");
    let seen = device.check_in(&server).await;
    assert_eq!(seen.of("Exec"), [("ResetPassword", 202)]);
    assert_eq!(action(&server, &device).await, "pending");
}

#[tokio::test]
async fn a_finished_reset_may_be_announced() {
    let server = Server::new().await;
    let mut device = server.device(1).await;
    let event = Event {
        source: Node::ResetPasswordStatus.uri(),
        kind: "Reversed-Domain-Name:org.lapwing.laps.reset".into(),
        format: "int".into(),
        data: "0".into(),
    };
    assert_eq!(device.check_in_with(&server, vec![event]).await.messages, 1);
}
