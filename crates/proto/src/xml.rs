//! Writing small XML documents: indented, escaped, always well-formed.

use core::fmt::Write;

/// A document being written. Elements are closed in the reverse order of their opening.
#[derive(Debug)]
pub(crate) struct XmlText {
    text: String,
    open: Vec<&'static str>,
}

impl XmlText {
    /// A document with its declaration; `head` (a DOCTYPE, a comment) follows as it stands.
    pub(crate) fn new(head: &str) -> Self {
        let mut text = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n");
        text.push_str(head);
        Self { text, open: Vec::new() }
    }
    /// Opens an element that has children.
    pub(crate) fn open(&mut self, name: &'static str, attributes: &[(&str, &str)]) {
        self.start(name, attributes);
        self.text.push_str(">\n");
        self.open.push(name);
    }
    /// Closes the element opened last.
    pub(crate) fn close(&mut self) {
        if let Some(name) = self.open.pop() {
            self.indent();
            let _ = writeln!(self.text, "</{name}>");
        }
    }
    /// An element without content.
    pub(crate) fn empty(&mut self, name: &'static str, attributes: &[(&str, &str)]) {
        self.start(name, attributes);
        self.text.push_str("/>\n");
    }
    /// An element with text.
    pub(crate) fn leaf(&mut self, name: &'static str, attributes: &[(&str, &str)], content: &str) {
        self.start(name, attributes);
        self.text.push('>');
        self.escaped(content);
        let _ = writeln!(self.text, "</{name}>");
    }
    /// An element that holds one empty element: `<Scope><Dynamic/></Scope>`.
    pub(crate) fn choice(&mut self, name: &'static str, chosen: &'static str) {
        self.open(name, &[]);
        self.empty(chosen, &[]);
        self.close();
    }
    /// The document; what is open is closed.
    pub(crate) fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.close();
        }
        self.text
    }

    fn start(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.indent();
        self.text.push('<');
        self.text.push_str(name);
        for (key, value) in attributes {
            let _ = write!(self.text, " {key}=\"");
            self.escaped(value);
            self.text.push('"');
        }
    }
    fn indent(&mut self) {
        for _ in &self.open {
            self.text.push_str("  ");
        }
    }
    fn escaped(&mut self, content: &str) {
        for c in content.chars() {
            match c {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                '"' => self.text.push_str("&quot;"),
                other => self.text.push(other),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document() {
        let mut xml = XmlText::new("");
        xml.open("a", &[("k", "x\"<")]);
        xml.leaf("b", &[], "1 < 2 & 3");
        xml.choice("c", "d");
        let text = xml.finish();
        let expected = "<a k=\"x&quot;&lt;\">\n  <b>1 &lt; 2 &amp; 3</b>\n  <c>\n    <d/>\n  </c>\n</a>\n";
        assert_eq!(text.split_once("?>\n").map(|(_, rest)| rest), Some(expected));
    }
}
