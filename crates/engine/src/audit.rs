//! The audit of a catalogue: what sellers claim against what is seen, copies, and poor pictures.
//!
//! [`run`] reads what the generation that answers has seen (features), lets [`twinset_audit`] judge claims out of
//! sample, looks at the pixels of pictures that nobody has looked at for blemishes yet (kept beside the features under a
//! stamp of their own, since no model is asked), and replaces the findings of the last audit. Nothing a seller wrote
//! is changed. [`stands`] says whether a product still claims what a finding doubts.

use crate::follower::Core;
use crate::{EngineError, Features, Result, copies};
use parking_lot::Mutex;
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap, HashSet};
use twinset_audit::{
    COLOUR_NAMES, ColourClaim, DOUBTFUL, DOUBTFUL_COLOUR, Families, Judged, Sample, blemishes, colour_names,
    judge, judge_colours, likely_names,
};
use twinset_catalogue::{Finding, Image, Product, Witness};
use twinset_photo::{Photo, PictureHash};

/// Products that must claim a class before it is judged.
const MEMBERS: usize = 6;
/// Classes or colours told, and witnesses.
const TOLD: usize = 3;
const WITNESSES: usize = 5;
/// One picture under so many products shows none of them: it says that there is no picture.
const PLACEHOLDER: usize = 6;
/// Shorter sides below this show no detail that could be compared.
const SMALL_PX: u32 = 150;
/// A title that is this sure of a class ...
const TITLE_SURE: f32 = 0.9;
/// ... which the product has with less than this is a doubtful title.
const TITLE_WRONG: f32 = 0.1;

/// How an audit went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditReport {
    /// Products looked at.
    pub products: usize,
    /// Products whose category could be judged: enough others claim the same.
    pub categories_judged: usize,
    /// Claims about for whom a product is (gender, age group) that could be judged.
    pub audiences_judged: usize,
    /// Pictures whose colour claim could be judged.
    pub colours_judged: usize,
    /// Pictures looked at for blemishes, those of earlier audits included.
    pub pictures: usize,
    /// Findings by kind.
    pub findings: BTreeMap<String, usize>,
}

/// One product with what was seen of it.
struct Listed {
    product: Product,
    /// Its pictures that could be looked at, the main one first.
    seen: Vec<(Image, PictureHash, Features)>,
}

