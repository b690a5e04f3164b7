//! Text to filter: a reader of words and a parser by recursive descent.

use super::field::{Field, Kind};
use super::{Circle, Expr, Filter, FilterError, Order, Value};
use crate::money::Amount;
use crate::product::Place;

/// Reads a whole filter.
pub(super) fn filter(text: &str) -> Result<Expr, FilterError> {
    if text.len() > Filter::MAX_BYTES {
        let expected = format!("a filter of at most {} bytes", Filter::MAX_BYTES);
        return Err(FilterError { column: 1, expected, found: format!("{} bytes", text.len()) });
    }
    let mut parser = Parser { tokens: tokens(text)?, next: 0, depth: 0 };
    let expr = parser.or()?;
    match parser.peek() {
        Token::End => Ok(expr),
        _ => Err(parser.expected("'and', 'or' or the end")),
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Number(String),
    Symbol(&'static str),
    /// A character that begins nothing.
    Stray(char),
    End,
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let cut = |text: &str| text.chars().take(40).collect::<String>();
        match self {
            Self::Word(text) | Self::Number(text) => write!(f, "'{}'", cut(text)),
            Self::Text(text) => write!(f, "the text '{}'", cut(text)),
            Self::Symbol(text) => write!(f, "'{text}'"),
            Self::Stray(c) => write!(f, "'{}'", c.escape_debug()),
            Self::End => f.write_str("the end"),
        }
    }
}

/// Longer ones first.
const SYMBOLS: [&str; 9] = ["!=", "<=", ">=", "=", "<", ">", "(", ")", ","];

/// The words of a text with their columns, the end as the last.
fn tokens(text: &str) -> Result<Vec<(usize, Token)>, FilterError> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let mut column = 1;
    // Cuts `bytes` off the front and returns them.
    fn take<'t>(rest: &mut &'t str, column: &mut usize, bytes: usize) -> &'t str {
        let (taken, after) = rest.split_at(bytes);
        *column += taken.chars().count();
        *rest = after;
        taken
    }
    let run = |text: &str, belongs: fn(char) -> bool| text.find(|c| !belongs(c)).unwrap_or(text.len());
    while let Some(first) = rest.chars().next() {
        let start = column;
        let token = if first.is_whitespace() {
            take(&mut rest, &mut column, first.len_utf8());
            continue;
        } else if first.is_alphabetic() || first == '_' {
            let bytes = run(rest, |c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
            Token::Word(take(&mut rest, &mut column, bytes).into())
        } else if first.is_ascii_digit()
            || (first == '-' && rest[1..].starts_with(|c: char| c.is_ascii_digit()))
        {
            let bytes = 1 + run(&rest[1..], |c| c.is_ascii_digit() || c == '.');
            Token::Number(take(&mut rest, &mut column, bytes).into())
        } else if first == '\'' {
            let Some(bytes) = quoted_len(rest) else {
                let expected = "a closing quote for the text that begins".into();
                return Err(FilterError { column: start, expected, found: "none".into() });
            };
            let inside = take(&mut rest, &mut column, bytes);
            if inside.contains('\0') {
                let expected = "a text without NUL characters".into();
                return Err(FilterError { column: start, expected, found: "one".into() });
            }
            Token::Text(inside[1..bytes - 1].replace("''", "'"))
        } else if let Some(symbol) = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol)) {
            take(&mut rest, &mut column, symbol.len());
            Token::Symbol(symbol)
        } else {
            take(&mut rest, &mut column, first.len_utf8());
            Token::Stray(first)
        };
        tokens.push((start, token));
    }
    tokens.push((column, Token::End));
    Ok(tokens)
}

/// Bytes of the quoted text at the front, both quotes included; `None` if it never ends.
fn quoted_len(text: &str) -> Option<usize> {
    let mut end = 1;
    loop {
        end += text[end..].find('\'')? + 1;
        if !text[end..].starts_with('\'') {
            return Some(end);
        }
        end += 1;
    }
}

const A_CONDITION: &str = "a field such as color, price or attributes.name, 'exists', 'within', 'not' or '('";

