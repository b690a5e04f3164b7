//! A filter answered from the database's indexes.
//!
//! In: a [`Filter`]. Out: the rows of the products that pass, the same that [`Filter::matches`]
//! would pick. Each comparison is one indexed query with parameters; `and`, `or` and `not` are set
//! operations on the rows. No text of a filter ever becomes text of a query.

use roaring::RoaringBitmap;
use rusqlite::{Connection, Params, params};

use crate::error::Failure;
use crate::filter::{Circle, Expr, Field, Filter, Order, Term, Value};
use crate::product::Place;

/// A comparison with a number, as the text of a query.
macro_rules! numbers {
    ($order:literal) => {
        concat!(
            "SELECT claims.row FROM terms CROSS JOIN claims USING (term) WHERE field = ? AND number IS NOT NULL AND number ",
            $order,
            " ?"
        )
    };
}

/// Rows of the products that pass.
pub(crate) fn select(tx: &Connection, filter: &Filter) -> Result<RoaringBitmap, Failure> {
    rows_of(tx, &filter.expr)
}

fn rows_of(tx: &Connection, expr: &Expr) -> Result<RoaringBitmap, Failure> {
    match expr {
        Expr::And(parts) => {
            let mut common: Option<RoaringBitmap> = None;
            for part in parts {
                let rows = match (common, part) {
                    (None, part) => rows_of(tx, part)?,
                    (Some(common), _) if common.is_empty() => return Ok(common),
                    // `a and not b` needs no list of everything.
                    (Some(common), Expr::Not(part)) => common - rows_of(tx, part)?,
                    (Some(common), part) => common & rows_of(tx, part)?,
                };
                common = Some(rows);
            }
            Ok(common.unwrap_or_default())
        }
        Expr::Or(parts) => {
            parts.iter().try_fold(RoaringBitmap::new(), |any, part| Ok(any | rows_of(tx, part)?))
        }
        Expr::Not(part) => Ok(everything(tx)? - rows_of(tx, part)?),
        Expr::AnyOf { field, values } => {
            values.iter().try_fold(RoaringBitmap::new(), |any, value| Ok(any | equal(tx, field, value)?))
        }
        Expr::Ordered { field, order, number } => {
            let query = match order {
                Order::Less => numbers!("<"),
                Order::LessOrEqual => numbers!("<="),
                Order::Greater => numbers!(">"),
                Order::GreaterOrEqual => numbers!(">="),
            };
            rows(tx, query, params![field.key(), number.micros()])
        }
        Expr::Exists(Field::Id) => everything(tx),
        Expr::Exists(Field::Place) => rows(tx, "SELECT row FROM products WHERE lat IS NOT NULL", []),
        Expr::Exists(field) => rows(
            tx,
            "SELECT claims.row FROM terms CROSS JOIN claims USING (term) WHERE field = ?",
            [field.key()],
        ),
        Expr::Within(circle) => within(tx, circle),
    }
}

fn equal(tx: &Connection, field: &Field, value: &Value) -> Result<RoaringBitmap, Failure> {
    match (field, value) {
        (Field::Id, Value::Text(id)) => rows(tx, "SELECT row FROM products WHERE id = ?", [id]),
        (_, Value::Text(text)) => rows(
            tx,
            "SELECT claims.row FROM terms CROSS JOIN claims USING (term) WHERE field = ? AND value = ?",
            params![field.key(), Term::value_key(text)],
        ),
        (_, Value::Number(number)) => rows(tx, numbers!("="), params![field.key(), number.micros()]),
    }
}

/// The index gives what lies in the circle's box; the distance decides, computed as the oracle does.
fn within(tx: &Connection, circle: &Circle) -> Result<RoaringBitmap, Failure> {
    let ([south, north], [[west, east], [west2, east2]]) = circle.bounds();
    let mut query = tx.prepare_cached(
        "SELECT row, lat, lon FROM products WHERE lat IS NOT NULL AND lat BETWEEN ? AND ? \
         AND (lon BETWEEN ? AND ? OR lon BETWEEN ? AND ?)",
    )?;
    let mut near = query.query(params![south, north, west, east, west2, east2])?;
    let mut rows = RoaringBitmap::new();
    while let Some(found) = near.next()? {
        if circle.contains(Place { lat: found.get(1)?, lon: found.get(2)? }) {
            rows.insert(found.get(0)?);
        }
    }
    Ok(rows)
}

fn everything(tx: &Connection) -> Result<RoaringBitmap, Failure> {
    rows(tx, "SELECT row FROM products", [])
}

fn rows(tx: &Connection, query: &'static str, values: impl Params) -> Result<RoaringBitmap, Failure> {
    let mut query = tx.prepare_cached(query)?;
    let mut found = query.query(values)?;
    let mut rows = RoaringBitmap::new();
    while let Some(found) = found.next()? {
        rows.insert(found.get(0)?);
    }
    Ok(rows)
}
