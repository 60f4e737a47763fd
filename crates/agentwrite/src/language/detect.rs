//! Language by script counts, then by `whichlang` among the Latin ones.

use super::Language;
use whichlang::Lang;

/// Bytes looked at from each of the first, middle and last part: enough to decide, a few microseconds to read.
const SAMPLE_BYTES: usize = 768;
/// A Latin text with fewer letters than this is not asked of `whichlang`.
const MIN_LATIN_LETTERS: u32 = 40;
/// Fewer characters of any other script than this decide nothing.
const MIN_OTHER: u32 = 6;

/// The language that most of `text` is written in, or `None` if it is too short or mixed.
///
/// Looks at no more than three samples of [`SAMPLE_BYTES`], so the cost does not grow with the text.
pub fn detect(text: &str) -> Option<Language> {
    let samples = samples(text);
    let mut counts = Counts::default();
    for sample in &samples {
        counts.read(sample);
    }
    counts.language().unwrap_or_else(|| latin_language(&samples, &counts))
}

/// The whole text if it is small, else its first, middle and last part.
fn samples(text: &str) -> Vec<&str> {
    if text.len() <= 3 * SAMPLE_BYTES {
        return vec![text];
    }
    let middle = text.floor_char_boundary(text.len() / 2);
    let last = text.floor_char_boundary(text.len() - SAMPLE_BYTES);
    [0, middle, last].map(|start| &text[start..text.floor_char_boundary(start + SAMPLE_BYTES)]).to_vec()
}

#[derive(Default)]
struct Counts {
    latin: u32,
    han: u32,
    kana: u32,
    hangul: u32,
    arabic: u32,
    persian: u32,
    urdu: u32,
    cyrillic: u32,
    ukrainian: u32,
    /// Scripts that one language stands for here.
    single: [u32; SINGLE.len()],
}

/// Scripts that name their language by themselves (Devanagari stands for Hindi).
const SINGLE: [(&str, std::ops::RangeInclusive<u32>); 8] = [
    ("hi", 0x0900..=0x097f),
    ("bn", 0x0980..=0x09ff),
    ("ta", 0x0b80..=0x0bff),
    ("te", 0x0c00..=0x0c7f),
    ("th", 0x0e00..=0x0e7f),
    ("ka", 0x10a0..=0x10ff),
    ("he", 0x0590..=0x05ff),
    ("el", 0x0370..=0x03ff),
];

impl Counts {
    fn read(&mut self, sample: &str) {
        for c in sample.chars() {
            if c.is_ascii() {
                self.latin += u32::from(c.is_ascii_alphabetic());
                continue;
            }
            match u32::from(c) {
                0x00c0..=0x024f | 0x1e00..=0x1eff => self.latin += 1,
                0x4e00..=0x9fff | 0x3400..=0x4dbf | 0xf900..=0xfaff | 0x2_0000..=0x3_ffff => self.han += 1,
                0x3041..=0x30fa | 0x31f0..=0x31ff | 0xff66..=0xff9d => self.kana += 1,
                0xac00..=0xd7af | 0x1100..=0x11ff => self.hangul += 1,
                0x0600..=0x06ff => self.read_arabic(c),
                0x0400..=0x04ff => {
                    self.cyrillic += 1;
                    self.ukrainian += u32::from("іїєґІЇЄҐ".contains(c));
                }
                code => {
                    if let Some(place) = SINGLE.iter().position(|(_, range)| range.contains(&code)) {
                        self.single[place] += 1;
                    }
                }
            }
        }
    }

    fn read_arabic(&mut self, c: char) {
        self.arabic += 1;
        match c {
            'پ' | 'چ' | 'ژ' | 'گ' | 'ک' | 'ی' => self.persian += 1,
            'ٹ' | 'ڈ' | 'ڑ' | 'ں' | 'ے' | 'ہ' => self.urdu += 1,
            _ => {}
        }
    }

