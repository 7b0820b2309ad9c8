//! `join-token …`

use super::time;
use crate::{arguments::Globals, failure::Failure, output, session};
use clap::Subcommand;
use proto::admin::NewJoinToken;

#[derive(Debug, Subcommand)]
pub(crate) enum JoinTokenCommand {
    /// Make a token with which one machine can join
    Create {
        /// What you want to remember of it
        #[arg(long, default_value = "", hide_default_value = true)]
        note: String,
        /// The group that the machine enters
        #[arg(long)]
        group: Option<String>,
        /// Hours until it ends, 1 to 168; 24 when absent
        #[arg(long, value_name = "HOURS", value_parser = clap::value_parser!(u32).range(1..=168))]
        hours: Option<u32>,
    },
    /// List the tokens, without their text
    List,
    /// End a token before its time
    Revoke {
        /// Its id, as `list` shows it
        id: String,
    },
}

/// `lapwing join-token …`.
pub(crate) async fn run(globals: &Globals, command: JoinTokenCommand) -> Result<(), Failure> {
    let signed_in = session::signed_in(globals).await?;
    match command {
        JoinTokenCommand::Create { note, group, hours } => {
            let new = NewJoinToken { note, group, lifetime_hours: hours };
            let created = signed_in.create_join_token(&new).await?;
            if globals.output == crate::arguments::Form::Json {
                return output::json(&created);
            }
            output::data(&format!("{}\n", created.token))?;
            output::message(&format!(
                "one machine can join with it until {}; on that machine:\n  \
                 lapwing-agent join --server {} --token-file -    # then paste the token\n\
                 withdraw it: lapwing join-token revoke {}",
                created.expires_date_time, created.server, created.id
            ));
            Ok(())
        }
        JoinTokenCommand::List => {
            let tokens = signed_in.join_tokens().await?;
            output::list(globals.output, &tokens, &["id", "state", "ends", "used by", "note"], |token| {
                vec![
                    token.id.clone(),
                    token.state.clone(),
                    time(Some(token.expires_date_time)),
                    token.used_by.map(|id| id.to_string()).unwrap_or_default(),
                    token.note.clone(),
                ]
            })
        }
        JoinTokenCommand::Revoke { id } => {
            signed_in.revoke_join_token(&id).await?;
            output::message("revoked");
            Ok(())
        }
    }
}
