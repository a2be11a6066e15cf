//! What a server says about itself: that it is ready, or why not.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::process::ChildStdout;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// How long a server may take to listen. It takes some 10 ms; a machine under load takes longer.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// Lines of a failed server's log that are shown.
const LOG_LINES: usize = 5;

/// Waits for the line that says so in the server's own log: an answer on the port could come from
/// another server that took it first. The error is the end of the log.
pub(crate) fn wait_for(ready: &str, stdout: ChildStdout) -> Result<(), String> {
    let (sender, lines) = mpsc::channel();
    // Reads on until the server ends, since a full pipe would stop it.
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    let mut last = VecDeque::with_capacity(LOG_LINES);
    loop {
        match lines.recv_timeout(START_TIMEOUT) {
            Ok(line) if line.contains(ready) => return Ok(()),
            Ok(line) => {
                if last.len() == LOG_LINES {
                    last.pop_front();
                }
                last.push_back(line);
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Vec::from(last).join(" | "));
            }
            Err(RecvTimeoutError::Timeout) => {
                return Err(format!(
                    "nothing in {START_TIMEOUT:?} after: {}",
                    Vec::from(last).join(" | ")
                ));
            }
        }
    }
}
