//! Language by script counts, then by `whichlang` among the Latin ones.

use super::Language;
use whichlang::Lang;

/// Bytes looked at from each of the first, middle and last part: enough to decide, a few microseconds to read.
const SAMPLE_BYTES: usize = 360;
/// A Latin text with fewer letters than this is not asked of `whichlang`.
const MIN_LATIN_LETTERS: u32 = 40;
/// So many English function words, and one word in so many, make a sample English without a question.
const ENGLISH_WORDS: usize = 5;
const ENGLISH_SHARE: usize = 5;
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
    match counts.main_script() {
        Script::Latin => latin_language(&samples, &counts),
        Script::Of(language) => Some(language),
        Script::Unclear => None,
    }
}

/// The whole text if it is small, else its first, middle and last part.
pub(crate) fn samples(text: &str) -> Vec<&str> {
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

/// What the counts say.
enum Script {
    /// Several languages: ask further.
    Latin,
    /// Decided by the script.
    Of(Language),
    /// Mixed or too short.
    Unclear,
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
        if sample.is_ascii() {
            self.latin += sample.bytes().map(|byte| u32::from(byte.is_ascii_alphabetic())).sum::<u32>();
            return;
        }
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

    /// The script of at least six tenths of the letters.
    fn main_script(&self) -> Script {
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
        let (best, code) = scripts.into_iter().fold((0, ""), |best, next| if next.0 > best.0 { next } else { best });
        let most = |count: u32| count * 10 >= total * 6;
        if self.latin > best && most(self.latin) {
            Script::Latin
        } else if self.latin <= best && most(best) && best >= MIN_OTHER {
            Script::Of(Language(code))
        } else {
            Script::Unclear
        }
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
    let [first, middle, last] = samples else { return samples.iter().find_map(|sample| vote(sample)) };
    let votes = (vote(first), vote(middle));
    if votes.0 == votes.1 {
        return votes.0;
    }
    vote(last).filter(|third| votes.0 == Some(*third) || votes.1 == Some(*third))
}

pub(crate) fn vote(sample: &str) -> Option<Language> {
    if is_plainly_english(sample) { Some(Language::EN) } else { from_lang(whichlang::detect_language(sample)) }
}

/// Whether at least one word in [`ENGLISH_SHARE`] is one that English alone is full of, in a sample without a letter that
/// is not ASCII: a bilingual one is left to be asked about. Most texts are English, and this costs a tenth of asking
/// `whichlang`.
fn is_plainly_english(sample: &str) -> bool {
    let (mut words, mut english) = (0, 0);
    for word in sample.as_bytes().split(|byte| matches!(byte, b' ' | b'\n')) {
        words += 1;
        english += usize::from(is_english_alone(word));
    }
    english >= ENGLISH_WORDS
        && english * ENGLISH_SHARE >= words
        && (sample.is_ascii() || !sample.chars().any(|c| !c.is_ascii() && c.is_alphabetic()))
}

/// Short words that are frequent in English and rare in its neighbours.
const fn is_english_alone(word: &[u8]) -> bool {
    matches!(
        word,
        b"the"
            | b"and"
            | b"of"
            | b"to"
            | b"it"
            | b"he"
            | b"by"
            | b"my"
            | b"is"
            | b"be"
            | b"at"
            | b"his"
            | b"had"
            | b"for"
            | b"not"
            | b"but"
            | b"you"
            | b"she"
            | b"him"
            | b"who"
            | b"its"
            | b"are"
            | b"The"
            | b"And"
            | b"But"
            | b"that"
            | b"with"
            | b"from"
            | b"this"
            | b"they"
            | b"were"
            | b"have"
            | b"been"
            | b"them"
            | b"than"
            | b"into"
            | b"your"
            | b"their"
            | b"which"
            | b"would"
            | b"could"
            | b"there"
    )
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

    /// The vote without the short way.
    fn asked(sample: &str) -> Option<Language> {
        from_lang(whichlang::detect_language(sample))
    }

    #[test]
    fn what_is_plainly_english_is_so_to_whichlang() {
        #[derive(serde::Deserialize)]
        struct Entry {
            text: String,
        }
        let corpus = [
            include_str!("../../tests-data/good_texts/own.jsonl"),
            include_str!("../../tests-data/good_texts/public_domain.jsonl"),
        ];
        let (mut plain, mut english) = (0, 0);
        for line in corpus.iter().flat_map(|lines| lines.lines()) {
            let text = serde_json::from_str::<Entry>(line).unwrap().text;
            for start in (0..text.len()).step_by(97) {
                let start = text.floor_char_boundary(start);
                let sample = &text[start..text.floor_char_boundary(start + SAMPLE_BYTES)];
                let asked = asked(sample);
                english += usize::from(asked == Some(Language::EN));
                if is_plainly_english(sample) {
                    plain += 1;
                    assert_eq!(asked, Some(Language::EN), "{sample}");
                }
            }
        }
        println!("{plain} of {english} English samples need no question");
        assert!(plain * 10 > english * 6, "{plain} of {english}");
    }

    #[test]
    fn a_text_in_two_languages_is_in_the_one_of_two_samples() {
        let english = "The rise of the city was slow, and the people of the hills knew nothing of it. ".repeat(8);
        let french = "Longtemps, je me suis couché de bonne heure, et la ville ne savait rien de moi. ".repeat(8);
        assert_eq!(code(&format!("{english}{english}{french}")), Some("en"));
        assert_eq!(code(&format!("{french}{english}{french}")), Some("fr"));
        assert_eq!(code(&format!("{english}{french}{french}")), Some("fr"));
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