    /// `None`: mostly Latin, ask further. `Some(None)`: unclear. `Some(Some(_))`: decided by script.
    fn language(&self) -> Option<Option<Language>> {
        // A Han character carries about what three letters do, a kana or Hangul syllable two.
        let eastern = 3 * self.han + 2 * self.kana;
        let mut scripts = vec![
            (eastern, if self.kana * 8 > self.han { "ja" } else { "zh" }),
            (2 * self.hangul, "ko"),
            (self.arabic, self.arabic_language()),
            (self.cyrillic, if self.ukrainian * 40 > self.cyrillic { "uk" } else { "ru" }),
        ];
        scripts.extend(SINGLE.iter().zip(self.single).map(|((code, _), count)| (count, *code)));
        let total: u32 = self.latin + scripts.iter().map(|(count, _)| count).sum::<u32>();
        let (best, code) = scripts.into_iter().max_by_key(|(count, _)| *count)?;
        if self.latin > best {
            return if self.latin * 10 >= total * 6 { None } else { Some(None) };
        }
        Some((best * 10 >= total * 6 && best >= MIN_OTHER).then(|| Language(code)))
    }

    fn arabic_language(&self) -> &'static str {
        if self.urdu * 25 > self.arabic {
            "ur"
        } else if self.persian * 25 > self.arabic {
            "fa"
        } else {
            "ar"
        }
    }
}

/// Two of three samples must agree; one sample decides alone.
fn latin_language(samples: &[&str], counts: &Counts) -> Option<Language> {
    if counts.latin < MIN_LATIN_LETTERS {
        return None;
    }
    let votes: Vec<Language> =
        samples.iter().filter_map(|sample| from_lang(whichlang::detect_language(sample))).collect();
    let needed = samples.len() / 2 + 1;
    votes.iter().find(|vote| votes.iter().filter(|other| other == vote).count() >= needed).copied()
}

/// `whichlang` also knows non-Latin languages; for a mostly Latin sample those answers mean "unclear".
fn from_lang(lang: Lang) -> Option<Language> {
    Some(Language(match lang {
        Lang::Deu => "de",
        Lang::Eng => "en",
        Lang::Fra => "fr",
        Lang::Ita => "it",
        Lang::Nld => "nl",
        Lang::Por => "pt",
        Lang::Spa => "es",
        Lang::Swe => "sv",
        Lang::Tur => "tr",
        Lang::Vie => "vi",
        Lang::Ara | Lang::Cmn | Lang::Hin | Lang::Jpn | Lang::Kor | Lang::Rus => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Option<&'static str> {
        detect(text).map(Language::code)
    }

    #[test]
    fn scripts_decide() {
        assert_eq!(code("罗马帝国的兴起是一个漫长的过程。"), Some("zh"));
        assert_eq!(code("吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。"), Some("ja"));
        assert_eq!(code("나는 오늘 아침에 일찍 일어났다."), Some("ko"));
        assert_eq!(code("اگر آن ترک شیرازی به دست آرد دل ما را"), Some("fa"));
        assert_eq!(code("ولد الهدى فالكائنات ضياء وفم الزمان تبسم وثناء"), Some("ar"));
        assert_eq!(code("Я помню чудное мгновенье: передо мной явилась ты"), Some("ru"));
        assert_eq!(code("यह एक छोटी सी कहानी है"), Some("hi"));
    }

    #[test]
    fn latin_texts_need_forty_letters() {
        assert_eq!(code("Short title"), None);
        assert_eq!(code("The rise of Rome was slow, and its fall was slower than most people think."), Some("en"));
        assert_eq!(
            code("Longtemps, je me suis couché de bonne heure. Parfois, à peine ma bougie éteinte."),
            Some("fr")
        );
    }

    #[test]
    fn an_even_mixture_is_unclear_and_a_sprinkling_is_not() {
        assert_eq!(code("数据库事务的隔离级别与锁 database transactions and locks, isolation levels here"), None);
        assert_eq!(code("我们用 Python 写代码，再用 Docker 部署到服务器上，最后检查日志是否正常。"), Some("zh"));
    }

    #[test]
    fn a_long_text_is_sampled_at_char_boundaries() {
        assert_eq!(code(&"历史是一面镜子，".repeat(5000)), Some("zh"));
        assert_eq!(code(&"Das Haus stand am Ende der langen Straße. ".repeat(5000)), Some("de"));
    }
}
