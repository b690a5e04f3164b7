//! Files that are either what they were or whole.

use anyhow::Context;
use std::path::Path;

/// Writes a file so that `path` is either what it was or whole: a temporary file beside it, renamed at the end.
pub(crate) fn replace(
    path: &Path,
    write: impl FnOnce(&mut std::io::BufWriter<&mut std::fs::File>) -> std::io::Result<()>,
) -> anyhow::Result<()> {
    let dir = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let told = || format!("{} cannot be written", path.display());
    let mut beside = tempfile::Builder::new().prefix(".twinset-").tempfile_in(dir).with_context(told)?;
    let mut out = std::io::BufWriter::new(beside.as_file_mut());
    write(&mut out).and_then(|()| std::io::Write::flush(&mut out)).with_context(told)?;
    drop(out);
    beside.as_file().sync_all().with_context(told)?;
    beside.persist(path).map_err(|e| e.error).with_context(told)?;
    Ok(())
}
