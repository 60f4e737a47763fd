//! Numbers, money and durations as people read them, and plain aligned tables.

use std::fmt::Write as _;
use std::time::Duration;

use agentwrite::ids::Timestamp;

/// `1,214`
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Exact below a hundred thousand, then `812 k`, `81.3 M`, `1.20 G`: three digits.
pub fn short(value: u64) -> String {
    match value {
        0..100_000 => count(value),
        100_000..1_000_000 => format!("{} k", value / 1_000),
        1_000_000..1_000_000_000 => format!("{} M", three_digits(value as f64 / 1e6)),
        _ => format!("{} G", three_digits(value as f64 / 1e9)),
    }
}

fn three_digits(value: f64) -> String {
    match value {
        value if value < 10.0 => format!("{value:.2}"),
        value if value < 100.0 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

/// A rate: whole from ten on, one decimal below.
pub fn rate(value: f64) -> String {
    if value < 10.0 { format!("{value:.1}") } else { short(value.round() as u64) }
}

/// Nano-USD as `$9.84`; below ten cents with two significant digits.
pub fn usd(nano: u64) -> String {
    let value = nano as f64 / 1e9;
    match nano {
        0 => "$0".to_owned(),
        1..100_000_000 => {
            let decimals = (2 - value.log10().floor() as i32 - 1).max(2) as usize;
            format!("${value:.decimals$}")
        }
        _ => {
            let cents = (value * 100.0).round() as u64;
            format!("${}.{:02}", count(cents / 100), cents % 100)
        }
    }
}

/// `00:41:07`
pub fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// `0.8 s`, `41 s`, `12 min`, `3 h 10 min`, `2 d 4 h`
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    let minutes = (seconds / 60.0).round() as u64;
    match seconds {
        s if s < 9.95 => format!("{s:.1} s"),
        s if s < 90.0 => format!("{s:.0} s"),
        _ if minutes < 60 => format!("{minutes} min"),
        _ if minutes < 2_880 => format!("{} h {} min", minutes / 60, minutes % 60),
        _ => format!("{} d {} h", minutes / 1_440, minutes / 60 % 24),
    }
}

/// `2026-11-14T22:13:20.000Z`
pub fn rfc3339(time: Timestamp) -> Option<String> {
    chrono::DateTime::from_timestamp_millis(time.0)
        .map(|time| time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
}

/// `12.4 MB`
pub fn bytes(value: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if value < 1_000 {
        return format!("{value} B");
    }
    let mut scaled = value as f64 / 1e3;
    let mut unit = 0;
    while scaled >= 999.5 && unit + 1 < UNITS.len() {
        scaled /= 1e3;
        unit += 1;
    }
    format!("{} {}", three_digits(scaled), UNITS[unit])
}

/// `20 %`, `2.2 %`; nothing of nothing is 0 %. Only all is 100 %.
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "0 %".to_owned();
    }
    let share = part as f64 * 100.0 / whole as f64;
    if part < whole && share > 99.9 {
        return "99.9 %".to_owned();
    }
    if share < 9.95 && part > 0 { format!("{share:.1} %") } else { format!("{share:.0} %") }
}

/// `1 sample`, `2 samples`
pub fn plural(value: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(value), if value == 1 { "" } else { "s" })
}

