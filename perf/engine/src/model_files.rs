//! Whether a model's files can be served, looked at before a server is started: [`check`].
//!
//! vLLM needs a minute or two until it says that weights are cut short, and without a tokenizer it
//! says nothing at all until it gives up after ten minutes.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::EngineError;
use crate::failure::ServerFailure;

/// The longest header of a weights file, as its format allows.
const MOST_HEADER: u64 = 100_000_000;

/// What the names of files with a tokenizer have in them.
const TOKENIZER: &[&str] =
    &["token", "vocab", "tekken", "merges", "spm", "spiece", "sentencepiece", ".gguf"];

/// What has such a part in its name, and holds no vocabulary.
const NO_VOCABULARY: &[&str] =
    &["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"];

/// Looks at the files of a model's folder. What is not there is left to the server to say, unless it
/// would not: a model may have its weights or its tokenizer elsewhere.
pub(crate) fn check(folder: &Path, arguments: &[String]) -> Result<(), EngineError> {
    let config = folder.join("config.json");
    if !config.is_file() {
        return Ok(());
    }
    let unusable = |kind| move |reason| EngineError::ModelUnusable { kind, reason };
    check_config(&config).map_err(unusable(ServerFailure::ConfigCorrupt))?;
    let files: Vec<PathBuf> = std::fs::read_dir(folder)
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
        .unwrap_or_default();
    let names: Vec<_> = files
        .iter()
        .map(|file| file.file_name().unwrap_or_default().to_string_lossy().into_owned())
        .collect();
    check_tokenizer(folder, &names, arguments)?;
    // Weights that the server makes up itself are not read.
    if has(arguments, "--load-format") {
        return Ok(());
    }
    let weights =
        files.iter().filter(|file| file.extension().is_some_and(|end| end == "safetensors"));
    weights
        .clone()
        .try_for_each(|file| check_weights(file))
        .map_err(unusable(ServerFailure::WeightsDamaged))
}

/// Refuses a model without a tokenizer, given the names of the files in its folder, unless the arguments
/// name another one. What is no model's folder is left to the server to say.
pub(crate) fn check_tokenizer(
    folder: &Path,
    names: &[String],
    arguments: &[String],
) -> Result<(), EngineError> {
    if !names.iter().any(|name| name == "config.json")
        || has(arguments, "--tokenizer")
        || has(arguments, "--skip-tokenizer-init")
        || names.iter().any(|name| is_of_tokenizer(&name.to_lowercase()))
    {
        return Ok(());
    }
    let reason = format!("{} has no file with a tokenizer", folder.display());
    Err(EngineError::ModelUnusable { kind: ServerFailure::TokenizerMissing, reason })
}

fn has(arguments: &[String], flag: &str) -> bool {
    arguments.iter().any(|word| word.split('=').next() == Some(flag))
}

fn is_of_tokenizer(name: &str) -> bool {
    TOKENIZER.iter().any(|part| name.contains(part)) && !NO_VOCABULARY.contains(&name)
}

fn check_config(file: &Path) -> Result<(), String> {
    let fault = |reason: &dyn std::fmt::Display| format!("{}: {reason}", file.display());
    let text = std::fs::read(file).map_err(|error| fault(&error))?;
    serde_json::from_slice::<Value>(&text).map(drop).map_err(|error| fault(&error))
}

/// A weights file begins with the length of its header, and the header says where each tensor ends.
fn check_weights(file: &Path) -> Result<(), String> {
    let fault = |reason: &dyn std::fmt::Display| format!("{}: {reason}", file.display());
    let mut opened = File::open(file).map_err(|error| fault(&error))?;
    let size = opened.metadata().map_err(|error| fault(&error))?.len();
    let mut length = [0; 8];
    if opened.read_exact(&mut length).is_err() {
        return Err(fault(&format!("it has only {size} bytes")));
    }
    if length.starts_with(b"version ") {
        return Err(fault(
            &"it is only the Git LFS pointer to the file; `git lfs pull` fetches it",
        ));
    }
    let length = u64::from_le_bytes(length);
    if length > MOST_HEADER || length + 8 > size {
        return Err(fault(&"its header is damaged"));
    }
    let header: Value = serde_json::from_reader(opened.take(length))
        .map_err(|error| fault(&format!("its header is damaged: {error}")))?;
    let ends = header
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(_, tensor)| tensor.get("data_offsets")?.get(1)?.as_u64());
    let whole = ends.max().unwrap_or(0).saturating_add(length + 8);
    if whole == size {
        return Ok(());
    }
    Err(fault(&format!("it has {size} bytes, and its header promises {whole}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A weights file with one tensor of 4 bytes.
    fn weights() -> Vec<u8> {
        let header = br#"{"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
        let length = u64::try_from(header.len()).unwrap().to_le_bytes();
        [&length[..], header, &[0; 4]].concat()
    }

    type Named<'a> = (&'a str, &'a [u8]);

    fn kind(files: &[Named<'_>], arguments: &[&str]) -> Option<ServerFailure> {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        let arguments: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
        check(folder.path(), &arguments).err().and_then(|error| error.failure())
    }

    #[test]
    fn what_is_wrong_with_a_model_is_known_before_a_server_starts() {
        let (config, tokenizer): (Named<'_>, Named<'_>) =
            (("config.json", b"{}"), ("tokenizer.json", b"{}"));
        let whole = weights();
        let of = |weights: &[u8]| kind(&[config, tokenizer, ("model.safetensors", weights)], &[]);
        assert_eq!(of(&whole), None);
        assert_eq!(of(&whole[..whole.len() - 1]), Some(ServerFailure::WeightsDamaged));
        assert_eq!(of(&whole[..20]), Some(ServerFailure::WeightsDamaged));
        assert_eq!(of(b""), Some(ServerFailure::WeightsDamaged));
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4\n";
        assert_eq!(of(pointer), Some(ServerFailure::WeightsDamaged));
        let corrupt: &[u8] = b"{\"architectures\": [\"Qwen2For";
        assert_eq!(
            kind(&[("config.json", corrupt), tokenizer], &[]),
            Some(ServerFailure::ConfigCorrupt)
        );
        assert_eq!(kind(&[config], &[]), Some(ServerFailure::TokenizerMissing));
        // The configuration of a tokenizer is none.
        let settings: Named<'_> = ("tokenizer_config.json", b"{}");
        assert_eq!(kind(&[config, settings], &[]), Some(ServerFailure::TokenizerMissing));
    }

    #[test]
    fn what_a_model_may_lack_is_left_to_the_server() {
        let config: (&str, &[u8]) = ("config.json", b"{}");
        assert_eq!(kind(&[], &[]), None);
        assert_eq!(kind(&[config], &["--tokenizer", "elsewhere"]), None);
        assert_eq!(kind(&[config, ("vocab.txt", b"")], &[]), None);
        let damaged: (&str, &[u8]) = ("model.safetensors", b"");
        let made_up = ["--skip-tokenizer-init", "--load-format=dummy"];
        assert_eq!(kind(&[config, damaged], &made_up), None);
    }
}
