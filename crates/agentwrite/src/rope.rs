//! A long text of pieces, the long ones shared with whoever holds them already: a prompt repeats a sample's earlier text in
//! every call, and a thousand calls at once have no room for a thousand copies of it.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// A text in pieces. Equal to another one if the whole texts are, however they are cut.
#[derive(Debug, Clone, Default)]
pub struct Rope {
    pieces: Vec<Piece>,
}

/// One piece of a rope.
#[derive(Debug, Clone)]
pub enum Piece {
    /// Words that are the rope's own.
    Own(String),
    /// A text that others hold too.
    Shared(Arc<str>),
}

impl Piece {
    /// The words.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Own(text) => text,
            Self::Shared(text) => text,
        }
    }
}

impl Rope {
    /// Adds a copy of `text` at the end.
    pub fn push_str(&mut self, text: &str) {
        match self.pieces.last_mut() {
            Some(Piece::Own(last)) => last.push_str(text),
            _ => self.pieces.push(Piece::Own(text.to_owned())),
        }
    }

    /// Adds `text` at the end without a copy.
    pub fn push_shared(&mut self, text: &Arc<str>) {
        self.pieces.push(Piece::Shared(Arc::clone(text)));
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.strs().map(str::len).sum()
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pieces in their order.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The words of the pieces in their order.
    pub fn strs(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().map(Piece::as_str)
    }
}

impl From<String> for Rope {
    fn from(text: String) -> Self {
        Self { pieces: vec![Piece::Own(text)] }
    }
}

impl From<&str> for Rope {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl fmt::Display for Rope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.strs().try_for_each(|text| f.write_str(text))
    }
}

impl Serialize for Rope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl PartialEq for Rope {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.strs().flat_map(str::bytes).eq(other.strs().flat_map(str::bytes))
    }
}

impl Eq for Rope {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rope_is_its_text_however_it_is_cut() {
        let shared: Arc<str> = "say \"hi\"\n写".into();
        let mut rope = Rope::default();
        assert!(rope.is_empty());
        rope.push_str("a");
        rope.push_str("b");
        rope.push_shared(&shared);
        rope.push_str("");
        rope.push_str("c");
        let whole = format!("ab{shared}c");
        assert_eq!(rope.pieces().len(), 3);
        assert_eq!((rope.to_string(), rope.len()), (whole.clone(), whole.len()));
        assert_eq!(rope, Rope::from(whole.as_str()));
        assert_ne!(rope, Rope::from(whole.replace('c', "d")));
        assert_eq!(serde_json::to_string(&rope).unwrap(), serde_json::to_string(&whole).unwrap());
        assert!(matches!(&rope.pieces()[1], Piece::Shared(text) if Arc::ptr_eq(text, &shared)));
    }
}
