//! Prompts of lines picked at random, as benchmarks make them of sonnets: [`draw`].

use std::path::Path;

use rand::RngExt;

use super::files::read;
use super::{Drawn, Prompt, Share};
use crate::error::LoadError;

/// Lines of our own, so that the load needs no file.
const VERSE: &str = include_str!("verse.txt");

/// The words of [`VERSE`], for messages of random words.
pub(super) fn words() -> Vec<&'static str> {
    VERSE
        .split(|character: char| !character.is_ascii_alphabetic())
        .filter(|word| !word.is_empty())
        .collect()
}

/// The lines of a file, or ours; more of them than every prompt shares.
pub(super) fn lines(file: Option<&Path>, shared: u32) -> Result<Vec<String>, LoadError> {
    let text = file.map(read).transpose()?;
    let lines =
        text.as_deref().unwrap_or(VERSE).lines().map(str::trim).filter(|line| !line.is_empty());
    let lines: Vec<String> = lines.map(str::to_owned).collect();
    if lines.len() <= shared as usize {
        let path = file.unwrap_or(Path::new("the verse of this suite")).to_owned();
        let cause = format!(
            "it holds {} lines, and {shared} of them open every prompt already",
            lines.len()
        );
        return Err(LoadError::PromptFile { path, cause });
    }
    Ok(lines)
}

/// The first lines, then `own` others at random.
pub(super) fn draw(lines: &[String], shared: u32, own: u32, share: Share) -> Vec<Drawn> {
    let (opening, rest) = lines.split_at(shared as usize);
    let mut generator = share.generator();
    let prompts = (0..share.count).map(|_| {
        let picked = (0..own).map(|_| rest[generator.random_range(0..rest.len())].as_str());
        let text: Vec<&str> = opening.iter().map(String::as_str).chain(picked).collect();
        Drawn::alone(Prompt::Text(text.join("\n").into()))
    });
    prompts.collect()
}
