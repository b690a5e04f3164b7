//! The rules of COCO against a slow, plain reading of them.
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use twinset_eval::coco::{Class, Found, Truth, match_image, threshold};
use twinset_photo::Rect;

type Image = (Vec<Truth>, Vec<Found>);

/// Average precision at one threshold as the text says it: for every found box, in order of score over all images,
/// match; for every recall level look through all points for the best precision at that recall or above.
fn slow_average_precision(images: &[Image], iou_min: f64) -> f64 {
    let mut all: Vec<(f32, usize, usize, bool)> = Vec::new(); // score, image, order, right
    let mut truths_total = 0;
    for (i, (truths, found)) in images.iter().enumerate() {
        let wanted: Vec<&Truth> = truths.iter().filter(|t| !t.ignored).collect();
        let spared: Vec<&Truth> = truths.iter().filter(|t| t.ignored).collect();
        truths_total += wanted.len();
        let (mut free, mut free_spared) = (vec![true; wanted.len()], vec![true; spared.len()]);
        let mut order: Vec<usize> = (0..found.len()).collect();
        order.sort_by(|&a, &b| found[b].score.partial_cmp(&found[a].score).unwrap().then(a.cmp(&b)));
        for &f in order.iter().take(100) {
            let pick = |truths: &[&Truth], free: &[bool]| {
                let mut best: Option<(usize, f64)> = None;
                for (t, truth) in truths.iter().enumerate() {
                    let overlap = overlap(&found[f].rect, &truth.rect);
                    if free[t] && overlap >= iou_min && best.is_none_or(|(_, held)| overlap >= held) {
                        best = Some((t, overlap));
                    }
                }
                best.map(|(t, _)| t)
            };
            if let Some(t) = pick(&wanted, &free) {
                free[t] = false;
                all.push((found[f].score, i, f, true));
            } else if let Some(t) = pick(&spared, &free_spared) {
                free_spared[t] = false;
            } else {
                all.push((found[f].score, i, f, false));
            }
        }
    }
    all.sort_by(|a, b| b.0.partial_cmp(&a.0).unwrap().then((a.1, a.2).cmp(&(b.1, b.2))));
    let points: Vec<(f64, f64)> = (1..=all.len())
        .map(|n| {
            let right = all[..n].iter().filter(|p| p.3).count() as f64;
            (right / truths_total as f64, right / n as f64)
        })
        .collect();
    let at = |recall: f64| points.iter().filter(|p| p.0 >= recall).map(|p| p.1).fold(0.0, f64::max);
    (0..=100).map(|step| at(f64::from(step) / 100.0)).sum::<f64>() / 101.0
}

fn overlap(a: &Rect, b: &Rect) -> f64 {
    let span = |a0: f32, a1: f32, b0: f32, b1: f32| {
        let (a0, b0) = (f64::from(a0), f64::from(b0));
        ((a0 + f64::from(a1)).min(b0 + f64::from(b1)) - a0.max(b0)).max(0.0)
    };
    let both = span(a.x, a.w, b.x, b.w) * span(a.y, a.h, b.y, b.h);
    both / (f64::from(a.w) * f64::from(a.h) + f64::from(b.w) * f64::from(b.h) - both)
}

/// `levels`: how many different scores there are; few make ties.
fn random_images(rng: &mut ChaCha8Rng, levels: u32) -> Vec<Image> {
    let rect = |rng: &mut ChaCha8Rng| Rect {
        x: rng.random_range(0..60) as f32,
        y: rng.random_range(0..60) as f32,
        w: rng.random_range(4..40) as f32,
        h: rng.random_range(4..40) as f32,
    };
    (0..rng.random_range(1..8))
        .map(|_| {
            let truths: Vec<Truth> = (0..rng.random_range(0..6))
                .map(|_| Truth { rect: rect(rng), ignored: rng.random_bool(0.2) })
                .collect();
            let found = (0..rng.random_range(0..130))
                .map(|_| {
                    // Half of the boxes lie near a true one.
                    let near = (!truths.is_empty() && rng.random_bool(0.5))
                        .then(|| truths[rng.random_range(0..truths.len())].rect);
                    let mut r = near.unwrap_or_else(|| rect(rng));
                    r.x += rng.random_range(-4..=4) as f32;
                    r.w += rng.random_range(-2..=2) as f32;
                    Found { rect: r, score: rng.random_range(0..levels) as f32 / levels as f32 }
                })
                .collect();
            (truths, found)
        })
        .collect()
}

