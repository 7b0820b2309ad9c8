//! `status`, `events`, `check-password`.

use super::explain::Explain;
use super::{Failed, Format, OutputArgument, StateArgument, TreeArguments, print, print_json, say, tree_of};
use crate::{
    clock::{Clock as _, SystemClock},
    effect::Validity,
    events,
    management::Configuration,
    sources,
    state::{Membership, StateDir},
};
use laps::{
    account::Selection,
    decide::{Manage, Plan},
    password::Password,
};
use serde_json::json;
use std::io::{self, IsTerminal as _, Read as _};
use zeroize::Zeroizing;

/// The longest password that is read, in bytes.
const PASSWORD_BYTES_MAX: u64 = 4096;

#[derive(Debug, clap::Args)]
pub(super) struct Status {
    #[command(flatten)]
    state: StateArgument,
    #[command(flatten)]
    tree: TreeArguments,
    #[command(flatten)]
    output: OutputArgument,
    /// Say why no password is stored, or an old one, and what to do; as `explain` does
    #[arg(long)]
    explain: bool,
}

impl Status {
    pub(super) fn run(self) -> Result<(), Failed> {
        if self.explain {
            return Explain { state: self.state, tree: self.tree, output: self.output }.run();
        }
        let state = StateDir::existing(&self.state.state)?;
        let (server, domain) = (state.identity()?, state.domain()?);
        let Some(joined) = Membership::of(server.as_ref(), domain.as_ref()) else {
            return Err(crate::effect::StartError::NotJoined.into());
        };
        let memory = state.memory()?.filter(|memory| memory.device == joined.device);
        let contact = state.contact()?;
        let signed_in = state.sign_ins()?.schedule.waiting;
        let in_force = sources::read(&state, &Configuration::load(&state)?.tree, joined.join);
        let running = crate::run::running(&state);
        let managed = match in_force.plan() {
            Plan::Manage(manage) => Ok(manage.selection.to_string()),
            Plan::Unmanaged(why) => Err(why.as_str()),
        };
        let certificate = server.as_ref().and_then(|identity| Validity::of(&identity.certificate));
        let valid_until = certificate.map(|validity| validity.not_after.to_string());
        let controller = memory.as_ref().and_then(|memory| memory.destination.placement());
        if self.output.output == Format::Json {
            print_json(&json!({
                "server": server.as_ref().map(|identity| identity.server.clone()),
                "tenant": joined.tenant.to_string(),
                "device": joined.device.to_string(),
                "device_name": server.as_ref().map(|identity| identity.name.clone()),
                "certificate_valid_until": valid_until,
                "domain": domain.as_ref().map(|domain| domain.domain.clone()),
                "computer": domain.as_ref().map(|domain| domain.computer.clone()),
                "join_state": joined.join.to_string(),
                "prefix": joined.prefix,
                "agent_pid": running,
                "policy_source": in_force.policy.source().map(|source| source.name()),
                "managed": managed.as_ref().ok(),
                "unmanaged": managed.as_ref().err(),
                "account": memory.as_ref().map(|memory| memory.account.name.clone()),
                "directory": memory.as_ref().map(|memory| memory.directory().to_string()),
                "domain_controller": controller.map(|placement| placement.controller.clone()),
                "version": memory.as_ref().map(|memory| memory.version.to_string()),
                "rotated_at": memory.as_ref().map(|memory| memory.rotated_at.to_string()),
                "expires_at": memory.as_ref().map(|memory| memory.expires_at.to_string()),
                "signed_in_at": signed_in.as_ref().map(|waiting| waiting.signed_in_at.to_string()),
                "change_after_sign_in_at": signed_in.as_ref().map(|waiting| waiting.deadline.to_string()),
                "last_error": contact.last_error.as_ref().map(|(failure, at)| json!({
                    "event": failure.event,
                    "code": failure.code,
                    "text": failure.text,
                    "at": at.to_string(),
                })),
            }));
            return Ok(());
        }
        if let Some(identity) = &server {
            print(format_args!("server:       {}", identity.server));
            print(format_args!("device:       {} ({})", identity.name, identity.device));
            print(format_args!("certificate:  valid until {}", valid_until.as_deref().unwrap_or("?")));
        }
        if let Some(domain) = &domain {
            print(format_args!("domain:       {}", domain.domain));
            print(format_args!("computer:     {} (keytab {})", domain.computer, domain.keytab.display()));
        }
        if let Some(prefix) = &joined.prefix {
            print(format_args!("accounts of:  {}", prefix.display()));
        }
        print(format_args!(
            "agent:        {}",
            running.map_or_else(|| "not running".to_owned(), |pid| format!("process {pid}"))
        ));
        let source = in_force.policy.source().map_or_else(|| "none".to_owned(), |source| source.to_string());
        print(format_args!("policy:       {source}"));
        match &managed {
            Ok(selection) => print(format_args!("managed:      {selection}")),
            Err(why) => print(format_args!("managed:      nothing ({why})")),
        }
        match &memory {
            Some(memory) => {
                print(format_args!(
                    "password:     of {:?}, proven {}, due {}",
                    memory.account.name, memory.rotated_at, memory.expires_at
                ));
                if let Some(placement) = controller {
                    print(format_args!("              in Active Directory, at {}", placement.controller));
                }
            }
            None => print("password:     none was proven yet"),
        }
        if let Some(waiting) = &signed_in {
            print(format_args!(
                "signed in:    {:?} at {}; the password is changed at {}",
                waiting.account.name, waiting.signed_in_at, waiting.deadline
            ));
        }
        if let Some((failure, at)) = &contact.last_error {
            print(format_args!("last error:   {at} {failure}"));
        }
        Ok(())
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct Events {
    #[command(flatten)]
    state: StateArgument,
    #[command(flatten)]
    output: OutputArgument,
    /// Show the newest N events
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100)]
    count: usize,
}

