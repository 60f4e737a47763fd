//! Input files whose plans are known beforehand: the simulator plans as `[sections=N words=M]` in the instruction says.

use std::fs;
use std::path::{Path, PathBuf};

/// One JSONL row that the simulator plans as `sections` sections of `words` words. Below 200 words Longhand merges steps.
pub fn sections(index: usize, sections: usize, words: usize) -> String {
    serde_json::json!({
        "id": format!("row-{index}"),
        "prompt": format!("Write the chronicle of the imaginary town number {index}. [sections={sections} words={words}]"),
    })
    .to_string()
}

/// Writes `name` into `dir`, `samples` rows of equal plans, and gives its path.
pub fn fixed_sections(dir: &Path, name: &str, samples: usize, count: usize, words: usize) -> PathBuf {
    write_lines(dir, name, (0..samples).map(|index| sections(index, count, words)))
}

/// Writes a file of lines.
pub fn write_lines(dir: &Path, name: &str, lines: impl IntoIterator<Item = String>) -> PathBuf {
    let path = dir.join(name);
    let mut text: String = lines.into_iter().collect::<Vec<_>>().join("\n");
    text.push('\n');
    fs::write(&path, text).expect("the test's folder can be written");
    path
}
