//! Sentences that are not text: refusals, provider errors, filter notices, leaked reasoning.
//!
//! A pattern is a list of parts that stand in this order in one sentence, in lower case. *Strong* ones are looked for
//! in the first sentence of any answer, *weak* ones only in a short answer: a novel may say "I'm unable to sleep", an
//! answer of one line that says so is none. Speech and quotations never match (see [`super::speech`]).

use super::speech;

/// An answer of fewer words than this is short.
const SHORT_WORDS: usize = 60;
/// The same where the words are characters (Han, kana, Thai).
const SHORT_CHARACTERS: usize = 120;
/// How much of a long answer is read to find its first sentence.
const HEAD_BYTES: usize = 1600;
/// A first sentence shorter than this is read together with the second ("I'm sorry. I can't assist ...").
const SHORT_SENTENCE: usize = 40;

type Parts = &'static [&'static str];

/// One kind of non-text.
pub(crate) struct Patterns {
    strong: &'static [Parts],
    weak: &'static [Parts],
}

/// The parts of an answer in which patterns are looked for.
pub(crate) struct Probe<'a> {
    text: &'a str,
    masked: String,
    /// Whether weak patterns apply.
    pub short: bool,
}

impl<'a> Probe<'a> {
    /// `words` counts as [`super::ngrams::word_hashes`] does.
    pub(crate) fn new(text: &'a str, words: usize) -> Self {
        let head = &text[..text.floor_char_boundary(HEAD_BYTES)];
        let characters = head.chars().filter(|c| super::ngrams::stands_alone(*c)).count();
        let eastern = characters * 2 > head.chars().count();
        let short = words < if eastern { SHORT_CHARACTERS } else { SHORT_WORDS };
        let seen = if short { text } else { head };
        Self { text, masked: speech::mask(seen), short }
    }

    /// The first sentence that matches.
    pub(crate) fn find(&self, patterns: &Patterns) -> Option<&'a str> {
        let first = self.first_sentences();
        if let Some((start, end)) = first
            && any_matches(&normalised(&self.masked[start..end]), patterns.strong)
        {
            return Some(&self.text[start..end]);
        }
        if !self.short {
            return None;
        }
        sentences(&self.masked).find_map(|(start, end)| {
            let sentence = normalised(&self.masked[start..end]);
            let hit = any_matches(&sentence, patterns.strong) || any_matches(&sentence, patterns.weak);
            hit.then(|| &self.text[start..end])
        })
    }

    /// The first sentence after headings, with the second if it is very short.
    fn first_sentences(&self) -> Option<(usize, usize)> {
        let mut all = sentences(&self.masked).filter(|(start, end)| {
            let sentence = self.text[*start..*end].trim();
            !sentence.is_empty() && !sentence.starts_with('#')
        });
        let first = all.next()?;
        // Speech at the very start is the first sentence; what follows it is not looked at.
        if self.masked[first.0..first.1].trim().is_empty() {
            return None;
        }
        if first.1 - first.0 >= SHORT_SENTENCE {
            return Some(first);
        }
        Some((first.0, all.next().map_or(first.1, |second| second.1)))
    }
}

/// Start and end of each sentence. A full stop inside a word or number ends none.
fn sentences(text: &str) -> impl Iterator<Item = (usize, usize)> {
    let mut start = 0;
    std::iter::from_fn(move || {
        if start >= text.len() {
            return None;
        }
        let rest = &text[start..];
        let mut chars = rest.char_indices().peekable();
        let mut end = rest.len();
        while let Some((at, c)) = chars.next() {
            let stop = match c {
                '\n' | '。' | '！' | '？' => true,
                '.' | '!' | '?' => chars.peek().is_none_or(|(_, next)| next.is_whitespace()),
                _ => false,
            };
            if stop {
                end = at + c.len_utf8();
                break;
            }
        }
        let found = (start, start + end);
        start += end;
        Some(found)
    })
}

/// Lower case, straight apostrophes, no emphasis marks.
fn normalised(sentence: &str) -> String {
    sentence
        .chars()
        .filter(|c| !matches!(c, '*' | '_' | '#'))
        .flat_map(char::to_lowercase)
        .map(|c| if c == '’' { '\'' } else { c })
        .collect()
}

