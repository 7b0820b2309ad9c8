//! Texts of others and times, as pages show them. Templates escape everything; what is left to do here is
//! what HTML cannot: control characters, marks that turn the direction of text around, endless names.

use core::fmt;
use laps::text::is_invisible;
use laps::time::{TICKS_PER_SECOND, Timestamp};

/// Most characters of a foreign text on a page.
const CHARS_MAX: usize = 120;

/// A text that somebody else chose, with what is invisible made visible, and cut when it is long. Templates
/// put it into `<bdi>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown(String);

impl Shown {
    /// Of a name or another short text.
    pub(crate) fn new(text: &str) -> Self {
        Self::cut(text, CHARS_MAX)
    }
    /// Of a longer text.
    pub(crate) fn cut(text: &str, most: usize) -> Self {
        let mut shown = String::with_capacity(text.len().min(most * 4));
        for (place, c) in text.chars().enumerate() {
            if place == most {
                shown.push('…');
                break;
            }
            match c {
                '\u{0}'..='\u{1f}' => shown.extend(char::from_u32(0x2400 + u32::from(c))),
                '\u{7f}' => shown.push('\u{2421}'),
                c if is_invisible(c) => shown.push_str(&format!("⟨U+{:04X}⟩", u32::from(c))),
                c => shown.push(c),
            }
        }
        Self(if shown.trim().is_empty() { "(no name)".into() } else { shown })
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A sentence of ours in which commands and settings stand between backticks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prose {
    pub(crate) pieces: Vec<Piece>,
}

/// A part of a [`Prose`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) is_code: bool,
    pub(crate) text: String,
}

impl Prose {
    /// At most `most` characters of it.
    pub(crate) fn cut(text: &str, most: usize) -> Self {
        let Shown(shown) = Shown::cut(text, most);
        let pieces =
            shown.split('`').enumerate().map(|(at, text)| Piece { is_code: at % 2 == 1, text: text.to_owned() });
        Self { pieces: pieces.filter(|piece| !piece.text.is_empty()).collect() }
    }
}

/// A moment: how long ago, and exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct When {
    /// RFC 3339, for the attribute `datetime`.
    pub(crate) exact: String,
    /// `2026-11-22 11:04 UTC`, for the title.
    pub(crate) full: String,
    /// `3 min ago`, `in 6 days`.
    pub(crate) near: String,
}

impl When {
    /// Seen from `now`.
    pub(crate) fn of(at: Timestamp, now: Timestamp) -> Self {
        let exact = at.to_string();
        let full = match (exact.get(..10), exact.get(11..16)) {
            (Some(day), Some(minute)) => format!("{day} {minute} UTC"),
            _ => exact.clone(),
        };
        let near = if at > now {
            match at.ticks_since(now) / TICKS_PER_SECOND {
                // What was asked while the page was made.
                0..2 => "just now".to_owned(),
                2..60 => "in a moment".to_owned(),
                seconds => format!("in {}", length(seconds)),
            }
        } else {
            match now.ticks_since(at) / TICKS_PER_SECOND {
                0..10 => "just now".to_owned(),
                seconds => format!("{} ago", length(seconds)),
            }
        };
        Self { exact, full, near }
    }
    /// Of a moment that may not have been.
    pub(crate) fn maybe(at: Option<Timestamp>, now: Timestamp) -> Option<Self> {
        at.map(|at| Self::of(at, now))
    }
}

fn length(seconds: u64) -> String {
    let of = |count: u64, word: &str| match (count, word) {
        (1, "day" | "month" | "year") => format!("1 {word}"),
        (count, "day" | "month" | "year") => format!("{count} {word}s"),
        (count, word) => format!("{count} {word}"),
    };
    match seconds {
        0..60 => of(seconds, "s"),
        60..3_600 => of(seconds / 60, "min"),
        3_600..172_800 => of(seconds / 3_600, "h"),
        172_800..5_184_000 => of(seconds / 86_400, "day"),
        5_184_000..63_072_000 => of(seconds / 2_592_000, "month"),
        _ => of(seconds / 31_536_000, "year"),
    }
}

/// A word of the machine as a person reads it: `clone_suspected` is "Clone suspected".
pub(crate) fn words(word: &str) -> String {
    let plain = word.replace(['_', '-'], " ");
    let mut chars = plain.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_stand_apart_from_prose() {
        let prose = Prose::cut("Run `lapwing-agent cycle`, then <b>look</b>.", 300);
        let pieces: Vec<_> = prose.pieces.iter().map(|piece| (piece.is_code, piece.text.as_str())).collect();
        assert_eq!(pieces, [(false, "Run "), (true, "lapwing-agent cycle"), (false, ", then <b>look</b>.")]);
    }

    #[test]
    fn what_is_invisible_is_shown_and_what_is_endless_is_cut() {
        for (text, shown) in [
            ("pc-1", "pc-1"),
            ("a\u{202e}cod.exe", "a⟨U+202E⟩cod.exe"),
            ("a\nb\0", "a\u{240a}b\u{2400}"),
            ("a\u{200b}b", "a⟨U+200B⟩b"),
            (" ", "(no name)"),
            ("<script>", "<script>"),
            ("ünïcödé 日本", "ünïcödé 日本"),
        ] {
            assert_eq!(Shown::new(text).to_string(), shown);
        }
        let endless = Shown::new(&"x".repeat(4_000)).to_string();
        assert_eq!(endless.chars().count(), CHARS_MAX + 1);
    }

    #[test]
    fn times_are_near_and_exact() {
        let now = Timestamp::parse_rfc3339("2026-11-22T11:04:30Z").unwrap();
        let at = |text| When::of(Timestamp::parse_rfc3339(text).unwrap(), now);
        assert_eq!(at("2026-11-22T11:01:00Z").near, "3 min ago");
        assert_eq!(at("2026-11-22T11:01:00Z").full, "2026-11-22 11:01 UTC");
        assert_eq!(at("2026-11-22T11:04:28Z").near, "just now");
        assert_eq!(at("2026-11-22T11:04:31Z").near, "just now");
        assert_eq!(at("2026-11-22T11:04:50Z").near, "in a moment");
        assert_eq!(at("2026-11-28T11:05:00Z").near, "in 6 days");
        assert_eq!(at("2026-11-21T10:05:00Z").near, "24 h ago");
        assert_eq!(at("2024-11-21T10:05:00Z").near, "2 years ago");
    }
}
