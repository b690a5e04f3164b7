//! `select` picks the rows that `matches` says pass: random products, random filters.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use twinset_catalogue::{Availability, Category, Condition, Filter, Money, Place, Product, ProductPut};

use crate::shop;

/// Few enough values that products and filters meet; some that fold, some that are numbers, one long.
fn word() -> BoxedStrategy<String> {
    let long = "Lang".repeat(60);
    let words = [
        "red", "Red", "GRÜN", "grün", "it's", "a,b", "40", "40.0", "41.5", "-3", "1e3", "", " 40", "true",
        "비니", "%", "_",
    ];
    select(words.into_iter().map(String::from).chain([long.clone(), long.to_uppercase()]).collect::<Vec<_>>())
        .boxed()
}

fn words() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(word(), 0..3)
}

fn maybe<S: Strategy>(value: S) -> impl Strategy<Value = Option<S::Value>>
where
    S::Value: Clone,
{
    prop::option::of(value)
}

fn amount() -> impl Strategy<Value = &'static str> {
    select(vec!["0", "0.1", "0.10", "0.3", "40", "99.99", "100", "100.000001", "9000000000000"])
}

fn money() -> impl Strategy<Value = Option<Money>> {
    maybe(
        (amount(), select(vec!["EUR", "KRW"]))
            .prop_map(|(amount, currency)| Money::parse(amount, currency).unwrap()),
    )
}

fn place() -> impl Strategy<Value = Place> {
    let lat = prop_oneof![-90.0..=90.0, select(vec![-90.0, 90.0, 0.0, 52.0, 52.001])];
    let lon = prop_oneof![-180.0..=180.0, select(vec![-180.0, 180.0, 179.9, -179.9, 4.3, 4.31])];
    (lat, lon).prop_map(|(lat, lon)| Place { lat, lon })
}

fn product() -> impl Strategy<Value = Product> {
    let claims = prop::array::uniform8(words());
    let single = prop::array::uniform5(maybe(word()));
    let availability = select(vec![
        Availability::InStock,
        Availability::OutOfStock,
        Availability::Preorder,
        Availability::Backorder,
        Availability::Unknown,
    ]);
    let condition = maybe(select(vec![Condition::New, Condition::Refurbished, Condition::Used]));
    let attributes =
        prop::collection::btree_map(select(vec!["fit", "Fit", "heel height", "it's"]), words(), 0..3);
    (
        (claims, single, availability, condition, attributes),
        (money(), money(), maybe(words()), prop::collection::vec(words(), 0..3), maybe(place())),
    )
        .prop_map(
            |(
                (claims, single, availability, condition, attributes),
                (price, sale_price, path, product_type, place),
            )| {
                let [color, size, material, pattern, gender, age_group, tags, _] = claims;
                let [group_id, title, brand, seller, gtin] = single;
                Product {
                    group_id,
                    title,
                    brand,
                    seller,
                    gtin,
                    availability,
                    condition,
                    price,
                    sale_price,
                    category: path.map(|path| Category { google_id: None, path }),
                    product_type,
                    color,
                    size,
                    material,
                    pattern,
                    gender,
                    age_group,
                    tags,
                    attributes: attributes
                        .into_iter()
                        .map(|(k, v)| (k.to_owned(), v))
                        .collect::<BTreeMap<_, _>>(),
                    place,
                    ..Product::default()
                }
            },
        )
}

