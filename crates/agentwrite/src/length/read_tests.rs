//! Instructions and what is read from them.

use super::*;

const SOURCE: LengthSource = LengthSource::Read;

fn length(bound: Bound, low: u32, high: u32) -> Reading {
    Reading::Found(RequiredLength { bound, low, high, source: SOURCE })
}

#[test]
fn the_shared_vectors_agree() {
    let vectors: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("../../tests-data/required_length.json")).unwrap();
    assert!(vectors.len() >= 13);
    for vector in vectors {
        let instruction = vector["instruction"].as_str().unwrap();
        let ends = match read_required_length(instruction) {
            Reading::Found(found) if found.low == found.high => serde_json::json!(found.low),
            Reading::Found(found) => serde_json::json!([found.low, found.high]),
            Reading::None => serde_json::Value::Null,
            Reading::Ambiguous(values) => panic!("{instruction}: {values:?}"),
        };
        assert_eq!(ends, vector["required"], "{instruction}");
    }
}

#[test]
fn plain_lengths_in_english() {
    let cases = [
        ("Write an essay of 5000 words on tea.", 5000),
        ("Write a 5,000-word essay on tea.", 5000),
        ("Write 5k words on tea", 5000),
        ("Write five thousand words on tea", 5000),
        ("Write a five-thousand-word essay on tea", 5000),
        ("Write a 2000 words thesis on tea", 2000),
        ("Tea and its history, 1200 words.", 1200),
        ("Explain tea. Approximately 400 words.", 400),
        ("Explain how to improve tea gardens in a 2000-word essay.", 2000),
        ("Write an easy to read 500-word article", 500),
        ("Your 800-word response should be in English.", 800),
        ("I have to write a 3000-word paper on tea. Help me.", 3000),
        ("Please write 500 (five hundred) words about tea", 500),
        ("Word count: 1500\nTopic: tea", 1500),
        ("A story about tea. Target word count 3,000.", 3000),
        ("Give me a 2 000 word essay on bees", 2000),
        ("Words: 2500\nTopic: bees", 2500),
        ("Can you write me a 10k word fanfic about Zelda?", 10_000),
        ("I've written 20,000 words of my novel. Write the next chapter in 3,000 words.", 3000),
        ("Write an outline for a short 100-word blog post about tea", 100),
        ("Discuss each theory in a 5000-word essay", 5000),
        ("Write a 3000-word essay with a 200-word abstract", 3000),
        ("\"Write a 700-word essay on tea.\"", 700),
    ];
    for (instruction, words) in cases {
        assert_eq!(read_required_length(instruction), length(Bound::About, words, words), "{instruction}");
    }
}

#[test]
fn plain_lengths_in_chinese() {
    let cases = [
        ("写一篇3000字的文章", 3000),
        ("写两千字的作文", 2000),
        ("写1万字的剧本", 10_000),
        ("写一篇一万五千字的小说", 15_000),
        ("写五百字左右的短文", 500),
        ("基于OpenStack的毕业论文的结论写5000字", 5000),
        ("把上面的内容扩写为两千字", 2000),
        ("字数要求：2000左右", 2000),
        ("讲稿字数1400左右。", 1400),
        ("一篇关于茶的论文（2000字）", 2000),
        ("写一篇300词的英语作文", 300),
        ("根据以下大纲写文章，３０００字左右。标题：茶", 3000),
        ("请写一份青春校园剧本，共五幕（10000字中文）", 10_000),
        ("写一篇8000字的论文，摘要200字", 8000),
        ("请写一部小说的第一章，字数：2000", 2000),
    ];
    for (instruction, words) in cases {
        assert_eq!(read_required_length(instruction), length(Bound::About, words, words), "{instruction}");
    }
}

#[test]
fn bounds_and_ranges() {
    use Bound::{AtLeast, AtMost, Range};
    let cases = [
        ("an 800-1000 words article", Range, 800, 1000),
        ("Write between 800 and 1,000 words", Range, 800, 1000),
        ("Write an essay of 2-3k words", Range, 2000, 3000),
        ("写一篇2000字到3000字的报告", Range, 2000, 3000),
        ("字数1000～1500字", Range, 1000, 1500),
        ("不少于800字，不超过1000字", Range, 800, 1000),
        ("Write at least 800 words but no more than 1200 words", Range, 800, 1200),
        ("写两三千字的故事", Range, 2000, 3000),
        ("The story should be at least 6,000 words long.", AtLeast, 6000, 6000),
        ("Write a text of more than 5000 words", AtLeast, 5000, 5000),
        ("The post should be no less than 2000 words and provide examples", AtLeast, 2000, 2000),
        ("A minimum of 500 words.", AtLeast, 500, 500),
        ("1500 words or more", AtLeast, 1500, 1500),
        ("Write a 2000+ word guide", AtLeast, 2000, 2000),
        ("不少于3000字", AtLeast, 3000, 3000),
        ("写一篇报告，至少3000字", AtLeast, 3000, 3000),
        ("3000字以上", AtLeast, 3000, 3000),
        ("文章字数不低于1500字", AtLeast, 1500, 1500),
        ("Reply in under 300 words", AtMost, 300, 300),
        ("Describe tea in no more than 300 words", AtMost, 300, 300),
        ("The answer must not exceed 300 words", AtMost, 300, 300),
        ("Word limit: 300", AtMost, 300, 300),
        ("Up to 300 words on tea", AtMost, 300, 300),
        ("Limit your answer to 250 words", AtMost, 250, 250),
        ("Write no fewer than 1,000 and no more than 1,500 words", Range, 1000, 1500),
        ("写一篇字数在3000到5000之间的文章", Range, 3000, 5000),
        ("200字以内", AtMost, 200, 200),
        ("不超过500字", AtMost, 500, 500),
    ];
    for (instruction, bound, low, high) in cases {
        assert_eq!(read_required_length(instruction), length(bound, low, high), "{instruction}");
    }
}

