//! Three texts as JSON (RFC 8259), without a buffer that is not wiped: a general reader keeps texts with escapes in one of
//! its own.

use crate::reader::FormatError;
use zeroize::Zeroizing;

/// The keys, in the order in which they are written and answered: account, time, password.
const KEYS: [&str; 3] = ["n", "t", "p"];
/// The longest text that is read, bytes. What LAPS writes has a few hundred.
const TEXT_BYTES_MAX: usize = 16 * 1024;
/// How deep the values of other keys may be nested.
const DEPTH_MAX: u32 = 16;

/// The object of the three texts, without blanks.
pub(super) fn write(account: &str, time: &str, password: &str) -> Zeroizing<String> {
    let texts = [account, time, password];
    // Six characters for each escaped one: growing the text would leave copies behind.
    let longest = texts.iter().map(|text| text.len()).fold(0, usize::saturating_add).saturating_mul(6);
    let mut to = Zeroizing::new(String::with_capacity(longest.saturating_add(32)));
    for (key, text) in KEYS.iter().zip(texts) {
        let before = if to.is_empty() { "{\"" } else { ",\"" };
        to.push_str(before);
        to.push_str(key);
        to.push_str("\":\"");
        for character in text.chars() {
            escape(character, &mut to);
        }
        to.push('"');
    }
    to.push('}');
    to
}

fn escape(character: char, to: &mut String) {
    match character {
        '"' => to.push_str("\\\""),
        '\\' => to.push_str("\\\\"),
        '\u{8}' => to.push_str("\\b"),
        '\u{c}' => to.push_str("\\f"),
        '\n' => to.push_str("\\n"),
        '\r' => to.push_str("\\r"),
        '\t' => to.push_str("\\t"),
        '\0'..='\u{1f}' => {
            let digit = |digit: u32| char::from_digit(digit, 16).unwrap_or('0');
            to.extend(['\\', 'u', '0', '0', digit(u32::from(character) >> 4), digit(u32::from(character) & 15)]);
        }
        _ => to.push(character),
    }
}

/// The three texts of an object, each of which must be there once.
pub(super) fn read(text: &str) -> Result<[Zeroizing<String>; 3], FormatError> {
    let mut reader = JsonReader { text, at: 0 };
    if text.len() > TEXT_BYTES_MAX {
        return Err(FormatError { offset: TEXT_BYTES_MAX, ..reader.error("a text of at most 16 KiB") });
    }
    let mut found = [None, None, None];
    reader.sign('{', "a JSON object")?;
    if !reader.takes('}') {
        loop {
            let key = reader.string()?;
            reader.sign(':', "a colon")?;
            match KEYS.iter().zip(&mut found).find(|(name, _)| **name == *key) {
                Some((_, Some(_))) => return Err(reader.error("each of the keys n, t and p once")),
                Some((_, place)) => *place = Some(reader.string()?),
                None => reader.skip(DEPTH_MAX)?,
            }
            if reader.takes('}') {
                break;
            }
            reader.sign(',', "a comma, or the end of the object")?;
        }
    }
    reader.blanks();
    match (found, reader.rest()) {
        ([Some(account), Some(time), Some(password)], "") => Ok([account, time, password]),
        (_, "") => Err(reader.error("the texts n, t and p")),
        _ => Err(reader.error("the end")),
    }
}

/// A position in a text.
struct JsonReader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> JsonReader<'a> {
    fn error(&self, expected: &'static str) -> FormatError {
        FormatError { structure: "JSON of a LAPS password", offset: self.at, expected }
    }
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }
    fn next(&mut self, expected: &'static str) -> Result<char, FormatError> {
        let character = self.rest().chars().next().ok_or_else(|| self.error(expected))?;
        self.at = self.at.saturating_add(character.len_utf8());
        Ok(character)
    }
    fn blanks(&mut self) {
        let rest = self.rest().trim_start_matches([' ', '\t', '\n', '\r']);
        self.at = self.text.len().saturating_sub(rest.len());
    }
    /// A sign after blanks, if it is there.
    fn takes(&mut self, sign: char) -> bool {
        self.blanks();
        let there = self.rest().starts_with(sign);
        self.at = self.at.saturating_add(usize::from(there));
        there
    }
    fn sign(&mut self, sign: char, expected: &'static str) -> Result<(), FormatError> {
        if self.takes(sign) { Ok(()) } else { Err(self.error(expected)) }
    }

    /// A text in quotation marks.
    fn string(&mut self) -> Result<Zeroizing<String>, FormatError> {
        self.sign('"', "a text")?;
        // No shorter than it can become, for growing it would leave a copy behind.
        let mut to = Zeroizing::new(String::with_capacity(self.rest().len()));
        loop {
            let at = self.at;
            match self.next("the end of the text")? {
                '"' => return Ok(to),
                '\\' => to.push(self.escaped()?),
                '\0'..='\u{1f}' => return Err(FormatError { offset: at, ..self.error("no control character") }),
                plain => to.push(plain),
            }
        }
    }
    /// What stands behind a backslash.
    fn escaped(&mut self) -> Result<char, FormatError> {
        let (at, expected) = (self.at, "an escape of JSON");
        let error = FormatError { offset: at, ..self.error(expected) };
        Ok(match self.next(expected)? {
            same @ ('"' | '\\' | '/') => same,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let first = self.unit()?;
                let mut units = [first, 0];
                let pair = (0xd800..0xdc00).contains(&first);
                if pair {
                    if !self.rest().starts_with("\\u") {
                        return Err(error);
                    }
                    self.at = self.at.saturating_add(2);
                    units = [first, self.unit()?];
                }
                let units = units.into_iter().take(if pair { 2 } else { 1 });
                char::decode_utf16(units).next().and_then(Result::ok).ok_or(error)?
            }
            _ => return Err(error),
        })
    }
    fn unit(&mut self) -> Result<u16, FormatError> {
        let expected = "four hexadecimal digits";
        let digits = self.rest().get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let unit =
            digits.and_then(|digits| u16::from_str_radix(digits, 16).ok()).ok_or_else(|| self.error(expected))?;
        self.at = self.at.saturating_add(4);
        Ok(unit)
    }

    /// Passes over a value of another key, of any kind.
    fn skip(&mut self, depth_left: u32) -> Result<(), FormatError> {
        let Some(depth_left) = depth_left.checked_sub(1) else { return Err(self.error("fewer levels")) };
        self.blanks();
        if self.rest().starts_with('"') {
            return self.string().map(drop);
        }
        for (open, close, keyed) in [('{', '}', true), ('[', ']', false)] {
            if !self.takes(open) {
                continue;
            }
            if self.takes(close) {
                return Ok(());
            }
            loop {
                if keyed {
                    self.string()?;
                    self.sign(':', "a colon")?;
                }
                self.skip(depth_left)?;
                if self.takes(close) {
                    return Ok(());
                }
                self.sign(',', "a comma, or the end of the list")?;
            }
        }
        let is_part = |character: char| character.is_ascii_alphanumeric() || "+-.".contains(character);
        let word = self.rest().split(|character| !is_part(character)).next().unwrap_or_default();
        if !matches!(word, "true" | "false" | "null") && !is_number(word) {
            return Err(self.error("a value"));
        }
        self.at = self.at.saturating_add(word.len());
        Ok(())
    }
}

