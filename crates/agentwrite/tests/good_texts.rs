//! The gates against texts that look bad and are good, and against texts that are bad.
//!
//! `tests-data/good_texts/` holds texts that a careless filter would reject: poems with refrains, plays in which somebody
//! says "I'm sorry, I can't help you", runbooks about HTTP 429, essays about models, registers that repeat themselves,
//! Persian with its joiners. At least half is public-domain text by people. `tests-data/bad_texts.jsonl` holds answers
//! that must not become training data. Run with `--nocapture` for the tables.

use std::collections::BTreeMap;
use std::path::Path;

use agentwrite::call::Finish;
use agentwrite::clean::{Stripped, clean_section, trim_echo};
use agentwrite::gates::section::{Hard, SectionInput, SectionPolicy, Soft, Verdict, check};
use agentwrite::gates::{NgramIndex, WordHashes};
use agentwrite::language::requested_language;
use serde::Deserialize;

#[derive(Deserialize)]
struct Good {
    id: String,
    kind: String,
    origin: String,
    instruction: String,
    text: String,
}

#[derive(Deserialize)]
struct Bad {
    id: String,
    kind: String,
    text: String,
    #[serde(default = "stop")]
    finish: Finish,
    #[serde(default)]
    plan: Vec<String>,
    #[serde(default)]
    earlier: String,
}

fn stop() -> Finish {
    Finish::Stop
}

fn read<T: for<'de> Deserialize<'de>>(path: &str) -> Vec<T> {
    let whole = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests-data").join(path);
    let text = std::fs::read_to_string(&whole).unwrap_or_else(|error| panic!("{}: {error}", whole.display()));
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{path}: {error}: {line}")))
        .collect()
}

fn good_texts() -> Vec<Good> {
    [read("good_texts/public_domain.jsonl"), read("good_texts/own.jsonl")].into_iter().flatten().collect()
}

fn tail(text: &str) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(4000))..]
}

/// A plan in which the text stands in the middle.
fn plan_for(good: &Good) -> Vec<String> {
    let instruction = &good.instruction;
    [
        "the setting and how everything begins",
        "what happens in the middle of the work",
        "how it all ends and what remains",
    ]
    .iter()
    .zip(1..)
    .map(|(point, n)| format!("Paragraph {n} - Main Point: {point} ({instruction}) - Word Count: 400 words"))
    .collect()
}

/// Judges `text` as the second of three sections, after `earlier`.
fn judge(text: &str, earlier: &str, plan: &[String], instruction: &str, finish: Finish) -> Verdict {
    let mut index = NgramIndex::new();
    index.add(&WordHashes::of(earlier));
    let cleaned = clean_section(text);
    let (trimmed, _) = trim_echo(&cleaned.text, tail(earlier), plan.get(1).map_or("", String::as_str));
    let input = SectionInput {
        text: &trimmed,
        words: 400,
        target_words: 400,
        last: false,
        finish,
        plan_lines: plan,
        earlier: &index,
        earlier_tail: tail(earlier),
        expected_language: requested_language(instruction),
        had_reasoning: cleaned.reasoning,
    };
    check(&input, &SectionPolicy::default())
}

/// Splits at a line end near the middle, so that a poem's refrains stand on both sides.
fn halves(text: &str) -> Option<(&str, &str)> {
    let middle = text.floor_char_boundary(text.len() / 2);
    let at = text[middle..].find('\n').map(|offset| middle + offset)?;
    Some((text[..at].trim(), text[at..].trim()))
}

#[test]
fn the_corpus_is_large_and_mostly_written_by_people() {
    let texts = good_texts();
    let people = texts.iter().filter(|good| good.origin != "own").count();
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for good in &texts {
        *kinds.entry(&good.kind).or_default() += 1;
    }
    println!("{} texts, {people} by people: {kinds:?}", texts.len());
    assert!(texts.len() >= 200);
    assert!(people * 2 >= texts.len());
    let mut ids: Vec<&str> = texts.iter().map(|good| good.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), texts.len());
}

