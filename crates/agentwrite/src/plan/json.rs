//! Plans as JSON.

use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};

use super::suspect::is_refusal;
use super::text::words_of;
use super::{Plan, PlanFault, Step};

/// How many opening brackets are tried as the start of the plan. Prose before the plan may hold some.
const STARTS: usize = 64;

static SCHEMA: LazyLock<Arc<Value>> = LazyLock::new(|| {
    let step = json!({
        "type": "object",
        "properties": {
            "main_point": { "type": "string", "description": "what the paragraph says, in detail" },
            "words": { "type": "integer", "description": "how many words the paragraph has" }
        },
        "required": ["main_point", "words"],
        "additionalProperties": false
    });
    let steps = json!({ "type": "array", "description": "the paragraphs in order", "items": step });
    Arc::new(json!({
        "type": "object",
        "properties": { "steps": steps },
        "required": ["steps"],
        "additionalProperties": false
    }))
});

/// The JSON Schema of a plan, in the subset that strict structured output takes.
pub fn json_schema() -> Arc<Value> {
    Arc::clone(&SCHEMA)
}

/// Reads a plan from `{"steps": [{"main_point": .., "words": ..}]}` or a bare list of such steps, alone, in a fence or with
/// prose around it. Common other keys are understood, and words as text ("400 words", "300-500").
pub fn parse_json(answer: &str) -> Result<Plan, PlanFault> {
    let mut cut = false;
    for (start, _) in answer.match_indices(['{', '[']).take(STARTS) {
        let mut values = serde_json::Deserializer::from_str(&answer[start..]).into_iter::<Value>();
        match values.next() {
            Some(Ok(value)) => {
                if let Some(plan) = plan(&value) {
                    return Ok(plan);
                }
            }
            Some(Err(error)) => cut |= error.is_eof() && answer[start..].contains('"'),
            None => {}
        }
    }
    Err(if cut {
        PlanFault::Cut
    } else if is_refusal(answer) {
        PlanFault::Refusal
    } else {
        PlanFault::NoStep
    })
}

fn plan(value: &Value) -> Option<Plan> {
    const LISTS: [&str; 5] = ["steps", "plan", "paragraphs", "sections", "subtasks"];
    let list = match value {
        Value::Array(list) => list,
        Value::Object(object) => LISTS.iter().find_map(|key| object.get(*key)?.as_array())?,
        _ => return None,
    };
    let steps: Vec<Step> = list.iter().map(step).collect::<Option<_>>()?;
    (!steps.is_empty()).then_some(Plan { steps })
}

fn step(value: &Value) -> Option<Step> {
    const POINTS: [&str; 7] = ["mainpoint", "mainpoints", "point", "description", "content", "title", "主要内容"];
    const WORDS: [&str; 6] = ["words", "wordcount", "wordcountrequirement", "targetwords", "length", "字数"];
    let object = value.as_object()?;
    let field = |names: &[&str]| {
        names.iter().find_map(|name| {
            let is_name =
                |key: &str| key.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).eq(name.chars());
            object.iter().find(|(key, _)| is_name(key)).map(|(_, value)| value)
        })
    };
    let main_point = match field(&POINTS)? {
        Value::String(text) => text.clone(),
        // main points given as a list
        Value::Array(points) => points.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; "),
        _ => return None,
    };
    let words = match field(&WORDS)? {
        Value::Number(number) => number.as_f64().filter(|words| *words >= 0.0).map(|words| words.round() as u32)?,
        Value::String(text) => words_of(text)?,
        _ => return None,
    };
    Some(Step { main_point: main_point.split_whitespace().collect::<Vec<_>>().join(" "), words })
}

#[cfg(test)]
mod tests {
    use super::super::tests::plan as steps;
    use super::*;

    #[test]
    fn plans_in_json() {
        let expected = steps(&[("Origins of the city", 400), ("Decline", 350)]);
        let answers = [
            r#"{"steps":[{"main_point":"Origins of the city","words":400},{"main_point":"Decline","words":350}]}"#,
            "Sure {as asked}:\n```json\n{\"steps\": [{\"main_point\": \"Origins of\\nthe city\", \"words\": \"400 words\"},\n \
             {\"main_point\": \"Decline\", \"words\": \"300-400\"}]}\n```\nTotal: 750 {words}.",
            r#"[{"Main Point":"Origins of the city","Word Count":400},{"Main Point":"Decline","Word Count":"350"}]"#,
            r#"{"title":"Rome","plan":[{"mainPoint":"Origins of the city","wordCount":400.0},{"mainPoint":"Decline","wordCount":350}]}"#,
        ];
        for answer in answers {
            assert_eq!(parse_json(answer), Ok(expected.clone()), "{answer}");
        }
    }

    #[test]
    fn answers_without_a_plan() {
        let cases = [
            ("", PlanFault::NoStep),
            ("{}", PlanFault::NoStep),
            (r#"{"steps":[]}"#, PlanFault::NoStep),
            (r#"{"steps":[{"main_point":"A"}]}"#, PlanFault::NoStep),
            (r#"{"steps":[{"main_point":"A","words":400},{"main_po"#, PlanFault::Cut),
            ("I'm sorry, but I can't help with that.", PlanFault::Refusal),
        ];
        for (answer, fault) in cases {
            assert_eq!(parse_json(answer), Err(fault), "{answer}");
        }
    }

    #[test]
    fn the_schema_describes_what_is_parsed() {
        let schema = json_schema();
        let item = &schema["properties"]["steps"]["items"];
        assert_eq!(item["required"], json!(["main_point", "words"]));
    }
}
