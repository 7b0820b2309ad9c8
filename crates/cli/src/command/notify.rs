//! `notify …`: who is told of reads.

use crate::{arguments::Globals, failure::Failure, output, session};
use clap::{Args, Subcommand, ValueEnum};
use proto::admin::{Channel, MailSecurity, NewChannel, Receiver, SyslogFormat};
use std::{fs, io::Read as _, path::PathBuf};
use zeroize::Zeroizing;

/// Longest secret that is read, bytes.
const SECRET_BYTES_MAX: u64 = 4_096;

#[derive(Debug, Subcommand)]
pub(crate) enum NotifyCommand {
    /// List the channels, and how they stand
    List,
    /// Add a channel; it is told of every read from now on
    #[command(subcommand)]
    Add(Add),
    /// Remove a channel
    Remove {
        /// Its name
        name: String,
    },
    /// Tell a channel nothing until it is resumed; it goes on from its place then
    Pause {
        /// Its name
        name: String,
    },
    /// Let a paused channel go on
    Resume {
        /// Its name
        name: String,
    },
    /// Send a test notice by a channel, and wait until it is taken
    Test {
        /// Its name
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Add {
    /// HTTPS POST of a signed CloudEvent
    Webhook {
        #[command(flatten)]
        common: Common,
        /// The address, https://…
        #[arg(long)]
        url: String,
        /// Addresses of private networks may be reached
        #[arg(long)]
        allow_private: bool,
        /// A file with the key that notices are signed with; - is standard input; without it one is made and printed
        #[arg(long, value_name = "FILE")]
        key_file: Option<PathBuf>,
    },
    /// Mail
    Mail {
        #[command(flatten)]
        common: Common,
        /// The mail server
        #[arg(long)]
        host: String,
        /// Its port
        #[arg(long, default_value_t = 587)]
        port: u16,
        /// starttls (usual on 587) or tls (465)
        #[arg(long, value_enum, default_value = "starttls")]
        security: Security,
        /// The sender
        #[arg(long)]
        from: String,
        /// A receiver; may be named several times
        #[arg(long, required = true)]
        to: Vec<String>,
        /// The name of the account
        #[arg(long, requires = "password_file")]
        user: Option<String>,
        /// A file with the password of the account; - is standard input
        #[arg(long, value_name = "FILE", requires = "user")]
        password_file: Option<PathBuf>,
    },
    /// Syslog over TLS (RFC 5424)
    Syslog {
        #[command(flatten)]
        common: Common,
        /// The collector
        #[arg(long)]
        host: String,
        /// Its port
        #[arg(long, default_value_t = 6514)]
        port: u16,
        /// The form of the message
        #[arg(long, value_enum, default_value = "json")]
        format: Format,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Common {
    /// The channel's name
    name: String,
    /// Tell of every record of the audit log, not of reads only
    #[arg(long)]
    everything: bool,
    /// Certificates that are trusted instead of the server machine's own, PEM
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Security {
    Starttls,
    Tls,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Json,
    Cef,
    Ocsf,
}

/// `lapwing notify …`.
pub(crate) async fn run(globals: &Globals, command: NotifyCommand) -> Result<(), Failure> {
    match command {
        NotifyCommand::List => {
            let channels = session::signed_in(globals).await?.channels().await?;
            let columns = ["name", "kind", "to", "what", "waiting", "dropped", "told last", "state"];
            output::list(globals.output, &channels, &columns, row)
        }
        NotifyCommand::Add(add) => {
            let new = add.channel()?;
            let made = session::signed_in(globals).await?.create_channel(&new).await?;
            output::message(&format!("{} is told from now on", made.name));
            if let Some(secret) = &made.secret {
                output::message("this is the key that its notices are signed with; it is shown this once:");
                output::data(&format!("{secret}\n"))?;
            }
            output::message(&format!("  next: lapwing notify test {}", made.name));
            Ok(())
        }
        NotifyCommand::Remove { name } => {
            session::signed_in(globals).await?.delete_channel(&name).await?;
            output::message(&format!("{name} is told no more"));
            Ok(())
        }
        NotifyCommand::Pause { name } => {
            session::signed_in(globals).await?.pause_channel(&name, true).await?;
            output::message(&format!("{name} is told nothing until it is resumed"));
            output::message(&format!("  next: lapwing notify resume {name}"));
            Ok(())
        }
        NotifyCommand::Resume { name } => {
            session::signed_in(globals).await?.pause_channel(&name, false).await?;
            output::message(&format!("{name} goes on from where it was"));
            Ok(())
        }
        NotifyCommand::Test { name } => {
            session::signed_in(globals).await?.test_channel(&name).await?;
            output::message(&format!("{name} took a test notice"));
            Ok(())
        }
    }
}

impl Add {
    fn channel(self) -> Result<NewChannel, Failure> {
        let (common, to, secret) = match self {
            Self::Webhook { common, url, allow_private, key_file } => {
                let ca = common.certificates()?;
                (common, Receiver::Webhook { url, ca, allow_private }, key_file)
            }
            Self::Mail { common, host, port, security, from, to, user, password_file } => {
                let security = match security {
                    Security::Starttls => MailSecurity::Starttls,
                    Security::Tls => MailSecurity::Tls,
                };
                let ca = common.certificates()?;
                (common, Receiver::Mail { host, port, security, from, to, user, ca }, password_file)
            }
            Self::Syslog { common, host, port, format } => {
                let format = match format {
                    Format::Json => SyslogFormat::Json,
                    Format::Cef => SyslogFormat::Cef,
                    Format::Ocsf => SyslogFormat::Ocsf,
                };
                let ca = common.certificates()?;
                (common, Receiver::Syslog { host, port, format, ca }, None)
            }
        };
        let secret = secret.map(|file| secret_of(&file)).transpose()?;
        let secret = secret.map(|secret| secret.to_string());
        Ok(NewChannel { name: common.name, everything: common.everything, to, secret })
    }
}

impl Common {
    fn certificates(&self) -> Result<Option<String>, Failure> {
        let read = |file: &PathBuf| fs::read_to_string(file).map_err(|error| unreadable(file, &error));
        self.trust.as_ref().map(read).transpose()
    }
}

fn unreadable(file: &std::path::Path, error: &std::io::Error) -> Failure {
    Failure::failed("file_unreadable", format!("{}: {error}", file.display())).next("name a file that you can read")
}

/// One line of a file or of standard input: a secret never stands in an argument.
fn secret_of(file: &PathBuf) -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::new());
    let read = if file.as_os_str() == "-" {
        std::io::stdin().take(SECRET_BYTES_MAX).read_to_string(&mut text)
    } else {
        fs::File::open(file).and_then(|file| file.take(SECRET_BYTES_MAX).read_to_string(&mut text))
    };
    read.map_err(|error| unreadable(file, &error))?;
    Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

fn row(channel: &Channel) -> Vec<String> {
    let (kind, to) = match &channel.to {
        Receiver::Webhook { url, .. } => ("webhook", url.clone()),
        Receiver::Mail { to, .. } => ("mail", to.join(", ")),
        Receiver::Syslog { host, port, .. } => ("syslog", format!("{host}:{port}")),
    };
    let state = match (&channel.last_error, channel.retry_date_time) {
        _ if channel.paused => "paused".to_owned(),
        (Some(error), Some(retry)) => format!("failed {} times: {error}; again at {retry}", channel.failures),
        _ => "well".to_owned(),
    };
    vec![
        channel.name.clone(),
        kind.to_owned(),
        to,
        if channel.everything { "everything" } else { "reads" }.to_owned(),
        channel.waiting.to_string(),
        channel.dropped.to_string(),
        super::time(channel.delivered_date_time),
        state,
    ]
}
