//! The dependency rules: which crate may use which, and which words may not stand where.
//!
//! The rules are the tables at the end; ARCHITECTURE.md says why they are so.

use crate::source::{Source, files, has_word};
use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// Checks the workspace; the error lists every breach.
pub(crate) fn check(root: &Path) -> Result<()> {
    let graph = metadata(root)?;
    let mut breaches = crates(&graph)?;
    breaches.extend(closure(&graph)?);
    breaches.extend(pure(root)?);
    breaches.extend(homes(root)?);
    breaches.extend(layers(root)?);
    if breaches.is_empty() {
        println!("check-deps: {} crates, no breach", CRATES.len());
        return Ok(());
    }
    bail!("dependency rules are broken:\n  {}", breaches.join("\n  "))
}

fn metadata(root: &Path) -> Result<Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let out = Command::new(cargo)
        .args(["metadata", "--format-version=1", "--locked", "--filter-platform=x86_64-unknown-linux-gnu"])
        .current_dir(root)
        .output()
        .context("run cargo metadata")?;
    if !out.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&out.stderr));
    }
    Ok(serde_json::from_slice(&out.stdout)?)
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Members of the workspace use only what `CRATES` allows them.
fn crates(graph: &Value) -> Result<Vec<String>> {
    let members: BTreeSet<&str> = list(graph, "workspace_members").iter().filter_map(Value::as_str).collect();
    let packages: Vec<&Value> = list(graph, "packages").iter().filter(|p| members.contains(text(p, "id"))).collect();
    let names: BTreeSet<&str> = packages.iter().map(|p| text(p, "name")).collect();
    let mut breaches = Vec::new();
    for package in packages {
        let name = text(package, "name");
        let Some(rule) = CRATES.iter().find(|rule| rule.name == name) else {
            breaches.push(format!("{name}: a crate without a row in xtask/src/deps.rs"));
            continue;
        };
        for dependency in list(package, "dependencies") {
            let used = text(dependency, "name");
            // `kind` is null for an ordinary dependency, else "dev" or "build".
            let dev = text(dependency, "kind") == "dev";
            if names.contains(used) {
                let allowed = rule.may_use.contains(&used) || (dev && used == "lapwing-testkit");
                if !allowed {
                    breaches.push(format!("{name} may not use {used}"));
                }
            } else if !dev && rule.never.contains(&used) {
                breaches.push(format!("{name} may not depend on {used}"));
            }
        }
    }
    Ok(breaches)
}

/// The pure crates have no run-time, network or database anywhere below them.
fn closure(graph: &Value) -> Result<Vec<String>> {
    let resolve = graph.get("resolve").context("cargo metadata has no resolve")?;
    let names: BTreeMap<&str, &str> =
        list(graph, "packages").iter().map(|p| (text(p, "id"), text(p, "name"))).collect();
    let below: BTreeMap<&str, Vec<&str>> = list(resolve, "nodes")
        .iter()
        .map(|node| {
            let normal = list(node, "deps")
                .iter()
                .filter(|dep| list(dep, "dep_kinds").iter().any(|k| text(k, "kind").is_empty()));
            (text(node, "id"), normal.map(|dep| text(dep, "pkg")).collect())
        })
        .collect();
    let mut breaches = Vec::new();
    for (id, name) in names.iter().filter(|(_, name)| PURE.iter().any(|(_, package)| package == *name)) {
        let (mut seen, mut open) = (BTreeSet::new(), vec![*id]);
        while let Some(next) = open.pop() {
            if seen.insert(next) {
                open.extend(below.get(next).into_iter().flatten());
            }
        }
        for found in seen.iter().filter_map(|id| names.get(id)).filter(|found| NEVER_BELOW_PURE.contains(found)) {
            breaches.push(format!("{name}: {found} is below it"));
        }
    }
    Ok(breaches)
}

/// The pure crates forbid unsafe code and name no I/O, clock, process or run-time.
fn pure(root: &Path) -> Result<Vec<String>> {
    let mut breaches = Vec::new();
    for (folder, _) in PURE {
        let sources = files(root, &format!("{folder}/src"))?;
        let forbids =
            sources.iter().any(|s| s.path.ends_with("/src/lib.rs") && s.code.contains("#![forbid(unsafe_code)]"));
        if !forbids {
            breaches.push(format!("{folder}/src/lib.rs lacks #![forbid(unsafe_code)]"));
        }
        for source in sources.iter().map(Source::without_tests) {
            for word in NEVER_IN_PURE {
                let lines = source.lines(|line| line.contains(word));
                breaches.extend(lines.map(|line| format!("{}:{line} names {word} in a pure crate", source.path)));
            }
        }
    }
    Ok(breaches)
}