/// Audits a whole catalogue; `progress` is told (stage, done, total) and may say `false` to stop, which leaves the
/// findings of the last audit.
pub(crate) fn run(
    core: &Core,
    progress: &mut dyn FnMut(&'static str, u64, u64) -> bool,
) -> Result<Option<AuditReport>> {
    let Some(listed) = read(core, progress)? else { return Ok(None) };
    let mut report = AuditReport { products: listed.len(), ..AuditReport::default() };
    let mut findings = Vec::new();
    if !progress("categories", 0, 1) {
        return Ok(None);
    }
    findings.extend(categories(&listed, &mut report));
    if !progress("audiences", 0, 1) {
        return Ok(None);
    }
    findings.extend(audiences(&listed, &mut report));
    if !progress("colours", 0, 1) {
        return Ok(None);
    }
    findings.extend(colours(&listed, &mut report));
    findings.extend(sizes(&listed));
    findings.extend(same_bytes(&listed));
    let Some(copied) = copied(core, &listed, progress)? else { return Ok(None) };
    let known: HashSet<String> = findings.iter().map(|f: &Finding| f.id.clone()).collect();
    findings.extend(copied.into_iter().filter(|f| !known.contains(&f.id)));
    let Some(poor) = blemished(core, &listed, &mut report, progress)? else { return Ok(None) };
    findings.extend(poor);
    for finding in &findings {
        *report.findings.entry(finding.kind.clone()).or_default() += 1;
    }
    core.catalogue.replace_findings(findings)?;
    Ok(Some(report))
}

fn read(
    core: &Core,
    progress: &mut dyn FnMut(&'static str, u64, u64) -> bool,
) -> Result<Option<Vec<Listed>>> {
    let mut products = Vec::new();
    core.catalogue.export(&mut |product| {
        products.push(product);
        true
    })?;
    let total = products.len() as u64;
    let mut listed = Vec::with_capacity(products.len());
    for (n, product) in products.into_iter().enumerate() {
        if n % 64 == 0 && !progress("reading", n as u64, total) {
            return Ok(None);
        }
        let mut seen = Vec::new();
        for image in &product.images {
            let Some(picture) = image.picture else { continue };
            if let Some(features) = core.features(&picture)? {
                seen.push((image.clone(), picture, features));
            }
        }
        listed.push(Listed { product, seen });
    }
    Ok(Some(listed))
}

/// The path that a product claims, widest part first.
fn claimed_path(product: &Product) -> &[String] {
    match (product.product_type.first(), &product.category) {
        (Some(path), _) if !path.is_empty() => path,
        (_, Some(category)) => &category.path,
        _ => &[],
    }
}

/// Whose word a claim is: the seller's on a marketplace, else the brand's, else that of the article itself.
fn owners(listed: &[Listed]) -> Vec<u64> {
    let several = |of: &dyn Fn(&Product) -> Option<String>| {
        let mut counts = HashMap::<String, usize>::new();
        listed.iter().filter_map(|l| of(&l.product)).for_each(|name| *counts.entry(name).or_default() += 1);
        let most = counts.values().max().copied().unwrap_or(0);
        let named: usize = counts.values().sum();
        counts.len() >= 5 && 2 * most <= named && 2 * named >= listed.len()
    };
    let seller = |p: &Product| p.seller.clone();
    let brand = |p: &Product| p.brand.clone();
    let article = |p: &Product| p.group_id.clone().unwrap_or_else(|| p.id.clone());
    let by_seller = several(&seller);
    let by_brand = several(&brand);
    let owner = |p: &Product| {
        let named = if by_seller { seller(p) } else { None };
        named.or_else(|| if by_brand { brand(p) } else { None }).unwrap_or_else(|| article(p))
    };
    listed.iter().map(|l| key(&owner(&l.product))).collect()
}

fn key(text: &str) -> u64 {
    u64::from_le_bytes(*blake3::hash(text.as_bytes()).as_bytes().first_chunk().unwrap_or(&[0; 8]))
}

/// The same doubt has the same id.
fn id(kind: &str, product: &str, about: &str) -> String {
    let text = [kind, product, about].join("\0");
    blake3::hash(text.as_bytes()).to_hex()[..20].to_owned()
}

fn finding(kind: &str, field: &str, product: &Product, about: &str, probability: f32) -> Finding {
    Finding {
        id: id(kind, &product.id, about),
        product: product.id.clone(),
        kind: kind.into(),
        field: field.into(),
        probability: rounded(probability),
        ..Finding::default()
    }
}

fn rounded(x: f32) -> f64 {
    (f64::from(x) * 1e4).round() / 1e4
}

/// The likeliest of `classes`, with their names.
fn likeliest(classes: &[f32], names: &[String]) -> Vec<(String, f64)> {
    let mut order: Vec<usize> = (0..classes.len()).collect();
    order.sort_by(|a, b| classes[*b].total_cmp(&classes[*a]));
    order.into_iter().take(TOLD).map(|c| (names[c].clone(), rounded(classes[c]))).collect()
}

/// Mean of the embeddings of a product's pictures, of length 1.
fn mean_embedding(listed: &Listed) -> Vec<f32> {
    let mut mean = vec![0.0f32; listed.seen[0].2.embedding.len()];
    for (_, _, features) in &listed.seen {
        mean.iter_mut().zip(&features.embedding).for_each(|(m, x)| *m += x);
    }
    let length = mean.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-6);
    mean.iter_mut().for_each(|x| *x /= length);
    mean
}

/// For each product the deepest part of its path that enough products claim.
fn classes(listed: &[Listed]) -> (Vec<Option<usize>>, Vec<String>) {
    let mut members = HashMap::<String, usize>::new();
    let paths = |product: &Product| -> Vec<String> {
        let path = claimed_path(product);
        (1..=path.len()).rev().map(|depth| path[..depth].join(" > ")).collect()
    };
    for l in listed.iter().filter(|l| !l.seen.is_empty()) {
        paths(&l.product).into_iter().for_each(|path| *members.entry(path).or_default() += 1);
    }
    let mut names = Vec::<String>::new();
    let mut numbers = HashMap::new();
    let of = listed.iter().map(|l| {
        let path = paths(&l.product).into_iter().find(|path| members.get(path) >= Some(&MEMBERS));
        let path = path.filter(|_| !l.seen.is_empty())?;
        Some(*numbers.entry(path.clone()).or_insert_with(|| {
            names.push(path);
            names.len() - 1
        }))
    });
    (of.collect(), names)
}

/// Claims of one kind: for each product its class, and the names of the classes.
struct Claims<'a> {
    listed: &'a [Listed],
    class_of: Vec<Option<usize>>,
    names: Vec<String>,
}

