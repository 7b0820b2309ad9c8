//! What is on disk before the next step is begun: the order of fsync and rename, seen by strace.

use crate::kill::ROOT;
use crate::world::World;
use std::{fs, process::Command};

/// rotation.md 2, step 3, and 7: the intent is written, synced and renamed, and its directory synced, before the
/// store; the account file likewise, before the directory is told.
#[test]
fn the_intent_and_the_account_file_are_synced_before_the_next_step() {
    let traced = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    if !traced(Command::new("strace").args(["-o", "/dev/null", "true"])) {
        eprintln!("SKIPPED synced::the_intent_and_the_account_file_are_synced_before_the_next_step: no strace here");
        return;
    }
    let world = World::new();
    let trace = world.places.root.join("trace");
    let mut agent = Command::new("strace");
    agent.args(["-f", "-y", "-s", "4096", "-e", "trace=fsync,fdatasync,rename,renameat,renameat2", "-o"]).arg(&trace);
    agent.arg(std::env::current_exe().unwrap()).args(["kill::child", "--exact"]).env(ROOT, &world.places.root);
    assert!(traced(&mut agent));
    let calls = fs::read_to_string(&trace).unwrap();
    let (state, etc) = (world.places.state(), world.places.tree().join("etc"));
    let journal = state.join("journal.json").display().to_string();
    let shadow = etc.join("shadow").display().to_string();
    let directory = format!("\"{}\")", world.places.book().display());
    let new_shadow = format!("{}/.lapwing-new.shadow", etc.display());
    // Each is looked for behind the one before it. What the directory of the tests is told shows as its file's rename.
    let order = [
        ("the intent is synced", "fsync(", format!("<{journal}.new>")),
        ("and takes its name", "rename", format!("\"{journal}\"")),
        ("its directory is synced", "fsync(", format!("<{}>", state.display())),
        ("the version is stored", "rename", directory.clone()),
        ("the new account file is synced", "fsync(", new_shadow),
        ("and takes its name", "rename", format!("\"{shadow}\"")),
        ("its directory is synced", "fsync(", format!("<{}>", etc.display())),
        ("the version is proven", "rename", directory),
    ];
    let mut lines = calls.lines();
    for (what, call, path) in order {
        assert!(
            lines.any(|line| line.contains(call) && line.contains(&path) && line.ends_with("= 0")),
            "{what}: no {call} of {path} in its place\n{calls}"
        );
    }
}
