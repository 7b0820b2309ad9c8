//! Rust source split into code and string literals, well enough to look for words in either.

use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};

/// One source file: its path under the root, and its text without comments.
pub(crate) struct Source {
    /// Path relative to the root of the workspace, with `/`.
    pub(crate) path: String,
    /// The text as it stands.
    pub(crate) text: String,
    /// Code, with comments removed and string literals emptied; lines are kept.
    pub(crate) code: String,
    /// What stood inside string literals, with the line each began on (from 1).
    pub(crate) strings: Vec<(usize, String)>,
}

impl Source {
    /// Splits `text`.
    pub(crate) fn new(path: String, text: String) -> Self {
        let (code, strings) = split(&text);
        Self { path, text, code, strings }
    }

    /// Lines of code (from 1) where `found` says yes.
    pub(crate) fn lines<'a>(&'a self, found: impl Fn(&str) -> bool + 'a) -> impl Iterator<Item = usize> + 'a {
        self.code.lines().enumerate().filter(move |(_, line)| found(line)).map(|(at, _)| at + 1)
    }

    /// The file up to its unit tests, which stand at the bottom, or in a file `tests.rs` of their own.
    pub(crate) fn without_tests(&self) -> Self {
        let cut = if self.path.ends_with("/tests.rs") {
            0
        } else {
            let at = self.text.find("#[cfg(test)]\nmod tests {");
            at.unwrap_or(self.text.len())
        };
        Self::new(self.path.clone(), self.text.get(..cut).unwrap_or_default().to_owned())
    }
}

/// Every `.rs` file under `folder`, which is relative to `root`; none when there is no such folder.
pub(crate) fn files(root: &Path, folder: &str) -> Result<Vec<Source>> {
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        if !folder.is_dir() {
            continue;
        }
        for entry in std::fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))? {
            let path: PathBuf = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
                let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
                found.push(Source::new(name, text));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Does `line` hold `word` as a whole word?
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|each| each == word)
}

/// Code without comments and with empty literals, and the literals.
fn split(text: &str) -> (String, Vec<(usize, String)>) {
    let bytes: Vec<char> = text.chars().collect();
    let at = |i: usize| bytes.get(i).copied().unwrap_or('\0');
    let mut code = String::with_capacity(text.len());
    let mut strings = Vec::new();
    let (mut i, mut line) = (0, 1);
    while i < bytes.len() {
        let c = at(i);
        if c == '/' && at(i + 1) == '/' {
            while i < bytes.len() && at(i) != '\n' {
                i += 1;
            }
        } else if c == '/' && at(i + 1) == '*' {
            let mut depth = 0_usize;
            loop {
                match (at(i), at(i + 1)) {
                    ('/', '*') => (depth, i) = (depth + 1, i + 2),
                    ('*', '/') => (depth, i) = (depth - 1, i + 2),
                    ('\n', _) => {
                        code.push('\n');
                        (line, i) = (line + 1, i + 1);
                    }
                    _ => i += 1,
                }
                if depth == 0 || i >= bytes.len() {
                    break;
                }
            }
        } else if let Some((open, hashes)) = string_start(&bytes, i) {
            let began = line;
            let mut inside = String::new();
            i = open;
            while i < bytes.len() {
                if at(i) == '"' && (0..hashes.unwrap_or(0)).all(|n| at(i + 1 + n) == '#') {
                    i += 1 + hashes.unwrap_or(0);
                    break;
                }
                if at(i) == '\\' && hashes.is_none() {
                    inside.push(at(i));
                    i += 1;
                }
                if at(i) == '\n' {
                    code.push('\n');
                    line += 1;
                }
                inside.push(at(i));
                i += 1;
            }
            code.push_str("\"\"");
            strings.push((began, inside));
        } else if c == '\'' && (at(i + 2) == '\'' || at(i + 1) == '\\') {
            // A character literal; a lifetime has no closing quote.
            i += if at(i + 1) == '\\' { 3 } else { 2 };
            while i < bytes.len() && at(i) != '\'' && at(i) != '\n' {
                i += 1;
            }
            i += 1;
            code.push_str("' '");
        } else {
            line += usize::from(c == '\n');
            code.push(c);
            i += 1;
        }
    }
    (code, strings)
}

/// If a string literal starts at `i`: where its inside begins, and for a raw one its number of hashes.
fn string_start(text: &[char], i: usize) -> Option<(usize, Option<usize>)> {
    let at = |i: usize| text.get(i).copied().unwrap_or('\0');
    if at(i) == '"' {
        return Some((i + 1, None));
    }
    let in_word = i > 0 && (at(i - 1).is_alphanumeric() || at(i - 1) == '_');
    if at(i) != 'r' || (in_word && at(i - 1) != 'b') {
        return None;
    }
    let hashes = (0..).take_while(|n| at(i + 1 + n) == '#').count();
    (at(i + 1 + hashes) == '"').then_some((i + 2 + hashes, Some(hashes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::new("x.rs".to_owned(), text.to_owned())
    }

    #[test]
    fn comments_and_literals_are_not_code() {
        let it = source(
            "a(); // unsafe\n/* unsafe /* x */ */ let s = \"unsafe \\\" still\"; b('\"');\nr#\"SELECT \"1\"\"#;",
        );
        assert!(!has_word(&it.code, "unsafe"), "{}", it.code);
        assert!(has_word(&it.code, "b"));
        assert_eq!(it.strings.len(), 2);
        assert_eq!(it.strings.last(), Some(&(3, "SELECT \"1\"".to_owned())));
        assert_eq!(it.lines(|line| has_word(line, "b")).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn lifetimes_are_not_literals() {
        let it = source("fn f<'a>(x: &'a str) { unsafe {} }");
        assert!(has_word(&it.code, "unsafe"));
    }

    #[test]
    fn tests_at_the_bottom_are_cut() {
        let it = source("fn f() {}\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n").without_tests();
        assert!(!it.code.contains("std::fs") && it.code.contains("fn f"));
    }
}
