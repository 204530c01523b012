//! What was asked for on the command line → the settings that the tests get: [`Asked`].

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use perf_model::spec::engine_kind::EngineKind;
use perf_model::spec::image_reference;
use perf_model::spec::secret_name;
use perf_model::spec::server::parse_arguments;
use perf_model::spec::server_url::ServerUrl;
use perf_model::spec::settings::{Budget, Purpose, Settings, Variant};

use crate::cli::{Compare, EngineChoice, Gate, On, Refresh, Required, UnderTest};
use crate::{detect, tiers};

/// What was asked of a command that measures.
pub(crate) struct Asked<'a> {
    pub(crate) on: &'a On,
    purpose: Purpose,
    candidate: Variant,
    base: Option<Variant>,
    starts: Option<u32>,
    runs: Option<u32>,
    adds_session: bool,
    cross_checks: bool,
    budget: Budget,
}

impl<'a> Asked<'a> {
    pub(crate) fn gate(asked: &'a Gate) -> Self {
        let budget = asked.budget.unwrap_or_default();
        let base =
            asked.base_vllm.clone().map(|vllm| Variant { vllm: Some(vllm), ..Variant::default() });
        let of = Self::new(&asked.on, Purpose::Gate, variant(&asked.under_test));
        Self { base, budget, cross_checks: asked.cross_check, ..of }
    }

    /// A sweep is neither judged nor a baseline.
    pub(crate) fn sweep(on: &'a On, under_test: &UnderTest, budget: Budget) -> Self {
        Self { budget, ..Self::new(on, Purpose::Gate, variant(under_test)) }
    }

    pub(crate) fn refresh(asked: &'a Refresh) -> Self {
        let of = Self::new(&asked.on, Purpose::Refresh, variant(&asked.under_test));
        Self { starts: asked.starts, runs: asked.runs, adds_session: asked.add_session, ..of }
    }

    /// One option names each side of a comparison, for every engine.
    pub(crate) fn compare(asked: &'a Compare, engine: EngineKind) -> Result<Self> {
        let is_image = |name: &String| name != "none" && !name.contains('=');
        if asked.on.engine == EngineChoice::Auto
            && engine == EngineKind::Simulated
            && std::iter::once(&asked.base).chain(&asked.candidate).any(is_image)
        {
            bail!(
                "{}; use `--engine docker` with a CPU image, or run it on a GPU machine",
                missing().unwrap_or("no GPU here")
            );
        }
        let base = side(&asked.base, engine)?;
        let mut candidate = side(asked.candidate.as_ref().unwrap_or(&asked.base), engine)?;
        candidate.arguments.clone_from(&asked.arguments);
        candidate.environment = asked.env.iter().cloned().collect();
        let budget = asked.budget.unwrap_or_default();
        Ok(Self { base: Some(base), budget, ..Self::new(&asked.on, Purpose::Compare, candidate) })
    }

    fn new(on: &'a On, purpose: Purpose, candidate: Variant) -> Self {
        Self {
            on,
            purpose,
            candidate,
            base: None,
            starts: None,
            runs: None,
            adds_session: false,
            cross_checks: false,
            budget: Budget::default(),
        }
    }

    /// The settings, checked against the engine that was picked.
    pub(crate) fn settings(self, engine: EngineKind) -> Result<Settings> {
        self.check_belonging(engine)?;
        self.check_values()?;
        let On { url, reach, model, noise, wait, .. } = self.on;
        // Rounded up: a wait that was asked for is one.
        let wait_s = wait.map(|time| Duration::from_secs_f64(time.seconds().ceil()).as_secs());
        Ok(Settings {
            engine,
            purpose: self.purpose,
            starts: self.starts,
            runs: self.runs,
            budget: self.budget,
            checks: None,
            plans: false,
            tier: tiers::of(self.on),
            adds_session: self.adds_session,
            cross_checks: self.cross_checks,
            candidate: self.candidate,
            base: self.base,
            url: url.clone(),
            access: reach.access()?,
            models: model
                .iter()
                .map(|(name, folder)| (name.clone(), PathBuf::from(folder)))
                .collect(),
            noise: *noise,
            sweep: None,
            wait_s,
            run_folder: None,
        })
    }

