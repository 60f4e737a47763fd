//! The words around a quantity that say how it binds: "at least", "or more", 不少于, 以内.

use super::Bound;

/// Phrases before a number. The longer one wins where one ends another, so that "no more than" is not "more than".
const BEFORE: [(&str, Option<Bound>); 90] = {
    use Bound::{About, AtLeast, AtMost};
    [
        ("at least", Some(AtLeast)),
        ("at lease", Some(AtLeast)),
        ("no less than", Some(AtLeast)),
        ("not less than", Some(AtLeast)),
        ("no fewer than", Some(AtLeast)),
        ("not fewer than", Some(AtLeast)),
        ("no shorter than", Some(AtLeast)),
        ("not shorter than", Some(AtLeast)),
        ("a minimum of", Some(AtLeast)),
        ("minimum of", Some(AtLeast)),
        ("minimum", Some(AtLeast)),
        ("min", Some(AtLeast)),
        ("min.", Some(AtLeast)),
        ("more than", Some(AtLeast)),
        ("longer than", Some(AtLeast)),
        ("greater than", Some(AtLeast)),
        ("upwards of", Some(AtLeast)),
        ("in excess of", Some(AtLeast)),
        ("exceed", Some(AtLeast)),
        ("exceeds", Some(AtLeast)),
        ("exceeding", Some(AtLeast)),
        ("over", Some(AtLeast)),
        ("above", Some(AtLeast)),
        ("≥", Some(AtLeast)),
        (">=", Some(AtLeast)),
        (">", Some(AtLeast)),
        ("at most", Some(AtMost)),
        ("no more than", Some(AtMost)),
        ("not more than", Some(AtMost)),
        ("no longer than", Some(AtMost)),
        ("not longer than", Some(AtMost)),
        ("not exceed", Some(AtMost)),
        ("n't exceed", Some(AtMost)),
        ("never exceed", Some(AtMost)),
        ("not exceeding", Some(AtMost)),
        ("without exceeding", Some(AtMost)),
        ("not over", Some(AtMost)),
        ("not go over", Some(AtMost)),
        ("up to", Some(AtMost)),
        ("under", Some(AtMost)),
        ("below", Some(AtMost)),
        ("less than", Some(AtMost)),
        ("fewer than", Some(AtMost)),
        ("shorter than", Some(AtMost)),
        ("maximum", Some(AtMost)),
        ("a maximum of", Some(AtMost)),
        ("maximum of", Some(AtMost)),
        ("max", Some(AtMost)),
        ("max.", Some(AtMost)),
        ("within", Some(AtMost)),
        ("limited to", Some(AtMost)),
        ("≤", Some(AtMost)),
        ("<=", Some(AtMost)),
        ("<", Some(AtMost)),
        ("about", Some(About)),
        ("around", Some(About)),
        ("approximately", Some(About)),
        ("roughly", Some(About)),
        ("approx", Some(About)),
        ("approx.", Some(About)),
        ("circa", Some(About)),
        ("some", Some(About)),
        ("nearly", Some(About)),
        ("close to", Some(About)),
        ("exactly", Some(About)),
        ("between", None),
        ("somewhere", None),
        ("不少于", Some(AtLeast)),
        ("不得少于", Some(AtLeast)),
        ("不能少于", Some(AtLeast)),
        ("不低于", Some(AtLeast)),
        ("不得低于", Some(AtLeast)),
        ("不小于", Some(AtLeast)),
        ("至少", Some(AtLeast)),
        ("最少", Some(AtLeast)),
        ("大于", Some(AtLeast)),
        ("超过", Some(AtLeast)),
        ("多于", Some(AtLeast)),
        ("不超过", Some(AtMost)),
        ("不得超过", Some(AtMost)),
        ("不能超过", Some(AtMost)),
        ("不要超过", Some(AtMost)),
        ("不多于", Some(AtMost)),
        ("不大于", Some(AtMost)),
        ("最多", Some(AtMost)),
        ("至多", Some(AtMost)),
        ("少于", Some(AtMost)),
        ("小于", Some(AtMost)),
        ("约", Some(About)),
        ("大概", Some(About)),
    ]
};

