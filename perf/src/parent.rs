//! The end of the command that runs this test: [`Parent`]. When it was killed, the test measures for
//! no one while it holds the hardware, so it stops as if interrupted.

use std::sync::Once;
use std::time::Duration;

use perf_model::judge::exit_code;
use perf_model::spec::settings::COMMAND_VARIABLE;
use rustix::process::{Pid, getppid};

/// Between two looks: one call of the kernel, which takes nothing from what is measured.
const LOOK: Duration = Duration::from_millis(500);

/// The command, as long as it lives: `cargo xtask perf`, or cargo or nextest itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parent(Pid);

impl Parent {
    /// The command that runs this test. `None` for a test program that was started by hand: a
    /// terminal may be closed on it.
    pub(crate) fn find() -> Option<Self> {
        let named = std::env::var(COMMAND_VARIABLE).ok();
        let named = named.and_then(|number| Pid::from_raw(number.parse().ok()?));
        let is_of_cargo = std::env::var_os("CARGO").is_some();
        named.or_else(|| getppid().filter(|_| is_of_cargo)).map(Self)
    }

    /// Waits for its end.
    pub(crate) async fn ended(self) {
        while self.lives() {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Ends this process with it, for a run that has nothing to remove.
    pub(crate) fn exit_with_it(self) {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            std::thread::spawn(move || {
                while self.lives() {
                    std::thread::sleep(LOOK);
                }
                std::process::exit(i32::from(exit_code::INTERRUPTED));
            });
        });
    }

    /// Its children have another parent from the moment on in which it ends.
    fn lives(self) -> bool {
        getppid() == Some(self.0)
    }
}