fn any_matches(sentence: &str, patterns: &[Parts]) -> bool {
    patterns.iter().any(|parts| {
        let mut rest = sentence;
        parts.iter().all(|part| {
            rest.find(part).is_some_and(|at| {
                rest = &rest[at + part.len()..];
                true
            })
        })
    })
}

/// The model declines, disclaims or asks back instead of writing.
pub(crate) const REFUSAL: Patterns = Patterns {
    strong: &[
        &["i'm sorry, but i can", "assist"],
        &["i'm sorry, but i can", "request"],
        &["i'm sorry, but as an ai"],
        &["i am sorry, but i can", "assist"],
        &["i can't assist with"],
        &["i cannot assist with"],
        &["i can't fulfill"],
        &["i cannot fulfill"],
        &["unable to fulfill"],
        &["i cannot comply with"],
        &["i can't comply with"],
        &["i apologize, but i can"],
        &["i apologize, but as an ai"],
        &["as an ai language model, i"],
        &["as an ai assistant, i", "not"],
        &["as an ai assistant, i can't"],
        &["i can't help with that request"],
        &["i must respectfully decline"],
        &["抱歉", "我无法", "请求"],
        &["抱歉", "无法满足"],
        &["抱歉", "我不能", "请求"],
        &["抱歉", "我无法", "提供"],
        &["抱歉", "我无法", "协助"],
        &["作为", "语言模型", "我"],
        &["作为", "人工智能助手", "无法"],
        &["作为", "ai助手", "无法"],
        &["je suis désolé, mais je ne peux pas", "demande"],
        &["en tant que modèle de langage"],
        &["es tut mir leid, aber ich kann", "anfrage"],
        &["als ki-sprachmodell"],
        &["als sprachmodell"],
        &["lo siento, pero no puedo", "solicitud"],
        &["como modelo de lenguaje"],
        &["как языковая модель"],
        &["申し訳", "お手伝いできません"],
        &["죄송하지만", "도와드릴 수 없"],
    ],
    weak: &[
        &["i'm sorry, but i can"],
        &["i'm sorry, i can"],
        &["i am sorry, but i can"],
        &["sorry, i can't"],
        &["sorry, but i can"],
        &["i'm sorry, but this"],
        &["i can't help with"],
        &["i cannot help with"],
        &["i'm unable to"],
        &["i am unable to"],
        &["i'm not able to"],
        &["i am not able to"],
        &["i cannot provide"],
        &["i can't provide"],
        &["i cannot continue"],
        &["i can't continue"],
        &["i cannot create"],
        &["i can't create"],
        &["i cannot write"],
        &["i can't write"],
        &["i cannot generate"],
        &["i can't generate"],
        &["i won't be able to"],
        &["i must decline"],
        &["i have to decline"],
        &["i'm not comfortable"],
        &["i don't feel comfortable"],
        &["unfortunately, i can"],
        &["as an ai"],
        &["as a language model"],
        &["my guidelines"],
        &["my programming"],
        &["usage policies"],
        &["violates", "polic"],
        &["i'd be happy to help", "but"],
        &["could you please provide"],
        &["please provide", "plan"],
        &["please provide", "instruction"],
        &["please provide more"],
        &["please share the"],
        &["it seems", "missing"],
        &["it looks like", "missing"],
        &["it seems", "cut off"],
        &["抱歉，", "无法"],
        &["抱歉，", "不能"],
        &["对不起，", "无法"],
        &["对不起，", "不能"],
        &["我无法提供"],
        &["我无法继续"],
        &["我无法完成"],
        &["我无法回答"],
        &["我无法生成"],
        &["我不能提供"],
        &["不能为您"],
        &["不能为你"],
        &["无法为您"],
        &["无法为你"],
        &["作为ai"],
        &["作为一个ai"],
        &["作为人工智能"],
        &["作为一个人工智能"],
        &["请提供", "计划"],
        &["请提供更多"],
        &["请您提供"],
        &["请先提供"],
        &["违反", "规定"],
        &["违反", "政策"],
        &["不符合", "规范"],
        &["je suis désolé", "je ne peux pas"],
        &["je suis désolée", "je ne peux pas"],
        &["désolé, mais je ne"],
        &["je ne suis pas en mesure"],
        &["en tant qu'ia"],
        &["es tut mir leid", "ich kann"],
        &["tut mir leid, ich"],
        &["leider kann ich"],
        &["dabei kann ich", "nicht helfen"],
        &["als ki"],
        &["lo siento", "no puedo"],
        &["no puedo ayudar"],
        &["como ia"],
        &["извините", "не могу"],
        &["простите", "не могу"],
        &["к сожалению, я не"],
        &["я не могу помочь"],
        &["申し訳", "できません"],
        &["申し訳", "できかねます"],
        &["お答えできません"],
        &["죄송", "수 없"],
        &["도와드릴 수 없"],
        &["mi dispiace", "non posso"],
        &["desculpe", "não posso"],
    ],
};