/// The bound written directly before byte `at`, and the text before it without the phrase and its fillers.
pub(super) fn bound_before(text: &str, at: usize) -> (Option<Bound>, &str) {
    let mut rest = text[..at].trim_end_matches([' ', '(', ':', '-']);
    let mut bound = None;
    loop {
        let phrase =
            BEFORE.iter().filter(|(phrase, _)| ends_with_phrase(rest, phrase)).max_by_key(|(phrase, _)| phrase.len());
        let cut = match phrase {
            Some((phrase, meaning)) => {
                // "a minimum of approximately" is a minimum
                bound = if bound.is_none_or(|bound| bound == Bound::About) { meaning.or(bound) } else { bound };
                phrase.len()
            }
            None => ["an", "a"].into_iter().find(|article| ends_with_phrase(rest, article)).map_or(0, str::len),
        };
        if cut == 0 {
            return (bound, rest);
        }
        rest = rest[..rest.len() - cut].trim_end_matches([' ', '(', ':']);
    }
}

/// Whether `text` ends with `phrase` at the start of a word.
pub(super) fn ends_with_phrase(text: &str, phrase: &str) -> bool {
    text.strip_suffix(phrase).is_some_and(|before| {
        !phrase.starts_with(|c: char| c.is_ascii_lowercase())
            || !before.ends_with(|c: char| c.is_ascii_alphanumeric())
            || phrase.starts_with("n't")
    })
}

/// The bound written directly behind a unit.
pub(super) fn suffix_bound(after: &str) -> Option<Bound> {
    const AFTER: [(&str, Bound); 34] = {
        use Bound::{About, AtLeast, AtMost};
        [
            ("or more", AtLeast),
            ("or above", AtLeast),
            ("or longer", AtLeast),
            ("or over", AtLeast),
            ("and above", AtLeast),
            ("and up", AtLeast),
            ("and more", AtLeast),
            ("at least", AtLeast),
            ("at minimum", AtLeast),
            ("minimum", AtLeast),
            ("min", AtLeast),
            ("plus", AtLeast),
            ("+", AtLeast),
            ("or less", AtMost),
            ("or fewer", AtMost),
            ("or under", AtMost),
            ("or shorter", AtMost),
            ("at most", AtMost),
            ("at maximum", AtMost),
            ("maximum", AtMost),
            ("max", AtMost),
            ("tops", AtMost),
            ("以上", AtLeast),
            ("及以上", AtLeast),
            ("或以上", AtLeast),
            ("之上", AtLeast),
            ("以内", AtMost),
            ("之内", AtMost),
            ("以下", AtMost),
            ("内", AtMost),
            ("封顶", AtMost),
            ("左右", About),
            ("上下", About),
            ("or so", About),
        ]
    };
    let after = after.trim_start_matches([' ', ',', '(']);
    let after = ["in length", "long", "in total"].iter().find_map(|filler| after.strip_prefix(filler)).unwrap_or(after);
    let after = after.trim_start_matches([' ', ',', '(']);
    // "500字内容" is not "500字内"
    if after.starts_with("内容") || after.starts_with("以下是") || after.starts_with("minute") {
        return None;
    }
    AFTER
        .iter()
        .filter(|(phrase, _)| after.starts_with(phrase))
        .max_by_key(|(phrase, _)| phrase.len())
        .map(|(_, bound)| *bound)
}

/// Whether a label that speaks of the answer's length stands before byte `at`, perhaps with a bound between.
pub(super) fn label_before(text: &str, at: usize) -> bool {
    label(text, at).is_some()
}

