//! `lapwingd init`.

use super::{Data, start};
use anyhow::Context;
use clap::Args;
use server::instance::config::Config;
use server::instance::{InstanceError, database, init};
use server::store::sqlite::SqliteStore;
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::sync::Arc;

#[derive(Debug, Args)]
pub(crate) struct Init {
    #[command(flatten)]
    data: Data,
    /// The name or address under which devices and people reach the server, with :PORT if it is not 8443
    #[arg(long, value_name = "NAME")]
    hostname: Option<String>,
    /// Where it listens; all addresses and the port of --hostname if absent
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Turn "Enable LAPS" on, assign a default policy to all devices, start, and print the join line
    #[arg(long)]
    quick: bool,
    /// With --quick: ask nothing
    #[arg(long, requires = "quick")]
    yes: bool,
    /// With --quick: make everything, but do not start
    #[arg(long, requires = "quick")]
    no_start: bool,
}

pub(crate) async fn run(arguments: Init) -> anyhow::Result<()> {
    let data = &arguments.data.data;
    let hostname = match &arguments.hostname {
        Some(hostname) => hostname.clone(),
        None if arguments.quick && !arguments.yes && std::io::stdin().is_terminal() => {
            ask("Name or address under which devices reach this server", &machine_name())?
        }
        None => machine_name(),
    };
    if arguments.quick && !arguments.yes {
        if !std::io::stdin().is_terminal() {
            anyhow::bail!("nothing was made: --quick asks, and nobody can be asked here; add --yes");
        }
        eprintln!(
            "This turns \"Enable LAPS\" on and assigns to all devices: built-in administrator, 20 characters, new every 30 days."
        );
        if !ask("Go on? (yes/no)", "yes")?.eq_ignore_ascii_case("yes") {
            anyhow::bail!("nothing was made");
        }
    }
    let config = Config::of(&hostname, arguments.listen);
    let (tenant, key) = init::make_keys(data, &config)?;
    let path = database(data);
    let store = Arc::new(SqliteStore::create(&path).map_err(InstanceError::from).context("database")?);
    let made = init::make_tenant(data, &config, tenant, key, store).await?;
    println!("server       {}", config.url);
    println!("data         {}", data.display());
    println!("tenant       {tenant}");
    println!("CA SHA-256   {}", made.app.authority().fingerprint());
    println!("user name    {}", made.administrator.user_name);
    println!("one-time secret, until {}:", made.administrator.expires_date_time);
    println!("{}", made.administrator.one_time_secret);
    let token = match arguments.quick {
        true => Some(init::make_quick(&made.app).await?),
        false => None,
    };
    let user = made.administrator.user_name.clone();
    // The database is closed before another process opens it or another user owns it.
    drop(made);
    start::give_to_owner(data)?;
    let keep = format!(
        "Keep a copy of the key-encryption key elsewhere: lapwingd kek export --data {} --to age1…",
        data.display()
    );
    let Some(token) = token else {
        let data = data.display();
        eprintln!(
            "\nNext: lapwingd run --data {data}\nThen sign in: lapwing login --here --user {user} --server {} --ca {data}/keys/ca.crt\n\
             {keep}\nPasswords are taken after: lapwing setting laps on",
            config.url
        );
        return Ok(());
    };
    eprintln!();
    if !arguments.no_start {
        eprintln!("{}", start::start(data, &config)?);
    }
    eprintln!("{keep}");
    println!("\nNext, as root on a machine (the line works once, until {}):", token.expires_date_time);
    println!("lapwing-agent join --server {} --token {} --wait", token.server, token.token);
    std::io::stdout().flush()?;
    Ok(())
}

fn ask(question: &str, usual: &str) -> anyhow::Result<String> {
    eprint!("{question} [{usual}]: ");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    let line = line.trim();
    Ok(if line.is_empty() { usual } else { line }.to_owned())
}

/// The machine's own name.
fn machine_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() || name == "(none)" { "localhost".into() } else { name }
}
