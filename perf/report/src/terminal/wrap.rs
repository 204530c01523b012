//! Text on lines of at most 80 columns: [`wrapped`], and heads of narrow columns: [`head`].

/// The widest line.
pub(super) const WIDTH: usize = 80;

/// The widest head of a column.
const COLUMN: usize = 11;

/// A paragraph behind an indent; its further lines are indented by two more.
pub(super) fn wrapped(text: &str, indent: &str) -> String {
    let mut lines = String::new();
    let mut line = indent.to_owned();
    let mut is_empty = true;
    for word in text.split_whitespace() {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
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
        let last = lines.last_mut().filter(|line| {
            line.is_empty() || line.chars().count() + part.trim_end().chars().count() <= width
        });
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
    fn a_paragraph_has_no_line_above_80_columns_and_loses_no_word() {
        let text = "word ".repeat(60);
        let lines = wrapped(&text, "  ");
        assert!(lines.lines().all(|line| line.chars().count() <= 80));
        assert_eq!(lines.matches("word").count(), 60);
        assert!(lines.lines().nth(1).unwrap().starts_with("    word"));
    }
}