/// What came of judging them: which products, and what the others say of each.
struct Verdicts {
    products: Vec<usize>,
    given: Vec<usize>,
    judged: Vec<Judged>,
}

impl Claims<'_> {
    fn judge(&self) -> Verdicts {
        let Self { listed, class_of, names } = self;
        let owners = owners(listed);
        let products: Vec<usize> = match names.len() {
            0 | 1 => Vec::new(),
            _ => (0..listed.len()).filter(|&i| class_of[i].is_some()).collect(),
        };
        let mut kinds: Vec<&str> =
            listed.iter().flat_map(|l| &l.seen).filter_map(|(_, _, f)| chosen(f)).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let embeddings: Vec<Vec<f32>> = products.iter().map(|&i| mean_embedding(&listed[i])).collect();
        let hints = |l: &Listed| -> Vec<f32> {
            let share = |kind: &&str| {
                let so = l.seen.iter().filter(|(_, _, f)| chosen(f) == Some(kind)).count();
                so as f32 / l.seen.len() as f32
            };
            kinds.iter().map(share).collect()
        };
        let given: Vec<usize> = products.iter().map(|&i| class_of[i].unwrap_or(0)).collect();
        let samples: Vec<Sample<'_>> = products
            .iter()
            .zip(&embeddings)
            .zip(&given)
            .map(|((&i, embedding), &given)| Sample {
                embedding,
                hints: hints(&listed[i]),
                told: Vec::new(),
                given,
                owner: owners[i],
                title: listed[i].product.title.as_deref().unwrap_or(""),
            })
            .collect();
        let judged = judge(&samples, names.len());
        Verdicts { products, given, judged }
    }

    /// The doubt about one claim, with the neighbours that say so.
    fn doubt(&self, verdicts: &Verdicts, at: usize, kind: &str, field: &str) -> Finding {
        let (l, judged) = (&self.listed[verdicts.products[at]], &verdicts.judged[at]);
        let claimed = &self.names[verdicts.given[at]];
        Finding {
            claimed: vec![claimed.clone()],
            seen: likeliest(&judged.classes, &self.names),
            witnesses: self.witnesses(verdicts, at, best_of(&judged.classes)),
            image: l.seen.first().map(|(image, _, _)| image.name.clone()),
            ..finding(kind, field, &l.product, claimed, judged.wrong)
        }
    }

    /// Nearest neighbours of one product that claim `class`.
    fn witnesses(&self, verdicts: &Verdicts, at: usize, class: usize) -> Vec<Witness> {
        let speaking = verdicts.judged[at].neighbours.iter().filter(|n| verdicts.given[n.of] == class);
        speaking
            .take(WITNESSES)
            .map(|n| {
                let l = &self.listed[verdicts.products[n.of]];
                Witness {
                    product: l.product.id.clone(),
                    image: l.seen.first().map(|(image, _, _)| image.name.clone()).unwrap_or_default(),
                    claimed: vec![self.names[class].clone()],
                    likeness: rounded(n.cosine),
                }
            })
            .collect()
    }
}

fn categories(listed: &[Listed], report: &mut AuditReport) -> Vec<Finding> {
    let (class_of, names) = classes(listed);
    let claims = Claims { listed, class_of, names };
    let verdicts = claims.judge();
    report.categories_judged = verdicts.products.len();
    let mut findings = Vec::new();
    for (at, judged) in verdicts.judged.iter().enumerate() {
        let l = &listed[verdicts.products[at]];
        if judged.wrong >= DOUBTFUL {
            let field = if l.product.product_type.is_empty() { "category" } else { "product_type" };
            findings.push(claims.doubt(&verdicts, at, "category", field));
        } else if let Some(titled) = &judged.titled {
            let class = best_of(titled);
            if titled[class] >= TITLE_SURE
                && judged.classes[class] < TITLE_WRONG
                && class != verdicts.given[at]
            {
                let title = l.product.title.clone().unwrap_or_default();
                findings.push(Finding {
                    seen: likeliest(&judged.classes, &claims.names),
                    witnesses: claims.witnesses(&verdicts, at, verdicts.given[at]),
                    image: l.seen.first().map(|(image, _, _)| image.name.clone()),
                    detail: Some(format!("the words speak of {}", claims.names[class])),
                    claimed: vec![title.clone()],
                    ..finding("title", "title", &l.product, &title, 1.0 - judged.classes[class])
                });
            }
        }
    }
    findings
}

