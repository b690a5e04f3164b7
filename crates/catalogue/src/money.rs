//! Money as decimals: what a seller wrote, compared exactly.
//!
//! In: texts such as `89.00` and `EUR`. Out: amounts that compare as numbers and print as they
//! were written. Knows no exchange rates: amounts of two currencies compare as bare numbers.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Decimal places that an [`Amount`] can hold.
const PLACES: u8 = 6;

/// A decimal number with at most six decimal places, between about -9.2e12 and 9.2e12.
///
/// Compares by value (`89` equals `89.00`) and prints with the decimal places it was read with.
#[derive(Clone, Copy)]
pub struct Amount {
    micros: i64,
    places: u8,
}

impl Amount {
    /// From a number of millionths.
    #[must_use]
    pub fn from_micros(micros: i64) -> Self {
        let (mut places, mut rest) = (PLACES, micros);
        while places > 0 && rest % 10 == 0 {
            rest /= 10;
            places -= 1;
        }
        Self { micros, places }
    }

    /// Millionths: what is compared and stored.
    #[must_use]
    pub fn micros(self) -> i64 {
        self.micros
    }
}

impl std::str::FromStr for Amount {
    type Err = MoneyError;

    /// Reads `-?[0-9]+(\.[0-9]{1,6})?`; no blanks, no thousands marks, no exponent.
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let bad = || MoneyError::Amount { text: text.chars().take(40).collect() };
        let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (whole, decimals) = digits.split_once('.').map_or((digits, None), |(w, d)| (w, Some(d)));
        let decimals = match decimals {
            Some(d) if d.is_empty() || d.len() > usize::from(PLACES) => return Err(bad()),
            Some(d) => d,
            None => "",
        };
        if whole.is_empty() || !whole.bytes().chain(decimals.bytes()).all(|b| b.is_ascii_digit()) {
            return Err(bad());
        }
        let places = decimals.len() as u8;
        let mut micros: i64 = 0;
        for digit in whole.bytes().chain(decimals.bytes()).map(|b| i64::from(b - b'0')) {
            micros = micros.checked_mul(10).and_then(|m| m.checked_add(digit)).ok_or_else(bad)?;
        }
        micros = micros.checked_mul(10_i64.pow(u32::from(PLACES - places))).ok_or_else(bad)?;
        Ok(Self { micros: if negative { -micros } else { micros }, places })
    }
}

impl std::fmt::Display for Amount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scale = 10_u64.pow(u32::from(PLACES));
        let (whole, rest) = (self.micros.unsigned_abs() / scale, self.micros.unsigned_abs() % scale);
        let sign = if self.micros < 0 { "-" } else { "" };
        write!(f, "{sign}{whole}")?;
        if self.places > 0 {
            let decimals = format!("{rest:06}");
            write!(f, ".{}", &decimals[..usize::from(self.places)])?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Amount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

impl PartialEq for Amount {
    fn eq(&self, other: &Self) -> bool {
        self.micros == other.micros
    }
}

impl Eq for Amount {}

impl PartialOrd for Amount {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Amount {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.micros.cmp(&other.micros)
    }
}

impl std::hash::Hash for Amount {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.micros.hash(state);
    }
}

/// Three capital letters as in ISO 4217; not checked against the list of currencies in use.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency([u8; 3]);

impl Currency {
    /// For example `EUR`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }
}

impl std::str::FromStr for Currency {
    type Err = MoneyError;

    /// Three ASCII letters in any case.
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        match <[u8; 3]>::try_from(text.as_bytes()) {
            Ok(letters) if letters.iter().all(u8::is_ascii_alphabetic) => {
                Ok(Self(letters.map(|b| b.to_ascii_uppercase())))
            }
            _ => Err(MoneyError::Currency { text: text.chars().take(40).collect() }),
        }
    }
}

impl std::fmt::Display for Currency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::fmt::Debug for Currency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An amount in a currency. In JSON `{"amount": "12.50", "currency": "EUR"}`, never a binary float.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Money {
    /// How much.
    pub amount: Amount,
    /// Of what.
    pub currency: Currency,
}

impl Money {
    /// From the two texts.
    ///
    /// # Errors
    /// [`MoneyError`] says which of them cannot be read.
    pub fn parse(amount: &str, currency: &str) -> Result<Self, MoneyError> {
        Ok(Self { amount: amount.parse()?, currency: currency.parse()? })
    }
}

impl std::fmt::Display for Money {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.amount, self.currency)
    }
}

/// A text that is not money.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not a plain decimal in range.
    #[error(
        "'{text}' is not an amount; write a plain decimal such as 12.50, at most six decimal places, below 9.2e12"
    )]
    Amount {
        /// What was given, cut to 40 characters.
        text: String,
    },
    /// Not three letters.
    #[error("'{text}' is not a currency; write its three letters such as EUR")]
    Currency {
        /// What was given, cut to 40 characters.
        text: String,
    },
}

macro_rules! serde_as_text {
    ($type:ty) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
serde_as_text!(Amount);
serde_as_text!(Currency);

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(text: &str) -> Option<i64> {
        text.parse::<Amount>().ok().map(Amount::micros)
    }

    #[test]
    fn amounts_are_exact_decimals() {
        assert_eq!(micros("0.1"), Some(100_000));
        assert_eq!(micros("89.00"), micros("89"));
        assert_eq!(micros("-3.5"), Some(-3_500_000));
        assert_eq!(micros("0.000001"), Some(1));
        assert_eq!(micros("9223372036854.775807"), Some(i64::MAX));
        for bad in ["", "-", ".5", "5.", "1e3", "1,5", " 1", "+1", "0.0000001", "9223372036854.775808", "١"]
        {
            assert_eq!(micros(bad), None, "{bad}");
        }
    }

    #[test]
    fn amounts_print_as_they_were_written() {
        for text in ["89.00", "89", "-0.50", "0", "1.234567"] {
            assert_eq!(text.parse::<Amount>().unwrap().to_string(), text);
        }
        assert_eq!(Amount::from_micros(12_500_000).to_string(), "12.5");
        assert_eq!(Amount::from_micros(0).to_string(), "0");
    }

    #[test]
    fn money_in_json_is_two_texts() {
        let money = Money::parse("12.50", "eur").unwrap();
        let json = serde_json::to_string(&money).unwrap();
        assert_eq!(json, r#"{"amount":"12.50","currency":"EUR"}"#);
        assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), money);
        assert!(serde_json::from_str::<Money>(r#"{"amount":12.5,"currency":"EUR"}"#).is_err());
        assert!(serde_json::from_str::<Money>(r#"{"amount":"1","currency":"EURO"}"#).is_err());
    }
}
