//! Sections that sum themselves up: the clearest flaw of the published data (facts 6.2: up to 76 % of sections).

/// How a summing-up paragraph opens, in lower case.
const OPENERS: &[&str] = &[
    "in conclusion",
    "in summary",
    "to sum up",
    "to summarize",
    "to summarise",
    "to conclude",
    "overall,",
    "ultimately,",
    "in essence,",
    "in closing,",
    "all in all",
    "in short,",
    "in sum,",
    "as we have seen",
    "taken together,",
    "in the end,",
    "总之",
    "综上",
    "总的来说",
    "总而言之",
    "总体而言",
    "由此可见",
    "概括来说",
    "归根结底",
    "最后，",
    "en conclusion",
    "en résumé",
    "pour conclure",
    "en somme",
    "zusammenfassend",
    "insgesamt",
    "abschließend",
    "en conclusión",
    "en resumen",
    "para concluir",
    "в заключение",
    "в итоге",
    "подводя итог",
    "таким образом,",
    "結論として",
    "まとめると",
    "要するに",
    "결론적으로",
    "요약하자면",
    "in conclusione",
    "em conclusão",
    "em resumo",
];
/// Headings that announce one.
const HEADINGS: &[&str] = &[
    "conclusion",
    "summary",
    "conclusions",
    "final thoughts",
    "结语",
    "总结",
    "结论",
    "小结",
    "fazit",
    "zusammenfassung",
    "conclusión",
    "заключение",
    "まとめ",
    "결론",
];
/// Enough of a paragraph to tell how it opens.
const HEAD_BYTES: usize = 48;

/// The last paragraph, if it sums up and is not the whole section.
pub(super) fn find(text: &str) -> Option<&str> {
    let (before, last) = text.rsplit_once("\n\n")?;
    let plain = last.trim_start_matches(['*', '_', '#', ' ', '>']);
    let head = plain[..plain.floor_char_boundary(HEAD_BYTES)].to_lowercase();
    let opens = OPENERS.iter().any(|opener| head.starts_with(opener));
    let headed = before.lines().next_back().is_some_and(is_summary_heading) && before.contains("\n\n");
    (opens || headed).then_some(last)
}

fn is_summary_heading(line: &str) -> bool {
    let marked = line.starts_with('#') || (line.starts_with("**") && line.ends_with("**"));
    let title = line.trim_matches(['#', '*', '_', ' ', ':', '：']).to_lowercase();
    marked && HEADINGS.contains(&title.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closing_summary_is_found() {
        assert!(find("Rome rose.\n\nIn conclusion, Rome rose.").is_some());
        assert!(find("罗马兴起。\n\n**综上所述**，罗马兴起了。").is_some());
        assert!(find("Rome rose.\n\nIt fell.\n\n## Conclusion\n\nSo it goes.").is_some());
    }

    #[test]
    fn openings_elsewhere_are_none() {
        assert!(find("In summary, Rome rose.").is_none());
        assert!(find("In conclusion, he said.\n\nThen Rome rose.").is_none());
        assert!(find("Rome rose.\n\nOverall heights were measured.").is_none());
    }
}