/// What a product says about for whom it is, if that is one thing.
fn audience<'a>(product: &'a Product, field: &str) -> Option<&'a str> {
    let said = if field == "gender" { &product.gender } else { &product.age_group };
    match &said[..] {
        [one] => Some(one),
        _ => None,
    }
}

/// Kids against adult, women against men: learned from the catalogue itself, where it claims both often enough.
fn audiences(listed: &[Listed], report: &mut AuditReport) -> Vec<Finding> {
    let mut findings = Vec::new();
    for field in ["gender", "age_group"] {
        let claimed = |l: &Listed| {
            audience(&l.product, field).filter(|_| !l.seen.is_empty()).map(|said| said.trim().to_lowercase())
        };
        let mut members = BTreeMap::<String, usize>::new();
        listed.iter().filter_map(claimed).for_each(|said| *members.entry(said).or_default() += 1);
        let names: Vec<String> =
            members.into_iter().filter(|(_, n)| *n >= MEMBERS).map(|(name, _)| name).collect();
        let class_of = listed.iter().map(|l| names.binary_search(&claimed(l)?).ok()).collect();
        let claims = Claims { listed, class_of, names };
        let verdicts = claims.judge();
        report.audiences_judged += verdicts.products.len();
        for (at, judged) in verdicts.judged.iter().enumerate().filter(|(_, j)| j.wrong >= DOUBTFUL) {
            let product = &listed[verdicts.products[at]].product;
            findings.push(Finding {
                claimed: audience(product, field).map(str::to_owned).into_iter().collect(),
                probability: rounded(judged.wrong),
                ..claims.doubt(&verdicts, at, field, field)
            });
        }
    }
    findings
}

fn chosen(features: &Features) -> Option<&str> {
    features.chosen.map(|i| features.garments[i].category.as_str())
}

fn best_of(classes: &[f32]) -> usize {
    (0..classes.len()).max_by(|a, b| classes[*a].total_cmp(&classes[*b])).unwrap_or(0)
}

/// The colours that a product claims for one of its images.
fn claimed_colours(product: &Product, image: &Image) -> Vec<usize> {
    let by_variant = image.variant.as_deref().map(colour_names).unwrap_or_default();
    if by_variant.len() == 1 {
        return by_variant;
    }
    let by_member: Vec<usize> = product.color.iter().flat_map(|c| colour_names(c)).collect();
    if by_member.is_empty() { colour_names(product.title.as_deref().unwrap_or("")) } else { by_member }
}

/// The first picture of each product, and those of variants that name their colour.
fn colours(listed: &[Listed], report: &mut AuditReport) -> Vec<Finding> {
    let mut claims = Vec::new();
    for (i, l) in listed.iter().enumerate() {
        for (n, (image, _, features)) in l.seen.iter().enumerate() {
            let claimed = claimed_colours(&l.product, image);
            let named = image.variant.as_deref().is_some_and(|v| colour_names(v).len() == 1);
            if claimed.is_empty() || features.attributes.colour.is_empty() || (n > 0 && !named) {
                continue;
            }
            let shares = COLOUR_NAMES.map(|name| {
                features.attributes.colour.iter().find(|(c, _)| c == name).map_or(0.0, |(_, share)| *share)
            });
            claims.push((i, n, claimed, shares));
        }
    }
    let names: Vec<String> = COLOUR_NAMES.iter().map(|&name| name.to_owned()).collect();
    let asked: Vec<ColourClaim<'_>> = claims
        .iter()
        .map(|(i, n, claimed, shares)| {
            // Of several colours one is enough to be right: the one that is seen best.
            let likely = likely_names(shares);
            let given = claimed.iter().max_by(|a, b| likely[**a].total_cmp(&likely[**b]));
            ColourClaim {
                shares,
                embedding: &listed[*i].seen[*n].2.embedding,
                given: given.copied().unwrap_or(0),
                owner: key(&listed[*i].product.id),
            }
        })
        .collect();
    let judged = judge_colours(&asked);
    report.colours_judged = judged.len();
    let doubted = judged.iter().zip(&claims).filter(|(judged, _)| judged.wrong >= DOUBTFUL_COLOUR);
    doubted
        .map(|(judged, (i, n, claimed, _))| {
            let l = &listed[*i];
            let (image, picture, _) = &l.seen[*n];
            let claimed: Vec<String> = claimed.iter().map(|c| names[*c].clone()).collect();
            let about = format!("{} {picture}", claimed.join(","));
            Finding {
                seen: likeliest(&judged.classes, &names),
                image: Some(image.name.clone()),
                picture: Some(picture.to_string()),
                claimed,
                ..finding("colour", "color", &l.product, &about, judged.wrong)
            }
        })
        .collect()
}

