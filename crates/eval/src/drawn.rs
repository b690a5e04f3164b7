//! [`crate::retrieval`] on the generator's frozen sets. Is the same garment told from its near twins, where for each
//! product a sister in another colourway and one of another cloth stand in the gallery? Is a garment found that hangs
//! or lies among others?
use crate::retrieval::{self, Options, QueryBox};
use crate::{EvalError, Models, Progress, Watch};
use rayon::prelude::*;
use serde::Serialize;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use twinset_local::Fusion;
use twinset_photo::encode_jpeg;
use twinset_synth::{Clutter, DrawnPicture, DrawnSet, Twins};

/// Writes a set in the data layout: `DIR/shop` with one picture a product, `DIR/asked` with the
/// photos that are asked with. Pictures that are there already are written again.
///
/// # Errors
/// What the disk says.
pub fn write(set: &impl DrawnSet, dir: &Path, watch: Watch<'_>) -> Result<(), EvalError> {
    let (shop, asked) = (dir.join("shop"), dir.join("asked"));
    let failed = |path: &Path, source| EvalError::Write { path: path.to_owned(), source };
    for folder in [&shop, &asked] {
        std::fs::create_dir_all(folder).map_err(|e| failed(folder, e))?;
    }
    let done = AtomicU64::new(0);
    let drawn: Vec<[String; 2]> = (0..set.products())
        .into_par_iter()
        .map(|index| {
            let keep = |folder: &Path, pictures: Vec<DrawnPicture>| {
                let mut rows = String::new();
                for (number, picture) in pictures.into_iter().enumerate() {
                    let file = format!("{index:04}-{number}-{}.jpg", picture.view);
                    let path = folder.join(&file);
                    std::fs::write(&path, encode_jpeg(&picture.photo, 88)).map_err(|e| failed(&path, e))?;
                    let category = set.product(index).category.name();
                    let r = picture.rect;
                    rows += &format!(
                        "{file},{category},T{index:04},T{index:04},{},\"[[{:.1},{:.1},{:.1},{:.1},\"\"{category}\"\"]]\"\n",
                        picture.view,
                        r.x,
                        r.y,
                        r.x1(),
                        r.y1()
                    );
                }
                Ok::<String, EvalError>(rows)
            };
            let rows =
                [keep(&shop, set.shown(index).into_iter().collect())?, keep(&asked, set.asked(index))?];
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            watch(Progress { stage: "drawing", done, total: set.products() });
            Ok(rows)
        })
        .collect::<Result<_, EvalError>>()?;
    for (i, folder) in [shop, asked].iter().enumerate() {
        let path = folder.join("manifest.csv");
        let rows: String = drawn.iter().map(|rows| rows[i].as_str()).collect();
        let text = format!("file,category,item_id,variant_id,view,boxes\n{rows}");
        std::fs::write(&path, text).map_err(|e| failed(&path, e))?;
    }
    Ok(())
}

/// The measurement on a set that was written to `dir`. Queries have their boxes, so that the detector does not
/// decide about the comparison.
#[must_use]
pub fn options(dir: &Path) -> Options {
    Options {
        query_box: QueryBox::Given,
        baselines: Vec::new(),
        ..Options::new(dir.join("asked"), vec![dir.join("shop")])
    }
}

/// Draws near twins into `dir` and measures.
///
/// # Errors
/// As [`write`](fn@write) and [`retrieval::run`].
pub fn twins(
    set: Twins,
    dir: &Path,
    fusion: Option<Fusion>,
    models: &Models,
    watch: Watch<'_>,
) -> Result<retrieval::Report, EvalError> {
    write(&set, dir, watch)?;
    retrieval::run(&Options { fusion, ..options(dir) }, models, watch)
}

/// Garments in clutter, searched by what the detector finds.
#[derive(Clone, Debug, Serialize)]
pub struct ClutterReport {
    /// With the box that the detector chooses: among several garments it may mean another one.
    pub chosen: retrieval::Report,
    /// With the detected box that a shopper would tap.
    pub tapped: retrieval::Report,
}

/// Draws garments in clutter into `dir` and measures.
///
/// # Errors
/// As [`write`](fn@write) and [`retrieval::run`].
pub fn clutter(
    set: Clutter,
    dir: &Path,
    fusion: Option<&Fusion>,
    models: &Models,
    watch: Watch<'_>,
) -> Result<ClutterReport, EvalError> {
    write(&set, dir, watch)?;
    let by = |query_box| {
        retrieval::run(&Options { query_box, fusion: fusion.cloned(), ..options(dir) }, models, watch)
    };
    Ok(ClutterReport { chosen: by(QueryBox::Detected)?, tapped: by(QueryBox::Tapped)? })
}
