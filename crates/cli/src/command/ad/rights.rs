//! `ad rights`: who can read the passwords, and by which entry.

use super::{Access, connect::connect};
use crate::{
    arguments::{Form, Globals},
    failure::Failure,
    output,
};
use ad::{
    Connection, Sid,
    admin::{
        ace::Effect,
        rights::{Basis, Holder, Place, Reach, Right, Verdict, holders, verdict},
        schema::Schema,
    },
};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What the cmdlet answers for an object, with the entries.
#[derive(Serialize)]
struct Rights {
    #[serde(rename = "ObjectDN")]
    dn: String,
    /// Who can read a password by an extended right.
    #[serde(rename = "ExtendedRightHolders")]
    holders: Vec<String>,
    #[serde(rename = "Entries")]
    entries: Vec<Row>,
    /// With --principal: right and answer.
    #[serde(rename = "Effective", skip_serializing_if = "Vec::is_empty")]
    effective: Vec<Answer>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    trustee: String,
    sid: String,
    access: &'static str,
    rights: Vec<&'static str>,
    /// Those of the rights that an entry before this one refuses.
    overruled: Vec<&'static str>,
    by: String,
    inherited: bool,
    applies_to: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    right: &'static str,
    allowed: bool,
    reason: String,
}

/// `lapwing ad rights`.
pub(super) async fn rights(
    globals: &Globals,
    access: &Access,
    unit: &str,
    computers: bool,
    principal: Option<&str>,
) -> Result<(), Failure> {
    let mut connection = connect(access).await?;
    let object = connection.unit(unit).await?;
    let schema = connection.forest_schema().await?;
    let token = match principal {
        Some(principal) => {
            let sid = connection.resolve_text(principal).await?;
            Some(connection.token_of(&sid).await?)
        }
        None => None,
    };
    let mut names = Names::default();
    let mut all =
        vec![of_object(&connection, &schema, &mut names, &object.dn, token.as_ref(), Place::ComputerBelow).await?];
    if computers {
        for computer in connection.computers_below(&object.dn).await? {
            let rights =
                of_object(&connection, &schema, &mut names, &computer.dn, token.as_ref(), Place::Object).await?;
            // What comes from the unit stands there already.
            if rights.entries.iter().any(|row| !row.inherited) || token.is_some() {
                all.push(rights);
            }
        }
    }
    if globals.output == Form::Json {
        return output::json(&all);
    }
    for rights in &all {
        output::message(&rights.dn);
        if rights.effective.is_empty() {
            output::table(
                &["trustee", "access", "rights", "by", "applies to", "inherited"],
                rights.entries.iter().map(Row::cells),
            )?;
        } else {
            output::table(
                &["right", "allowed", "reason"],
                rights.effective.iter().map(|answer| {
                    let allowed = if answer.allowed { "yes" } else { "no" };
                    vec![answer.right.to_owned(), allowed.to_owned(), answer.reason.clone()]
                }),
            )?;
        }
    }
    Ok(())
}

impl Row {
    fn cells(&self) -> Vec<String> {
        let is_overruled = |right: &&str| self.overruled.contains(right);
        let rights: Vec<_> = self
            .rights
            .iter()
            .map(|right| if is_overruled(right) { format!("{right} (refused before)") } else { (*right).to_owned() })
            .collect();
        let inherited = if self.inherited { "yes" } else { "no" };
        vec![
            self.trustee.clone(),
            self.access.to_owned(),
            rights.join(", "),
            self.by.clone(),
            self.applies_to.to_owned(),
            inherited.to_owned(),
        ]
    }
}

/// Names of SIDs, each looked up once.
#[derive(Default)]
struct Names(BTreeMap<Sid, String>);

impl Names {
    async fn of(&mut self, connection: &Connection, sid: &Sid) -> Result<String, Failure> {
        if let Some(name) = self.0.get(sid) {
            return Ok(name.clone());
        }
        let name = connection.name_of(sid).await?;
        self.0.insert(sid.clone(), name.clone());
        Ok(name)
    }
}

async fn of_object(
    connection: &Connection,
    schema: &Schema,
    names: &mut Names,
    dn: &str,
    token: Option<&BTreeSet<Sid>>,
    place: Place,
) -> Result<Rights, Failure> {
    let descriptor = connection.permissions(dn).await?;
    if descriptor.is_unprotected() {
        output::message(&format!("{dn} has no access control list: everybody may do everything"));
    }
    let (mut entries, mut readers) = (Vec::new(), Vec::new());
    for holder in holders(schema, &descriptor) {
        if token.is_some_and(|token| !token.contains(&holder.trustee)) {
            continue;
        }
        let trustee = names.of(connection, &holder.trustee).await?;
        let reads = holder.rights.iter().any(|right| right.is_reading() && !holder.overruled.contains(right));
        if reads && holder.effect == Effect::Allow && !readers.contains(&trustee) {
            readers.push(trustee.clone());
        }
        entries.push(row(holder, trustee));
    }
    let mut effective = Vec::new();
    if let (Some(token), Some(dacl)) = (token, &descriptor.dacl) {
        for right in
            Right::ALL.into_iter().filter(|right| right.attribute().is_none_or(|name| schema.attribute(name).is_some()))
        {
            let (allowed, reason) = match verdict(schema, dacl, token, right, place) {
                Verdict::Allowed(rule) => (true, format!("through {}", names.of(connection, &rule.trustee).await?)),
                Verdict::Denied(rule) => (false, format!("refused to {}", names.of(connection, &rule.trustee).await?)),
                Verdict::Missing(bits) => (false, format!("no entry gives: {}", ad::admin::grant::words(bits))),
            };
            effective.push(Answer { right: right.name(), allowed, reason });
        }
    }
    Ok(Rights { dn: dn.to_owned(), holders: readers, entries, effective })
}

fn row(holder: Holder, trustee: String) -> Row {
    let names = |rights: &[Right]| rights.iter().map(|right| right.name()).collect();
    Row {
        trustee,
        sid: holder.trustee.to_string(),
        access: match holder.effect {
            Effect::Deny => "Deny",
            Effect::Allow | Effect::Audit => "Allow",
        },
        rights: names(&holder.rights),
        overruled: names(&holder.overruled),
        by: match holder.basis {
            Basis::Owner => "being the owner".to_owned(),
            Basis::FullControl => "full control".to_owned(),
            Basis::Everything => format!("{} on everything", ad::admin::grant::words(holder.mask)),
            Basis::PropertySet => format!("{} on the property set", ad::admin::grant::words(holder.mask)),
            Basis::Attribute(name) => format!("{} on {name}", ad::admin::grant::words(holder.mask)),
        },
        inherited: holder.is_inherited,
        applies_to: match holder.reach {
            Reach::Object => "Object",
            Reach::Computers => "Computers",
            Reach::Both => "ObjectAndComputers",
        },
    }
}
