//! This machine: its processor, its name, its processes and where its user's caches are.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// `CPU: AMD EPYC 7B13, 2 cores`.
pub fn describe_cpu() -> String {
    let information = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("CPU: {}, {cores} cores", cpu_name(&information))
}

/// The machine's name, or nothing where it cannot be read.
pub fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

/// The folder of this user's caches: `XDG_CACHE_HOME`, or `.cache` in the home folder.
pub fn user_caches() -> Option<PathBuf> {
    folder_in("XDG_CACHE_HOME").or_else(|| Some(std::env::home_dir()?.join(".cache")))
}

/// The folder that a variable names; one that is empty names none.
pub(crate) fn folder_in(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).filter(|it| !it.is_empty()).map(PathBuf::from)
}

/// The numbers of all processes of this machine.
pub fn processes() -> impl Iterator<Item = u32> {
    let folders = std::fs::read_dir("/proc").into_iter().flatten();
    folders.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// `process 42 (python3, user alice)`, as far as the kernel shows it.
pub fn describe_process(process: u32) -> String {
    let folder = format!("/proc/{process}");
    let name = std::fs::read_to_string(format!("{folder}/comm")).ok();
    let user = std::fs::metadata(folder).ok().map(|folder| user_name(folder.uid()));
    let user = user.map(|user| format!("user {user}"));
    let known: Vec<String> =
        name.map(|name| name.trim().to_owned()).into_iter().chain(user).collect();
    if known.is_empty() {
        return format!("process {process}");
    }
    format!("process {process} ({})", known.join(", "))
}

/// The name of a user, or the number where this machine has no name for it.
pub fn user_name(number: u32) -> String {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(number)).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| number.to_string())
}

fn cpu_name(information: &str) -> &str {
    information
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or(std::env::consts::ARCH, |(_, name)| name.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_described_with_its_command_and_its_user() {
        let own = describe_process(std::process::id());
        assert!(own.starts_with(&format!("process {} (", std::process::id())), "{own}");
        assert!(own.contains(", user "), "{own}");
        assert_eq!(describe_process(u32::MAX), format!("process {}", u32::MAX));
    }

    #[test]
    fn the_processor_is_named_as_the_kernel_names_it() {
        assert_eq!(cpu_name("processor\t: 0\nmodel name\t: AMD EPYC 7B13\n"), "AMD EPYC 7B13");
        assert_eq!(cpu_name("processor\t: 0\n"), std::env::consts::ARCH);
    }
}
