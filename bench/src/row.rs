//! A measured row, the table, the JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// Whether a larger or a smaller figure is better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// At most this.
    AtMost(f64),
    /// At least this.
    AtLeast(f64),
}

/// One row.
#[derive(Debug, Clone)]
pub struct Row {
    /// What is measured.
    pub name: String,
    /// The figure, in `unit`.
    pub measured: f64,
    /// The bound that no program can beat, in `unit`, where there is one.
    pub bound: Option<f64>,
    /// The unit of both.
    pub unit: &'static str,
    /// The figure that is held against the goal: the ratio of the two, or `measured` itself.
    pub judged: f64,
    /// The goal.
    pub goal: Goal,
    /// Whether it is met.
    pub ok: bool,
    /// Everything else that was seen.
    pub detail: Value,
}

impl Row {
    /// A row whose ratio to its bound is held against the goal.
    pub fn ratio(name: &str, measured: f64, bound: f64, unit: &'static str, goal: Goal, detail: Value) -> Self {
        let judged = measured / bound;
        let ok = goal.is_met(judged);
        Self { name: name.to_owned(), measured, bound: Some(bound), unit, judged, goal, ok, detail }
    }

    /// A row whose figure is held against the goal.
    pub fn figure(name: &str, measured: f64, unit: &'static str, goal: Goal, detail: Value) -> Self {
        let ok = goal.is_met(measured);
        Self { name: name.to_owned(), measured, bound: None, unit, judged: measured, goal, ok, detail }
    }

    /// The same with a bound beside it.
    pub fn figure_over(name: &str, measured: f64, bound: f64, unit: &'static str, goal: Goal, detail: Value) -> Self {
        Self { bound: Some(bound), ..Self::figure(name, measured, unit, goal, detail) }
    }

    /// A row that could not be measured.
    pub fn failed(name: &str) -> Self {
        let goal = Goal::AtMost(0.0);
        Self {
            name: format!("{name}: could not be measured"),
            measured: f64::NAN,
            bound: None,
            unit: "",
            judged: f64::NAN,
            goal,
            ok: false,
            detail: Value::Null,
        }
    }

    /// As one line of the table.
    pub fn line(&self) -> String {
        let bound = self.bound.map_or("-".to_owned(), |bound| format!("{bound:.2} {}", self.unit));
        let ratio = self.bound.map_or("-".to_owned(), |bound| format!("{:.3}", self.measured / bound));
        let ok = if self.ok { "ok" } else { "MISSED" };
        format!(
            "| {} | {:.2} {} | {bound} | {ratio} | {} | {ok} |",
            self.name,
            self.measured,
            self.unit,
            self.goal.text()
        )
    }
}

impl Goal {
    fn is_met(self, figure: f64) -> bool {
        match self {
            Self::AtMost(most) => figure <= most,
            Self::AtLeast(least) => figure >= least,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtMost(most) => format!("<= {most}"),
            Self::AtLeast(least) => format!(">= {least}"),
        }
    }
}

/// The table, as Markdown.
pub fn table(rows: &[Row]) -> String {
    let mut out =
        "| row | measured | lower bound | ratio | goal | |\n| --- | --- | --- | --- | --- | --- |\n".to_owned();
    for row in rows {
        let _ = writeln!(out, "{}", row.line());
    }
    out
}

/// The results as JSON, with the size of the machine.
pub fn json(rows: &[Row]) -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let rows: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({"name": row.name, "measured": row.measured, "unit": row.unit, "bound": row.bound,
                "judged": row.judged, "goal": row.goal.text(), "ok": row.ok, "detail": row.detail})
        })
        .collect();
    let mut text = serde_json::to_string_pretty(&json!({"schema": 1, "cores": cores, "rows": rows}))
        .expect("numbers and texts are JSON");
    text.push('\n');
    text
}

/// The middle one of some figures.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
