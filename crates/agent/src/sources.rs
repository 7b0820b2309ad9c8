//! Where policy comes from on Linux, and what is in force.
//!
//! | source | where |
//! | --- | --- |
//! | CSP | `policy.json` of the state directory |
//! | GPO | `policy/registry.pol` there, the LAPS key |
//! | local | `/etc/lapwing/laps.toml`; under another state directory than the default, `policy/local.toml` there |
//! | legacy | `policy/registry.pol`, the AdmPwd key |

use crate::state::{self, StateDir};
use laps::{
    csp::Tree,
    decide::{self, Plan},
    policy::{
        EffectivePolicy, JoinState, LOCAL_BYTES_MAX, LegacyMachine, LegacyOff, POL_BYTES_MAX, PolFile, PolicySet,
        RegistryValues, Source, parse_local,
    },
};
use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

/// Local configuration of a real machine.
pub const LOCAL: &str = "/etc/lapwing/laps.toml";

/// A source that could not be read. It counts as if it said nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{source_name} policy in {path:?} is not used: {text}")]
pub struct SourceProblem {
    /// Which source.
    pub source_name: Source,
    /// Its file.
    pub path: PathBuf,
    /// What is wrong and where.
    pub text: String,
}

/// The policy in force and what was wrong on the way to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// Value, source and reason of every setting.
    pub policy: EffectivePolicy,
    /// Sources that could not be read.
    pub problems: Vec<SourceProblem>,
}

impl InForce {
    /// What it asks of this device.
    pub fn plan(&self) -> Plan {
        decide::plan(&self.policy)
    }
}

/// The file of local configuration that goes with a state directory.
pub fn local_path(state: &StateDir) -> PathBuf {
    if state.path() == Path::new(state::DEFAULT) { LOCAL.into() } else { state.file("policy/local.toml") }
}

/// Reads every source.
pub fn read(state: &StateDir, tree: &Tree, join: JoinState) -> InForce {
    let mut problems = Vec::new();
    let mut sets = vec![tree.policy_set()];
    let mut problem = |source_name, path: &Path, text: String| {
        problems.push(SourceProblem { source_name, path: path.into(), text });
    };

    let pol_path = state.file("policy/registry.pol");
    match bounded(&pol_path, POL_BYTES_MAX).map(|bytes| bytes.map(|bytes| PolFile::parse(&bytes))) {
        Ok(None) => {}
        Ok(Some(Ok(file))) => {
            let mut values = RegistryValues::new();
            file.apply(Source::Gpo.registry_key(), &mut values);
            sets.push(values.policy_set(Source::Gpo));
            let mut values = RegistryValues::new();
            file.apply(Source::Legacy.registry_key(), &mut values);
            match values.legacy_policy_set(LegacyMachine { join, product_installed: false }) {
                Ok(set) => sets.push(set),
                Err(LegacyOff::NotConfigured) => {}
                Err(off) => problem(Source::Legacy, &pol_path, off.to_string()),
            }
        }
        Ok(Some(Err(error))) => problem(Source::Gpo, &pol_path, error.to_string()),
        Err(error) => problem(Source::Gpo, &pol_path, error.to_string()),
    }

    let local = local_path(state);
    match bounded(&local, LOCAL_BYTES_MAX).map(|bytes| bytes.map(String::from_utf8)) {
        Ok(None) => {}
        Ok(Some(Ok(text))) => match parse_local(&text) {
            Ok(set) => sets.push(set),
            Err(error) => problem(Source::Local, &local, error.to_string()),
        },
        Ok(Some(Err(_))) => problem(Source::Local, &local, "it is not UTF-8 text".into()),
        Err(error) => problem(Source::Local, &local, error.to_string()),
    }
    let sets: Vec<PolicySet> = sets;
    InForce { policy: EffectivePolicy::resolve(&sets, join), problems }
}

/// A whole file of at most `bytes_max`; `None` when it is not there.
fn bounded(path: &Path, bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > bytes_max {
        return Err(io::Error::other(format!("it is larger than {bytes_max} bytes")));
    }
    Ok(Some(bytes))
}

/// Modification times of the files of policy, to see a change without reading them.
pub fn stamps(state: &StateDir) -> [Option<std::time::SystemTime>; 2] {
    [state.file("policy/registry.pol"), local_path(state)]
        .map(|path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use laps::{
        csp::Options,
        decide::Unmanaged,
        policy::{Setting, Value},
    };

    /// A registry.pol (MS-GPREG 2.2.1) with one DWORD.
    fn pol(key: &str, name: &str, number: u32) -> Vec<u8> {
        let wide = |text: &str| text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let mut bytes = b"PReg\x01\0\0\0".to_vec();
        let unit = |c: char| (c as u16).to_le_bytes();
        bytes.extend(unit('['));
        bytes.extend(wide(key));
        bytes.extend(unit(';'));
        bytes.extend(wide(name));
        for number in [4, 4] {
            bytes.extend(unit(';'));
            bytes.extend(u32::to_le_bytes(number));
        }
        bytes.extend(unit(';'));
        bytes.extend(number.to_le_bytes());
        bytes.extend(unit(']'));
        bytes
    }

    #[test]
    fn the_first_source_with_a_value_wins_whole_and_a_bad_file_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        fs::create_dir(state.file("policy")).unwrap();
        let read_with = |tree: &Tree| read(&state, tree, JoinState::Entra);
        let source = |tree: &Tree| read_with(tree).policy.source();
        let mut tree = Tree::new(Options::default());
        assert_eq!(read_with(&tree).plan(), Plan::Unmanaged(Unmanaged::NoPolicy));

        let gpo = state.file("policy/registry.pol");
        fs::write(&gpo, pol(Source::Legacy.registry_key(), "AdmPwdEnabled", 1)).unwrap();
        assert_eq!(source(&tree), Some(Source::Legacy));
        fs::write(state.file("policy/local.toml"), "PasswordLength = 20\n").unwrap();
        assert_eq!(source(&tree), Some(Source::Local));
        fs::write(&gpo, pol(Source::Gpo.registry_key(), "BackupDirectory", 1)).unwrap();
        assert_eq!(source(&tree), Some(Source::Gpo));
        assert!(matches!(read_with(&tree).plan(), Plan::Manage(_)));
        let values = [(Setting::PasswordLength, Value::Int(12))].into_iter().collect();
        tree = Tree::load(Options::default(), values, laps::csp::HResult::OK);
        assert_eq!(source(&tree), Some(Source::Csp));

        fs::write(&gpo, b"PReg\x02\0\0\0").unwrap();
        fs::write(state.file("policy/local.toml"), "NoSuchSetting = 1\n").unwrap();
        let names: Vec<Source> = read_with(&tree).problems.iter().map(|problem| problem.source_name).collect();
        assert_eq!(names, [Source::Gpo, Source::Local]);
    }
}
