//! A sample as a page for people, and as JSON.

use std::fmt::Write as _;
use std::time::Duration;

use agentwrite::failure::ErrorCode;
use agentwrite::length::{Bound, LengthSource, RequiredLength};
use agentwrite::ports::{AttemptRow, Run, SampleDetail};
use agentwrite::sample::{SampleState, Section};
use serde_json::{Value, json};

use crate::commands::status::dollars;
use crate::tables::{Align, Table, count, duration, one_line, rfc3339, usd};

/// Columns of a main point.
const POINT: usize = 48;
/// Columns of an instruction, a reason, an answer.
const LONG: usize = 160;

/// The page.
pub(super) fn text(run: &Run, detail: &SampleDetail, place: &str) -> String {
    let mut out = head(run, detail);
    if let Some(plan) = sections(detail) {
        out.push('\n');
        out.push_str(&plan);
    }
    tries(&mut out, detail);
    let sample = &detail.row.sample;
    let _ = match detail.row.state {
        SampleState::Failed | SampleState::Rejected | SampleState::Cancelled => {
            writeln!(out, "\nnext     longhand retry {place} {sample}")
        }
        _ if detail.row.sections > 0 => writeln!(out, "\nnext     longhand inspect {sample} --in {place} --text"),
        _ => Ok(()),
    };
    out
}

fn head(run: &Run, detail: &SampleDetail) -> String {
    let row = &detail.row;
    let mut table = Table::new(&[("", Align::Left), ("", Align::Left)]);
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            table.row([name.to_owned(), value]);
        }
    };
    let own = row.id.as_ref().map_or(String::new(), |id| format!(" · id {}", one_line(id, 40)));
    line("sample", format!("{} · row {}{own}", row.sample, row.ordinal + 1));
    line("state", state(detail));
    if let Some(reason) = &row.reason {
        let code = row.code.as_deref().unwrap_or("unknown");
        let reason = one_line(reason, LONG);
        line("why", if reason.is_empty() { code.to_owned() } else { format!("{code}: {reason}") });
        line("help", row.code.as_deref().and_then(help).unwrap_or_default().to_owned());
    }
    line("asked", one_line(detail.context.input.instruction(), LONG));
    line("required", detail.context.input.length.as_ref().map_or("no length".to_owned(), required));
    line("written", written(detail));
    line("model", model(run, detail));
    line("cost", cost(detail));
    table.render(0)
}

fn help(code: &str) -> Option<&'static str> {
    code.parse::<ErrorCode>().ok().map(ErrorCode::help)
}

fn state(detail: &SampleDetail) -> String {
    let row = &detail.row;
    let mut text = row.state.as_str().to_owned();
    if row.places > 0 {
        let _ = write!(text, ", {} of {} sections", row.sections, row.places);
    }
    if row.generation > 0 {
        let _ = write!(text, ", retried {} times", row.generation);
    }
    if detail.context.revision > 0 {
        let _ = write!(text, ", revision {}", detail.context.revision);
    }
    text
}

fn required(length: &RequiredLength) -> String {
    let (low, high) = (count(length.low.into()), count(length.high.into()));
    let words = match length.bound {
        Bound::About => format!("about {high} words"),
        Bound::AtLeast => format!("at least {low} words"),
        Bound::AtMost => format!("at most {high} words"),
        Bound::Range => format!("{low} to {high} words"),
    };
    let source = match length.source {
        LengthSource::Column => "from the row",
        LengthSource::Read => "read from the instruction",
    };
    format!("{words}, {source}")
}

fn written(detail: &SampleDetail) -> String {
    let words = format!("{} words", count(detail.row.words));
    let Some(verdict) = &detail.verdict else { return words };
    let score = verdict.length_score.map_or(String::new(), |score| format!(", S_l {score:.1}"));
    let language = verdict.language.as_ref().map_or(String::new(), |language| format!(", language {language}"));
    let flags = if verdict.flags.is_empty() { String::new() } else { format!(", flags {}", verdict.flags.join(" ")) };
    format!("{words}{score}{language}{flags}")
}

