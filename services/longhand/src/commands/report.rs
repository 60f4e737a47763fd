//! `longhand report RUN|DIR`: a run in numbers.

mod lengths;

use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;

use agentwrite::ports::{FailureGroup, OutcomeTotals, Run, Totals};
use agentwrite::sample::SampleState;
use serde_json::{Value, json};

use crate::cli::PlaceArgs;
use crate::commands::status::{dollars, price_json, share};
use crate::fault::{Exit, Fault};
use crate::output::{put, put_json};
use crate::place::Place;
use crate::tables::{Align, Table, count, percent, plural, short, usd};
use lengths::Lengths;

/// All that a report is made from.
struct Facts {
    run: Run,
    totals: Totals,
    failures: Vec<FailureGroup>,
    codes: Vec<(String, u64)>,
    outcomes: Vec<OutcomeTotals>,
    lengths: Lengths,
}

/// Reports.
pub async fn run(config_file: Option<&Path>, args: &PlaceArgs, out: &mut dyn Write) -> Result<Exit, Fault> {
    let place = Place::read(config_file, &args.place).await?;
    let (store, id) = (&place.store, &place.run.id);
    let facts = Facts {
        totals: store.totals(id).await?,
        failures: store.failures(id).await?,
        codes: store.attempt_codes(id).await?,
        outcomes: store.attempt_outcomes(id).await?,
        lengths: Lengths::of(&store.whole_lengths(id).await?),
        run: place.run.clone(),
    };
    place.close().await;
    if args.json {
        put_json(out, &facts.json())?;
    } else {
        put(out, &facts.text())?;
    }
    Ok(Exit::Done)
}

impl Facts {
    fn outcome(&self, name: &str) -> OutcomeTotals {
        self.outcomes.iter().find(|outcome| outcome.outcome == name).cloned().unwrap_or(OutcomeTotals {
            outcome: name.to_owned(),
            attempts: 0,
            called: 0,
            cost_nanousd: 0,
            reserved_nanousd: 0,
            prompt_tokens: 0,
            completion_tokens: 0,
        })
    }

    fn text(&self) -> String {
        let mut out = format!("{}  {}  {}", self.run.name, self.run.id, self.run.state.as_str());
        if self.run.config.synthetic {
            out.push_str("  synthetic text");
        }
        out.push('\n');
        self.samples(&mut out);
        self.rejections(&mut out);
        out.push_str(&self.lengths.text());
        self.calls(&mut out);
        self.spend(&mut out);
        out
    }

    fn samples(&self, out: &mut String) {
        let all: u64 = self.totals.states.iter().sum();
        out.push_str("\nsamples\n");
        let mut table = Table::new(&[("", Align::Left), ("", Align::Right), ("", Align::Right)]);
        for state in SampleState::ALL {
            let number = self.totals.state(state);
            if number > 0 {
                table.row([state.as_str().to_owned(), count(number), percent(number, all)]);
            }
        }
        out.push_str(&table.render(2));
        let _ =
            writeln!(out, "  {} accepted, {} words", plural(self.totals.sections, "section"), count(self.totals.words));
    }

    fn rejections(&self, out: &mut String) {
        if self.failures.is_empty() {
            return;
        }
        out.push_str("\nfailed and rejected\n");
        let mut table = Table::new(&[("", Align::Left), ("", Align::Left), ("", Align::Right)]);
        for group in &self.failures {
            table.row([group.code.clone(), group.state.as_str().to_owned(), count(group.samples)]);
        }
        out.push_str(&table.render(2));
    }

    fn calls(&self, out: &mut String) {
        let totals = &self.totals;
        out.push_str("\ncalls\n");
        let mut table = Table::new(&[("", Align::Left), ("", Align::Right), ("", Align::Left)]);
        let mut line =
            |name: &str, number: u64, what: &str| table.row([name.to_owned(), count(number), what.to_owned()]);
        line("made", totals.calls, "");
        line("committed", self.outcome("committed").called, "");
        let parts = self.outcome("part").called;
        if parts > 0 {
            line("parts", parts, "cut answers that the next call continued");
        }
        line("failed", self.outcome("failed").called, "");
        line("repeated", self.outcome("wasted").called, "answers that came after another had been accepted");
        line("orphaned", self.outcome("orphaned").attempts, "their process died: paid for or not, nobody knows");
        line("in flight", self.outcome("started").attempts, "");
        line("throttled", totals.throttled_calls, "429 and the like");
        out.push_str(&table.render(2));
        if !self.codes.is_empty() {
            let codes: Vec<String> =
                self.codes.iter().map(|(code, times)| format!("{code} {}", count(*times))).collect();
            let _ = writeln!(out, "  failed tries: {}", codes.join(" · "));
        }
        let _ = writeln!(
            out,
            "  tokens: {} in, {} of them from the prefix cache ({}), {} out",
            short(totals.prompt_tokens),
            short(totals.cached_tokens),
            percent(totals.cached_tokens, totals.prompt_tokens),
            short(totals.completion_tokens)
        );
    }

