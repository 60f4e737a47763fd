//! Bands of required length: the paper's of LongBench-Write (section 5.1), and what lies beyond it.

use crate::length::RequiredLength;
use crate::sample::Input;

/// A band of required length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Band {
    /// Under 500 words.
    Under500,
    /// 500 to under 2,000.
    Under2000,
    /// 2,000 to under 4,000.
    Under4000,
    /// 4,000 to 20,000.
    UpTo20000,
    /// More than 20,000.
    Beyond,
    /// No length is required.
    None,
}

impl Band {
    /// All, from short to long.
    pub const ALL: [Self; 6] =
        [Self::Under500, Self::Under2000, Self::Under4000, Self::UpTo20000, Self::Beyond, Self::None];

    /// The band of an input.
    pub fn of(input: &Input) -> Self {
        match input.length.as_ref().map(RequiredLength::target) {
            Some(..500) => Self::Under500,
            Some(500..2_000) => Self::Under2000,
            Some(2_000..4_000) => Self::Under4000,
            Some(4_000..=20_000) => Self::UpTo20000,
            Some(20_001..) => Self::Beyond,
            None => Self::None,
        }
    }

    /// As printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Under500 => "under 500",
            Self::Under2000 => "500 to 2,000",
            Self::Under4000 => "2,000 to 4,000",
            Self::UpTo20000 => "4,000 to 20,000",
            Self::Beyond => "over 20,000",
            Self::None => "none stated",
        }
    }
}
