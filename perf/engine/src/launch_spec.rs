//! What exactly is to be started: the declared server with what is put under test over it. Main
//! type: [`LaunchSpec`].

use std::collections::BTreeMap;
use std::path::PathBuf;

use perf_model::record::effective::EffectiveConfiguration;
use perf_model::record::fingerprint::Fingerprint;
use perf_model::spec::engine_kind::EngineKind;
use perf_model::spec::parallelism::Parallelism;
use perf_model::spec::secret_name;
use perf_model::spec::server::{Argument, Server, parse_arguments};
use perf_model::spec::settings::{SERVER_COMMAND, Variant};

use crate::compile_cache::CompileCacheFolder;
use crate::error::EngineError;
use crate::readiness::Probe;
use crate::secrets::Secrets;

/// Flags that this crate sets, as it has to know where the server listens and what it serves.
const RESERVED: &[&str] = &["--host", "--port", "--model", "--served-model-name"];

/// Variables for every server: it must not use the network, and must not report usage of a
/// benchmark.
const ENVIRONMENT: &[(&str, &str)] =
    &[("HF_HUB_OFFLINE", "1"), ("VLLM_NO_USAGE_STATS", "1"), ("DO_NOT_TRACK", "1")];

/// How long vLLM's API server waits for its engine, in seconds.
const READY_TIMEOUT: &str = "VLLM_ENGINE_READY_TIMEOUT_S";

/// What a run puts under test, in place of what a test declares.
#[derive(Clone, Debug, Default)]
pub(crate) struct UnderTest {
    arguments: Vec<Argument>,
    environment: BTreeMap<String, String>,
    /// The command line of another server than vLLM.
    pub(crate) server_command: Option<String>,
}

impl UnderTest {
    pub(crate) fn new(variant: &Variant) -> Result<Self, EngineError> {
        let arguments = parse_arguments(&variant.arguments).map_err(|word| {
            let message = format!(
                "`{word}` is not an engine argument; write --flag=value, or --flag for a switch"
            );
            EngineError::invalid(message)
        })?;
        arguments.iter().try_for_each(check)?;
        Ok(Self { arguments, environment: variant.environment.clone(), server_command: None })
    }
}

/// What is to be started.
#[derive(Clone, Debug)]
pub(crate) struct LaunchSpec {
    /// The server, with the arguments and variables under test.
    pub(crate) server: Server,
    /// What stands in for the values of the secrets is in here alone.
    pub(crate) secrets: Secrets,
    /// How long it may take to become ready, for vLLM's own patience with its engine.
    pub(crate) start_timeout_s: Option<u64>,
    /// Where its log is to be kept, by an engine that starts it.
    pub(crate) log: Option<PathBuf>,
    /// Where it keeps what it compiles.
    pub(crate) compile_cache: CompileCacheFolder,
    /// Complete but for hardware, image, version and driver.
    pub(crate) fingerprint: Fingerprint,
}

impl LaunchSpec {
    /// Puts a server and what is under test together.
    pub(crate) fn new(
        kind: EngineKind,
        server: &Server,
        under_test: &UnderTest,
    ) -> Result<Self, EngineError> {
        server.arguments.iter().try_for_each(check)?;
        if let Some(name) =
            server.secrets.iter().find(|name| under_test.environment.contains_key(*name))
        {
            // Its value would end up in the settings, the record and the report.
            let message = format!(
                "`{name}` is a secret of this test; set it in the environment, not as a setting under test"
            );
            return Err(EngineError::invalid(message));
        }
        secret_name::check(server.environment.keys(), &server.arguments)
            .and_then(|()| secret_name::check(under_test.environment.keys(), &under_test.arguments))
            .map_err(EngineError::invalid)?;
        let mut planned = server.clone();
        under_test.arguments.iter().for_each(|argument| planned.set_argument(argument.clone()));
        planned.environment.extend(under_test.environment.clone());
        Parallelism::check(&planned).map_err(EngineError::invalid)?;
        let arguments_under_test = under_test.arguments.iter().map(Argument::to_string);
        let command = under_test.server_command.iter().map(|it| format!("{SERVER_COMMAND}{it}"));
        let fingerprint = Fingerprint {
            arguments: server.arguments.iter().map(Argument::to_string).collect(),
            environment: assignments(&server.environment).collect(),
            under_test: arguments_under_test
                .chain(assignments(&under_test.environment))
                .chain(command)
                .collect(),
            ..Fingerprint::new(kind, String::new(), server.model.clone())
        };
        Ok(Self {
            server: planned,
            secrets: Secrets::default(),
            start_timeout_s: None,
            log: None,
            compile_cache: CompileCacheFolder::default(),
            fingerprint,
        })
    }

    /// Reads the values of the secrets, for an engine that hands them on.
    pub(crate) fn read_secrets(&mut self) -> Result<(), EngineError> {
        self.secrets = Secrets::from_environment(&self.server.secrets)?;
        Ok(())
    }

    /// The version that the server claims, without a secret.
    pub(crate) async fn version(&self, probe: &Probe) -> Option<String> {
        Some(self.secrets.redact(&probe.version().await?))
    }

    /// What the server runs with, without a secret.
    pub(crate) fn redacted(&self, settings: &EffectiveConfiguration) -> EffectiveConfiguration {
        let redact = |(name, value): (&str, &str)| (name.to_owned(), self.secrets.redact(value));
        settings.iter().map(redact).collect()
    }

    /// The arguments of a server that listens here, without the model's path.
    pub(crate) fn arguments(&self, host: &str, port: u16) -> Vec<String> {
        let own = [
            "--served-model-name",
            &self.server.model,
            "--host",
            host,
            "--port",
            &port.to_string(),
        ]
        .map(str::to_owned);
        own.into_iter().chain(self.server.argument_words()).collect()
    }

