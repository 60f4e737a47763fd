//! The panel as text: lines for a terminal, one logfmt line for a log. Pure.

use std::fmt::Write as _;

use agentwrite::ports::RunState;
use agentwrite::sample::SampleState;

use super::view::PanelView;
use crate::tables::{clock, count, duration, one_line, percent, rate, short, usd, width};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Paint {
    Plain,
    Bold,
    Dim,
    Green,
    Yellow,
    Red,
}

impl Paint {
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Bold => Some("1"),
            Self::Dim => Some("2"),
            Self::Green => Some("32"),
            Self::Yellow => Some("33"),
            Self::Red => Some("31"),
        }
    }
}

/// A line in pieces, so that its colours don't count as columns.
#[derive(Default)]
struct Line(Vec<(Paint, String)>);

impl Line {
    /// A line that opens with its label.
    fn labelled(label: &str) -> Self {
        Self(vec![(Paint::Dim, format!("{label:<9}"))])
    }

    fn add(mut self, paint: Paint, text: impl Into<String>) -> Self {
        self.0.push((paint, text.into()));
        self
    }

    fn plain(self, text: impl Into<String>) -> Self {
        self.add(Paint::Plain, text)
    }

    fn columns(&self) -> usize {
        self.0.iter().map(|(_, text)| width(text)).sum()
    }

    /// Blanks up to a column, two at least.
    fn until_column(self, column: usize) -> Self {
        let gap = column.saturating_sub(self.columns()).max(2);
        self.plain(" ".repeat(gap))
    }

    fn write(&self, most: usize, colour: bool, out: &mut String) {
        let mut room = most;
        for (paint, text) in &self.0 {
            let fits = width(text) <= room;
            let text = if fits { text.clone() } else { cut(text, room) };
            match paint.code().filter(|_| colour && !text.is_empty()) {
                Some(code) => {
                    let _ = write!(out, "\x1b[{code}m{text}\x1b[0m");
                }
                None => out.push_str(&text),
            }
            if !fits {
                break;
            }
            room -= width(&text);
        }
        out.push('\n');
    }
}

fn cut(text: &str, room: usize) -> String {
    if room == 0 { String::new() } else { one_line(text, room) }
}

/// Where the second half of a line starts.
const SECOND: usize = 44;

/// The panel for a terminal of this width, each line ended by a line end.
pub fn render(view: &PanelView, width: usize, colour: bool) -> String {
    let mut lines = vec![head(view), samples(view, width), sections(view), calls(view), cost(view)];
    lines.extend(top(view));
    if let Some(note) = &view.note {
        lines.push(Line::default().add(Paint::Yellow, note.clone()));
    }
    let mut out = String::new();
    for line in lines {
        line.write(width, colour, &mut out);
    }
    out
}

fn head(view: &PanelView) -> Line {
    let line = Line::default()
        .add(Paint::Bold, one_line(&view.name, 40))
        .add(Paint::Dim, format!(" · {} · {}", one_line(&view.title, 60), clock(view.elapsed)));
    match (view.state, view.eta) {
        (RunState::Running | RunState::Pending, _) if view.totals.only_packing() => {
            line.plain(" · all written, packing is left")
        }
        (RunState::Running | RunState::Pending, Some(eta)) => line.plain(format!(" · about {} left", duration(eta))),
        (RunState::Running | RunState::Pending, None) => line,
        (RunState::Done, _) => line.add(Paint::Green, " · done"),
        (state, _) => {
            let reason = view.reason.as_deref().map_or(String::new(), |reason| format!(" ({})", one_line(reason, 40)));
            line.add(Paint::Yellow, format!(" · {}{reason}", state.as_str()))
        }
    }
}

fn samples(view: &PanelView, width: usize) -> Line {
    let finished = view.totals.finished() + view.totals.state(SampleState::Written);
    let cells = (width / 4).clamp(8, 24);
    let full = (cells as u64 * finished).checked_div(view.samples).unwrap_or(0) as usize;
    let line = Line::labelled("samples")
        .add(Paint::Green, "█".repeat(full))
        .add(Paint::Dim, "░".repeat(cells - full))
        .plain(format!("  {}/{} {}", count(finished), count(view.samples), percent(finished, view.samples)))
        .add(Paint::Green, format!("   ✓{}", count(view.good())))
        .add(if view.bad() > 0 { Paint::Red } else { Paint::Dim }, format!(" ✗{}", count(view.bad())))
        .plain(format!(" ⋯{}", count(view.working())));
    let cancelled = view.totals.state(SampleState::Cancelled);
    let line = if view.queued() > 0 { line.plain(format!(" queued {}", count(view.queued()))) } else { line };
    if cancelled > 0 { line.plain(format!(" cancelled {}", count(cancelled))) } else { line }
}

fn per_minute(value: Option<f64>) -> String {
    value.map_or(String::new(), |value| format!(" · {}/min", rate(value)))
}

