//! The models of `perf.toml`, and the `vllm` command of the engine process: [`look`].

use std::path::Path;

use perf_machine::hub::{self, NotFetched};
use perf_model::spec::engine_kind::EngineKind;
use perf_model::spec::model_location::ModelLocation;
use perf_report::terminal::Check;

use super::Machine;
use super::ask::is_command;

/// Looks at what a server of this engine would read. Other engines read no model's files.
pub(super) fn look(machine: &Machine, checks: &mut Vec<Check>) {
    if !machine.starts_servers() {
        return;
    }
    if machine.engine == EngineKind::Process {
        checks.push(vllm(&machine.config.process.vllm));
    }
    checks.extend(machine.config.models_folder.as_deref().map(models_folder));
    for (name, location) in &machine.config.models {
        checks.extend(model(name, location, machine));
    }
}

fn vllm(command: &Path) -> Check {
    let shown = command.display();
    if is_command(command) {
        return Check::ok(format!("the command {shown} is here"));
    }
    // The command line may name another.
    Check::note(
        format!("there is no command {shown}, which `process.vllm` in perf.toml names"),
        "name one there or with `--vllm PATH`: a `vllm` command, or the folder of its virtual environment",
    )
}

/// Only the scenarios whose model is nowhere else need this folder.
fn models_folder(folder: &Path) -> Check {
    let remedy =
        "correct `models_folder` in perf.toml, or name each model with `--model NAME=FOLDER`";
    match std::fs::read_dir(folder) {
        Ok(entries) => {
            let models =
                entries.filter(|it| it.as_ref().is_ok_and(|it| it.path().is_dir())).count();
            Check::ok(format!("{models} folders in {}, for a model each", folder.display()))
        }
        Err(error) => {
            Check::note(format!("the folder of all models, {}: {error}", folder.display()), remedy)
        }
    }
}

/// One that has an entry of its own. In Docker, one in the image is taken first.
fn model(name: &str, location: &ModelLocation, machine: &Machine) -> Option<Check> {
    if machine.engine == EngineKind::Docker && location.in_image.is_some() {
        return None;
    }
    if let (None, Some(id)) = (&location.path, &location.hub) {
        let cache = machine.config.hub_cache.as_deref();
        return Some(of_hub(name, id, location.revision.as_deref(), cache));
    }
    // The process engine looks for it in the folder of all models then.
    let folder = location.path.as_deref()?;
    let what = format!("the model {name} in {}", folder.display());
    let entries = std::fs::read_dir(folder).map(Iterator::count);
    Some(match entries {
        Ok(0) => Check::problem(format!("{what}: the folder is empty"), "put its files there"),
        Ok(_) => Check::ok(format!("{what} can be read")),
        Err(error) => Check::problem(
            format!("{what}: {error}"),
            format!(
                "correct `path` of models.{name} in perf.toml, or give `--model {name}=FOLDER`"
            ),
        ),
    })
}

/// One of the hub, in its cache.
fn of_hub(name: &str, id: &str, revision: Option<&str>, cache: Option<&Path>) -> Check {
    match hub::find(cache, id, revision) {
        Ok(found) => Check::ok(format!("the model {name} is {id} at commit {}", found.commit)),
        Err(NotFetched { cache, command }) => Check::problem(
            format!("the model {name}: {id} is not in the hub's cache {}", cache.display()),
            format!("fetch it with `{command}`"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use perf_model::spec::config::Config;
    use perf_report::terminal::Severity;

    use super::*;

    fn machine(engine: EngineKind) -> Machine {
        Machine { engine, config: Config::default() }
    }

    #[test]
    fn a_model_whose_folder_is_empty_or_missing_is_a_problem() {
        let folder = tempfile::tempdir().unwrap();
        let location =
            |path: &Path| ModelLocation { path: Some(path.into()), ..ModelLocation::default() };
        let severity = |path: &Path| {
            model("m", &location(path), &machine(EngineKind::Docker)).map(|check| check.severity)
        };
        assert_eq!(severity(folder.path()), Some(Severity::Problem));
        assert_eq!(severity(&folder.path().join("missing")), Some(Severity::Problem));
        std::fs::write(folder.path().join("config.json"), "{}").unwrap();
        assert_eq!(severity(folder.path()), Some(Severity::Ok));
    }

    #[test]
    fn a_container_does_not_need_the_folder_of_a_model_that_its_image_has() {
        let location = ModelLocation {
            path: Some("/nowhere".into()),
            in_image: Some("/models/m".into()),
            ..ModelLocation::default()
        };
        assert_eq!(model("m", &location, &machine(EngineKind::Docker)), None);
        assert!(model("m", &location, &machine(EngineKind::Process)).is_some());
    }

    #[test]
    fn a_model_that_was_not_fetched_is_a_problem_with_the_command_that_fetches_it() {
        let cache = tempfile::tempdir().unwrap();
        let mut machine = machine(EngineKind::Docker);
        machine.config.hub_cache = Some(cache.path().to_owned());
        let location = ModelLocation { hub: Some("o/n".into()), ..ModelLocation::default() };
        let check = model("m", &location, &machine).unwrap();
        assert_eq!(check.severity, Severity::Problem);
        let remedy = check.remedy.unwrap_or_default();
        assert!(remedy.starts_with("fetch it with `hf download o/n --cache-dir /"), "{remedy}");
        std::fs::create_dir_all(cache.path().join("models--o--n/snapshots/main")).unwrap();
        assert_eq!(model("m", &location, &machine).unwrap().severity, Severity::Ok);
    }
}