struct Parser {
    tokens: Vec<(usize, Token)>,
    next: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.next].1
    }

    /// The next token; the end is never passed.
    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.next = (self.next + 1).min(self.tokens.len() - 1);
        token
    }

    fn expected(&self, expected: impl Into<String>) -> FilterError {
        let (column, token) = &self.tokens[self.next];
        FilterError { column: *column, expected: expected.into(), found: token.to_string() }
    }

    /// Passes a word of the grammar if it stands here.
    fn word(&mut self, word: &str) -> bool {
        let here = matches!(self.peek(), Token::Word(text) if text.eq_ignore_ascii_case(word));
        self.next += usize::from(here);
        here
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        let here = matches!(self.peek(), Token::Symbol(text) if *text == symbol);
        self.next += usize::from(here);
        here
    }

    fn demand(&mut self, symbol: &str) -> Result<(), FilterError> {
        if self.symbol(symbol) { Ok(()) } else { Err(self.expected(format!("'{symbol}'"))) }
    }

    fn or(&mut self) -> Result<Expr, FilterError> {
        let mut parts = vec![self.and()?];
        while self.word("or") {
            parts.push(self.and()?);
        }
        Ok(if parts.len() > 1 { Expr::Or(parts) } else { parts.remove(0) })
    }

    fn and(&mut self) -> Result<Expr, FilterError> {
        let mut parts = vec![self.unary()?];
        while self.word("and") {
            parts.push(self.unary()?);
        }
        Ok(if parts.len() > 1 { Expr::And(parts) } else { parts.remove(0) })
    }

    fn unary(&mut self) -> Result<Expr, FilterError> {
        let nests = matches!(self.peek(), Token::Symbol("("))
            || matches!(self.peek(), Token::Word(word) if word.eq_ignore_ascii_case("not"));
        if nests && self.depth == Filter::MAX_DEPTH {
            return Err(self.expected(format!("at most {} nested parentheses and 'not'", Filter::MAX_DEPTH)));
        }
        self.depth += usize::from(nests);
        let expr = if self.word("not") {
            Expr::Not(Box::new(self.unary()?))
        } else if self.symbol("(") {
            let inside = self.or()?;
            if !self.symbol(")") {
                return Err(self.expected("'and', 'or' or ')'"));
            }
            inside
        } else {
            self.condition()?
        };
        self.depth -= usize::from(nests);
        Ok(expr)
    }

    fn condition(&mut self) -> Result<Expr, FilterError> {
        if self.word("exists") {
            self.demand("(")?;
            let field = self.field("a field such as color, price or attributes.name")?;
            self.demand(")")?;
            return Ok(Expr::Exists(field));
        }
        if self.word("within") {
            return self.within();
        }
        let field = self.field(A_CONDITION)?;
        if field.kind() == Kind::Place {
            return Err(self.expected(
                "nothing: places are asked for with within(place, lat, lon, km) or exists(place)",
            ));
        }
        if self.symbol("=") {
            return Ok(Expr::AnyOf { values: vec![self.value(&field)?], field });
        }
        if self.symbol("!=") {
            return Ok(Expr::Not(Box::new(Expr::AnyOf { values: vec![self.value(&field)?], field })));
        }
        if self.word("in") {
            return self.list(field);
        }
        if self.word("not") {
            if !self.word("in") {
                return Err(self.expected("'in'"));
            }
            return Ok(Expr::Not(Box::new(self.list(field)?)));
        }
        let ordered = matches!(field.kind(), Kind::Text | Kind::Number);
        let orders = [Order::LessOrEqual, Order::GreaterOrEqual, Order::Less, Order::Greater];
        if ordered && let Some(order) = orders.into_iter().find(|order| self.symbol(order.symbol())) {
            return Ok(Expr::Ordered { field, order, number: self.number()? });
        }
        Err(self.expected(if ordered {
            "one of = != < <= > >= 'in' 'not in'"
        } else {
            "one of = != 'in' 'not in'"
        }))
    }

    fn field(&mut self, expected: &str) -> Result<Field, FilterError> {
        let Token::Word(word) = self.peek().clone() else { return Err(self.expected(expected)) };
        let Some(attribute) = word.strip_prefix("attributes.") else {
            let field = Field::named(&word).ok_or_else(|| self.expected(expected))?;
            self.take();
            return Ok(field);
        };
        self.take();
        if !attribute.is_empty() {
            return Ok(Field::Attribute(attribute.into()));
        }
        match self.peek().clone() {
            Token::Text(name) => {
                self.take();
                Ok(Field::Attribute(name))
            }
            _ => Err(self.expected("the attribute's name, as a word or in single quotes")),
        }
    }

    fn list(&mut self, field: Field) -> Result<Expr, FilterError> {
        self.demand("(")?;
        let mut values = vec![self.value(&field)?];
        while self.symbol(",") {
            values.push(self.value(&field)?);
        }
        if !self.symbol(")") {
            return Err(self.expected("',' or ')'"));
        }
        Ok(Expr::AnyOf { field, values })
    }

    fn value(&mut self, field: &Field) -> Result<Value, FilterError> {
        let expected = match field.kind() {
            Kind::Exact => "a text in single quotes".into(),
            Kind::Text | Kind::Place => "a text in single quotes, a number, true or false".into(),
            Kind::Number => return self.number().map(Value::Number),
            Kind::Word(words) => format!("one of '{}'", words.join("', '")),
        };
        let value = match (self.peek().clone(), field.kind()) {
            (Token::Text(text), Kind::Word(words))
                if !words.contains(&super::field::fold(&text).as_str()) =>
            {
                None
            }
            (Token::Text(text), _) => Some(Value::Text(text)),
            (Token::Number(_), Kind::Text) => return self.number().map(Value::Number),
            (Token::Word(word), Kind::Text)
                if ["true", "false"].contains(&word.to_ascii_lowercase().as_str()) =>
            {
                Some(Value::Text(word.to_ascii_lowercase()))
            }
            _ => None,
        };
        let value = value.ok_or_else(|| self.expected(expected))?;
        self.take();
        Ok(value)
    }

    fn number(&mut self) -> Result<Amount, FilterError> {
        let Token::Number(text) = self.peek() else { return Err(self.expected("a number")) };
        let number = text.parse().map_err(|_| {
            self.expected("a number such as 12.50, with at most six decimal places, below 9.2e12")
        })?;
        self.take();
        Ok(number)
    }

    fn within(&mut self) -> Result<Expr, FilterError> {
        self.demand("(")?;
        if !self.word("place") {
            return Err(self.expected("place"));
        }
        self.demand(",")?;
        let lat = self.degrees("a latitude from -90 to 90", -90.0..=90.0)?;
        self.demand(",")?;
        let lon = self.degrees("a longitude from -180 to 180", -180.0..=180.0)?;
        self.demand(",")?;
        let km = self.degrees("a distance in kilometres from 0 to 20040", 0.0..=20_040.0)?;
        self.demand(")")?;
        Ok(Expr::Within(Circle { centre: Place { lat, lon }, km }))
    }

    fn degrees(&mut self, expected: &str, range: std::ops::RangeInclusive<f64>) -> Result<f64, FilterError> {
        let number = match self.peek() {
            Token::Number(text) => text.parse().ok().filter(|number| range.contains(number)),
            _ => None,
        };
        let number = number.ok_or_else(|| self.expected(expected))?;
        self.take();
        Ok(number)
    }
}
