//! Where the home is, and an engine on it.

use crate::failure::WrongUse;
use crate::progress::Progress;
use crate::ui::Ui;
use crate::{failure, interrupt};
use anyhow::Context;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use twinset_catalogue::CatalogueName;
use twinset_engine::{Engine, Options, Shop, Vision};
use twinset_nets::Package;
use twinset_photo::Limits;

/// The home as told, else `twinset` in the platform's data folder.
pub(crate) fn home(told: Option<&Path>) -> anyhow::Result<PathBuf> {
    match told {
        Some(dir) => Ok(dir.to_path_buf()),
        None => dirs::data_dir().map(|dir| dir.join("twinset")).ok_or_else(|| {
            WrongUse("this system tells no data folder; name the home with --home or TWINSET_HOME".to_owned())
                .into()
        }),
    }
}

/// The engine of a home.
pub(crate) fn open(told: Option<&Path>) -> anyhow::Result<Engine> {
    let home = home(told)?;
    Ok(Engine::open(&home, Options::default())?)
}

/// A catalogue that exists.
pub(crate) fn shop(engine: &Engine, name: &CatalogueName) -> anyhow::Result<Arc<Shop>> {
    Ok(engine.catalogue(name)?)
}

/// Waits until everything acknowledged can be found. A freshly opened index may have to be loaded, made anew, or to
/// look at pictures that an interrupted import left behind.
pub(crate) fn wait_searchable(shop: &Shop, ui: &Ui) -> anyhow::Result<()> {
    let wanted = shop.catalogue().last_seq()?;
    let from = shop.seq();
    if from >= wanted || shop.wait_searchable(wanted, Duration::from_millis(300)) {
        return Ok(());
    }
    let progress = Progress::new(ui, "catching up", "changes", wanted - from);
    while !shop.wait_searchable(wanted, Duration::from_millis(200)) {
        progress.set(shop.seq().saturating_sub(from), wanted - from);
        if interrupt::asked_to_stop() {
            let done = format!("changes up to {} of {wanted} can be found", shop.seq());
            return Err(failure::Stopped { done, resume: None }.into());
        }
        if let Some(trouble) = shop.index_status()?.last_error {
            anyhow::bail!("the index cannot catch up: {trouble}");
        }
    }
    Ok(())
}

/// An engine without catalogues of its own, for commands that only look at photos. Its folder goes with it.
pub(crate) struct Eyes {
    /// Looks at photos as every catalogue does.
    pub(crate) engine: Engine,
    _home: tempfile::TempDir,
}

impl Eyes {
    pub(crate) fn open() -> anyhow::Result<Self> {
        let home = tempfile::Builder::new().prefix("twinset-").tempdir().context("no temporary folder")?;
        Ok(Self { engine: Engine::open(home.path(), Options::default())?, _home: home })
    }
}

/// Detector and embedder: those inside the binary, each replaced by the package of its kind among `paths`.
pub(crate) fn packages(paths: &[PathBuf]) -> anyhow::Result<(Package, Package)> {
    let (mut detector, mut embedder) = (Package::default_detector(), Package::default_embedder());
    for package in packages_in(paths)? {
        match package.card().kind.as_str() {
            "detector" => detector = package,
            "embedder" => embedder = package,
            other => return Err(WrongUse(format!("{}: a model of kind {other}", package.card().name)).into()),
        }
    }
    Ok((detector, embedder))
}

/// A folder of a package, or of two.
pub(crate) fn holds_packages(path: &Path) -> bool {
    let holds = |folder: PathBuf| folder.join("card.json").is_file();
    ["", "detector", "embedder"].iter().any(|kind| holds(path.join(kind)))
}

/// The packages in folders: of a package, or of two named `detector` and `embedder`.
pub(crate) fn packages_in(paths: &[PathBuf]) -> anyhow::Result<Vec<Package>> {
    let mut packages = Vec::new();
    for path in paths {
        let inner: Vec<PathBuf> =
            ["detector", "embedder"].iter().map(|kind| path.join(kind)).filter(|p| p.is_dir()).collect();
        let folders =
            if path.join("card.json").is_file() || inner.is_empty() { vec![path.clone()] } else { inner };
        for folder in folders {
            packages.push(Package::open(&folder).with_context(|| format!("model {}", folder.display()))?);
        }
    }
    Ok(packages)
}

/// The eyes made of [`packages`].
pub(crate) fn vision(paths: &[PathBuf]) -> anyhow::Result<Vision> {
    let (detector, embedder) = packages(paths)?;
    Ok(Vision::new(&detector, &embedder)?)
}

/// The bytes of a photo; `-` is stdin. Refused by length before they are in memory.
pub(crate) fn read_photo(path: &Path) -> anyhow::Result<Vec<u8>> {
    use std::io::Read;
    let most = Limits::default().max_bytes;
    let told =
        |e: std::io::Error| anyhow::Error::from(e).context(format!("{} cannot be read", path.display()));
    let mut bytes = Vec::new();
    let source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(std::fs::File::open(path).map_err(told)?)
    };
    source.take(most + 1).read_to_end(&mut bytes).map_err(told)?;
    anyhow::ensure!(bytes.len() as u64 <= most, "{} has more than the {most} bytes allowed", path.display());
    Ok(bytes)
}
