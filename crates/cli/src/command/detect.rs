//! `twinset detect PHOTO...`

use crate::args::Detect;
use crate::draw::{Canvas, check_ending, colour};
use crate::failure::{Done, WrongUse};
use crate::session::{Eyes, read_photo};
use crate::shapes::{Detected, garments};
use crate::ui::{Ui, table};
use std::path::Path;
use twinset_engine::Detection;
use twinset_photo::{Limits, decode};

pub(crate) fn run(args: &Detect, ui: &Ui) -> anyhow::Result<Done> {
    check_ending(args.draw.as_deref())?;
    if args.draw.is_some() && args.photos.len() > 1 {
        return Err(WrongUse("--draw takes one photo at a time".to_owned()).into());
    }
    let eyes = Eyes::open()?;
    let mut seen: Vec<(&Path, Detection)> = Vec::new();
    let mut rejected = 0;
    for path in &args.photos {
        let found = read_photo(path).and_then(|bytes| {
            let found = eyes.engine.detect(&bytes)?;
            if let Some(out) = &args.draw {
                draw(&bytes, &found, out)?;
            }
            Ok(found)
        });
        match found {
            Ok(found) => seen.push((path, found)),
            Err(error) if args.photos.len() == 1 => {
                return Err(error.context(format!("{}", path.display())));
            }
            Err(error) => {
                rejected += 1;
                ui.rejected(path.display(), format_args!("{error:#}"));
            }
        }
    }
    anyhow::ensure!(!seen.is_empty(), "none of the {rejected} photos could be read");
    let shapes: Vec<Detected<'_>> = seen.iter().map(|(path, found)| shape(path, found)).collect();
    ui.answer(&shapes, || seen.iter().map(|(path, found)| text(path, found, ui)).collect())?;
    Ok(Done::rejecting(rejected))
}

fn shape<'a>(path: &Path, found: &'a Detection) -> Detected<'a> {
    Detected {
        photo: path.display().to_string(),
        width: found.width,
        height: found.height,
        garments: garments(&found.garments),
        chosen: found.chosen,
    }
}

fn text(path: &Path, found: &Detection, ui: &Ui) -> String {
    let size = format!("{} x {}", found.width, found.height);
    let mut text = format!("{}  {}\n", ui.strong(&path.display().to_string()), ui.faint(&size));
    if found.garments.is_empty() {
        text += "  no garment found\n";
    }
    let rows: Vec<Vec<String>> = found
        .garments
        .iter()
        .enumerate()
        .map(|(i, g)| {
            let colours: Vec<&str> =
                g.attributes.colour.iter().take(2).map(|(name, _)| name.as_str()).collect();
            vec![
                format!("  {}{}", i + 1, if found.chosen == Some(i) { " *" } else { "" }),
                g.category.clone(),
                format!("{:.2}", g.score),
                format!("{:.0},{:.0},{:.0},{:.0}", g.rect.x, g.rect.y, g.rect.w, g.rect.h),
                [colours.join("/"), g.attributes.pattern.clone().unwrap_or_default()].join(" "),
            ]
        })
        .collect();
    text + &table(&rows)
}

/// The photo at full size with numbered boxes, the chosen one bold.
fn draw(bytes: &[u8], found: &Detection, out: &Path) -> anyhow::Result<()> {
    let mut canvas = Canvas::new(&decode(bytes, &Limits::default())?);
    // The most certain last, so that it lies on top.
    for (i, garment) in found.garments.iter().enumerate().rev() {
        canvas.boxed(garment.rect, i + 1, colour(i), found.chosen == Some(i));
    }
    canvas.save(out)
}
