//! Numbers as people write them: `5000`, `5,000`, `2.5k`, `five thousand`, `一万五千`, `1万`, `两三千`.
//!
//! All functions here take text that went through [`super::readable`]: ASCII in lower case and half width.

/// One number, or an approximate pair such as `两三千`, in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number {
    /// Byte offset of its first character.
    pub start: usize,
    /// Byte offset behind its last character.
    pub end: usize,
    /// The value, or the lower one of a pair.
    pub low: u64,
    /// The value, or the upper one of a pair.
    pub high: u64,
    /// The multiplier that the number ends with (`5k` 1,000, `两万` 10,000), which a range shares with its first number.
    pub factor: u64,
}

/// All numbers of a text, in order.
pub(super) fn numbers(text: &str) -> Vec<Number> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(character) = text[at..].chars().next() {
        if let Some(number) = number_at(text, at) {
            at = number.end;
            found.push(number);
        } else if character.is_ascii_alphanumeric() {
            at += word(&text[at..]).len();
        } else {
            at += character.len_utf8();
        }
    }
    found
}

/// The number that starts at byte `at`, which must not lie inside a word.
pub(crate) fn number_at(text: &str, at: usize) -> Option<Number> {
    let first = text[at..].chars().next()?;
    if first.is_ascii_digit() {
        digits(text, at)
    } else if first.is_ascii_lowercase() {
        spelled(text, at)
    } else {
        chinese(text, at)
    }
}

/// The run of ASCII letters, digits and inner apostrophes that `text` starts with.
pub(super) fn word(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '\'')).unwrap_or(text.len());
    &text[..end]
}

fn digits(text: &str, at: usize) -> Option<Number> {
    let bytes = text.as_bytes();
    let run = |from: usize| bytes.iter().skip(from).take_while(|byte| byte.is_ascii_digit()).count();
    let mut end = at + run(at);
    let mut plain = text[at..end].to_owned();
    // A comma groups only if exactly three digits follow; "In 2019, 300 words" is two numbers.
    while plain.len() <= 12 && bytes.get(end) == Some(&b',') && run(end + 1) == 3 {
        plain.push_str(&text[end + 1..end + 4]);
        end += 4;
    }
    // "2 000 words"; "2 500-word essays" stays two numbers
    if plain.len() <= 3 && text[end..].starts_with(" 0") && run(end + 1) == 3 {
        plain.push_str(&text[end + 1..end + 4]);
        end += 4;
    }
    if bytes.get(end) == Some(&b'.') && run(end + 1) > 0 {
        let fraction = end + 1 + run(end + 1);
        plain.push_str(&text[end..fraction]);
        end = fraction;
    }
    let value: f64 = plain.parse().ok().filter(|value| *value < 1e12)?;
    let (factor, behind) = multiplier(text, end);
    let mut number = value * factor as f64;
    let mut end = behind;
    // "2万5千", "1万2000"
    if factor >= 1000
        && let Some(tail) = number_at(text, end).filter(|tail| factor >= 10_000 && tail.high < factor)
        && text[..behind].ends_with('万')
    {
        number += tail.low as f64;
        end = tail.end;
    }
    let value = number.round() as u64;
    Some(Number { start: at, end, low: value, high: value, factor })
}

/// The multiplier behind the digits that end at `end`, and where it ends.
fn multiplier(text: &str, end: usize) -> (u64, usize) {
    let rest = &text[end..];
    for (sign, factor) in [('万', 10_000), ('千', 1000), ('百', 100)] {
        if rest.starts_with(sign) {
            return (factor, end + sign.len_utf8());
        }
    }
    let bare = rest.trim_start_matches([' ', '-']);
    let (name, skipped) = (word(bare), rest.len() - bare.len());
    let factor = match name {
        "k" if skipped == 0 => 1000,
        "hundred" => 100,
        "thousand" => 1000,
        "million" => 1_000_000,
        _ => return (1, end),
    };
    (factor, end + skipped + name.len())
}

