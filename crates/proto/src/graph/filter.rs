//! `$filter`: comparisons and `startswith` joined by `and`, and `any` over a collection.
//!
//! `Path op Literal` with `eq ne ge gt le lt`; `startswith(Path,'x')`; `Path/any(v:v/Path op Literal)`.
//! Property names are compared without case; `''` stands for a quote (protocols.md 5.1).

/// Most bytes of a filter.
pub const BYTES_MAX: usize = 2_048;
/// Most terms.
pub const TERMS_MAX: usize = 16;

/// Terms that must all hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// The terms.
    pub terms: Vec<Term>,
}

/// One term.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// The property, lower case, steps joined by `/`; for `any` the collection and the inner path.
    pub path: String,
    /// How it is compared.
    pub operator: Operator,
    /// With what, as text (quotes removed).
    pub value: String,
}

/// How a term compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `eq`.
    Equal,
    /// `ne`.
    NotEqual,
    /// `ge`.
    AtLeast,
    /// `gt`.
    Greater,
    /// `le`.
    AtMost,
    /// `lt`.
    Less,
    /// `startswith`.
    StartsWith,
}

/// A filter that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// Too long or too many terms.
    #[error("longer than {BYTES_MAX} bytes or more than {TERMS_MAX} terms")]
    TooLarge,
    /// Something else was expected at this byte.
    #[error("expected {expected} at byte {at}")]
    Expected {
        /// What.
        expected: &'static str,
        /// Where, from 0.
        at: usize,
    },
    /// A property that cannot be filtered by.
    #[error("'{0}' cannot be filtered by here")]
    Property(String),
}

impl Filter {
    /// Reads a filter.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        if text.len() > BYTES_MAX {
            return Err(FilterError::TooLarge);
        }
        let mut reader = Reader { text, at: 0 };
        let mut terms = Vec::new();
        loop {
            terms.push(reader.term()?);
            if terms.len() > TERMS_MAX {
                return Err(FilterError::TooLarge);
            }
            reader.space();
            if reader.rest().is_empty() {
                return Ok(Self { terms });
            }
            reader.keyword("and")?;
        }
    }

    /// Whether every term holds for what `property` gives: all values of a path (several for `any`),
    /// or `None` when the path is not one of the entity's.
    pub fn matches(&self, property: impl Fn(&str) -> Option<Vec<String>>) -> Result<bool, FilterError> {
        let mut all = true;
        for term in &self.terms {
            let values = property(&term.path).ok_or_else(|| FilterError::Property(term.path.clone()))?;
            all &= values.iter().any(|value| term.holds(value));
        }
        Ok(all)
    }

    /// The value of the one term `path eq 'value'`, when there is one.
    pub fn equal(&self, path: &str) -> Option<&str> {
        self.value_of(path, Operator::Equal)
    }

    /// The value of the one term with this path and operator.
    pub fn value_of(&self, path: &str, operator: Operator) -> Option<&str> {
        self.terms
            .iter()
            .find(|term| term.path.eq_ignore_ascii_case(path) && term.operator == operator)
            .map(|term| term.value.as_str())
    }
}