    /// Refuses what does nothing with this engine.
    fn check_belonging(&self, engine: EngineKind) -> Result<()> {
        let On { url, reach, model, noise, .. } = self.on;
        let only = |given: bool, option: &str, wanted: EngineKind| {
            if given && engine != wanted {
                bail!("{option} is for --engine {wanted}, and the engine here is {engine}");
            }
            Ok(())
        };
        let Variant { image, vllm, server_command, inject, arguments, environment } =
            &self.candidate;
        only(image.is_some(), "--image", EngineKind::Docker)?;
        only(vllm.is_some(), "--vllm", EngineKind::Process)?;
        only(server_command.is_some(), "--server-command", EngineKind::Process)?;
        only(
            self.purpose == Purpose::Gate && self.base.is_some(),
            "--base-vllm",
            EngineKind::Process,
        )?;
        only(url.is_some(), "--url", EngineKind::Remote)?;
        only(reach.is_given(), "--header, --ca, --insecure and --metrics-url", EngineKind::Remote)?;
        only(inject.is_some(), "--inject", EngineKind::Simulated)?;
        only(*noise > 0, "--noise", EngineKind::Simulated)?;
        if engine == EngineKind::Remote && url.is_none() {
            bail!("--engine remote needs the server's address: --url http://host:8000");
        }
        if engine == EngineKind::Remote && !(arguments.is_empty() && environment.is_empty()) {
            bail!(
                "engine arguments and --env do nothing with --engine remote, whose server is up already; start it with them, \
                 and leave them out here"
            );
        }
        let needs_files = matches!(engine, EngineKind::Docker | EngineKind::Process);
        if !needs_files && !model.is_empty() {
            bail!(
                "--model does nothing with --engine {engine}, which reads no model's files; leave it out"
            );
        }
        if !needs_files && self.cross_checks {
            bail!(
                "--cross-check runs `vllm bench throughput`, which --engine {engine} has no image or command for; use it with \
                 --engine docker or process"
            );
        }
        if engine == EngineKind::Simulated && !environment.is_empty() {
            bail!(
                "--env does nothing with --engine simulated; faults are given as --inject decode=1.05"
            );
        }
        Ok(())
    }

    /// Refuses what can be nothing that was meant.
    fn check_values(&self) -> Result<()> {
        if let Some(Err(why)) = self.on.url.as_deref().map(ServerUrl::parse) {
            bail!("--url: {why}");
        }
        for side in self.base.iter().chain([&self.candidate]) {
            if let Some(image) = &side.image {
                image_reference::check(image).map_err(anyhow::Error::msg)?;
            }
            // A name alone is looked for where the shell looks for it.
            if let Some(vllm) =
                side.vllm.as_ref().filter(|vllm| vllm.components().count() > 1 && !vllm.exists())
            {
                bail!(
                    "there is no {}; name a `vllm` command, or the folder of its virtual environment",
                    vllm.display()
                );
            }
        }
        let arguments = parse_arguments(&self.candidate.arguments);
        if let Err(word) = &arguments {
            bail!(
                "`{word}` is no engine argument: write flags with their dashes, as in `-- --max-num-seqs 128`"
            );
        }
        let arguments = arguments.unwrap_or_default();
        secret_name::check(self.candidate.environment.keys(), &arguments)
            .map_err(anyhow::Error::msg)
    }
}

fn variant(asked: &UnderTest) -> Variant {
    Variant {
        image: asked.image.clone(),
        vllm: asked.vllm.clone(),
        server_command: asked.server_command.clone(),
        arguments: asked.arguments.clone(),
        environment: asked.env.iter().cloned().collect(),
        inject: asked.inject.clone(),
    }
}

/// One side of a comparison, as `--base` and `--candidate` name it.
fn side(name: &str, engine: EngineKind) -> Result<Variant> {
    let given = Some(name.to_owned());
    Ok(match engine {
        EngineKind::Docker => Variant { image: given, ..Variant::default() },
        // Only a command line of another server says where the port goes.
        EngineKind::Process if name.contains("{port}") => {
            Variant { server_command: given, ..Variant::default() }
        }
        EngineKind::Process => Variant { vllm: Some(PathBuf::from(name)), ..Variant::default() },
        EngineKind::Simulated => {
            Variant { inject: given.filter(|faults| faults != "none"), ..Variant::default() }
        }
        EngineKind::Remote => {
            bail!(
                "--engine remote cannot be compared: its server cannot be switched; use docker or process"
            )
        }
    })
}

/// The engine to run on; `None` when what was required is missing, which has been said then.
pub(crate) fn pick_engine(on: &On) -> Result<Option<EngineKind>> {
    let missing = missing();
    if let (Some(Required::Gpu), Some(missing)) = (on.require, missing) {
        eprintln!("error: a GPU is required, but there is {missing}; nothing was run");
        return Ok(None);
    }
    let engine = match (on.engine.named(), missing) {
        (Some(named), _) => named,
        (None, None) => EngineKind::Docker,
        (None, Some(missing)) => {
            eprintln!("{}", simulated_banner(missing));
            EngineKind::Simulated
        }
    };
    if on.require.is_some() && engine == EngineKind::Simulated {
        bail!("--require gpu and --engine simulated contradict each other");
    }
    Ok(Some(engine))
}

/// What this machine lacks to run an image on a GPU.
pub(crate) fn missing() -> Option<&'static str> {
    match (detect::gpus(), detect::docker_answers()) {
        (0, _) => Some("no NVIDIA GPU here (the driver shows none)"),
        (_, false) => Some("Docker does not answer here"),
        _ => None,
    }
}

fn simulated_banner(missing: &str) -> String {
    let line = "=".repeat(72);
    format!(
        "{line}\n{missing}: running on the SIMULATED engine.\n\
         Its figures test the suite, not a GPU. On a gating runner use --require gpu.\n{line}"
    )
}