/// The provider's filter speaks, not the model.
pub(crate) const CONTENT_FILTER: Patterns = Patterns {
    strong: &[
        &["content management policy"],
        &["response was filtered"],
        &["prompt triggering"],
        &["rejected as a result of our safety system"],
        &["datainspectionfailed"],
        &["data_inspection_failed"],
    ],
    weak: &[
        &["content_filter"],
        &["content filter"],
        &["flagged", "polic"],
        &["safety system"],
        &["prohibited_content"],
        &["output data may contain inappropriate"],
        &["内容审核"],
        &["内容安全"],
        &["敏感内容"],
        &["敏感词"],
    ],
};

/// The endpoint, a proxy or a client reports a failure.
pub(crate) const PROVIDER_ERROR: Patterns = Patterns {
    strong: &[
        &["upstream connect error or disconnect"],
        &["you exceeded your current quota"],
        &["this model's maximum context length is"],
        &["error code: 4", "{"],
        &["error code: 5", "{"],
        &["the engine is currently overloaded"],
    ],
    weak: &[
        &["max tries"],
        &["max retries exceeded"],
        &["maximum retries"],
        &["error code:"],
        &["http error"],
        &["api error"],
        &["rate limit"],
        &["ratelimit"],
        &["too many requests"],
        &["internal server error"],
        &["bad gateway"],
        &["service unavailable"],
        &["temporarily unavailable"],
        &["gateway time"],
        &["server error"],
        &["maximum context length"],
        &["context length exceeded"],
        &["context_length_exceeded"],
        &["overloaded"],
        &["insufficient_quota"],
        &["insufficient quota"],
        &["invalid api key"],
        &["incorrect api key"],
        &["authentication fail"],
        &["request timed out"],
        &["timed out"],
        &["timeout error"],
        &["connection error"],
        &["connection reset"],
        &["connection refused"],
        &["network error"],
        &["an error occurred"],
        &["an error has occurred"],
        &["something went wrong"],
        &["error while generating"],
        &["error generating"],
        &["cuda out of memory"],
        &["traceback (most recent call last)"],
        &["model is loading"],
        &["服务器错误"],
        &["服务器繁忙"],
        &["系统繁忙"],
        &["请求超时"],
        &["请求过于频繁"],
        &["请稍后再试"],
        &["请稍后重试"],
        &["网络错误"],
        &["网络异常"],
        &["余额不足"],
        &["生成失败"],
        &["调用失败"],
        &["une erreur est survenue"],
        &["une erreur s'est produite"],
        &["ein fehler ist aufgetreten"],
        &["interner serverfehler"],
        &["se ha producido un error"],
        &["произошла ошибка"],
        &["ошибка сервера"],
        &["エラーが発生"],
        &["サーバーエラー"],
        &["오류가 발생"],
    ],
};

