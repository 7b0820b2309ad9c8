//! A plain element tree, read by an XML parser that is not the writer's.

use quick_xml::{Reader, events::Event};

/// An element: its name, attributes, own text, children.
#[derive(Debug, Default, Clone)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) text: String,
    pub(crate) children: Vec<Element>,
}

impl Element {
    /// Reads a document; panics when it is not well-formed. Also gives its DOCTYPE.
    pub(crate) fn read(document: &str) -> (Self, Option<String>) {
        let mut reader = Reader::from_str(document);
        reader.config_mut().check_end_names = true;
        let mut stack = vec![Self::default()];
        let mut doctype = None;
        loop {
            let event = reader.read_event().expect("well-formed");
            match event {
                Event::Start(start) | Event::Empty(start) if stack.is_empty() => panic!("{start:?} after the root"),
                Event::Start(start) => stack.push(Self::of(&start)),
                Event::Empty(start) => stack.last_mut().unwrap().children.push(Self::of(&start)),
                Event::End(_) => {
                    let mut done = stack.pop().unwrap();
                    done.text = done.text.trim().to_owned();
                    stack.last_mut().unwrap().children.push(done);
                }
                Event::Text(text) => {
                    stack.last_mut().unwrap().text.push_str(&text);
                }
                Event::GeneralRef(name) => {
                    let resolved = quick_xml::escape::resolve_predefined_entity(&name).expect("a predefined entity");
                    stack.last_mut().unwrap().text.push_str(resolved);
                }
                Event::DocType(text) => doctype = Some(text.to_string()),
                Event::Eof => break,
                _ => {}
            }
        }
        assert_eq!(stack.len(), 1, "every element is closed");
        let mut top = stack.pop().unwrap();
        assert_eq!(top.children.len(), 1, "one root");
        (top.children.pop().unwrap(), doctype)
    }

    fn of(start: &quick_xml::events::BytesStart<'_>) -> Self {
        let attributes = start.attributes().map(|attribute| {
            let attribute = attribute.expect("a well-formed attribute");
            let key = attribute.key.as_ref().to_owned();
            (key, quick_xml::escape::unescape(&attribute.value).unwrap().into_owned())
        });
        Self { name: start.name().as_ref().to_owned(), attributes: attributes.collect(), ..Self::default() }
    }

    /// The first child of this name.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }
    /// All children of this name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }
    /// The text of the element at the end of this path.
    pub(crate) fn at(&self, path: &[&str]) -> Option<&str> {
        match path.split_first() {
            None => Some(&self.text),
            Some((first, rest)) => self.child(first)?.at(rest),
        }
    }
    pub(crate) fn attribute(&self, key: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(name, _)| name == key)?;
        Some(&found.1)
    }
    /// The names of the children, in order.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.children.iter().map(|child| child.name.as_str()).collect()
    }
    /// Without the elements of a prefix.
    pub(crate) fn without(&self, prefix: &str) -> Self {
        Self {
            children: self
                .children
                .iter()
                .filter(|child| !child.name.starts_with(prefix))
                .map(|child| child.without(prefix))
                .collect(),
            ..self.clone()
        }
    }
}
