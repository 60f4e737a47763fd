//! The exact request of a section, made again from what is stored: the prompt as it was at its first ask.

use std::fmt::Write as _;

use agentwrite::call::{ChatRequest, Role};
use agentwrite::config::Mode;
use agentwrite::ids::{AttemptId, Hash, OwnerId};
use agentwrite::manuscript::Manuscript;
use agentwrite::planning;
use agentwrite::ports::SampleDetail;
use agentwrite::task::{ClaimedTask, Hint, Kind, TaskKey};
use serde_json::{Value, json};
use worker::Settled;

use crate::fault::{Exit, Fault};
use crate::place::Place;

/// The request of section `number`, counted from 1; 0 is the plan's.
pub(super) async fn request(place: &Place, detail: &SampleDetail, number: u32) -> Result<ChatRequest, Fault> {
    let config = place.store.config(&place.run.id, detail.config_version).await?;
    let settled = Settled::new(config.unwrap_or_else(|| place.run.config.clone())).map_err(|error| {
        Fault::new("prompt_template", Exit::Unreachable, "the run's prompts cannot be read").because(error)
    })?;
    let text = &settled.config.text;
    if number == 0 {
        let task = first_ask(detail, Kind::PLAN, 0);
        return Ok(planning::request(text, &settled.prompts, &detail.context, &task));
    }
    let before = check_known(detail, number, text.mode)?;
    let mut context = detail.context.clone();
    context.sections.retain(|section| section.place < before);
    let task = first_ask(detail, Kind::SECTION, number - 1);
    Ok(Manuscript::new(context, task.context_hash).request(text, &settled.prompts, &task))
}

/// How many sections stand before this one in its prompt; a fault if they are not all written.
fn check_known(detail: &SampleDetail, number: u32, mode: Mode) -> Result<u32, Fault> {
    let sample = &detail.row.sample;
    let Some(plan) = &detail.context.plan else {
        return Err(Fault::new("not_found", Exit::NotFound, format!("{sample} has no plan yet"))
            .help("--prompt 0 shows the prompt of its plan"));
    };
    let (sections, places) = (detail.context.sections.len() as u32, plan.steps.len() as u32);
    if number > places {
        let what = format!("{sample} has no section {number}: its plan has {places}");
        return Err(Fault::new("not_found", Exit::NotFound, what));
    }
    let before = if mode == Mode::Serial { number - 1 } else { 0 };
    if sections < before {
        return Err(Fault::new("not_found", Exit::NotFound, format!("section {number} of {sample} has no prompt yet"))
            .because(format!("it holds the sections before it, of which {sections} are written"))
            .help(format!("the next one is --prompt {}", sections + 1)));
    }
    Ok(before)
}

/// The task as it was at its first ask: no re-ask text, no answer that failed a gate.
fn first_ask(detail: &SampleDetail, kind: Kind, place: u32) -> ClaimedTask {
    ClaimedTask {
        key: TaskKey {
            run: detail.context.run.clone(),
            kind,
            subject: detail.row.sample.to_string(),
            place,
            revision: detail.context.revision,
        },
        context_hash: Hash::of("nobody asks", &[""]),
        owner: OwnerId::new("inspect"),
        fence: 0,
        attempt: AttemptId::new("inspect"),
        generation: detail.row.generation,
        failures: 0,
        bad_answers: 0,
        crashes: 0,
        hint: Hint::default(),
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    }
}

/// The messages, each under its role; one message of the user stands alone, byte for byte.
pub(super) fn text(request: &ChatRequest) -> String {
    if let [only] = request.messages.as_slice() {
        return format!("{}\n", only.content);
    }
    let mut out = String::new();
    for message in &request.messages {
        let _ = writeln!(out, "--- {}\n{}", role(message.role), message.content);
    }
    out
}

/// The request as it goes to the endpoint.
pub(super) fn json(request: &ChatRequest) -> Value {
    json!({
        "model": request.model, "messages": request.messages, "temperature": request.temperature,
        "top_p": request.top_p, "max_tokens": request.max_tokens, "seed": request.seed,
        "response_schema": request.schema, "extra_body": request.extra_body,
    })
}
