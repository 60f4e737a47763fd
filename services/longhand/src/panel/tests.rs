use std::time::Duration;

use agentwrite::config::{Limits, Price, RunConfig};
use agentwrite::ids::{RunId, SampleId, Timestamp};
use agentwrite::ports::{FailureGroup, Run, RunState, StatisticsRow, Totals};
use agentwrite::sample::SampleState;

use super::view::Parts;
use super::*;
use crate::tables::width;

fn run(state: RunState) -> Run {
    let price = Some(Price::from_usd_per_million(1.0, 0.1, 4.0));
    Run {
        id: RunId::new("run_1"),
        name: "essays".to_owned(),
        state,
        reason: None,
        config: RunConfig::default(),
        config_version: 1,
        limits: Limits { max_cost_nanousd: Some(50_000_000_000), price, ..Limits::default() },
        samples: 6_000,
        created_at: Timestamp(0),
        control_epoch: 0,
    }
}

fn totals(states: &[(SampleState, u64)]) -> Totals {
    let mut totals = Totals {
        sections: 13_377,
        words: 11_234_567,
        throttled_calls: 14,
        prompt_tokens: 81_300_000,
        cached_tokens: 78_000_000,
        completion_tokens: 15_900_000,
        settled_nanousd: 9_840_000_000,
        ..Totals::default()
    };
    for (state, count) in states {
        totals.states[SampleState::ALL.iter().position(|other| other == state).unwrap()] = *count;
    }
    totals
}

const NOW: Timestamp = Timestamp(2_467_000);

fn busy() -> Totals {
    totals(&[
        (SampleState::Packed, 1_000),
        (SampleState::Written, 187),
        (SampleState::Failed, 18),
        (SampleState::Rejected, 9),
        (SampleState::Writing, 60),
        (SampleState::Planning, 4),
        (SampleState::Planned, 22),
        (SampleState::Pending, 4_700),
    ])
}

fn earlier(seconds: i64, sections: u64) -> StatisticsRow {
    let totals = Totals { sections, words: sections * 800, settled_nanousd: 9_600_000_000, ..busy() };
    StatisticsRow { at: Timestamp(NOW.0 - seconds * 1_000), totals }
}

fn view_of(run: &Run, totals: Totals, history: &[StatisticsRow]) -> PanelView {
    let group = |code: &str, samples| FailureGroup {
        state: SampleState::Failed,
        code: code.to_owned(),
        samples,
        example: SampleId::new("smp_1"),
        reason: String::new(),
        evidence: None,
    };
    PanelView::from(&Parts {
        run,
        totals,
        history,
        open_sections: 500,
        failures: &[group("plan_empty", 15), group("content_filter", 9), group("refusal", 3), group("cut", 1)],
        in_flight: 62,
        title: "gpt-4o at api.openai.com",
        place: "out",
        since: Timestamp(0),
        now: NOW,
    })
}

#[test]
fn rates_come_from_the_oldest_row_inside_the_last_minute() {
    let history = [earlier(90, 0), earlier(60, 13_336), earlier(10, 13_376)];
    let view = view_of(&run(RunState::Running), busy(), &history);
    assert!((view.sections_rate.unwrap() - 41.0).abs() < 1e-9);
    assert!((view.cost_rate.unwrap() - 240_000_000.0).abs() < 1e-3);
    let half = view_of(&run(RunState::Running), busy(), &[earlier(30, 13_357)]);
    assert!((half.sections_rate.unwrap() - 40.0).abs() < 1e-9);
    assert_eq!(view_of(&run(RunState::Running), busy(), &[earlier(1, 13_376)]).sections_rate, None);
    assert_eq!(view_of(&run(RunState::Running), busy(), &[]).eta, None);
}

#[test]
fn a_run_that_is_all_written_says_that_it_waits_for_the_packer() {
    let head = |states: &[(SampleState, u64)]| {
        let view = view_of(&run(RunState::Running), totals(states), &[earlier(60, 13_000)]);
        render(&view, 100, false).lines().next().unwrap().to_owned()
    };
    let (packed, written) = ((SampleState::Packed, 8), (SampleState::Written, 4));
    assert!(head(&[packed, written]).ends_with("all written, packing is left"), "{}", head(&[packed, written]));
    for open in [SampleState::Pending, SampleState::Planning, SampleState::Planned, SampleState::Writing] {
        assert!(!head(&[packed, written, (open, 1)]).contains("packing"), "{open:?}");
    }
    assert!(!head(&[packed, (SampleState::Failed, 1)]).contains("packing"));
}

#[test]
fn time_left_counts_open_places_and_guesses_the_unplanned_from_the_planned() {
    let view = view_of(&run(RunState::Running), busy(), &[earlier(60, 13_336)]);
    let per_sample = (13_377.0 + 500.0) / 1_296.0;
    let remaining = (500.0_f64 + 4_704.0 * per_sample).round();
    let minutes = view.eta.unwrap().as_secs_f64() / 60.0;
    assert!((minutes - remaining / 41.0).abs() < 0.1, "{minutes}");
    let projected = view.projected.unwrap() as f64;
    assert!((projected - 9.84e9 * (1.0 + remaining / 13_377.0)).abs() < 2e6, "{projected}");

    let planned = totals(&[(SampleState::Writing, 10)]);
    let view = view_of(&run(RunState::Running), planned, &[earlier(60, 13_277)]);
    assert_eq!(view.eta, Some(Duration::from_mins(5)));
    assert_eq!(view_of(&run(RunState::Paused), planned, &[earlier(60, 13_277)]).eta, None);
    let stuck = view_of(&run(RunState::Running), planned, &[earlier(60, 13_377)]);
    assert_eq!((stuck.eta, stuck.sections_rate), (None, Some(0.0)));
}