/// Unsafe code and SQL stand only in their homes.
fn homes(root: &Path) -> Result<Vec<String>> {
    let mut breaches = Vec::new();
    for source in files(root, "crates")?.iter().chain(&files(root, "testkit")?) {
        if !source.path.starts_with("crates/agent/src/platform") {
            let lines = source.lines(|line| has_word(line, "unsafe"));
            breaches.extend(
                lines.map(|line| format!("{}:{line} unsafe code outside crates/agent/src/platform", source.path)),
            );
        }
        if source.path.starts_with("crates/")
            && source.path.contains("/src/")
            && !source.path.starts_with("crates/server/src/store")
        {
            let source = source.without_tests();
            let lines = source.lines(|line| has_word(line, "rusqlite"));
            breaches.extend(
                lines.map(|line| format!("{}:{line} names rusqlite outside crates/server/src/store", source.path)),
            );
            let statements = source.strings.iter().filter(|(_, string)| is_sql(string));
            breaches.extend(
                statements.map(|(line, _)| format!("{}:{line} SQL outside crates/server/src/store", source.path)),
            );
        }
    }
    Ok(breaches)
}

fn is_sql(string: &str) -> bool {
    let starts = [
        "SELECT ",
        "INSERT INTO ",
        "INSERT OR ",
        "UPDATE ",
        "DELETE FROM ",
        "CREATE TABLE ",
        "CREATE INDEX ",
        "PRAGMA ",
        "BEGIN IMMEDIATE",
    ];
    let trimmed = string.trim_start();
    starts.iter().any(|start| trimmed.starts_with(start))
}

/// Modules name only the modules that they stand on.
fn layers(root: &Path) -> Result<Vec<String>> {
    let mut breaches = Vec::new();
    for (module, never) in LAYERS {
        let folder = files(root, module)?;
        let file = files(root, module.rsplit_once('/').map_or(module, |(parent, _)| parent))?;
        let own = format!("{module}.rs");
        for source in folder.iter().chain(file.iter().filter(|s| s.path == own)) {
            let source = source.without_tests();
            for name in *never {
                let lines = named(&source.code, name);
                breaches.extend(lines.into_iter().map(|line| format!("{}:{line} names crate::{name}", source.path)));
            }
        }
    }
    Ok(breaches)
}

/// Lines (from 1) where `code` names `crate::NAME`, alone or inside `use crate::{…}`.
fn named(code: &str, name: &str) -> Vec<usize> {
    let mut found = Vec::new();
    for (start, _) in code.match_indices("crate::") {
        let line = code.get(..start).unwrap_or_default().matches('\n').count() + 1;
        let rest = code.get(start + "crate::".len()..).unwrap_or_default();
        let hit = match rest.strip_prefix('{') {
            None => first_word(rest) == name,
            Some(group) => {
                let (mut depth, mut word_may_start, mut hit) = (0_i32, true, false);
                for (at, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => word_may_start = true,
                        c if c.is_whitespace() => {}
                        _ if depth == 0 && word_may_start => {
                            hit |= first_word(group.get(at..).unwrap_or_default()) == name;
                            word_may_start = false;
                        }
                        _ => {}
                    }
                }
                hit
            }
        };
        if hit {
            found.push(line);
        }
    }
    found
}

fn first_word(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

/// What one member of the workspace may use, and the outside crates it may not.
struct CrateRule {
    name: &'static str,
    may_use: &'static [&'static str],
    never: &'static [&'static str],
}

const LAPS: &str = "lapwing-laps";
const PROTO: &str = "lapwing-proto";
const DPAPI: &str = "lapwing-dpapi";
const AD: &str = "lapwing-ad";
const CLIENT: &str = "lapwing-client";
const SERVER: &str = "lapwing-server";
const AGENT: &str = "lapwing-agent";
const CLI: &str = "lapwing-cli";
const TESTKIT: &str = "lapwing-testkit";
const XTASK: &str = "xtask";

const IO: &[&str] =
    &["tokio", "hyper", "reqwest", "axum", "rustls", "rusqlite", "libc", "rustix", "getrandom", "tracing"];
const IO_AND_SERDE: &[&str] = &[
    "tokio",
    "hyper",
    "reqwest",
    "axum",
    "rustls",
    "rusqlite",
    "libc",
    "rustix",
    "getrandom",
    "tracing",
    "serde",
    "serde_json",
];
const STORE_AND_WEB: &[&str] = &["rusqlite", "axum", "hyper"];

