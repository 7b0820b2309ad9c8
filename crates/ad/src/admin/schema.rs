//! The schema: what is there, what is missing, what differs, and the steps that extend it (laps-behaviour.md 7.1).

use super::attribute::{
    Attribute, CONFIDENTIAL, Generation, PROPERTY_SET, PROPERTY_SET_ACCESSES, PROPERTY_SET_NAME, wanted,
};
use uuid::Uuid;

/// An attribute as the directory has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AttributeFound {
    /// lDAPDisplayName.
    pub name: String,
    /// attributeID.
    pub oid: String,
    /// attributeSyntax.
    pub syntax: String,
    /// oMSyntax.
    pub om_syntax: u32,
    /// isSingleValued.
    pub is_single_valued: bool,
    /// searchFlags.
    pub search_flags: u32,
    /// schemaIDGUID: what entries of access control lists name. Another one in every forest.
    pub guid: Uuid,
    /// attributeSecurityGUID: its property set.
    pub property_set: Option<Uuid>,
    /// isDefunct: switched off.
    pub is_defunct: bool,
}

/// The property set as the directory has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PropertySetFound {
    /// rightsGuid.
    pub guid: Option<Uuid>,
    /// validAccesses.
    pub accesses: u32,
    /// appliesTo.
    pub applies_to: Vec<Uuid>,
}

/// What the directory has of LAPS.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Schema {
    /// DN of the schema naming context.
    pub schema_dn: String,
    /// DN of the configuration naming context.
    pub configuration_dn: String,
    /// DN of the class computer.
    pub computer_dn: String,
    /// schemaIDGUID of the class computer.
    pub computer: Uuid,
    /// mayContain and systemMayContain of the class computer.
    pub may_contain: Vec<String>,
    /// The attributes of LAPS that exist.
    pub attributes: Vec<AttributeFound>,
    /// The property set, when it exists.
    pub property_set: Option<PropertySetFound>,
}

/// One thing that has to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// `attribute`, `class` or `property set`.
    pub kind: &'static str,
    /// Its name: of the attribute, of the attribute that the class has to contain, of the property set.
    pub name: &'static str,
    /// Windows LAPS or legacy.
    pub generation: Generation,
    /// How it is.
    pub state: State,
}

/// How something that has to be there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// As it has to be.
    Present,
    /// Not there.
    Missing,
    /// There, and not as it has to be: one sentence for each difference.
    Different(Vec<String>),
}

/// One step of the extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Make an object.
    Add {
        /// Its DN.
        dn: String,
        /// Its attributes and their values.
        attributes: Vec<(&'static str, Vec<u8>)>,
    },
    /// Let the domain controller take what was made (schemaUpdateNow at the root).
    UpdateNow,
    /// Let the class computer contain attributes.
    MayContain {
        /// DN of the class.
        dn: String,
        /// lDAPDisplayNames.
        names: Vec<&'static str>,
    },
}

/// The schema has something of these names that is not LAPS', or not as LAPS needs it: it is not touched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} in the schema is not as LAPS needs it: {}", .name, .differences.join(", "))]
pub struct Foreign {
    /// What it is.
    pub name: &'static str,
    /// One sentence for each difference.
    pub differences: Vec<String>,
}

impl Schema {
    /// An attribute, unless it is missing or switched off.
    pub fn attribute(&self, name: &str) -> Option<&AttributeFound> {
        self.attributes.iter().find(|found| found.name.eq_ignore_ascii_case(name) && !found.is_defunct)
    }

    /// Everything that has to be there, and how it is.
    pub fn check(&self, with_legacy: bool) -> Vec<Finding> {
        let attributes = wanted(with_legacy).map(|attribute| Finding {
            kind: "attribute",
            name: attribute.name,
            generation: attribute.generation,
            state: self.state_of(attribute),
        });
        let contained = wanted(with_legacy).map(|attribute| Finding {
            kind: "class computer",
            name: attribute.name,
            generation: attribute.generation,
            state: if self.contains(attribute) { State::Present } else { State::Missing },
        });
        let set = Finding {
            kind: "property set",
            name: PROPERTY_SET_NAME,
            generation: Generation::Windows,
            state: self.state_of_set(),
        };
        attributes.chain(contained).chain([set]).collect()
    }

    /// The steps that are left; none when everything is there. After an interruption the same call gives the rest.
    ///
    /// # Errors
    /// [`Foreign`] when something is there and different.
    pub fn extension(&self, with_legacy: bool) -> Result<Vec<Step>, Foreign> {
        for finding in self.check(with_legacy) {
            if let State::Different(differences) = finding.state {
                return Err(Foreign { name: finding.name, differences });
            }
        }
        let mut steps: Vec<_> = wanted(with_legacy)
            .filter(|attribute| self.attribute(attribute.name).is_none())
            .map(|attribute| self.add_attribute(attribute))
            .collect();
        if !steps.is_empty() {
            steps.push(Step::UpdateNow);
        }
        let names: Vec<_> =
            wanted(with_legacy).filter(|attribute| !self.contains(attribute)).map(|attribute| attribute.name).collect();
        if !names.is_empty() {
            steps.push(Step::MayContain { dn: self.computer_dn.clone(), names });
            steps.push(Step::UpdateNow);
        }
        if self.property_set.is_none() {
            steps.push(self.add_property_set());
        }
        Ok(steps)
    }

