//! What the pure code costs, in microseconds: `cargo test --release -p agentwrite speed -- --ignored --nocapture`.
//!
//! One section of 500 words as a writer sees it (clean, judge, keep), the request of a fourth section, and the whole text
//! of four as a packer sees it. Figures only: a machine under load would fail any limit.

use std::hint::black_box;
use std::time::{Duration, Instant};

use super::ngrams::{WORDS, distances, gram_hashes};
use super::patterns::{Probe, error_document};
use super::phrases::{CONTENT_FILTER, PROVIDER_ERROR, REASONING, REFUSAL};
use super::sample::{EvalPrompts, SampleInput, SamplePolicy};
use super::section::{SectionInput, SectionPolicy};
use super::{KeptGrams, NgramIndex, WordHashes, plan_echo, sample, section, signature};
use crate::call::{ChatAnswer, Finish, Message, StatedLimits, Usage};
use crate::clean::{clean_section, join, trim_echo};
use crate::config::{Mode, TextConfig};
use crate::ids::{AttemptId, Hash, OwnerId, RunId, SampleId};
use crate::language::{Language, detect};
use crate::manuscript::Manuscript;
use crate::plan::{Plan, Step};
use crate::prompts::Prompts;
use crate::sample::{Input, SampleContext, Section};
use crate::task::{ClaimedTask, Hint, Kind, TaskKey};
use crate::words::{self, WordCounter};
use crate::writing::{self, Accepted, Written};

const SAMPLES: usize = 256;
const SECTIONS: u32 = 4;
const WORDS_EACH: u32 = 500;

/// Words of English texts in the order of the corpus, so that a random one is as frequent as in English.
fn vocabulary() -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Entry {
        text: String,
    }
    let corpus = [
        include_str!("../../tests-data/good_texts/own.jsonl"),
        include_str!("../../tests-data/good_texts/public_domain.jsonl"),
    ];
    let texts = corpus.iter().flat_map(|lines| lines.lines());
    let texts = texts.map(|line| serde_json::from_str::<Entry>(line).unwrap().text);
    let english = texts.filter(|text| detect(text) == Some(Language::EN));
    let words = english.flat_map(|text| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    words.filter(|word| word.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, '\'' | '-' | '’'))).collect()
}

/// Samples of four texts each: sentences of 6 to 25 words in paragraphs of five. Many, and no two alike, for a processor
/// learns the branches of a text that it sees twice.
fn samples(vocabulary: &[String]) -> Vec<Vec<String>> {
    let mut state = 7_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut section = || {
        let (mut text, mut words, mut sentence) = (String::new(), 0, 0);
        while words < WORDS_EACH as usize {
            if sentence > 0 {
                text.push_str(if sentence % 5 == 0 { "\n\n" } else { " " });
            }
            let length = 6 + random(20);
            for at in 0..length {
                let word = &vocabulary[random(vocabulary.len())];
                let mark = if at == 0 {
                    ""
                } else if random(12) == 0 {
                    ", "
                } else {
                    " "
                };
                text.push_str(mark);
                if at == 0 {
                    text.push_str(&word[..1].to_uppercase());
                } else {
                    text.push_str(&word[..1]);
                }
                text.push_str(&word[1..]);
            }
            text.push_str(if random(9) == 0 { " of 1482." } else { "." });
            words += length;
            sentence += 1;
        }
        text
    };
    (0..SAMPLES).map(|_| (0..SECTIONS).map(|_| section()).collect()).collect()
}

/// Prints and returns the microseconds of one call: the best of five rounds over all cases.
fn time<C, T>(name: &str, cases: &[C], mut work: impl FnMut(&C) -> T) -> f64 {
    const ROUNDS: u32 = 5;
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for case in cases {
            black_box(work(case));
        }
        best = best.min(start.elapsed());
    }
    let micros = best.as_secs_f64() * 1e6 / cases.len() as f64;
    println!("{name:<40}{micros:>9.2}");
    micros
}

