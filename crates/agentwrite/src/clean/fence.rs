//! A code fence around the whole answer.

/// The inside of a fence that holds the whole answer, if its language is none, markdown or plain text.
///
/// A fence that names a programming language is the author's code and stays.
pub(super) fn unwrap_whole(text: &str) -> Option<&str> {
    let opened = text.strip_prefix("```")?;
    let (language, rest) = opened.split_once('\n')?;
    let language = language.trim();
    let plain = ["", "markdown", "md", "text", "txt", "plaintext", "plain"];
    if !plain.iter().any(|name| language.eq_ignore_ascii_case(name)) {
        return None;
    }
    let inside = rest.strip_suffix("```").filter(|inside| inside.is_empty() || inside.ends_with('\n'))?;
    let mut fences = inside.lines().map(str::trim).filter(|line| line.starts_with("```"));
    // With a bare first inner fence the outer one was closed there, and the answer is text between two code blocks.
    let nested = fences.next().is_none_or(|first| first.len() > 3 && fences.count() % 2 == 1);
    nested.then(|| inside.trim())
}
