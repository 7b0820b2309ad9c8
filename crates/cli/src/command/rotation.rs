//! `rotation …`: rotations of many machines, and how they go on.

use super::time;
use crate::{
    arguments::{Form, Globals},
    failure::Failure,
    output, session, terminal,
};
use clap::Subcommand;
use client::SignedIn;
use laps::id::CampaignId;
use proto::admin::{Campaign, CampaignCounts, CampaignDevice, CancelCampaign, NewCampaign};
use std::time::Duration;
use tokio::time::Instant;

/// How often the server is asked how far it is.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Seconds that `--watch` waits at most when nothing else is said: machines may be away for weeks.
const WATCH_SECONDS: u64 = 3_600;

#[derive(Debug, Subcommand)]
pub(crate) enum RotationCommand {
    /// List the rotations of many machines, newest first
    List,
    /// Show one, and every machine of it
    Show {
        /// Its id, as `rotation list` shows it; the first digits are enough
        id: String,
        /// Only machines in this state: safe, waiting, requested, proven, refused, gone, cancelled
        #[arg(long)]
        state: Option<String>,
        /// Stay until no machine is open any more
        #[arg(long)]
        watch: bool,
        /// Seconds to stay at most
        #[arg(long, value_name = "SECONDS", default_value_t = WATCH_SECONDS, requires = "watch")]
        timeout: u64,
    },
    /// Call one off: what is proven stays, what was only asked is taken back
    Cancel {
        /// Its id, as `rotation list` shows it; the first digits are enough
        id: String,
        /// Why; it is written into the audit log
        #[arg(long, default_value_t)]
        reason: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// `lapwing rotation …`.
pub(crate) async fn run(globals: &Globals, command: RotationCommand) -> Result<(), Failure> {
    let signed_in = session::signed_in(globals).await?;
    match command {
        RotationCommand::List => {
            let campaigns = signed_in.campaigns().await?;
            let columns = ["id", "what", "made", "by", "progress", "ended"];
            output::list(globals.output, &campaigns, &columns, |campaign| {
                vec![
                    campaign.id.to_string(),
                    what(campaign),
                    campaign.created_date_time.to_string(),
                    campaign.requested_by.clone(),
                    progress(&campaign.counts),
                    time(campaign.completed_date_time),
                ]
            })
        }
        RotationCommand::Show { id, state, watch, timeout } => {
            let campaign = find(&signed_in, &id).await?;
            let campaign = match watch {
                true => follow(&signed_in, campaign, Duration::from_secs(timeout)).await?,
                false => campaign,
            };
            show(globals, &signed_in, &campaign, state.as_deref()).await
        }
        RotationCommand::Cancel { id, reason, yes } => {
            let campaign = find(&signed_in, &id).await?;
            if !yes {
                let open = campaign.counts.waiting + campaign.counts.requested;
                agreed(&format!("call off the rotation of {} ({open} machines are open)", what(&campaign)))?;
            }
            let ended = signed_in.cancel_campaign(campaign.id, &CancelCampaign { reason }).await?;
            output::message(&format!("called off: {}", progress(&ended.counts)));
            if globals.output == Form::Json {
                output::json(&ended)?;
            }
            Ok(())
        }
    }
}

async fn find(signed_in: &SignedIn, named: &str) -> Result<Campaign, Failure> {
    if let Ok(id) = named.parse::<CampaignId>() {
        return Ok(signed_in.campaign(id).await?);
    }
    let mut found = signed_in.campaigns().await?;
    found.retain(|campaign| named.len() >= 4 && campaign.id.to_string().starts_with(&named.to_lowercase()));
    match (found.pop(), found.is_empty()) {
        (Some(one), true) => Ok(one),
        (None, _) => {
            Err(Failure::not_found("campaign_unknown", format!("no rotation has an id that begins with {named}"))
                .next("lapwing rotation list"))
        }
        _ => Err(Failure::wrong_use("campaign_ambiguous", format!("several rotations begin with {named}"))
            .next("give more digits of the id")),
    }
}

/// What a campaign is about, in a few words.
pub(crate) fn what(campaign: &Campaign) -> String {
    match campaign.kind.as_str() {
        "revoke" => format!("read by {}", campaign.about),
        "group" => format!("group {}", campaign.about),
        _ => campaign.about.clone(),
    }
}

/// `308 of 312 proven, 4 requested`.
fn progress(counts: &CampaignCounts) -> String {
    let others = [
        (counts.safe, "already safe"),
        (counts.requested, "requested"),
        (counts.waiting, "waiting"),
        (counts.refused, "refused"),
        (counts.gone, "gone"),
        (counts.cancelled, "called off"),
    ];
    let mut text = format!("{} of {} proven", counts.proven, counts.total());
    for (number, word) in others.into_iter().filter(|(number, _)| *number > 0) {
        text.push_str(&format!(", {number} {word}"));
    }
    text
}

/// Follows a campaign until no machine is open, or the time is over. Progress goes to stderr, each time it moves.
pub(crate) async fn follow(
    signed_in: &SignedIn,
    mut campaign: Campaign,
    timeout: Duration,
) -> Result<Campaign, Failure> {
    let ends = Instant::now() + timeout;
    let mut said = String::new();
    loop {
        let now = progress(&campaign.counts);
        if now != said {
            output::message(&now);
            said = now;
        }
        if campaign.completed_date_time.is_some() || Instant::now() >= ends {
            return Ok(campaign);
        }
        tokio::time::sleep(LOOK_EVERY).await;
        campaign = signed_in.campaign(campaign.id).await?;
    }
}

async fn show(
    globals: &Globals,
    signed_in: &SignedIn,
    campaign: &Campaign,
    state: Option<&str>,
) -> Result<(), Failure> {
    let devices = signed_in.campaign_devices(campaign.id, state).await?;
    if globals.output == Form::Json {
        return output::json(&serde_json::json!({"rotation": campaign, "devices": devices}));
    }
    let readers: Vec<&str> = campaign.readers.iter().map(|reader| reader.name.as_str()).collect();
    output::item(
        globals.output,
        campaign,
        vec![
            ("Rotation", campaign.id.to_string()),
            ("What", what(campaign)),
            ("Readers", readers.join(", ")),
            ("Read from", time(campaign.from)),
            ("Read until", time(campaign.until)),
            ("Reason", campaign.reason.clone()),
            ("Asked for by", campaign.requested_by.clone()),
            ("Made", campaign.created_date_time.to_string()),
            ("Progress", progress(&campaign.counts)),
            ("Ended", time(campaign.completed_date_time)),
            ("Called off", cancelled(campaign)),
        ],
    )?;
    if devices.is_empty() {
        return Ok(());
    }
    output::data("\n")?;
    output::list(globals.output, &devices, &["machine", "state", "since", "last contact", "why"], device_row)
}

fn cancelled(campaign: &Campaign) -> String {
    match (&campaign.cancelled_by, campaign.cancelled_date_time) {
        (Some(by), Some(at)) => format!("{at}, by {by}"),
        _ => String::new(),
    }
}

fn device_row(one: &CampaignDevice) -> Vec<String> {
    vec![
        one.name.clone(),
        one.state.clone(),
        one.changed_date_time.to_string(),
        time(one.last_seen_date_time),
        one.text.clone().unwrap_or_default(),
    ]
}

/// Starts a campaign, after the person agreed where it is about many machines, and follows it if asked to.
pub(crate) async fn start(
    globals: &Globals,
    signed_in: &SignedIn,
    new: &NewCampaign,
    yes: bool,
    wait: Option<Duration>,
) -> Result<(), Failure> {
    if (new.all || new.group.is_some()) && !yes {
        let which = new
            .group
            .as_ref()
            .map_or("every machine in your reach".to_owned(), |group| format!("every machine of the group {group}"));
        agreed(&format!("ask {which} for a new password"))?;
    }
    let campaign = signed_in.start_campaign(new).await?;
    ended(globals, signed_in, campaign, wait).await
}

/// Asks for a confirmation; without a terminal `--yes` is the only one.
pub(crate) fn agreed(question: &str) -> Result<(), Failure> {
    if !terminal::is_there() {
        return Err(Failure::wrong_use("not_confirmed", format!("{question}: nobody can be asked here"))
            .next("add --yes when you mean it"));
    }
    match terminal::confirm(&format!("{question}?"))? {
        true => Ok(()),
        false => Err(Failure::failed("not_confirmed", "nothing was done")),
    }
}

/// What is said when a campaign was started, and after the waiting.
pub(crate) async fn ended(
    globals: &Globals,
    signed_in: &SignedIn,
    campaign: Campaign,
    wait: Option<Duration>,
) -> Result<(), Failure> {
    let campaign = match wait {
        Some(timeout) => follow(signed_in, campaign, timeout).await?,
        None => {
            output::message(&progress(&campaign.counts));
            campaign
        }
    };
    if globals.output == Form::Json {
        output::json(&campaign)?;
    }
    let counts = &campaign.counts;
    let left = counts.refused + counts.gone;
    if wait.is_some() && campaign.completed_date_time.is_none() {
        return Err(Failure::failed(
            "rotation_pending",
            format!("{} machines have not rotated yet", counts.waiting + counts.requested),
        )
        .next(format!(
            "they stay on the list and rotate at their next contact: lapwing rotation show {}",
            campaign.id
        )));
    }
    if left > 0 {
        output::message(&format!("{left} machines cannot be asked"));
    }
    output::message(&format!("  next: lapwing rotation show {} --watch", campaign.id));
    Ok(())
}
