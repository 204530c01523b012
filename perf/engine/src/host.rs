//! What is to be said about this machine beside its GPUs: its processor and its name.

/// `CPU: AMD EPYC 7B13, 2 cores`.
pub(crate) fn describe_cpu() -> String {
    let information = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("CPU: {}, {cores} cores", cpu_name(&information))
}

/// The machine's name, or nothing where it cannot be read.
pub(crate) fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
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
    fn the_processor_is_named_as_the_kernel_names_it() {
        assert_eq!(cpu_name("processor\t: 0\nmodel name\t: AMD EPYC 7B13\n"), "AMD EPYC 7B13");
        assert_eq!(cpu_name("processor\t: 0\n"), std::env::consts::ARCH);
    }
}
