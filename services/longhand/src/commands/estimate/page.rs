//! An estimate as it is printed.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use agentwrite::estimate::{Band, Totals};
use serde_json::{Value, json};

use super::outlook::Outlook;
use super::sampling::Sampled;
use crate::commands::status::{dollars, limits_json};
use crate::settings::Pricing;
use crate::tables::{Align, Table, count, duration, percent, plural, short, usd};

/// The estimate before a paid run, in two lines.
pub fn rough(outlook: &Outlook) -> String {
    let all = &outlook.all;
    let spend = spend_text(outlook).unwrap_or_else(|| "price unknown".to_owned());
    let cap = outlook.limits.max_cost_nanousd.map_or(String::new(), |cap| format!(", cap {}", usd(cap)));
    format!(
        "{}, {}, about {} words each\nestimate: {spend}{cap}; {} prompt tokens ({} of them from the prefix cache where it \
         works), {} answer tokens; about {}\n",
        plural(all.samples, "sample"),
        plural(all.calls, "call"),
        count(all.words / all.samples.max(1)),
        short(all.prompt_tokens as u64),
        cache_share(all),
        short(all.answer_tokens as u64),
        duration(Duration::from_secs_f64(outlook.bounds().longest().1)),
    )
}

fn spend_text(outlook: &Outlook) -> Option<String> {
    outlook.spend().map(|(low, high)| range(low, high))
}

fn range(low: u64, high: u64) -> String {
    let (low, high) = (usd(low), usd(high));
    if low == high { low } else { format!("{low} to {high}") }
}

fn cache_share(totals: &Totals) -> String {
    percent(totals.cached_tokens as u64, totals.prompt_tokens as u64)
}

/// For people.
pub fn text(file: &Path, outlook: &Outlook, pricing: &Pricing, sampled: Option<&Sampled>) -> String {
    let all = &outlook.all;
    let mut out = format!(
        "{}  {}, {}, {} words\n\n",
        file.display(),
        plural(all.samples, "sample"),
        plural(all.sections, "section"),
        count(all.words)
    );
    out.push_str(&table(outlook));
    out.push('\n');
    let mut line = |name: &str, text: String| {
        let _ = writeln!(out, "{name:<10} {text}");
    };
    let again = (all.calls as f64 * outlook.assumptions.retry_share).ceil() as u64;
    line("calls", format!("{}, up to {} if {} are repeated", count(all.calls), count(all.calls + again), count(again)));
    line(
        "prompts",
        format!(
            "{} tokens; a prefix cache serves up to {} of them ({})",
            short(all.prompt_tokens as u64),
            short(all.cached_tokens as u64),
            cache_share(all)
        ),
    );
    line("answers", format!("{} tokens", short(all.answer_tokens as u64)));
    line("spend", spend(outlook));
    if let Some(cap) = outlook.limits.max_cost_nanousd {
        line("cap", cap_text(outlook, cap));
    }
    line("time", time(outlook));
    if let Some(sampled) = sampled {
        line("sampled", of_sample(sampled));
    }
    line("assumed", assumed(outlook));
    if let Some(note) = pricing.note() {
        line("", note);
    }
    out
}

fn table(outlook: &Outlook) -> String {
    let mut table = Table::new(&[
        ("required words", Align::Left),
        ("samples", Align::Right),
        ("sections", Align::Right),
        ("words", Align::Right),
        ("calls", Align::Right),
        ("prompt tokens", Align::Right),
        ("cacheable", Align::Right),
        ("answer tokens", Align::Right),
        ("spend", Align::Right),
    ]);
    let mut row = |name: &str, totals: &Totals| {
        let spend = outlook.limits.price.map(|price| totals.spend(&price, &outlook.assumptions));
        table.row([
            name.to_owned(),
            count(totals.samples),
            count(totals.sections),
            short(totals.words),
            count(totals.calls),
            short(totals.prompt_tokens as u64),
            cache_share(totals),
            short(totals.answer_tokens as u64),
            spend.map_or("unknown".to_owned(), |(low, high)| range(low, high)),
        ]);
    };
    for (band, totals) in &outlook.bands {
        row(band.as_str(), totals);
    }
    if outlook.bands.len() > 1 {
        row("all", &outlook.all);
    }
    table.render(0)
}

fn spend(outlook: &Outlook) -> String {
    let Some((low, high)) = outlook.spend() else {
        return "price unknown (--price-in, --price-cached, --price-out, or [prices] file)".to_owned();
    };
    format!("{}: with a cache that works and no call repeated; without a cache and with repeats", range(low, high))
}

fn cap_text(outlook: &Outlook, cap: u64) -> String {
    let word = match outlook.spend() {
        Some((_, high)) if high <= cap => "enough for all of it",
        Some((low, _)) if low <= cap => "enough if the cache works; the run stops there (exit 5) and can be resumed",
        _ => "not enough: the run stops there (exit 5) and can be resumed with a higher one",
    };
    format!("{}: {word}", usd(cap))
}

