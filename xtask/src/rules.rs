//! The map from the rules of rotation.md to the tests that hold them: `docs/design/rotation-tests.md`.
//!
//! Checked both ways: a rule named there stands in that section of rotation.md, a paragraph of rotation.md
//! has a row, and a test named there is a test in the source.

use crate::source::Source;
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::path::Path;

const RULES: &str = "docs/design/rotation.md";
const MAP: &str = "docs/design/rotation-tests.md";
/// Sections whose every paragraph has a row. The others have rows where there is something to hold.
const WHOLE: [u32; 7] = [1, 2, 3, 4, 6, 7, 8];
/// Paragraphs that say nothing to hold: part of a section, and how they begin.
const NO_RULE: &[(u32, &str)] = &[
    (7, "A rename (random suffix) in step 5"), // its rows come with renames
];
const CONFORMANCE: &str = "testkit/src/conformance/";

/// Checks the map; the error lists every breach.
pub(crate) fn check(root: &Path) -> Result<()> {
    let read = |path: &str| fs::read_to_string(root.join(path)).with_context(|| format!("read {path}"));
    let rules = sections(&read(RULES)?);
    let rows = rows(&read(MAP)?);
    let mut breaches = uncovered(&rules, &rows);
    let mut tests = 0;
    for row in &rows {
        let rule = format!("{MAP}, section {}, {:?}", row.section, row.rule);
        if !rules.iter().any(|(section, text)| *section == row.section && text.contains(&row.rule)) {
            breaches.push(format!("{rule}: not in that section of {RULES}"));
        }
        if row.tests.is_empty() {
            breaches.push(format!("{rule}: no test"));
        }
        for test in &row.tests {
            tests += 1;
            if let Some(why) = missing(root, test) {
                breaches.push(format!("{rule}: {test}: {why}"));
            }
        }
    }
    if breaches.is_empty() {
        println!("check-rules: {} rules, {tests} tests", rows.len());
        return Ok(());
    }
    bail!("the rules of rotation and their tests are apart:\n  {}", breaches.join("\n  "))
}

/// A row of the map.
struct Row {
    section: u32,
    rule: String,
    tests: Vec<String>,
}

/// Words without marks of emphasis or code, and with single spaces.
fn plain(text: &str) -> String {
    text.replace(['*', '`'], "").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The number in a heading `## 3. …`.
fn heading(line: &str) -> Option<u32> {
    line.strip_prefix("## ")?.split('.').next()?.parse().ok()
}

/// Paragraphs and list items of rotation.md, each with the number of its section.
fn sections(text: &str) -> Vec<(u32, String)> {
    let mut found: Vec<(u32, String)> = Vec::new();
    let (mut section, mut open) = (0, false);
    for line in text.lines() {
        let numbered = line.split_once(". ").is_some_and(|(number, _)| number.parse::<u32>().is_ok());
        if let Some(number) = heading(line) {
            (section, open) = (number, false);
        } else if line.trim().is_empty() {
            open = false;
        } else if section > 0 {
            match found.last_mut().filter(|_| open && !line.starts_with("- ") && !numbered) {
                Some((_, paragraph)) => *paragraph = plain(&format!("{paragraph} {line}")),
                None => found.push((section, plain(line))),
            }
            open = true;
        }
    }
    found
}

fn rows(text: &str) -> Vec<Row> {
    let mut section = 0;
    let mut rows = Vec::new();
    for line in text.lines() {
        section = heading(line).unwrap_or(section);
        let Some(cells) = line.strip_prefix("| ").and_then(|line| line.strip_suffix(" |")) else { continue };
        let Some((rule, tests)) = cells.rsplit_once(" | ") else { continue };
        if !matches!(rule, "rule" | "---") {
            // Every other piece between backticks is a name.
            let tests = tests.split('`').skip(1).step_by(2).map(str::to_owned).collect();
            rows.push(Row { section, rule: plain(rule), tests });
        }
    }
    rows
}

/// Paragraphs of the sections in `WHOLE` that no row quotes.
fn uncovered(rules: &[(u32, String)], rows: &[Row]) -> Vec<String> {
    let free = |section: u32, text: &str| NO_RULE.iter().any(|(of, start)| *of == section && text.starts_with(start));
    rules
        .iter()
        .filter(|(section, text)| WHOLE.contains(section) && !free(*section, text))
        .filter(|(section, text)| !rows.iter().any(|row| row.section == *section && text.contains(&row.rule)))
        .map(|(section, text)| format!("{RULES}, section {section}: no row for {:?}", text.get(..60).unwrap_or(text)))
        .collect()
}

/// Why a test of the map is none; `None` when it is one.
fn missing(root: &Path, test: &str) -> Option<&'static str> {
    let Some((file, name)) = test.split_once("::") else {
        let script = test.starts_with("ci/") && root.join(test).is_file();
        return (!script).then_some("no such script");
    };
    let path = if file.starts_with("testkit/") { file.to_owned() } else { format!("crates/{file}") };
    let Ok(text) = fs::read_to_string(root.join(&path)) else { return Some("no such file") };
    if path.starts_with(CONFORMANCE) {
        // These are made into tests by the list in the macro.
        let list = fs::read_to_string(root.join(CONFORMANCE).join("mod.rs")).unwrap_or_default();
        let listed = crate::source::has_word(&list.replace('\n', " "), name);
        let there = text.contains(&format!("pub async fn {name}("));
        return (!(listed && there)).then_some("no such function of the suite, or not in its list");
    }
    (!is_test(&Source::new(path, text), name)).then_some("no such test there, or one that is ignored")
}