impl Term {
    /// Times compare as times, everything else as text without case.
    fn holds(&self, value: &str) -> bool {
        use core::cmp::Ordering;
        if self.operator == Operator::StartsWith {
            return value.to_lowercase().starts_with(&self.value.to_lowercase());
        }
        let time = laps::time::Timestamp::parse_rfc3339;
        let order = match (time(value), time(&self.value)) {
            (Some(left), Some(right)) => left.cmp(&right),
            _ => value.to_lowercase().cmp(&self.value.to_lowercase()),
        };
        match self.operator {
            Operator::Equal | Operator::StartsWith => order == Ordering::Equal,
            Operator::NotEqual => order != Ordering::Equal,
            Operator::AtLeast => order != Ordering::Less,
            Operator::Greater => order == Ordering::Greater,
            Operator::AtMost => order != Ordering::Greater,
            Operator::Less => order == Ordering::Less,
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }
    fn expected<T>(&self, expected: &'static str) -> Result<T, FilterError> {
        Err(FilterError::Expected { expected, at: self.at })
    }
    fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }
    fn take(&mut self, text: &str, what: &'static str) -> Result<(), FilterError> {
        self.space();
        if self.rest().starts_with(text) {
            self.at += text.len();
            Ok(())
        } else {
            self.expected(what)
        }
    }
    fn path(&mut self) -> Result<String, FilterError> {
        self.space();
        let rest = self.rest();
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '/' || c == '_')).unwrap_or(rest.len());
        if end == 0 {
            return self.expected("a property name");
        }
        self.at += end;
        Ok(rest[..end].to_ascii_lowercase())
    }
    fn keyword(&mut self, word: &'static str) -> Result<(), FilterError> {
        let before = self.at;
        if self.path()? == word {
            return Ok(());
        }
        self.at = before;
        self.space();
        self.expected(if word == "and" { "'and' or the end" } else { word })
    }
    fn literal(&mut self) -> Result<String, FilterError> {
        self.space();
        let rest = self.rest();
        if let Some(quoted) = rest.strip_prefix('\'') {
            let mut value = String::new();
            let mut chars = quoted.char_indices().peekable();
            while let Some((index, c)) = chars.next() {
                if c != '\'' {
                    value.push(c);
                } else if chars.peek().is_some_and(|(_, next)| *next == '\'') {
                    chars.next();
                    value.push('\'');
                } else {
                    self.at += index + 2;
                    return Ok(value);
                }
            }
            return self.expected("a closing quote");
        }
        let end = rest.find(|c: char| c.is_whitespace() || c == ')').unwrap_or(rest.len());
        if end == 0 {
            return self.expected("a value");
        }
        self.at += end;
        Ok(rest[..end].to_owned())
    }
    fn comparison(&mut self, path: String) -> Result<Term, FilterError> {
        self.space();
        let before = self.at;
        let operator = match self.path()?.as_str() {
            "eq" => Operator::Equal,
            "ne" => Operator::NotEqual,
            "ge" => Operator::AtLeast,
            "gt" => Operator::Greater,
            "le" => Operator::AtMost,
            "lt" => Operator::Less,
            _ => {
                self.at = before;
                return self.expected("eq, ne, ge, gt, le or lt");
            }
        };
        Ok(Term { path, operator, value: self.literal()? })
    }
    fn term(&mut self) -> Result<Term, FilterError> {
        let path = self.path()?;
        if path == "startswith" {
            self.take("(", "'('")?;
            let path = self.path()?;
            self.take(",", "','")?;
            let value = self.literal()?;
            self.take(")", "')'")?;
            return Ok(Term { path, operator: Operator::StartsWith, value });
        }
        if let Some(collection) = path.strip_suffix("/any") {
            self.take("(", "'('")?;
            let variable = self.path()?;
            self.take(":", "':'")?;
            let inner = self.path()?;
            let Some(inner) = inner.strip_prefix(&variable).and_then(|rest| rest.strip_prefix('/')) else {
                return self.expected("a property of the variable");
            };
            let term = self.comparison(format!("{collection}/{inner}"))?;
            self.take(")", "')'")?;
            return Ok(term);
        }
        self.comparison(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_callers_send_is_read() {
        // protocols.md 5.1 and 5.3
        let filter = Filter::parse("DisplayName eq 'O''Brien PC'").unwrap();
        assert_eq!(filter.equal("displayName"), Some("O'Brien PC"));
        let filter = Filter::parse(
            "activityDateTime ge 2026-11-20T10:00:00Z and startswith(activityDisplayName,'Recover') and targetResources/any(t:t/id eq 'x')",
        )
        .unwrap();
        assert_eq!(filter.terms.len(), 3);
        assert_eq!(filter.equal("targetresources/id"), Some("x"));
        let entity = |path: &str| match path {
            "activitydatetime" => Some(vec!["2026-11-20T10:00:00.5Z".to_owned()]),
            "activitydisplayname" => Some(vec!["Recover device local".to_owned()]),
            "targetresources/id" => Some(vec!["y".to_owned(), "X".to_owned()]),
            _ => None,
        };
        assert_eq!(filter.matches(entity), Ok(true));
        let none = Filter::parse("nothing eq 1").unwrap();
        assert!(none.matches(entity).is_err());
    }

    #[test]
    fn what_is_malformed_is_refused_with_its_place() {
        for (bad, at) in [
            ("", 0),
            ("a", 1),
            ("a eq", 4),
            ("a eq 'x", 5),
            ("a like 'x'", 2),
            ("a eq 'x' or b eq 'y'", 9),
            ("startswith(a 'x')", 13),
            ("t/any(x:y/id eq '1')", 12),
        ] {
            match Filter::parse(bad) {
                Err(FilterError::Expected { at: found, .. }) => assert_eq!(found, at, "{bad}"),
                other => unreachable!("{bad}: {other:?}"),
            }
        }
        assert_eq!(Filter::parse(&"a".repeat(BYTES_MAX + 1)), Err(FilterError::TooLarge));
    }
}
