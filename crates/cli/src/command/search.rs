//! `twinset search PHOTO --catalogue C`

use crate::args::Search;
use crate::failure::Done;
use crate::session;
use crate::shapes::Answer;
use crate::ui::{Ui, short, table};
use std::path::Path;
use twinset_catalogue::Filter;
use twinset_engine::{QueryImage, Region, SearchAnswer, SearchRequest};

pub(crate) fn run(args: &Search, home: Option<&Path>, ui: &Ui) -> anyhow::Result<Done> {
    let filter = args.filter.as_deref().map(Filter::parse).transpose()?;
    let image = match &args.photo {
        Some(photo) => QueryImage::Bytes(session::read_photo(photo)?),
        None => QueryImage::Words,
    };
    let engine = session::open(home)?;
    let shop = session::shop(&engine, &args.of.catalogue)?;
    session::wait_searchable(&shop, ui)?;
    let request = SearchRequest {
        region: args.region.map(Region::Pixels),
        filter,
        limit: usize::from(args.k),
        rerank: !args.no_rerank,
        exact: args.exact,
        explain: true,
        text: args.text.clone(),
        ..SearchRequest::new(image)
    };
    let answer = shop.search(&request)?;
    ui.answer(&Answer::new(&answer), || text(&answer, ui))?;
    Ok(Done::All)
}

fn text(answer: &SearchAnswer, ui: &Ui) -> String {
    let mut text = if answer.width == 0 {
        format!("searched {}\n", ui.strong("by words"))
    } else {
        let what = answer.query_category.as_deref().unwrap_or("the whole picture");
        let r = answer.query_rect;
        let place =
            format!("{:.0},{:.0},{:.0},{:.0} of {} x {}", r.x, r.y, r.w, r.h, answer.width, answer.height);
        format!("searched {}  {}\n", ui.strong(what), ui.faint(&place))
    };
    if answer.hits.is_empty() {
        return text + "nothing found\n";
    }
    let rows: Vec<Vec<String>> = answer
        .hits
        .iter()
        .enumerate()
        .map(|(i, hit)| {
            vec![
                format!("{:>3}", i + 1),
                format!("{:.3}", hit.score),
                hit.verdict.of_hit().to_owned(),
                ui.strong(&hit.product.id),
                short(hit.product.title.as_deref().unwrap_or_default(), 44),
                hit.product.price.map(|p| p.to_string()).unwrap_or_default(),
                ui.faint(&short(&hit.name, 60)),
            ]
        })
        .collect();
    text += &table(&rows);
    let t = &answer.timing;
    text += &ui.faint(&format!(
        "decode {:.0}, detect {:.0}, embed {:.0}, index {:.0}, parts {:.0}, in all {:.0} ms",
        t.decode, t.detect, t.embed, t.index, t.local, t.total
    ));
    text + "\n"
}
