//! `report`: the truth about the machine goes out, what the directory holds comes back.

use super::{Runner, Witness, rotate::no_server};
use crate::{accounts::LocalAccount, clock::Clock, directory, directory::Directory, join, sources};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use laps::{
    account::Selection,
    cycle,
    decide::{Plan, View},
    drift::REPAIRS_PER_DAY_MAX,
    event,
    policy::Source,
    rotation::{AccountRef, Destination, Failure, Intent},
};
use proto::device::{
    AccountReport, DAMAGED_MAX, Evidence, LastError, Machine, MachineAccount, Report, ReportAnswer, Usability,
};

/// Characters of an error's text that the directory keeps.
const ERROR_CHARS_MAX: usize = 500;

/// The word of a source in reports.
pub(crate) const fn word(source: Source) -> &'static str {
    match source {
        Source::Csp => "csp",
        Source::Gpo => "gpo",
        Source::Local => "local",
        Source::Legacy => "legacy",
    }
}

impl<D: Directory, C: Clock + Clone, W: Witness> Runner<D, C, W> {
    pub(super) async fn report(&mut self, report: cycle::Report) -> Result<View, Failure> {
        let now = self.clock.now();
        if self.in_force.is_none() {
            // Before the check-in that of the last one is in force: an intent that is left is reported with it.
            self.in_force = Some(sources::read(&self.state, &self.configuration.tree, self.membership.join));
        }
        let sign_ins = self.sign_ins.unreported();
        let account = report.account.as_ref().map(|facts| &facts.account);
        let evidence = self.evidence(report.unmanaged.map(|why| why.as_str().to_owned()), account);
        let host_name = join::host_name();
        let known = self.contact.host_name.as_ref();
        let new_name = known.filter(|known| **known != host_name).map(|_| host_name.clone());
        let body = Report {
            installed_fingerprint: report.account.as_ref().and_then(|account| account.installed),
            account: report.account.map(|facts| AccountReport {
                id: facts.account.id,
                name: facts.account.name,
                usability: Usability {
                    enabled: facts.enabled,
                    expired: facts.expired,
                    no_login_shell: facts.no_login_shell,
                    administrator: facts.administrator,
                },
            }),
            last_acknowledged: report.last_acknowledged,
            intent: report.intent,
            incarnation: report.incarnation,
            evidence: Evidence {
                drift: report.drift.iter().map(|drift| drift.as_str().to_owned()).collect(),
                repair_held: report.repair_held,
                damaged: self.contact.damaged.iter().take(DAMAGED_MAX).cloned().collect(),
                new_name,
                ..evidence
            },
            last_error: report.last_error.map(|failure| LastError {
                event: failure.event,
                code: failure.code,
                text: failure.text.chars().take(ERROR_CHARS_MAX).collect(),
                at: now,
            }),
            sign_ins,
            audit_head: self.contact.audit_head.clone(),
            device_time: now,
        };
        let Some(server) = &self.server else { return Err(no_server()) };
        let answer = match server.directory.report(&body).await {
            Ok(answer) => answer,
            Err(error) => return Err(directory::failure(&error, "the directory could not be asked")),
        };
        self.contact.damaged.clear();
        self.contact.host_name = Some(host_name);
        self.sign_ins.reported(&body.sign_ins, &mut self.events);
        self.saw_server_time(answer.server_time);
        if answer.audit_head.is_some() {
            self.contact.audit_head.clone_from(&answer.audit_head);
        }
        self.next = Some(answer.next.clone());
        self.take_ca(&answer);
        Ok(self.view(answer))
    }

    fn evidence(&self, unmanaged: Option<String>, account: Option<&AccountRef>) -> Evidence {
        let policy = self.in_force.as_ref().map(|in_force| &in_force.policy);
        let account_wanted = self.in_force.as_ref().and_then(|in_force| match in_force.plan() {
            Plan::Manage(manage) => match manage.selection.clone() {
                Selection::BuiltIn => None,
                Selection::Named(name) => Some(name),
                // A random name says more when it is there than the prefix does.
                Selection::Automatic(_) => account
                    .map(|account| account.name.clone())
                    .or_else(|| manage.selection.name_rule().map(|rule| rule.base())),
            },
            Plan::Unmanaged(_) => None,
        });
        let account_automatic = self.in_force.as_ref().is_some_and(|in_force| match in_force.plan() {
            Plan::Manage(manage) => matches!(manage.selection, Selection::Automatic(_)),
            Plan::Unmanaged(_) => false,
        });
        Evidence {
            policy_source: policy.and_then(|policy| policy.source()).map(|source| word(source).to_owned()),
            backup_directory: policy.map_or(0, |policy| policy.backup_directory() as u8),
            account_wanted,
            account_automatic,
            unmanaged,
            agent_version: env!("CARGO_PKG_VERSION").into(),
            drift: Vec::new(),
            repair_held: false,
            damaged: Vec::new(),
            new_name: None,
            machine: self.machine(),
        }
    }

    /// What a policy is judged by before it is sent; absent when the accounts cannot be read.
    fn machine(&self) -> Option<Machine> {
        let census = self.tree.census(self.today()).ok()?;
        let account = |account: LocalAccount| MachineAccount {
            id: account.id,
            name: account.name,
            enabled: account.enabled,
            administrator: account.administrator,
        };
        Some(Machine {
            length_min: self.tree.rules().map_or(0, |rules| rules.length_min()),
            accounts: census.accounts.into_iter().map(account).collect(),
            complete: census.complete,
            domain: Some(self.domain.is_some()),
        })
    }

    /// A CA roll-over is taken at check-in (design.md 5): the connection that says so was checked against
    /// the former CA.
    fn take_ca(&mut self, answer: &ReportAnswer) {
        let offered: Option<Vec<Vec<u8>>> =
            answer.ca.iter().map(|text| STANDARD.decode(text).ok().filter(|der| !der.is_empty())).collect();
        let Some(server) = &mut self.server else { return };
        let Some(offered) = offered.filter(|offered| !offered.is_empty() && *offered != server.identity.ca) else {
            return;
        };
        match self.state.write_renewed(&mut server.identity, None, offered) {
            Ok(()) => {
                self.events.write(
                    event::CERTIFICATE_RENEWED,
                    "the server's CA certificates changed; the new ones are trusted",
                );
                server.changed = true;
            }
            Err(error) => self.events.failure(&error.failure()),
        }
    }

    fn view(&self, answer: ReportAnswer) -> View {
        View {
            current: answer.current.map(|current| current.version),
            unresolved: answer
                .unresolved
                .into_iter()
                .map(|pending| Intent {
                    tenant: self.membership.tenant,
                    device: self.membership.device,
                    version: pending.version,
                    account: AccountRef { id: pending.account_id, name: pending.account_name },
                    fingerprint: pending.fingerprint,
                    expires_at: pending.expires_at,
                    destination: Destination::Cloud,
                })
                .collect(),
            incarnation: answer.incarnation,
            rotate_requested: answer.rotate_requested.is_some(),
            repairs_per_day: answer.repairs_per_day.min(REPAIRS_PER_DAY_MAX),
            store_refused: answer.store_refused.map(|code| {
                let text = "the directory takes no password of this device now; the current password was not changed";
                Failure::new(event::BACKUP_FAILED, code, text)
            }),
            server_time: answer.server_time,
            active_directory: None,
        }
    }
}
