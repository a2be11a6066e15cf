//! The folder that the generated files are in: one of this run alone, inside the one that was named.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::exit::Failure;

/// What the run's own folder begins with.
const PREFIX: &str = "arrowredis-bench-";

/// Random letters after that: nobody else's, here or on the server.
const LETTERS: usize = 16;

/// How often the removal is tried. A file in the making may get its name in between.
const ATTEMPTS: usize = 10;

/// The run's own folder. Dropped, it is gone.
pub(super) struct Folder {
    own: TempDir,
    /// Folders around it that were not there before, the innermost first.
    made: Vec<PathBuf>,
}

impl Folder {
    /// Makes it, and the folders around it that are not there.
    pub(super) fn create(around: &Path) -> Result<Self, Failure> {
        let unusable = |error: io::Error| {
            Failure::Usage(format!(
                "cannot make a folder in {around:?}: {error}; expected --output-dir DIR that can be \
                 written to"
            ))
        };
        let missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
        let made: Vec<_> = around.ancestors().take_while(missing).map(Path::to_owned).collect();
        let create = || {
            fs::create_dir_all(around)?;
            // Never one that is there: names are tried until one is free.
            tempfile::Builder::new().prefix(PREFIX).rand_bytes(LETTERS).tempdir_in(around)
        };
        match create() {
            Ok(own) => Ok(Self { own, made }),
            Err(error) => {
                remove_empty(&made);
                Err(unusable(error))
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        self.own.path()
    }

    /// The random word that tells this run from all others.
    pub(super) fn word(&self) -> String {
        let name = self.own.path().file_name().unwrap_or_default().to_string_lossy();
        name.strip_prefix(PREFIX).unwrap_or(&name).to_owned()
    }

    /// Removes it and the folders that were made for it and hold nothing else, or leaves all.
    pub(super) fn remove_unless(self, kept: bool) -> Result<(), Failure> {
        let Self { mut own, made } = self;
        if kept {
            own.disable_cleanup(true);
            return Ok(());
        }
        let mut attempts = 1;
        while let Err(error) = fs::remove_dir_all(own.path()) {
            if attempts == ATTEMPTS {
                let message = format!("cannot remove the files in {:?}: {error}", own.path());
                return Err(io::Error::new(error.kind(), message).into());
            }
            attempts += 1;
        }
        own.disable_cleanup(true);
        remove_empty(&made);
        Ok(())
    }
}

fn remove_empty(folders: &[PathBuf]) {
    for folder in folders {
        // Somebody else may have put something there meanwhile.
        if fs::remove_dir(folder).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_stays_and_what_was_made_goes() {
        let world = tempfile::tempdir().unwrap();
        let around = world.path().join("a/b");
        let folder = Folder::create(&around).unwrap();
        fs::write(folder.path().join("50mb.arrow"), "data").unwrap();
        assert_eq!(folder.word().len(), LETTERS);
        folder.remove_unless(false).unwrap();
        assert!(!world.path().join("a").exists());

        fs::create_dir_all(&around).unwrap();
        Folder::create(&around).unwrap().remove_unless(false).unwrap();
        assert!(around.exists(), "it was there before");

        let made = around.join("c");
        let folder = Folder::create(&made).unwrap();
        fs::write(made.join("theirs"), "data").unwrap();
        folder.remove_unless(false).unwrap();
        assert_eq!(fs::read_dir(&made).unwrap().count(), 1);
    }

    #[test]
    fn two_runs_have_two_folders() {
        let world = tempfile::tempdir().unwrap();
        let (one, two) =
            (Folder::create(world.path()).unwrap(), Folder::create(world.path()).unwrap());
        assert_ne!(one.word(), two.word());
        let path = one.path().to_owned();
        one.remove_unless(true).unwrap();
        assert!(path.exists() && two.path().exists());
    }
}
