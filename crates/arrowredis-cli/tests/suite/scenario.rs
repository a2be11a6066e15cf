//! A run of the command in some state of the server: how it ended, what it said and how long it took.
//! Each prints a line of a table, which `--nocapture` shows.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use arrowredis_throwaway::Launch;
use arrowredis_worlds::until;

use crate::support::{Ran, World, ran};

/// What is not tried again ends in a fraction of a second. A machine under load takes longer.
pub(crate) const AT_ONCE: Duration = Duration::from_secs(10);

/// Far more than a few attempts take, and far less than all that the budget of 120 s allows.
pub(crate) const SOON: Duration = Duration::from_secs(45);

/// A run that has ended.
pub(crate) struct Met {
    pub(crate) ran: Ran,
    took: Duration,
}

/// A run that goes on.
pub(crate) struct Running {
    state: String,
    child: Child,
    said: PathBuf,
    started: Instant,
}

impl World {
    /// A server with the dataset `p`, which is file `a`, and a file `b` that is to replace it. Chunks are
    /// about 76 bytes a row.
    pub(crate) fn with_dataset(launch: Launch, rows: u32) -> Self {
        let world = Self::with(launch);
        world.two_files(rows);
        world.done("split --inp a --prefix p");
        world
    }

    pub(crate) fn two_files(&self, rows: u32) {
        for (name, seed) in [("a", 1), ("b", 2)] {
            self.done(&format!(
                "gen --out {name} --partitions 2 --batches 4 --rows {rows} --seed {seed} \
                 --compression uncompressed"
            ));
        }
    }

    /// The dataset `p` is this file, whole.
    pub(crate) fn stands(&self, file: &str) {
        self.done(&format!("verify p {file} --quiet"));
    }

    pub(crate) fn meets(&self, state: &str, line: &str) -> Met {
        let arguments: Vec<_> = line.split(' ').collect();
        self.begins(state, self.command(&arguments)).ends()
    }

    pub(crate) fn begins(&self, state: &str, mut command: Command) -> Running {
        // Beside the folder whose files tests look at.
        let said = tempfile::NamedTempFile::new().unwrap().into_temp_path().keep().unwrap();
        let started = Instant::now();
        let child = command.stdout(Stdio::piped()).stderr(File::create(&said).unwrap()).spawn();
        Running { state: state.to_owned(), child: child.unwrap(), said, started }
    }

    pub(crate) fn begins_line(&self, state: &str, line: &str) -> Running {
        let arguments: Vec<_> = line.split(' ').collect();
        self.begins(state, self.command(&arguments))
    }
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has said something on stderr.
    pub(crate) fn says(&self, part: &str) {
        until(part, || Ok(fs::read_to_string(&self.said)?.contains(part).then_some(()))).unwrap();
    }

    pub(crate) fn ends(self) -> Met {
        let mut ran = ran(self.child.wait_with_output().unwrap());
        let took = self.started.elapsed();
        ran.stderr = fs::read_to_string(&self.said).unwrap();
        fs::remove_file(&self.said).unwrap();
        let (state, seconds, said) = (self.state, took.as_secs_f64(), ran.stderr.trim());
        println!("| {state} | {} | {seconds:.1} s | {said} |", ran.code);
        Met { ran, took }
    }
}

impl Met {
    /// Checks how it ended, that it took no longer, and that it said some words.
    pub(crate) fn ended(&self, code: i32, within: Duration, parts: &[&str]) -> &Self {
        assert_eq!(self.ran.code, code, "{:?}", self.ran);
        assert!(self.took < within, "{:?}: {:?}", self.took, self.ran);
        for part in parts {
            assert!(self.ran.stderr.contains(part), "{part:?} in: {}", self.ran.stderr);
        }
        let stderr = &self.ran.stderr;
        assert!(!stderr.contains("panicked") && !stderr.contains("bug"), "{stderr}");
        self
    }

    /// Checks that nothing was tried twice.
    pub(crate) fn at_the_first_attempt(&self) {
        assert!(!self.ran.stderr.contains("attempts in"), "{}", self.ran.stderr);
    }
}
