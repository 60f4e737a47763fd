//! Sentences as patterns: fixed text with `$x` slots, each filled with one entry of a word list. As every entry of a list
//! has the same count, a pattern's count is known before it is filled.

use super::dice::Dice;

/// Word lists by the letter of their slot.
#[derive(Debug)]
pub(crate) struct Lists {
    lists: Vec<(u8, Vec<&'static str>)>,
}

impl Lists {
    /// Each list is words between spaces.
    pub(crate) fn new(lists: &[(u8, &'static str)]) -> Self {
        Self { lists: lists.iter().map(|&(slot, words)| (slot, words.split_whitespace().collect())).collect() }
    }

    fn index(&self, slot: u8) -> usize {
        let index = self.lists.iter().position(|&(known, _)| known == slot);
        index.expect("every slot of the patterns has a list: a test fills each pattern")
    }

    pub(crate) fn list(&self, slot: u8) -> &[&'static str] {
        &self.lists[self.index(slot)].1
    }
}

#[derive(Debug, Clone, Copy)]
struct Piece {
    before: &'static str,
    list: Option<usize>,
}

/// One compiled sentence.
#[derive(Debug)]
pub(crate) struct Pattern {
    pieces: Vec<Piece>,
    /// Its count: English words or Han characters.
    pub(crate) count: u32,
}

impl Pattern {
    /// `count` counts a pattern whose slots still stand in it.
    pub(crate) fn compile(source: &'static str, lists: &Lists, count: impl Fn(&str) -> u32) -> Self {
        let (mut pieces, mut rest) = (Vec::new(), source);
        while let Some(at) = rest.find('$') {
            let slot = rest.as_bytes()[at + 1];
            pieces.push(Piece { before: &rest[..at], list: Some(lists.index(slot)) });
            rest = &rest[at + 2..];
        }
        pieces.push(Piece { before: rest, list: None });
        Self { pieces, count: count(source) }
    }

    /// Writes the sentence; names come from `cast`.
    pub(crate) fn fill(&self, lists: &Lists, cast: &[&str; 4], dice: &mut Dice, out: &mut String) {
        for piece in &self.pieces {
            out.push_str(piece.before);
            let Some(list) = piece.list else { continue };
            let (slot, words) = &lists.lists[list];
            out.push_str(if *slot == b'p' { cast[dice.below(cast.len())] } else { words[dice.below(words.len())] });
        }
    }
}

/// Patterns in order of their count, every count of `1..=longest` among them.
#[derive(Debug)]
pub(crate) struct Sentences {
    patterns: Vec<Pattern>,
    /// `starts[n]` = index of the first pattern with a count of at least n.
    starts: Vec<usize>,
    shortest: u32,
    longest: u32,
}

impl Sentences {
    /// Patterns below `shortest` are used only where a text ends or is very short.
    pub(crate) fn new(mut patterns: Vec<Pattern>, shortest: u32) -> Self {
        patterns.sort_by_key(|pattern| pattern.count);
        let longest = patterns.last().map_or(0, |pattern| pattern.count);
        let starts = (0..=longest + 1).map(|count| patterns.partition_point(|pattern| pattern.count < count)).collect();
        Self { patterns, starts, shortest, longest }
    }

    /// A sentence for a text that still lacks `left`: after it either nothing is left or at least a short sentence.
    pub(crate) fn choose(&self, left: u32, dice: &mut Dice) -> &Pattern {
        let (low, high) =
            if left <= self.longest { (left, left) } else { (self.shortest, self.longest.min(left - self.shortest)) };
        let (from, to) = (self.starts[low as usize], self.starts[high as usize + 1]);
        &self.patterns[from + dice.below(to - from)]
    }

    #[cfg(test)]
    pub(crate) fn gaps(&self) -> Vec<u32> {
        let has = |count: &u32| self.starts[*count as usize] < self.starts[*count as usize + 1];
        (1..=self.longest).filter(|count| !has(count)).collect()
    }
}