    fn spend(&self, out: &mut String) {
        out.push_str("\nspend\n");
        if self.run.limits.price.is_none() && self.totals.settled_nanousd == 0 {
            let why = if self.run.config.synthetic { "nothing: the model is simulated" } else { "price unknown" };
            let _ = writeln!(out, "  {why}");
            return;
        }
        let mut table = Table::new(&[("", Align::Left), ("", Align::Right), ("", Align::Left)]);
        let mut line = |name: &str, nano: u64, what: &str| table.row([name.to_owned(), usd(nano), what.to_owned()]);
        let of_all = self.run.limits.price.is_some();
        line(
            "settled",
            self.totals.settled_nanousd,
            if of_all { "" } else { "price unknown for some endpoints: more" },
        );
        line("of it unused", self.outcome("failed").cost_nanousd, "answers that failed");
        line("of it repeated", self.outcome("wasted").cost_nanousd, "answers that came too late");
        if let Some(saved) = self.saved() {
            line("saved", saved, "by the prefix cache");
        }
        line("suspect", self.outcome("orphaned").reserved_nanousd, "reserved by calls whose process died");
        line("reserved", self.outcome("started").reserved_nanousd, "by calls in flight");
        if let Some(cap) = self.run.limits.max_cost_nanousd {
            line("cap", cap, "");
        }
        out.push_str(&table.render(2));
    }

    /// What the prompt tokens from the cache would have cost more without one, in nano-USD.
    fn saved(&self) -> Option<u64> {
        let price = self.run.limits.price?;
        Some(self.totals.cached_tokens * price.input.saturating_sub(price.cached))
    }

    fn json(&self) -> Value {
        let totals = &self.totals;
        let states: serde_json::Map<String, Value> =
            SampleState::ALL.into_iter().map(|state| (state.as_str().to_owned(), totals.state(state).into())).collect();
        let causes: Vec<Value> = self
            .failures
            .iter()
            .map(|group| json!({"code": group.code, "state": group.state, "samples": group.samples}))
            .collect();
        let codes: serde_json::Map<String, Value> =
            self.codes.iter().map(|(code, times)| (code.clone(), (*times).into())).collect();
        let cost = |name: &str| dollars(self.outcome(name).cost_nanousd);
        json!({
            "schema": 1, "run": self.run.id, "name": self.run.name, "state": self.run.state,
            "synthetic": self.run.config.synthetic,
            "samples": states, "causes": causes, "sections": totals.sections, "words": totals.words,
            "lengths": self.lengths.json(),
            "calls": {
                "total": totals.calls, "committed": self.outcome("committed").called,
                "parts": self.outcome("part").called, "failed": self.outcome("failed").called,
                "repeated": self.outcome("wasted").called,
                "orphaned": self.outcome("orphaned").attempts, "in_flight": self.outcome("started").attempts,
                "throttled": totals.throttled_calls, "failed_by_code": codes,
            },
            "tokens": {
                "prompt": totals.prompt_tokens, "cached": totals.cached_tokens, "completion": totals.completion_tokens,
                "cache_share": share(totals.cached_tokens, totals.prompt_tokens),
            },
            "spend_usd": {
                "settled": dollars(totals.settled_nanousd), "failed": cost("failed"), "wasted": cost("wasted"),
                "suspect": dollars(self.outcome("orphaned").reserved_nanousd),
                "reserved": dollars(self.outcome("started").reserved_nanousd),
                "saved_by_cache": self.saved().map(dollars),
                "cap": self.run.limits.max_cost_nanousd.map(dollars), "price_known": self.run.limits.price.is_some(),
                "price_usd_per_million": self.run.limits.price.as_ref().map(price_json),
            },
        })
    }
}