#[test]
fn fast_and_slow_agree_on_random_cases() {
    for seed in 0..200 {
        let images = random_images(&mut ChaCha8Rng::seed_from_u64(seed), 40);
        let class = Class::new(&images.iter().map(|(t, f)| match_image(t, f)).collect::<Vec<_>>());
        let Some(curve) = class.curve(&vec![1; images.len()]) else {
            assert!(images.iter().all(|(truths, _)| truths.iter().all(|t| t.ignored)), "seed {seed}");
            continue;
        };
        for at in 0..10 {
            let slow = slow_average_precision(&images, threshold(at));
            assert!(
                (curve.ap[at] - slow).abs() < 1e-6,
                "seed {seed}, threshold {at}: {} {slow}",
                curve.ap[at]
            );
        }
    }
}

#[test]
fn weights_count_an_image_as_often_as_it_was_drawn() {
    for seed in 0..40 {
        let mut rng = ChaCha8Rng::seed_from_u64(1000 + seed);
        // Ties between images would stand in another order when images repeat.
        let images = random_images(&mut rng, 1 << 24);
        let weights: Vec<u32> = images.iter().map(|_| rng.random_range(0..4)).collect();
        let matched: Vec<_> = images.iter().map(|(t, f)| match_image(t, f)).collect();
        let drawn: Vec<_> = matched
            .iter()
            .zip(&weights)
            .flat_map(|(m, &w)| std::iter::repeat_n(m.clone(), w as usize))
            .collect();
        let joined = Class::new(&drawn).curve(&vec![1; drawn.len()]);
        let weighted = Class::new(&matched).curve(&weights);
        assert_eq!(joined.is_some(), weighted.is_some(), "seed {seed}");
        if let (Some(a), Some(b)) = (joined, weighted) {
            assert_eq!(a.recall, b.recall, "seed {seed}");
            assert!((a.mean_ap() - b.mean_ap()).abs() < 1e-12, "seed {seed}");
        }
    }
}

#[test]
fn a_perfect_detector_reaches_one_and_a_blind_one_zero() {
    let rect = Rect { x: 3.0, y: 4.0, w: 10.0, h: 20.0 };
    let truth = [Truth { rect, ignored: false }];
    let perfect = Class::new(&[match_image(&truth, &[Found { rect, score: 0.3 }])]).curve(&[1]).unwrap();
    assert_eq!((perfect.mean_ap(), perfect.recall[9]), (1.0, 1.0));
    let blind = Class::new(&[match_image(&truth, &[])]).curve(&[1]).unwrap();
    assert_eq!((blind.mean_ap(), blind.recall[0]), (0.0, 0.0));
}

/// `testdata/coco.json` was written by `testdata/make_coco.py` with pycocotools 2.0.
#[test]
fn the_reference_implementation_says_the_same() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/coco.json")).unwrap();
    let cases: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    assert!(cases.len() >= 20);
    let numbers = |list: &serde_json::Value| -> Vec<f64> {
        list.as_array()
            .unwrap()
            .iter()
            .map(|x| x.as_f64().unwrap_or(f64::from(u8::from(x == true))))
            .collect()
    };
    let boxes = |list: &serde_json::Value| -> Vec<(Rect, f64)> {
        let of = |row: &serde_json::Value| {
            let [x, y, w, h, more] = numbers(row)[..] else { panic!("{row}") };
            (Rect { x: x as f32, y: y as f32, w: w as f32, h: h as f32 }, more)
        };
        list.as_array().unwrap().iter().map(of).collect()
    };
    for (n, case) in cases.iter().enumerate() {
        let images = case["images"].as_array().unwrap();
        let matched: Vec<_> = images
            .iter()
            .map(|image| {
                let truth = |(rect, ignored)| Truth { rect, ignored: ignored != 0.0 };
                let truths: Vec<Truth> = boxes(&image["truths"]).into_iter().map(truth).collect();
                let found = |(rect, score)| Found { rect, score: score as f32 };
                let found: Vec<Found> = boxes(&image["found"]).into_iter().map(found).collect();
                match_image(&truths, &found)
            })
            .collect();
        let curve = Class::new(&matched).curve(&vec![1; matched.len()]).unwrap();
        for (at, (ap, recall)) in numbers(&case["ap"]).into_iter().zip(numbers(&case["recall"])).enumerate() {
            assert!((curve.ap[at] - ap).abs() < 1e-6, "case {n}, threshold {at}: {} {ap}", curve.ap[at]);
            assert!((curve.recall[at] - recall).abs() < 1e-6, "case {n}, threshold {at}: {recall}");
        }
    }
}