fn spelled_value(name: &str) -> Option<u64> {
    const UNITS: &[&str] = &[
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ];
    const TENS: &[&str] = &["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
    let unit = UNITS.iter().position(|unit| *unit == name).map(|index| index as u64);
    unit.or_else(|| TENS.iter().position(|ten| *ten == name).map(|index| index as u64 * 10 + 20))
}

fn spelled(text: &str, at: usize) -> Option<Number> {
    let (mut total, mut group, mut last_small) = (0_u64, 0_u64, None::<u64>);
    let (mut end, mut factor, mut next) = (at, 1, at);
    loop {
        let name = word(&text[next..]);
        let started = end > at;
        match (name, spelled_value(name)) {
            ("a", _) if !started && ["hundred", "thousand", "dozen"].contains(&following(text, next + 1).1) => {
                group = 1;
                end = next + 1;
            }
            // "and" binds only between a multiplier and a smaller number.
            ("and", _) if started && last_small.is_none() && spelled_value(following(text, next + 3).1).is_some() => {
                next = following(text, next + 3).0;
                continue;
            }
            (_, Some(value)) => {
                let fits = match last_small {
                    None => true,
                    Some(before) => before >= 20 && before.is_multiple_of(10) && (1..10).contains(&value),
                };
                if !fits {
                    break;
                }
                group += value;
                (last_small, factor) = (Some(value), 1);
                end = next + name.len();
            }
            ("dozen", _) if started => {
                group *= 12;
                (last_small, factor) = (Some(12), 1);
                end = next + name.len();
            }
            ("hundred", _) if started && group > 0 && group < 100 => {
                group *= 100;
                (last_small, factor) = (None, 100);
                end = next + name.len();
            }
            ("thousand" | "million", _) if started && group > 0 => {
                factor = if name == "thousand" { 1000 } else { 1_000_000 };
                total += group * factor;
                (group, last_small) = (0, None);
                end = next + name.len();
            }
            _ => break,
        }
        next = following(text, end).0;
    }
    let value = total + group;
    (end > at).then_some(Number { start: at, end, low: value, high: value, factor })
}

/// Where the next word starts if only a space or a hyphen stands before it, and that word.
fn following(text: &str, at: usize) -> (usize, &str) {
    let rest = text.get(at..).unwrap_or_default();
    let bare = rest.strip_prefix([' ', '-']).unwrap_or(rest);
    (at + rest.len() - bare.len(), if bare.len() == rest.len() { "" } else { word(bare) })
}

fn chinese(text: &str, at: usize) -> Option<Number> {
    let run: Vec<char> =
        text[at..].chars().take_while(|c| chinese_digit(*c).is_some() || chinese_unit(*c).is_some()).collect();
    let end = at + run.iter().map(|c| c.len_utf8()).sum::<usize>();
    let (low, high) = chinese_value(&run)?;
    let factor = run.last().and_then(|c| chinese_unit(*c)).filter(|_| run.len() <= 3).unwrap_or(1);
    Some(Number { start: at, end, low, high, factor })
}

pub(super) fn chinese_digit(character: char) -> Option<u64> {
    if character == '两' {
        return Some(2);
    }
    if character == '零' {
        return Some(0);
    }
    "〇一二三四五六七八九".chars().position(|digit| digit == character).map(|index| index as u64)
}

fn chinese_unit(character: char) -> Option<u64> {
    Some(match character {
        '十' => 10,
        '百' => 100,
        '千' => 1000,
        '万' => 10_000,
        _ => return None,
    })
}

/// The value of a run of Chinese numerals, as a pair that differs only for forms such as `七八百`.
fn chinese_value(run: &[char]) -> Option<(u64, u64)> {
    let digits: Vec<u64> = run.iter().map_while(|c| chinese_digit(*c)).collect();
    if digits.len() == run.len() {
        return match digits[..] {
            [] => None,
            [low, high] if low > 0 && high == low + 1 => Some((low, high)),
            _ if digits.len() > 9 => None,
            _ => digits.iter().try_fold(0_u64, |sum, digit| Some(sum * 10 + digit)).map(|value| (value, value)),
        };
    }
    let (mut total, mut section, mut digit) = ((0, 0), (0, 0), None::<(u64, u64)>);
    let (mut last_unit, mut after_zero) = (1, false);
    for &character in run {
        if let Some(value) = chinese_digit(character) {
            after_zero |= value == 0;
            digit = match digit {
                Some((low, high)) if value > 0 && low == high && value == low + 1 => Some((low, value)),
                Some((low, _)) if low > 0 => return None,
                _ => Some((value, value)),
            };
            continue;
        }
        let unit = chinese_unit(character)?;
        if unit == 10_000 {
            let count = add(section, digit.unwrap_or(if section == (0, 0) { (1, 1) } else { (0, 0) }));
            (total, section) = (add(total, times(count, unit)), (0, 0));
        } else {
            section = add(section, times(digit.unwrap_or((1, 1)), unit));
        }
        (digit, last_unit, after_zero) = (None, unit, false);
    }
    if let Some(rest) = digit {
        // "一万五" is 15,000; "一万零五" is 10,005
        section = add(section, times(rest, if after_zero || last_unit <= 10 { 1 } else { last_unit / 10 }));
    }
    Some(add(total, section))
}

fn add(a: (u64, u64), b: (u64, u64)) -> (u64, u64) {
    (a.0.saturating_add(b.0), a.1.saturating_add(b.1))
}

fn times(a: (u64, u64), factor: u64) -> (u64, u64) {
    (a.0.saturating_mul(factor), a.1.saturating_mul(factor))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values(text: &str) -> Vec<(u64, u64)> {
        numbers(text).iter().map(|number| (number.low, number.high)).collect()
    }

    #[test]
    fn one_number_of_each_kind() {
        let cases = [
            ("5000", 5000),
            ("5,000", 5000),
            ("1,234,567", 1_234_567),
            ("10 000", 10_000),
            ("5k", 5000),
            ("2.5k", 2500),
            ("5 thousand", 5000),
            ("five thousand", 5000),
            ("five-thousand", 5000),
            ("one thousand five hundred", 1500),
            ("twenty-five hundred", 2500),
            ("two hundred and fifty", 250),
            ("a thousand", 1000),
            ("a dozen", 12),
            ("ninety-nine", 99),
            ("twelve", 12),
            ("两千", 2000),
            ("一万五千", 15_000),
            ("一万五", 15_000),
            ("三千五", 3500),
            ("一万零五百", 10_500),
            ("一千零五", 1005),
            ("五百", 500),
            ("十五", 15),
            ("二十", 20),
            ("十万", 100_000),
            ("二〇〇〇", 2000),
            ("1万", 10_000),
            ("1.5万", 15_000),
            ("2万5千", 25_000),
            ("1万2000", 12_000),
            ("3千", 3000),
        ];
        for (text, value) in cases {
            assert_eq!(values(text), [(value, value)], "{text}");
            assert_eq!(numbers(text)[0].end, text.len(), "{text}");
        }
    }

    #[test]
    fn pairs_sequences_and_what_is_no_number() {
        assert_eq!(values("两三千字"), [(2000, 3000)]);
        assert_eq!(values("七八百字"), [(700, 800)]);
        assert_eq!(values("in 2019, 300 words"), [(2019, 2019), (300, 300)]);
        assert_eq!(values("five two-hundred-word tales"), [(5, 5), (200, 200)]);
        assert_eq!(values("gpt4 and km10"), []);
        assert_eq!(values("thousands of words, hundred-year"), []);
        assert_eq!(values("someone often weights a paper"), []);
        assert_eq!(values("99999999999999999999999999 words"), []);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "([0-9,.k -]|[a-z]{1,3}|hundred|thousand|and|two|a |[一两三十百千万零字]|\\PC){0,30}") {
            for number in numbers(&text) {
                prop_assert!(number.start < number.end && number.low <= number.high);
            }
        }
    }
}
