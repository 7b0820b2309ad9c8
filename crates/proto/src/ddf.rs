//! The device description framework document of the LAPS CSP (OMA DM DDF 1.2 with the MSFT extensions),
//! rendered from the table of settings (laps-behaviour.md 1.1 to 1.5).

use crate::xml::XmlText;
use laps::csp::{Access, NODES, Node, NodeFormat};
use laps::policy::{Allowed, BASE, Condition, DefaultValue, EDITIONS, Release, SettingInfo};

const DOCTYPE: &str = "<!DOCTYPE MgmtTree PUBLIC \"-//OMA//DTD-DM-DDF 1.2//EN\" \"http://www.openmobilealliance.org/tech/DTD/DM_DDF-V1_2.dtd\" [<?oma-dm-ddf-ver supported-versions=\"1.2\"?>]>\n";
const MSFT: &str = "http://schemas.microsoft.com/MobileDevice/DM";

/// The whole document.
pub fn render() -> String {
    let mut xml = XmlText::new(DOCTYPE);
    xml.open("MgmtTree", &[("xmlns:MSFT", MSFT)]);
    xml.leaf("VerDTD", &[], "1.2");
    node(&mut xml, Node::Laps);
    xml.finish()
}

fn node(xml: &mut XmlText, this: Node) {
    xml.open("Node", &[]);
    xml.leaf("NodeName", &[], this.name());
    if this.parent().is_none() {
        let uri = this.uri();
        let parent = uri.strip_suffix(this.name()).unwrap_or(&uri).trim_end_matches('/');
        xml.leaf("Path", &[], parent);
    }
    xml.open("DFProperties", &[]);
    properties(xml, this);
    xml.close();
    for child in NODES.into_iter().filter(|child| child.parent() == Some(this)) {
        node(xml, child);
    }
    xml.close();
}

/// In the order of DDF 1.2: AccessType, DefaultValue, Description, DFFormat, Occurrence, Scope, DFTitle,
/// DFType; then the extensions.
fn properties(xml: &mut XmlText, this: Node) {
    let info = match this {
        Node::Policy(setting) => Some(setting.info()),
        _ => None,
    };
    access(xml, this.access());
    if let Some(default) = default_value(this) {
        xml.leaf("DefaultValue", &[], &default);
    }
    xml.leaf("Description", &[], &description(this));
    xml.choice("DFFormat", this.format().dm_name());
    let interior = this.format() == NodeFormat::Node;
    xml.choice("Occurrence", if info.is_some() { "ZeroOrOne" } else { "One" });
    xml.choice("Scope", if interior { "Permanent" } else { "Dynamic" });
    if let Some(title) = title(this) {
        xml.leaf("DFTitle", &[], title);
    }
    xml.choice("DFType", if interior { "DDFName" } else { "MIME" });
    match (this, info) {
        (Node::Laps, _) => applicability(xml, &BASE, Some(EDITIONS)),
        (_, Some(info)) if info.since != &BASE => applicability(xml, info.since, None),
        _ => {}
    }
    if let Some(info) = info {
        allowed_values(xml, info);
        dependencies(xml, info);
    }
    if this == Node::Policies {
        xml.empty("MSFT:AtomicRequired", &[]);
    }
}

fn access(xml: &mut XmlText, access: Access) {
    xml.open("AccessType", &[]);
    for (name, has) in [
        ("Add", access.write),
        ("Delete", access.write),
        ("Exec", access.exec),
        ("Get", access.get),
        ("Replace", access.write),
    ] {
        if has {
            xml.empty(name, &[]);
        }
    }
    xml.close();
}

fn description(this: Node) -> String {
    if let Some(action) = this.action() {
        return action.help.to_owned();
    }
    let text = match this {
        Node::Laps => "The local administrator password solution of this device.",
        Node::Policies => "The settings. Write them in one Atomic.",
        Node::Policy(setting) => {
            let info = setting.info();
            return core::iter::once(info.help).chain(info.notes.iter().copied()).collect::<Vec<_>>().join(" ");
        }
        _ => "What can be done now, and how the last of it ended.",
    };
    text.to_owned()
}

