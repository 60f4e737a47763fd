//! Whether an instruction fixes the parts of its answer.

use crate::length::{part_counts, readable};

/// The number of parts that `instruction` fixes ("write ten letters", "in five chapters", "12 questions", 五封信, 十章), if it
/// does; the first of several. A plan for such an instruction keeps its steps as they are.
pub fn fixed_parts(instruction: &str) -> Option<u32> {
    part_counts(&readable(instruction)).first().map(|part| part.count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_are_fixed() {
        let cases = [
            ("Write ten letters from a soldier to his wife.", Some(10)),
            ("Write a 10000-word fantasy novella in five chapters about a giant.", Some(5)),
            ("Make a quiz of 12 questions on tea.", Some(12)),
            ("A three-act play about tea", Some(3)),
            ("Write 15 diary entries, 200 words each", Some(15)),
            ("写五封信给朋友", Some(5)),
            ("写一部小说，共十章", Some(10)),
            ("请写一份青春校园剧本，共五幕（10000字中文）", Some(5)),
            ("出10道关于茶的单选题", Some(10)),
            ("将内容分割为20次课讲解", Some(20)),
            ("Write a 3000-word history of the lighthouse.", None),
            ("Write a biography of Elena Marsh, covering five expeditions", None),
            ("Summarise the first three chapters of the book", None),
            ("Write one letter to my bank", None),
            ("Explain quantum entanglement to a 12-year-old", None),
            ("写一篇关于三国的文章", None),
            ("请写第三章", None),
        ];
        for (instruction, parts) in cases {
            assert_eq!(fixed_parts(instruction), parts, "{instruction}");
        }
    }
}
