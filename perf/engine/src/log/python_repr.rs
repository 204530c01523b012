//! Reads settings as Python prints them: `dtype=torch.bfloat16, compilation_config={'mode': …}`.
//! Main function: [`settings`].

/// Levels of nested settings that get names of their own. What lies deeper stays text.
const DEEPEST: usize = 3;

/// The settings in a text, each with its dotted name. A value that is itself a dictionary or an
/// object is one setting for each of its members. Text that is no `name=value` is left out.
pub(crate) fn settings(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    read(text, "", 1, &mut found);
    found
}

fn read(text: &str, prefix: &str, depth: usize, found: &mut Vec<(String, String)>) {
    for part in split(text, ',') {
        let Some((name, value)) = pair(part) else { continue };
        let name = format!("{prefix}{}", unquoted(name.trim()));
        let value = value.trim();
        match members(value).filter(|_| depth < DEEPEST) {
            // An empty one is a value: `{}`.
            Some(members) if !members.trim().is_empty() => {
                read(members, &format!("{name}."), depth + 1, found);
            }
            _ => found.push((name, plain(value).to_owned())),
        }
    }
}

/// The parts of a text between a separator that stands outside of all brackets and quotes.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut begin) = (Vec::new(), 0);
    for at in outside(text, separator) {
        parts.push(&text[begin..at]);
        begin = at + separator.len_utf8();
    }
    parts.push(&text[begin..]);
    parts
}

/// `name=value`, or `'name': value` as in a dictionary; whichever sign comes first.
fn pair(part: &str) -> Option<(&str, &str)> {
    let sign = |sign| outside(part, sign).first().copied();
    let at = [sign('='), sign(':')].into_iter().flatten().min()?;
    Some((&part[..at], &part[at + 1..]))
}

/// Where a letter stands outside of all brackets and quotes.
fn outside(text: &str, wanted: char) -> Vec<usize> {
    let (mut depth, mut quote, mut escaped, mut found) = (0_usize, None, false, Vec::new());
    for (at, letter) in text.char_indices() {
        if let Some(end) = quote {
            if !escaped && letter == end {
                quote = None;
            }
            escaped = !escaped && letter == '\\';
            continue;
        }
        match letter {
            '\'' | '"' => quote = Some(letter),
            '(' | '[' | '{' | '<' => depth += 1,
            ')' | ']' | '}' | '>' => depth = depth.saturating_sub(1),
            _ if letter == wanted && depth == 0 => found.push(at),
            _ => {}
        }
    }
    found
}

/// What is inside a dictionary or an object such as `KernelConfig(…)`.
fn members(value: &str) -> Option<&str> {
    if let Some(inside) = value.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        return Some(inside);
    }
    let (name, inside) = value.strip_suffix(')')?.split_once('(')?;
    let is_name = |letter: char| letter.is_alphanumeric() || "._".contains(letter);
    (!name.is_empty() && name.chars().all(is_name)).then_some(inside)
}

/// A value as people write it: without quotes, and of `<CUDAGraphMode.NONE: 0>` the name alone.
fn plain(value: &str) -> &str {
    let of_enum = value
        .strip_prefix('<')
        .and_then(|rest| rest.strip_suffix('>'))
        .and_then(|inside| inside.split_once(": "))
        .and_then(|(name, _)| name.split_once('.'));
    of_enum.map_or_else(|| unquoted(value), |(_, name)| name)
}

fn unquoted(text: &str) -> &str {
    let inside = |quote| text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    inside('\'').or_else(|| inside('"')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> Vec<String> {
        settings(text).into_iter().map(|(name, value)| format!("{name}: {value}")).collect()
    }

    #[test]
    fn nested_settings_have_dotted_names() {
        let text = "model='/a, b=c', dtype=torch.bfloat16, compilation_config={'mode': <CompilationMode.NONE: 0>, 'sizes': [1, 2], \
                    'pass_config': {'fuse_norm': True}, 'passes': {}}, kernel_config=KernelConfig(ops=Ops(rms=['native']), moe='auto')";
        assert_eq!(
            shown(text),
            [
                "model: /a, b=c",
                "dtype: torch.bfloat16",
                "compilation_config.mode: NONE",
                "compilation_config.sizes: [1, 2]",
                "compilation_config.pass_config.fuse_norm: True",
                "compilation_config.passes: {}",
                "kernel_config.ops.rms: ['native']",
                "kernel_config.moe: auto",
            ]
        );
    }

    #[test]
    fn what_lies_too_deep_or_was_cut_off_stays_text() {
        assert_eq!(shown("a=B(c=D(e=F(g=1)))"), ["a.c.e: F(g=1)"]);
        assert_eq!(
            shown("a={'b': 'it\\'s, so', 'c': [1, 2"),
            ["a: {'b': 'it\\'s, so', 'c': [1, 2"]
        );
        assert!(shown("no settings here").is_empty());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "[a=:,'\"(){}<>\\[\\]\\\\ é]{0,60}") {
            let _ = settings(&text);
        }
    }
}