fn title(this: Node) -> Option<&'static str> {
    match this {
        Node::Laps | Node::Actions => None,
        _ => Some(this.name()),
    }
}

fn default_value(this: Node) -> Option<String> {
    match this {
        Node::Policy(setting) => match setting.info().default {
            DefaultValue::Int(number) => Some(number.to_string()),
            DefaultValue::Bool(yes) => Some(if yes { "True" } else { "False" }.to_owned()),
            DefaultValue::Text(_) | DefaultValue::Absent(_) => None, // the published document prints none
        },
        _ => this.action().and_then(|action| action.default).map(str::to_owned),
    }
}

fn applicability(xml: &mut XmlText, since: &Release, editions: Option<&str>) {
    xml.open("MSFT:Applicability", &[]);
    xml.leaf("MSFT:OsBuildVersion", &[], since.os_builds);
    xml.leaf("MSFT:CspVersion", &[], since.csp_version);
    if let Some(editions) = editions {
        xml.leaf("MSFT:EditionAllowList", &[], editions);
    }
    xml.close();
}

fn allowed_values(xml: &mut XmlText, info: &SettingInfo) {
    match &info.allowed {
        Allowed::Range { min, max } => {
            xml.open("MSFT:AllowedValues", &[("ValueType", "Range")]);
            xml.leaf("MSFT:Value", &[], &format!("[{min}-{max}]"));
        }
        Allowed::Enum(list) => {
            xml.open("MSFT:AllowedValues", &[("ValueType", "ENUM")]);
            for item in list.iter().filter(|item| item.in_csp) {
                enumerated(xml, &item.value.to_string(), item.meaning);
            }
        }
        Allowed::Bool { no, yes, capitalised } => {
            xml.open("MSFT:AllowedValues", &[("ValueType", "ENUM")]);
            let spelling = if *capitalised { ["False", "True"] } else { ["false", "true"] };
            for (value, meaning) in spelling.into_iter().zip([no, yes]) {
                enumerated(xml, value, meaning);
            }
        }
        Allowed::Text { .. } => xml.open("MSFT:AllowedValues", &[("ValueType", "None")]),
    }
    xml.close();
}

fn enumerated(xml: &mut XmlText, value: &str, meaning: &str) {
    xml.open("MSFT:Enum", &[]);
    xml.leaf("MSFT:Value", &[], value);
    if !meaning.is_empty() {
        xml.leaf("MSFT:ValueDescription", &[], meaning);
    }
    xml.close();
}

fn dependencies(xml: &mut XmlText, info: &SettingInfo) {
    if info.dependencies.is_empty() {
        return;
    }
    xml.open("MSFT:DependencyBehavior", &[]);
    for group in info.dependencies {
        xml.open("MSFT:DependencyGroup", &[("FriendlyId", group.group)]);
        if let Some((min, max)) = group.range {
            xml.open("MSFT:DependencyChangedAllowedValues", &[("ValueType", "Range")]);
            xml.leaf("MSFT:Value", &[], &format!("[{min}-{max}]"));
            xml.close();
        }
        xml.open("MSFT:Dependency", &[("Type", "DependsOn")]);
        let uri = Node::Policy(group.on).uri();
        // the published document leaves ./Device out here
        xml.leaf("MSFT:DependencyUri", &[], uri.strip_prefix("./Device/").unwrap_or(&uri));
        let (kind, value) = match group.condition {
            Condition::Is(number) => ("ENUM", number.to_string()),
            Condition::IsTrue => ("ENUM", "true".to_owned()),
            Condition::Within(min, max) => ("Range", format!("[{min}-{max}]")),
        };
        xml.open("MSFT:DependencyAllowedValue", &[("ValueType", kind)]);
        if kind == "ENUM" {
            enumerated(xml, &value, "");
        } else {
            xml.leaf("MSFT:Value", &[], &value);
        }
        xml.close();
        xml.close();
        xml.close();
    }
    xml.close();
}
