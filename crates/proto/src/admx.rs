//! The group policy template (ADMX) and its English texts (ADML), rendered from the table of settings.
//!
//! One policy for each setting; the values are those of laps-behaviour.md 2.2, so that Windows and Lapwing
//! read the same `registry.pol`.

use crate::xml::XmlText;
use laps::policy::{Allowed, BASE, DefaultValue, SettingInfo, Source, TABLE, V1_1};

const NAMESPACE: &str = "http://schemas.microsoft.com/GroupPolicy/2006/07/PolicyDefinitions";
const CATEGORY: &str = "LAPS";
const BASE_PLATFORM: &str = "SUPPORTED_Base";
const V1_1_PLATFORM: &str = "SUPPORTED_V1_1";

/// The template, `LAPS.admx`.
pub fn render_admx() -> String {
    let mut xml = XmlText::new("");
    xml.open("policyDefinitions", &[("xmlns", NAMESPACE), ("revision", "1.0"), ("schemaVersion", "1.0")]);
    xml.open("policyNamespaces", &[]);
    xml.empty("target", &[("prefix", "lapwing"), ("namespace", "Lapwing.Policies.LAPS")]);
    xml.empty("using", &[("prefix", "windows"), ("namespace", "Microsoft.Policies.Windows")]);
    xml.close();
    xml.empty("resources", &[("minRequiredRevision", "1.0")]);
    xml.open("supportedOn", &[]);
    xml.open("definitions", &[]);
    for name in [BASE_PLATFORM, V1_1_PLATFORM] {
        xml.empty("definition", &[("name", name), ("displayName", &string(name))]);
    }
    xml.close();
    xml.close();
    xml.open("categories", &[]);
    xml.open("category", &[("name", CATEGORY), ("displayName", &string(CATEGORY))]);
    xml.empty("parentCategory", &[("ref", "windows:System")]);
    xml.close();
    xml.close();
    xml.open("policies", &[]);
    for info in &TABLE {
        policy(&mut xml, info);
    }
    xml.finish()
}

fn string(name: &str) -> String {
    format!("$(string.{name})")
}

fn policy(xml: &mut XmlText, info: &SettingInfo) {
    let (label, help) = (string(info.name), string(&help_id(info)));
    let presentation = format!("$(presentation.{})", info.name);
    let mut attributes = vec![
        ("name", info.name),
        ("class", "Machine"),
        ("displayName", label.as_str()),
        ("explainText", help.as_str()),
    ];
    let on_off = matches!(info.allowed, Allowed::Bool { .. });
    if !on_off {
        attributes.push(("presentation", presentation.as_str()));
    }
    attributes.push(("key", Source::Gpo.registry_key()));
    if on_off {
        attributes.push(("valueName", info.name));
    }
    xml.open("policy", &attributes);
    xml.empty("parentCategory", &[("ref", CATEGORY)]);
    xml.empty("supportedOn", &[("ref", if info.since == &BASE { BASE_PLATFORM } else { V1_1_PLATFORM })]);
    if on_off {
        for (element, value) in [("enabledValue", "1"), ("disabledValue", "0")] {
            xml.open(element, &[]);
            xml.empty("decimal", &[("value", value)]);
            xml.close();
        }
    } else {
        xml.open("elements", &[]);
        element(xml, info);
        xml.close();
    }
    xml.close();
}

fn element(xml: &mut XmlText, info: &SettingInfo) {
    let names = [("id", info.name), ("valueName", info.name), ("required", "true")];
    match &info.allowed {
        Allowed::Range { min, max } => {
            let (min, max) = (min.to_string(), max.to_string());
            let limits = [("minValue", min.as_str()), ("maxValue", max.as_str())];
            xml.empty("decimal", &[names.as_slice(), &limits].concat());
        }
        Allowed::Enum(list) => {
            xml.open("enum", &names);
            for item in *list {
                let value = item.value.to_string();
                xml.open("item", &[("displayName", &string(&item_id(info, item.value)))]);
                xml.open("value", &[]);
                xml.empty("decimal", &[("value", &value)]);
                xml.close();
                xml.close();
            }
            xml.close();
        }
        Allowed::Text { chars_max } => {
            let length = chars_max.to_string();
            xml.empty("text", &[names.as_slice(), &[("maxLength", length.as_str())]].concat());
        }
        Allowed::Bool { .. } => {} // stands on the policy itself
    }
}

