//! "Rotate now" as the management server sees it, over real TLS (laps-behaviour.md 1.5).

use super::Service;
use agent::{
    directory::{self, Directory},
    effect::NoWitness,
    state::{Identity, SoftwareKey},
};
use client::{Client, Error};
use laps::{csp::Node, password::Password, time::Timestamp};
use proto::{
    device::{
        Abandon, Prove, RenewAnswer, RenewRequest, Report, ReportAnswer, Store, StoreAnswer, VersionAnswer, WaitAnswer,
    },
    dm,
};
use std::{cell::RefCell, rc::Rc, time::Duration};

/// The real client, and what was said about ResetPassword through it.
struct Overheard {
    client: Client,
    said: Rc<RefCell<Vec<String>>>,
}

impl Overheard {
    /// Notes the answers of a message to `Exec`, with the status, and to `Get`, with what was read, in the order in
    /// which they were asked.
    fn note(&self, message: &[u8]) {
        let message = dm::read(message, dm::Mode::Wire, &dm::Limits::default()).unwrap();
        let mut answers: Vec<(u32, String)> = Vec::new();
        for command in &message.commands {
            match command {
                dm::Command::Status(status) if status.cmd == "Exec" => {
                    answers.push((status.cmd_ref.parse().unwrap(), format!("Exec {}", status.code)));
                }
                dm::Command::Results(results) => {
                    let item = &results.items[0];
                    assert_eq!(item.source.as_deref(), Some(Node::ResetPasswordStatus.uri().as_str()));
                    let read = item.data.as_deref().unwrap();
                    answers.push((results.cmd_ref.parse().unwrap(), format!("Get {read}")));
                }
                _ => {}
            }
        }
        answers.sort();
        self.said.borrow_mut().extend(answers.into_iter().map(|(_, answer)| answer));
    }
}

impl Directory for Overheard {
    async fn store(&self, store: &Store, password: &Password) -> Result<StoreAnswer, Error> {
        self.client.store(store, password).await
    }
    async fn prove(&self, prove: &Prove) -> Result<VersionAnswer, Error> {
        let answer = self.client.prove(prove).await?;
        self.said.borrow_mut().push("proven".into());
        Ok(answer)
    }
    async fn abandon(&self, abandon: &Abandon) -> Result<VersionAnswer, Error> {
        self.client.abandon(abandon).await
    }
    async fn report(&self, report: &Report) -> Result<ReportAnswer, Error> {
        self.client.report(report).await
    }
    async fn renew(&self, request: &RenewRequest) -> Result<RenewAnswer, Error> {
        self.client.renew(request).await
    }
    async fn manage(&self, message: Vec<u8>) -> Result<Vec<u8>, Error> {
        self.note(&message);
        self.client.mdm(message).await
    }
    async fn wait(&self, at_most: Duration) -> Result<WaitAnswer, Error> {
        self.client.wait(at_most).await
    }
    fn management_uri(&self) -> String {
        Directory::management_uri(&self.client)
    }
}

/// The server asks with `Exec` and reads 0, pending, and 0 again once the new password is proven.
#[test]
fn the_status_is_ok_then_pending_then_ok_for_a_password_that_is_not_due() {
    let mut service = Service::start();
    let machine = service.machine();
    let said = Rc::new(RefCell::new(Vec::new()));
    let overhear = said.clone();
    let connect = move |identity: &Identity, key: &SoftwareKey, floor: Option<Timestamp>| {
        Ok(Overheard { client: directory::client_of(identity, key, floor)?, said: overhear.clone() })
    };
    let mut agent = machine.places.agent_with(Box::new(connect), NoWitness);
    // One runtime for all of it, as the agent has: connections stay open between cycles.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut cycle = || {
        let done = runtime.block_on(agent.cycle(false, &mut || None)).unwrap();
        assert_eq!(done.finish.last_error, None);
        (done.finish.proven.len(), done.again)
    };
    assert_eq!(cycle().0, 1, "the first rotation");
    assert_eq!(cycle(), (0, false), "not due");
    said.borrow_mut().clear();

    service.request_rotation(machine.device);
    assert_eq!(cycle().0, 1, "the one that was asked for");
    assert_eq!(*said.borrow(), ["Get 0", "Exec 202", "Get -2147483638", "proven", "Get 0"]);
    let shown = service.managed_device(machine.device);
    assert_eq!(shown.device_action_results[0].action_state, "done");
    let tried = service.try_candidates(&machine);
    assert_eq!((tried.opening, tried.proven), (1, 2), "{tried:?}");
    // Settled: nothing more is read.
    said.borrow_mut().clear();
    assert_eq!(cycle(), (0, false));
    assert!(said.borrow().is_empty(), "{:?}", said.borrow());
}
