//! `setting …`

use crate::{arguments::Globals, failure::Failure, output, session};
use clap::{Subcommand, ValueEnum};
use proto::admin::Settings;

#[derive(Debug, Subcommand)]
pub(crate) enum SettingCommand {
    /// Show the settings
    Show,
    /// Turn the tenant switch "Enable LAPS": while it is off, no machine can store a password
    Laps {
        /// on or off
        #[arg(value_enum)]
        state: Switch,
    },
    /// Set the days that a deleted machine's password stays readable
    TombstoneDays {
        /// 0 to 365; 0 removes it at once
        #[arg(value_parser = clap::value_parser!(u32).range(0..=365))]
        days: u32,
    },
    /// Set the versions that a machine may store in 24 hours; rotations that a person asks for are not counted
    VersionsPerDay {
        /// 1 to 1000; 12 is the default
        #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
        count: u32,
    },
    /// Set the versions of a machine that may be stored and not proven
    UnresolvedMax {
        /// 1 to 100; 4 is the default
        #[arg(value_parser = clap::value_parser!(u32).range(1..=100))]
        count: u32,
    },
    /// Say that the server's clock is right: what removes passwords goes on after the clock had jumped
    ConfirmClock,
    /// Set the repairs of drift in 24 hours after which a machine holds repair, and tries once a day
    RepairsPerDay {
        /// 1 to 24; 3 is the default
        #[arg(value_parser = clap::value_parser!(u32).range(1..=24))]
        count: u32,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
}

/// `lapwing setting …`.
pub(crate) async fn run(globals: &Globals, command: SettingCommand) -> Result<(), Failure> {
    let signed_in = session::signed_in(globals).await?;
    match command {
        SettingCommand::Show => {
            let settings = signed_in.settings().await?;
            let number = |number: Option<u32>| number.map(|number| number.to_string()).unwrap_or_default();
            let fields = vec![
                ("laps", settings.laps_enabled.map(|on| if on { "on" } else { "off" }).unwrap_or_default().to_owned()),
                ("tombstone-days", number(settings.tombstone_days)),
                ("versions-per-day", number(settings.versions_per_day)),
                ("unresolved-max", number(settings.unresolved_max)),
                ("repairs-per-day", number(settings.repairs_per_day)),
                ("escrow every days", number(settings.escrow_interval_days)),
                ("escrow recipients", settings.escrow_recipients.as_deref().unwrap_or_default().join("\n")),
                (
                    "clock",
                    settings
                        .clock_held_date_time
                        .map(|at| format!("held since {at}: it jumped; lapwing setting confirm-clock"))
                        .unwrap_or_default(),
                ),
            ];
            output::item(globals.output, &settings, fields)
        }
        SettingCommand::Laps { state } => {
            let on = state == Switch::On;
            // By Graph, where the switch is a property of a resource that is replaced whole: read, change, write.
            let mut policy = signed_in.registration_policy().await?;
            policy.local_admin_password.is_enabled = on;
            signed_in.set_registration_policy(&policy).await?;
            output::message(if on {
                "LAPS is on: machines with a policy store their passwords now\n  next: lapwing policy list"
            } else {
                "LAPS is off: machines store nothing; what is stored stays readable"
            });
            Ok(())
        }
        SettingCommand::TombstoneDays { days } => {
            signed_in.change_settings(&Settings { tombstone_days: Some(days), ..Settings::default() }).await?;
            output::message(&format!("a deleted machine's password stays readable for {days} days"));
            Ok(())
        }
        SettingCommand::VersionsPerDay { count } => {
            signed_in.change_settings(&Settings { versions_per_day: Some(count), ..Settings::default() }).await?;
            output::message(&format!("a machine may store {count} versions in 24 hours"));
            Ok(())
        }
        SettingCommand::UnresolvedMax { count } => {
            signed_in.change_settings(&Settings { unresolved_max: Some(count), ..Settings::default() }).await?;
            output::message(&format!("a machine may have {count} versions that are not proven"));
            Ok(())
        }
        SettingCommand::ConfirmClock => {
            signed_in.confirm_clock().await?;
            output::message("the clock is confirmed: what removes passwords and tombstones goes on");
            Ok(())
        }
        SettingCommand::RepairsPerDay { count } => {
            signed_in.change_settings(&Settings { repairs_per_day: Some(count), ..Settings::default() }).await?;
            output::message(&format!("a machine repairs drift {count} times in 24 hours, then holds repair"));
            Ok(())
        }
    }
}
