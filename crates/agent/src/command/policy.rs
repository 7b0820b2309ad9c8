//! `policy show`.

use super::{Failed, Format, OutputArgument, StateArgument, print, print_json, say, table};
use crate::{management::Configuration, sources, state::StateDir};
use laps::{
    csp::Tree,
    decide::Plan,
    policy::{Given, JoinState, Value},
};
use serde_json::json;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Policy {
    /// Every setting in force: value, source, what was ignored and why
    Show {
        #[command(flatten)]
        state: StateArgument,
        #[command(flatten)]
        output: OutputArgument,
    },
}

fn given(given: &Given) -> String {
    match given {
        Given::Value(value) | Given::Implied(value) => value.to_string(),
        Given::Bad { text, error } => format!("{text} ({error})"),
    }
}

impl Policy {
    pub(super) fn run(self) -> Result<(), Failed> {
        let Self::Show { state, output } = self;
        let state = StateDir::existing(&state.state)?;
        let join = state.join_state()?;
        show(&state, &Configuration::load(&state)?.tree, join, output.output);
        Ok(())
    }
}

fn show(state: &StateDir, tree: &Tree, join: JoinState, format: Format) {
    let in_force = sources::read(state, tree, join);
    let policy = &in_force.policy;
    let managed = match in_force.plan() {
        Plan::Manage(manage) => {
            format!("{} is managed, a new password every {} days", manage.selection, manage.age_days)
        }
        Plan::Unmanaged(why) => format!("no password is managed: {}", why.as_str()),
    };
    let source = policy.source().map_or_else(|| "none".to_owned(), |source| source.to_string());
    if format == Format::Json {
        let settings: Vec<serde_json::Value> = policy
            .settings()
            .iter()
            .map(|setting| {
                let value = match &setting.value {
                    None => serde_json::Value::Null,
                    Some(Value::Int(number)) => json!(number),
                    Some(Value::Bool(yes)) => json!(yes),
                    Some(Value::Text(text)) => json!(text),
                };
                let ignored: Vec<_> = setting
                    .overridden
                    .iter()
                    .map(|(source, value)| json!({"source": source.name(), "value": given(value)}))
                    .collect();
                json!({
                    "name": setting.setting.name(),
                    "value": value,
                    "source": setting.source.map(|source| source.name()),
                    "reason": setting.reason.to_string(),
                    "ignored": ignored,
                })
            })
            .collect();
        let problems: Vec<String> = in_force.problems.iter().map(ToString::to_string).collect();
        print_json(&json!({
            "source": policy.source().map(|source| source.name()),
            "join_state": join.name(),
            "managed": managed,
            "settings": settings,
            "problems": problems,
        }));
        return;
    }
    let rows: Vec<Vec<String>> = policy
        .settings()
        .iter()
        .map(|setting| {
            let ignored: Vec<String> =
                setting.overridden.iter().map(|(source, value)| format!("{source}: {}", given(value))).collect();
            vec![
                setting.setting.name().to_owned(),
                setting.value.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
                setting.source.map_or_else(|| "-".to_owned(), |source| source.to_string()),
                setting.reason.to_string(),
                if ignored.is_empty() { "-".into() } else { ignored.join("; ") },
            ]
        })
        .collect();
    print(format_args!("source: {source} (this machine is {join})\n{managed}\n"));
    print(table(&["setting", "value", "source", "why", "ignored"], &rows));
    for problem in &in_force.problems {
        say(problem);
    }
}
