//! The stand-in in a process of its own: [`ServerProcess`], for tests that need a real port.

use std::io::{self, BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

/// A simulated server on a port of this machine that is up. It ends when this is dropped.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    /// Its address, without `/v1`.
    pub url: String,
}

impl ServerProcess {
    /// Starts `perf-sim`, the program of the command, with this model and these flags, and waits
    /// until it is ready.
    ///
    /// # Errors
    /// When the program cannot be started, or ends before it is ready.
    pub fn start(mut command: Command, model: &str, flags: &[&str]) -> io::Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        command
            .args(["serve", model, "--host", "127.0.0.1", "--port", &port.to_string()])
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut process = Self { child: command.spawn()?, url: format!("http://127.0.0.1:{port}") };
        let log = process.child.stderr.take().map(BufReader::new);
        let mut lines = log.into_iter().flat_map(BufRead::lines).map_while(Result::ok);
        if !lines.any(|line| line.contains("Application startup complete")) {
            return Err(io::Error::other("the simulated server ended before it was ready"));
        }
        // A process that writes to a closed pipe dies: read to the end.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(process)
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
