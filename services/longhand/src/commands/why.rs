//! `longhand why RUN|DIR`: failures by root cause, an example each, the command that helps.

use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;

use agentwrite::failure::{ErrorCode, FailureClass};
use agentwrite::ports::{FailureGroup, Run, RunState, Totals};
use agentwrite::sample::SampleState;
use serde_json::{Value, json};

use crate::cli::PlaceArgs;
use crate::fault::{Exit, Fault};
use crate::output::{put, put_json};
use crate::place::Place;
use crate::tables::{Align, Table, count, one_line, percent, plural};

/// Characters of an offending answer that are shown.
const EVIDENCE: usize = 200;

/// Explains.
pub async fn run(config_file: Option<&Path>, args: &PlaceArgs, out: &mut dyn Write) -> Result<Exit, Fault> {
    let place = Place::read(config_file, &args.place).await?;
    let totals = place.store.totals(&place.run.id).await?;
    let groups = place.store.failures(&place.run.id).await?;
    let codes = place.store.attempt_codes(&place.run.id).await?;
    place.close().await;
    if args.json {
        put_json(out, &as_json(&place.run, &totals, &groups, &codes, &place.name))?;
    } else {
        put(out, &as_text(&place.run, &totals, &groups, &codes, &place.name))?;
    }
    Ok(Exit::Done)
}

/// What helps against one cause.
struct Remedy {
    /// Whether the same thing done again may end well.
    retry_helps: bool,
    /// What to change, in words.
    advice: &'static str,
    /// The command.
    command: String,
}

impl Remedy {
    fn of(group: &FailureGroup, place: &str) -> Self {
        let Ok(code) = group.code.parse::<ErrorCode>() else {
            let command = format!("longhand inspect {} --in {place} --json", group.example);
            return Self { retry_helps: false, advice: "look at the example", command };
        };
        let again = format!("longhand retry {place} --error {code}");
        let other_model = || format!("{again} --model NAME");
        let (retry_helps, command) = match code {
            ErrorCode::Refusal | ErrorCode::ContentFilter | ErrorCode::ContextTooSmall => (false, other_model()),
            ErrorCode::EvalOverlap | ErrorCode::Internal | ErrorCode::CrashLoop => {
                (false, format!("longhand inspect {} --in {place} --json", group.example))
            }
            ErrorCode::Cancelled => (true, again),
            _ if group.state == SampleState::Rejected => (true, again),
            code => (code.class() != FailureClass::Permanent, again),
        };
        Self { retry_helps, advice: code.help(), command }
    }

    fn words(&self, state: SampleState) -> &'static str {
        match (self.retry_helps, state) {
            (true, SampleState::Rejected) => "a retry writes the whole text anew",
            (true, _) => "a retry goes on at the first section that is missing",
            (false, _) => "a retry as it is will fail again",
        }
    }
}

fn as_text(run: &Run, totals: &Totals, groups: &[FailureGroup], codes: &[(String, u64)], place: &str) -> String {
    let mut out = String::new();
    if matches!(run.state, RunState::Paused | RunState::Failed) {
        let reason = run.reason.as_deref().unwrap_or("user");
        let help = reason.parse::<ErrorCode>().ok().map_or(String::new(), |code| format!(": {}", code.help()));
        let _ = writeln!(out, "the run is {} ({reason}){help}\n", run.state.as_str());
    }
    let bad: u64 = groups.iter().map(|group| group.samples).sum();
    let finished = totals.finished();
    if bad == 0 {
        let _ = writeln!(out, "nothing failed: {} finished, of {}", count(finished), count(totals.states.iter().sum()));
    } else {
        let _ = writeln!(
            out,
            "{} of {} finished samples failed or were rejected ({}) · {}",
            count(bad),
            count(finished),
            percent(bad, finished),
            plural(groups.len() as u64, "cause")
        );
    }
    for group in groups {
        out.push('\n');
        describe(&mut out, group, place);
    }
    if !codes.is_empty() {
        out.push_str("\ntries that failed, also of samples that made it\n");
        let mut table = Table::new(&[("", Align::Right), ("", Align::Left), ("", Align::Left)]);
        for (code, times) in codes {
            let help = code.parse::<ErrorCode>().map_or("", ErrorCode::help);
            table.row([count(*times), code.clone(), help.to_owned()]);
        }
        out.push_str(&table.render(1));
    }
    out
}

fn describe(out: &mut String, group: &FailureGroup, place: &str) {
    let remedy = Remedy::of(group, place);
    let code = if group.code.is_empty() { "unknown" } else { &group.code };
    let _ = writeln!(out, "{:>4}  {code}  ({})", count(group.samples), group.state.as_str());
    if !group.reason.is_empty() {
        let _ = writeln!(out, "      {}", one_line(&group.reason, EVIDENCE));
    }
    if let Some(evidence) = group.evidence.as_ref().filter(|text| !text.trim().is_empty()) {
        let _ = writeln!(out, "      » {}", one_line(evidence, EVIDENCE));
    }
    let _ = writeln!(out, "      first   longhand inspect {} --in {place}", group.example);
    let _ = writeln!(out, "      retry   {}", remedy.words(group.state));
    let _ = writeln!(out, "      advice  {}", remedy.advice);
    let _ = writeln!(out, "      fix     {}", remedy.command);
}

fn as_json(run: &Run, totals: &Totals, groups: &[FailureGroup], codes: &[(String, u64)], place: &str) -> Value {
    let causes: Vec<Value> = groups
        .iter()
        .map(|group| {
            let remedy = Remedy::of(group, place);
            let evidence: Option<String> = group.evidence.as_ref().map(|text| text.chars().take(EVIDENCE).collect());
            json!({
                "state": group.state, "code": group.code, "samples": group.samples, "example": group.example,
                "reason": group.reason, "evidence": evidence, "retry_helps": remedy.retry_helps,
                "advice": remedy.advice, "command": remedy.command,
            })
        })
        .collect();
    let tries: Vec<Value> = codes.iter().map(|(code, times)| json!({"code": code, "times": times})).collect();
    json!({
        "schema": 1, "run": run.id, "state": run.state, "reason": run.reason, "finished": totals.finished(),
        "samples": totals.states.iter().sum::<u64>(), "causes": causes, "failed_tries": tries,
    })
}
