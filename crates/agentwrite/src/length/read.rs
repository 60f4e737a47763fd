//! Reading the required length out of an instruction.

use super::bound::{bound_before, label_bound};
use super::mask::readable;
use super::parts::{PartCount, part_counts};
use super::quantity::{Quantity, quantities};
use super::role::{Role, role};
use super::{Bound, LengthSource, Reading, RequiredLength};

/// The length that `instruction` asks of its answer, in English or Chinese.
///
/// A number is read only where it governs the answer: "summarise this 5,000-word report" reads nothing, "five chapters of
/// 2,000 words" reads 10,000. Quoted and pasted text is not read, nor are pages, characters of English, or anything
/// under 20 words. Statements that cannot all hold are [`Reading::Ambiguous`].
pub fn read_required_length(instruction: &str) -> Reading {
    let text = readable(instruction);
    let counts = part_counts(&text);
    let (mut wholes, mut totals, mut parts) = (Vec::new(), Vec::new(), Vec::new());
    for quantity in quantities(&text) {
        let length = bounded(&text, &quantity);
        match role(&text, &quantity) {
            Role::Whole => wholes.push(length),
            Role::Each { kind, count } => {
                totals.extend(count.or_else(|| count_of(&counts, kind)).and_then(|count| times(length, count)));
            }
            Role::Part => parts.push(length),
            Role::Other => {}
        }
    }
    if wholes.is_empty() {
        return merge(&if totals.is_empty() { parts } else { totals });
    }
    match merge(&wholes) {
        Reading::Found(whole) => match totals.iter().find(|total| contradicts(whole, **total)) {
            Some(total) => ambiguous(&[whole, *total]),
            None => Reading::Found(whole),
        },
        other => other,
    }
}

fn bounded(text: &str, quantity: &Quantity) -> RequiredLength {
    let (before, rest) = bound_before(text, quantity.start);
    let before = before.or_else(|| is_limited(rest).then_some(Bound::AtMost));
    // A hard bound beats "about", wherever it stands: "around 500 words or more".
    let hard = [quantity.bound, before].into_iter().flatten().find(|bound| *bound != Bound::About);
    let said = quantity.bound.is_some() || before.is_some();
    let bound = if quantity.low < quantity.high {
        Bound::Range
    } else {
        let label = if said { None } else { label_bound(text, quantity.start) };
        hard.or(label).unwrap_or(Bound::About)
    };
    RequiredLength { bound, low: quantity.low, high: quantity.high, source: LengthSource::Read }
}

/// "limit your answer to 250 words"
fn is_limited(rest: &str) -> bool {
    let clause = rest.rsplit([',', '.', '\n', ';']).next().unwrap_or_default();
    rest.ends_with(" to") && ["limit ", "restrict "].iter().any(|verb| clause.contains(verb))
}

/// How many parts there are: those of the same kind; else, where the kind is not named or could stand for any, the only
/// count there is.
fn count_of(counts: &[PartCount], kind: Option<&'static str>) -> Option<u32> {
    let same: Vec<u32> = counts.iter().filter(|part| Some(part.kind) == kind).map(|part| part.count).collect();
    let any = kind.is_none_or(|kind| ["篇", "段", "份", "则"].contains(&kind));
    let mut pool = if same.is_empty() && any { counts.iter().map(|part| part.count).collect() } else { same };
    pool.sort_unstable();
    pool.dedup();
    if let [count] = pool[..] { Some(count) } else { None }
}

fn times(length: RequiredLength, count: u32) -> Option<RequiredLength> {
    Some(RequiredLength { low: length.low.checked_mul(count)?, high: length.high.checked_mul(count)?, ..length })
}

/// Whether the sum of the parts cannot be the whole, with a quarter of play for what stands between the parts.
fn contradicts(whole: RequiredLength, total: RequiredLength) -> bool {
    let (low, high) = (f64::from(whole.low) * 0.75, f64::from(whole.high) * 1.25);
    let too_long = f64::from(total.low) > high && total.bound != Bound::AtMost && whole.bound != Bound::AtLeast;
    let too_short = f64::from(total.high) < low && total.bound != Bound::AtLeast && whole.bound != Bound::AtMost;
    too_long || too_short
}

fn ambiguous(lengths: &[RequiredLength]) -> Reading {
    let mut values: Vec<u32> = lengths.iter().flat_map(|length| [length.low, length.high]).collect();
    values.sort_unstable();
    values.dedup();
    Reading::Ambiguous(values)
}

/// One length that satisfies all of them, if there is one.
fn merge(lengths: &[RequiredLength]) -> Reading {
    let Some((first, rest)) = lengths.split_first() else { return Reading::None };
    let merged = rest.iter().try_fold(*first, |merged, next| join(merged, *next));
    merged.map_or_else(|| ambiguous(lengths), Reading::Found)
}

fn join(a: RequiredLength, b: RequiredLength) -> Option<RequiredLength> {
    use Bound::{About, AtLeast, AtMost, Range};
    if (a.low, a.high) == (b.low, b.high) {
        return Some(if a.bound == About { b } else { a });
    }
    match (a.bound, b.bound) {
        (AtLeast, AtMost) if a.low < b.high => Some(RequiredLength { bound: Range, low: a.low, high: b.high, ..a }),
        (About | Range, AtMost) if a.high <= b.high => Some(a),
        (About | Range, AtLeast) if a.low >= b.low => Some(a),
        (Range, About) if (a.low..=a.high).contains(&b.low) => Some(a),
        (AtMost, AtLeast | About | Range) | (AtLeast, About | Range) | (About, Range) => join(b, a),
        _ => None,
    }
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