    /// The words after `vllm` for a benchmark of the engine without a server.
    pub(crate) fn offline_words(&self, model: &str, options: &[String]) -> Vec<String> {
        let own = ["bench", "throughput", "--model", model].map(str::to_owned);
        own.into_iter().chain(options.iter().cloned()).chain(self.server.argument_words()).collect()
    }

    /// The environment variables, with the values of secrets.
    pub(crate) fn variables(&self) -> BTreeMap<String, String> {
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let mut variables: BTreeMap<String, String> =
            ENVIRONMENT.iter().copied().map(own).collect();
        // vLLM gives its engine ten minutes by itself, and a first compilation on several GPUs
        // takes longer.
        variables.extend(
            self.start_timeout_s.map(|limit| (READY_TIMEOUT.to_owned(), limit.to_string())),
        );
        variables.extend(self.compile_cache.variable());
        variables.extend(self.server.environment.clone());
        variables.extend(self.secrets.iter().map(own));
        variables
    }
}

fn check(argument: &Argument) -> Result<(), EngineError> {
    let flag = argument.flag.replace('_', "-");
    if RESERVED.contains(&flag.as_str()) {
        return Err(EngineError::invalid(format!(
            "`{}` is set by the engine itself; take it out",
            argument.flag
        )));
    }
    Ok(())
}

fn assignments(environment: &BTreeMap<String, String>) -> impl Iterator<Item = String> {
    environment.iter().map(|(name, value)| format!("{name}={value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> Server {
        Server {
            model: "tiny".into(),
            arguments: parse_arguments(&["--max-model-len=2048", "--enforce-eager"]).unwrap(),
            environment: BTreeMap::from([("OMP_NUM_THREADS".into(), "1".into())]),
            ..Server::default()
        }
    }

    fn under_test(arguments: &[&str], environment: &[(&str, &str)]) -> UnderTest {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let variant = Variant {
            arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
            environment: environment.iter().map(own).collect(),
            ..Variant::default()
        };
        UnderTest::new(&variant).unwrap()
    }

    #[test]
    fn what_is_under_test_goes_over_what_is_declared_and_is_named_apart() {
        let under_test =
            under_test(&["--max-model-len=4096", "--dtype=half"], &[("OMP_NUM_THREADS", "2")]);
        let spec = LaunchSpec::new(EngineKind::Docker, &server(), &under_test).unwrap();
        let words = spec.arguments("0.0.0.0", 8000).join(" ");
        assert_eq!(
            words,
            "--served-model-name tiny --host 0.0.0.0 --port 8000 --max-model-len 4096 --enforce-eager --dtype half"
        );
        assert_eq!(spec.variables()["OMP_NUM_THREADS"], "2");
        assert_eq!(spec.variables()["HF_HUB_OFFLINE"], "1");
        assert!(!spec.variables().contains_key(READY_TIMEOUT));
        assert_eq!(spec.fingerprint.arguments, ["--max-model-len=2048", "--enforce-eager"]);
        assert_eq!(spec.fingerprint.environment, ["OMP_NUM_THREADS=1"]);
        assert_eq!(
            spec.fingerprint.under_test,
            ["--max-model-len=4096", "--dtype=half", "OMP_NUM_THREADS=2"]
        );
    }

    #[test]
    fn flags_that_the_engine_sets_are_refused() {
        let mut server = server();
        server.arguments = parse_arguments(&["--served_model_name=x"]).unwrap();
        let error =
            LaunchSpec::new(EngineKind::Docker, &server, &UnderTest::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`--served_model_name` is set by the engine itself; take it out"
        );
    }

    #[test]
    fn a_word_without_a_flag_is_refused() {
        let variant = Variant { arguments: vec!["8192".into()], ..Variant::default() };
        let error = UnderTest::new(&variant).unwrap_err();
        assert!(error.to_string().starts_with("`8192` is not an engine argument"), "{error}");
    }

    #[test]
    fn a_secret_is_handed_on_and_in_no_fingerprint_nor_debug_text() {
        // PATH stands in for a secret: it is set everywhere, and a test must not set variables of
        // its own process.
        let mut server = server();
        server.secrets = vec!["PATH".into()];
        let mut spec = LaunchSpec::new(EngineKind::Docker, &server, &UnderTest::default()).unwrap();
        spec.read_secrets().unwrap();
        let value = std::env::var("PATH").unwrap();
        assert_eq!(spec.variables()["PATH"], value);
        assert!(!format!("{spec:?}").contains(&value));
    }

    #[test]
    fn a_setting_that_looks_like_a_secret_is_refused_without_its_value() {
        for (arguments, environment) in
            [(&["--api-key", "abc"][..], &[][..]), (&[][..], &[("HF_TOKEN", "abc")][..])]
        {
            let under_test = under_test(arguments, environment);
            let error = LaunchSpec::new(EngineKind::Docker, &server(), &under_test).unwrap_err();
            let error = error.to_string();
            assert!(error.contains("secret_env") && !error.contains("abc"), "{error}");
        }
    }

    #[test]
    fn a_secret_under_test_is_refused() {
        let mut server = server();
        server.secrets = vec!["HF_TOKEN".into()];
        let error =
            LaunchSpec::new(EngineKind::Docker, &server, &under_test(&[], &[("HF_TOKEN", "abc")]))
                .unwrap_err();
        assert!(
            error.to_string().contains("`HF_TOKEN` is a secret")
                && !error.to_string().contains("abc"),
            "{error}"
        );
    }
}
