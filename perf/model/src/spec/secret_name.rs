//! Whether the name of a setting says that its value is a secret: [`check`].

use crate::spec::server::Argument;

/// Words that make a name that of a secret, anywhere in it.
const ANYWHERE: &[&str] = &["SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "CREDENTIALS"];

/// Words that do so at its end: `HF_TOKEN` is a secret, `TOKEN_LIMIT` is not.
const AT_THE_END: &[&str] = &["TOKEN", "KEY", "APIKEY"];

/// Refuses environment variables and arguments that hold a secret by their name, because the values
/// of these settings are kept in records and baselines.
pub fn check<'a>(
    variables: impl IntoIterator<Item = &'a String>,
    arguments: &[Argument],
) -> Result<(), String> {
    if let Some(name) = variables.into_iter().find(|name| is_secret(name)) {
        return Err(format!(
            "`{name}` looks like a secret, and its value would be kept in records and baselines; declare it in the test with \
             `.secret_env({name:?})`, set it in your environment, and leave it out here"
        ));
    }
    match arguments.iter().find(|argument| argument.value.is_some() && is_secret(&argument.flag)) {
        Some(argument) => Err(format!(
            "`{}` looks like a secret, and its value would be kept in records and baselines; hand it to the server in an \
             environment variable that the test declares with `.secret_env(NAME)`, and leave it out here",
            argument.flag
        )),
        None => Ok(()),
    }
}

/// Whether a name is that of a secret.
pub(crate) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let words: Vec<&str> = name.split(['_', '-', '.']).collect();
    words.iter().any(|word| ANYWHERE.contains(word))
        || words.last().is_some_and(|word| AT_THE_END.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::server::parse_arguments;

    #[test]
    fn names_of_secrets_are_refused_with_the_way_to_declare_them() {
        for name in ["HF_TOKEN", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_ID", "db-password", "token"] {
            let error = check([&name.to_owned()], &[]).unwrap_err();
            assert!(error.contains(name) && error.contains(".secret_env("), "{error}");
        }
        let arguments = parse_arguments(&["--api-key", "sk-123"]).unwrap();
        let error = check([], &arguments).unwrap_err();
        assert!(error.contains("--api-key") && !error.contains("sk-123"), "{error}");
    }

    #[test]
    fn other_names_are_taken() {
        for name in ["OMP_NUM_THREADS", "TOKENIZERS_PARALLELISM", "KEYS", "TOKEN_LIMIT", "MONKEY"] {
            assert_eq!(check([&name.to_owned()], &[]), Ok(()), "{name}");
        }
        let arguments =
            parse_arguments(&["--max-num-batched-tokens=8", "--ssl-keyfile=k"]).unwrap();
        assert_eq!(check([], &arguments), Ok(()));
        // A switch has no value.
        assert_eq!(check([], &parse_arguments(&["--hf-token"]).unwrap()), Ok(()));
    }
}
