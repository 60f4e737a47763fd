//! Which language a text is in, and which one an instruction asks for.
//!
//! Scripts decide where they can (Han, kana, Hangul, Arabic, Devanagari, Thai, Cyrillic, ...). Only Latin texts of at
//! least 40 letters are asked of `whichlang`, which is unreliable on titles. A text that is too short or evenly mixed
//! has no language (`None`): the gates then stay silent rather than guess.
//!
//! To add a language: a line in [`KNOWN`], and, if its script is shared, a rule in `detect`.

mod detect;
mod requested;

pub use detect::detect;
pub use requested::requested_language;
use serde::{Deserialize, Serialize};

/// An ISO 639-1 code from a closed list, such as `en` or `zh`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Language(&'static str);

/// Every code that a [`Language`] can hold, each with whether [`detect`] can tell it from its neighbours.
const KNOWN: &[(&str, bool)] = &[
    ("ar", true),
    ("bn", true),
    ("cs", false),
    ("da", false),
    ("de", true),
    ("el", true),
    ("en", true),
    ("es", true),
    ("fa", true),
    ("fi", false),
    ("fr", true),
    ("he", true),
    ("hi", true),
    ("hu", false),
    ("id", false),
    ("it", true),
    ("ja", true),
    ("ka", true),
    ("ko", true),
    ("nl", true),
    ("no", false),
    ("pl", false),
    ("pt", true),
    ("ro", false),
    ("ru", true),
    ("sv", true),
    ("ta", true),
    ("te", true),
    ("th", true),
    ("tr", true),
    ("uk", true),
    ("ur", true),
    ("vi", true),
    ("zh", true),
];

impl Language {
    /// English.
    pub const EN: Self = Self("en");
    /// Chinese, whatever its script variant.
    pub const ZH: Self = Self("zh");

    /// The language of an ISO 639-1 code, or `None` if it is not in the list. Case and region (`en-GB`) do not matter.
    pub fn from_code(code: &str) -> Option<Self> {
        let base = code.split(['-', '_']).next().unwrap_or(code).to_ascii_lowercase();
        KNOWN.iter().find(|(known, _)| *known == base).map(|(known, _)| Self(known))
    }

    /// The ISO 639-1 code.
    pub const fn code(self) -> &'static str {
        self.0
    }

    /// Whether [`detect`] can return this language; if not, a text is never said to be in the wrong one.
    pub fn is_detectable(self) -> bool {
        KNOWN.iter().any(|(known, detectable)| *known == self.0 && *detectable)
    }

    /// The language of `text` if it is clearly another than this one.
    pub fn contradicted_by(self, text: &str) -> Option<Self> {
        let found = detect(text)?;
        let latin_neighbour = !self.is_detectable() && found.is_latin();
        (found != self && !latin_neighbour).then_some(found)
    }

    fn is_latin(self) -> bool {
        matches!(self.0, "de" | "en" | "es" | "fr" | "it" | "nl" | "pt" | "sv" | "tr" | "vi")
    }
}

impl std::fmt::Display for Language {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl Serialize for Language {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

impl<'de> Deserialize<'de> for Language {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = String::deserialize(deserializer)?;
        Self::from_code(&code).ok_or_else(|| serde::de::Error::custom(format!("unknown language code `{code}`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_ignore_case_and_region() {
        assert_eq!(Language::from_code("EN-gb"), Some(Language::EN));
        assert_eq!(Language::from_code("xx"), None);
    }

    #[test]
    fn an_undetectable_latin_language_is_not_contradicted_by_latin_text() {
        let polish = Language::from_code("pl").unwrap();
        let text =
            "Litwo, ojczyzno moja, ty jesteś jak zdrowie; ile cię trzeba cenić, ten tylko się dowie, kto cię stracił.";
        assert_eq!(polish.contradicted_by(text), None);
        assert_eq!(polish.contradicted_by("这是一篇用中文写成的文章，讲的是波兰的历史与文化。"), Some(Language::ZH));
    }
}
