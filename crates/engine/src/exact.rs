//! The answer that every other is measured by: by the embeddings themselves, whatever the index keeps of them.
//!
//! The index compares everything by its codes; the best by codes, as many as the codes' error may have put in
//! the wrong order, are compared once more by the stored embeddings. A small index keeps the embeddings, and
//! then nothing is left to do.

use crate::follower::Core;
use crate::{Result, panel};
use twinset_index::{Candidate, GraphSnapshot, Query, Searcher};

/// As [`Searcher::search`] would answer if it compared the embeddings. `query.one_per_group` is not looked at.
pub(crate) fn search(core: &Core, snapshot: &GraphSnapshot, query: &Query<'_>) -> Result<Vec<Candidate>> {
    let length = query.vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    let margin = snapshot.margin() * length;
    let mut most = if margin > 0.0 { 2 * query.k + 32 } else { query.k };
    loop {
        let wide = Query { k: most, exact: true, one_per_group: false, ..*query };
        let by_codes = snapshot.search(&wide)?;
        if margin == 0.0 {
            return Ok(by_codes);
        }
        let mut found = by_embedding(core, query.vector, &by_codes)?;
        found.truncate(query.k);
        let beyond = by_codes.last().map_or(f32::NEG_INFINITY, |last| last.similarity + margin);
        let complete = by_codes.len() < most;
        if complete || found.len() == query.k && found.last().is_some_and(|kth| kth.similarity >= beyond) {
            return Ok(found);
        }
        most *= 4;
    }
}

/// The same candidates by their stored embeddings, best first. Those that the catalogue no longer has are left
/// out.
pub(crate) fn by_embedding(core: &Core, vector: &[f32], candidates: &[Candidate]) -> Result<Vec<Candidate>> {
    let mut found = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        if let Some(embedding) = embedding(core, candidate.item)? {
            let similarity = embedding.iter().zip(vector).map(|(a, b)| a * b).sum();
            found.push(Candidate { similarity, ..*candidate });
        }
    }
    found.sort_by(|a, b| b.similarity.total_cmp(&a.similarity).then(a.item.cmp(&b.item)));
    Ok(found)
}

/// The stored embedding of the picture, or panel, behind an item.
pub(crate) fn embedding(core: &Core, item: u32) -> Result<Option<Vec<f32>>> {
    let (item, panel) = panel::split(item);
    let Some(placement) = core.catalogue.placement(item)? else { return Ok(None) };
    if panel > 0 {
        return Ok(core.panels(&placement.picture)?.into_iter().nth(panel - 1).map(|panel| panel.embedding));
    }
    Ok(core.features(&placement.picture)?.map(|features| features.embedding))
}
