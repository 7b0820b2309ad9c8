//! `ad get`: passwords, with the fields of Get-LapsADPassword.

use super::{Access, connect::connect};
use crate::{
    arguments::{Form, Globals},
    failure::Failure,
    output,
};
use ad::{
    Connection,
    admin::password::{Absence, Decryption, Keys, Reading, Source},
};
use laps::{text::misleads, time::Timestamp};
use serde::Serialize;
use zeroize::Zeroizing;

/// A password as a program reads it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row<'a> {
    computer_name: &'a str,
    distinguished_name: &'a str,
    account: Option<&'a str>,
    password: Option<&'a str>,
    password_update_time: Option<String>,
    expiration_timestamp: Option<String>,
    source: &'static str,
    decryption_status: &'static str,
    authorized_decryptor: Option<&'a str>,
}

impl<'a> From<&'a Reading> for Row<'a> {
    fn from(reading: &'a Reading) -> Self {
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
        Self {
            computer_name: &reading.computer,
            distinguished_name: &reading.dn,
            account: reading.account.as_deref(),
            password: reading.password.as_ref().map(|password| password.reveal()),
            password_update_time: time(reading.updated_at),
            expiration_timestamp: time(reading.expires_at),
            source: reading.source.name(),
            decryption_status: reading.decryption.name(),
            authorized_decryptor: reading.decryptor.as_deref(),
        }
    }
}

/// `lapwing ad get`.
pub(super) async fn get(
    globals: &Globals,
    access: &Access,
    computers: &[String],
    history: bool,
    recovery_mode: bool,
) -> Result<(), Failure> {
    let mut connection = connect(access).await?;
    let mut keys = if recovery_mode { Keys::of_root_key() } else { Keys::of_controller() };
    let (mut readings, mut first_failure) = (Vec::new(), None);
    let mut failed = |failure: Failure| {
        match &first_failure {
            None => first_failure = Some(failure),
            // The first one ends the program; what else went wrong is told here.
            Some(_) => output::message(&failure.text()),
        }
    };
    for computer in computers {
        match connection.password_of(computer, history, &mut keys).await {
            Ok(found) => {
                if let Some(current) = found.first()
                    && let Some(failure) = shortfall(&connection, current).await?
                {
                    failed(failure);
                }
                readings.extend(found);
            }
            Err(error) => failed(error.into()),
        }
    }
    print(globals.output, &readings)?;
    first_failure.map_or(Ok(()), Err)
}

/// What is wrong with a reading that has no password, and what to do.
async fn shortfall(connection: &Connection, reading: &Reading) -> Result<Option<Failure>, Failure> {
    let name = &reading.computer;
    Ok(match (&reading.decryption, reading.source) {
        (Decryption::Success, _) => None,
        (Decryption::Unauthorized, _) => {
            let decryptor = reading.decryptor.as_deref().unwrap_or("somebody else");
            Some(
                Failure::refused("ad_decryption_unauthorized", format!("{name}: only {decryptor} may decrypt the password"))
                    .next(format!("ask as {decryptor} or a member of it; for the next password, change ADPasswordEncryptionPrincipal")),
            )
        }
        (Decryption::Error(error), _) => Some(
            Failure::failed("ad_decryption_failed", format!("{name}: the password cannot be decrypted: {error}"))
                .next("with the right to read the root key: lapwing ad get --recovery-mode; or let the machine rotate: lapwing ad expire"),
        ),
        (Decryption::NotApplicable, Source::PasswordMissing) => {
            Some(absence(connection, reading).await?)
        }
        (Decryption::NotApplicable, _) => None,
    })
}

async fn absence(connection: &Connection, reading: &Reading) -> Result<Failure, Failure> {
    let schema = connection.forest_schema().await?;
    let name = &reading.computer;
    let unit = reading.dn.split_once(',').map_or("OU", |(_, parent)| parent);
    Ok(match connection.absence(&reading.dn, &schema).await? {
        Absence::NotStored => {
            let failure =
                Failure::not_found("password_none", format!("{name} has stored no password in the directory"));
            failure.next(format!("why: lapwing ad explain {name}"))
        }
        Absence::NoRight(rights) => {
            let attributes: Vec<_> = rights.iter().filter_map(|right| right.attribute()).collect();
            let stored =
                if reading.expires_at.is_some() { " (it has an expiry, so there may well be one)" } else { "" };
            Failure::refused(
                "ad_read_refused",
                format!("{name}: no password is seen{stored}: this account may not read {}", attributes.join(", ")),
            )
            .next(format!(
                "an administrator gives the right: lapwing ad permit read '{unit}' --principal 'DOMAIN\\name'"
            ))
        }
        Absence::Unknown => {
            Failure::not_found("password_missing", format!("{name} has no password, or this account may not read it"))
                .next(format!("as an administrator: lapwing ad rights '{unit}'"))
        }
    })
}

/// Passwords as data: with the cmdlet's names of fields.
pub(super) fn print(form: Form, readings: &[Reading]) -> Result<(), Failure> {
    if form == Form::Json {
        return output::json(&readings.iter().map(Row::from).collect::<Vec<_>>());
    }
    for (place, row) in readings.iter().map(Row::from).enumerate() {
        let fields = [
            ("ComputerName", Some(row.computer_name)),
            ("DistinguishedName", Some(row.distinguished_name)),
            ("Account", row.account),
            ("Password", row.password),
            ("PasswordUpdateTime", row.password_update_time.as_deref()),
            ("ExpirationTimestamp", row.expiration_timestamp.as_deref()),
            ("Source", Some(row.source)),
            ("DecryptionStatus", Some(row.decryption_status)),
            ("AuthorizedDecryptor", row.authorized_decryptor),
        ];
        // Long enough that nothing is left behind by growing.
        let length: usize = fields.iter().map(|(_, value)| value.map_or(0, str::len) + 24).sum();
        let mut text = Zeroizing::new(String::with_capacity(length + 1));
        if place > 0 {
            text.push('\n');
        }
        for (name, value) in fields {
            let Some(value) = value else { continue };
            text.push_str(name);
            for _ in name.len()..21 {
                text.push(' ');
            }
            // Values come from machines and may hold anything: none reaches the terminal as a command.
            text.extend(value.chars().map(|c| if c.is_control() || misleads(c) { ' ' } else { c }));
            text.push('\n');
        }
        output::data(&text)?;
    }
    Ok(())
}