fn context(sections: &[String]) -> SampleContext {
    let steps = (0..SECTIONS).map(|n| Step {
        main_point: format!("how trade and law changed the coast in the century that is part {n} of the account"),
        words: WORDS_EACH,
    });
    let section = |(place, text): (u32, &String)| Section {
        place,
        text: text.clone(),
        words: WORDS_EACH,
        flags: Vec::new(),
        attempt: AttemptId::new("att_1"),
    };
    SampleContext {
        run: RunId::new("run_1"),
        sample: SampleId::new("smp_1"),
        ordinal: 0,
        input: Input {
            messages: vec![Message::user("Write a long history of the trade along an invented coast, in English.")],
            length: None,
            language: None,
            variant: 0,
            id: None,
            meta: None,
        },
        revision: 0,
        config_version: 1,
        model: None,
        plan: Some(Plan { steps: steps.collect() }),
        sections: (0..).zip(sections).map(section).collect(),
        candidates: Vec::new(),
        parts: Vec::new(),
        last_prompt_tokens: None,
    }
}

fn task(place: u32) -> ClaimedTask {
    ClaimedTask {
        key: TaskKey { run: RunId::new("run_1"), kind: Kind::SECTION, subject: "smp_1".to_owned(), place, revision: 0 },
        context_hash: Hash::of("test", &[""]),
        owner: OwnerId::new("own_1"),
        fence: 1,
        attempt: AttemptId::new("att_2"),
        generation: 0,
        failures: 0,
        bad_answers: 0,
        crashes: 0,
        hint: Hint::default(),
    }
}

fn answer(text: &str) -> ChatAnswer {
    ChatAnswer {
        text: text.to_owned(),
        finish: Finish::Stop,
        usage: Usage::default(),
        had_reasoning: false,
        model: None,
        response_id: None,
        first_token: Duration::ZERO,
        total: Duration::ZERO,
        limits: StatedLimits::default(),
    }
}

/// A text and what stands before it.
struct Case {
    text: String,
    hashes: WordHashes,
    grams: Vec<u64>,
    kept: KeptGrams,
    earlier: NgramIndex,
    manuscript: Manuscript,
}

fn cases() -> Vec<Case> {
    let case = |texts: &Vec<String>| {
        let manuscript = Manuscript::new(context(&texts[..3]), Hash::of("test", &[""]));
        let hashes = WordHashes::of(&texts[3]);
        let grams = gram_hashes(&hashes, WORDS);
        let kept = KeptGrams::of(&grams);
        Case { text: texts[3].clone(), hashes, grams, kept, earlier: manuscript.index().clone(), manuscript }
    };
    samples(&vocabulary()).iter().map(case).collect()
}

#[test]
#[ignore = "prints times, judges nothing"]
fn of_each_function() {
    let cases = cases();
    println!("a section of {} bytes, {} words", cases[0].text.len(), words::paper(&cases[0].text));
    time("WordHashes::of", &cases, |case| WordHashes::of(&case.text));
    time("gram_hashes", &cases, |case| gram_hashes(&case.hashes, WORDS));
    time("distances", &cases, |case| distances(&case.grams));
    time("KeptGrams::of", &cases, |case| KeptGrams::of(&case.grams));
    time("overlap_of", &cases, |case| case.earlier.overlap_of(&case.kept));
    time("NgramIndex::add_grams, fourth", &cases, |case| {
        let mut index = case.earlier.clone();
        index.add_grams(&case.kept);
        index
    });
    time("signature", &cases, |case| signature(&case.hashes));
    time("words::paper", &cases, |case| words::paper(&case.text));
    time("words::unicode", &cases, |case| words::unicode(&case.text));
    time("detect", &cases, |case| detect(&case.text));
    time("clean_section", &cases, |case| clean_section(&case.text));
    time("trim_echo", &cases, |case| {
        trim_echo(&case.text, case.manuscript.tail(Mode::Serial), &case.manuscript.lines()[3])
    });
    time("chain::with_section", &cases, |case| case.manuscript.head_after(&case.text, Mode::Serial));
    time("its Probe", &cases, |case| {
        black_box(Probe::new(&case.text, case.hashes.len()));
    });
    time("its Probe, all patterns", &cases, |case| {
        let probe = Probe::new(&case.text, case.hashes.len());
        [&CONTENT_FILTER, &PROVIDER_ERROR, &REFUSAL, &REASONING].iter().any(|set| probe.find(set).is_some())
    });
    time("its error_document", &cases, |case| error_document(&case.text));
    time("its leaves_marker", &cases, |case| crate::clean::leaves_marker(&case.text));
    time("its plan_echo", &cases, |case| plan_echo::find(&case.text, case.manuscript.lines()).is_some());
    time("its loops", &cases, |case| super::loops::circling(&distances(&case.grams)));
    time("its mid sentence", &cases, |case| section::ends_mid_sentence(&case.text).is_some());
    time("its chatter", &cases, |case| section::chatter(&case.text).is_some());
    time("its recap", &cases, |case| super::recap::find(&case.text).is_some());
    let policy = SectionPolicy::default();
    time("section::check", &cases, |case| {
        let input = SectionInput {
            text: &case.text,
            words: WORDS_EACH,
            target_words: WORDS_EACH,
            last: false,
            finish: Finish::Stop,
            plan_lines: case.manuscript.lines(),
            earlier: &case.earlier,
            earlier_tail: case.manuscript.tail(Mode::Serial),
            expected_language: Some(Language::EN),
            had_reasoning: false,
        };
        section::check(&input, &policy)
    });
}

