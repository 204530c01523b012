//! The filters of a command line, held against the names of what there is: [`pick`].

use anyhow::{Result, bail};
use perf_model::spec::suggest::nearest;

use crate::cli;

/// Where a name may be taken apart: `file::test`, `machine/suite/load.snap`.
const PARTS: [char; 3] = [':', '/', '.'];

/// Keeps what one of the filters names, or all if there are none.
///
/// # Errors
/// When a filter names nothing: what was asked for would be left out unseen.
pub(crate) fn pick<T>(
    kind: &str,
    all: Vec<T>,
    name: impl Fn(&T) -> &str,
    filters: &[String],
) -> Result<Vec<T>> {
    if let Some(filter) =
        filters.iter().find(|filter| !all.iter().any(|one| name(one).contains(filter.as_str())))
    {
        bail!(unknown(kind, filter, &all.iter().map(&name).collect::<Vec<_>>()));
    }
    Ok(all.into_iter().filter(|one| matches(name(one), filters)).collect())
}

/// Whether a name has one of the filters in it; without filters, every name has.
pub(crate) fn matches(name: &str, filters: &[String]) -> bool {
    filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()))
}

/// What to say of a filter that names nothing: the nearest of what there is, by any part of their
/// names.
fn unknown(kind: &str, filter: &str, all: &[&str]) -> String {
    let is_near = |name: &&&str| nearest(filter, name.split(PARTS).chain([**name])).is_some();
    let near: Vec<&str> = all.iter().filter(is_near).copied().collect();
    let is_unlike_all = near.is_empty();
    let (what, names) = if is_unlike_all {
        ("there are:", all)
    } else {
        ("did you mean one of these?", near.as_slice())
    };
    let command = (kind == "scenario" && is_unlike_all).then(|| cli::command_like(filter));
    if let Some(command) = command.flatten() {
        return format!("no scenario matches `{filter}`; did you mean the command `{command}`?");
    }
    format!("no {kind} has `{filter}` in its name; {what}\n  {}", names.join("\n  "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCENARIOS: [&str; 2] = ["cpu_smoke::tiny_model", "f0_qwen::awq_on_one_gpu"];

    fn picked(filters: &[&str]) -> Result<Vec<&'static str>> {
        let filters: Vec<String> = filters.iter().map(|filter| (*filter).to_owned()).collect();
        pick("scenario", SCENARIOS.to_vec(), |name| name, &filters)
    }

    #[test]
    fn a_filter_is_a_part_of_a_name_and_none_is_all() {
        assert_eq!(picked(&["awq"]).unwrap(), ["f0_qwen::awq_on_one_gpu"]);
        assert_eq!(picked(&[]).unwrap(), SCENARIOS);
    }

    #[test]
    fn a_mistyped_command_is_not_taken_for_a_filter() {
        assert_eq!(
            picked(&["refesh"]).unwrap_err().to_string(),
            "no scenario matches `refesh`; did you mean the command `refresh`?"
        );
    }

    #[test]
    fn a_filter_that_names_nothing_is_refused_beside_one_that_does_and_the_nearest_are_named() {
        assert_eq!(
            picked(&["awq", "cpu_smoek"]).unwrap_err().to_string(),
            "no scenario has `cpu_smoek` in its name; did you mean one of these?\n  cpu_smoke::tiny_model"
        );
        let all = picked(&["zzz"]).unwrap_err().to_string();
        assert!(
            all.contains("there are:\n  cpu_smoke::tiny_model\n  f0_qwen::awq_on_one_gpu"),
            "{all}"
        );
    }
}
