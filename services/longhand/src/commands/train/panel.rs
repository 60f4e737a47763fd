//! Training as people see it: lines for a terminal, one logfmt line for a log. Rendering is pure.

use std::fmt::Write as _;
use std::time::Duration;

use agentwrite::ids::Timestamp;
use agentwrite::ports::Clock as _;
use trainer::{Phase, Standing};
use worker::SystemClock;

use crate::panel::{Panel, Surface};
use crate::tables::{bytes, count, duration, one_line, percent};

/// Columns of a label.
const LABEL: usize = 9;

/// What does not change.
#[derive(Debug, Clone)]
pub struct Title {
    /// The job.
    pub job: String,
    /// `sft` or `dpo`.
    pub kind: &'static str,
    /// The model that it starts from.
    pub model: String,
}

/// The panel of a job.
pub struct TrainPanel {
    title: Title,
    panel: Panel,
    pace: Pace,
}

/// Steps and when they were first seen, to tell how long the rest takes.
#[derive(Debug, Default)]
pub struct Pace {
    since: Option<(u32, u32, u64, Timestamp)>,
}

impl Pace {
    /// The time that the round still takes, once a few steps were seen of this session.
    pub fn left(&mut self, standing: &Standing) -> Option<Duration> {
        let (round, session, step, at) = (standing.round, standing.session, standing.step, standing.at);
        let since = self.since.filter(|since| (since.0, since.1) == (round, session) && since.2 <= step);
        let (_, _, first, began) = *self.since.insert(since.unwrap_or((round, session, step, at)));
        let (done, left) = (step - first, standing.of?.saturating_sub(step));
        (done >= 2).then(|| at.since(began).mul_f64(left as f64 / done as f64))
    }
}

impl TrainPanel {
    /// On stderr.
    pub fn new(title: Title) -> Self {
        Self { title, panel: Panel::new(), pace: Pace::default() }
    }

    /// Shows where it stands; the last one stays.
    pub fn show(&mut self, standing: &Standing, last: bool) {
        let left = self.pace.left(standing);
        let (title, panel) = (&self.title, &mut self.panel);
        // By the clock: a backend's first step may take long, and a log wants its line then too.
        panel.show_text(
            SystemClock.now(),
            last,
            |columns| render(title, standing, left, columns),
            || logfmt(title, standing, left),
        );
    }
}

/// The lines of a panel, each ended by a line end.
pub fn render(title: &Title, standing: &Standing, left: Option<Duration>, columns: usize) -> String {
    let mut lines = vec![("train", format!("{} · {} · {}", title.kind, title.model, title.job))];
    let mut state = standing.phase.as_str().to_owned();
    if standing.round > 0 {
        let _ = write!(state, " · round {}: {} shards, ", standing.round, standing.shards);
        let _ = write!(state, "{} rows x {} epochs", count(standing.rows), standing.epochs);
    }
    lines.push(("state", state));
    if let Some(of) = standing.of {
        let mut steps = format!("{} of {} ({})", count(standing.step), count(of), percent(standing.step, of));
        if let Some(epoch) = standing.epoch {
            let _ = write!(steps, " · epoch {epoch}");
        }
        if let Some(left) = left.filter(|_| standing.phase == Phase::Training) {
            let _ = write!(steps, " · {} left", duration(left));
        }
        lines.push(("steps", steps));
    }
    if let (Some(loss), Some(rate)) = (standing.loss, standing.learning_rate) {
        let mut line = format!("{loss:.4} · rate {rate:.2e}");
        if let Some(speed) = standing.tokens_per_second {
            let _ = write!(line, " · {} tokens/s", count(speed as u64));
        }
        if let Some(memory) = standing.memory_bytes {
            let _ = write!(line, " · {}", bytes(memory));
        }
        lines.push(("loss", line));
    }
    if standing.session > 0 {
        let at = standing.checkpoint.map_or_else(|| "none yet".to_owned(), |step| format!("at step {}", count(step)));
        let mut line = format!("checkpoint {at}");
        if standing.session > 1 {
            let _ = write!(line, " · {} starts, {} steps done again", standing.session, count(standing.redone_steps));
        }
        if standing.other_lines > 0 {
            let _ = write!(line, " · {} lines that are no events", count(standing.other_lines));
        }
        lines.push(("saved", line));
    }
    lines.extend(standing.note.clone().map(|note| ("note", note)));
    lines.iter().fold(String::new(), |mut text, (label, line)| {
        let _ = writeln!(text, "{label:<LABEL$}{}", one_line(line, columns.saturating_sub(LABEL)));
        text
    })
}

