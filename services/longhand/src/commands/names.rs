//! Names that a person types: samples, states, codes. What is unknown is answered with what is near.

use agentwrite::failure::ErrorCode;
use agentwrite::ids::SampleId;
use agentwrite::sample::SampleState;

use crate::fault::{Exit, Fault};
use crate::place::Place;
use crate::settings::nearest;

/// Candidates that an ambiguous name lists.
const SHOWN: u32 = 5;

/// The error code of this name.
pub fn code(text: &str) -> Result<ErrorCode, Fault> {
    text.parse().map_err(|_| {
        let known: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        unknown("unknown_code", "error code", text, &known)
    })
}

/// The sample state of this name.
pub fn state(text: &str) -> Result<SampleState, Fault> {
    SampleState::read(text).ok_or_else(|| {
        let known: Vec<&str> = SampleState::ALL.iter().map(|state| state.as_str()).collect();
        unknown("unknown_state", "sample state", text, &known)
    })
}

fn unknown(code: &'static str, what: &str, text: &str, known: &[&str]) -> Fault {
    let fault = Fault::usage(code, format!("there is no {what} {text:?}"));
    match nearest(text, known) {
        Some(near) => fault.help(format!("did you mean {near}?")),
        None => fault.help(format!("one of {}", known.join(", "))),
    }
}

/// The sample of this id, of which this is the start of the id, or whose input row has this id.
pub async fn sample(place: &Place, text: &str) -> Result<SampleId, Fault> {
    let mut found =
        if text.is_empty() { Vec::new() } else { place.store.samples_named(&place.run.id, text, SHOWN + 1).await? };
    match found.len() {
        0 => Err(Fault::new("not_found", Exit::NotFound, format!("run {} has no sample {text}", place.run.name))
            .help(format!("`longhand samples {}` lists them", place.name))),
        1 => Ok(found.remove(0)),
        many => {
            let mut names: Vec<&str> = found.iter().take(SHOWN as usize).map(SampleId::as_str).collect();
            if many > SHOWN as usize {
                names.push("...");
            }
            Err(Fault::usage("ambiguous", format!("{text} is the start of several samples"))
                .because(names.join(", "))
                .help("give more of the id"))
        }
    }
}
