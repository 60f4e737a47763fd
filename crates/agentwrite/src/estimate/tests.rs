use std::sync::Arc;

use crate::call::Message;
use crate::config::{Limits, Mode, Price, TextConfig};
use crate::length::{LengthSource, Reading, RequiredLength, read_required_length};
use crate::plan::{Plan, PlanPolicy, Step};
use crate::prompts::{Layout, PromptTexts, Prompts, WriteParts};
use crate::sample::Input;

use super::*;

fn input(prompt: &str) -> Input {
    let length = match read_required_length(prompt) {
        Reading::Found(length) => Some(length),
        Reading::None | Reading::Ambiguous(_) => None,
    };
    Input { messages: vec![Message::user(prompt)], length, language: None, variant: 0, id: None, meta: None }
}

fn config(layout: Layout, mode: Mode) -> TextConfig {
    TextConfig { layout, mode, prompts: PromptTexts::built_in(layout), ..TextConfig::default() }
}

fn forecast(config: &TextConfig, prompt: &str) -> Forecast {
    Forecaster::new(config, Assumptions::default()).unwrap().sample(&input(prompt), None)
}

/// Tokens of every prompt of a sample, by rendering each with texts of the expected size, and those that stand at the
/// beginning of the prompt before it (or, as turns, of that prompt and its answer).
fn rendered(config: &TextConfig, input: &Input, plan: &Plan) -> (f64, f64) {
    let prompts = Prompts::parse(&config.prompts, config.layout).unwrap();
    let lines: Vec<String> = (0..plan.steps.len()).map(|index| plan.line(index)).collect();
    let outline = plan.render();
    let texts: Vec<Arc<str>> = plan
        .steps
        .iter()
        .enumerate()
        .map(|(at, step)| {
            let bytes = (expected_tokens(step.words, None) * 4.0) as usize;
            Arc::from(char::from(b'a' + (at % 26) as u8).to_string().repeat(bytes))
        })
        .collect();
    let (mut all, mut cached, mut known) = (0.0, 0.0, String::new());
    for step in 0..plan.steps.len() {
        let earlier = if config.mode == Mode::Serial { &texts[..step] } else { &[] };
        let messages = prompts.write(&WriteParts {
            context: input.context(),
            instruction: input.instruction(),
            plan: &outline,
            lines: &lines,
            earlier,
            step,
            fault: None,
        });
        let pieces: Vec<String> =
            messages.iter().map(|message| format!("\0{:?}\0{}", message.role, message.content)).collect();
        let text = pieces.concat();
        let same = text.bytes().zip(known.bytes()).take_while(|(a, b)| a == b).count();
        all += weight(&text);
        cached += (same as f64 / 4.0 / 128.0).floor() * 128.0;
        known = text;
        if config.layout == Layout::Turns {
            known.push_str("\0Assistant\0");
            known.push_str(&texts[step]);
        }
    }
    (all, cached)
}

#[test]
fn prompts_are_those_that_are_sent() {
    let steps = (0..12).map(|at| Step { main_point: format!("{at} is a point of some words").repeat(3), words: 500 });
    let plan = Plan { steps: steps.collect() };
    let input = input("Write a 6,000-word essay on salt.");
    for layout in [Layout::Paper, Layout::Turns] {
        for mode in [Mode::Serial, Mode::Parallel] {
            let config = config(layout, mode);
            let assumptions = Assumptions { point_tokens: 20.0, ..Assumptions::default() };
            let forecaster = Forecaster::new(&config, assumptions).unwrap();
            let forecast = forecaster.sample(&input, Some(&plan));
            let (all, cached) = rendered(&config, &input, &plan);
            let plan_call = 300.0;
            assert!(
                (forecast.prompt_tokens - all).abs() < plan_call + all * 0.02,
                "{layout:?} {mode:?} {forecast:?} {all}"
            );
            // Parallel turns have no text in them, and nobody asks for them.
            if (layout, mode) != (Layout::Turns, Mode::Parallel) {
                assert!(
                    (forecast.cached_tokens - cached).abs() <= 128.0 * 4.0,
                    "{layout:?} {mode:?} {forecast:?} {cached}"
                );
            }
        }
    }
}

#[test]
fn prompts_grow_with_the_square_and_a_cache_takes_the_growth() {
    let paper = config(Layout::Paper, Mode::Serial);
    let (short, long) = (forecast(&paper, "Write a 6,000-word essay."), forecast(&paper, "Write a 24,000-word essay."));
    assert_eq!((short.steps, long.steps), (10, 40));
    assert!(long.prompt_tokens > 12.0 * short.prompt_tokens, "{short:?} {long:?}");
    assert!(long.cached_tokens > 0.9 * long.prompt_tokens, "{long:?}");
    assert!((3.9..4.1).contains(&(long.answer_tokens / short.answer_tokens)), "{short:?} {long:?}");

    let turns = forecast(&config(Layout::Turns, Mode::Serial), "Write a 24,000-word essay.");
    let share = |of: Forecast| of.cached_tokens / of.prompt_tokens;
    assert!(share(turns) > share(long));
    let parallel = forecast(&config(Layout::Paper, Mode::Parallel), "Write a 24,000-word essay.");
    assert!(parallel.prompt_tokens < long.prompt_tokens / 3.0 && parallel.chain_seconds < long.chain_seconds / 10.0);
}

