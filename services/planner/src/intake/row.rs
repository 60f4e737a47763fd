//! One row to one input.

use agentwrite::call::{Message, Role};
use agentwrite::language::Language;
use agentwrite::length::{Reading, RequiredLength, parse_column, read_required_length};
use agentwrite::sample::Input;
use serde_json::{Map, Value};

use super::{IntakeSettings, append};

/// Largest prompt, earlier messages included: 1 MiB, more than any model's context.
const MOST_PROMPT_BYTES: usize = 1 << 20;
const PROMPT_FIELDS: [&str; 3] = ["prompt", "instruction", "messages"];
const MESSAGE_FORM: &str = "give each message a `role` (system, user or assistant) and a text `content`";

/// Why a row cannot be used, and what mends it.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) what: String,
    pub(super) fix: String,
}

impl Fault {
    pub(super) fn new(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { what: what.into(), fix: fix.into() }
    }
}

/// The input of variant 0, and the lengths that the instruction states if they are ambiguous.
pub(super) fn input_of(mut row: Map<String, Value>, settings: &IntakeSettings) -> Result<(Input, Vec<u32>), Fault> {
    let mut messages = messages_of(&mut row, settings.prompt_field.as_deref())?;
    let id = id_of(&mut row)?;
    let column = column_of(&mut row)?;
    let language = language_of(&mut row)?;
    let prompt = check(&mut messages)?;
    let reading = read_required_length(&prompt.content);
    let mut stated = Vec::new();
    let length = match (column, reading) {
        (Some(column), reading) => {
            if settings.append_length && reading == Reading::None {
                append::append_length(&mut prompt.content, &column);
            }
            Some(column)
        }
        (None, Reading::Found(length)) => Some(length),
        (None, Reading::None) => None,
        (None, Reading::Ambiguous(words)) => {
            stated = words;
            None
        }
    };
    let meta = (!row.is_empty()).then(|| Value::Object(row).to_string());
    Ok((Input { messages, length, language, variant: 0, id, meta }, stated))
}

/// Takes the field with the prompt out of the row.
fn messages_of(row: &mut Map<String, Value>, named: Option<&str>) -> Result<Vec<Message>, Fault> {
    let is_there = |name: &&str| row.get(*name).is_some_and(|value| !value.is_null());
    let found = match named {
        Some(name) => [name].into_iter().find(is_there),
        None => PROMPT_FIELDS.into_iter().find(is_there),
    };
    let Some(name) = found else { return Err(missing(row, named)) };
    match row.shift_remove(name) {
        Some(Value::String(text)) if name != "messages" => Ok(vec![Message::user(text)]),
        Some(Value::Array(list)) => list.iter().zip(1..).map(|(value, number)| message(value, number)).collect(),
        _ if name == "messages" => Err(Fault::new("`messages` is not a list", MESSAGE_FORM)),
        _ => Err(Fault::new(format!("`{name}` is not a text"), "make it a string")),
    }
}

fn missing(row: &Map<String, Value>, named: Option<&str>) -> Fault {
    let texts: Vec<&str> =
        row.iter().filter(|(_, value)| value.is_string() || value.is_array()).map(|(name, _)| name.as_str()).collect();
    let what = match named {
        Some(name) => format!("the row has no field `{name}`"),
        None => "the row has no `prompt`, `instruction` or `messages`".to_owned(),
    };
    let fix = match (named, texts.split_first()) {
        (_, None) => "add a field `prompt` with the writing instruction".to_owned(),
        (None, Some((only, []))) => format!("name the field: --prompt-field {only}"),
        _ => format!("name the field with --prompt-field; the row has {}", texts.join(", ")),
    };
    Fault::new(what, fix)
}

fn message(value: &Value, number: usize) -> Result<Message, Fault> {
    let role = match value.get("role").and_then(Value::as_str) {
        Some("system") => Role::System,
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some(other) => return Err(Fault::new(format!("message {number} has the role `{other}`"), MESSAGE_FORM)),
        None => return Err(Fault::new(format!("message {number} has no role"), MESSAGE_FORM)),
    };
    match value.get("content").and_then(Value::as_str) {
        Some(content) => Ok(Message { role, content: content.to_owned() }),
        None => Err(Fault::new(format!("message {number} has no text `content`"), MESSAGE_FORM)),
    }
}

/// Normalises and checks the prompt: the last message. Earlier ones stay as they are, for the training row holds them.
fn check(messages: &mut [Message]) -> Result<&mut Message, Fault> {
    let bytes: usize = messages.iter().map(|message| message.content.len()).sum();
    if bytes > MOST_PROMPT_BYTES {
        let what = format!("the prompt has {bytes} bytes, the limit is {MOST_PROMPT_BYTES}");
        return Err(Fault::new(what, "shorten it: an instruction, not the material, belongs here"));
    }
    let Some(last) = messages.last_mut().filter(|last| last.role == Role::User) else {
        return Err(Fault::new("the last message is not the user's", "end `messages` with the user's instruction"));
    };
    let prompt = last.content.replace("\r\n", "\n");
    prompt.trim_matches(is_blank).clone_into(&mut last.content);
    if last.content.is_empty() {
        return Err(Fault::new("the prompt is empty", "write an instruction, or remove the row"));
    }
    Ok(last)
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}')
}

fn id_of(row: &mut Map<String, Value>) -> Result<Option<String>, Fault> {
    match take(row, "id") {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(_) => Err(Fault::new("`id` is neither a text nor a number", "make it a string, or rename the field")),
    }
}

fn column_of(row: &mut Map<String, Value>) -> Result<Option<RequiredLength>, Fault> {
    take(row, "length").map(|value| parse_column(&value)).transpose().map_err(|what| {
        Fault::new(
            what,
            "use 3000, \"800-1000\", \"at least 2000\" or {\"min\": 800, \"max\": 1000}, or rename the field",
        )
    })
}

fn language_of(row: &mut Map<String, Value>) -> Result<Option<String>, Fault> {
    let fault = |shown: String| {
        let fix = "use an ISO 639-1 code such as en or zh, or leave it out";
        Fault::new(format!("`language` {shown} is not a known code"), fix)
    };
    match take(row, "language") {
        None => Ok(None),
        Some(Value::String(code)) => match Language::from_code(&code) {
            Some(language) => Ok(Some(language.code().to_owned())),
            None => Err(fault(format!("{code:?}"))),
        },
        Some(other) => Err(fault(other.to_string())),
    }
}

/// Takes a field out of the row, the order of the others kept; null is absent.
fn take(row: &mut Map<String, Value>, name: &str) -> Option<Value> {
    row.shift_remove(name).filter(|value| !value.is_null())
}