fn about_image(kind: &str, l: &Listed, at: usize, probability: f32) -> Finding {
    let (image, picture, _) = &l.seen[at];
    Finding {
        image: Some(image.name.clone()),
        picture: Some(picture.to_string()),
        ..finding(kind, "images", &l.product, &picture.to_string(), probability)
    }
}

fn sizes(listed: &[Listed]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for l in listed {
        for (at, (_, _, features)) in l.seen.iter().enumerate() {
            if features.width.min(features.height) < SMALL_PX {
                findings.push(Finding {
                    detail: Some(format!("{} x {} pixels", features.width, features.height)),
                    ..about_image("too_small", l, at, 1.0)
                });
            }
        }
    }
    findings
}

/// Pictures of the same bytes under several articles: copies of the first seen, or, under many, a placeholder.
fn same_bytes(listed: &[Listed]) -> Vec<Finding> {
    let mut shown = BTreeMap::<PictureHash, Vec<(usize, usize)>>::new();
    for (i, l) in listed.iter().enumerate() {
        l.seen
            .iter()
            .enumerate()
            .for_each(|(n, (_, picture, _))| shown.entry(*picture).or_default().push((i, n)));
    }
    let article = |i: usize| listed[i].product.group_id.as_deref().unwrap_or(&listed[i].product.id);
    let mut findings = Vec::new();
    for places in shown.values() {
        let articles: HashSet<&str> = places.iter().map(|(i, _)| article(*i)).collect();
        let (first, _) = places[0];
        if articles.len() >= PLACEHOLDER {
            findings.extend(places.iter().map(|&(i, n)| Finding {
                detail: Some(format!("{} articles show this picture", articles.len())),
                ..about_image("placeholder", &listed[i], n, 1.0)
            }));
        } else if articles.len() > 1 {
            let copies = places.iter().filter(|(i, _)| article(*i) != article(first));
            findings.extend(
                copies.map(|&(i, n)| copy(&listed[i], n, &listed[first], places[0].1, 1.0, "the same file")),
            );
        }
    }
    findings
}

