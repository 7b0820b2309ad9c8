//! Both published SyncML documents, from import to the machine: the first backs up to this server, the second (hybrid)
//! names Active Directory, which a machine that joined this server alone has not joined.

use crate::world::{Machine, World};

const CLOUD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../proto/tests/data/policy-entra.xml");
const HYBRID: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../proto/tests/data/policy-hybrid.xml");
/// Every setting of the hybrid document, as `lapwing-agent csp get` prints them.
const HYBRID_VALUES: [(&str, &str); 11] = [
    ("BackupDirectory", "2"),
    ("PasswordAgeDays", "20"),
    ("PasswordComplexity", "3"),
    ("PasswordLength", "14"),
    ("AdministratorAccountName", "ContosoLocalLapsAdmin"),
    ("PasswordExpirationProtectionEnabled", "true"),
    ("ADPasswordEncryptionEnabled", "true"),
    ("ADPasswordEncryptionPrincipal", "LAPSAdmins@contoso.com"),
    ("ADEncryptedPasswordHistorySize", "6"),
    ("PostAuthenticationResetDelay", "4"),
    ("PostAuthenticationActions", "5"),
];

/// What a machine's tree holds of a setting; `None` when there is no such node.
fn value(machine: &Machine, setting: &str) -> Option<String> {
    let read = machine.agent(&["csp", "get", &format!("./Device/Vendor/MSFT/LAPS/Policies/{setting}")], "");
    (read.status == 0).then(|| read.out.trim_end().to_owned())
}

/// All of the hybrid document and nothing else.
fn holds_the_hybrid_document(machine: &Machine, when: &str) {
    for (setting, expected) in HYBRID_VALUES {
        assert_eq!(value(machine, setting).as_deref(), Some(expected), "{setting}, {when}");
    }
}

#[test]
fn the_hybrid_document_is_in_force_and_reported_and_conflicts_with_the_other() {
    let world = World::start();
    let dana = world.person("dana", "Cloud Device Administrator");
    let code = || world.explained(&dana, "pc-1");
    let machine = world.join("pc-1");
    world.done(&["setting", "laps", "on"]);

    // Imported, assigned, delivered, taken.
    let imported = world.done(&["policy", "import", HYBRID, "--name", "hybrid"]);
    assert!(imported.out.contains("ADPasswordEncryptionPrincipal = \"LAPSAdmins@contoso.com\""), "{imported:?}");
    world.done(&["policy", "assign", "hybrid"]);
    assert_eq!(code(), "policy_not_delivered");
    let cycle = machine.cycle();
    assert!(cycle.status == 1 && cycle.err.contains("join_state_mismatch"), "{cycle:?}");
    holds_the_hybrid_document(&machine, "delivered");
    let shown = machine.agent(&["policy", "show"], "");
    assert!(shown.out.contains("no password is managed: join_state_mismatch"), "{shown:?}");
    let delivered = world.done(&["policy", "explain", "pc-1"]).out;
    assert_eq!(delivered.matches("  200").count(), HYBRID_VALUES.len(), "{delivered}");

    // What is wrong, why, and what to do.
    assert_eq!(code(), "join_state_mismatch");
    let why = dana.run(&["explain", "pc-1"]).out;
    for text in [
        "BackupDirectory 2 on a device that has not joined that directory",
        "The policy names a directory that the device has not joined",
        "Set BackupDirectory to 1, or join the machine to Active Directory",
    ] {
        assert!(why.contains(text), "{text:?} in {why}");
    }
    assert_eq!(dana.run(&["password", "get", "pc-1"]).status, 4, "nothing was stored");

    // With both assigned nothing is sent: the hybrid one stays, whole.
    world.done(&["policy", "import", CLOUD, "--name", "cloud"]);
    world.done(&["policy", "assign", "cloud"]);
    machine.cycle();
    assert_eq!(code(), "policy_conflict");
    holds_the_hybrid_document(&machine, "held");
    let why = dana.run(&["explain", "pc-1"]).out;
    for text in ["BackupDirectory", "PasswordLength", "the last complete policy stays in force", "unassign one of them"]
    {
        assert!(why.contains(text), "{text:?} in {why}");
    }
    assert!(world.done(&["policy", "explain", "pc-1"]).out.contains("held, because policies disagree"));

    // The hybrid one is taken away: the other is sent, and what only the hybrid one set is deleted.
    world.done(&["policy", "unassign", "hybrid"]);
    let cycle = machine.cycle();
    assert_eq!((cycle.status, code()), (0, "ok".to_owned()), "{cycle:?}");
    assert_eq!(value(&machine, "PasswordLength").as_deref(), Some("32"));
    assert_eq!(value(&machine, "ADEncryptedPasswordHistorySize"), None);

    // Held again, the other way round: the cloud one stays in force, and the password can still be changed.
    let before = dana.run(&["password", "get", "pc-1"]).out;
    world.done(&["policy", "assign", "hybrid"]);
    machine.cycle();
    assert_eq!(code(), "policy_conflict");
    assert_eq!(value(&machine, "BackupDirectory").as_deref(), Some("1"));
    assert_eq!(value(&machine, "ADEncryptedPasswordHistorySize"), None);
    assert_eq!(machine.agent(&["reset"], "").status, 0);
    let after = dana.run(&["password", "get", "pc-1"]).out;
    assert!(before != after && machine.is_opened_by(after.trim_end()), "still managed as the cloud document says");
    assert_eq!(after.trim_end().chars().count(), 32);
}
