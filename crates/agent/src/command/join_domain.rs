//! `join-domain`: Active Directory as the backup directory.

use super::{Failed, StateArgument, TreeArguments, locked, print, runtime, say};
use crate::{
    clock, domain,
    domain::{ActiveDirectory, Domain},
    state::{DomainJoin, Security},
};
use laps::{
    id::{DeviceId, TenantId},
    rotation::Failure,
};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// The keytab of a joined machine.
const KEYTAB: &str = "/etc/krb5.keytab";

#[derive(Debug, clap::Args)]
pub(super) struct JoinDomain {
    /// The DNS name of the domain; without it that of the keytab's realm
    #[arg(long, value_name = "NAME")]
    domain: Option<String>,
    /// The computer account, such as WS01$; without it the one in the keytab
    #[arg(long, value_name = "NAME$")]
    computer: Option<String>,
    /// The keytab that adcli, realmd or Samba made when the machine joined the domain
    #[arg(long, value_name = "FILE", default_value = KEYTAB)]
    keytab: PathBuf,
    /// Ask this domain controller and no other
    #[arg(long, value_name = "HOST")]
    server: Option<String>,
    /// Where that controller listens for LDAP, when DNS does not say so
    #[arg(long, value_name = "IP:PORT", requires = "server")]
    server_address: Option<SocketAddr>,
    /// Ask this name server instead of the machine's own
    #[arg(long, value_name = "IP:PORT")]
    dns: Option<SocketAddr>,
    /// Prefer the controllers of this site
    #[arg(long, value_name = "SITE")]
    site: Option<String>,
    /// How connections are protected
    #[arg(long, value_enum, default_value_t = Security::Sealed)]
    security: Security,
    /// Certificates (PEM) that a controller's must lead to; without them the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    #[command(flatten)]
    tree: TreeArguments,
    #[command(flatten)]
    state: StateArgument,
}

/// A machine whose Samba directory database is there is a domain controller itself.
const CONTROLLER_DATABASE: &str = "/var/lib/samba/private/sam.ldb";

impl JoinDomain {
    /// Nothing is kept before a controller has answered: the account, its rights and the schema are looked at first.
    pub(super) fn run(self) -> Result<(), Failed> {
        let (state, _lock) = locked(&self.state.state)?;
        let keys = domain::keys_of(&self.keytab, self.computer.as_deref(), self.domain.as_deref()).map_err(failed)?;
        let random =
            || clock::random::<16>().map_err(|_| Failed::new("no_randomness", "the system's random generator failed"));
        let absolute = |path: &Path| {
            path.canonicalize()
                .map_err(|error| Failed::new("file_unreadable", format_args!("{}: {error}", path.display())))
        };
        let prefix = self.tree.prefix.as_deref().map(absolute).transpose()?;
        let join = DomainJoin {
            controller: prefix.is_none() && Path::new(CONTROLLER_DATABASE).exists(),
            domain: keys.domain,
            computer: keys.computer,
            keytab: absolute(&self.keytab)?,
            server: self.server,
            server_address: self.server_address,
            dns: self.dns,
            site: self.site,
            security: self.security,
            ca: self.ca.as_deref().map(absolute).transpose()?,
            tenant: TenantId::from_random_bytes(random()?),
            machine: DeviceId::from_random_bytes(random()?),
            prefix,
            volatile_ok: self.tree.volatile_ok,
        };
        domain::use_keytab(&join.keytab).map_err(failed)?;
        let found =
            runtime()?.block_on(domain::look(&join)).map_err(|failure| Failed::new(failure.code, failure.text))?;
        state.write_domain(&join)?;
        print(format_args!("domain:      {} (functional level {})", join.domain, found.functional_level));
        print(format_args!("controller:  {}", found.controller));
        print(format_args!("computer:    {}", found.computer));
        for warning in &found.warnings {
            say(format_args!("{}: {}", warning.code, warning.text));
        }
        print(
            "next: a policy with BackupDirectory 2 (the CSP, policy/registry.pol in the state directory, or \
             /etc/lapwing/laps.toml; `lapwing-agent policy show` tells what is in force), then `lapwing-agent cycle`, \
             and as a service: systemctl enable --now lapwing-agent",
        );
        Ok(())
    }
}

/// Who speaks to the domain.
pub(super) fn speaker(join: &DomainJoin) -> Result<Box<dyn Domain>, Failed> {
    domain::use_keytab(&join.keytab).map_err(failed)?;
    Ok(Box::new(ActiveDirectory::new(join.clone())))
}

fn failed(failure: Failure) -> Failed {
    Failed::new(failure.code, failure.text)
}