fn filter() -> impl Strategy<Value = String> {
    let quoted = || word().prop_map(|text| Filter::quote(&text));
    let number = || amount().prop_map(String::from).boxed();
    let texts = [
        "group_id",
        "title",
        "brand",
        "category",
        "product_type",
        "color",
        "size",
        "material",
        "pattern",
        "gender",
        "age_group",
        "tags",
        "seller",
        "gtin",
        "price.currency",
        "sale_price.currency",
        "attributes.fit",
        "attributes.Fit",
        "attributes.'heel height'",
        "attributes.'it''s'",
        "attributes.none",
    ];
    let text = || select(texts.to_vec());
    let order = || select(vec!["<", "<=", ">", ">="]);
    let equals = || select(vec!["=", "!="]);
    let within = select(vec!["in", "not in", "IN", "NOT IN"]);
    let value = || prop_oneof![4 => quoted(), 2 => number(), 1 => select(vec!["-3", "40", "41.5", "true", "'EUR'"]).prop_map(String::from)];
    let list = |value: BoxedStrategy<String>| {
        prop::collection::vec(value, 1..4).prop_map(|values| values.join(", "))
    };
    let states = || select(vec!["'in_stock'", "'OUT_OF_STOCK'", "'unknown'"]).prop_map(String::from).boxed();
    let id = || (0..45).prop_map(|n| format!("'p{n}'")).boxed();
    let condition = prop_oneof![
        6 => (text(), equals(), value()).prop_map(|(f, o, v)| format!("{f} {o} {v}")),
        3 => (text(), order(), number()).prop_map(|(f, o, v)| format!("{f} {o} {v}")),
        3 => (text(), within, list(value().boxed())).prop_map(|(f, o, v)| format!("{f} {o} ({v})")),
        4 => (select(vec!["price", "sale_price"]), prop_oneof![order(), equals()], number()).prop_map(|(f, o, v)| format!("{f}{o}{v}")),
        2 => list(number()).prop_map(|v| format!("price in ({v})")),
        2 => (equals(), states()).prop_map(|(o, v)| format!("availability {o} {v}")),
        1 => list(states()).prop_map(|v| format!("availability in ({v})")),
        1 => equals().prop_map(|o| format!("condition {o} 'used'")),
        1 => (equals(), id()).prop_map(|(o, v)| format!("id {o} {v}")),
        1 => list(id()).prop_map(|v| format!("id not in ({v})")),
        3 => prop_oneof![text(), select(vec!["id", "price", "sale_price", "place", "availability", "condition"])]
            .prop_map(|f| format!("exists({f})")),
        4 => (place(), prop_oneof![0.0..20.0, 0.0..20_040.0])
            .prop_map(|(p, km)| format!("within(place, {}, {}, {km})", p.lat, p.lon)),
    ];
    condition.prop_recursive(4, 12, 4, |inner| {
        let many = |word: &'static str| {
            prop::collection::vec(inner.clone(), 2..4).prop_map(move |parts| {
                parts.iter().map(|part| format!("({part})")).collect::<Vec<_>>().join(word)
            })
        };
        prop_oneof![many(" and "), many(" OR "), inner.clone().prop_map(|part| format!("not ({part})"))]
    })
}

/// 10,000 filters over catalogues of 40 products, half of which were put over another product, so
/// that stale terms would show.
#[test]
fn the_database_selects_what_the_oracle_passes() {
    let seed = *b"twinset: select equals matches!!";
    let mut runner =
        TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let (mut cases, mut passed, mut some) = (0_u32, 0_u64, 0_u32);
    for _ in 0..20 {
        let shop = shop();
        let batch: Vec<ProductPut> = (0..60)
            .map(|n| {
                let product = product().new_tree(&mut runner).unwrap().current();
                ProductPut::upsert(Product { id: format!("p{}", n % 40), ..product }, Vec::new())
            })
            .collect();
        shop.put(&batch).unwrap();
        shop.remove(&["p3".into(), "p33".into()]).unwrap();
        assert!(shop.verify().unwrap().is_empty());
        let stored: Vec<_> = (0..40).filter_map(|n| shop.record(&format!("p{n}")).unwrap()).collect();
        assert_eq!(stored.len(), 38);
        for _ in 0..500 {
            let text = filter().new_tree(&mut runner).unwrap().current();
            let filter = Filter::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(Filter::parse(&filter.to_string()).as_ref(), Ok(&filter), "{text}");
            let selected = shop.select(&filter).unwrap();
            let expected = stored.iter().filter(|r| filter.matches(&r.product)).map(|r| r.row).collect();
            assert_eq!(selected, expected, "{text}");
            cases += 1;
            passed += selected.len();
            some += u32::from(!selected.is_empty() && selected.len() < 38);
        }
    }
    println!("{cases} filters, {some} with some but not all products, {passed} products passed");
    assert!(cases == 10_000 && some > 4_000);
}

proptest! {
    #![proptest_config(Config { cases: 4_000, failure_persistence: None, ..Config::default() })]

    /// Whatever is given, there is an answer, and the column lies in the text or just behind it.
    #[test]
    fn any_text_is_a_filter_or_a_placed_error(text in prop_oneof![
        any::<String>(),
        prop::collection::vec(select(vec![
            "color", "=", "'red'", "(", ")", "not", "and", "or", "in", "price", "<", "1.5", "-", "'", "exists", "within", ",",
            "place", "attributes.", " ", "é", "\0", "!", "9999999999999999999999",
        ]), 0..20).prop_map(|parts| parts.join(" ")),
    ]) {
        if let Err(error) = Filter::parse(&text) {
            prop_assert!((1..=text.chars().count() + 1).contains(&error.column), "{error}");
        }
    }
}
