//! Limits and prices of a run: flags, then settings, then the table of list prices.

use agentwrite::config::{Limits, Price};
use serde::{Deserialize, Serialize};

use super::{DEFAULT, LimitSettings, Settings};
use crate::fault::Fault;
use crate::prices::{Listed, PriceTable};
use crate::tables;

/// `[prices]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PriceSettings {
    /// A table of prices in place of the built-in one (deploy/prices.toml); empty = built in.
    pub file: String,
}

/// The price of a run's calls, and who says so.
#[derive(Debug, Clone, PartialEq)]
pub struct Pricing {
    /// None = nobody knows.
    pub price: Option<Price>,
    /// The entries of the table that it was read from; empty where flags or settings state all of it.
    pub listed: Vec<Listed>,
    /// The members of pools whose price is not known, each with its model. One is enough, and the run's price is not known.
    pub unknown: Vec<Served>,
}

/// A model and the endpoint that serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The endpoint's name.
    pub endpoint: String,
    /// Its own name for the model.
    pub model: String,
}

impl Pricing {
    /// A word on a price that nobody stated, for people.
    pub fn note(&self) -> Option<String> {
        let price = self.price?;
        let entry = self.listed.first()?;
        let usd = |nano: u64| tables::usd(nano * 1_000_000);
        let (input, cached, output) = (usd(price.input), usd(price.cached), usd(price.output));
        let models: Vec<&str> = self.listed.iter().map(|entry| entry.name.as_str()).collect();
        let dearer = if self.listed.len() > 1 { " (the dearer one for each kind of token)" } else { "" };
        Some(format!(
            "price of {}{dearer}: {input} in, {cached} cached, {output} out per million tokens, as of {} ({}); --price-in, \
             --price-cached, --price-out or [prices] file change it",
            models.join(" and "),
            entry.as_of,
            entry.source
        ))
    }
}

impl Settings {
    /// The price of the calls that these endpoints serve, beside those that state a price of their own. The table has a say only
    /// where an endpoint is paid: what stands on this machine, or is simulated, costs nothing that anybody knows.
    pub fn pricing(&self, served: &[Served], paid: bool) -> Result<Pricing, Fault> {
        let LimitSettings { price_in, price_cached, price_out, .. } = self.limits;
        let table =
            if self.prices.file.is_empty() { PriceTable::built_in() } else { PriceTable::read(&self.prices.file)? };
        let unpriced: Vec<&Served> = served.iter().filter(|it| self.own_price(&it.endpoint).is_none()).collect();
        let models: Vec<&str> = unpriced.iter().map(|it| it.model.as_str()).collect();
        let listed = if paid { table.all(&models) } else { Vec::new() };
        let base = match models.as_slice() {
            // Each states its own: nothing is counted at this one, but estimates want one.
            [] => dearest(served.iter().filter_map(|it| self.own_price(&it.endpoint))),
            _ => dearest(listed.iter().map(|entry| entry.price)),
        };
        if price_in <= 0.0 && price_out <= 0.0 && price_cached <= 0.0 {
            let unknown = |it: &&&Served| base.is_none() && (!paid || table.of(&it.model).is_none());
            let unknown = unpriced.iter().filter(unknown).map(|it| (*it).clone()).collect();
            return Ok(Pricing { price: base, listed, unknown });
        }
        let usd = |nano: u64| nano as f64 / 1_000.0;
        let known = |stated: f64, of: fn(&Price) -> u64, otherwise: f64| {
            if stated > 0.0 { stated } else { base.as_ref().map_or(otherwise, |price| usd(of(price))) }
        };
        let input = known(price_in, |price| price.input, 0.0);
        let output = known(price_out, |price| price.output, 0.0);
        if input <= 0.0 || output <= 0.0 {
            return Err(half_a_price());
        }
        // A list's cached price belongs to the list's input price.
        let cached = if price_in > 0.0 && price_cached <= 0.0 {
            input
        } else {
            known(price_cached, |price| price.cached, input)
        };
        let price = Some(Price::from_usd_per_million(input, cached, output));
        Ok(Pricing { price, listed: Vec::new(), unknown: Vec::new() })
    }

    /// The limits of a run with these settings, at this price. A cap without a price is refused.
    pub fn run_limits(&self, pricing: &Pricing) -> Result<Limits, Fault> {
        let limits = &self.limits;
        if limits.max_cost > 0.0 && pricing.price.is_none() {
            return Err(cap_without_price_of(&pricing.unknown));
        }
        Ok(Limits {
            concurrency: limits.concurrency.max(1),
            rpm: (limits.rpm > 0).then_some(limits.rpm),
            tpm: (limits.tpm > 0).then_some(limits.tpm),
            max_cost_nanousd: (limits.max_cost > 0.0).then_some((limits.max_cost * 1e9) as u64),
            price: pricing.price,
            ..Limits::default()
        })
    }
}

/// The refusal of a cap that nothing could be held against.
pub fn cap_without_price() -> Fault {
    Fault::usage("cap_without_price", "a cap needs the model's prices")
        .because("without a price nobody knows what a call costs; a model on this machine has none by itself")
        .help("add --price-in USD --price-out USD (per million tokens), or name a table with [prices] file")
}