    fn contains(&self, attribute: &Attribute) -> bool {
        self.may_contain.iter().any(|name| name.eq_ignore_ascii_case(attribute.name))
    }

    fn state_of(&self, attribute: &Attribute) -> State {
        let Some(found) = self.attributes.iter().find(|found| found.name.eq_ignore_ascii_case(attribute.name)) else {
            return State::Missing;
        };
        let mut differences = Vec::new();
        let mut differ = |name: &str, is: String, wanted: String| {
            if is != wanted {
                differences.push(format!("{name} is {is}, expected {wanted}"));
            }
        };
        let yes = |is: bool| if is { "TRUE" } else { "FALSE" }.to_owned();
        differ("isDefunct", yes(found.is_defunct), yes(false));
        differ("attributeID", found.oid.clone(), attribute.oid.to_owned());
        differ("attributeSyntax", found.syntax.clone(), attribute.syntax.oid().to_owned());
        differ("oMSyntax", found.om_syntax.to_string(), attribute.syntax.om().to_string());
        differ("isSingleValued", yes(found.is_single_valued), yes(attribute.is_single_valued));
        if attribute.is_published {
            differ("searchFlags", found.search_flags.to_string(), attribute.search_flags.to_string());
            let set = |set: Option<Uuid>| set.map_or_else(|| "absent".to_owned(), |set| set.to_string());
            let wanted = attribute.is_in_property_set.then_some(PROPERTY_SET);
            differ("attributeSecurityGUID", set(found.property_set), set(wanted));
        }
        if attribute.search_flags & !found.search_flags & CONFIDENTIAL != 0 {
            differences.push("it is not confidential, so that everybody who reads the object reads it".to_owned());
        }
        if differences.is_empty() { State::Present } else { State::Different(differences) }
    }

    fn state_of_set(&self) -> State {
        let Some(found) = &self.property_set else { return State::Missing };
        let mut differences = Vec::new();
        if found.guid != Some(PROPERTY_SET) {
            differences.push(format!("rightsGuid is not {PROPERTY_SET}"));
        }
        if found.accesses != PROPERTY_SET_ACCESSES {
            differences.push(format!("validAccesses is {}, expected {PROPERTY_SET_ACCESSES}", found.accesses));
        }
        if !found.applies_to.contains(&self.computer) {
            differences.push("appliesTo does not name the class computer".to_owned());
        }
        if differences.is_empty() { State::Present } else { State::Different(differences) }
    }

    fn add_attribute(&self, attribute: &Attribute) -> Step {
        let yes = |is: bool| if is { "TRUE" } else { "FALSE" }.to_owned();
        let mut attributes = vec![
            ("objectClass", "attributeSchema".to_owned()),
            ("lDAPDisplayName", attribute.name.to_owned()),
            ("adminDisplayName", attribute.cn.to_owned()),
            ("attributeID", attribute.oid.to_owned()),
            ("attributeSyntax", attribute.syntax.oid().to_owned()),
            ("oMSyntax", attribute.syntax.om().to_string()),
            ("isSingleValued", yes(attribute.is_single_valued)),
            ("isMemberOfPartialAttributeSet", yes(false)),
            ("searchFlags", attribute.search_flags.to_string()),
        ];
        if let Some(octets) = attribute.octets {
            attributes.push(("rangeLower", octets.to_string()));
            attributes.push(("rangeUpper", octets.to_string()));
        }
        let mut attributes: Vec<_> = attributes.into_iter().map(|(name, value)| (name, value.into_bytes())).collect();
        if attribute.is_in_property_set {
            attributes.push(("attributeSecurityGUID", PROPERTY_SET.to_bytes_le().to_vec()));
        }
        Step::Add { dn: format!("CN={},{}", attribute.cn, self.schema_dn), attributes }
    }

