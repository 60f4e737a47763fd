//! What a prompt promises: no expansion of user text, growth only at its end, re-asks as suffixes.

use super::*;

fn parts<'a>(lines: &'a [String], earlier: &'a [Arc<str>], step: usize) -> WriteParts<'a> {
    WriteParts { context: &[], instruction: "Tell {plan} of tea", plan: "P", lines, earlier, step, fault: None }
}

#[test]
fn user_text_is_never_expanded() {
    let prompts = Prompts::parse(&PromptTexts::default(), Layout::Paper).unwrap();
    let lines = vec!["line one {text}".to_owned()];
    let messages = prompts.write(&parts(&lines, &[], 0));
    let prompt = messages[0].content.to_string();
    assert!(prompt.contains("Tell {plan} of tea"));
    assert!(prompt.contains("line one {text}"));
}

#[test]
fn the_prefix_grows_only_at_its_end_in_both_layouts() {
    let lines: Vec<String> = (1..=3).map(|n| format!("step {n}")).collect();
    let earlier: Vec<Arc<str>> = vec!["first text".into(), "second text".into()];
    let paper = Prompts::parse(&PromptTexts::default(), Layout::Paper).unwrap();
    let one = paper.write(&parts(&lines, &earlier[..1], 1));
    let two = paper.write(&parts(&lines, &earlier, 2));
    let (one, two) = (one[0].content.to_string(), two[0].content.to_string());
    let stable = one.find("first text").unwrap() + "first text\n\n".len();
    assert_eq!(one[..stable], two[..stable]);
    assert!(two[stable..].starts_with("second text\n\nWrite the following part"));

    let turns = Prompts::parse(&PromptTexts::built_in(Layout::Turns), Layout::Turns).unwrap();
    let one = turns.write(&parts(&lines, &earlier[..1], 1));
    let two = turns.write(&parts(&lines, &earlier, 2));
    assert_eq!(one[..], two[..3]);
    assert_eq!(two.len(), 5);
}

#[test]
fn a_reask_is_a_suffix_after_the_unchanged_prompt() {
    let prompts = Prompts::parse(&PromptTexts::default(), Layout::Paper).unwrap();
    let lines = vec!["step 1".to_owned()];
    let plain = prompts.write(&parts(&lines, &[], 0));
    let asked = prompts.write(&WriteParts { fault: Some("it was empty."), ..parts(&lines, &[], 0) });
    let (plain, asked) = (plain[0].content.to_string(), asked[0].content.to_string());
    assert!(asked.starts_with(&plain));
    assert!(asked.ends_with("Answer again, and mend this."));
}

#[test]
fn extract_reads_back_what_render_filled_in() {
    let template = Template::parse(WRITE);
    let fill = [("instruction", "do {x}"), ("plan", "a\n\nb"), ("text", "Outline:\nfoo"), ("step", "b"), ("note", "n")];
    let prompt = template.render(|slot| fill.iter().find(|(name, _)| *name == slot).unwrap().1.to_owned());
    let mut found = template.extract(&prompt, "text").unwrap();
    found.sort_unstable();
    let mut wanted = fill.to_vec();
    wanted.sort_unstable();
    assert_eq!(found, wanted);
    assert_eq!(template.extract("something else", "text"), None);
}

#[test]
fn templates_that_would_break_the_cache_or_lack_a_slot_are_refused() {
    let broken = PromptTexts { write: "{step} {instruction} {plan} {text}".to_owned(), ..PromptTexts::default() };
    let error = Prompts::parse(&broken, Layout::Paper).unwrap_err();
    assert_eq!(error, TemplateError::BeforeText { prompt: "write", slot: "step" });
    let missing = PromptTexts { write: "{instruction} {plan} {step}".to_owned(), ..PromptTexts::default() };
    assert!(matches!(Prompts::parse(&missing, Layout::Paper), Err(TemplateError::SlotCount { slot: "text", .. })));
    let unknown = PromptTexts { plan: "{instruction} {tone}".to_owned(), ..PromptTexts::default() };
    assert!(matches!(Prompts::parse(&unknown, Layout::Paper), Err(TemplateError::UnknownSlot { .. })));
}
