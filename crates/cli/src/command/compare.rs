//! `twinset match PHOTO PHOTO`

use crate::args::Match;
use crate::draw::{Canvas, check_ending, colour};
use crate::failure::Done;
use crate::session::{Eyes, read_photo};
use crate::shapes::Compared;
use crate::ui::{Ui, table};
use anyhow::Context;
use std::path::Path;
use twinset_photo::{Limits, Rect, decode};

pub(crate) fn run(args: &Match, ui: &Ui) -> anyhow::Result<Done> {
    check_ending(args.draw.as_deref())?;
    let read = |path: &Path| -> anyhow::Result<Vec<u8>> {
        let bytes = read_photo(path)?;
        twinset_photo::probe(&bytes, &Limits::default()).with_context(|| path.display().to_string())?;
        Ok(bytes)
    };
    let (first, second) = (read(&args.first)?, read(&args.second)?);
    let eyes = Eyes::open()?;
    let found = eyes.engine.compare(&first, &second)?;
    if let Some(out) = &args.draw {
        draw([&first, &second], &found, out)?;
    }
    ui.answer(&Compared::new([&args.first, &args.second], &found), || {
        let verdict = ui.strong(found.verdict.of_hit());
        let mut text = format!(
            "{verdict}  score {:.3}  (whole {:.3}, parts {:.3})\n",
            found.score, found.global, found.local
        );
        let place = |r: Rect| format!("{:.0},{:.0},{:.0},{:.0}", r.x, r.y, r.w, r.h);
        let rows = found.parts.iter().enumerate().map(|(i, part)| {
            let zone = part.zone.key().replace('_', " ");
            let score = format!("{:.2}", part.score);
            vec![format!("  {}", i + 1), zone, place(part.query), place(part.hit), score]
        });
        text += &table(&rows.collect::<Vec<_>>());
        for a in &found.attributes {
            let (ours, theirs) = (a.query.join(", "), a.hit.join(", "));
            text += &match a.agrees {
                true => format!("  {} agrees: {ours}\n", a.attribute),
                false => format!("  {} differs: {ours} / {theirs}\n", a.attribute),
            };
        }
        text
    })?;
    Ok(Done::All)
}

/// Both photos beside each other; the same number and colour marks what matches.
fn draw(photos: [&[u8]; 2], found: &twinset_engine::Match, out: &Path) -> anyhow::Result<()> {
    let [first, second] = photos.map(|bytes| decode(bytes, &Limits::default()));
    let (mut canvas, places) = Canvas::beside(&first?, &second?);
    let put = |rect: Rect, (left, scale): (f32, f32)| {
        let scaled = rect.scale(scale, scale);
        Rect { x: scaled.x + left, ..scaled }
    };
    for (i, part) in found.parts.iter().enumerate().rev() {
        canvas.boxed(put(part.query, places[0]), i + 1, colour(i), false);
        canvas.boxed(put(part.hit, places[1]), i + 1, colour(i), false);
    }
    canvas.save(out)
}
