//! A sample as a Markdown file: what it is in the front matter, the instruction quoted, the text.

use std::fmt::Write as _;

use super::Exported;

/// The file's name.
pub(super) fn file_name(exported: &Exported) -> String {
    format!("{:05}-{}.md", exported.ordinal, exported.row.sample_id)
}

/// The file. Front matter values are JSON, which is YAML.
pub(super) fn render(exported: &Exported) -> String {
    let row = &exported.row;
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let mut out = String::from("---\n");
    let mut line = |name: &str, value: String| {
        let _ = writeln!(out, "{name}: {value}");
    };
    line("id", quoted(&row.id));
    line("sample", row.sample_id.clone());
    line("state", exported.state.as_str().to_owned());
    line("words", row.words.to_string());
    line("sections", row.section_words.len().to_string());
    if let Some(length) = &row.required_length {
        let edges = [length.low, length.high].map(|edge| edge.map_or("null".to_owned(), |edge| edge.to_string()));
        line("required", format!("{{bound: {}, low: {}, high: {}}}", length.bound, edges[0], edges[1]));
    }
    if let Some(score) = row.length_score {
        line("length_score", format!("{score:.1}"));
    }
    if let Some(language) = &row.language {
        line("language", quoted(language));
    }
    line("model", quoted(&row.write_model));
    line("flags", serde_json::json!(row.flags).to_string());
    if let Some(meta) = &row.meta {
        line("meta", meta.replace('\n', " "));
    }
    out.push_str("---\n\n");
    let (answer, asked) = row.messages.split_last().expect("a row ends with its answer");
    for message in asked {
        for text in message.content.lines() {
            let _ = writeln!(out, "{}", format!("> {text}").trim_end());
        }
        out.push('\n');
    }
    out.push_str(answer.content.trim_end());
    out.push('\n');
    out
}
