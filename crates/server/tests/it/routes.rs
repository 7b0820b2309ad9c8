//! The table of routes, and that every row is enforced.

use crate::harness::TestServer;
use reqwest::Method;
use server::http::{Surface, Takes, routes};

/// Every route and the identity it takes. A route that is not here, or takes another one, fails.
const TABLE: &str = include_str!("routes.txt");

fn listed() -> String {
    let mut lines: Vec<String> = routes()
        .iter()
        .map(|row| format!("{:6} {:80} {:?}", row.method, row.path, row.takes).trim_end().to_owned())
        .collect();
    lines.sort();
    lines.join("\n") + "\n"
}

#[test]
fn every_route_has_a_row_in_the_checked_table() {
    let found = listed();
    for line in found.lines() {
        assert!(TABLE.lines().any(|row| row == line), "a route without a row in routes.txt:\n{line}");
    }
    assert_eq!(TABLE.lines().count(), found.lines().count(), "rows without a route");
}

/// Concrete paths: every parameter is some id.
fn concrete(path: &str) -> String {
    path.split('/')
        .map(|step| match step {
            "{tenant}" => "common",
            step if step.starts_with('{') => "00000000-0000-4000-8000-000000000000",
            step => step,
        })
        .collect::<Vec<_>>()
        .join("/")
}

#[tokio::test]
async fn nobody_gets_through_a_row_that_takes_an_identity() {
    let server = TestServer::start_unbounded().await;
    let device = server.device("pc-1").await;
    let nobody = server.program(None, &[]).await;
    for row in routes() {
        let method: Method = row.method.parse().unwrap();
        let url = server.at(&concrete(row.path));
        let ask = async |client: &reqwest::Client, token: Option<&str>| {
            let request = client.request(method.clone(), &url).body("{}");
            match token {
                Some(token) => request.bearer_auth(token),
                None => request,
            }
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
        };
        let anonymous = ask(&server.http, None).await;
        match row.takes {
            Takes::Bearer => {
                assert_eq!(anonymous, 401, "{row:?} without a token");
                assert_eq!(ask(&device.http, None).await, 401, "{row:?} with a device certificate");
                assert_eq!(ask(&server.http, Some("e30.e30.e30")).await, 401, "{row:?} with a forged token");
                let without_role = ask(&server.http, Some(&nobody.token)).await;
                let allowed = row.path.ends_with("/me");
                assert_eq!(without_role == 200, allowed, "{row:?} without a role: {without_role}");
                assert!(allowed || matches!(without_role, 400 | 403), "{row:?} without a role: {without_role}");
            }
            Takes::Cookie => {
                // The client follows the way to the sign-in.
                let refused = if method == Method::GET { 200 } else { 401 };
                assert_eq!(anonymous, refused, "{row:?} without a cookie");
                assert_eq!(ask(&server.http, Some(&nobody.token)).await, refused, "{row:?} with a token");
                assert_eq!(ask(&device.http, None).await, refused, "{row:?} with a device certificate");
            }
            Takes::DeviceCertificate => {
                assert_eq!(anonymous, 401, "{row:?} without a certificate");
                assert_eq!(ask(&server.http, Some(&nobody.token)).await, 401, "{row:?} with a token");
            }
            Takes::Nothing | Takes::Secret | Takes::JoinToken | Takes::Operator => {
                assert_ne!(anonymous, 500, "{row:?}");
                let signs_in = row.path.starts_with("/v1.0/lapwing/passkeys/");
                assert!(row.surface != Surface::Graph || signs_in, "{row:?}");
            }
        }
    }
    server.stop().await;
}
