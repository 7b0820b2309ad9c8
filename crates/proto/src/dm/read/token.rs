//! Tokens with the rules that hold everywhere: limits, no document types, no entities, no stray text.

use super::super::fault::{Fault, Limits};
use super::super::message::Text;
use quick_xml::Reader;
use quick_xml::errors::{Error, IllFormedError};
use quick_xml::events::{BytesStart, Event};
use std::borrow::Cow;

/// The tokens of one document. `child` walks elements, `text` takes a leaf, `skip` passes an element over.
pub(super) struct Tokens<'a> {
    reader: Reader<&'a [u8]>,
    text: &'a str,
    limits: Limits,
    depth: usize,
    commands: usize,
    items: usize,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a str, limits: Limits) -> Self {
        let mut reader = Reader::from_str(text);
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        config.trim_text_start = true;
        Self { reader, text, limits, depth: 0, commands: 0, items: 0 }
    }

    /// Bytes read so far; where an error is reported.
    pub(super) fn offset(&self) -> u64 {
        self.reader.buffer_position().max(self.reader.error_position())
    }

    /// Counts one command against the limit.
    pub(super) fn count_command(&mut self) -> Result<(), Fault> {
        self.commands += 1;
        within("commands", self.commands, self.limits.commands)
    }

    /// Counts one item against the limit.
    pub(super) fn count_item(&mut self) -> Result<(), Fault> {
        self.items += 1;
        within("items", self.items, self.limits.items)
    }

    fn event(&mut self) -> Result<Event<'a>, Fault> {
        self.reader.read_event().map_err(|e| xml_fault(&e))
    }

    fn open(&mut self) -> Result<(), Fault> {
        self.depth += 1;
        within("depth", self.depth, self.limits.depth)
    }

    /// The root element.
    pub(super) fn root(&mut self) -> Result<BytesStart<'a>, Fault> {
        const EXPECTED: Fault = Fault::NotSyncMl { expected: "the root element SyncML" };
        loop {
            match self.event()? {
                Event::Start(start) => {
                    self.open()?;
                    return Ok(start);
                }
                Event::Decl(decl) => {
                    if let Some(encoding) = decl.encoding() {
                        let encoding = encoding.map_err(|_| Fault::Xml { expected: "a whole XML declaration" })?;
                        if !encoding.eq_ignore_ascii_case("utf-8") && !encoding.eq_ignore_ascii_case("us-ascii") {
                            return Err(Fault::Encoding);
                        }
                    }
                }
                Event::Comment(_) | Event::PI(_) => {}
                Event::Text(text) if text.trim().is_empty() => {}
                Event::DocType(_) => return Err(Fault::Dtd),
                _ => return Err(EXPECTED),
            }
        }
    }

    /// The next child element of the open one, or `None` at its end. Text between elements is refused.
    pub(super) fn child(&mut self) -> Result<Option<BytesStart<'a>>, Fault> {
        self.child_or_text(|_| Err(Fault::Xml { expected: "elements only, no text between them" }))
    }

    /// As [`Tokens::child`], but hands text between elements, put together, to `stray`.
    pub(super) fn child_or_text(
        &mut self,
        mut stray: impl FnMut(&str) -> Result<(), Fault>,
    ) -> Result<Option<BytesStart<'a>>, Fault> {
        let mut held = String::new();
        loop {
            let next = match self.event()? {
                Event::Start(start) => {
                    self.open()?;
                    Some(start)
                }
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    None
                }
                Event::Comment(_) | Event::PI(_) => continue,
                Event::Text(text) => {
                    if !text.trim().is_empty() {
                        held.push_str(text.trim());
                        within("text_bytes", held.len(), self.limits.text_bytes)?;
                    }
                    continue;
                }
                Event::GeneralRef(name) => {
                    held.push(resolve(&name)?);
                    continue;
                }
                Event::CData(text) => {
                    held.push_str(text.trim());
                    within("text_bytes", held.len(), self.limits.text_bytes)?;
                    continue;
                }
                Event::DocType(_) => return Err(Fault::Dtd),
                Event::Decl(_) => {
                    return Err(Fault::Xml { expected: "the XML declaration only at the start" });
                }
                Event::Eof => {
                    return Err(Fault::Xml { expected: "an end tag for every element" });
                }
                Event::Empty(_) => {
                    return Err(Fault::Xml { expected: "a start tag" });
                }
            };
            if !held.is_empty() {
                stray(&held)?;
            }
            return Ok(next);
        }
    }

    /// The text of the open leaf, without the white space around it; reads over its end tag.
    pub(super) fn text(&mut self) -> Result<Text<'a>, Fault> {
        let text = self.characters("text_bytes", self.limits.text_bytes, false)?;
        Ok(match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim_ascii()),
            Cow::Owned(text) if text.trim_ascii().len() == text.len() => Cow::Owned(text),
            Cow::Owned(text) => Cow::Owned(text.trim_ascii().to_owned()),
        })
    }

    /// The text of the open leaf as it is; elements inside count as their text. Reads over its end tag.
    pub(super) fn data(&mut self) -> Result<Text<'a>, Fault> {
        self.characters("data_bytes", self.limits.data_bytes, true)
    }

    fn characters(&mut self, limit: &'static str, max: usize, elements: bool) -> Result<Text<'a>, Fault> {
        let from = self.position();
        self.reader.config_mut().trim_text_start = false;
        let mut out = Cow::Borrowed("");
        let mut inside = 0usize;
        let mut raw = false;
        loop {
            let before = self.position();
            match self.event()? {
                Event::Text(text) => append(&mut out, plain(text.into_inner())?),
                Event::CData(text) => append(&mut out, plain(text.into_inner())?),
                Event::GeneralRef(name) => out.to_mut().push(resolve(&name)?),
                Event::Start(_) if elements => {
                    raw = true;
                    inside += 1;
                    self.open()?;
                }
                Event::Start(_) => {
                    return Err(Fault::Xml { expected: "text only in this element" });
                }
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    if inside == 0 {
                        if raw {
                            out = plain(Cow::Borrowed(self.text.get(from..before).unwrap_or_default()))?;
                        }
                        break;
                    }
                    inside -= 1;
                }
                Event::Comment(_) | Event::PI(_) => {}
                Event::DocType(_) => return Err(Fault::Dtd),
                Event::Decl(_) => {
                    return Err(Fault::Xml { expected: "the XML declaration only at the start" });
                }
                Event::Eof | Event::Empty(_) => {
                    return Err(Fault::Xml { expected: "an end tag for every element" });
                }
            }
            within(limit, out.len(), max)?;
        }
        self.reader.config_mut().trim_text_start = true;
        within(limit, out.len(), max)?;
        Ok(out)
    }

    /// Passes over the open element and all that is in it.
    pub(super) fn skip(&mut self) -> Result<(), Fault> {
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside {
            match self.event()? {
                Event::Start(_) => self.open()?,
                Event::End(_) => self.depth = self.depth.saturating_sub(1),
                Event::GeneralRef(name) => {
                    resolve(&name)?;
                }
                Event::DocType(_) => return Err(Fault::Dtd),
                Event::Eof => {
                    return Err(Fault::Xml { expected: "an end tag for every element" });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Nothing but white space, comments and processing instructions may follow the root.
    pub(super) fn end(&mut self) -> Result<(), Fault> {
        loop {
            match self.event()? {
                Event::Eof => return Ok(()),
                Event::Comment(_) | Event::PI(_) => {}
                Event::Text(text) if text.trim().is_empty() => {}
                Event::DocType(_) => return Err(Fault::Dtd),
                _ => {
                    return Err(Fault::Xml { expected: "nothing after the root element" });
                }
            }
        }
    }

    fn position(&self) -> usize {
        usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX)
    }
}

/// The name of an element without its prefix. Names are short: no search by vectors.
pub(super) fn local<'s>(start: &'s BytesStart<'_>) -> &'s str {
    let name = start.name().into_inner();
    match name.bytes().rposition(|b| b == b':') {
        None => name,
        Some(colon) => name.get(colon + 1..).unwrap_or_default(),
    }
}

/// The default namespace of the root must be one of SyncML 1.x, when it says one.
pub(super) fn check_namespace(root: &BytesStart<'_>) -> Result<(), Fault> {
    let prefix = root.name().prefix();
    for attribute in root.attributes() {
        let attribute = attribute.map_err(|_| Fault::Xml { expected: "whole attributes" })?;
        let key = attribute.key;
        let declares = match prefix {
            None => key.as_ref() == "xmlns",
            Some(prefix) => key.as_ref().strip_prefix("xmlns:") == Some(prefix.as_ref()),
        };
        if declares && !attribute.value.as_ref().starts_with("SYNCML:SYNCML1.") {
            return Err(Fault::NotSyncMl { expected: "the namespace SYNCML:SYNCML1.2" });
        }
    }
    Ok(())
}

/// The value of `originalerror`, whatever its prefix.
pub(super) fn original_error<'a>(start: &BytesStart<'a>) -> Result<Option<Text<'a>>, Fault> {
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|_| Fault::Xml { expected: "whole attributes" })?;
        if attribute.key.local_name().as_ref() == "originalerror" {
            let value = quick_xml::escape::unescape(&attribute.value).map_err(|_| Fault::Entity)?;
            if value.chars().any(char::is_control) {
                return Err(Fault::Xml { expected: "no control characters" });
            }
            return Ok(Some(Cow::Owned(value.into_owned())));
        }
    }
    Ok(None)
}

