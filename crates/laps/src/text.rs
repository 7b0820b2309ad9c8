//! Characters that make a text look like another one: names and reasons come from machines and from people, and are
//! read by people and by collectors of logs.

/// Whether a character turns the direction of writing for what follows it (the explicit formatting characters of UAX #9,
/// 2) or parts lines (U+2028, U+2029): a text that holds one can look like another one, or like two. The implicit marks
/// of direction (U+061C, U+200E, U+200F) are not among them: people who write Arabic or Hebrew need them.
pub const fn misleads(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether a character has no shape of its own, those of [`misleads`] among them: in a name it makes two look alike. In
/// prose some have their place, as the joiners of Persian and of emoji.
pub const fn is_invisible(c: char) -> bool {
    misleads(c)
        || matches!(c,
            '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// A text that somebody else chose, in one line that cannot be taken for two nor turned around: each control character,
/// line feeds among them, and each one that [`misleads`] becomes U+FFFD.
pub fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || misleads(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::{harmless, is_invisible, misleads};

    #[test]
    fn what_could_forge_a_line_becomes_a_mark() {
        assert_eq!(
            harmless("a\u{1b}[2J\n  next: b\u{202e}c\u{2028}d\u{9b}m"),
            "a\u{fffd}[2J\u{fffd}  next: b\u{fffd}c\u{fffd}d\u{fffd}m"
        );
        assert_eq!(harmless("ß 日本 שלום\u{200f} 👩\u{200d}🔧"), "ß 日本 שלום\u{200f} 👩\u{200d}🔧");
    }

    #[test]
    fn what_misleads_is_invisible_and_what_people_write_is_neither() {
        for c in ['\u{202e}', '\u{2066}', '\u{2028}'] {
            assert!(misleads(c) && is_invisible(c), "{c:?}");
        }
        for c in ['\u{200b}', '\u{200d}', '\u{200f}', '\u{61c}', '\u{ad}', '\u{feff}', '\u{e0041}'] {
            assert!(!misleads(c) && is_invisible(c), "{c:?}");
        }
        for c in "a-ß 日本 שלום 👩 é\u{301}".chars() {
            assert!(!misleads(c) && !is_invisible(c), "{c:?}");
        }
    }
}
