//! The scheduled escrow export: the app seals it, here it becomes a file.

use super::InstanceError;
use crate::app::App;
use crate::authz::{Caller, Job};
use std::{
    fs,
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// Writes the scheduled archive when it is due, and removes what is older than is kept; answers its path. An export
/// counts only when its file is durable: one that could not be written is made again.
pub async fn export_when_due(app: &App, data: &Path) -> Result<Option<PathBuf>, InstanceError> {
    let caller = Caller::system(Job::Export);
    let settings = app.escrow_settings(&caller).await?;
    if settings.interval_days == 0 {
        return Ok(None);
    }
    let folder = data.join(&settings.folder);
    // Before anything is disclosed: a folder that cannot be written to is found out first.
    let beside = folder.join(".new");
    let mut file = prepared(&folder, &beside).map_err(|source| InstanceError::file(&folder, source))?;
    let Some(archive) = app.scheduled_export(&caller).await? else {
        let _ = fs::remove_file(&beside);
        return Ok(None);
    };
    let path = folder.join(&archive.name);
    let bytes = archive.bytes.as_slice();
    let mut written = || -> std::io::Result<()> {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, &path)?;
        fs::File::open(&folder)?.sync_all()
    };
    written().map_err(|source| InstanceError::file(&path, source))?;
    app.export_is_kept(&caller, &archive).await?;
    remove_older(&folder, settings.kept).map_err(|source| InstanceError::file(&folder, source))?;
    tracing::info!(file = %path.display(), "an escrow archive was written");
    Ok(Some(path))
}

fn prepared(folder: &Path, beside: &Path) -> std::io::Result<fs::File> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(beside)
}

/// By the time of their files: two can be of one second.
fn remove_older(folder: &Path, kept: u32) -> std::io::Result<()> {
    let mut archives = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with("lapwing-escrow-") && name.ends_with(".escrow")) {
            archives.push((entry.metadata()?.modified()?, name));
        }
    }
    archives.sort();
    let older = archives.len().saturating_sub(kept as usize);
    for (_, name) in archives.iter().take(older) {
        fs::remove_file(folder.join(name))?;
    }
    Ok(())
}
