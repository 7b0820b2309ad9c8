//! The reference pages of the documentation, rendered from the table of settings and the tree.

use core::fmt::Write;
use laps::csp::{Access, NODES, Node, NodeStatus, Options};
use laps::policy::{
    Allowed, BackupDirectory, Condition, DefaultValue, EDITIONS, JoinState, SettingInfo, Source, TABLE,
};

const NOTICE: &str =
    "<!-- Generated from crates/laps/src/policy and crates/laps/src/csp. Do not edit: change the table. -->\n";

/// `docs/reference/settings.md`: every setting with everything that the table knows.
pub fn settings_page() -> String {
    let mut page = String::from("# Settings\n\n");
    page.push_str(NOTICE);
    page.push_str(
        "\nThe settings of a policy, under the names of the published CSP. They come from four sources, the strongest first; \
         the first that sets anything wins whole, and nothing is merged.\n\n\
         | source | where |\n| --- | --- |\n",
    );
    for source in Source::ALL {
        let _ = writeln!(page, "| {source} | `HKLM\\{}` on Windows |", source.registry_key());
    }
    page.push_str(
        "\nA value that is not allowed becomes the default; it is not moved to the nearest limit. Exceptions: a PasswordAgeDays \
         below 7 with BackupDirectory 1 becomes 7 (event 10058), and an ADPasswordEncryptionPrincipal that is not one stops the \
         backup. The CSP refuses values that are not allowed when they are written.\n\n",
    );
    page.push_str("| machine | BackupDirectory 1 | BackupDirectory 2 |\n| --- | --- | --- |\n");
    for join in JoinState::ALL {
        let yes_no = |directory| if join.allows(directory) { "yes" } else { "no" };
        let (entra, ad) = (yes_no(BackupDirectory::Entra), yes_no(BackupDirectory::Ad));
        let ad = if join == JoinState::DomainController { "with ADBackupDSRMPassword" } else { ad };
        let _ = writeln!(page, "| {join} | {entra} | {ad} |");
    }
    page.push_str("\n| setting | format | allowed | default | Entra | AD |\n| --- | --- | --- | --- | --- | --- |\n");
    for info in &TABLE {
        let _ = writeln!(
            page,
            "| [{name}](#{anchor}) | {format} | {allowed} | {default} | {entra} | {ad} |",
            name = info.name,
            anchor = info.name.to_lowercase(),
            format = info.format.dm_name(),
            allowed = info.allowed_text(Source::Gpo),
            default = default_text(info),
            entra = yes_no(info.entra),
            ad = yes_no(info.ad),
        );
    }
    for info in &TABLE {
        section(&mut page, info);
    }
    page
}

fn yes_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

/// What a setting is when nobody sets it, in words.
pub fn default_text(info: &SettingInfo) -> String {
    match info.default {
        DefaultValue::Int(number) => number.to_string(),
        DefaultValue::Bool(yes) => yes.to_string(),
        DefaultValue::Text(text) => format!("`{text}`"),
        DefaultValue::Absent(meaning) => format!("none: {meaning}"),
    }
}

