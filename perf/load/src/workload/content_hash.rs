//! What a load asks is in its declaration, or in a file that it names: [`identify`] notes the
//! file's content.

use perf_model::spec::hash::fnv_1a;
use perf_model::spec::load::Load;

use crate::workload::error::LoadError;

/// Notes the content of the file that the prompts come from, if they come from one: a baseline of
/// other prompts is not to be taken for one of these.
pub fn identify(load: &mut Load) -> Result<(), LoadError> {
    let Some(path) = load.workload.prompts.file() else { return Ok(()) };
    let bytes = std::fs::read(path).map_err(|error| LoadError::PromptFile {
        path: path.to_owned(),
        cause: error.to_string(),
    })?;
    load.contents = Some(format!("{:016x}", fnv_1a(&bytes)));
    Ok(())
}