/// A number as JSON has them: no plus sign before it, no leading zero, digits on both sides of the point.
fn is_number(word: &str) -> bool {
    let unsigned = word.strip_prefix('-').unwrap_or(word);
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    [whole, fraction, exponent].into_iter().all(digits) && (whole == "0" || !whole.starts_with('0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    #[test]
    fn errors_name_place_and_expectation() {
        for (text, offset, expected) in [
            ("", 0, "a JSON object"),
            ("[]", 0, "a JSON object"),
            ("{}", 2, "the texts n, t and p"),
            (r#"{"n":1}"#, 5, "a text"),
            (r#"{"n":"a","n":"b"}"#, 13, "each of the keys n, t and p once"),
            (r#"{"n":"a"; "t"}"#, 8, "a comma, or the end of the object"),
            (r#"{"n":"\x"}"#, 7, "an escape of JSON"),
            (r#"{"n":"\u12g4"}"#, 8, "four hexadecimal digits"),
            (r#"{"n":"\ud83d"}"#, 7, "an escape of JSON"),
            (r#"{"n":"\udc26"}"#, 7, "an escape of JSON"),
            ("{\"n\":\"a\nb\"}", 7, "no control character"),
            (r#"{"n":"a"#, 7, "the end of the text"),
            (r#"{"n":"a","t":"1","p":"x"} x"#, 26, "the end"),
            (r#"{"x":01}"#, 5, "a value"),
            (r#"{"x":[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]}"#, 21, "fewer levels"),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!((error.offset, error.expected), (offset, expected), "{text}");
        }
        let long = format!(r#"{{"n":"{}"}}"#, "x".repeat(20_000));
        assert_eq!(read(&long).unwrap_err().offset, TEXT_BYTES_MAX);
    }

    /// What a general reader reads, in a text that a general writer wrote.
    fn judge(text: &str) {
        let ours = read(text);
        let theirs: Result<Value, _> = serde_json::from_str(text);
        if let Ok(texts) = ours {
            let theirs = theirs.unwrap_or_else(|error| panic!("{text:?} is no JSON: {error}"));
            for (key, text) in KEYS.iter().zip(texts) {
                assert_eq!(theirs[key], Value::from(text.as_str()));
            }
        }
    }

    proptest! {
        #[test]
        fn writes_and_reads_what_others_read_and_write(texts: [String; 3], other: String, number: f64) {
            let [account, time, password] = &texts;
            let written = write(account, time, password);
            let expected = json!({"n": account, "t": time, "p": password});
            prop_assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), expected);
            prop_assert!(!written.contains('\n'));
            let theirs = json!({
                "more": [number, -1e9, null, true, {"n": other}, [], {}], "n": account, "t": time, "p": password,
            });
            for text in [theirs.to_string(), serde_json::to_string_pretty(&theirs).unwrap(), written.to_string()] {
                let read = read(&text).unwrap();
                prop_assert_eq!(read.each_ref().map(|text| text.as_str()), texts.each_ref().map(String::as_str));
            }
        }

        /// Whatever we take is JSON, and means the same to others.
        #[test]
        fn takes_nothing_that_is_no_json(
            at in any::<prop::sample::Index>(), changes in "[\\x00-\\x7f]{0,3}", removed in 0..4_usize,
        ) {
            let text = r#"{"x":[1.5e-3,{"y":"\ud83d\udc26"},true,null],"n":"a\"\\b","t":"1d8161b41c41cde","p":"A6a3"}"#;
            let at = at.index(text.len());
            let end = (at + removed).min(text.len());
            judge(&format!("{}{changes}{}", &text[..at], &text[end..]));
        }
    }
}
