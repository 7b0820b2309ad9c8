//! Policies as documents: read from SyncML or JSON into the form, and written as either.

use super::super::shell::{Section, Shell, page};
use super::super::shown::Shown;
use super::super::visit::{Visit, form};
use super::form::{Draft, Said, shown};
use super::{form_status, mistakes};
use crate::app::Error;
use askama::Template;
use axum::body::Bytes;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;

#[derive(Template)]
#[template(path = "policy_import.html")]
struct ImportPage {
    shell: Shell,
    /// The policy that gets these settings; `None` for a new one.
    id: Option<String>,
    of: Option<Shown>,
    name: String,
    document: String,
    mistakes: Vec<Shown>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Asked {
    policy: String,
    name: String,
    document: String,
}

async fn import_page(visit: &Visit, status: StatusCode, asked: Asked, mistakes: Vec<Shown>) -> Result<Response, Error> {
    let known = match asked.policy.as_str() {
        "" => None,
        id => Some(visit.app.policy(&visit.caller, id).await?),
    };
    page(
        status,
        &ImportPage {
            shell: visit.shell("Import a policy", Section::Policies).await?,
            id: known.as_ref().map(|policy| policy.id.to_string()),
            of: known.map(|policy| Shown::new(&policy.name)),
            name: asked.name,
            document: asked.document,
            mistakes,
        },
    )
}

/// The form that takes a document.
pub(crate) async fn import_form(visit: Visit) -> Result<Response, Error> {
    visit.app.may_write_policies(&visit.caller)?;
    let asked: Asked = visit.query()?;
    import_page(&visit, StatusCode::OK, Asked { document: String::new(), ..asked }, Vec::new()).await
}

/// Reads a document into the form of a policy, where it is looked at, previewed and saved; nothing is saved here.
pub(crate) async fn import(visit: Visit, body: Bytes) -> Result<Response, Error> {
    visit.app.may_write_policies(&visit.caller)?;
    let asked: Asked = form(&body)?;
    let settings = match visit.app.read_policy_document(&visit.caller, &asked.document) {
        Ok(settings) => settings,
        Err(error) => {
            let Some(status) = form_status(&error) else { return Err(error) };
            return import_page(&visit, status, asked, mistakes(&error)).await;
        }
    };
    let draft = match asked.policy.as_str() {
        "" => Draft { name: asked.name, settings, ..Draft::default() },
        id => Draft { settings, ..Draft::of(visit.app.policy(&visit.caller, id).await?) },
    };
    shown(&visit, StatusCode::OK, draft, Said { read: true, ..Said::default() }).await
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wanted {
    form: String,
    version: String,
}

/// A name of a file: letters and digits of the policy's name, nothing that a header or a file system takes badly.
fn file_name(policy: &str, version: u32, ending: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = policy.chars().take(60).map(plain).collect();
    let name = name.split('-').filter(|piece| !piece.is_empty()).collect::<Vec<_>>().join("-");
    let name = if name.is_empty() { "policy" } else { &name };
    format!("{name}-version-{version}.{ending}")
}

/// A version of a policy as a file.
pub(crate) async fn export(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    let policy = visit.app.policy(&visit.caller, &id).await?;
    let wanted: Wanted = visit.query()?;
    let version = match wanted.version.as_str() {
        "" => policy.version,
        text => super::history::number(text)?,
    };
    let (text, kind, ending) = match wanted.form.as_str() {
        "json" => (visit.app.policy_json(&visit.caller, &id, Some(version)).await?, "application/json", "json"),
        "syncml" | "" => {
            let text = visit.app.policy_syncml(&visit.caller, &id, Some(version)).await?;
            (text, "application/vnd.syncml.dm+xml", "xml")
        }
        _ => return Err(Error::invalid("bad_form", "a policy is written as syncml or as json")),
    };
    let mut response = text.into_response();
    super::super::super::no_store(&mut response);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let place = format!("attachment; filename=\"{}\"", file_name(&policy.name, version, ending));
    if let Ok(place) = HeaderValue::from_str(&place) {
        headers.insert(header::CONTENT_DISPOSITION, place);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_harmless_name() {
        assert_eq!(file_name("Work stations", 3, "xml"), "work-stations-version-3.xml");
        assert_eq!(file_name("../../etc/\"passwd\r\n", 1, "json"), "etc-passwd-version-1.json");
        assert_eq!(file_name("Пример", 1, "json"), "policy-version-1.json");
    }
}