#[test]
fn nothing_is_projected_before_there_is_a_plan() {
    let fresh = Totals { sections: 0, ..totals(&[(SampleState::Pending, 40)]) };
    let mut parts = view_of(&run(RunState::Running), fresh, &[]);
    assert_eq!((parts.eta, parts.projected), (None, None));
    parts.top.clear();
    assert!(!render(&parts, 100, false).contains("top"));
}

#[test]
fn the_panel_reads_as_promised() {
    let history = [earlier(60, 13_336)];
    let text = render(&view_of(&run(RunState::Running), busy(), &history), 100, false);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("essays · gpt-4o at api.openai.com · 00:41:07 · about "), "{text}");
    assert!(lines[1].starts_with("samples  ████░░"), "{text}");
    assert!(lines[1].contains("1,214/6,000 20 %   ✓1,187 ✗27 ⋯64 queued 4,722"), "{text}");
    assert!(lines[2].starts_with("sections 13,377 · 41/min") && lines[2].contains("words 11.2 M · "), "{text}");
    assert!(lines[3].contains("62 in flight · 429: 14") && lines[3].contains("in 81.3 M (96 % cached) out 15.9 M"));
    assert!(lines[4].starts_with("cost     $9.84 of $50.00 · $0.24/min · projected $"), "{text}");
    assert!(
        lines[5].contains("plan_empty 15 · content_filter 9 · refusal 3") && lines[5].ends_with("longhand why out")
    );
    assert_eq!(lines.len(), 6);
}

#[test]
fn no_line_is_wider_than_the_terminal_and_colours_take_no_room() {
    let mut view = view_of(&run(RunState::Running), busy(), &[earlier(60, 13_336)]);
    view.name = "散文 with a long name that goes on and on".to_owned();
    for columns in [20, 40, 64, 80, 200] {
        let plain = render(&view, columns, false);
        assert!(plain.lines().all(|line| width(line) <= columns), "{plain}");
        assert!(!plain.contains('\u{1b}'));
        let mut painted = render(&view, columns, true);
        for code in ["0", "1", "2", "31", "32", "33"] {
            painted = painted.replace(&format!("\u{1b}[{code}m"), "");
        }
        assert_eq!(painted, plain);
    }
}

#[test]
fn a_paused_run_says_why_and_a_model_without_price_is_not_free() {
    let paused = Run { reason: Some("budget".to_owned()), ..run(RunState::Paused) };
    let text = render(&view_of(&paused, busy(), &[]), 100, false);
    assert!(text.lines().next().unwrap().ends_with("paused (budget)"), "{text}");
    let mut free = run(RunState::Running);
    free.limits = Limits::default();
    assert!(render(&view_of(&free, busy(), &[]), 100, false).contains("cost     price unknown"));
    assert!(logfmt(&view_of(&free, busy(), &[])).contains(" cost_usd=unknown"));
    free.config.synthetic = true;
    assert!(render(&view_of(&free, busy(), &[]), 100, false).contains("simulated"));
}

#[test]
fn logfmt_is_one_line_of_pairs() {
    let mut view = view_of(&run(RunState::Running), busy(), &[earlier(60, 13_336)]);
    view.name = "my \"essays\"".to_owned();
    let line = logfmt(&view);
    assert!(line.starts_with(r#"run="my \"essays\"" state=running samples=1214/6000 done=1187 failed=27"#), "{line}");
    for pair in [
        "cache_share=0.959",
        "sections_per_min=41.0",
        "cost_usd=9.840000",
        "cap_usd=50",
        "throttled=14",
        "top=plan_empty:15",
    ] {
        assert!(line.contains(pair), "{pair} in {line}");
    }
    assert!(!line.contains('\n'));
}

#[test]
fn a_terminal_is_redrawn_in_place_and_a_log_gets_a_line_every_ten_seconds_and_the_last() {
    let mut view = view_of(&run(RunState::Running), busy(), &[]);
    let mut panel = Panel::on(Vec::new(), Surface::Terminal { columns: 80, colour: false });
    panel.show(&view, false);
    view.top.clear();
    panel.show(&view, true);
    let text = String::from_utf8(panel.out).unwrap();
    assert_eq!(text.matches("\x1b[6A").count(), 1, "the second frame starts where the first did");
    assert!(text.ends_with("\x1b[J\x1b[?7h"), "what the first frame had more is erased");

    let mut panel = Panel::on(Vec::new(), Surface::Log);
    for seconds in [0, 4, 9, 10, 11, 19, 20] {
        view.at = Timestamp(NOW.0 + seconds * 1_000);
        panel.show(&view, false);
    }
    panel.show(&view, true);
    assert_eq!(String::from_utf8(panel.out).unwrap().lines().count(), 4);
}

#[test]
fn a_message_takes_the_panel_away_and_the_next_look_draws_it_below() {
    let mut panel = Panel::on(Vec::new(), Surface::Terminal { columns: 80, colour: false });
    panel.redraw("one\ntwo\n", false).unwrap();
    let mut message = Vec::new();
    panel.drawn.write(&mut message, b"a message\n").unwrap();
    assert_eq!(message, b"\x1b[2A\r\x1b[Ja message\n");
    panel.out.clear();
    panel.redraw("three\n", false).unwrap();
    assert_eq!(String::from_utf8(panel.out).unwrap(), "\x1b[?7l\r\x1b[2Kthree\n\x1b[J\x1b[?7h");
}
