//! Names that become files and folders: [`is_file_name`].

/// Whether a suite or load may have this name: letters, digits, `_`, `-` and `.`, not hidden.
pub fn is_file_name(name: &str) -> bool {
    let fits = |character: char| character.is_ascii_alphanumeric() || "_-.".contains(character);
    !name.is_empty() && !name.starts_with('.') && name.chars().all(fits)
}