fn help_id(info: &SettingInfo) -> String {
    format!("{}_Help", info.name)
}
fn item_id(info: &SettingInfo, value: u32) -> String {
    format!("{}_{value}", info.name)
}

/// The English texts, `en-US/LAPS.adml`.
pub fn render_adml() -> String {
    let mut xml = XmlText::new("");
    xml.open("policyDefinitionResources", &[("xmlns", NAMESPACE), ("revision", "1.0"), ("schemaVersion", "1.0")]);
    xml.leaf("displayName", &[], "Local administrator passwords");
    xml.leaf("description", &[], "Settings of the local administrator password solution");
    xml.open("resources", &[]);
    xml.open("stringTable", &[]);
    text(&mut xml, CATEGORY, "Local administrator passwords (LAPS)");
    text(&mut xml, BASE_PLATFORM, &format!("Lapwing, and Windows builds {}", BASE.os_builds));
    text(&mut xml, V1_1_PLATFORM, &format!("Lapwing, and Windows build {} and later", V1_1.os_builds));
    for info in &TABLE {
        text(&mut xml, info.name, info.label);
        text(&mut xml, &help_id(info), &help(info));
        if let Allowed::Enum(list) = info.allowed {
            for item in list {
                text(&mut xml, &item_id(info, item.value), &format!("{}: {}", item.value, item.meaning));
            }
        }
    }
    xml.close();
    xml.open("presentationTable", &[]);
    for info in &TABLE {
        presentation(&mut xml, info);
    }
    xml.finish()
}

fn text(xml: &mut XmlText, id: &str, content: &str) {
    xml.leaf("string", &[("id", id)], content);
}

fn help(info: &SettingInfo) -> String {
    let mut text = info.help.to_owned();
    if let Allowed::Bool { no, yes, .. } = info.allowed {
        text.push_str(&format!("\n\nEnabled: {yes}\nDisabled: {no}"));
    }
    text.push_str("\n\nNot configured: ");
    text.push_str(&match info.default {
        DefaultValue::Int(number) => number.to_string(),
        DefaultValue::Bool(yes) => yes.to_string(),
        DefaultValue::Text(text) => text.to_owned(),
        DefaultValue::Absent(meaning) => meaning.to_owned(),
    });
    text.push('.');
    for note in info.notes {
        text.push_str("\n\n");
        text.push_str(note);
    }
    text
}

fn presentation(xml: &mut XmlText, info: &SettingInfo) {
    if matches!(info.allowed, Allowed::Bool { .. }) {
        return;
    }
    xml.open("presentation", &[("id", info.name)]);
    match (&info.allowed, info.default) {
        (Allowed::Range { .. }, DefaultValue::Int(number)) => {
            let default = number.to_string();
            xml.leaf("decimalTextBox", &[("refId", info.name), ("defaultValue", &default)], info.label);
        }
        (Allowed::Enum(list), DefaultValue::Int(number)) => {
            let place = list.iter().position(|item| item.value == number).unwrap_or(0);
            let place = place.to_string();
            let attributes = [("refId", info.name), ("noSort", "true"), ("defaultItem", place.as_str())];
            xml.leaf("dropdownList", &attributes, info.label);
        }
        (_, default) => {
            xml.open("textBox", &[("refId", info.name)]);
            xml.leaf("label", &[], info.label);
            if let DefaultValue::Text(text) = default {
                xml.leaf("defaultValue", &[], text);
            }
            xml.close();
        }
    }
    xml.close();
}