/// The same as one line of a log.
pub fn logfmt(title: &Title, standing: &Standing, left: Option<Duration>) -> String {
    let mut line = format!(
        "train={} job={} phase={} round={} session={} step={}",
        title.kind,
        title.job,
        standing.phase.as_str(),
        standing.round,
        standing.session,
        standing.step
    );
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = write!(line, " {name}={value}");
        }
    };
    add("steps", standing.of.map(|of| of.to_string()));
    add("loss", standing.loss.map(|loss| format!("{loss:.4}")));
    add("rate", standing.learning_rate.map(|rate| format!("{rate:.2e}")));
    add("tokens_per_s", standing.tokens_per_second.map(|speed| format!("{speed:.0}")));
    add("memory_bytes", standing.memory_bytes.map(|memory| memory.to_string()));
    add("checkpoint", standing.checkpoint.map(|step| step.to_string()));
    add("redone", (standing.redone_steps > 0).then(|| standing.redone_steps.to_string()));
    add("other_lines", (standing.other_lines > 0).then(|| standing.other_lines.to_string()));
    add("eta_s", left.map(|left| left.as_secs().to_string()));
    add("note", standing.note.as_ref().map(|note| format!("{note:?}")));
    line
}

/// As `train status` prints it.
pub fn on_stdout(title: &Title, standing: &Standing) -> String {
    let columns = match Surface::of_stdout() {
        Surface::Terminal { columns, .. } => columns,
        Surface::Log => 160,
    };
    render(title, standing, None, columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_at_work_in_lines_and_in_one() {
        let title = Title { job: "trn_a".to_owned(), kind: "sft", model: "base".to_owned() };
        let mut standing = Standing {
            phase: Phase::Training,
            round: 2,
            shards: 3,
            rows: 1_200,
            epochs: 4,
            step: 10,
            of: Some(400),
            session: 2,
            redone_steps: 7,
            checkpoint: Some(8),
            loss: Some(1.5),
            learning_rate: Some(1e-4),
            tokens_per_second: Some(24_312.4),
            ..Standing::default()
        };
        let mut pace = Pace::default();
        assert_eq!(pace.left(&standing), None);
        (standing.step, standing.at) = (20, Timestamp(10_000));
        let left = pace.left(&standing);
        assert_eq!(left, Some(Duration::from_secs(380)));
        assert_eq!(
            render(&title, &standing, left, 100),
            "train    sft · base · trn_a\n\
             state    training · round 2: 3 shards, 1,200 rows x 4 epochs\n\
             steps    20 of 400 (5.0 %) · 6 min left\n\
             loss     1.5000 · rate 1.00e-4 · 24,312 tokens/s\n\
             saved    checkpoint at step 8 · 2 starts, 7 steps done again\n"
        );
        assert_eq!(
            logfmt(&title, &standing, left),
            "train=sft job=trn_a phase=training round=2 session=2 step=20 steps=400 loss=1.5000 rate=1.00e-4 \
             tokens_per_s=24312 checkpoint=8 redone=7 eta_s=380"
        );
        // A new session is another pace.
        (standing.session, standing.step) = (3, 8);
        assert_eq!(pace.left(&standing), None);
    }
}
