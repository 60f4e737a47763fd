//! How many words a text has.
//!
//! Two counters, because one number is used for two ends. [`paper`] is the counter that the length score of the LongWriter
//! paper (arXiv 2408.07055) was measured with: it is right for English and Chinese and says 0 for much else. [`unicode`]
//! is what a reader would call the number of words in any other language. A row stores both.

mod paper;
mod unicode;

use serde::{Deserialize, Serialize};

pub use paper::paper;
pub use unicode::unicode;

/// Which of the two counters measures a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WordCounter {
    /// [`paper`]: Latin words and Chinese characters, as the paper's evaluation counts them.
    Paper,
    /// [`unicode`]: words by UAX 29, characters where a script writes no spaces.
    Unicode,
}

impl WordCounter {
    /// The number of words in `text` by this counter.
    pub fn count(self, text: &str) -> usize {
        match self {
            Self::Paper => paper(text),
            Self::Unicode => unicode(text),
        }
    }

    /// The counter that fits a language, given as a BCP 47 tag such as `en`, `zh-Hans` or `fr`: the paper's for English
    /// and Chinese (also `cmn` and `yue`), the Unicode one for every other or unknown tag.
    pub fn for_language(tag: &str) -> Self {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        if ["en", "eng", "zh", "zho", "cmn", "yue"].iter().any(|known| primary.eq_ignore_ascii_case(known)) {
            Self::Paper
        } else {
            Self::Unicode
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_picks_the_counter() {
        for tag in ["en", "EN-gb", "zh", "zh_TW", "cmn-Hans"] {
            assert_eq!(WordCounter::for_language(tag), WordCounter::Paper, "{tag}");
        }
        for tag in ["fr", "ja", "th", "enm", "", "und"] {
            assert_eq!(WordCounter::for_language(tag), WordCounter::Unicode, "{tag}");
        }
    }

    #[test]
    fn a_counter_is_written_in_lower_case() {
        assert_eq!(serde_json::to_string(&WordCounter::Paper).unwrap(), "\"paper\"");
        assert_eq!(serde_json::from_str::<WordCounter>("\"unicode\"").unwrap(), WordCounter::Unicode);
    }

    #[test]
    fn the_counters_differ_where_they_should() {
        assert_eq!(WordCounter::Paper.count("café 2024"), 0);
        assert_eq!(WordCounter::Unicode.count("café 2024"), 2);
    }
}
