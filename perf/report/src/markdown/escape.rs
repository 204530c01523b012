//! Text that Markdown must show as it is: [`text`], [`code`], and advice with commands: [`command`].
//! Names of suites, image tags and lines of logs are written by others, and a comment is read by
//! people who trust it.

use std::fmt::Write;

/// The text, so that it is neither markup, nor a cell's end, nor the mention of a user. Entities mean
/// the same in Markdown and inside HTML, such as a summary.
pub(super) fn text(raw: &str) -> String {
    let mut shown = String::with_capacity(raw.len());
    let mut letters = raw.chars().peekable();
    let mut before = ' ';
    while let Some(letter) = letters.next() {
        let is_inside_word = letter == '_'
            && before.is_alphanumeric()
            && letters.peek().is_some_and(|next| next.is_alphanumeric());
        match letter {
            '&' | '<' | '>' | '|' | '@' | '#' | '`' | '*' | '[' | ']' | '\\' | '~' | '$' | '"' => {
                let _ = write!(shown, "&#{};", u32::from(letter));
            }
            '_' if !is_inside_word => shown.push_str("&#95;"),
            // A line feed would end the line; other control characters could change what is seen.
            letter if letter.is_control() => shown.push(' '),
            letter => shown.push(letter),
        }
        before = letter;
    }
    // GitHub would turn an address into a link.
    shown.replace("://", "&#58;//")
}

/// The text as code.
pub(super) fn code(raw: &str) -> String {
    let plain: String = raw
        .chars()
        .filter(|letter| *letter != '`')
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    format!("`{plain}`")
}

/// Advice whose commands stand in backticks; the rest is text.
pub(super) fn command(advice: &str) -> String {
    let parts = advice.split('`').enumerate();
    parts.map(|(at, part)| if at % 2 == 0 { text(part) } else { code(part) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_no_markup_and_mention_no_user() {
        let raw = "a|b <img src=x> @team #12 **x** [l](http://h) `c`\nd";
        let shown = text(raw);
        for forbidden in ["|", "<", "@", " #12", "**x", "[l](", "http://", "`", "\n"] {
            assert!(!shown.contains(forbidden), "{forbidden:?} in {shown}");
        }
    }

    #[test]
    fn a_command_stays_as_it_is_typed() {
        let advice = "run `cargo xtask perf a_b --env 'X=<1>'`, then <read>";
        assert_eq!(
            command(advice),
            "run `cargo xtask perf a_b --env 'X=<1>'`, then &#60;read&#62;"
        );
    }
}
