//! Finding domain controllers: SRV records in DNS, those of the site first (MS-ADTS 6.3.2.3), and their addresses.

use crate::{
    Error,
    settings::{Dns, Settings},
};
use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig},
    net::runtime::TokioRuntimeProvider,
    proto::rr::{Name, RData},
};
use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

/// The most domain controllers of one list that are asked.
const CANDIDATES_MAX: usize = 32;

/// A domain controller as DNS names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Its DNS name, without a dot at the end.
    pub(crate) host: String,
    /// Where LDAP is spoken, when that was said beside the name.
    pub(crate) address: Option<SocketAddr>,
}

/// Asks for names.
pub(crate) struct Names {
    resolver: TokioResolver,
}

impl Names {
    pub(crate) fn new(dns: Dns, limit: Duration) -> Result<Self, Error> {
        let unusable = |error: hickory_resolver::net::NetError| Error::NameUnresolved {
            host: "/etc/resolv.conf".to_owned(),
            detail: error.to_string(),
        };
        let mut builder = match dns {
            Dns::System => TokioResolver::builder_tokio().map_err(unusable)?,
            Dns::Server(address) => {
                let mut connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
                for connection in &mut connections {
                    connection.port = address.port();
                }
                let server = NameServerConfig::new(address.ip(), true, connections.to_vec());
                let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
        };
        let options = builder.options_mut();
        if matches!(dns, Dns::Server(_)) {
            // One name server, and no other source.
            options.use_hosts_file = ResolveHosts::Never;
        }
        // Two attempts, so that one lost datagram does not cost the whole time.
        options.attempts = 2;
        options.timeout = (limit / 3).min(Duration::from_secs(5));
        Ok(Self { resolver: builder.build().map_err(unusable)? })
    }

    /// The addresses of a host.
    pub(crate) async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Error> {
        let unresolved = |detail: String| Error::NameUnresolved { host: host.to_owned(), detail };
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        let found = self.resolver.lookup_ip(absolute(host)).await.map_err(|error| unresolved(error.to_string()))?;
        let addresses: Vec<IpAddr> = found.iter().collect();
        if addresses.is_empty() { Err(unresolved("no address".to_owned())) } else { Ok(addresses) }
    }

    /// The targets of an SRV record, in the order in which they are to be tried.
    async fn services(&self, name: &str) -> Result<Vec<Candidate>, String> {
        let name = Name::from_utf8(absolute(name)).map_err(|error| error.to_string())?;
        let found = self.resolver.srv_lookup(name).await.map_err(|error| error.to_string())?;
        let mut records: Vec<Service> = Vec::new();
        for record in found.answers() {
            if let RData::SRV(srv) = &record.data {
                let host = srv.target.to_utf8().trim_end_matches('.').to_ascii_lowercase();
                // A target of "." says that there is no such service (RFC 2782).
                if !host.is_empty() {
                    records.push(Service { priority: srv.priority, weight: srv.weight, host });
                }
            }
        }
        records.truncate(CANDIDATES_MAX);
        // Without chance the order is still one of those that the weights allow.
        let ordered = ordered(records, |bound| getrandom::u64().unwrap_or_default() % bound);
        Ok(ordered.into_iter().map(|record| Candidate { host: record.host, address: None }).collect())
    }

    /// The domain controllers of a domain, to be tried in this order: the preferred one, those of the site, all.
    pub(crate) async fn candidates(
        &self,
        settings: &Settings,
        site: Option<&str>,
        prefer: Option<&str>,
    ) -> Result<Vec<Candidate>, Error> {
        let domain = settings.domain.trim_end_matches('.');
        let mut found = Vec::new();
        if let Some(site) = site {
            found.extend(
                self.services(&format!("_ldap._tcp.{site}._sites.dc._msdcs.{domain}")).await.unwrap_or_default(),
            );
        }
        match self.services(&format!("_ldap._tcp.dc._msdcs.{domain}")).await {
            Ok(all) => found.extend(all),
            Err(detail) if found.is_empty() => return Err(Error::NoController { domain: domain.to_owned(), detail }),
            // The site's own are enough to go on with.
            Err(_) => {}
        }
        Ok(in_order(found, prefer))
    }
}

/// With the dot at the end, so that no search list is tried.
fn absolute(name: &str) -> String {
    format!("{}.", name.trim_end_matches('.'))
}

/// Each host once, the preferred one first.
fn in_order(found: Vec<Candidate>, prefer: Option<&str>) -> Vec<Candidate> {
    let mut order: Vec<Candidate> = Vec::with_capacity(found.len());
    let is_preferred = |candidate: &Candidate| prefer.is_some_and(|host| host.eq_ignore_ascii_case(&candidate.host));
    let (first, rest): (Vec<Candidate>, Vec<Candidate>) = found.into_iter().partition(is_preferred);
    for candidate in first.into_iter().chain(rest) {
        if !order.contains(&candidate) {
            order.push(candidate);
        }
    }
    order
}

struct Service {
    priority: u16,
    weight: u16,
    host: String,
}

/// The order of RFC 2782: by priority, and within one by chance in proportion to the weights.
/// `draw` gives a number below its argument.
fn ordered(mut records: Vec<Service>, mut draw: impl FnMut(u64) -> u64) -> Vec<Service> {
    records.sort_by_key(|record| (record.priority, record.weight));
    let mut order = Vec::with_capacity(records.len());
    while let Some(priority) = records.first().map(|record| record.priority) {
        let end = records.iter().take_while(|record| record.priority == priority).count();
        let group = records.get(..end).unwrap_or_default();
        let total: u64 = group.iter().map(|record| u64::from(record.weight)).sum();
        let drawn = draw(total + 1);
        let mut sum = 0;
        let at = group.iter().position(|record| {
            sum += u64::from(record.weight);
            sum >= drawn
        });
        order.push(records.remove(at.unwrap_or_default()));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(records: &[(u16, u16, &str)], draw: impl FnMut(u64) -> u64) -> Vec<String> {
        let records = records.iter().map(|(priority, weight, host)| Service {
            priority: *priority,
            weight: *weight,
            host: (*host).to_owned(),
        });
        ordered(records.collect(), draw).into_iter().map(|record| record.host).collect()
    }

    /// RFC 2782.
    #[test]
    fn priority_decides_before_weight_and_weight_by_chance() {
        let records = [(10, 0, "late"), (0, 100, "heavy"), (0, 0, "light"), (0, 50, "middle")];
        assert_eq!(hosts(&records, |_| 0), ["light", "middle", "heavy", "late"]);
        assert_eq!(hosts(&records, |bound| bound - 1), ["heavy", "middle", "light", "late"]);
        assert_eq!(hosts(&records, |bound| bound / 4), ["middle", "heavy", "light", "late"]);
        assert_eq!(hosts(&[], |_| 0), [] as [&str; 0]);
    }

    #[test]
    fn the_preferred_one_is_first_and_nobody_twice() {
        let of = |hosts: &[&str]| -> Vec<Candidate> {
            hosts.iter().map(|host| Candidate { host: (*host).to_owned(), address: None }).collect()
        };
        assert_eq!(in_order(of(&["a", "b", "c", "a"]), Some("C")), of(&["c", "a", "b"]));
        assert_eq!(in_order(of(&["a", "b"]), Some("gone")), of(&["a", "b"]));
    }
}
