//! Groups of devices: a list that people keep, or a filter over properties.

use super::Device;
use laps::{id::GroupId, time::Timestamp};

/// A group of devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its id.
    pub id: GroupId,
    /// Its name, unique without case.
    pub name: String,
    /// Its members are the devices that this lets through; `None`: those that people put in.
    pub filter: Option<GroupFilter>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Which devices a filtered group has: those that fit every part that is there. The store keeps the
/// membership up to date: whenever a property of a device or the filter changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupFilter {
    /// Pattern of the name: `*` any characters, `?` one; compared whole and without case.
    pub name: Option<String>,
    /// Pattern of the operating system with its version.
    pub os: Option<String>,
    /// Pattern of the version of the agent.
    pub agent_version: Option<String>,
    /// Joined then or later.
    pub joined_from: Option<Timestamp>,
    /// Joined before.
    pub joined_until: Option<Timestamp>,
}

impl GroupFilter {
    /// Whether nothing is asked of a device: such a filter is none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a device fits.
    pub fn fits(&self, device: &Device) -> bool {
        self.fits_properties(&device.name, &device.os, &device.agent_version, device.registered_at)
    }

    /// Whether a device of these properties fits.
    pub fn fits_properties(&self, name: &str, os: &str, agent_version: &str, joined: Timestamp) -> bool {
        let fits = |pattern: &Option<String>, text: &str| {
            pattern.as_deref().is_none_or(|pattern| matches(&pattern.to_lowercase(), &text.to_lowercase()))
        };
        fits(&self.name, name)
            && fits(&self.os, os)
            && fits(&self.agent_version, agent_version)
            && self.joined_from.is_none_or(|from| joined >= from)
            && self.joined_until.is_none_or(|until| joined < until)
    }
}

/// Whether the whole text fits a pattern of `*` and `?`. Takes at most pattern × text steps.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where the last star stands, and up to where it has taken.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    t = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_people_expect() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("", "", true),
            ("", "x", false),
            ("pc-*", "pc-17", true),
            ("pc-*", "xpc-17", false),
            ("*-17", "pc-17", true),
            ("p?-17", "pc-17", true),
            ("p?-17", "p-17", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("**x", "aax", true),
            ("ü*", "übung", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn hostile_patterns_end() {
        let text = "a".repeat(4_000);
        assert!(!matches(&("*a".repeat(60) + "b"), &text));
    }

    #[test]
    fn every_part_must_fit() {
        let at = |day: u32| Timestamp::from_unix_ms(0).plus_days(day);
        let filter = GroupFilter {
            name: Some("PC-*".into()),
            os: Some("debian*".into()),
            agent_version: None,
            joined_from: Some(at(10)),
            joined_until: Some(at(20)),
        };
        let fits = |name: &str, os: &str, day: u32| filter.fits_properties(name, os, "", at(day));
        assert!(fits("pc-1", "Debian 12", 10) && fits("Pc-", "debian", 19));
        assert!(!fits("pc-1", "ubuntu", 15) && !fits("srv", "debian", 15));
        assert!(!fits("pc-1", "debian", 9) && !fits("pc-1", "debian", 20));
        assert!(GroupFilter::default().is_empty() && !filter.is_empty());
    }
}