const CRATES: &[CrateRule] = &[
    CrateRule { name: LAPS, may_use: &[], never: IO_AND_SERDE },
    CrateRule { name: PROTO, may_use: &[LAPS], never: IO },
    CrateRule { name: DPAPI, may_use: &[LAPS], never: IO },
    CrateRule { name: AD, may_use: &[LAPS, DPAPI], never: STORE_AND_WEB },
    CrateRule { name: CLIENT, may_use: &[LAPS, PROTO], never: STORE_AND_WEB },
    CrateRule { name: SERVER, may_use: &[LAPS, PROTO], never: &["libc"] },
    CrateRule { name: AGENT, may_use: &[LAPS, PROTO, CLIENT, AD], never: STORE_AND_WEB },
    CrateRule { name: CLI, may_use: &[LAPS, PROTO, CLIENT, AD], never: STORE_AND_WEB },
    CrateRule { name: TESTKIT, may_use: &[LAPS, PROTO, CLIENT, SERVER, AGENT, CLI], never: &[] },
    CrateRule { name: XTASK, may_use: &[LAPS, PROTO, TESTKIT], never: &[] },
];

/// The pure crates: folder and package.
const PURE: &[(&str, &str)] = &[("crates/laps", LAPS), ("crates/proto", PROTO), ("crates/dpapi", DPAPI)];

const NEVER_BELOW_PURE: &[&str] =
    &["tokio", "hyper", "reqwest", "axum", "rustls", "rusqlite", "openssl-sys", "mio", "socket2"];

const NEVER_IN_PURE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "std::thread",
    "SystemTime::now",
    "Instant::now",
    "Timestamp::now()",
    "tokio",
];

/// Inside a crate: a module (folder, or file of that name) and the modules beside it that it may not name.
const LAYERS: &[(&str, &[&str])] = &[
    ("crates/server/src/http", &["store", "seal", "audit"]),
    ("crates/server/src/app", &["http"]),
    ("crates/server/src/authz", &["http", "app"]),
    ("crates/server/src/store", &["http", "app", "authz", "oauth"]),
    ("crates/server/src/seal", &["http", "app", "store"]),
    ("crates/server/src/ca", &["http", "app", "store"]),
    ("crates/dpapi/src/gkdi", &["blob", "value", "rpc"]),
    ("crates/dpapi/src/blob", &["value", "rpc"]),
    ("crates/dpapi/src/rpc", &["blob", "value"]),
    ("crates/proto/src/dm", &["device", "graph", "oauth", "admin", "ddf", "admx"]),
    ("crates/proto/src/device", &["dm", "graph", "oauth", "admin", "ddf", "admx"]),
    ("crates/proto/src/graph", &["dm", "device", "oauth", "admin", "ddf", "admx"]),
    ("crates/proto/src/oauth", &["dm", "device", "graph", "admin", "ddf", "admx"]),
    ("crates/proto/src/admin", &["dm", "device", "graph", "oauth", "ddf", "admx"]),
    ("crates/proto/src/ddf", &["dm", "device", "graph", "oauth", "admin", "admx"]),
    ("crates/proto/src/admx", &["dm", "device", "graph", "oauth", "admin", "ddf"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_found_alone_and_in_a_group() {
        assert_eq!(named("use crate::store::Store;", "store"), [1]);
        assert_eq!(named("use crate::{\n    app,\n    store::{self, Row},\n};", "store"), [1]);
        assert_eq!(named("use crate::{app::{store, reveal}, seal};", "store"), [] as [usize; 0]);
        assert_eq!(named("crate::stored(); app::store();", "store"), [] as [usize; 0]);
    }

    #[test]
    fn statements_are_told_from_sentences() {
        assert!(is_sql("\n  SELECT id FROM device"));
        assert!(is_sql("UPDATE device SET x = 1"));
        assert!(!is_sql("Update device local administrator password"));
    }

    #[test]
    fn a_crate_that_reaches_up_is_a_breach() {
        let graph: Value = serde_json::json!({
            "workspace_members": ["a", "b"],
            "packages": [
                { "id": "a", "name": LAPS, "dependencies": [
                    { "name": SERVER, "kind": null }, { "name": "tokio", "kind": null }, { "name": "tokio", "kind": "dev" } ] },
                { "id": "b", "name": SERVER, "dependencies": [ { "name": TESTKIT, "kind": "dev" } ] },
                { "id": "c", "name": TESTKIT, "dependencies": [] },
            ],
        });
        let breaches = crates(&graph).expect("rules");
        assert_eq!(breaches, ["lapwing-laps may not use lapwing-server", "lapwing-laps may not depend on tokio"]);
    }
}
