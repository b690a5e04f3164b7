//! Prices as people write them.

use twinset_catalogue::{Amount, Currency, Money};

/// Why there is no price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoPrice {
    /// Nothing is claimed.
    Absent,
    /// An amount without currency, and none is set.
    NoCurrency,
    /// No amount can be read.
    Unreadable,
    /// Below zero.
    Negative,
}

/// Currencies with three decimal places: there `1.250` is one and a quarter.
const THREE_PLACES: [&str; 7] = ["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"];

/// Signs and words, with the currencies they may stand for; the first unless the shop's own is among them.
const SIGNS: [(&str, &[&str]); 31] = [
    ("us$", &["USD"]),
    ("a$", &["AUD"]),
    ("c$", &["CAD"]),
    ("ca$", &["CAD"]),
    ("hk$", &["HKD"]),
    ("nt$", &["TWD"]),
    ("s$", &["SGD"]),
    ("r$", &["BRL"]),
    ("$", &["USD", "CAD", "AUD", "NZD", "SGD", "HKD", "TWD", "MXN", "ARS", "CLP", "COP"]),
    ("＄", &["USD", "CAD", "AUD", "SGD", "HKD", "TWD"]),
    ("€", &["EUR"]),
    ("euro", &["EUR"]),
    ("£", &["GBP", "EGP"]),
    ("₩", &["KRW"]),
    ("￦", &["KRW"]),
    ("원", &["KRW"]),
    ("円", &["JPY"]),
    ("¥", &["JPY", "CNY"]),
    ("￥", &["JPY", "CNY"]),
    ("元", &["CNY", "TWD", "HKD"]),
    ("rmb", &["CNY"]),
    ("圓", &["TWD", "HKD"]),
    ("₹", &["INR"]),
    ("rs.", &["INR", "PKR"]),
    ("₽", &["RUB"]),
    ("zł", &["PLN"]),
    ("kč", &["CZK"]),
    ("ft", &["HUF"]),
    ("₺", &["TRY"]),
    ("₫", &["VND"]),
    ("฿", &["THB"]),
];

/// `kr` alone does not tell whose.
const CROWNS: [&str; 4] = ["SEK", "NOK", "DKK", "ISK"];

/// Reads a price. `usual`: of this shop.
pub(crate) fn price(text: &str, usual: Option<Currency>) -> Result<Money, NoPrice> {
    let text: String = text.chars().map(narrow).collect();
    let text = text.trim();
    if text.is_empty() {
        return Err(NoPrice::Absent);
    }
    let low = low_end(text);
    let lower = low.to_lowercase();
    let digits = |c: char| c.is_ascii_digit();
    let (Some(first), Some(last)) = (low.find(digits), low.rfind(digits)) else {
        return Err(NoPrice::Unreadable);
    };
    let (before, number, after) = (&low[..first], &low[first..=last], &low[last + 1..]);
    // `.50`, and `-5` or `EUR -5`
    let (before, number) = match before.strip_suffix(['.', ',']) {
        Some(rest) if !rest.ends_with(char::is_alphabetic) => (rest, format!("0.{number}")),
        _ => (before, number.to_owned()),
    };
    let negative = before.trim_end().ends_with(['-', '\u{2212}']);
    let currency =
        code(before).or_else(|| code(after)).or_else(|| code(&text[text.find(low).unwrap_or(0)..]));
    let currency = currency.or_else(|| sign(&lower, usual)).or(usual);
    let three = currency.is_some_and(|c| THREE_PLACES.contains(&c.as_str()));
    let amount = amount(&number, three).ok_or(NoPrice::Unreadable)?;
    if negative && amount.micros() != 0 {
        return Err(NoPrice::Negative);
    }
    Ok(Money { amount, currency: currency.ok_or(NoPrice::NoCurrency)? })
}

/// Full-width digits and marks as ASCII ones, all blanks alike.
fn narrow(c: char) -> char {
    match c {
        '０'..='９' => char::from(b'0' + (c as u32 - '０' as u32) as u8),
        '．' => '.',
        '，' => ',',
        '٫' => '.',
        '٠'..='٩' => char::from(b'0' + (c as u32 - '٠' as u32) as u8),
        c if c.is_whitespace() => ' ',
        c => c,
    }
}

/// The low end of a range, `10.00 - 20.00`; a text that is no range comes back as it is.
fn low_end(text: &str) -> &str {
    for mark in [" - ", " – ", " — ", "–", "—", "~", "〜", "～", " to ", " bis ", "..", "-"] {
        if let Some((low, high)) = text.split_once(mark)
            && low.bytes().any(|b| b.is_ascii_digit())
            && high.bytes().any(|b| b.is_ascii_digit())
        {
            return low.trim_end();
        }
    }
    text
}

/// Three letters that stand alone. A word such as `from` is none, since capitals or a known code are asked for.
fn code(text: &str) -> Option<Currency> {
    let words = text.split(|c: char| !c.is_ascii_alphabetic()).filter(|w| w.len() == 3);
    let known = [
        "usd", "eur", "gbp", "jpy", "krw", "cny", "sek", "nok", "dkk", "chf", "pln", "czk", "cad", "aud",
        "inr", "twd", "hkd", "brl",
    ];
    words
        .into_iter()
        .find(|w| w.bytes().all(|b| b.is_ascii_uppercase()) || known.contains(&w.to_lowercase().as_str()))
        .and_then(|w| w.parse().ok())
}