/// Columns that a character takes on a terminal.
fn columns(c: char) -> usize {
    match c as u32 {
        0x0300..=0x036f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// Columns that a text takes on a terminal.
pub fn width(text: &str) -> usize {
    text.chars().map(columns).sum()
}

/// A text on one line of at most `most` columns, without control characters; `…` where it was cut.
pub fn one_line(text: &str, most: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    let mut words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let mut next = words.next();
    while let Some(word) = next {
        next = words.next();
        for c in word.chars().chain(next.map(|_| ' ')) {
            if used + columns(c) > most {
                while used + 1 > most || out.ends_with(' ') {
                    let Some(last) = out.pop() else { break };
                    used -= columns(last);
                }
                out.push('…');
                return out;
            }
            used += columns(c);
            out.push(c);
        }
    }
    out
}

/// Which side of its column a cell keeps to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Texts.
    Left,
    /// Numbers.
    Right,
}

/// A table without lines: a head, aligned cells, two spaces between columns.
pub struct Table {
    head: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns. With empty names there is no head line.
    pub fn new(head: &[(&'static str, Align)]) -> Self {
        Self { head: head.to_vec(), rows: Vec::new() }
    }

    /// Adds a row: a cell per column.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        debug_assert_eq!(N, self.head.len(), "a cell per column");
        self.rows.push(cells.into());
    }

    /// The table, each line indented and ended by a line end, no line with blanks at its end. A column that is empty in
    /// every row is left out.
    pub fn render(&self, indent: usize) -> String {
        let widths: Vec<usize> = (0..self.head.len())
            .map(|column| {
                let widest = self.rows.iter().map(|row| width(&row[column])).max().unwrap_or(0);
                if widest == 0 { 0 } else { widest.max(width(self.head[column].0)) }
            })
            .collect();
        let mut out = String::new();
        if self.head.iter().any(|(name, _)| !name.is_empty()) {
            let names: Vec<&str> = self.head.iter().map(|(name, _)| *name).collect();
            self.line(&mut out, indent, &names, &widths);
        }
        for row in &self.rows {
            let cells: Vec<&str> = row.iter().map(String::as_str).collect();
            self.line(&mut out, indent, &cells, &widths);
        }
        out
    }

    fn line(&self, out: &mut String, indent: usize, cells: &[&str], widths: &[usize]) {
        let mut line = " ".repeat(indent);
        let mut first = true;
        for ((cell, (_, align)), column) in cells.iter().zip(&self.head).zip(widths) {
            if *column == 0 {
                continue;
            }
            if !first {
                line.push_str("  ");
            }
            first = false;
            let pad = " ".repeat(column.saturating_sub(width(cell)));
            match align {
                Align::Left => line.extend([*cell, &pad]),
                Align::Right => line.extend([&pad, *cell]),
            }
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([0, 999, 1_214, 1_000_000].map(count), ["0", "999", "1,214", "1,000,000"]);
        assert_eq!([99_999, 812_345, 11_234_567, 1_200_000_000].map(short), ["99,999", "812 k", "11.2 M", "1.20 G"]);
        assert_eq!(
            [0, 1_200_000, 240_000_000, 9_836_000_000, 1_234_567_000_000].map(usd),
            ["$0", "$0.0012", "$0.24", "$9.84", "$1,234.57"]
        );
        assert_eq!([500, 12_400_000, 999_999].map(bytes), ["500 B", "12.4 MB", "1.00 MB"]);
        assert_eq!(
            [percent(1, 45), percent(1, 5), percent(9_999, 10_000), percent(0, 0)],
            ["2.2 %", "20 %", "99.9 %", "0 %"]
        );
        assert_eq!([rate(4.25), rate(41.4), rate(34_100.0)], ["4.2", "41", "34,100"]);
    }

    #[test]
    fn durations_read_well() {
        let seconds = |s| duration(Duration::from_secs_f64(s));
        assert_eq!(
            [0.84, 41.2, 725.0, 11_400.0, 187_200.0].map(seconds),
            ["0.8 s", "41 s", "12 min", "3 h 10 min", "2 d 4 h"]
        );
        assert_eq!(clock(Duration::from_secs(2_467)), "00:41:07");
    }

    #[test]
    fn one_line_never_exceeds_its_columns_and_holds_no_control_character() {
        assert_eq!(one_line("a\n\u{1b}[2Jb  c", 20), "a [2Jb c");
        assert_eq!(one_line("tea trade", 9), "tea trade");
        assert_eq!(one_line("tea trade", 8), "tea tra…");
        assert_eq!(one_line("tea trade", 5), "tea…");
        assert_eq!(one_line("茶的历史", 5), "茶的…");
        for most in 0..12 {
            assert!(width(&one_line("茶 of the 历史", most)) <= most.max(1));
        }
    }

    #[test]
    fn tables_align_and_leave_out_empty_columns() {
        let mut table = Table::new(&[("sample", Align::Left), ("code", Align::Left), ("words", Align::Right)]);
        table.row(["茶".to_owned(), String::new(), "7".to_owned()]);
        table.row(["smp_long".to_owned(), String::new(), "1,200".to_owned()]);
        assert_eq!(table.render(1), " sample    words\n 茶            7\n smp_long  1,200\n");
    }
}
