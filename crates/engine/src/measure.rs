//! How well a catalogue finds its own products: each picture of a product that shows several must find that product by
//! its other pictures, as if nobody showed the one that is asked with.

use crate::follower::Core;
use crate::generation::{Rank, questions, with_interval};
use crate::{Result, query};
use std::collections::BTreeMap;
use std::time::Instant;
use twinset_photo::PictureHash;

/// Ranks at which recall is told.
pub const RECALL_AT: [usize; 4] = [1, 5, 10, 20];
/// Questions that did worst, kept to be looked at.
const WORST: usize = 24;

/// A value with the ends of its 95 % interval, by bootstrap over products.
pub type Interval = [f64; 3];

/// What was measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// Products asked for.
    pub products: usize,
    /// Questions.
    pub questions: usize,
    /// Products among which they were to be found.
    pub gallery: u64,
    /// Share of the questions whose product is among the first [`RECALL_AT`], in that order.
    pub recall: [Interval; 4],
    /// Mean of 1 / rank; what stands behind the twentieth counts as not found.
    pub mrr: Interval,
    /// By the kind of garment that is seen: questions, and the share whose product came first.
    pub by_category: BTreeMap<String, (usize, Interval)>,
    /// Those that did worst, the worst first.
    pub worst: Vec<Missed>,
    /// Mean time of one answer, without decoding and looking, in milliseconds.
    pub ms: f64,
}

/// A question whose product did not come first.
#[derive(Clone, Debug, PartialEq)]
pub struct Missed {
    /// Whose picture it is.
    pub product: String,
    /// Its image that was asked with.
    pub image: String,
    /// Place of the product among the answers, from 1; `None`: not among the first twenty.
    pub rank: Option<usize>,
    /// The product that came first instead, and its image to look at.
    pub first: Option<(String, String)>,
}

/// One question, answered.
struct Answered {
    rank: Rank,
    category: String,
    first: Option<u32>,
    picture: PictureHash,
}

/// `progress` is told (done, total) questions and may say `false`: then there is nothing.
pub(crate) fn measure(core: &Core, progress: &mut dyn FnMut(u64, u64) -> bool) -> Result<Option<Measured>> {
    let asked = questions(core)?;
    let total = asked.values().map(Vec::len).sum::<usize>() as u64;
    let (mut done, mut took_s) = (0, 0.0);
    let mut answers = BTreeMap::<u32, Vec<Answered>>::new();
    for (row, pictures) in &asked {
        for picture in pictures {
            if !progress(done, total) {
                return Ok(None);
            }
            done += 1;
            let Some(features) = core.features(picture)? else { continue };
            let begun = Instant::now();
            let Some(rows) = query::products_like(core, picture, RECALL_AT[3])? else { continue };
            took_s += begun.elapsed().as_secs_f64();
            let category = features.chosen.map_or("other", |at| features.garments[at].category.as_str());
            answers.entry(*row).or_default().push(Answered {
                rank: Rank(rows.iter().position(|r| r == row)),
                category: category.to_owned(),
                first: rows.first().copied(),
                picture: *picture,
            });
        }
    }
    progress(done, total);
    let all: Vec<&Answered> = answers.values().flatten().collect();
    let over = |wanted: &dyn Fn(&Answered) -> bool, value: &dyn Fn(&Answered) -> f64| {
        let sums = answers.values().filter_map(|of| {
            let values: Vec<f64> = of.iter().filter(|a| wanted(a)).map(value).collect();
            (!values.is_empty()).then(|| (values.iter().sum(), values.len() as f64))
        });
        with_interval(&sums.collect::<Vec<(f64, f64)>>())
    };
    let within = |k: usize| move |a: &Answered| f64::from(u8::from(a.rank.0.is_some_and(|at| at < k)));
    let mut categories = BTreeMap::<String, usize>::new();
    all.iter().for_each(|a| *categories.entry(a.category.clone()).or_default() += 1);
    let by_category = categories.into_iter().map(|(name, n)| {
        let share = over(&|a| a.category == name, &within(1));
        (name, (n, share))
    });
    Ok(Some(Measured {
        products: answers.len(),
        questions: all.len(),
        gallery: core.catalogue.count()?.products,
        recall: RECALL_AT.map(|k| over(&|_| true, &within(k))),
        mrr: over(&|_| true, &|a| a.rank.reciprocal()),
        by_category: by_category.collect(),
        worst: worst(core, &answers)?,
        ms: if all.is_empty() { 0.0 } else { took_s * 1e3 / all.len() as f64 },
    }))
}

fn worst(core: &Core, answers: &BTreeMap<u32, Vec<Answered>>) -> Result<Vec<Missed>> {
    let mut missed: Vec<(u32, &Answered)> = answers
        .iter()
        .flat_map(|(row, of)| of.iter().map(|a| (*row, a)))
        .filter(|(_, a)| a.rank.0 != Some(0))
        .collect();
    missed.sort_by(|(_, a), (_, b)| a.rank.reciprocal().total_cmp(&b.rank.reciprocal()));
    missed.truncate(WORST);
    let rows: Vec<u32> = missed.iter().flat_map(|(row, a)| [*row, a.first.unwrap_or(*row)]).collect();
    let products = core.catalogue.products_by_row(&rows)?;
    let told = missed.iter().zip(products.chunks(2)).filter_map(|((_, a), pair)| {
        // Removed meanwhile: there is nothing to look at.
        let product = pair[0].as_ref()?;
        let image = product.images.iter().find(|image| image.picture == Some(a.picture))?;
        Some(Missed {
            product: product.id.clone(),
            image: image.name.clone(),
            rank: a.rank.0.map(|at| at + 1),
            first: pair[1].as_ref().filter(|_| a.first.is_some()).and_then(|first| {
                let shown = first.images.iter().find(|image| image.picture.is_some())?;
                Some((first.id.clone(), shown.name.clone()))
            }),
        })
    });
    Ok(told.collect())
}