#[test]
fn parts_are_added_up() {
    use Bound::{About, AtLeast, AtMost, Range};
    let cases = [
        ("Write a novella in five chapters of 2,000 words", About, 10_000, 10_000),
        ("Write five chapters, each about 2,000 words", About, 10_000, 10_000),
        ("Write three 500-word essays on tea", About, 1500, 1500),
        ("Write ten letters, 200 words each", About, 2000, 2000),
        ("A play in 4 acts. Each act should be at least 1000 words.", AtLeast, 4000, 4000),
        ("Write 10 diary entries of 100-150 words", Range, 1000, 1500),
        ("Answer 12 questions with no more than 100 words per question", AtMost, 1200, 1200),
        ("Write about 300 words for each of the five sections", About, 1500, 1500),
        ("Write a 3-part series; each part 1000-1200 words.", Range, 3000, 3600),
        ("帮我写20条朋友圈文案，每条50字", About, 1000, 1000),
        ("每章2000字，共五章", About, 10_000, 10_000),
        ("创作五篇日记，每篇400字左右", About, 2000, 2000),
        ("分两部分写，各写1000字", About, 2000, 2000),
        ("写三篇500字的作文", About, 1500, 1500),
        ("写一部小说，共10章，每章不少于3000字", AtLeast, 30_000, 30_000),
        ("Write a 10,000-word novel in five chapters, each about 2,000 words", About, 10_000, 10_000),
        ("Write a 3000-word essay with five paragraphs, each at least 200 words", About, 3000, 3000),
    ];
    for (instruction, bound, low, high) in cases {
        assert_eq!(read_required_length(instruction), length(bound, low, high), "{instruction}");
    }
}

#[test]
fn numbers_that_do_not_govern_the_answer() {
    let cases = [
        "Summarise this 5,000-word report",
        "Summarize the 5,000-word report below.",
        "Translate a 3000-word article into French",
        "Proofread my 4,000-word thesis chapter",
        "I wrote a 3000-word essay; what do you think of it?",
        "My essay is 5,000 words. Suggest a title.",
        "Write a review of a 5,000-word report",
        "Turn the 300-word abstract into a talk",
        "Tell me a joke",
        "In 1984, Orwell wrote",
        "Write a 50-page novel",
        "Write an essay with 3000 characters",
        "A typist does 90 words per minute. Write her story.",
        "List 50 English words about tea",
        "He writes 2,000 words a day. Describe his life.",
        "Explain the first 500 words of Moby Dick",
        "Write a story. Each sentence must have at most 20 words.",
        "She said “I wrote 5,000 words that day”. Continue the story.",
        "Summarise the following article:\nThe report has 5,000 words.\nIt took 3000 words to say it.",
        "Reply to this mail:\n> Please send 2000 words by Friday",
        "Write a 10-word slogan",
        "Create a course of 10 modules, each with 3 lessons of 500 words",
        "Create a 30-day plan with 100 words per day",
        "Write an article about 50 words to know in Spanish",
        "Write thousands of words about tea",
        "Solve these 20 word problems",
        "总结这篇5000字的报告",
        "请翻译以下3000字的文章",
        "这篇文章有5000字，请起一个标题",
        "他写了数千字的日记，请续写",
        "他每天写2000字，请描写他的生活",
        "写一篇上万字的小说",
        "用三个字形容春天",
        "在日本行程5天，写一篇日记",
        "请写出2000年的大事",
    ];
    for instruction in cases {
        assert_eq!(read_required_length(instruction), Reading::None, "{instruction}");
    }
}

#[test]
fn the_length_of_the_source_does_not_hide_that_of_the_answer() {
    let cases = [
        ("Summarise this 5,000-word report in 300 words", 300),
        ("My essay has a word count of 3,200; cut it to 1,000 words.", 1000),
        ("Shorten my 3000-word essay to 1,000 words", 1000),
        ("Reduce the text from 3000 words to 500 words", 500),
        ("Turn this 300-word abstract into a 2000-word essay", 2000),
        ("Write a 400-word review of this 5,000-word report", 400),
        ("把这篇3000字的文章缩写成500字", 500),
        ("将以下300字的短文扩写到3000字", 3000),
        ("Here is the article:\nThey wrote 5,000 words.\n\nWrite 300 words on it.", 300),
    ];
    for (instruction, words) in cases {
        assert_eq!(read_required_length(instruction), length(Bound::About, words, words), "{instruction}");
    }
}

#[test]
fn contradictions_are_flagged() {
    let cases: [(&str, &[u32]); 5] = [
        ("Write a 500-word summary and then a 2000-word essay on tea", &[500, 2000]),
        ("Write 500 words or 2000 words", &[500, 2000]),
        ("Write a 10,000-word novel in five chapters of 1,000 words", &[5000, 10_000]),
        ("写一篇3000字的文章。字数：5000", &[3000, 5000]),
        ("At least 3000 words, at most 2000 words", &[2000, 3000]),
    ];
    for (instruction, values) in cases {
        assert_eq!(read_required_length(instruction), Reading::Ambiguous(values.to_vec()), "{instruction}");
    }
}

proptest::proptest! {
    #[test]
    fn no_instruction_panics(text in "(\\PC|[0-9]{1,4}|words?| each | of |chapters|write |字|每|章|千|万|以上|-| to |\n|:|\"|this ){0,30}") {
        if let Reading::Found(found) = read_required_length(&text) {
            proptest::prop_assert!(found.low <= found.high && found.low >= 20);
            proptest::prop_assert!(found.bound == Bound::Range || found.low == found.high);
        }
    }
}
