//! A password as a person reads it: in groups of four, the classes of its characters told apart by shape
//! and colour, spelt out, and as a QR code.
//!
//! Everything here is wiped when it is dropped; a page with a password is written into memory that is wiped.

use laps::password::Password;
use zeroize::Zeroizing;

/// Characters in a group.
const GROUP_CHARS: usize = 4;

/// A password for a page.
pub(crate) struct Spelt {
    /// Its characters, in groups.
    pub(crate) groups: Vec<Vec<Letter>>,
    /// Every character by name, in one line.
    pub(crate) phonetic: Zeroizing<String>,
    /// The outline of its QR code; `None` when it is too long for one.
    pub(crate) qr: Option<Qr>,
}

/// One character.
pub(crate) struct Letter {
    /// `u` upper case, `l` lower case, `d` digit, `s` another sign.
    pub(crate) class: char,
    /// It.
    pub(crate) shown: char,
}

impl Drop for Letter {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.shown);
    }
}

/// A QR code as the outline of an SVG.
pub(crate) struct Qr {
    /// Modules on a side, with the quiet zone.
    pub(crate) side: usize,
    /// The path of the dark modules.
    pub(crate) outline: Zeroizing<String>,
}

impl Spelt {
    /// Of a password that was revealed.
    pub(crate) fn of(password: &Password) -> Self {
        let text = password.reveal();
        let mut groups: Vec<Vec<Letter>> = Vec::new();
        for (place, shown) in text.chars().enumerate() {
            if place % GROUP_CHARS == 0 {
                groups.push(Vec::with_capacity(GROUP_CHARS));
            }
            if let Some(group) = groups.last_mut() {
                group.push(Letter { class: class(shown), shown });
            }
        }
        Self { groups, phonetic: phonetic(text), qr: qr(text) }
    }
}

const fn class(c: char) -> char {
    match c {
        'A'..='Z' => 'u',
        'a'..='z' => 'l',
        '0'..='9' => 'd',
        _ => 's',
    }
}

/// The quiet zone of a QR code, modules.
const QUIET: usize = 4;

pub(super) fn qr(text: &str) -> Option<Qr> {
    use core::fmt::Write;
    let code = qrcode::QrCode::with_error_correction_level(text.as_bytes(), qrcode::EcLevel::M).ok()?;
    let width = code.width();
    let colors = Zeroizing::new(code.to_colors().iter().map(|color| color.select(true, false)).collect::<Vec<bool>>());
    let mut outline = Zeroizing::new(String::with_capacity(width * width * 12));
    for (row, line) in colors.chunks(width).enumerate() {
        let mut column = 0;
        while column < width {
            let run = line[column..].iter().take_while(|dark| **dark).count();
            if run > 0 {
                // Writing to a String cannot fail.
                let _ = write!(outline, "M{} {}h{run}v1h-{run}z", column + QUIET, row + QUIET);
            }
            column += run.max(1);
        }
    }
    Some(Qr { side: width + 2 * QUIET, outline })
}

/// ICAO words; capital letters in capitals, digits and signs by name.
fn phonetic(text: &str) -> Zeroizing<String> {
    let mut line = Zeroizing::new(String::with_capacity(text.len() * 18));
    for c in text.chars() {
        if !line.is_empty() {
            line.push_str(" · ");
        }
        match c {
            'A'..='Z' => line.push_str(ICAO[usize::from(c as u8 - b'A')]),
            'a'..='z' => {
                for letter in ICAO[usize::from(c as u8 - b'a')].chars() {
                    line.push(letter.to_ascii_lowercase());
                }
            }
            '0'..='9' => line.push_str(DIGITS[usize::from(c as u8 - b'0')]),
            c => match SIGNS.iter().find(|(sign, _)| *sign == c) {
                Some((_, name)) => line.push_str(name),
                None => line.push(c),
            },
        }
    }
    line
}

const ICAO: [&str; 26] = [
    "ALFA", "BRAVO", "CHARLIE", "DELTA", "ECHO", "FOXTROT", "GOLF", "HOTEL", "INDIA", "JULIETT", "KILO", "LIMA",
    "MIKE", "NOVEMBER", "OSCAR", "PAPA", "QUEBEC", "ROMEO", "SIERRA", "TANGO", "UNIFORM", "VICTOR", "WHISKEY", "XRAY",
    "YANKEE", "ZULU",
];
const DIGITS: [&str; 10] = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
const SIGNS: [(char, &str); 33] = [
    (' ', "space"),
    ('!', "exclamation mark"),
    ('"', "double quote"),
    ('#', "hash"),
    ('$', "dollar"),
    ('%', "percent"),
    ('&', "ampersand"),
    ('\'', "single quote"),
    ('(', "left parenthesis"),
    (')', "right parenthesis"),
    ('*', "asterisk"),
    ('+', "plus"),
    (',', "comma"),
    ('-', "hyphen"),
    ('.', "full stop"),
    ('/', "slash"),
    (':', "colon"),
    (';', "semicolon"),
    ('<', "less than"),
    ('=', "equals"),
    ('>', "greater than"),
    ('?', "question mark"),
    ('@', "at sign"),
    ('[', "left bracket"),
    ('\\', "backslash"),
    (']', "right bracket"),
    ('^', "caret"),
    ('_', "underscore"),
    ('`', "backtick"),
    ('{', "left brace"),
    ('|', "vertical bar"),
    ('}', "right brace"),
    ('~', "tilde"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_spelt_in_groups_with_classes_and_words() {
        let spelt = Spelt::of(&Password::new("aB3-xY".into()));
        let shown: Vec<String> =
            spelt.groups.iter().map(|group| group.iter().map(|letter| letter.shown).collect()).collect();
        assert_eq!(shown, ["aB3-", "xY"]);
        let classes: String = spelt.groups.iter().flatten().map(|letter| letter.class).collect();
        assert_eq!(classes, "luds".to_owned() + "lu");
        assert_eq!(*spelt.phonetic, "alfa · BRAVO · three · hyphen · xray · YANKEE");
    }

    #[test]
    fn the_qr_code_is_the_one_that_a_reader_expects() {
        let qr = qr("Hello").unwrap();
        assert_eq!(qr.side, 21 + 8);
        // The finder pattern at the upper left: seven dark modules in a row at the edge of the quiet zone.
        assert!(qr.outline.starts_with("M4 4h7v1h-7z"), "{}", *qr.outline);
        assert!(super::qr(&"x".repeat(4_000)).is_none());
    }
}
