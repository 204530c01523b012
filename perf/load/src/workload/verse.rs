//! Prompts of lines picked at random, as benchmarks make them of sonnets: [`draw`].

use std::path::Path;

use rand::RngExt;

use crate::workload::error::LoadError;
use crate::workload::files::read;
use crate::workload::prompt::{Batch, Drawn, Prompt};

/// Lines of our own, so that the load needs no file.
const VERSE: &str = include_str!("verse.txt");

/// The words of [`VERSE`], for messages of random words.
pub(crate) fn words() -> Vec<&'static str> {
    VERSE
        .split(|character: char| !character.is_ascii_alphabetic())
        .filter(|word| !word.is_empty())
        .collect()
}

/// The lines of a file, or ours; more of them than every prompt batches.
pub(crate) fn lines(file: Option<&Path>, shared: u32) -> Result<Vec<String>, LoadError> {
    let text = file.map(read).transpose()?;
    let lines =
        text.as_deref().unwrap_or(VERSE).lines().map(str::trim).filter(|line| !line.is_empty());
    let lines: Vec<String> = lines.map(str::to_owned).collect();
    if lines.len() <= shared as usize {
        let path = file.unwrap_or(Path::new("the built-in verse")).to_owned();
        let cause = format!(
            "it has {} lines, and every prompt begins with {shared} of them; share fewer lines",
            lines.len()
        );
        return Err(LoadError::PromptFile { path, cause });
    }
    Ok(lines)
}

/// The first lines, then `own` others at random.
pub(crate) fn draw(lines: &[String], shared: u32, own: u32, batch: Batch) -> Vec<Drawn> {
    let (opening, rest) = lines.split_at(shared as usize);
    let mut generator = batch.generator();
    let prompts = (0..batch.count).map(|_| {
        let picked = (0..own).map(|_| rest[generator.random_range(0..rest.len())].as_str());
        let text: Vec<&str> = opening.iter().map(String::as_str).chain(picked).collect();
        Drawn::alone(Prompt::Text(text.join("\n").into()))
    });
    prompts.collect()
}
