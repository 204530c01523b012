//! Which process listens on a port of this machine: [`foreign`].

use std::path::Path;

use perf_machine::host::{describe_process, processes};

/// The state of a socket that listens, in `/proc/net/tcp`.
const LISTENS: &str = "0A";

/// The process that would answer on this port of 127.0.0.1, where it is none of `ours`.
///
/// `None` where one of `ours` answers, and where nothing listens or the kernel does not show it.
pub(super) fn foreign(port: u16, ours: &[u32]) -> Option<String> {
    let mut inodes = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        inodes.extend(listening(&std::fs::read_to_string(table).unwrap_or_default(), port));
    }
    // A socket that is bound to the address itself answers before one that is bound to all.
    if inodes.iter().any(|(is_exact, _)| *is_exact) {
        inodes.retain(|(is_exact, _)| *is_exact);
    }
    let holds = |process: &u32, inode: u64| {
        let socket = format!("socket:[{inode}]");
        let files = std::fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten();
        files.flatten().any(|file| {
            std::fs::read_link(file.path()).is_ok_and(|target| target == Path::new(&socket))
        })
    };
    let (_, foreign) =
        inodes.into_iter().find(|(_, inode)| !ours.iter().any(|process| holds(process, *inode)))?;
    let holder = processes().find(|process| holds(process, foreign));
    Some(holder.map_or_else(|| "a process of another user".to_owned(), describe_process))
}

/// The sockets that listen on a port, and whether each is bound to 127.0.0.1 alone: a table of the
/// kernel has local address, remote address and state as its second, third and fourth column.
fn listening(table: &str, port: u16) -> Vec<(bool, u64)> {
    let read = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (address, local_port) = fields.get(1)?.split_once(':')?;
        let is_exact = matches!(address, "0100007F" | "0000000000000000FFFF00000100007F");
        let is_all = address.bytes().all(|digit| digit == b'0');
        let listens = u16::from_str_radix(local_port, 16) == Ok(port)
            && fields.get(3) == Some(&LISTENS)
            && (is_exact || is_all);
        let inode = fields.get(9)?.parse().ok()?;
        listens.then_some((is_exact, inode))
    };
    table.lines().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_that_listen_are_read_from_the_kernels_table() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000 0 111 1 0 100 0 0 10 0\n\
            1: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000 0 222 1 0 100 0 0 10 0\n\
            2: 0100007F:1F90 0100007F:9999 01 00000000:00000000 00:00000000 00000000  1000 0 333 1 0 100 0 0 10 0\n\
            3: 0200000A:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000 0 444 1 0 100 0 0 10 0\n";
        assert_eq!(listening(table, 8080), [(true, 111), (false, 222)]);
        assert_eq!(listening(table, 80), []);
    }

    #[test]
    fn a_listener_is_foreign_unless_one_of_our_processes_holds_it() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let own = std::process::id();
        assert_eq!(foreign(port, &[own]), None);
        assert!(foreign(port, &[1]).unwrap().contains(&own.to_string()));
        drop(listener);
        assert_eq!(foreign(port, &[]), None);
    }
}
