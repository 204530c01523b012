//! The command line of a server that is no vLLM: [`Template`].

use perf_model::spec::secret_name;
use perf_model::spec::server::parse_arguments;

/// What stands for something that is known only when the server starts.
const PLACEHOLDERS: &str = "{model}, {name}, {host}, {port} and {args}";

/// What stands for the engine arguments, as words of their own.
const ARGUMENTS: &str = "{args}";

/// A command line with placeholders, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template(Vec<String>);

/// What takes the place of the placeholders.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Values<'a> {
    /// The path of the model's files.
    pub(crate) model: &'a str,
    /// The model's name in requests.
    pub(crate) name: &'a str,
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    /// The engine arguments.
    pub(crate) arguments: &'a [String],
}

impl Template {
    /// Reads a command line as a shell would split it.
    ///
    /// # Errors
    /// With what cannot be meant. A value that looks like a secret is not repeated.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let words = shlex::split(text).ok_or(
            "a quote in the server command is not closed, or its last letter is a backslash",
        )?;
        if words.is_empty() {
            return Err("the server command is empty".to_owned());
        }
        let unknown = words
            .iter()
            .flat_map(|word| placeholders(word))
            .find(|name| !["model", "name", "host", "port", "args"].contains(name));
        if let Some(name) = unknown {
            return Err(format!(
                "the server command has the unknown placeholder {{{name}}}; there are {PLACEHOLDERS}"
            ));
        }
        if words.iter().any(|word| word != ARGUMENTS && word.contains(ARGUMENTS)) {
            return Err(format!(
                "{ARGUMENTS} in the server command stands for several words; write it as a word of its own"
            ));
        }
        if !words.iter().any(|word| word.contains("{port}")) {
            return Err(
                "the server command has no {port}, so its server cannot be reached; add the option that sets the port, as \
                 `--port {port}`"
                    .to_owned(),
            );
        }
        // Words before the first flag are the command itself.
        let flags: Vec<&String> = words.iter().skip_while(|word| !word.starts_with("--")).collect();
        if let Ok(arguments) = parse_arguments(&flags) {
            secret_name::check([], &arguments)?;
        }
        Ok(Self(words))
    }

    /// Whether it needs the files of the model.
    pub(crate) fn needs_model(&self) -> bool {
        self.0.iter().any(|word| word.contains("{model}"))
    }

    /// Whether it hands the engine arguments on.
    pub(crate) fn takes_arguments(&self) -> bool {
        self.0.iter().any(|word| word == ARGUMENTS)
    }

    /// The words of the command, the first of which is the program.
    pub(crate) fn words(&self, values: Values<'_>) -> Vec<String> {
        let Values { model, name, host, port, arguments } = values;
        let port = port.to_string();
        let all = [("{model}", model), ("{name}", name), ("{host}", host), ("{port}", &port)];
        let fill = |word: &String| {
            all.iter().fold(word.clone(), |word, (placeholder, value)| {
                // A value may itself look like a placeholder, but no model is called so.
                word.replace(placeholder, value)
            })
        };
        let words = self.0.iter().flat_map(|word| match word.as_str() {
            ARGUMENTS => arguments.to_vec(),
            _ => vec![fill(word)],
        });
        words.collect()
    }
}

/// The names in braces. What is no name, as in JSON, is none.
fn placeholders(word: &str) -> Vec<&str> {
    let parts = word.split('{').skip(1).filter_map(|part| part.split_once('}'));
    let is_name = |name: &&str| !name.is_empty() && name.bytes().all(|it| it.is_ascii_lowercase());
    parts.map(|(name, _)| name).filter(is_name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(template: &str) -> Vec<String> {
        let arguments = ["--ctx-size".to_owned(), "4096".to_owned()];
        Template::parse(template).unwrap().words(Values {
            model: "/data/a model.gguf",
            name: "tiny",
            host: "127.0.0.1",
            port: 8123,
            arguments: &arguments,
        })
    }

    #[test]
    fn placeholders_are_filled_within_the_words_of_the_command() {
        assert_eq!(
            words("llama-server -m {model} --alias {name} --host={host} --port {port} {args}"),
            [
                "llama-server",
                "-m",
                "/data/a model.gguf",
                "--alias",
                "tiny",
                "--host=127.0.0.1",
                "--port",
                "8123",
                "--ctx-size",
                "4096"
            ]
        );
        assert_eq!(
            words(r#"sh -c "exec serve '{model}' :{port}" '{"a": 1}' a\ b """#),
            ["sh", "-c", "exec serve '/data/a model.gguf' :8123", r#"{"a": 1}"#, "a b", ""]
        );
    }

    #[test]
    fn what_the_command_needs_follows_from_its_placeholders() {
        let of = |text| Template::parse(text).unwrap();
        let (all, port) = (of("s {model} {args} {port}"), of("s --port {port}"));
        assert!(all.needs_model() && all.takes_arguments());
        assert!(!port.needs_model() && !port.takes_arguments());
    }

    #[test]
    fn a_command_that_cannot_be_meant_is_refused_with_the_way_to_write_it() {
        for (text, why) in [
            ("", "is empty"),
            ("serve {model}", "has no {port}"),
            ("serve {modell} {port}", "unknown placeholder {modell}; there are {model}, {name}"),
            ("serve --x={args} --port {port}", "write it as a word of its own"),
            ("serve 'x {port}", "a quote in the server command is not closed"),
            ("serve --port {port} --api-key abc", "`--api-key` looks like a secret"),
        ] {
            let error = Template::parse(text).unwrap_err();
            assert!(error.contains(why) && !error.contains("abc"), "{error}");
        }
    }
}
