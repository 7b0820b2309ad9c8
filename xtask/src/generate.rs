//! The files under `docs/reference/` that come from the table of settings: written, or compared with what is checked in.

use anyhow::{Context as _, Result, bail};
use std::fs;
use std::path::Path;

/// Writes every generated file; with `check` changes nothing, and the error lists what differs.
pub(crate) fn generate(root: &Path, check: bool) -> Result<()> {
    let mut differs = Vec::new();
    for (name, render) in GENERATED {
        let path = root.join("docs/reference").join(name);
        let wanted = render();
        if fs::read_to_string(&path).is_ok_and(|found| found == wanted) {
            continue;
        }
        differs.push(*name);
        if !check {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(&path, wanted).with_context(|| format!("write {}", path.display()))?;
            println!("wrote docs/reference/{name}");
        }
    }
    if check && !differs.is_empty() {
        bail!("not what the table in code says: {}; run `cargo xtask generate`", differs.join(", "));
    }
    println!("generate: {} files, {} differed", GENERATED.len(), differs.len());
    Ok(())
}

/// Path under `docs/reference/`, and what renders it.
type Generated = (&'static str, fn() -> String);

const GENERATED: &[Generated] = &[
    ("settings.md", proto::reference::settings_page),
    ("csp.md", proto::reference::csp_page),
    ("LAPS.ddf", proto::ddf::render),
    ("LAPS.admx", proto::admx::render_admx),
    ("en-US/LAPS.adml", proto::admx::render_adml),
];
