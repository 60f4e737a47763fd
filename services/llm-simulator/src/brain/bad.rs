//! Bad answers. Each carries its fault's marker inside what must never get into a shard.

use agentwrite::call::Finish;

use super::prompt::{Asked, is_chinese};
use super::{Broken, Said};
use crate::faults::FaultKind;

/// Makes of a good answer what the fault makes of it; `variety` picks among its forms.
pub(super) fn spoil(asked: &Asked<'_>, good: String, kind: FaultKind, variety: u64) -> Said {
    let marker = kind.marker();
    let (instruction, earlier, json) = match *asked {
        Asked::Plan { instruction, json, .. } => (instruction, instruction, json),
        Asked::Section { instruction, earlier, .. } => (instruction, earlier, false),
        Asked::Other { prompt } => (prompt, prompt, false),
    };
    match kind {
        FaultKind::Cut if variety.is_multiple_of(4) => {
            Said { broken: Some(Broken::NoFinish), ..Said::plainly(marked_part(&good, marker)) }
        }
        FaultKind::Cut if matches!(asked, Asked::Section { .. }) => {
            Said { finish: Finish::Length, ..Said::plainly(cut_part(&good, marker, variety)) }
        }
        FaultKind::Cut => Said { finish: Finish::Length, ..Said::plainly(marked_part(&good, marker)) },
        FaultKind::Reset => Said { broken: Some(Broken::Reset), ..Said::plainly(marked_part(&good, marker)) },
        FaultKind::KeepAlive => Said { broken: Some(Broken::KeepAlive), ..Said::plainly(String::new()) },
        FaultKind::BrokenJson if json && variety.is_multiple_of(2) => {
            Said::plainly(format!("{{\"steps\": [{{\"main_point\": \"{marker}\", \"words\": 400}}, {{\"main_point"))
        }
        FaultKind::BrokenJson => Said { broken: Some(Broken::Json), ..Said::plainly(marked_part(&good, marker)) },
        FaultKind::Refusal => Said::plainly(refusal(is_chinese(instruction), marker, variety)),
        FaultKind::Empty => Said::plainly(if variety.is_multiple_of(2) { "" } else { " \n" }.to_owned()),
        FaultKind::ErrorText => Said::plainly(error_text(marker, variety)),
        FaultKind::Think => think(good, marker, variety),
        FaultKind::Echo => Said::plainly(echo(earlier, marker)),
        FaultKind::GarbagePlan => Said::plainly(garbage_plan(marker, variety)),
        FaultKind::DropFront | FaultKind::Rate429 | FaultKind::Rate500 | FaultKind::Rate503 => Said::plainly(good),
    }
}

fn boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// The first 60 % of a text with the marker near its front, so that the first delta of a broken stream holds it.
fn marked_part(good: &str, marker: &str) -> String {
    let (middle, end) = (boundary(good, good.len() * 15 / 100), boundary(good, good.len() * 6 / 10));
    format!("{} {marker} {}", &good[..middle], &good[middle..end])
}

/// The first 30 to 85 % of a text with the marker in its last, unfinished sentence: all that stands before that may be
/// continued and get into a shard, the marker may not.
fn cut_part(good: &str, marker: &str, variety: u64) -> String {
    let percent = 30 + (variety / 4) as usize % 56;
    format!("{} {marker}", &good[..boundary(good, good.len() * percent / 100)])
}

fn refusal(chinese: bool, marker: &str, variety: u64) -> String {
    let english = [
        "I'm sorry, but I can't assist with that request.",
        "I cannot help with writing this text.",
        "As an AI language model, I am unable to write this section.",
        "I apologize, but I can't continue with this content.",
    ];
    let forms = if chinese {
        ["抱歉，我无法协助完成这个请求。", "对不起，我不能提供该内容。"].as_slice()
    } else {
        &english
    };
    format!("{} {marker}", forms[variety as usize % forms.len()])
}

fn error_text(marker: &str, variety: u64) -> String {
    match variety % 3 {
        0 => format!("Error: upstream provider returned status 502 (Bad Gateway). {marker}"),
        1 => format!(
            "{{\"error\": {{\"message\": \"Internal server error {marker}\", \"type\": \"server_error\", \"code\": 500}}}}"
        ),
        _ => format!("An error occurred while processing your request. Please try again later. {marker}"),
    }
}

/// A closed block before the text, one that never closes, or reasoning beside the text.
fn think(good: String, marker: &str, variety: u64) -> Said {
    let thought = format!("The outline asks for the next part, so the {marker} part has to follow what stands there.");
    match variety % 3 {
        0 => Said::plainly(format!("<think>\n{thought}\n</think>\n\n{good}")),
        1 => Said::plainly(format!("<think>\n{thought} First the scene, then the people in it, then the turn.")),
        _ => Said { reasoning: Some(thought), ..Said::plainly(good) },
    }
}

/// The end of what stood before, at most 1,500 bytes of it.
fn echo(earlier: &str, marker: &str) -> String {
    let start = boundary(earlier, earlier.len().saturating_sub(1500));
    format!("{}\n\n{marker}", earlier[start..].trim())
}

fn garbage_plan(marker: &str, variety: u64) -> String {
    match variety % 3 {
        0 => (1..=6)
            .map(|n| format!("Paragraph {n} - Main Point: [Describe the main point {marker}] - Word Count: 400 words"))
            .collect::<Vec<_>>()
            .join("\n\n"),
        1 => vec![format!("Paragraph 1 - Main Point: {marker} the same again - Word Count: 400 words"); 12].join("\n"),
        _ => format!("This is a lovely idea for a text and there is much to say about it. {marker} Let us begin soon."),
    }
}