fn model(run: &Run, detail: &SampleDetail) -> String {
    if let Some(model) = &detail.context.model {
        return format!("{model} (chosen for this sample)");
    }
    let (plan, write) = (&run.config.text.plan.model, &run.config.text.write.model);
    if plan == write { write.clone() } else { format!("{write}, planned by {plan}") }
}

fn cost(detail: &SampleDetail) -> String {
    let priced = detail.attempts.iter().any(|attempt| attempt.cost_nanousd.is_some());
    let nano: u64 = detail.attempts.iter().filter_map(|attempt| attempt.cost_nanousd).sum();
    if priced { usd(nano) } else { String::new() }
}

fn seconds(attempt: &AttemptRow) -> Option<Duration> {
    attempt.ended_at.map(|end| end.since(attempt.started_at))
}

/// All tries at one place, in any revision.
fn tries_at<'a>(detail: &'a SampleDetail, kind: &'a str, place: u32) -> impl Iterator<Item = &'a AttemptRow> {
    detail.attempts.iter().filter(move |attempt| attempt.kind == kind && attempt.place == place)
}

/// The plan, a line per section; none without a plan and without a try at one.
fn sections(detail: &SampleDetail) -> Option<String> {
    let mut table = Table::new(&[
        ("", Align::Left),
        ("section", Align::Left),
        ("target", Align::Right),
        ("words", Align::Right),
        ("in", Align::Right),
        ("cached", Align::Right),
        ("out", Align::Right),
        ("time", Align::Right),
        ("tries", Align::Right),
        ("flags", Align::Left),
        ("main point", Align::Left),
    ]);
    let planned: Vec<&AttemptRow> = tries_at(detail, "plan", 0).collect();
    if planned.is_empty() && detail.context.plan.is_none() {
        return None;
    }
    let steps = detail.context.plan.as_ref().map_or(&[][..], |plan| &plan.steps);
    let answer = planned.iter().rev().find(|attempt| attempt.outcome == "committed").copied();
    let sign = if detail.context.plan.is_some() { "✓" } else { mark(detail, &planned, true) };
    let total = detail.context.plan.as_ref().map_or(String::new(), |plan| count(plan.total().into()));
    table.row(line(sign, "plan", [total, String::new()], answer, planned.len(), "", ""));
    let mut missing_before = detail.context.plan.is_none();
    for (place, step) in (0..).zip(steps) {
        let section = detail.context.sections.iter().find(|section| section.place == place);
        let tries: Vec<&AttemptRow> = tries_at(detail, "section", place).collect();
        let answer = section.and_then(|section| answer_of(&tries, section));
        let sign = if section.is_some() { "✓" } else { mark(detail, &tries, !missing_before) };
        missing_before |= section.is_none();
        let words = section.map_or(String::new(), |section| count(section.words.into()));
        let flags = section.map_or(String::new(), |section| section.flags.join(" "));
        let (number, point) = ((place + 1).to_string(), one_line(&step.main_point, POINT));
        table.row(line(sign, &number, [count(step.words.into()), words], answer, tries.len(), &flags, &point));
    }
    Some(table.render(0))
}

fn answer_of<'a>(tries: &[&'a AttemptRow], section: &Section) -> Option<&'a AttemptRow> {
    tries.iter().find(|attempt| attempt.attempt == section.attempt).copied()
}

/// How a place without a result stands.
fn mark(detail: &SampleDetail, tries: &[&AttemptRow], first_missing: bool) -> &'static str {
    if tries.iter().any(|attempt| attempt.outcome == "started") {
        "⋯"
    } else if detail.row.state == SampleState::Failed && first_missing {
        "✗"
    } else {
        "·"
    }
}

fn line(
    mark: &str,
    name: &str,
    [target, words]: [String; 2],
    answer: Option<&AttemptRow>,
    tries: usize,
    flags: &str,
    point: &str,
) -> [String; 11] {
    let tokens = |read: fn(&AttemptRow) -> u64| answer.map_or(String::new(), |answer| count(read(answer)));
    [
        mark.to_owned(),
        name.to_owned(),
        target,
        words,
        tokens(|answer| answer.prompt_tokens),
        tokens(|answer| answer.cached_tokens),
        tokens(|answer| answer.completion_tokens),
        answer.and_then(seconds).map_or(String::new(), duration),
        if tries == 0 { String::new() } else { tries.to_string() },
        flags.to_owned(),
        point.to_owned(),
    ]
}