/// The same where the members of a pool without a price are known.
fn cap_without_price_of(unknown: &[Served]) -> Fault {
    let Some(Served { endpoint, model }) = unknown.iter().find(|it| it.endpoint != DEFAULT) else {
        return cap_without_price();
    };
    Fault::usage("cap_without_price", "a cap needs the price of every endpoint of the pool")
        .because(format!("nobody knows what {endpoint} asks for {model:?}"))
        .help(format!(
            "give [endpoints.{endpoint}] price_in and price_out (USD per million tokens), or add --price-in USD --price-out USD \
             for all that have none"
        ))
}

/// The refusal of a price that would count half of the tokens as free.
pub fn half_a_price() -> Fault {
    Fault::usage("half_a_price", "prompts and answers both have a price")
        .because("only one of them is stated, and the other would be counted as free")
        .help("give both --price-in USD and --price-out USD (per million tokens)")
}

/// All calls without a price of their own are counted at one, so where two models work on a run it is the dearer one, and a cap
/// holds.
fn dearest(prices: impl Iterator<Item = Price>) -> Option<Price> {
    prices.reduce(|one, other| Price {
        input: one.input.max(other.input),
        cached: one.cached.max(other.cached),
        output: one.output.max(other.output),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(limits: LimitSettings) -> Settings {
        Settings { limits, ..Settings::default() }
    }

    fn served(models: &[&str]) -> Vec<Served> {
        let it = |model: &&str| Served { endpoint: DEFAULT.to_owned(), model: (*model).to_owned() };
        models.iter().map(it).collect()
    }

    fn price(settings: &Settings, models: &[&str], paid: bool) -> Option<Price> {
        settings.pricing(&served(models), paid).unwrap().price
    }

    #[test]
    fn flags_win_over_the_table_and_an_unknown_model_is_never_free() {
        let plain = settings(LimitSettings::default());
        let listed = Price::from_usd_per_million(0.15, 0.075, 0.6);
        assert_eq!(price(&plain, &["gpt-4o-mini"], true), Some(listed));
        assert_eq!(price(&plain, &["gpt-4o-mini-2024-07-18"], true), Some(listed), "a dated snapshot of it");
        assert_eq!(price(&plain, &["gpt-4o-mini"], false), None, "on this machine it is another model of that name");
        assert_eq!(price(&plain, &["gpt-4o-maxi"], true), None);
        assert_eq!(price(&plain, &["gpt-4o-mini", "gpt-4o-maxi"], true), None, "one of two unknown: unknown");

        let stated = settings(LimitSettings { price_in: 9.0, price_out: 7.0, ..LimitSettings::default() });
        let own = Price::from_usd_per_million(9.0, 9.0, 7.0);
        assert_eq!(price(&stated, &["gpt-4o-mini"], true), Some(own));
        assert_eq!(price(&stated, &["gpt-4o-maxi"], false), Some(own));
        let half = settings(LimitSettings { price_out: 7.0, ..LimitSettings::default() });
        assert_eq!(price(&half, &["gpt-4o-mini"], true), Some(Price::from_usd_per_million(0.15, 0.075, 7.0)));
        assert_eq!(half.pricing(&served(&["gpt-4o-maxi"]), true).unwrap_err().code, "half_a_price");
    }

    #[test]
    fn two_models_cost_the_dearer_of_both() {
        let pricing = settings(LimitSettings::default()).pricing(&served(&["gpt-4o-mini", "gpt-4.1"]), true).unwrap();
        assert_eq!(pricing.price, Some(Price::from_usd_per_million(2.0, 0.5, 8.0)));
        assert!(pricing.note().unwrap().contains("gpt-4o-mini and gpt-4.1 (the dearer"));
    }

    #[test]
    fn a_cap_needs_a_price_and_the_table_is_one() {
        let capped = settings(LimitSettings { max_cost: 5.0, ..LimitSettings::default() });
        let unknown = capped.pricing(&served(&["own-model"]), true).unwrap();
        assert_eq!(capped.run_limits(&unknown).unwrap_err().code, "cap_without_price");
        let known = capped.pricing(&served(&["gpt-4.1"]), true).unwrap();
        assert_eq!(capped.run_limits(&known).unwrap().max_cost_nanousd, Some(5_000_000_000));
    }

    #[test]
    fn one_member_of_a_pool_without_a_price_makes_it_unknown() {
        let text = "[endpoints.own]\nbase_url = \"https://a.example/v1\"\nprice_in = 5.0\nprice_out = 9.0\n\
             [endpoints.other]\nbase_url = \"https://b.example/v1\"\n[limits]\nmax_cost = 5.0\n";
        let settings: Settings = toml::from_str(text).unwrap();
        let at = |endpoint: &str, model: &str| Served { endpoint: endpoint.to_owned(), model: model.to_owned() };
        let own = Price::from_usd_per_million(5.0, 5.0, 9.0);
        let priced = settings.pricing(&[at("own", "anything")], true).unwrap();
        assert_eq!((priced.price, priced.unknown.len()), (Some(own), 0));

        let listed = settings.pricing(&[at("own", "anything"), at("other", "gpt-4o-mini")], true).unwrap();
        assert_eq!(listed.price, Some(Price::from_usd_per_million(0.15, 0.075, 0.6)));

        let unknown = settings.pricing(&[at("own", "anything"), at("other", "its-own")], true).unwrap();
        assert_eq!((unknown.price, unknown.unknown.as_slice()), (None, &[at("other", "its-own")][..]));
        let fault = settings.run_limits(&unknown).unwrap_err();
        assert_eq!(fault.code, "cap_without_price");
        assert!(fault.help.unwrap().contains("[endpoints.other] price_in"));
    }
}