/// The model thinks aloud about its task.
pub(crate) const REASONING: Patterns = Patterns {
    strong: &[
        &["okay, the user"],
        &["okay, so the user"],
        &["ok, the user"],
        &["alright, the user"],
        &["alright, so the user"],
        &["hmm, the user"],
        &["the user wants me to"],
        &["the user is asking me"],
        &["the user asked me"],
        &["the user has asked me"],
        &["okay, i need to write"],
        &["alright, i need to"],
        &["okay, let me", "write"],
        &["okay, let's", "write"],
        &["we need to write", "paragraph"],
        &["we need to write", "section"],
        &["we need to continue", "text"],
        &["we need to produce"],
        &["i need to write the", "paragraph"],
        &["i need to write the", "section"],
        &["i should write the", "paragraph"],
        &["i should write the", "section"],
        &["let me write the", "paragraph"],
        &["let me think about how to", "paragraph"],
        &["let me think about how to", "section"],
        &["looking at the plan", "i"],
        &["好的，用户"],
        &["嗯，用户"],
        &["首先，用户"],
        &["用户要求我"],
        &["用户让我"],
        &["用户希望我"],
        &["我需要写第"],
        &["我需要根据", "计划"],
        &["好，我现在需要"],
        &["好的，我现在需要"],
        &["okay, der benutzer"],
        &["l'utilisateur me demande"],
        &["el usuario me pide"],
        &["пользователь просит меня"],
        &["ユーザーは", "求めて"],
    ],
    weak: &[
        &["the user wants"],
        &["the user is asking"],
        &["i need to write"],
        &["let me think"],
        &["so i need to"],
        &["用户想"],
        &["我需要写"],
        &["让我想"],
    ],
};

/// A whole answer that is a machine's error object or an error page, whatever its length.
pub(crate) fn error_document(text: &str) -> bool {
    let head = text[..text.floor_char_boundary(400)].to_ascii_lowercase();
    let object = head.starts_with('{') && text.ends_with('}');
    if object && ["\"error\"", "\"detail\"", "\"code\":"].iter().any(|key| head.contains(key)) && text.len() < 2000 {
        return true;
    }
    let page = head.starts_with("<!doctype html") || head.starts_with("<html");
    page && text.len() < 4000
        && ["bad gateway", "unavailable", "time-out", "timeout", "error", "cloudflare", "denied", "too many"]
            .iter()
            .any(|words| head.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILLER: &str =
        "The lamps were lit one after another along the quay, and the men went home to their suppers. ";

    fn probe(text: &str, patterns: &Patterns) -> bool {
        let words = super::super::ngrams::word_hashes(text).len();
        Probe::new(text, words).find(patterns).is_some()
    }

    fn long(first: &str) -> String {
        format!("{first} {}", FILLER.repeat(8))
    }

    #[test]
    fn weak_patterns_match_only_short_answers() {
        assert!(probe("I'm sorry, but I can't.", &REFUSAL));
        assert!(!probe(&long("I'm unable to sleep in this town."), &REFUSAL));
        assert!(probe("429 Too Many Requests", &PROVIDER_ERROR));
        assert!(!probe(&long("Too many requests at once are answered with status 429."), &PROVIDER_ERROR));
    }

    #[test]
    fn strong_patterns_match_the_first_sentence_only() {
        assert!(probe(&long("I'm sorry, but I can't assist with that request."), &REFUSAL));
        assert!(probe(&long("# The harbour\n\nI’m sorry. I can’t assist with this topic."), &REFUSAL));
        assert!(!probe(&(FILLER.repeat(8) + "I'm sorry, but I can't assist with that request."), &REFUSAL));
    }

    #[test]
    fn speech_never_matches() {
        assert!(!probe("ALEX: I'm sorry, I can't help you.", &REFUSAL));
        assert!(!probe("\"I'm sorry, but I can't,\" she said and left.", &REFUSAL));
        assert!(!probe("他低声说：“对不起，我无法帮你。”", &REFUSAL));
    }

    #[test]
    fn error_documents_at_any_length() {
        assert!(error_document("{\"error\": {\"message\": \"Rate limit\", \"code\": 429}}"));
        assert!(error_document("<html><head><title>502 Bad Gateway</title></head></html>"));
        assert!(!error_document("{ \"name\": \"flour\", \"grams\": 500 }"));
    }
}