    fn add_property_set(&self) -> Step {
        let attributes = [
            ("objectClass", "controlAccessRight".to_owned()),
            ("displayName", PROPERTY_SET_NAME.to_owned()),
            ("rightsGuid", PROPERTY_SET.to_string()),
            ("validAccesses", PROPERTY_SET_ACCESSES.to_string()),
            ("appliesTo", self.computer.to_string()),
        ];
        Step::Add {
            dn: format!("CN={PROPERTY_SET_NAME},CN=Extended-Rights,{}", self.configuration_dn),
            attributes: attributes.into_iter().map(|(name, value)| (name, value.into_bytes())).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::attribute::{ATTRIBUTES, COMPUTER_CLASS, Syntax};
    use super::*;

    /// A directory that nobody extended.
    fn bare() -> Schema {
        Schema {
            schema_dn: "CN=Schema,CN=Configuration,DC=a".to_owned(),
            configuration_dn: "CN=Configuration,DC=a".to_owned(),
            computer_dn: "CN=Computer,CN=Schema,CN=Configuration,DC=a".to_owned(),
            computer: COMPUTER_CLASS,
            may_contain: vec!["operatingSystem".to_owned()],
            ..Schema::default()
        }
    }

    /// What a directory does with steps, as far as it matters here.
    fn carry_out(schema: &mut Schema, steps: &[Step]) {
        for step in steps {
            match step {
                Step::UpdateNow => {}
                Step::MayContain { names, .. } => {
                    schema.may_contain.extend(names.iter().map(|name| (*name).to_owned()));
                }
                Step::Add { attributes, .. } => {
                    let bytes = |name| attributes.iter().find(|(own, _)| *own == name).map(|(_, value)| value.clone());
                    let text = |name| bytes(name).map(|value| String::from_utf8(value).unwrap()).unwrap_or_default();
                    let number = |name| text(name).parse::<u32>().ok();
                    if text("objectClass") == "controlAccessRight" {
                        schema.property_set = Some(PropertySetFound {
                            guid: text("rightsGuid").parse().ok(),
                            accesses: number("validAccesses").unwrap(),
                            applies_to: vec![text("appliesTo").parse().unwrap()],
                        });
                    } else {
                        schema.attributes.push(AttributeFound {
                            name: text("lDAPDisplayName"),
                            oid: text("attributeID"),
                            syntax: text("attributeSyntax"),
                            om_syntax: number("oMSyntax").unwrap(),
                            is_single_valued: text("isSingleValued") == "TRUE",
                            search_flags: number("searchFlags").unwrap(),
                            guid: Uuid::from_u128(schema.attributes.len() as u128 + 1),
                            property_set: bytes("attributeSecurityGUID")
                                .map(|value| Uuid::from_bytes_le(value.try_into().unwrap())),
                            is_defunct: false,
                        });
                    }
                }
            }
        }
    }

    #[test]
    fn every_interrupted_extension_is_taken_up_where_it_ended() {
        for with_legacy in [false, true] {
            let all = bare().extension(with_legacy).unwrap();
            for done in 0..=all.len() {
                let mut schema = bare();
                carry_out(&mut schema, &all[..done]);
                let rest = schema.extension(with_legacy).unwrap();
                carry_out(&mut schema, &rest);
                assert!(schema.check(with_legacy).iter().all(|finding| finding.state == State::Present), "{done}");
                assert_eq!(schema.extension(with_legacy).unwrap(), []);
                assert_eq!(schema.attributes.len(), if with_legacy { 9 } else { 7 });
                assert_eq!(schema.may_contain.len(), schema.attributes.len() + 1, "nothing is added twice");
            }
        }
    }

    #[test]
    fn a_directory_that_nobody_extended_lacks_everything() {
        let findings = bare().check(false);
        assert_eq!(findings.len(), 15);
        assert!(findings.iter().all(|finding| finding.state == State::Missing));
    }

    #[test]
    fn what_differs_is_named_and_never_touched() {
        let mut schema = bare();
        let steps = schema.extension(true).unwrap();
        carry_out(&mut schema, &steps);
        let clear = schema.attributes.iter_mut().find(|found| found.name == "msLAPS-Password").unwrap();
        clear.search_flags = 0;
        clear.oid = "1.2.3".to_owned();
        let foreign = schema.extension(false).unwrap_err();
        assert_eq!(foreign.name, "msLAPS-Password");
        assert!(foreign.differences[0].contains("attributeID is 1.2.3"), "{foreign}");
        assert!(foreign.to_string().contains("it is not confidential"), "{foreign}");
        // Of the newest attribute only name, number and meaning are published.
        let mut schema = bare();
        carry_out(&mut schema, &steps);
        let version = schema.attributes.iter_mut().find(|found| found.name == "msLAPS-CurrentPasswordVersion").unwrap();
        (version.search_flags, version.property_set) = (0x389, None);
        assert_eq!(schema.extension(false), Ok(Vec::new()));
    }

    #[test]
    fn the_table_agrees_with_the_published_one() {
        let count = |f: fn(&Attribute) -> bool| ATTRIBUTES.iter().filter(|attribute| f(attribute)).count();
        assert_eq!(count(|a| a.search_flags == 904), 7);
        assert_eq!(count(|a| a.is_in_property_set), 5);
        assert_eq!(count(|a| !a.is_single_valued), 2);
        assert_eq!(count(|a| a.syntax == Syntax::LargeInteger), 2);
        let numbered = ATTRIBUTES.iter().filter(|a| a.generation == Generation::Windows).enumerate();
        for (index, attribute) in numbered {
            assert_eq!(attribute.oid, format!("1.2.840.113556.1.6.44.1.{}", index + 1));
            assert_eq!(attribute.name.replace("msLAPS-", "ms-LAPS-"), attribute.cn);
        }
    }
}
