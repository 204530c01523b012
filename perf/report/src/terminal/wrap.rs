//! Text on lines of at most 80 columns: [`wrapped`] and [`folded`], and heads of narrow columns: [`head`].

use unicode_width::UnicodeWidthStr;

/// The widest line.
pub(super) const WIDTH: usize = 80;

/// The widest head of a column.
const COLUMN: usize = 11;

/// How many columns of a terminal a text takes: two for a Chinese character.
pub(super) fn columns(text: &str) -> usize {
    text.width()
}

/// A text in which every line that is wider than a terminal goes on in the next one, indented by two
/// more columns. Other lines stay as they are. A single word, such as a path, is never broken.
pub fn folded(text: &str) -> String {
    text.split('\n').map(folded_line).collect::<Vec<_>>().join("\n")
}

fn folded_line(line: &str) -> String {
    if columns(line) <= WIDTH {
        return line.to_owned();
    }
    let words = line.trim_start();
    let indent = &line[..line.len() - words.len()];
    let (mut lines, mut last) = (String::new(), indent.to_owned());
    let mut gap = String::new();
    let mut is_empty = true;
    for piece in words.split_inclusive(' ') {
        let word = piece.trim_end();
        if !word.is_empty() {
            if !is_empty && columns(&last) + columns(&gap) + columns(word) > WIDTH {
                lines.push_str(&last);
                lines.push('\n');
                last = format!("{indent}  {word}");
            } else {
                last.push_str(&gap);
                last.push_str(word);
            }
            gap.clear();
            is_empty = false;
        }
        gap.push_str(&piece[word.len()..]);
    }
    lines + &last
}

/// A paragraph behind an indent; its further lines are indented by two more.
pub(super) fn wrapped(text: &str, indent: &str) -> String {
    let mut lines = String::new();
    let mut line = indent.to_owned();
    let mut is_empty = true;
    for word in text.split_whitespace() {
        if !is_empty && columns(&line) + 1 + columns(word) > WIDTH {
            lines.push_str(&line);
            lines.push('\n');
            line = format!("{indent}  ");
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    format!("{lines}{line}\n")
}

/// A name on several lines, broken at blanks and behind dashes.
pub(super) fn head(name: &str) -> String {
    broken(name, COLUMN)
}

/// A name on lines of at most so many columns, broken at blanks and behind dashes.
pub(super) fn broken(name: &str, width: usize) -> String {
    let mut lines: Vec<String> = vec![String::new()];
    for part in name.split_inclusive([' ', '-']) {
        let last = lines
            .last_mut()
            .filter(|line| line.is_empty() || columns(line) + columns(part.trim_end()) <= width);
        match last {
            Some(line) => line.push_str(part),
            None => lines.push(part.to_owned()),
        }
    }
    let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_broken_into_narrow_lines() {
        assert_eq!(head("max-num-batched-tokens"), "max-num-\nbatched-\ntokens");
        assert_eq!(head("TTFT P50 [ms]"), "TTFT P50\n[ms]");
        assert_eq!(head("TP"), "TP");
    }

    #[test]
    fn a_wide_line_goes_on_in_the_next_and_a_narrow_one_keeps_its_gaps() {
        let text = format!("a   b\n  load   held   {}end", "word ".repeat(16));
        let lines: Vec<String> = folded(&text).lines().map(str::to_owned).collect();
        assert_eq!(lines[0], "a   b");
        assert!(lines[1].starts_with("  load   held   word ") && columns(&lines[1]) <= WIDTH);
        assert_eq!(lines[2], "    word word word end");
        assert_eq!(folded(&"x".repeat(90)), "x".repeat(90));
    }

    #[test]
    fn a_chinese_character_takes_two_columns() {
        let text = "你好 ".repeat(30);
        assert!(wrapped(&text, "").lines().all(|line| columns(line) <= WIDTH));
        assert!(folded(&text).lines().all(|line| columns(line) <= WIDTH));
        assert!(wrapped(&text, "").lines().count() == 2);
    }

    #[test]
    fn a_paragraph_has_no_line_above_80_columns_and_loses_no_word() {
        let text = "word ".repeat(60);
        let lines = wrapped(&text, "  ");
        assert!(lines.lines().all(|line| line.chars().count() <= 80));
        assert_eq!(lines.matches("word").count(), 60);
        assert!(lines.lines().nth(1).unwrap().starts_with("    word"));
    }
}