fn time(outlook: &Outlook) -> String {
    let bounds = outlook.bounds();
    let (name, seconds) = bounds.longest();
    let text = |seconds: f64| duration(Duration::from_secs_f64(seconds));
    let others: Vec<String> = bounds
        .named()
        .into_iter()
        .filter(|(other, seconds)| *other != name && *seconds > 0.0)
        .map(|(other, seconds)| format!("{other} {}", text(seconds)))
        .collect();
    format!("about {}, bounded by {name} (then {})", text(seconds), others.join(", "))
}

fn of_sample(sampled: &Sampled) -> String {
    let cost = sampled.cost.map_or("price unknown".to_owned(), usd);
    let mut text = format!(
        "{} plans of {}: {} prompt and {} answer tokens, {cost}",
        sampled.plans(),
        plural(sampled.calls, "call"),
        short(sampled.usage.prompt_tokens),
        short(sampled.usage.completion_tokens)
    );
    if !sampled.failures.is_empty() {
        let failures: Vec<String> = sampled.failures.iter().map(|(code, times)| format!("{code} {times}")).collect();
        let _ = write!(text, "; not usable: {}", failures.join(", "));
    }
    text
}

fn assumed(outlook: &Outlook) -> String {
    let assumed = &outlook.assumptions;
    let limits = &outlook.limits;
    let limit = |limit: Option<u32>, what: &str| {
        limit.map_or(String::new(), |limit| format!(", {} {what} a minute", count(limit.into())))
    };
    let words = outlook.bands.iter().find(|(band, _)| *band == Band::None).map_or(String::new(), |_| {
        format!(", {} words where no length is required", count(assumed.words_without_length.into()))
    });
    format!(
        "{:.0} words a section{words}; {:.2} s to the first token, then {:.0} tokens/s; {} at once{}{}",
        assumed.words_per_step,
        assumed.first_token_seconds,
        assumed.tokens_per_second,
        plural(limits.concurrency.into(), "call"),
        limit(limits.rpm, "requests"),
        limit(limits.tpm, "tokens"),
    )
}

/// For programs.
pub fn json(file: &Path, outlook: &Outlook, pricing: &Pricing, sampled: Option<&Sampled>) -> Value {
    let of_bands = outlook.bands.iter().map(|(band, totals)| {
        let mut of_band = totals_json(totals, outlook);
        of_band["required_words"] = json!(band.as_str());
        of_band
    });
    let listed = pricing
        .listed
        .iter()
        .map(|entry| json!({"model": entry.name, "as_of": entry.as_of, "source": entry.source}))
        .collect::<Vec<_>>();
    let mut value = totals_json(&outlook.all, outlook);
    value["schema"] = json!(1);
    value["instructions"] = json!(file.display().to_string());
    value["seconds"] = seconds_json(outlook);
    value["price"] = json!({"known": outlook.limits.price.is_some(), "listed": listed});
    value["limits"] = limits_json(&outlook.limits);
    value["assumptions"] = json!(outlook.assumptions);
    value["bands"] = of_bands.collect();
    value["sampled"] = sampled.map_or(Value::Null, sampled_json);
    value
}

fn seconds_json(outlook: &Outlook) -> Value {
    let bounds = outlook.bounds();
    let (bound, seconds) = bounds.longest();
    json!({
        "expected": seconds, "high": seconds * (1.0 + outlook.assumptions.retry_share), "bound": bound,
        "bounds": {
            "concurrency": bounds.concurrency, "longest_chain": bounds.chain,
            "requests_per_minute": bounds.requests, "tokens_per_minute": bounds.tokens,
        },
    })
}

fn sampled_json(sampled: &Sampled) -> Value {
    let usage = &sampled.usage;
    json!({
        "calls": sampled.calls, "plans": sampled.plans(), "failures": sampled.failures,
        "tokens": {
            "prompt": usage.prompt_tokens, "cached": usage.cached_tokens, "completion": usage.completion_tokens,
        },
        "spend_usd": sampled.cost.map(dollars),
    })
}

fn totals_json(totals: &Totals, outlook: &Outlook) -> Value {
    let spend = outlook.limits.price.map(|price| totals.spend(&price, &outlook.assumptions));
    let high = (totals.calls as f64 * (1.0 + outlook.assumptions.retry_share)).ceil() as u64;
    let share = (totals.prompt_tokens > 0.0).then(|| totals.cached_tokens / totals.prompt_tokens);
    json!({
        "samples": totals.samples, "sections": totals.sections, "words": totals.words,
        "calls": {"expected": totals.calls, "high": high},
        "tokens": {
            "prompt": totals.prompt_tokens as u64, "cached": totals.cached_tokens as u64,
            "completion": totals.answer_tokens as u64, "cache_share": share,
        },
        "spend_usd": spend.map(|(low, high)| json!({"low": dollars(low), "high": dollars(high)})),
    })
}
