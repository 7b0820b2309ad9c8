//! The DDF document against the published facts (laps-behaviour.md 1.1 to 1.5), written down here once more,
//! and against the element order of DDF 1.2.

use crate::tree::Element;

fn document() -> Element {
    let (root, doctype) = Element::read(&proto::ddf::render());
    assert!(doctype.expect("a DOCTYPE").contains("-//OMA//DTD-DM-DDF 1.2//EN"));
    assert_eq!(root.name, "MgmtTree");
    assert_eq!(root.attribute("xmlns:MSFT"), Some("http://schemas.microsoft.com/MobileDevice/DM"));
    assert_eq!(root.at(&["VerDTD"]), Some("1.2"));
    root
}

/// The node with this path of names below the root node.
fn node<'a>(root: &'a Element, path: &[&str]) -> &'a Element {
    path.iter().fold(root.child("Node").unwrap(), |node, name| {
        let mut children = node.all("Node").filter(|child| child.at(&["NodeName"]) == Some(name));
        let found = children.next().unwrap_or_else(|| panic!("no node {name}"));
        assert!(children.next().is_none(), "{name} stands once");
        found
    })
}

/// Checks that children come in the order of the DTD, the compulsory ones (`+`) included, and nothing else.
fn in_order(element: &Element, model: &[&str]) {
    let mut left = element.names().into_iter().peekable();
    for name in model {
        let (name, must) = match name.strip_suffix('+') {
            Some(name) => (name, true),
            None => (*name, false),
        };
        let mut seen = false;
        while left.peek() == Some(&name) {
            left.next();
            seen = true;
        }
        assert!(seen || !must, "{} lacks {name}", element.name);
    }
    assert_eq!(left.next(), None, "in {}: {:?}", element.name, element.names());
}

fn one_of(element: &Element, names: &[&str]) {
    assert_eq!(element.children.len(), 1, "{}", element.name);
    assert!(names.contains(&element.children[0].name.as_str()), "{}: {:?}", element.name, element.names());
}

fn check_node(node: &Element, root: bool) {
    in_order(node, &["NodeName+", "Path", "RTProperties", "DFProperties+", "Node"]);
    assert_eq!(node.child("Path").is_some(), root, "Path stands on the root node only");
    let properties = node.child("DFProperties").unwrap();
    in_order(
        properties,
        &[
            "AccessType+",
            "DefaultValue",
            "Description",
            "DFFormat+",
            "Occurrence",
            "Scope",
            "DFTitle",
            "DFType+",
            "CaseSense",
        ],
    );
    in_order(properties.child("AccessType").unwrap(), &["Add", "Copy", "Delete", "Exec", "Get", "Replace"]);
    one_of(properties.child("DFFormat").unwrap(), &["bool", "chr", "int", "node", "null"]);
    one_of(properties.child("Occurrence").unwrap(), &["One", "ZeroOrOne"]);
    one_of(properties.child("Scope").unwrap(), &["Permanent", "Dynamic"]);
    one_of(properties.child("DFType").unwrap(), &["MIME", "DDFName"]);
    let interior = properties.child("DFFormat").unwrap().names() == ["node"];
    let kind = if interior { ["DDFName"] } else { ["MIME"] };
    assert_eq!(properties.child("DFType").unwrap().names(), kind);
    assert_eq!(node.child("Node").is_some(), interior, "leaves have no nodes below");
    for child in node.all("Node") {
        check_node(child, false);
    }
}

#[test]
fn without_extensions_it_has_the_element_order_of_ddf_1_2() {
    let plain = document().without("MSFT:");
    in_order(&plain, &["VerDTD+", "Man", "Mod", "Node+"]);
    for node in plain.all("Node") {
        check_node(node, true);
    }
}

#[test]
fn the_order_check_can_fail() {
    let (swapped, _) = Element::read("<DFProperties><DFFormat/><AccessType/></DFProperties>");
    assert!(std::panic::catch_unwind(|| in_order(&swapped, &["AccessType+", "DFFormat+"])).is_err());
    let (lacking, _) = Element::read("<DFProperties><DFFormat/></DFProperties>");
    assert!(std::panic::catch_unwind(|| in_order(&lacking, &["AccessType+", "DFFormat+"])).is_err());
}

