//! Which clicks can be believed: robots are left out, and nobody counts for more than their share.
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::log::{Click, ClickLog};

/// What is taken for a robot, and how much one shopper may say.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Cleaning {
    /// Clicks of one shopper in a day beyond which all of that shopper are left out.
    pub clicks_a_day: usize,
    /// Share of the results shown that no shopper clicks.
    pub share_clicked: f64,
    /// Share of a shopper's searches, whatever they were for, that one listing cannot win.
    pub share_of_one: f64,
    /// Searches from which on a shopper is judged by the two shares.
    pub searches: usize,
    /// Clicks of one shopper that count fully; more weigh as much as these together.
    pub full_weight: f64,
}

impl Default for Cleaning {
    fn default() -> Self {
        // The cap and the full weight are those of the server's feedback (crates/server/src/feedback.rs).
        Self { clicks_a_day: 200, share_clicked: 0.6, share_of_one: 0.5, searches: 6, full_weight: 20.0 }
    }
}

/// A log without what cannot be believed.
#[derive(Clone, Debug)]
pub struct Cleaned {
    /// What is left: weighed, once for each shopper, search and listing.
    pub clicks: Vec<Click>,
    /// Shoppers left out, by reason.
    pub robots: BTreeMap<&'static str, usize>,
    /// Clicks left out with them.
    pub dropped: usize,
    /// Clicks left out since the same shopper said the same of the same result before.
    pub repeated: usize,
}

impl Cleaning {
    /// Believes everything but repetitions: what cleaning is compared with.
    #[must_use]
    pub fn none() -> Self {
        Self {
            clicks_a_day: usize::MAX,
            share_clicked: f64::INFINITY,
            share_of_one: f64::INFINITY,
            searches: usize::MAX,
            full_weight: f64::INFINITY,
        }
    }

    /// Why all clicks of one shopper are left out.
    fn doubt(&self, clicks: &[&Click]) -> Option<&'static str> {
        let (mut days, mut listings) =
            (BTreeMap::<&str, usize>::new(), BTreeMap::<&str, BTreeSet<&str>>::new());
        let mut searches: BTreeMap<&str, (usize, HashSet<&str>)> = BTreeMap::new();
        for click in clicks {
            *days.entry(click.day()).or_default() += 1;
            listings.entry(&click.product).or_default().insert(&click.search);
            let search = searches.entry(&click.search).or_default();
            search.0 = search.0.max(click.shown.len());
            search.1.insert(&click.product);
        }
        if days.values().any(|n| *n > self.clicks_a_day) {
            return Some("more clicks a day than anyone makes");
        }
        if searches.len() < self.searches {
            return None;
        }
        let (shown, clicked) = searches
            .values()
            .filter(|(shown, _)| *shown > 0)
            .fold((0, 0), |(s, c), (shown, clicked)| (s + shown, c + clicked.len()));
        if shown > 0 && clicked as f64 / shown as f64 > self.share_clicked {
            return Some("clicks whatever is shown");
        }
        let most = listings.values().map(BTreeSet::len).max().unwrap_or(0);
        (most as f64 / searches.len() as f64 > self.share_of_one)
            .then_some("clicks one listing whatever is asked")
    }
}

/// Leaves out robots, repetitions, and what was not meant; shoppers who are not named count as one.
#[must_use]
pub fn clean(log: &ClickLog, rules: &Cleaning) -> Cleaned {
    let mut by_user: BTreeMap<Option<&str>, Vec<&Click>> = BTreeMap::new();
    for click in log.clicks.iter().filter(|c| c.is_meant()) {
        by_user.entry(click.user.as_deref()).or_default().push(click);
    }
    let mut out = Cleaned { clicks: Vec::new(), robots: BTreeMap::new(), dropped: 0, repeated: 0 };
    for (user, clicks) in by_user {
        // Nobody in particular is many people: they cannot be judged as one, only weighed.
        if let Some(reason) = user.and_then(|_| rules.doubt(&clicks)) {
            *out.robots.entry(reason).or_default() += 1;
            out.dropped += clicks.len();
            continue;
        }
        let mut seen = HashSet::new();
        let kept: Vec<&&Click> =
            clicks.iter().filter(|c| seen.insert((&c.search[..], &c.product[..]))).collect();
        out.repeated += clicks.len() - kept.len();
        let share = (rules.full_weight / kept.len() as f64).min(1.0);
        out.clicks.extend(kept.into_iter().map(|c| Click { weight: c.weight.min(share), ..(*c).clone() }));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn click(user: &str, search: usize, product: &str, shown: usize) -> Click {
        Click {
            at: "2026-11-25T00:00:00Z".into(),
            kind: "click".into(),
            search: format!("{user}-{search}"),
            product: product.into(),
            user: Some(user.into()),
            weight: 1.0,
            shown: (0..shown).map(|i| format!("p{i}")).collect(),
            ..Click::default()
        }
    }

    #[test]
    fn robots_go_and_loud_shoppers_weigh_no_more_than_others() {
        let mut clicks = Vec::new();
        for search in 0..30 {
            clicks.push(click("loud", search, &format!("p{search}"), 40));
            clicks.push(click("booster", search, "p9", 10));
            (0..9).for_each(|p| clicks.push(click("scraper", search, &format!("p{p}"), 10)));
        }
        (0..201).for_each(|i| clicks.push(click("flood", i / 50, &format!("p{i}"), 1000)));
        clicks.push(click("quiet", 0, "p1", 10));
        clicks.push(click("quiet", 0, "p1", 10));
        clicks.push(Click { kind: "different".into(), ..click("quiet", 0, "p2", 10) });
        let log = ClickLog { clicks };

        let cleaned = clean(&log, &Cleaning::default());
        assert_eq!(cleaned.robots.values().sum::<usize>(), 3, "{:?}", cleaned.robots);
        assert_eq!((cleaned.dropped, cleaned.repeated), (30 + 270 + 201, 1));
        let weight = |user: &str| -> f64 {
            cleaned.clicks.iter().filter(|c| c.user.as_deref() == Some(user)).map(|c| c.weight).sum()
        };
        assert!((weight("loud") - 20.0).abs() < 1e-9 && (weight("quiet") - 1.0).abs() < 1e-9);
        assert_eq!(clean(&log, &Cleaning::none()).dropped, 0);
    }
}