impl Events {
    pub(super) fn run(self) -> Result<(), Failed> {
        let records = StateDir::existing(&self.state.state)?.events().read(self.count)?;
        if self.output.output == Format::Json {
            print_json(&serde_json::to_value(&records).unwrap_or_default());
        } else {
            records.iter().for_each(|record| print(events::line(record)));
        }
        Ok(())
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct CheckPassword {
    #[command(flatten)]
    state: StateArgument,
    #[command(flatten)]
    tree: TreeArguments,
}

impl CheckPassword {
    pub(super) fn run(self) -> Result<(), Failed> {
        let (selection, joined) = match StateDir::existing(&self.state.state) {
            Ok(state) => {
                let plan = sources::read(&state, &Configuration::load(&state)?.tree, state.join_state()?).plan();
                let remembered = state.memory()?.map(|memory| Selection::Named(memory.account.name));
                let selection = match plan {
                    // Which account that is, the last rotation knows.
                    Plan::Manage(Manage { selection: Selection::Automatic(wanted), .. }) if !wanted.built_in => {
                        remembered.unwrap_or(Selection::Automatic(wanted))
                    }
                    Plan::Manage(manage) => manage.selection,
                    Plan::Unmanaged(_) => remembered.unwrap_or(Selection::BuiltIn),
                };
                (selection, state.membership()?)
            }
            Err(_) => (Selection::BuiltIn, None),
        };
        let tree = tree_of(&self.tree, joined.as_ref())?;
        let today = crate::accounts::day_of(SystemClock.now());
        let account = tree.inspect(&selection, today).map_err(|error| {
            let exit = if error.code() == "account_not_found" { 4 } else { 1 };
            Failed::new(error.code(), format_args!("{error}; {}", error.remedy())).exit(exit)
        })?;
        let password = read_password()?;
        match tree.prove(&account.account, &password) {
            Ok(proof) => {
                say(format_args!("the password opens {:?} ({:?})", account.account.name, proof.kind));
                if account.usability.disabled {
                    say("but the account is disabled: nobody can sign in with it");
                }
                Ok(())
            }
            Err(error) => Err(Failed::new(error.code(), &error)),
        }
    }
}

/// From a prompt on a terminal, else the whole of standard input without its line end.
fn read_password() -> Result<Password, Failed> {
    let failed = |error: io::Error| Failed::new("password_unreadable", format_args!("no password: {error}"));
    if io::stdin().is_terminal() {
        return rpassword::prompt_password("Password: ").map(Password::new).map_err(failed);
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    io::stdin().lock().take(PASSWORD_BYTES_MAX).read_to_end(&mut bytes).map_err(failed)?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| Failed::new("password_unreadable", "standard input is not UTF-8 text"))?;
    Ok(Password::new(text.strip_suffix('\n').unwrap_or(text).to_owned()))
}