fn facts(node: &Element) -> (Vec<&str>, &str, &str, &str, Option<&str>) {
    let properties = node.child("DFProperties").unwrap();
    let only = |name: &str| properties.child(name).unwrap().names()[0];
    (
        properties.child("AccessType").unwrap().names(),
        only("DFFormat"),
        only("Occurrence"),
        only("Scope"),
        properties.at(&["DefaultValue"]),
    )
}

#[test]
fn interior_and_action_nodes() {
    let root = document();
    let get = vec!["Get"];
    assert_eq!(facts(node(&root, &[])), (get.clone(), "node", "One", "Permanent", None));
    assert_eq!(node(&root, &[]).at(&["NodeName"]), Some("LAPS"));
    assert_eq!(node(&root, &[]).at(&["Path"]), Some("./Device/Vendor/MSFT"));
    assert_eq!(facts(node(&root, &["Policies"])), (get.clone(), "node", "One", "Permanent", None));
    assert_eq!(facts(node(&root, &["Actions"])), (get.clone(), "node", "One", "Permanent", None));
    let policies = node(&root, &["Policies"]).child("DFProperties").unwrap();
    assert_eq!(policies.at(&["DFTitle"]), Some("Policies"));
    assert!(policies.child("MSFT:AtomicRequired").is_some());
    let actions = node(&root, &["Actions"]).child("DFProperties").unwrap();
    assert_eq!(actions.at(&["DFTitle"]), None);
    let reset = node(&root, &["Actions", "ResetPassword"]);
    assert_eq!(facts(reset), (vec!["Exec"], "null", "One", "Dynamic", None));
    let status = node(&root, &["Actions", "ResetPasswordStatus"]);
    assert_eq!(facts(status), (get, "int", "One", "Dynamic", Some("0")));
}

/// Table 1.4: name, format, default, allowed values, dependency groups
/// (name, condition's type, condition's value, changed range).
type Row = (
    &'static str,
    &'static str,
    Option<&'static str>,
    &'static [&'static str],
    &'static [(&'static str, &'static str, &'static str, Option<&'static str>)],
);
const AD: &[(&str, &str, &str, Option<&str>)] = &[("BackupDirectory", "ENUM", "2", None)];
const AUTOMATIC: &[(&str, &str, &str, Option<&str>)] = &[("AutomaticAccountManagementEnabled", "ENUM", "true", None)];
const ROWS: [Row; 17] = [
    ("BackupDirectory", "int", Some("0"), &["0", "1", "2"], &[]),
    (
        "PasswordAgeDays",
        "int",
        Some("30"),
        &["[1-365]"],
        &[
            ("BackupDirectoryAADMode", "ENUM", "1", Some("[7-365]")),
            ("BackupDirectoryADMode", "ENUM", "2", Some("[1-365]")),
        ],
    ),
    ("PasswordComplexity", "int", Some("4"), &["1", "2", "3", "4", "5", "6", "7", "8"], &[]),
    ("PasswordLength", "int", Some("14"), &["[8-64]"], &[("PasswordComplexity", "Range", "[1-5]", None)]),
    ("PassphraseLength", "int", Some("6"), &["[3-10]"], &[("PasswordComplexity", "Range", "[6-8]", None)]),
    ("AdministratorAccountName", "chr", None, &[], &[]),
    ("PasswordExpirationProtectionEnabled", "bool", Some("True"), &["false", "true"], AD),
    ("ADPasswordEncryptionEnabled", "bool", Some("True"), &["false", "true"], AD),
    ("ADPasswordEncryptionPrincipal", "chr", None, &[], AD),
    ("ADEncryptedPasswordHistorySize", "int", Some("0"), &["[0-12]"], AD),
    ("PostAuthenticationResetDelay", "int", Some("24"), &["[0-24]"], &[]),
    ("PostAuthenticationActions", "int", Some("3"), &["1", "3", "5", "11"], &[]),
    ("AutomaticAccountManagementEnabled", "bool", Some("False"), &["false", "true"], &[]),
    ("AutomaticAccountManagementTarget", "int", Some("1"), &["0", "1"], AUTOMATIC),
    ("AutomaticAccountManagementNameOrPrefix", "chr", None, &[], AUTOMATIC),
    ("AutomaticAccountManagementEnableAccount", "bool", Some("False"), &["False", "True"], AUTOMATIC),
    ("AutomaticAccountManagementRandomizeName", "bool", Some("False"), &["False", "True"], AUTOMATIC),
];

