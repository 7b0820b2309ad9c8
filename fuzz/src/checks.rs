//! What must hold for any bytes. Shared by the fuzz targets and by the smoke run of `crates/proto/tests/it`.

use laps::csp::{LocUri, Node, Options, Rights, Tree, Volatile};
use laps::policy::{PolFile, RegistryValues, Source};
use proto::dm::{Limits, Mode, dispatch, policy, read, write};

/// SyncML: a document is refused at a place inside it, or it survives writing and reading again; a failed
/// document leaves the tree as it was; nothing panics.
pub fn syncml(bytes: &[u8]) {
    for mode in [Mode::Wire, Mode::Import] {
        match read(bytes, mode, &Limits::default()) {
            Err(error) => {
                let offset = usize::try_from(error.offset).expect("an offset");
                assert!(offset <= bytes.len(), "offset {offset} of {}", bytes.len());
                assert!(!error.code().is_empty() && !error.fault.next_step().is_empty());
            }
            Ok(message) => {
                let strict = write(&message);
                // Escaping makes a document longer: no bounds here.
                let none = Limits {
                    message_bytes: usize::MAX,
                    text_bytes: usize::MAX,
                    data_bytes: usize::MAX,
                    ..Limits::default()
                };
                assert_eq!(read(strict.as_bytes(), Mode::Wire, &none).as_ref(), Ok(&message));

                let mut tree = Tree::new(Options::default());
                let applied = dispatch::apply(&message, &mut tree, &mut Volatile, Rights::ALL);
                if applied.refused.iter().any(|refused| refused.command != "Get" && refused.command != "Exec") {
                    assert!(tree.values().is_empty(), "a refused document was applied in part");
                }
                let answer = write(&applied.answer);
                assert!(read(answer.as_bytes(), Mode::Wire, &none).is_ok(), "the answer cannot be read");
            }
        }
    }
    if let Ok(set) = policy::import(bytes) {
        assert!(!policy::values(&set).is_empty());
    }
}

/// LocURI: an address that is taken names a node whose own address is taken as the same node.
pub fn locuri(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    match LocUri::parse(text) {
        Ok(LocUri(node)) => {
            assert_eq!(LocUri::parse(&node.uri()), Ok(LocUri(node)));
            assert!(node.parent().is_some() || node == Node::Laps);
        }
        Err(error) => assert!(!error.code().is_empty()),
    }
}

/// registry.pol: a file is refused as a whole, or its entries can be applied and read as policy.
pub fn registry_pol(bytes: &[u8]) {
    if let Ok(file) = PolFile::parse(bytes) {
        for source in Source::ALL {
            let mut values = RegistryValues::new();
            file.apply(source.registry_key(), &mut values);
            let _ = values.policy_set(source);
        }
    }
}
