//! The look of a page: [`CSS`].

/// Colours are variables, one set for each theme.
pub(super) const CSS: &str = include_str!("style.css");

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// The colours of a theme.
    fn colours(text: &str) -> BTreeMap<&str, [f64; 3]> {
        let body = text.split('{').find(|part| part.contains("--page:")).unwrap();
        body.split('}')
            .next()
            .unwrap()
            .split(';')
            .filter_map(|line| line.trim().strip_prefix("--")?.split_once(": #"))
            .map(|(name, hex)| {
                let part = |at: usize| {
                    f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0
                };
                (name, [part(0), part(2), part(4)])
            })
            .collect()
    }

    /// The contrast of two colours, as WCAG 2 defines it.
    fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
        let luminance = |colour: [f64; 3]| {
            let linear = colour.map(|part| {
                if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
            });
            0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        };
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    /// A colour over another.
    fn over(front: [f64; 3], back: [f64; 3], share: f64) -> [f64; 3] {
        [0, 1, 2].map(|at| front[at] * share + back[at] * (1.0 - share))
    }

    #[test]
    fn every_text_and_every_mark_has_the_contrast_of_wcag_aa_in_both_themes() {
        let dark = CSS.split("prefers-color-scheme: dark").nth(1).unwrap();
        for (theme, colours) in [("light", colours(CSS)), ("dark", colours(dark))] {
            for back in ["page", "card"] {
                for (text, least) in [
                    ("text", 4.5),
                    ("muted", 4.5),
                    ("now", 4.5),
                    ("bad", 4.5),
                    ("warn", 4.5),
                    ("base", 3.0),
                    ("limit", 3.0),
                ] {
                    let found = contrast(colours[text], colours[back]);
                    assert!(found >= least, "{theme}: {text} on {back} has {found:.2}");
                }
                // The numbers of a heat map stand on its darkest shade.
                let shade = over(colours["now"], colours[back], 0.4);
                let found = contrast(colours["text"], shade);
                assert!(found >= 4.5, "{theme}: a cell of a heat map on {back} has {found:.2}");
            }
            for back in ["good", "bad", "warn", "muted"] {
                let found = contrast(colours["badge"], colours[back]);
                assert!(found >= 4.5, "{theme}: a badge on {back} has {found:.2}");
            }
            let found = contrast(colours["text"], colours["code"]);
            assert!(found >= 4.5, "{theme}: code has {found:.2}");
        }
    }

    #[test]
    fn nothing_is_loaded() {
        for word in ["url(", "@import", "http"] {
            assert!(!CSS.contains(word), "{word}");
        }
    }
}