#[test]
#[ignore = "prints times, judges nothing"]
fn of_a_sample_of_four_sections() {
    let samples = samples(&vocabulary());
    let config = TextConfig::default();
    let prompts = Prompts::parse(&config.prompts, config.layout).unwrap();
    let tasks: Vec<ClaimedTask> = (0..SECTIONS).map(task).collect();
    let answers: Vec<Vec<ChatAnswer>> =
        samples.iter().map(|texts| texts.iter().map(|text| answer(text)).collect()).collect();
    let start = Manuscript::new(context(&[]), Hash::of("test", &[""]));
    let write = |answers: &[ChatAnswer], with_request: bool| {
        let mut manuscript = start.clone();
        for (task, answer) in tasks.iter().zip(answers) {
            if with_request {
                black_box(manuscript.request(&config, &prompts, task));
            }
            let written = writing::judge(&manuscript, &config, task, answer, 5_000, 8);
            let Written::Accept(accepted) = written else { panic!("a good text was refused: {written:?}") };
            let Accepted { text, words, flags, chain, origin, grams, .. } = accepted;
            manuscript.remember_grams(chain, grams);
            manuscript.accept(Section { place: task.key.place, text, words, flags, attempt: origin }, chain, None);
        }
        manuscript
    };
    let written = time("four sections: judge, accept", &answers, |answers| write(answers, false));
    let requests = time("four sections: request, judge, accept", &answers, |answers| write(answers, true));
    let packed = time("a sample's verdict (judge_sample)", &samples, |texts| verdict(texts));
    let sections = f64::from(SECTIONS);
    println!(
        "per section: judge, accept {:.1}; request {:.1}; verdict {:.1}; sum {:.1}",
        written / sections,
        (requests - written) / sections,
        packed / sections,
        (requests + packed) / sections
    );
    let loaded: Vec<SampleContext> = samples.iter().map(|texts| context(&texts[..2])).collect();
    time("Manuscript::new of two sections", &loaded, |loaded| Manuscript::new(loaded.clone(), Hash::of("test", &[""])));
}

/// What the packer asks of one text.
fn verdict(texts: &[String]) -> (sample::SampleVerdict, u32, super::Signature) {
    let parts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let text = join(&parts);
    let expected = Some(Language::EN);
    let language = expected.filter(|code| code.contradicted_by(&text).is_none()).or_else(|| detect(&text));
    let (paper, unicode) = (words::paper(&text) as u32, words::unicode(&text) as u32);
    let counted = match WordCounter::for_language(language.map_or("en", Language::code)) {
        WordCounter::Paper => paper,
        WordCounter::Unicode => unicode,
    };
    let hashes = WordHashes::of(&text);
    let eval = EvalPrompts::new(["A prompt of the benchmark"]);
    let input = SampleInput {
        instruction: "Write a long history of the trade along an invented coast, in English.",
        text: &text,
        words: counted,
        length_score: None,
        plan_total: SECTIONS * WORDS_EACH,
        section_flags: &[],
        expected_language: expected,
    };
    (sample::check(&input, &hashes, &SamplePolicy::default(), Some(&eval)), unicode, signature(&hashes))
}
