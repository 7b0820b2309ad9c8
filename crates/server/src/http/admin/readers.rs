//! Who may read a device's password, and by which path; and whether one person may.

use super::devices::Badge;
use super::groups::device_named;
use super::mistake::{again, mistake};
use super::shell::{Section, Shell, ok, sentence};
use super::shown::Shown;
use super::visit::Visit;
use crate::app::{Error, Kind};
use askama::Template;
use axum::response::Response;
use proto::admin::{AccessPath, ReadAccess};
use serde::Deserialize;

/// Readers that are shown; who has more narrows the question to one person.
const READERS: usize = 200;

struct Path {
    allows: bool,
    because: Shown,
}

struct Reader {
    name: Shown,
    kind: &'static str,
    badge: Badge,
    because: Shown,
    paths: Vec<Path>,
}

#[derive(Template)]
#[template(path = "people/readers.html")]
struct ReadersPage {
    shell: Shell,
    person: String,
    device: String,
    /// The device that was asked about: id and name.
    of: Option<(String, Shown)>,
    /// One person was asked about.
    single: bool,
    readers: Vec<Reader>,
    more: usize,
    mistakes: Vec<Shown>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Asked {
    person: String,
    device: String,
}

fn reader(access: &ReadAccess) -> Reader {
    let asked = match access.asked.as_slice() {
        [] => String::new(),
        asked => format!(" A rule of the device’s groups also asks for {}.", asked.join(", ")),
    };
    let path = |path: &AccessPath| Path { allows: path.allows, because: Shown::cut(&path.because, 300) };
    Reader {
        name: Shown::new(&access.name),
        kind: if access.kind == "user" { "person" } else { "program" },
        badge: if access.may_read { Badge::new("good", "May read") } else { Badge::new("bad", "May not read") },
        because: Shown::cut(&(sentence(&access.because) + &asked), 900),
        paths: access.paths.iter().map(path).collect(),
    }
}

/// The page.
pub(crate) async fn readers(visit: Visit) -> Result<Response, Error> {
    visit.app.may_read_people(&visit.caller)?;
    let asked: Asked = visit.query()?;
    let mut page = ReadersPage {
        shell: visit.shell("Who may read", Section::People).await?,
        person: asked.person.chars().take(256).collect(),
        device: asked.device.chars().take(256).collect(),
        of: None,
        single: !asked.person.trim().is_empty(),
        readers: Vec::new(),
        more: 0,
        mistakes: Vec::new(),
    };
    if asked.device.trim().is_empty() {
        if page.single {
            page.mistakes.push(Shown::new("Name a device, too."));
            return again(&page);
        }
        return ok(&page);
    }
    match found(&visit, &asked).await {
        Ok(found) => {
            page.of = found.first().map(|access| (access.device.to_string(), Shown::new(&access.device_name)));
            page.more = found.len().saturating_sub(READERS);
            page.readers = found.iter().take(READERS).map(reader).collect();
            ok(&page)
        }
        Err(error) if error.kind() == Kind::NotFound => {
            let told = Error::invalid("not_found", error.text());
            page.mistakes.push(mistake(told)?);
            again(&page)
        }
        Err(error) => {
            page.mistakes.push(mistake(error)?);
            again(&page)
        }
    }
}

async fn found(visit: &Visit, asked: &Asked) -> Result<Vec<ReadAccess>, Error> {
    let device = device_named(visit, &asked.device).await?;
    if asked.person.trim().is_empty() {
        return visit.app.who_may_read(&visit.caller, device).await;
    }
    let person = visit.app.principal_named(&visit.caller, asked.person.trim()).await?;
    Ok(vec![visit.app.explain_access(&visit.caller, person, device).await?])
}
