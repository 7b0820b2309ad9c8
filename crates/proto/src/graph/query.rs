//! The query options of OData that callers use: `$select $filter $top $skiptoken $count $orderby`.

use super::filter::{Filter, FilterError};

/// Page size when `$top` is absent (protocols.md 5.1).
pub const PAGE_DEFAULT: u32 = 100;
/// Largest page.
pub const PAGE_MAX: u32 = 999;

/// The query options of a request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Query {
    /// Names in `$select`, as sent.
    pub select: Vec<String>,
    /// The parsed `$filter`.
    pub filter: Option<Filter>,
    /// `$filter` as sent, for the next link.
    pub filter_text: Option<String>,
    /// `$top`, 1 to 999.
    pub top: Option<u32>,
    /// `$skiptoken`.
    pub skiptoken: Option<String>,
    /// `$count=true`.
    pub count: bool,
    /// `$orderby`: property and whether it is descending.
    pub order_by: Option<(String, bool)>,
}

/// A query option that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// `$top`.
    #[error("$top is '{0}', expected a number from 1 to 999")]
    Top(String),
    /// `$count`.
    #[error("$count is '{0}', expected true or false")]
    Count(String),
    /// `$orderby`.
    #[error("$orderby is '{0}', expected one property, then asc or desc")]
    OrderBy(String),
    /// `$filter`.
    #[error("$filter: {0}")]
    Filter(#[from] FilterError),
    /// An option that is not served.
    #[error("the query option {0} is not supported; expected $select, $filter, $top, $skiptoken, $count or $orderby")]
    Unsupported(String),
}

impl Query {
    /// Reads decoded pairs of the query string. `$` may be missing (OData 4.01); names without case;
    /// options that do not begin with `$` are ignored, unknown ones with `$` refused.
    pub fn parse<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, QueryError> {
        let mut query = Self::default();
        for (name, value) in pairs {
            let lower = name.to_ascii_lowercase();
            match lower.strip_prefix('$').unwrap_or(&lower) {
                "select" => {
                    query.select =
                        value.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
                }
                "filter" if !value.trim().is_empty() => {
                    query.filter = Some(Filter::parse(value)?);
                    query.filter_text = Some(value.to_owned());
                }
                "filter" => {}
                "top" => {
                    let top =
                        value.parse().ok().filter(|top| *top >= 1).ok_or_else(|| QueryError::Top(short(value)))?;
                    query.top = Some(u32::min(top, PAGE_MAX));
                }
                "skiptoken" => query.skiptoken = Some(value.to_owned()),
                "count" => {
                    query.count = match value.to_ascii_lowercase().as_str() {
                        "true" => true,
                        "false" => false,
                        _ => return Err(QueryError::Count(short(value))),
                    };
                }
                "orderby" => {
                    let mut words = value.split_ascii_whitespace();
                    let bad = || QueryError::OrderBy(short(value));
                    let property = words.next().filter(|word| !word.contains(','));
                    let descending = match words.next().map(str::to_ascii_lowercase).as_deref() {
                        None | Some("asc") => false,
                        Some("desc") => true,
                        Some(_) => return Err(bad()),
                    };
                    if words.next().is_some() {
                        return Err(bad());
                    }
                    query.order_by = Some((property.ok_or_else(bad)?.to_owned(), descending));
                }
                // Options of OData that are not served are refused without the dollar sign too.
                "search" | "expand" | "skip" | "apply" | "compute" => {
                    return Err(QueryError::Unsupported(format!("${}", lower.trim_start_matches('$'))));
                }
                _ if lower.starts_with('$') => return Err(QueryError::Unsupported(short(name))),
                _ => {}
            }
        }
        Ok(query)
    }

    /// The page size.
    pub fn page(&self) -> u32 {
        self.top.unwrap_or(PAGE_DEFAULT)
    }

    /// Whether `$select` names a property; case does not matter.
    pub fn selects(&self, name: &str) -> bool {
        self.select.iter().any(|selected| selected.eq_ignore_ascii_case(name))
    }
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_in_any_case_with_or_without_dollar() {
        let query = Query::parse([
            ("$Select", "id, Credentials"),
            ("top", "5000"),
            ("$count", "True"),
            ("$orderby", "activityDateTime desc"),
            ("api-version", "1"),
        ])
        .unwrap();
        assert!(query.selects("credentials"));
        assert_eq!(query.page(), PAGE_MAX);
        assert!(query.count);
        assert_eq!(query.order_by, Some(("activityDateTime".into(), true)));
    }

    #[test]
    fn what_is_not_served_is_said() {
        for (name, value) in [
            ("$top", "0"),
            ("$top", "x"),
            ("$count", "1"),
            ("$expand", "x"),
            ("$search", "x"),
            ("$orderby", "a b c"),
            ("$filter", "a eq"),
        ] {
            assert!(Query::parse([(name, value)]).is_err(), "{name}={value}");
        }
    }
}
