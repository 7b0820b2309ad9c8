//! A small account tree below a temporary directory.

use agent::accounts::Verifier;
use agent::platform::{ManagedTree, Tree};
use laps::account::Selection;
use laps::password::Password;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The day that the tests call today.
pub(super) const TODAY: u32 = 20_700;

const PASSWD: &str = "# accounts\nroot:x:0:0:root:/root:/bin/bash\ntoor:x:0:0::/root:/bin/sh\n\
    ann:x:1000:1000:Ann,,,:/home/ann:/bin/bash\nlocked:x:1001:27::/home/l:/usr/sbin/nologin\n\
    plain::1002:1002::/:\nnoshadow:x:1003:1003::/:\ntwin:x:1004:1004::/:\ntwain:x:1004:1004::/:\n+::::::\n";
const SHADOW: &str = "root:*:19000:0:99999:7:::\ntoor:*:19000:0:99999:7:::\nann:$6$old$hash:19000:0:99999:7:::\n\
    locked:!:19000:0:99999:7::19500:\nplain:*:19000:0:99999:7:::\ntwin:*:19000:0:99999:7:::\n\
    twain:*:19000:0:99999:7:::\n+::::::::\n";
const GROUP: &str = "root:x:0:\nsudo:x:27:ann\n";

/// The tree; it is removed when dropped.
pub(super) struct Fixture {
    dir: tempfile::TempDir,
}

impl Fixture {
    /// The usual accounts.
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path());
        Self { dir }
    }

    /// Its root.
    pub(super) fn root(&self) -> &Path {
        self.dir.path()
    }

    /// A file of its `etc` directory.
    pub(super) fn etc(&self, name: &str) -> PathBuf {
        self.root().join("etc").join(name)
    }

    /// What the agent makes of it.
    pub(super) fn tree(&self) -> ManagedTree {
        ManagedTree::new(Tree::below(self.root()).unwrap())
    }

    /// The shadow file as text.
    pub(super) fn shadow(&self) -> String {
        fs::read_to_string(self.etc("shadow")).unwrap()
    }
}

/// Writes the usual accounts below a directory.
pub(super) fn write(root: &Path) {
    let etc = root.join("etc");
    fs::create_dir_all(&etc).unwrap();
    for (name, text, mode) in [("passwd", PASSWD, 0o644), ("shadow", SHADOW, 0o640), ("group", GROUP, 0o644)] {
        fs::write(etc.join(name), text).unwrap();
        fs::set_permissions(etc.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
}

/// A selection by name.
pub(super) fn named(name: &str) -> Selection {
    Selection::Named(name.into())
}

/// A password from its text.
pub(super) fn password(text: &str) -> Password {
    Password::new(text.into())
}

/// The verifier that a tree makes of a password.
pub(super) fn verifier(tree: &ManagedTree, text: &str) -> Verifier {
    tree.hash(&password(text), &mut ChaCha20Rng::seed_from_u64(1)).unwrap()
}
