//! Reading under rules, requests for access, and the export of the audit log.

use crate::{Error, SignedIn};
use laps::{
    id::{DeviceId, GroupId},
    time::Timestamp,
};
use proto::{
    admin::{
        AccessRequest, BREAK_GLASS_HEADER, DeviceReadingRule, List, NewAccessAnswer, NewAccessRequest, REASON_HEADER,
        ReadingRule, TICKET_HEADER,
    },
    audit::Line,
    graph::DeviceLocalCredentials,
};
use reqwest::{
    Method,
    header::{HeaderName, HeaderValue},
};

/// What a reader says beside what is to be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Justification {
    /// Why.
    pub reason: Option<String>,
    /// The ticket.
    pub ticket: Option<String>,
    /// Approval shall be passed over.
    pub break_glass: bool,
}

/// Percent-encoded, so that any text can stand in a header.
fn encoded(text: &str) -> HeaderValue {
    use core::fmt::Write as _;
    let mut header = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            header.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(header, "%{byte:02X}");
        }
    }
    // Nothing but visible ASCII stands in it.
    HeaderValue::from_str(&header).unwrap_or(HeaderValue::from_static(""))
}

impl SignedIn {
    /// The device's passwords, best first; reading them is written into the audit log.
    ///
    /// # Errors
    /// [`Error`]; status 404 when the device has none; codes `reason_required`, `ticket_required`,
    /// `ticket_malformed` and `approval_required` when a rule of its groups asks for more.
    pub async fn read(&self, id: DeviceId, justification: &Justification) -> Result<DeviceLocalCredentials, Error> {
        let path = format!("/v1.0/directory/deviceLocalCredentials/{id}");
        let mut request = self.request(Method::GET, &path).query("$select", "credentials");
        if let Some(reason) = &justification.reason {
            request = request.header(HeaderName::from_static(REASON_HEADER), encoded(reason));
        }
        if let Some(ticket) = &justification.ticket {
            request = request.header(HeaderName::from_static(TICKET_HEADER), encoded(ticket));
        }
        if justification.break_glass {
            request = request.header(HeaderName::from_static(BREAK_GLASS_HEADER), HeaderValue::from_static("true"));
        }
        let answer = self.client().send(request).await?;
        self.client().read_json(&answer)
    }

    /// The rules of all groups.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn reading_rules(&self) -> Result<Vec<ReadingRule>, Error> {
        self.list("/v1.0/lapwing/readingRules", &[]).await
    }

    /// Sets the rule of a group.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn set_reading_rule(&self, group: GroupId, rule: &ReadingRule) -> Result<ReadingRule, Error> {
        self.ask(Method::PUT, &format!("/v1.0/lapwing/groups/{group}/readingRule"), Some(rule)).await
    }

    /// Takes the rule of a group away.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn clear_reading_rule(&self, group: GroupId) -> Result<(), Error> {
        self.act::<()>(Method::DELETE, &format!("/v1.0/lapwing/groups/{group}/readingRule"), None).await
    }

    /// What the groups of a device ask together.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn device_reading_rule(&self, id: DeviceId) -> Result<DeviceReadingRule, Error> {
        self.get(&format!("/v1.0/lapwing/devices/{id}/readingRule"), &[]).await
    }

    /// Asks for the rotation that follows a read now.
    ///
    /// # Errors
    /// [`Error`]; code `no_rotation_due` when none follows.
    pub async fn reading_done(&self, id: DeviceId) -> Result<(), Error> {
        self.act::<()>(Method::POST, &format!("/v1.0/lapwing/devices/{id}/readingDone"), None).await
    }

    /// Requests for access, newest first; with `all` those that are over too.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn access_requests(&self, all: bool) -> Result<Vec<AccessRequest>, Error> {
        let query: &[(&str, &str)] = if all { &[("all", "true")] } else { &[] };
        self.list("/v1.0/lapwing/accessRequests", query).await
    }

    /// Asks for access.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn request_access(&self, new: &NewAccessRequest) -> Result<AccessRequest, Error> {
        self.ask(Method::POST, "/v1.0/lapwing/accessRequests", Some(new)).await
    }

    /// Denies somebody else's request, and says why; the id is 32 hexadecimal digits.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn deny_access(&self, id: &str, reason: Option<&str>) -> Result<AccessRequest, Error> {
        let id: String = id.chars().filter(char::is_ascii_hexdigit).collect();
        let answer = NewAccessAnswer { reason: reason.map(str::to_owned) };
        self.ask(Method::POST, &format!("/v1.0/lapwing/accessRequests/{id}/deny"), Some(&answer)).await
    }

    /// `approve` or `cancel`; the id is 32 hexadecimal digits.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn answer_access(&self, id: &str, answer: &str) -> Result<AccessRequest, Error> {
        let id: String = id.chars().filter(char::is_ascii_hexdigit).collect();
        let path = format!("/v1.0/lapwing/accessRequests/{id}/{answer}");
        self.ask::<(), _>(Method::POST, &path, None).await
    }

    /// A page of the export of the audit log, and the link to the next one.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn audit_export(
        &self,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        next: Option<&str>,
    ) -> Result<List<Line>, Error> {
        let path = "/v1.0/lapwing/audit/export";
        let request = self.request(Method::GET, path).answer_bytes_max(EXPORT_BYTES_MAX);
        let answer = match next {
            Some(link) => self.client().send_link(link, request).await?,
            None => {
                let (since, until) = (since.map(|at| at.to_string()), until.map(|at| at.to_string()));
                let mut request = request.query("$top", "999");
                if let Some(since) = &since {
                    request = request.query("since", since);
                }
                if let Some(until) = &until {
                    request = request.query("until", until);
                }
                self.client().send(request).await?
            }
        };
        self.client().read_json(&answer)
    }
}

/// Largest page of the export: 999 records with long details.
const EXPORT_BYTES_MAX: usize = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_stands_in_a_header() {
        assert_eq!(encoded("disk full: ü\n"), "disk%20full%3A%20%C3%BC%0A");
    }
}
