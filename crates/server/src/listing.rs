//! Lists in parts: how many items are wanted, and behind which.

use crate::problem::{BAD_REQUEST, INVALID_VALUE, Problem};
use serde::Deserialize;
use utoipa::IntoParams;

const USUAL: usize = 50;
const MOST: usize = 500;

/// How many items one answer has: 1 to 500, 50 if left out.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Limit(Option<usize>);

impl Limit {
    pub(crate) fn get(self) -> Result<usize, Problem> {
        let limit = self.0.unwrap_or(USUAL);
        if (1..=MOST).contains(&limit) {
            return Ok(limit);
        }
        Err(Problem::new(&INVALID_VALUE, format!("limit is {limit}, it must be 1 to {MOST}")).at("limit"))
    }
}

/// Which part of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Part {
    /// 1 to 500, 50 if left out.
    #[param(value_type = Option<usize>)]
    pub(crate) limit: Limit,
    /// `next` of the part before.
    pub(crate) after: Option<String>,
}

/// Which part of a list over all catalogues.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PartOfAll {
    /// Only those of this catalogue.
    pub(crate) catalogue: Option<String>,
    /// 1 to 500, 50 if left out.
    #[param(value_type = Option<usize>)]
    pub(crate) limit: Limit,
    /// `next` of the part before.
    pub(crate) after: Option<String>,
}

/// `after` as the number that `next` was.
pub(crate) fn after_number<N: std::str::FromStr>(after: Option<&str>) -> Result<Option<N>, Problem> {
    after.map(|text| text.parse().map_err(|_| unreadable())).transpose()
}

pub(crate) fn unreadable() -> Problem {
    Problem::new(&BAD_REQUEST, "after is no `next` of this list").at("after")
}

/// One part of a list whose items were asked for up to one too many, and how to ask for the next.
pub(crate) fn part<T>(
    mut items: Vec<T>,
    limit: usize,
    place: impl FnOnce(&T) -> String,
) -> (Vec<T>, Option<String>) {
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(place);
    (items, next)
}