fn sign(lower: &str, usual: Option<Currency>) -> Option<Currency> {
    let usual_among = |codes: &[&str]| usual.filter(|usual| codes.contains(&usual.as_str()));
    for (sign, codes) in SIGNS {
        if lower.contains(sign) {
            return usual_among(codes).or_else(|| codes[0].parse().ok());
        }
    }
    // Crowns without a country are only as good as the shop's own.
    lower.contains("kr").then(|| usual_among(&CROWNS)).flatten()
}

/// `1.299,00`, `1,299.00`, `1 299`, `1'299.-`, `12,5`, `12.990000001`
fn amount(number: &str, three_places: bool) -> Option<Amount> {
    let number: String = number.chars().filter(|c| !matches!(c, ' ' | '\'' | '’' | '_')).collect();
    if !number.chars().all(|c| c.is_ascii_digit() || c == '.' || c == ',') {
        return None;
    }
    let marks: Vec<(usize, char)> = number.char_indices().filter(|(_, c)| !c.is_ascii_digit()).collect();
    let decimal_at = match marks[..] {
        [] => None,
        [(at, mark)] => {
            let (before, after) = (&number[..at], &number[at + 1..]);
            // Three digits behind a single mark are thousands, unless something speaks against it.
            let thousands = after.len() == 3 && (1..=3).contains(&before.len()) && !before.starts_with('0');
            (!thousands || (three_places && mark == '.')).then_some(at)
        }
        [.., (at, last)] => {
            let same = marks.iter().filter(|(_, mark)| *mark == last).count();
            (same == 1).then_some(at)
        }
    };
    let digits = |part: &str| part.chars().filter(char::is_ascii_digit).collect::<String>();
    let (whole, decimals) = match decimal_at {
        Some(at) => (digits(&number[..at]), digits(&number[at + 1..])),
        None => (digits(&number), String::new()),
    };
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    if decimals.is_empty() {
        return whole.parse().ok();
    }
    if decimals.len() <= 6 {
        return format!("{whole}.{decimals}").parse().ok();
    }
    // What a binary float left behind: rounded to six places, and without the zeros.
    let micros: i64 = format!("{whole}{}", &decimals[..6]).parse().ok()?;
    let up = i64::from(decimals.as_bytes()[6] >= b'5');
    Some(Amount::from_micros(micros.checked_add(up)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_as_people_write_them() {
        let eur = "EUR".parse().ok();
        for (text, usual, expected) in [
            ("15.00 USD", None, "15.00 USD"),
            ("USD 15.00", None, "15.00 USD"),
            ("15,00 EUR", None, "15.00 EUR"),
            ("1.299,00 EUR", None, "1299.00 EUR"),
            ("1,299.00 EUR", None, "1299.00 EUR"),
            ("1.299 EUR", None, "1299 EUR"),
            ("1,299 USD", None, "1299 USD"),
            ("1.250 KWD", None, "1.250 KWD"),
            ("1.234.567 KRW", None, "1234567 KRW"),
            ("1 299,00 kr", "SEK".parse().ok(), "1299.00 SEK"),
            ("1\u{a0}299,00 SEK", None, "1299.00 SEK"),
            ("1'299.00 CHF", None, "1299.00 CHF"),
            ("15", eur, "15 EUR"),
            ("89,00", eur, "89.00 EUR"),
            ("€ 12,5", None, "12.5 EUR"),
            ("12,50€", None, "12.50 EUR"),
            ("$15.00", None, "15.00 USD"),
            ("$15.00", "CAD".parse().ok(), "15.00 CAD"),
            ("₩29,000", None, "29000 KRW"),
            ("29,000원", None, "29000 KRW"),
            ("3,980円", None, "3980 JPY"),
            ("￥１２０", None, "120 JPY"),
            ("¥120", "CNY".parse().ok(), "120 CNY"),
            ("10.00 - 20.00 EUR", None, "10.00 EUR"),
            ("10.00-20.00 EUR", None, "10.00 EUR"),
            ("$10 – $20", None, "10 USD"),
            ("from 9.99 eur", None, "9.99 EUR"),
            ("0", eur, "0 EUR"),
            (".50 GBP", None, "0.50 GBP"),
            ("12.990000000001 EUR", None, "12.99 EUR"),
            ("0.500 EUR", None, "0.500 EUR"),
            ("(15.00 EUR)", None, "15.00 EUR"),
        ] {
            assert_eq!(price(text, usual).map(|m| m.to_string()), Ok(expected.to_owned()), "{text}");
        }
        for (text, usual, expected) in [
            ("", eur, NoPrice::Absent),
            ("call us", eur, NoPrice::Unreadable),
            ("15", None, NoPrice::NoCurrency),
            ("15 kr", None, NoPrice::NoCurrency),
            ("-5.00 EUR", None, NoPrice::Negative),
            ("EUR -5", None, NoPrice::Negative),
            ("12:50 EUR", None, NoPrice::Unreadable),
            ("1e9 EUR", None, NoPrice::Unreadable),
        ] {
            assert_eq!(price(text, usual), Err(expected), "{text}");
        }
    }
}