fn within(limit: &'static str, n: usize, max: usize) -> Result<(), Fault> {
    if n > max { Err(Fault::Limit { limit, max }) } else { Ok(()) }
}

fn append<'a>(out: &mut Text<'a>, more: Text<'a>) {
    if out.is_empty() {
        *out = more;
    } else {
        out.to_mut().push_str(&more);
    }
}

/// Text without control characters; line ends become `\n` (XML 1.0, 2.2 and 2.11).
fn plain(text: Text<'_>) -> Result<Text<'_>, Fault> {
    // Without a way out of the loop it runs on whole vectors.
    if !text.bytes().fold(false, |found, b| found | (b < b' ')) {
        return Ok(text);
    }
    if text.bytes().any(|b| b < b' ' && !matches!(b, b'\t' | b'\n' | b'\r')) {
        return Err(Fault::Xml { expected: "no control characters" });
    }
    if text.contains('\r') {
        return Ok(Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")));
    }
    Ok(text)
}

/// The character of a predefined entity or a character reference (XML 1.0, 2.2 and 4.6).
fn resolve(name: &quick_xml::events::BytesRef<'_>) -> Result<char, Fault> {
    match name.as_ref() {
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "amp" => Ok('&'),
        "apos" => Ok('\''),
        "quot" => Ok('"'),
        _ => match name.resolve_char_ref() {
            Ok(Some(c)) if !matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}') => {
                Ok(c)
            }
            Ok(Some(_)) | Err(_) => Err(Fault::Xml { expected: "a reference to a character that XML allows" }),
            Ok(None) => Err(Fault::Entity),
        },
    }
}

fn xml_fault(error: &Error) -> Fault {
    Fault::Xml {
        expected: match error {
            Error::IllFormed(IllFormedError::MismatchedEndTag { .. } | IllFormedError::UnmatchedEndTag(_)) => {
                "the end tag of the element that is open"
            }
            Error::IllFormed(IllFormedError::MissingDoctypeName) => return Fault::Dtd,
            Error::IllFormed(IllFormedError::UnclosedReference) => "a ; after each &name, or &amp; for the sign itself",
            Error::Syntax(quick_xml::errors::SyntaxError::UnclosedDoctype) => return Fault::Dtd,
            Error::Syntax(_) => "markup that is closed",
            _ => "well-formed markup",
        },
    }
}
