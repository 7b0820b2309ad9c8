//! `explain`: why this machine has stored no password, or an old one. It asks nobody and changes nothing.

use super::{Failed, Format, OutputArgument, StateArgument, TreeArguments, print_json, tree_of};
use crate::{
    clock::{Clock as _, SystemClock},
    management::Configuration,
    sources,
    state::{Membership, StateDir},
};
use laps::{
    account::Selection,
    decide::{Plan, Unmanaged},
    explain::{DomainEvidence, KeptIn, Machine, Report, explain_domain},
    policy::{BackupDirectory, JoinState},
};
use proto::admin::Explanation;
use std::io::Write as _;

#[derive(Debug, clap::Args)]
pub(super) struct Explain {
    #[command(flatten)]
    pub(super) state: StateArgument,
    #[command(flatten)]
    pub(super) tree: TreeArguments,
    #[command(flatten)]
    pub(super) output: OutputArgument,
}

impl Explain {
    pub(super) fn run(self) -> Result<(), Failed> {
        let state = StateDir::existing(&self.state.state)?;
        let (server, domain) = (state.identity()?, state.domain()?);
        let joined = Membership::of(server.as_ref(), domain.as_ref());
        let join = joined.as_ref().map_or(JoinState::None, |joined| joined.join);
        let memory =
            state.memory()?.filter(|memory| joined.as_ref().is_some_and(|joined| joined.device == memory.device));
        let contact = state.contact()?;
        let begun =
            state.intent()?.filter(|intent| joined.as_ref().is_some_and(|joined| joined.device == intent.device));
        let in_force = sources::read(&state, &Configuration::load(&state)?.tree, join);
        let now = SystemClock.now();

        let (mut wanted, mut is_automatic) = (Selection::BuiltIn, false);
        let unmanaged = match in_force.plan() {
            Plan::Manage(manage) => {
                is_automatic = matches!(manage.selection, Selection::Automatic(_));
                wanted = manage.selection;
                None
            }
            Plan::Unmanaged(why) => Some(why),
        };
        // Which account an automatic one is, the last rotation knows.
        let remembered = memory.as_ref().map(|memory| Selection::Named(memory.account.name.clone()));
        let looked_for = match &wanted {
            Selection::Automatic(automatic) if !automatic.built_in => remembered.unwrap_or_else(|| wanted.clone()),
            other => other.clone(),
        };
        let found =
            tree_of(&self.tree, joined.as_ref()).map(|tree| tree.inspect(&looked_for, crate::accounts::day_of(now)));
        // An account database that cannot be read (by somebody who is not root) says nothing.
        let is_missing = matches!(&found, Ok(Err(error)) if error.code() == "account_not_found");
        let is_disabled = matches!(&found, Ok(Ok(account)) if account.usability.disabled);
        let account_wanted = match &wanted {
            Selection::BuiltIn => None,
            Selection::Named(name) => Some(name.clone()),
            Selection::Automatic(_) => wanted.name_rule().map(|rule| rule.base()),
        };
        let report = Report {
            at: now,
            policy_source: in_force.policy.source().map(|source| source.name().to_owned()),
            backup_directory: in_force.policy.backup_directory() as u8,
            join_state_mismatch: unmanaged == Some(Unmanaged::JoinStateMismatch),
            in_active_directory: None,
            account_wanted,
            account_automatic: is_automatic,
            account_found: unmanaged.is_some() || !is_missing,
            account_enabled: !is_disabled,
            // As the last cycle found it: looking again would need the account's verifier.
            drift: memory.as_ref().map(|memory| memory.watch.found.clone()).unwrap_or_default(),
            repair_held: memory.as_ref().is_some_and(|memory| memory.watch.held),
            other_administrators: Vec::new(),
            last_error: contact.last_error.map(|(failure, _)| (failure.event, failure.code, failure.text)),
        };
        let name = match (&domain, &server) {
            (Some(domain), _) => domain.computer.trim_end_matches('$').to_owned(),
            (None, Some(server)) => server.name.clone(),
            (None, None) => "this machine".to_owned(),
        };
        let evidence = DomainEvidence {
            now,
            name: name.clone(),
            machine: Some(Machine {
                report,
                ignored_sources: in_force
                    .policy
                    .overridden_sources()
                    .iter()
                    .map(|source| source.name().to_owned())
                    .collect(),
                joined_server: server.is_some(),
                joined_domain: domain.is_some(),
                kept: memory.as_ref().map(|memory| (kept_in(memory.directory()), memory.rotated_at)),
                expires_at: memory.as_ref().map(|memory| memory.expires_at),
                begun: begun.map(|intent| kept_in(intent.destination.directory())),
            }),
            directory: None,
        };
        let explanation = Explanation::of(&name, &explain_domain(&evidence));
        if self.output.output == Format::Json {
            print_json(&serde_json::to_value(&explanation).unwrap_or_default());
            return Ok(());
        }
        let _ = std::io::stdout().lock().write_all(explanation.text(&name).as_bytes());
        Ok(())
    }
}

fn kept_in(directory: BackupDirectory) -> KeptIn {
    match directory {
        BackupDirectory::Ad => KeptIn::ActiveDirectory,
        BackupDirectory::Entra | BackupDirectory::Disabled => KeptIn::Server,
    }
}