#[test]
fn policy_nodes() {
    let root = document();
    assert_eq!(node(&root, &["Policies"]).all("Node").count(), ROWS.len());
    for (name, format, default, allowed, dependencies) in ROWS {
        let this = node(&root, &["Policies", name]);
        let access = vec!["Add", "Delete", "Get", "Replace"];
        assert_eq!(facts(this), (access, format, "ZeroOrOne", "Dynamic", default), "{name}");
        let properties = this.child("DFProperties").unwrap();
        let values = properties.child("MSFT:AllowedValues").unwrap();
        let (kind, listed): (_, Vec<&str>) = match values.attribute("ValueType") {
            Some("ENUM") => ("ENUM", values.all("MSFT:Enum").map(|item| item.at(&["MSFT:Value"]).unwrap()).collect()),
            Some(other) => (other, values.all("MSFT:Value").map(|value| value.text.as_str()).collect()),
            None => panic!("{name} has no value type"),
        };
        let expected_kind = match allowed {
            [] => "None",
            [range] if range.starts_with('[') => "Range",
            _ => "ENUM",
        };
        assert_eq!((kind, listed.as_slice()), (expected_kind, allowed), "{name}");
        if kind == "ENUM" {
            for item in values.all("MSFT:Enum") {
                assert!(!item.at(&["MSFT:ValueDescription"]).unwrap().is_empty(), "{name}");
            }
        }
        let groups: Vec<&Element> = properties
            .child("MSFT:DependencyBehavior")
            .map(|behavior| behavior.all("MSFT:DependencyGroup").collect())
            .unwrap_or_default();
        assert_eq!(groups.len(), dependencies.len(), "{name}");
        for (group, (id, kind, value, range)) in groups.into_iter().zip(dependencies) {
            assert_eq!(group.attribute("FriendlyId"), Some(*id), "{name}");
            assert_eq!(group.at(&["MSFT:DependencyChangedAllowedValues", "MSFT:Value"]), *range, "{name}");
            let dependency = group.child("MSFT:Dependency").unwrap();
            assert_eq!(dependency.attribute("Type"), Some("DependsOn"));
            let on = if id.starts_with("BackupDirectory") { "BackupDirectory" } else { id };
            assert_eq!(
                dependency.at(&["MSFT:DependencyUri"]),
                Some(format!("Vendor/MSFT/LAPS/Policies/{on}").as_str())
            );
            let condition = dependency.child("MSFT:DependencyAllowedValue").unwrap();
            assert_eq!(condition.attribute("ValueType"), Some(*kind), "{name}");
            let path: &[&str] = if *kind == "ENUM" { &["MSFT:Enum", "MSFT:Value"] } else { &["MSFT:Value"] };
            assert_eq!(condition.at(path), Some(*value), "{name}");
        }
    }
}

#[test]
fn builds_and_editions() {
    let root = document();
    let of = |path: &[&str], what: &str| {
        let properties = node(&root, path).child("DFProperties").unwrap();
        properties.at(&["MSFT:Applicability", what]).map(str::to_owned)
    };
    assert_eq!(
        of(&[], "MSFT:OsBuildVersion").unwrap(),
        "10.0.25145, 10.0.22621.1480, 10.0.22000.1754, 10.0.20348.1663, 10.0.19041.2784, 10.0.17763.4244"
    );
    assert_eq!(of(&[], "MSFT:CspVersion").unwrap(), "1.0");
    let editions = of(&[], "MSFT:EditionAllowList").unwrap();
    assert!(editions.starts_with("0x4;0x1B;0x30;") && editions.ends_with(";0xCD;0xCF"));
    assert_eq!(editions.split(';').count(), 32);
    for (name, ..) in ROWS {
        let newer = name == "PassphraseLength" || name.starts_with("AutomaticAccountManagement");
        let expected = newer.then(|| ("10.0.26100".to_owned(), "1.1".to_owned()));
        let path = ["Policies", name];
        assert_eq!(of(&path, "MSFT:OsBuildVersion").zip(of(&path, "MSFT:CspVersion")), expected, "{name}");
    }
}