#[test]
fn good_texts_pass_the_hard_gates() {
    let texts = good_texts();
    let mut hard: BTreeMap<&str, Vec<String>> = Hard::ALL.iter().map(|kind| (kind.code(), Vec::new())).collect();
    let mut soft: BTreeMap<&str, Vec<&str>> = Soft::ALL.iter().map(|kind| (kind.code(), Vec::new())).collect();
    for (at, good) in texts.iter().enumerate() {
        let plan = plan_for(good);
        let other = &texts[(at + 1) % texts.len()].text;
        let whole = judge(&good.text, other, &plan, &good.instruction, Finish::Stop);
        // The second half after the first: a refrain is no echo.
        let half =
            halves(&good.text).map(|(first, second)| judge(second, first, &plan, &good.instruction, Finish::Stop));
        for verdict in [Some(whole), half].into_iter().flatten() {
            if let Some(finding) = verdict.hard {
                let place = hard.entry(finding.kind.code()).or_default();
                place.push(format!("{}: {}", good.id, finding.evidence.replace('\n', " / ")));
            }
            for finding in verdict.soft {
                soft.entry(finding.kind.code()).or_default().push(&good.id);
            }
        }
    }
    for list in soft.values_mut() {
        list.dedup();
    }
    println!("{:<18}{:>10} of {}", "hard gate", "rejected", texts.len());
    for (gate, found) in &hard {
        println!("{gate:<18}{:>10} {found:?}", found.len());
    }
    println!("{:<18}{:>10}", "soft gate", "flagged");
    for (gate, found) in &soft {
        println!("{gate:<18}{:>10} {found:?}", found.len());
    }
    let rejected: usize = hard.values().map(Vec::len).sum();
    assert!(rejected * 100 <= texts.len(), "{rejected} of {} good texts rejected", texts.len());
}

#[test]
fn cleaning_leaves_good_texts_as_they_are() {
    let mut changed = Vec::new();
    let texts = good_texts();
    for good in &texts {
        let cleaned = clean_section(&good.text);
        if cleaned.text != good.text.trim() {
            changed.push((&good.id, cleaned.stripped.clone()));
        }
        assert!(!cleaned.stripped.contains(&Stripped::Reasoning), "{}", good.id);
    }
    println!("changed by cleaning: {changed:?}");
    assert!(changed.len() * 100 <= texts.len(), "{changed:?}");
}

#[test]
fn echo_trimming_leaves_good_texts_as_they_are() {
    let texts = good_texts();
    let changed: Vec<&str> = texts
        .iter()
        .filter(|good| {
            halves(&good.text).is_some_and(|(first, second)| trim_echo(second, tail(first), &plan_for(good)[1]).1)
        })
        .map(|good| good.id.as_str())
        .collect();
    println!("changed by echo trimming: {changed:?}");
    assert!(changed.len() * 100 <= texts.len(), "{changed:?}");
}

#[test]
fn bad_texts_are_caught() {
    let texts: Vec<Bad> = read("bad_texts.jsonl");
    assert!(texts.len() >= 60);
    let mut kinds: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let (mut missed, mut renamed) = (Vec::new(), Vec::new());
    for bad in &texts {
        let verdict = judge(&bad.text, &bad.earlier, &bad.plan, "", bad.finish);
        let entry = kinds.entry(&bad.kind).or_default();
        entry.1 += 1;
        match verdict.hard {
            None => missed.push(&bad.id),
            Some(finding) => {
                entry.0 += 1;
                if finding.kind.code() != bad.kind {
                    renamed.push((&bad.id, finding.kind.code()));
                }
            }
        }
    }
    println!("{:<18}{:>8}", "kind", "caught");
    for (kind, (caught, all)) in &kinds {
        println!("{kind:<18}{caught:>4} of {all}");
    }
    println!("missed: {missed:?}\ncaught under another name: {renamed:?}");
    assert!(missed.len() * 20 <= texts.len(), "missed {missed:?}");
    assert!(renamed.len() * 10 <= texts.len(), "renamed {renamed:?}");
}
