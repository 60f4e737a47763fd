use agentwrite::call::Message;
use agentwrite::ids::{AttemptId, RunId, SampleId};
use agentwrite::plan::{Plan, Step};
use agentwrite::ports::Verdict;
use agentwrite::sample::{Input, Section};

use super::*;

fn packed() -> PackedSample {
    let section = |place: u32, text: &str| Section {
        place,
        text: text.to_owned(),
        words: 99,
        flags: Vec::new(),
        attempt: AttemptId::new("att_1"),
    };
    let step = |point: &str, words| Step { main_point: point.to_owned(), words };
    PackedSample {
        context: SampleContext {
            run: RunId::new("run_1"),
            sample: SampleId::new("smp_1"),
            ordinal: 7,
            input: Input {
                messages: vec![
                    Message { role: Role::System, content: " Be brief. ".to_owned() },
                    Message::user("Hello"),
                    Message::assistant("Yes?"),
                    Message::user("Write about tea."),
                ],
                length: Some(RequiredLength { bound: Bound::AtLeast, low: 5, high: 5, source: LengthSource::Read }),
                language: Some("en".to_owned()),
                variant: 2,
                id: Some("row-7".to_owned()),
                meta: Some(r#"{"k":1}"#.to_owned()),
            },
            revision: 1,
            config_version: 1,
            model: None,
            plan: Some(Plan { steps: vec![step("Green", 400), step("Black", 600)] }),
            sections: vec![section(0, "Green tea grows."), section(1, "Black tea ages for years.")],
            candidates: Vec::new(),
            parts: Vec::new(),
            last_prompt_tokens: Some(9),
        },
        verdict: Verdict {
            rejected: None,
            flags: vec!["recap".to_owned()],
            length_score: Some(87.5),
            words: 8,
            words_unicode: 9,
            language: Some("en".to_owned()),
            signature: vec![1],
        },
        config_version: 1,
    }
}

fn config() -> RunConfig {
    let mut config = RunConfig::default();
    config.text.plan.model = "planner".to_owned();
    config.text.write.model = "writer".to_owned();
    config
}

#[test]
fn a_row_holds_the_input_the_answer_and_where_it_came_from() {
    let row = row_of(&packed(), &config());
    let turns: Vec<(&str, &str)> =
        row.messages.iter().map(|message| (message.role.as_str(), message.content.as_str())).collect();
    let expected = [
        ("system", " Be brief. "),
        ("user", "Hello"),
        ("assistant", "Yes?"),
        ("user", "Write about tea."),
        ("assistant", "Green tea grows.\n\nBlack tea ages for years."),
    ];
    assert_eq!(turns, expected);
    assert_eq!((row.id.as_str(), row.sample_id.as_str()), ("row-7", "smp_1"));
    assert_eq!(row.plan[1], dataset::PlanStep { main_point: "Black".to_owned(), words: 600 });
    assert_eq!(row.section_words, [3, 5]);
    let length = row.required_length.unwrap();
    assert_eq!(
        (length.bound.as_str(), length.low, length.high, length.source.as_str()),
        ("at_least", Some(5), None, "read")
    );
    assert_eq!((row.words, row.words_unicode, row.length_score), (8, 9, Some(87.5)));
    assert_eq!((row.plan_model.as_str(), row.write_model.as_str()), ("planner", "writer"));
    assert_eq!((row.layout.as_str(), row.mode.as_str(), row.variant), ("paper", "serial", 2));
    assert_eq!(row.prompt_version, config().text.prompts.version().to_hex());
    assert_eq!((row.flags, row.meta.as_deref()), (vec!["recap".to_owned()], Some(r#"{"k":1}"#)));
}

#[test]
fn the_sample_s_own_id_and_an_operator_s_model() {
    let mut sample = packed();
    sample.context.input.id = None;
    sample.context.model = Some("other".to_owned());
    let row = row_of(&sample, &config());
    assert_eq!(row.id, "smp_1");
    assert_eq!((row.plan_model.as_str(), row.write_model.as_str()), ("other", "other"));
}

#[test]
fn nothing_of_a_run_or_an_attempt_shows() {
    let mut other = packed();
    other.context.run = RunId::new("run_2");
    other.context.ordinal = 1;
    other.context.revision = 5;
    other.context.last_prompt_tokens = None;
    other.context.sections[0].attempt = AttemptId::new("att_9");
    other.verdict.signature = Vec::new();
    assert_eq!(row_of(&other, &config()), row_of(&packed(), &config()));
}

#[test]
fn open_bounds_have_an_open_side() {
    let edges = |bound| {
        let length = required_length(&RequiredLength { bound, low: 5, high: 9, source: LengthSource::Column });
        assert_eq!(length.source, "column");
        (length.bound, length.low, length.high)
    };
    assert_eq!(edges(Bound::About), ("about".to_owned(), Some(5), Some(9)));
    assert_eq!(edges(Bound::AtMost), ("at_most".to_owned(), None, Some(9)));
    assert_eq!(edges(Bound::Range), ("range".to_owned(), Some(5), Some(9)));
}