fn sections(view: &PanelView) -> Line {
    Line::labelled("sections")
        .plain(format!("{}{}", count(view.totals.sections), per_minute(view.sections_rate)))
        .until_column(SECOND)
        .add(Paint::Dim, "words ")
        .plain(format!("{}{}", short(view.totals.words), per_minute(view.words_rate)))
}

fn calls(view: &PanelView) -> Line {
    let totals = &view.totals;
    let line = Line::labelled("calls").plain(format!("{} in flight", count(view.in_flight)));
    let line = if totals.throttled_calls > 0 {
        line.add(Paint::Yellow, format!(" · 429: {}", count(totals.throttled_calls)))
    } else {
        line
    };
    let cached = if totals.prompt_tokens > 0 {
        format!(" ({} cached)", percent(totals.cached_tokens, totals.prompt_tokens))
    } else {
        String::new()
    };
    line.until_column(SECOND).add(Paint::Dim, "tokens ").plain(format!(
        "in {}{cached} out {}",
        short(totals.prompt_tokens),
        short(totals.completion_tokens)
    ))
}

fn cost(view: &PanelView) -> Line {
    let line = Line::labelled("cost");
    if view.synthetic && !view.priced {
        return line.plain("nothing: the model is simulated, the text is synthetic");
    }
    if !view.priced {
        return line.plain("price unknown").add(Paint::Dim, " (--price-in, --price-out)");
    }
    let mut text = usd(view.totals.settled_nanousd);
    if let Some(cap) = view.cap {
        let _ = write!(text, " of {}", usd(cap));
    }
    if let Some(rate) = view.cost_rate.filter(|_| view.state == RunState::Running) {
        let _ = write!(text, " · {}/min", usd(rate as u64));
    }
    let line = line.plain(text);
    match view.projected.filter(|_| view.state != RunState::Done) {
        Some(projected) => {
            let over = view.cap.is_some_and(|cap| projected > cap);
            line.add(if over { Paint::Red } else { Paint::Plain }, format!(" · projected {}", usd(projected)))
        }
        None => line,
    }
}

fn top(view: &PanelView) -> Option<Line> {
    if view.top.is_empty() {
        return None;
    }
    let causes: Vec<String> = view.top.iter().map(|(code, samples)| format!("{code} {}", count(*samples))).collect();
    Some(
        Line::default()
            .add(Paint::Red, "✗ top    ")
            .plain(causes.join(" · "))
            .until_column(SECOND)
            .add(Paint::Dim, format!("longhand why {}", view.place)),
    )
}

/// The panel as one line of `key=value` pairs, without a line end.
pub fn logfmt(view: &PanelView) -> String {
    let mut out = String::new();
    let totals = &view.totals;
    pair(&mut out, "run", &view.name);
    pair(&mut out, "state", view.state.as_str());
    if let Some(reason) = &view.reason {
        pair(&mut out, "reason", reason);
    }
    let finished = totals.finished() + totals.state(SampleState::Written);
    pair(&mut out, "samples", &format!("{finished}/{}", view.samples));
    for (key, value) in [
        ("done", view.good()),
        ("failed", view.bad()),
        ("working", view.working()),
        ("queued", view.queued()),
        ("sections", totals.sections),
        ("words", totals.words),
        ("in_flight", view.in_flight),
        ("throttled", totals.throttled_calls),
        ("tokens_in", totals.prompt_tokens),
        ("tokens_cached", totals.cached_tokens),
        ("tokens_out", totals.completion_tokens),
    ] {
        pair(&mut out, key, &value.to_string());
    }
    if let Some(rate) = view.sections_rate {
        pair(&mut out, "sections_per_min", &format!("{rate:.1}"));
    }
    if totals.prompt_tokens > 0 {
        pair(&mut out, "cache_share", &format!("{:.3}", totals.cached_tokens as f64 / totals.prompt_tokens as f64));
    }
    if view.priced {
        pair(&mut out, "cost_usd", &format!("{:.6}", totals.settled_nanousd as f64 / 1e9));
    } else if !view.synthetic {
        pair(&mut out, "cost_usd", "unknown");
    }
    if let Some(cap) = view.cap {
        pair(&mut out, "cap_usd", &format!("{}", cap as f64 / 1e9));
    }
    if let Some(eta) = view.eta {
        pair(&mut out, "eta_s", &eta.as_secs().to_string());
    }
    if let Some((code, samples)) = view.top.first() {
        pair(&mut out, "top", &format!("{code}:{samples}"));
    }
    out
}

fn pair(out: &mut String, key: &str, value: &str) {
    if !out.is_empty() {
        out.push(' ');
    }
    let plain = !value.is_empty() && value.chars().all(|c| !c.is_whitespace() && !c.is_control() && !"\"=".contains(c));
    let _ = if plain { write!(out, "{key}={value}") } else { write!(out, "{key}={value:?}") };
}