#[test]
fn steps_follow_the_policy_and_fixed_parts() {
    let assumptions = Assumptions::default();
    let steps = |prompt: &str| assumptions.steps_of(&input(prompt), &PlanPolicy::default());
    assert_eq!(steps("Write a letter of 150 words."), 1);
    assert_eq!(steps("Write a letter of 900 words."), 2);
    assert_eq!(steps("Write five letters of 400 words each."), 5);
    assert_eq!(steps("Write a 100,000-word novel."), 50);
    assert_eq!(steps("Write about rain."), 7);
    // No step may be longer than the policy's words, whatever a plan is expected to be like.
    let coarse = Assumptions { words_per_step: 5_000.0, ..assumptions };
    assert_eq!(coarse.steps_of(&input("Write a 6,000-word essay."), &PlanPolicy::default()), 6);
}

#[test]
fn money_and_time_are_ranges_with_a_bound() {
    let forecasts = [forecast(&config(Layout::Paper, Mode::Serial), "Write a 6,000-word essay."); 100];
    let all: Totals = forecasts.iter().collect();
    assert_eq!((all.samples, all.calls, all.words), (100, 1_100, 600_000));
    let assumptions = Assumptions::default();
    let (low, high) = all.spend(&Price::from_usd_per_million(1.0, 0.1, 4.0), &assumptions);
    let usd = |prompt: f64, cached: f64| (prompt + 0.1 * cached + 4.0 * all.answer_tokens) / 1e6;
    assert!((low as f64 / 1e9 - usd(all.prompt_tokens - all.cached_tokens, all.cached_tokens)).abs() < 0.01);
    assert!((high as f64 / 1e9 - 1.1 * usd(all.prompt_tokens, 0.0)).abs() < 0.01);

    let bound = |limits: Limits| all.bounds(&limits).longest();
    let limits = Limits { concurrency: 10, ..Limits::default() };
    assert_eq!(bound(limits), ("concurrency", all.work_seconds / 10.0));
    assert_eq!(bound(Limits { concurrency: 1_000, ..limits }), ("longest chain", forecasts[0].chain_seconds));
    assert_eq!(bound(Limits { rpm: Some(10), ..limits }), ("requests per minute", 6_600.0));
    assert_eq!(bound(Limits { tpm: Some(1_000), ..limits }).0, "tokens per minute");
}

#[test]
fn a_sample_is_spread_over_the_lengths_and_depends_on_the_seed_alone() {
    let inputs: Vec<Input> = (0..100)
        .map(|at| Input {
            length: Some(RequiredLength::about(at * 100 + 100, LengthSource::Column)),
            ..input(&format!("{at}"))
        })
        .collect();
    let inputs: Vec<&Input> = inputs.iter().rev().collect();
    let assumptions = Assumptions::default();
    let places = positions(&inputs, 10, 42, &assumptions);
    assert_eq!(places, positions(&inputs, 10, 42, &assumptions));
    let tenths: Vec<usize> = places.iter().map(|place| place / 10).collect();
    assert_eq!(tenths, (0..10).collect::<Vec<_>>(), "one of each tenth: {places:?}");
    assert!((0..20).any(|seed| positions(&inputs, 10, seed, &assumptions) != places));
    assert_eq!(positions(&inputs, 1_000, 7, &assumptions).len(), 100);
    assert_eq!(positions(&[], 3, 7, &assumptions), Vec::<usize>::new());
}

#[test]
fn real_plans_correct_what_was_assumed() {
    let open = input("Write about rain.");
    let steps = (0..10).map(|at| Step { main_point: format!("{at:040}"), words: 300 });
    let plan = Plan { steps: steps.collect() };
    let answer = plan.render();
    let seen = Seen {
        input: &open,
        prompt_weight: 200.0,
        prompt_tokens: Some(250),
        answer: &answer,
        answer_tokens: Some((weight(&answer) * 0.8) as u64),
        reasoning_tokens: 700,
        first_token_seconds: 2.0,
        total_seconds: 12.0,
        plan: Some(&plan),
    };
    let after = learned(Assumptions::default(), std::slice::from_ref(&seen));
    assert_eq!((after.words_per_step, after.words_without_length, after.point_tokens), (300.0, 3_000, 10.0));
    assert_eq!((after.prompt_scale, after.first_token_seconds, after.reasoning_tokens), (1.25, 2.0, 700.0));
    assert!((0.79..0.81).contains(&after.answer_scale));
    assert!((after.tokens_per_second - (700.0 + weight(&answer) * 0.8) / 10.0).abs() < 1.0);

    // An endpoint that counts nothing and gives no plan teaches only its speed.
    let mute = Seen { prompt_tokens: None, answer_tokens: None, reasoning_tokens: 0, plan: None, ..seen };
    let after = learned(Assumptions::default(), &[mute]);
    assert_eq!(after, Assumptions { first_token_seconds: 2.0, ..Assumptions::default() });
    assert_eq!(learned(Assumptions::default(), &[]), Assumptions::default());
}

#[test]
fn tokens_of_scripts() {
    assert!((weight("word word word ") - 3.75).abs() < 0.01);
    assert!((weight("山水") - 2.0).abs() < 0.01);
    assert!((weight("мир") - 1.5).abs() < 0.01);
}
