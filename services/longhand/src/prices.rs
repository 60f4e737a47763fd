//! The table of list prices: dated, editable, built in from `deploy/prices.toml`. A model that is not in it has no price.

use std::path::Path;

use agentwrite::config::Price;
use serde::Deserialize;

use crate::fault::Fault;

const BUILT_IN: &str = include_str!("../../../deploy/prices.toml");

/// One model's price.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// The model.
    pub name: String,
    /// Its price.
    pub price: Price,
    /// The day on which it was read, `2026-10-27`.
    pub as_of: String,
    /// Where it was read.
    pub source: String,
}

/// A table of prices.
#[derive(Debug, Clone, PartialEq)]
pub struct PriceTable(Vec<Listed>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    model: Vec<Row>,
}

/// USD per million tokens.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    input: f64,
    cached: f64,
    output: f64,
    as_of: String,
    source: String,
}

impl PriceTable {
    /// The built-in one.
    pub fn built_in() -> Self {
        Self::parse(BUILT_IN).expect("a test reads the built-in table")
    }

    /// Reads a file.
    pub fn read(path: &str) -> Result<Self, Fault> {
        let text = std::fs::read_to_string(Path::new(path))
            .map_err(|error| Fault::usage("prices_file", format!("the prices {path} cannot be read")).because(error))?;
        Self::parse(&text).map_err(|what| {
            Fault::usage("prices_file", format!("the prices {path} cannot be used"))
                .because(what)
                .help("each [[model]] has name, input, cached, output (USD per million tokens), as_of and source")
        })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string().trim().to_owned())?;
        let mut table: Vec<Listed> = Vec::with_capacity(file.model.len());
        for row in file.model {
            // A price of 0 is nearly always one that was forgotten, and a cap would stop nothing.
            if !(row.input > 0.0 && row.cached > 0.0 && row.output > 0.0) {
                return Err(format!("{}: a price must be above 0", row.name));
            }
            if table.iter().any(|listed| listed.name == row.name) {
                return Err(format!("{} stands in it twice", row.name));
            }
            table.push(Listed {
                price: Price::from_usd_per_million(row.input, row.cached, row.output),
                name: row.name,
                as_of: row.as_of,
                source: row.source,
            });
        }
        Ok(Self(table))
    }

    /// The price of a model: by its name, else by its name without the date of a snapshot.
    pub fn of(&self, model: &str) -> Option<&Listed> {
        let by_name = |name: &str| self.0.iter().find(|listed| listed.name == name);
        by_name(model).or_else(|| by_name(without_date(model)?))
    }

    /// The prices of several models, each once; none at all unless all are known.
    pub fn all(&self, models: &[&str]) -> Vec<Listed> {
        let mut found: Vec<Listed> = Vec::new();
        for model in models {
            match self.of(model) {
                Some(listed) if found.contains(listed) => {}
                Some(listed) => found.push(listed.clone()),
                None => return Vec::new(),
            }
        }
        found
    }
}

/// `gpt-4.1-2025-04-14` is a snapshot of `gpt-4.1`.
fn without_date(model: &str) -> Option<&str> {
    let cut = model.len().checked_sub("-2025-04-14".len())?;
    let (name, date) = (model.get(..cut)?, model.get(cut..)?);
    let shape = date.bytes().enumerate().all(|(at, byte)| match at {
        0 | 5 | 8 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    shape.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_table_is_complete() {
        let PriceTable(rows) = PriceTable::parse(BUILT_IN).unwrap();
        assert!(rows.len() >= 10);
        for row in rows {
            assert!(chrono::NaiveDate::parse_from_str(&row.as_of, "%Y-%m-%d").is_ok(), "{}", row.name);
            assert!(row.source.starts_with("https://") && row.price.cached <= row.price.input, "{}", row.name);
        }
    }

    #[test]
    fn a_snapshot_with_a_price_of_its_own_keeps_it() {
        let table = PriceTable::built_in();
        let input = |model: &str| table.of(model).map(|listed| listed.price.input);
        assert_eq!(
            (input("gpt-4o-2024-05-13"), input("gpt-4o-2024-08-06"), input("gpt-4o")),
            (Some(5_000), Some(2_500), Some(2_500))
        );
        assert_eq!((input("gpt-4o-latest"), input("-2024-08-06"), input("")), (None, None, None));
    }

    #[test]
    fn a_table_that_would_count_nothing_is_refused() {
        let row = "[[model]]\nname = \"a\"\ninput = 1.0\ncached = 1.0\noutput = 2.0\nas_of = \"2026-01-01\"\nsource = \"x\"\n";
        assert!(PriceTable::parse(row).is_ok());
        for bad in [row.replace("output = 2.0", "output = 0.0"), row.replace("source", "sauce"), format!("{row}{row}")]
        {
            assert!(PriceTable::parse(&bad).is_err(), "{bad}");
        }
    }
}