/// The bound that the label before byte `at` carries by itself ("word limit", "maximum word count").
pub(super) fn label_bound(text: &str, at: usize) -> Option<Bound> {
    let (before, name) = label(text, at)?;
    if name.contains("limit") || name.ends_with("限制") || name.ends_with("上限") || ends_with_phrase(before, "maximum")
    {
        Some(Bound::AtMost)
    } else if ends_with_phrase(before, "minimum") || name.ends_with("下限") || before.ends_with("最低") {
        Some(Bound::AtLeast)
    } else {
        None
    }
}

fn label(text: &str, at: usize) -> Option<(&str, &'static str)> {
    const LABELS: &[&str] = &[
        "limit",
        "word count requirement",
        "word count",
        "wordcount",
        "word limit",
        "number of words",
        "word length",
        "word target",
        "字数要求",
        "字数限制",
        "字数上限",
        "字数下限",
        "字数控制",
        "总字数",
        "字数",
        "篇幅",
    ];
    const FILLERS: &[&str] =
        &["must be", "should be", "is", "of", "be", "to", "=", "在", "为", "是", "应", "要求", "达到", "大约"];
    let mut rest = bound_before(text, at).1;
    loop {
        rest = rest.trim_end_matches([' ', ':', '(', '】', ']', '*']);
        let filler = FILLERS.iter().find(|filler| ends_with_phrase(rest, filler) && !rest.ends_with("字数要求"));
        let Some(filler) = filler else { break };
        rest = bound_before(rest, rest.len() - filler.len()).1;
    }
    // "Words: 2500" is a label only with its colon.
    if ends_with_phrase(rest, "words") && text[rest.len()..].starts_with(':') {
        return Some((rest[..rest.len() - "words".len()].trim_end(), "words"));
    }
    LABELS
        .iter()
        .find(|name| ends_with_phrase(rest, name))
        .map(|name| (rest[..rest.len() - name.len()].trim_end(), *name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_before_a_number() {
        let cases = [
            ("write at least ", Some(Bound::AtLeast), "write"),
            ("no more than ", Some(Bound::AtMost), ""),
            ("more than ", Some(Bound::AtLeast), ""),
            ("it must not exceed ", Some(Bound::AtMost), "it must"),
            ("shouldn't exceed ", Some(Bound::AtMost), "should"),
            ("a minimum of approximately ", Some(Bound::AtLeast), ""),
            ("write an approximately ", Some(Bound::About), "write"),
            ("the pun", None, "the pun"),
            ("moreover", None, "moreover"),
            ("不得少于", Some(Bound::AtLeast), ""),
            ("不少于", Some(Bound::AtLeast), ""),
            ("少于", Some(Bound::AtMost), ""),
            ("字数不超过", Some(Bound::AtMost), "字数"),
        ];
        for (text, bound, rest) in cases {
            assert_eq!(bound_before(text, text.len()), (bound, rest), "{text}");
        }
    }

    #[test]
    fn bounds_behind_a_unit() {
        let cases = [
            (" or more", Some(Bound::AtLeast)),
            (" minimum.", Some(Bound::AtLeast)),
            (" (max)", Some(Bound::AtMost)),
            (" in length, at least", Some(Bound::AtLeast)),
            ("以上。", Some(Bound::AtLeast)),
            ("以内", Some(Bound::AtMost)),
            ("左右", Some(Bound::About)),
            ("内容", None),
            (" on maximal graphs", None),
        ];
        for (text, bound) in cases {
            assert_eq!(suffix_bound(text), bound, "{text}");
        }
    }

    #[test]
    fn labels() {
        for text in [
            "word count: ",
            "word limit is ",
            "字数要求:不少于",
            "字数控制在",
            "讲稿字数",
            "the word count should be about ",
        ] {
            assert!(label_before(text, text.len()), "{text}");
        }
        for text in ["the year ", "count ", "要求:", "第"] {
            assert!(!label_before(text, text.len()), "{text}");
        }
        assert_eq!(label_bound("word limit: ", 12), Some(Bound::AtMost));
        assert_eq!(label_bound("minimum word count: ", 20), Some(Bound::AtLeast));
    }
}