fn section(page: &mut String, info: &SettingInfo) {
    let _ = write!(page, "\n## {}\n\n{}\n\n| | |\n| --- | --- |\n", info.name, info.help);
    let mut row = |what: &str, text: &str| {
        let _ = writeln!(page, "| {what} | {text} |");
    };
    match info.in_csp {
        true => row("node", &format!("`{}`", Node::Policy(info.setting).uri())),
        false => row("node", "none: group policy and local configuration only"),
    }
    row("format", info.format.dm_name());
    row("registry value", &format!("`{}`, {}", info.name, info.format.registry_type()));
    if let Some(name) = info.legacy_name {
        row("legacy LAPS value", &format!("`{name}`"));
    }
    let unit = info.unit.map(|unit| format!(" ({unit})")).unwrap_or_default();
    row("allowed", &format!("{}{unit}", info.allowed_text(Source::Gpo)));
    row("default", &default_text(info));
    for group in info.dependencies {
        let condition = match group.condition {
            Condition::Is(number) => format!("{} is {number}", group.on),
            Condition::IsTrue => format!("{} is true", group.on),
            Condition::Within(min, max) => format!("{} is {min} to {max}", group.on),
        };
        match group.range {
            None => row("has effect while", &condition),
            Some((min, max)) => row(&format!("allowed while {condition}"), &format!("{min} to {max}")),
        }
    }
    row(
        "directories",
        match (info.entra, info.ad) {
            (true, true) => "Entra ID and Active Directory",
            (true, false) => "Entra ID",
            _ => "Active Directory",
        },
    );
    if info.domain_controllers {
        row("machines", "domain controllers only");
    }
    row("Windows since", &format!("build {} (CSP {})", info.since.os_builds, info.since.csp_version));
    match &info.allowed {
        Allowed::Enum(list) => {
            page.push_str("\n| value | meaning |\n| --- | --- |\n");
            for item in *list {
                let only = if item.in_csp { "" } else { " Not in the CSP." };
                let _ = writeln!(page, "| {} | {}{only} |", item.value, item.meaning);
            }
        }
        Allowed::Bool { no, yes, .. } => {
            let _ = write!(page, "\n| value | meaning |\n| --- | --- |\n| false | {no} |\n| true | {yes} |\n");
        }
        _ => {}
    }
    if !info.notes.is_empty() {
        page.push('\n');
    }
    for note in info.notes {
        let _ = writeln!(page, "- {note}");
    }
}

/// `docs/reference/csp.md`: the nodes of the tree, their access rights, the statuses.
pub fn csp_page() -> String {
    let mut page = String::from("# The configuration tree\n\n");
    page.push_str(NOTICE);
    page.push_str(
        "\nThe LAPS configuration service provider, as a management server sees it by SyncML (OMA DM 1.2). \
         `lapwing csp ddf` prints its description (DDF).\n\n\
         | node | format | access | default |\n| --- | --- | --- | --- |\n",
    );
    for node in NODES {
        let default = match node {
            Node::Policy(setting) => default_text(setting.info()),
            _ => node.action().and_then(|action| action.default).unwrap_or_default().to_owned(),
        };
        let (format, access) = (node.format().dm_name(), access_text(node.access()));
        let _ = writeln!(page, "| `{}` | {format} | {access} | {default} |", node.uri());
    }
    let options = Options::default();
    let _ = write!(
        page,
        "\nA node without a value answers 404: no default is made up. `./Vendor/MSFT/LAPS/…` is the same tree; there is no user \
         scope. Values: `int` decimal, `bool` lower-case `true` or `false` (any case is taken), `chr` as it stands; type \
         text/plain; at most {} bytes.\n\n\
         Writes belong in one Atomic: all or nothing, dependencies judged on the final state, one cycle of the agent afterwards. \
         Outside an Atomic each write is judged and stored by itself. Get, Exec and Atomic inside an Atomic answer 500.\n\n\
         ResetPassword answers 202. ResetPasswordStatus is then -2147483638 (0x8000000A, pending), and afterwards 0 or the \
         error as a signed number. A request during a reset is met by one more reset.\n\n\
         Windows editions of the published CSP (`MSFT:EditionAllowList`): `{EDITIONS}`.\n\n\
         | status | meaning |\n| --- | --- |\n",
        options.data_bytes_max
    );
    for status in NodeStatus::ALL {
        let _ = writeln!(page, "| {status} | {} |", status.meaning());
    }
    page
}

fn access_text(access: Access) -> String {
    let names: Vec<&str> = [
        ("Add", access.write),
        ("Delete", access.write),
        ("Exec", access.exec),
        ("Get", access.get),
        ("Replace", access.write),
    ]
    .into_iter()
    .filter_map(|(name, has)| has.then_some(name))
    .collect();
    names.join(", ")
}
