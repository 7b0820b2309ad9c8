//! The group policy template: well-formed, complete, and its texts match.

use crate::tree::Element;
use std::collections::BTreeSet;

/// laps-behaviour.md 2.2: every value with its type and limits.
const VALUES: [(&str, &str); 18] = [
    ("BackupDirectory", "0,1,2"),
    ("AdministratorAccountName", "text 64"),
    ("PasswordAgeDays", "1..365"),
    ("PasswordLength", "8..64"),
    ("PassphraseLength", "3..10"),
    ("PasswordComplexity", "1,2,3,4,5,6,7,8"),
    ("PostAuthenticationResetDelay", "0..24"),
    ("PostAuthenticationActions", "0,1,3,5,11"),
    ("ADPasswordEncryptionEnabled", "on/off"),
    ("ADPasswordEncryptionPrincipal", "text 128"),
    ("ADEncryptedPasswordHistorySize", "0..12"),
    ("ADBackupDSRMPassword", "on/off"),
    ("PasswordExpirationProtectionEnabled", "on/off"),
    ("AutomaticAccountManagementEnabled", "on/off"),
    ("AutomaticAccountManagementTarget", "0,1"),
    ("AutomaticAccountManagementNameOrPrefix", "text 20"),
    ("AutomaticAccountManagementEnableAccount", "on/off"),
    ("AutomaticAccountManagementRandomizeName", "on/off"),
];

fn template() -> Element {
    Element::read(&proto::admx::render_admx()).0
}
fn texts() -> Element {
    Element::read(&proto::admx::render_adml()).0
}

fn shape(policy: &Element) -> String {
    if let Some(on) = policy.child("enabledValue") {
        let off = policy.child("disabledValue").unwrap();
        let number = |element: &Element| element.child("decimal").unwrap().attribute("value").unwrap().to_owned();
        assert_eq!((number(on).as_str(), number(off).as_str()), ("1", "0"));
        return "on/off".to_owned();
    }
    let elements = policy.child("elements").unwrap();
    assert_eq!(elements.children.len(), 1);
    let element = &elements.children[0];
    assert_eq!(element.attribute("valueName"), policy.attribute("name"));
    match element.name.as_str() {
        "decimal" => {
            format!("{}..{}", element.attribute("minValue").unwrap(), element.attribute("maxValue").unwrap())
        }
        "text" => format!("text {}", element.attribute("maxLength").unwrap()),
        "enum" => {
            let value = |item: &Element| {
                let decimal = item.child("value").and_then(|value| value.child("decimal")).unwrap();
                decimal.attribute("value").unwrap().to_owned()
            };
            element.all("item").map(value).collect::<Vec<_>>().join(",")
        }
        other => panic!("{other}"),
    }
}

#[test]
fn every_value_with_its_type_and_limits() {
    let root = template();
    assert_eq!(root.names(), ["policyNamespaces", "resources", "supportedOn", "categories", "policies"]);
    let policies = root.child("policies").unwrap();
    assert_eq!(policies.children.len(), VALUES.len());
    for (name, expected) in VALUES {
        let policy = policies.all("policy").find(|policy| policy.attribute("name") == Some(name)).unwrap();
        assert_eq!(shape(policy), expected, "{name}");
        assert_eq!(policy.attribute("class"), Some("Machine"));
        assert_eq!(policy.attribute("key"), Some(r"Software\Microsoft\Windows\CurrentVersion\Policies\LAPS"));
    }
}

fn collect(element: &Element, kind: &str, into: &mut BTreeSet<String>) {
    for (_, value) in &element.attributes {
        if let Some(name) = value.strip_prefix(&format!("$({kind}.")) {
            into.insert(name.trim_end_matches(')').to_owned());
        }
    }
    for child in &element.children {
        collect(child, kind, into);
    }
}

#[test]
fn every_reference_has_its_text_and_every_text_a_reference() {
    let (root, texts) = (template(), texts());
    let resources = texts.child("resources").unwrap();
    for (kind, table, entry) in
        [("string", "stringTable", "string"), ("presentation", "presentationTable", "presentation")]
    {
        let mut used = BTreeSet::new();
        collect(&root, kind, &mut used);
        let entries = resources.child(table).unwrap();
        let ids: BTreeSet<String> = entries.all(entry).map(|e| e.attribute("id").unwrap().to_owned()).collect();
        assert_eq!(entries.children.len(), ids.len(), "ids are unique");
        assert_eq!(used, ids, "{kind}");
    }
}

#[test]
fn presentations_refer_to_elements_and_carry_the_defaults() {
    let texts = texts();
    let table = texts.child("resources").unwrap().child("presentationTable").unwrap();
    let of = |name: &str| {
        let presentation = table.all("presentation").find(|p| p.attribute("id") == Some(name)).unwrap();
        assert_eq!(presentation.children[0].attribute("refId"), Some(name));
        presentation.children[0].clone()
    };
    assert_eq!(of("PasswordAgeDays").attribute("defaultValue"), Some("30"));
    // the fourth of eight is 4; the third of five actions (0, 1, 3, …) is 3
    assert_eq!(of("PasswordComplexity").attribute("defaultItem"), Some("3"));
    assert_eq!(of("PostAuthenticationActions").attribute("defaultItem"), Some("2"));
    assert_eq!(of("AutomaticAccountManagementNameOrPrefix").at(&["defaultValue"]), Some("WLapsAdmin"));
}