/// Pictures that are edited copies of another article's: each family told once a copy, with the first seen.
fn copied(
    core: &Core,
    listed: &[Listed],
    progress: &mut dyn FnMut(&'static str, u64, u64) -> bool,
) -> Result<Option<Vec<Finding>>> {
    let mut places = Vec::new();
    let mut placed = Vec::new();
    for (i, l) in listed.iter().enumerate() {
        for (n, (_, picture, features)) in l.seen.iter().enumerate() {
            let article = l.product.group_id.as_deref().unwrap_or(&l.product.id);
            places.push((i, n));
            placed.push(copies::Placed { picture: *picture, features, article });
        }
    }
    let telling = &mut |done, total| progress("copies", done, total);
    let Some(pairs) = copies::pairs(core, &placed, telling)? else { return Ok(None) };
    let mut families = Families::new(placed.len());
    pairs.iter().for_each(|pair| families.join(pair.first, pair.second));
    let mut findings = Vec::new();
    for family in families.all() {
        let first = family[0];
        for &copied in family[1..].iter().filter(|&&other| placed[other].article != placed[first].article) {
            // Told with the pair that makes it one of the family, at best with the first seen.
            let of_it = pairs.iter().filter(|p| p.second == copied || p.first == copied);
            let Some(pair) = of_it.max_by_key(|p| p.first == first) else { continue };
            let ((i, n), (j, m)) = (places[copied], places[first]);
            findings.push(copy(&listed[i], n, &listed[j], m, pair.likeness, &pair.how));
        }
    }
    Ok(Some(findings))
}

/// A finding that one product shows the picture of another, which was here first.
fn copy(l: &Listed, at: usize, first: &Listed, shown: usize, likeness: f32, how: &str) -> Finding {
    let whose = |p: &Product| p.seller.clone().or_else(|| p.brand.clone());
    let detail = match (whose(&l.product), whose(&first.product)) {
        (Some(a), Some(b)) if a != b => format!("{how}; first seen with {b}"),
        _ => how.to_owned(),
    };
    Finding {
        witnesses: vec![Witness {
            product: first.product.id.clone(),
            image: first.seen[shown].0.name.clone(),
            claimed: first.product.title.iter().cloned().collect(),
            likeness: rounded(likeness),
        }],
        detail: Some(detail),
        ..about_image("copy", l, at, likeness)
    }
}

/// Stamp of what is kept of a picture's blemishes; another number when they are looked for otherwise.
pub(crate) fn stamp() -> [u8; 32] {
    *blake3::hash(b"twinset blemishes 3").as_bytes()
}

/// What is kept of one picture: its certainties, in the order of [`BLEMISHES`].
fn look(photo: &Photo) -> Vec<u8> {
    let seen = blemishes(photo);
    let certainties = [seen.overlay, seen.border, seen.collage, seen.blurred, seen.blank, seen.watermark];
    certainties.iter().flat_map(|x| x.to_le_bytes()).collect()
}

const BLEMISHES: [&str; 6] = ["overlay", "border", "collage", "blurred", "blank", "watermark"];

fn blemished(
    core: &Core,
    listed: &[Listed],
    report: &mut AuditReport,
    progress: &mut dyn FnMut(&'static str, u64, u64) -> bool,
) -> Result<Option<Vec<Finding>>> {
    const LOT: usize = 64;
    let pictures: Vec<PictureHash> = {
        let mut seen = HashSet::new();
        let all = listed.iter().flat_map(|l| l.seen.iter().map(|(_, picture, _)| *picture));
        all.filter(|picture| seen.insert(*picture)).collect()
    };
    let mut kept = HashMap::<PictureHash, Vec<u8>>::new();
    for (n, lot) in pictures.chunks(LOT).enumerate() {
        if !progress("pictures", (n * LOT) as u64, pictures.len() as u64) {
            return Ok(None);
        }
        let fresh = Mutex::new(Vec::new());
        let looked: Vec<Option<(PictureHash, Vec<u8>)>> = core.shared.pool.install(|| {
            let one = |picture: &PictureHash| -> Result<Option<(PictureHash, Vec<u8>)>> {
                if let Some(bytes) = core.catalogue.features(picture, &stamp())? {
                    return Ok(Some((*picture, bytes)));
                }
                let Some(bytes) = core.catalogue.picture(picture)? else { return Ok(None) };
                let seen = match core.shared.decode(&bytes) {
                    Ok(decoded) => look(&decoded.photo),
                    Err(EngineError::Photo(_)) => return Ok(None),
                    Err(error) => return Err(error),
                };
                fresh.lock().push((*picture, seen.clone()));
                Ok(Some((*picture, seen)))
            };
            lot.par_iter().map(one).collect::<Result<_>>()
        })?;
        let fresh = fresh.into_inner();
        if !fresh.is_empty() {
            core.catalogue.put_features(&stamp(), &fresh)?;
        }
        kept.extend(looked.into_iter().flatten());
    }
    report.pictures = kept.len();
    let mut findings = Vec::new();
    for l in listed {
        for (at, (_, picture, _)) in l.seen.iter().enumerate() {
            let Some(bytes) = kept.get(picture) else { continue };
            for (kind, certainty) in BLEMISHES.iter().zip(bytes.as_chunks::<4>().0) {
                let certainty = f32::from_le_bytes(*certainty);
                if certainty >= DOUBTFUL {
                    findings.push(about_image(kind, l, at, certainty));
                }
            }
        }
    }
    Ok(Some(findings))
}

/// Whether `product` still claims what the finding doubts.
pub(crate) fn stands(finding: &Finding, product: &Product) -> bool {
    match finding.kind.as_str() {
        "category" => {
            finding.claimed.first().is_some_and(|c| claimed_path(product).join(" > ").starts_with(c))
        }
        "title" => finding.claimed.first() == product.title.as_ref(),
        field @ ("gender" | "age_group") => {
            finding.claimed.first().map(String::as_str) == audience(product, field)
        }
        kind => {
            let shown = |image: &&Image| image.picture.map(|p| p.to_string()) == finding.picture;
            let image = product.images.iter().find(shown);
            let named = |image: &Image| {
                claimed_colours(product, image).iter().map(|c| COLOUR_NAMES[*c]).collect::<Vec<_>>()
            };
            image.is_some_and(|image| kind != "colour" || named(image) == finding.claimed)
        }
    }
}
