//! Groups of devices: the list, one with its members and what hangs on it, and the form of a filter, which says whom
//! it would take in before it is saved.

use super::devices::{Badge, password_badge, state_badge};
use super::mistake::{again, mistake};
use super::rotations::moment;
use super::shell::{Section, Shell, ok};
use super::shown::{Shown, When};
use super::visit::{Visit, done, form};
use crate::app::Error;
use crate::app::group_sheet::{FilterPreview, GroupSheet, is_all_devices};
use crate::app::inventory::InventoryQuery;
use askama::Template;
use axum::body::Bytes;
use axum::extract::Path;
use axum::response::Response;
use laps::id::DeviceId;
use laps::time::Timestamp;
use proto::admin::{Group, GroupChange, GroupFilter, NewGroup};
use serde::Deserialize;

/// Groups of one page of the list.
const GROUPS: u32 = 100;
/// Things that hang on a group and are named; the rest is counted.
const NAMED: usize = 20;

struct Line {
    id: String,
    name: Shown,
    /// The filter in words; empty: members are put in by hand.
    filter: Vec<(&'static str, Shown)>,
    made: When,
    fixed: bool,
}

#[derive(Template)]
#[template(path = "groups/list.html")]
struct ListPage {
    shell: Shell,
    lines: Vec<Line>,
    next: Option<String>,
    may_write: bool,
}

/// The fields of a filter, as they are typed.
#[derive(Deserialize, Default, Clone)]
#[serde(default)]
struct Typed {
    name: String,
    filter_name: String,
    filter_os: String,
    filter_agent: String,
    filter_from: String,
    filter_until: String,
    /// `preview`: only look whom it takes in.
    act: String,
}

/// Whom a filter takes in.
struct Preview {
    fitting: u64,
    named: Vec<(String, Shown)>,
    more: u64,
    looked_at: u64,
    whole: bool,
}

#[derive(Template)]
#[template(path = "groups/form.html")]
struct FormPage {
    shell: Shell,
    typed: Typed,
    preview: Option<Preview>,
    mistakes: Vec<Shown>,
}

struct Member {
    id: String,
    name: Shown,
    os: Shown,
    state: Badge,
    password: Badge,
    seen: Option<When>,
}

/// Something that hangs on a group.
struct Hanging {
    kind: &'static str,
    /// Empty where there is no page of it.
    href: String,
    name: Shown,
    /// What else is to be said.
    more: Shown,
}

#[derive(Template)]
#[template(path = "groups/one.html")]
struct GroupPage {
    shell: Shell,
    id: String,
    name: Shown,
    typed_name: String,
    filtered: bool,
    typed: Typed,
    preview: Option<Preview>,
    made: When,
    members: Option<Vec<Member>>,
    next: Option<String>,
    hanging: Vec<Hanging>,
    uncounted: usize,
    free: bool,
    may_write: bool,
    /// What was typed into the field of a new member.
    device: String,
    mistakes: Vec<Shown>,
}

fn words(filter: Option<&GroupFilter>) -> Vec<(&'static str, Shown)> {
    let Some(filter) = filter else { return Vec::new() };
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    [
        ("Name", filter.name.clone()),
        ("System", filter.os.clone()),
        ("Agent", filter.agent_version.clone()),
        ("Joined from", time(filter.joined_from)),
        ("Joined before", time(filter.joined_until)),
    ]
    .into_iter()
    .filter_map(|(what, value)| Some((what, Shown::new(&value?))))
    .collect()
}

impl Typed {
    fn of(group: &Group) -> Self {
        let filter = group.filter.clone().unwrap_or_default();
        // As a field of day and time takes it.
        let time = |at: Option<Timestamp>| {
            at.map(|at| at.to_string().chars().take(19).collect::<String>()).unwrap_or_default()
        };
        Self {
            name: group.name.clone(),
            filter_name: filter.name.unwrap_or_default(),
            filter_os: filter.os.unwrap_or_default(),
            filter_agent: filter.agent_version.unwrap_or_default(),
            filter_from: time(filter.joined_from),
            filter_until: time(filter.joined_until),
            act: String::new(),
        }
    }
    fn filter(&self) -> Result<GroupFilter, Error> {
        let text = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        Ok(GroupFilter {
            name: text(&self.filter_name),
            os: text(&self.filter_os),
            agent_version: text(&self.filter_agent),
            joined_from: moment(self.filter_from.trim())?,
            joined_until: moment(self.filter_until.trim())?,
        })
    }
}

impl From<FilterPreview> for Preview {
    fn from(found: FilterPreview) -> Self {
        Self {
            more: found.fitting - found.named.len() as u64,
            fitting: found.fitting,
            named: found.named.iter().map(|(id, name)| (id.to_string(), Shown::new(name))).collect(),
            looked_at: found.looked_at,
            whole: found.is_whole,
        }
    }
}

/// The list.
pub(crate) async fn list(visit: Visit) -> Result<Response, Error> {
    let after = visit.after("admin/groups")?;
    let groups = visit.app.groups(&visit.caller, after, GROUPS).await?;
    let next = visit.next("/admin/groups", "admin/groups", &[], groups.next);
    let line = |group: &Group| Line {
        id: group.id.to_string(),
        name: Shown::new(&group.name),
        filter: words(group.filter.as_ref()),
        made: When::of(group.created_date_time, visit.now),
        fixed: is_all_devices(group),
    };
    ok(&ListPage {
        shell: visit.shell("Groups", Section::Groups).await?,
        lines: groups.items.iter().map(line).collect(),
        next,
        may_write: visit.app.may_write_groups(&visit.caller).is_ok(),
    })
}

/// The form of a new group.
pub(crate) async fn new_form(visit: Visit) -> Result<Response, Error> {
    visit.app.may_write_groups(&visit.caller)?;
    let shell = visit.shell("New group", Section::Groups).await?;
    ok(&FormPage { shell, typed: Typed::default(), preview: None, mistakes: Vec::new() })
}

/// Makes a group, or shows whom its filter would take in.
pub(crate) async fn create(visit: Visit, body: Bytes) -> Result<Response, Error> {
    visit.app.may_write_groups(&visit.caller)?;
    let typed: Typed = form(&body)?;
    let (preview, mistakes) = match tried(&visit, &typed).await {
        Ok(Tried::Made(group)) => return Ok(done(&format!("/admin/groups/{}", group.id), "group_made")),
        Ok(Tried::Looked(preview)) => (Some(preview), Vec::new()),
        Err(error) => (None, vec![mistake(error)?]),
    };
    let looked = preview.is_some();
    let page = FormPage { shell: visit.shell("New group", Section::Groups).await?, typed, preview, mistakes };
    if looked { ok(&page) } else { again(&page) }
}

enum Tried {
    Made(Group),
    Looked(Preview),
}

async fn tried(visit: &Visit, typed: &Typed) -> Result<Tried, Error> {
    let filter = typed.filter()?;
    if typed.act == "preview" {
        return Ok(Tried::Looked(visit.app.preview_filter(&visit.caller, &filter).await?.into()));
    }
    let filter = (filter != GroupFilter::default()).then_some(filter);
    let new = NewGroup { name: typed.name.clone(), filter };
    Ok(Tried::Made(visit.app.create_group(&visit.caller, &new).await?))
}

/// One group.
pub(crate) async fn one(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    let group = visit.app.group(&visit.caller, &id).await?;
    ok(&group_page(&visit, &group, Attempt::default()).await?)
}

/// What somebody tried on the page of a group, which is shown again.
#[derive(Default)]
struct Attempt {
    name: Option<String>,
    filter: Option<Typed>,
    preview: Option<Preview>,
    device: String,
    mistakes: Vec<Shown>,
}

async fn group_page(visit: &Visit, group: &Group, attempt: Attempt) -> Result<GroupPage, Error> {
    let id = group.id.to_string();
    let list = format!("admin/groups/{id}");
    let after = visit.after(&list)?;
    let query = InventoryQuery { group: id.clone(), ..InventoryQuery::default() };
    // Who may see groups and no devices sees the group without its members.
    let (members, next) = match visit.app.inventory(&visit.caller, &query, after).await {
        Ok(found) => (Some(found.items), found.next),
        Err(Error::Denied(_)) => (None, None),
        Err(error) => return Err(error),
    };
    let sheet = visit.app.group_sheet(&visit.caller, &id).await?;
    let mut hanging = hanging(&sheet);
    let uncounted = hanging.len().saturating_sub(NAMED);
    hanging.truncate(NAMED);
    let member = |line: crate::app::inventory::DeviceLine| Member {
        id: line.id.to_string(),
        name: Shown::new(&line.name),
        os: Shown::new(&line.os),
        state: state_badge(line.state),
        password: password_badge(&line, visit.now),
        seen: When::maybe(line.last_seen, visit.now),
    };
    Ok(GroupPage {
        shell: visit.shell(&group.name, Section::Groups).await?,
        name: Shown::new(&group.name),
        typed_name: attempt.name.unwrap_or_else(|| group.name.clone()),
        filtered: group.filter.is_some(),
        typed: attempt.filter.unwrap_or_else(|| Typed::of(group)),
        preview: attempt.preview,
        made: When::of(group.created_date_time, visit.now),
        members: members.map(|found| found.into_iter().map(member).collect()),
        next: visit.next(&format!("/admin/groups/{id}"), &list, &[], next),
        hanging,
        uncounted,
        free: sheet.is_free(),
        may_write: visit.app.may_write_groups(&visit.caller).is_ok(),
        device: attempt.device,
        mistakes: attempt.mistakes,
        id,
    })
}

fn hanging(sheet: &GroupSheet) -> Vec<Hanging> {
    let one = |kind, href: String, name: &str, more: &str| Hanging {
        kind,
        href,
        name: Shown::new(name),
        more: Shown::cut(more, 200),
    };
    let mut all = Vec::new();
    for (id, name) in sheet.policies.iter().flatten() {
        all.push(one("Policy", format!("/admin/policies/{id}"), name, "is assigned to it"));
    }
    for (id, name) in sheet.excluded.iter().flatten() {
        all.push(one("Policy", format!("/admin/policies/{id}"), name, "leaves it out"));
    }
    for held in sheet.roles.iter().flatten() {
        all.push(one("Role", String::new(), &held.role, &format!("of {}", held.name)));
    }
    if let Some(count) = sheet.join_tokens.filter(|count| *count > 0) {
        all.push(one("Join tokens", "/admin/join-tokens".into(), &count.to_string(), "can still be used"));
    }
    if sheet.has_reading_rule {
        all.push(one(
            "Reading rule",
            "/admin/access/rules".into(),
            "A rule",
            "for those who read passwords of its devices",
        ));
    }
    all
}

/// The page again, with what went wrong.
async fn refused(visit: &Visit, group: &Group, error: Error, attempt: Attempt) -> Result<Response, Error> {
    let mistakes = vec![mistake(error)?];
    again(&group_page(visit, group, Attempt { mistakes, ..attempt }).await?)
}

/// Another name.
pub(crate) async fn rename(visit: Visit, Path(id): Path<String>, body: Bytes) -> Result<Response, Error> {
    visit.app.may_write_groups(&visit.caller)?;
    let typed: Typed = form(&body)?;
    let group = visit.app.group(&visit.caller, &id).await?;
    let change = GroupChange { name: Some(typed.name.clone()), filter: None };
    match visit.app.change_group(&visit.caller, &id, &change).await {
        Ok(group) => Ok(done(&format!("/admin/groups/{}", group.id), "group_renamed")),
        Err(error) => refused(&visit, &group, error, Attempt { name: Some(typed.name), ..Attempt::default() }).await,
    }
}

/// Another filter, or whom it would take in.
pub(crate) async fn filter(visit: Visit, Path(id): Path<String>, body: Bytes) -> Result<Response, Error> {
    visit.app.may_write_groups(&visit.caller)?;
    let typed: Typed = form(&body)?;
    let group = visit.app.group(&visit.caller, &id).await?;
    let looks = typed.act == "preview";
    let found = async {
        let filter = typed.filter()?;
        if looks {
            return Ok(Some(Preview::from(visit.app.preview_filter(&visit.caller, &filter).await?)));
        }
        let change = GroupChange { name: None, filter: Some(filter) };
        visit.app.change_group(&visit.caller, &id, &change).await?;
        Ok(None)
    };
    match found.await {
        Ok(None) => Ok(done(&format!("/admin/groups/{}", group.id), "group_filtered")),
        Ok(preview) => {
            let attempt = Attempt { filter: Some(typed), preview, ..Attempt::default() };
            ok(&group_page(&visit, &group, attempt).await?)
        }
        Err(error) => refused(&visit, &group, error, Attempt { filter: Some(typed), ..Attempt::default() }).await,
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Chosen {
    device: String,
}

/// The device that a person names: by its id, or by its name when no other has it.
pub(super) async fn device_named(visit: &Visit, named: &str) -> Result<DeviceId, Error> {
    let named = named.trim();
    let unknown = || {
        Error::invalid(
            "device_unknown",
            "no device that you may see has this name or id; look it up in the list of devices",
        )
    };
    if named.is_empty() {
        return Err(unknown());
    }
    if let Ok(id) = named.parse() {
        return Ok(id);
    }
    let query = InventoryQuery { search: named.to_owned(), ..InventoryQuery::default() };
    let mut after = None;
    let mut found: Vec<DeviceId> = Vec::new();
    loop {
        let page = visit.app.inventory(&visit.caller, &query, after).await?;
        let same = |line: &&crate::app::inventory::DeviceLine| line.name.to_lowercase() == named.to_lowercase();
        found.extend(page.items.iter().filter(same).map(|line| line.id));
        after = page.next;
        if after.is_none() || found.len() > 1 {
            break;
        }
    }
    match found.as_slice() {
        [] => Err(unknown()),
        [one] => Ok(*one),
        [..] => Err(Error::invalid(
            "device_ambiguous",
            "several devices have this name; open the one that you mean in the list of devices, and give its id",
        )),
    }
}

/// Puts a device in.
pub(crate) async fn add_member(visit: Visit, Path(id): Path<String>, body: Bytes) -> Result<Response, Error> {
    visit.app.may_write_groups(&visit.caller)?;
    let Chosen { device } = form(&body)?;
    let group = visit.app.group(&visit.caller, &id).await?;
    let added = async {
        let device = device_named(&visit, &device).await?;
        match visit.app.set_member(&visit.caller, &id, device, true).await {
            Err(error) if error.kind() == crate::app::Kind::NotFound => Err(Error::invalid(
                "device_unknown",
                "there is no device with this id; look it up in the list of devices",
            )),
            other => other,
        }
    };
    match added.await {
        Ok(()) => Ok(done(&format!("/admin/groups/{}", group.id), "member_added")),
        Err(error) => refused(&visit, &group, error, Attempt { device, ..Attempt::default() }).await,
    }
}

/// Takes a device out.
pub(crate) async fn remove_member(visit: Visit, Path(id): Path<String>, body: Bytes) -> Result<Response, Error> {
    visit.app.may_write_groups(&visit.caller)?;
    let Chosen { device } = form(&body)?;
    let device = super::super::graph::device_key(&device)?;
    let group = visit.app.group(&visit.caller, &id).await?;
    visit.app.set_member(&visit.caller, &id, device, false).await?;
    Ok(done(&format!("/admin/groups/{}", group.id), "member_removed"))
}

/// Deletes a group on which nothing hangs.
pub(crate) async fn delete(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    visit.app.may_write_groups(&visit.caller)?;
    let group = visit.app.group(&visit.caller, &id).await?;
    match visit.app.delete_group(&visit.caller, &id).await {
        Ok(()) => Ok(done("/admin/groups", "group_deleted")),
        Err(error) => refused(&visit, &group, error, Attempt::default()).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_shown_as_it_is_typed() {
        let filter = GroupFilter {
            name: Some("kasse-*".into()),
            joined_from: Timestamp::parse_rfc3339("2026-11-01T10:20:30Z"),
            ..GroupFilter::default()
        };
        let group = Group {
            id: laps::id::GroupId::from_random_bytes([1; 16]),
            name: "tills".into(),
            filter: Some(filter.clone()),
            created_date_time: Timestamp::from_unix_ms(1_790_000_000_000),
        };
        let typed = Typed::of(&group);
        assert_eq!(typed.filter_from, "2026-11-01T10:20:30");
        assert_eq!(typed.filter().unwrap(), filter);
        assert_eq!(words(Some(&filter)).len(), 2);
        let blank = Typed { filter_os: "  ".into(), ..Typed::default() };
        assert_eq!(blank.filter().unwrap(), GroupFilter::default(), "blanks ask for nothing");
    }
}