/// The tries that ended otherwise than well, each with the answer that was kept of it.
fn tries(out: &mut String, detail: &SampleDetail) {
    let bad: Vec<&AttemptRow> = detail.attempts.iter().filter(|attempt| attempt.outcome != "committed").collect();
    if bad.is_empty() {
        return;
    }
    out.push_str("\nother tries\n");
    for attempt in bad {
        let place = if attempt.kind == "plan" { "plan".to_owned() } else { format!("section {}", attempt.place + 1) };
        let code = attempt.code.as_deref().map_or(String::new(), |code| format!(" {code}"));
        let time = seconds(attempt).map_or(String::new(), |time| format!(" after {}", duration(time)));
        let _ = write!(out, "  {place:<11} {}{code}{time}", attempt.outcome);
        let message = attempt.message.as_deref().filter(|message| !message.is_empty());
        let _ = writeln!(out, "{}", message.map_or(String::new(), |text| format!(": {}", one_line(text, LONG))));
        for answer in detail.answers.iter().filter(|answer| answer.attempt == attempt.attempt) {
            if !answer.raw.trim().is_empty() {
                let _ = writeln!(out, "              » {}", one_line(&answer.raw, LONG));
            }
        }
    }
}

/// Everything as JSON; texts and answers whole.
pub(super) fn json(run: &Run, detail: &SampleDetail) -> Value {
    let (row, context) = (&detail.row, &detail.context);
    let steps = context.plan.as_ref().map_or(&[][..], |plan| &plan.steps);
    let sections: Vec<Value> = (0..)
        .zip(steps)
        .map(|(place, step)| {
            let section = context.sections.iter().find(|section| section.place == place);
            json!({
                "section": place + 1, "main_point": step.main_point, "target_words": step.words,
                "words": section.map(|section| section.words), "flags": section.map(|section| &section.flags),
                "attempt": section.map(|section| &section.attempt),
                "tries": tries_at(detail, "section", place).count(), "text": section.map(|section| &section.text),
            })
        })
        .collect();
    let verdict = detail.verdict.as_ref().map(|verdict| {
        json!({"rejected": verdict.rejected, "flags": verdict.flags, "length_score": verdict.length_score,
            "words": verdict.words, "words_unicode": verdict.words_unicode, "language": verdict.language})
    });
    json!({
        "run": run.id, "sample": row.sample, "ordinal": row.ordinal, "id": row.id, "state": row.state, "code": row.code,
        "reason": row.reason, "revision": context.revision, "generation": row.generation,
        "config_version": detail.config_version, "model": context.model, "messages": context.input.messages,
        "required_length": context.input.length, "meta": context.input.meta, "words": row.words, "verdict": verdict,
        "planned": context.plan.is_some(), "sections": sections,
        "attempts": detail.attempts.iter().map(attempt_json).collect::<Vec<_>>(),
        "answers": detail.answers.iter().map(|answer| json!({"attempt": answer.attempt, "place": answer.place,
            "gate": answer.gate, "evidence": answer.evidence, "text": answer.raw})).collect::<Vec<_>>(),
    })
}

fn attempt_json(attempt: &AttemptRow) -> Value {
    json!({
        "attempt": attempt.attempt, "kind": attempt.kind, "place": attempt.place, "revision": attempt.revision,
        "outcome": attempt.outcome, "code": attempt.code, "message": attempt.message,
        "started_at": rfc3339(attempt.started_at), "ended_at": attempt.ended_at.and_then(rfc3339),
        "seconds": seconds(attempt).map(|time| time.as_secs_f64()), "model": attempt.model,
        "endpoint": attempt.endpoint, "prompt_tokens": attempt.prompt_tokens, "cached_tokens": attempt.cached_tokens,
        "completion_tokens": attempt.completion_tokens, "cost_usd": attempt.cost_nanousd.map(dollars),
        "reserved_usd": attempt.reserved_nanousd.map(dollars),
    })
}
