//! Zero-width characters: noise in most scripts, letters' glue in some.

/// Without U+200B and U+FEFF, and without U+200C/D where a Latin letter or a Han character stands beside the run.
///
/// Persian, Hindi and emoji sequences need U+200C/D and keep them. `None` if nothing had to go.
pub(super) fn remove(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut run = String::new();
    let mut before = None;
    for c in text.chars() {
        match c {
            '\u{200b}' | '\u{feff}' => {}
            '\u{200c}' | '\u{200d}' => run.push(c),
            _ => {
                end_run(&mut out, &mut run, before, Some(c));
                out.push(c);
                before = Some(c);
            }
        }
    }
    end_run(&mut out, &mut run, before, None);
    (out.len() < text.len()).then_some(out)
}

/// The whole run is judged by the two characters around it, so the result does not depend on what is removed first.
fn end_run(out: &mut String, run: &mut String, before: Option<char>, after: Option<char>) {
    let useless = [before, after].into_iter().flatten().any(is_latin_or_han);
    if !useless {
        out.push_str(run);
    }
    run.clear();
}

fn is_latin_or_han(c: char) -> bool {
    c.is_ascii_alphabetic()
        || matches!(u32::from(c), 0x00c0..=0x024f | 0x1e00..=0x1eff | 0x3400..=0x9fff | 0xf900..=0xfaff | 0x2_0000..=0x3_ffff)
}