/// Does `source` hold a function of that name whose attributes make it a test that runs?
fn is_test(source: &Source, name: &str) -> bool {
    let lines: Vec<&str> = source.code.lines().map(str::trim).collect();
    let start = format!("fn {name}(");
    lines.iter().enumerate().filter(|(_, line)| line.contains(&start)).any(|(at, _)| {
        // Comments are empty lines here.
        let above = lines.iter().take(at).rev().take_while(|line| line.is_empty() || line.starts_with("#["));
        let attributes: Vec<_> = above.collect();
        attributes.iter().any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
            && !attributes.iter().any(|line| line.starts_with("#[ignore"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# x\nintro\n## 1. Words\n\nA *rule* that\ngoes on.\n\n- one\n- two\n## 5. Other\n\nfree\n";

    #[test]
    fn paragraphs_and_items_are_told_apart() {
        let found = sections(TEXT);
        let wanted = [(1, "A rule that goes on."), (1, "- one"), (1, "- two"), (5, "free")];
        assert_eq!(found, wanted.map(|(section, text)| (section, text.to_owned())));
    }

    #[test]
    fn a_paragraph_without_a_row_is_a_breach() {
        let map = "## 1. Words\n| rule | tests |\n| --- | --- |\n| rule that goes | `a/b.rs::c`, `ci/d.sh` |\n| one | `a/b.rs::c` |\n";
        let rows = rows(map);
        assert_eq!(rows.len(), 2);
        assert_eq!(rows.first().map(|row| row.tests.clone()), Some(vec!["a/b.rs::c".to_owned(), "ci/d.sh".to_owned()]));
        let breaches = uncovered(&sections(TEXT), &rows);
        assert!(matches!(breaches.as_slice(), [only] if only.contains("two")), "{breaches:?}");
    }

    #[test]
    fn only_tests_that_run_count() {
        let source = Source::new(
            "x.rs".into(),
            "/// Doc.\n#[test]\nfn good() {}\n#[test]\n#[ignore = \"child\"]\nfn child() {}\nfn helper() {}\n// fn gone() {}\n#[tokio::test]\nasync fn served() {}\n".into(),
        );
        assert!(is_test(&source, "good") && is_test(&source, "served"));
        for name in ["child", "helper", "gone", "absent"] {
            assert!(!is_test(&source, name), "{name}");
        }
    }
}
