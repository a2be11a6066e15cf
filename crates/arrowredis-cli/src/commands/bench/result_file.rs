//! A file of results: begun before anything is measured, so that it can be written in the end.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::exit::Failure;

/// A file that appears under its name when it is whole. Dropped, it is gone.
#[derive(Debug)]
pub(super) struct ResultFile {
    path: PathBuf,
    file: NamedTempFile,
}

impl ResultFile {
    /// Begins a file that will stand at `path`, in place of one that may stand there now.
    pub(super) fn begin(path: &Path) -> Result<Self, Failure> {
        let path = match fs::metadata(path) {
            Ok(found) if !found.is_file() => {
                return Err(Failure::Usage(format!("{path:?} is no regular file")));
            }
            // A link stays a link.
            Ok(_) => fs::canonicalize(path).map_err(|error| unwritable(path, &error))?,
            Err(_) => path.to_owned(),
        };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut builder = tempfile::Builder::new();
        builder.prefix(".arrowredis-").suffix(".partial");
        ordinary_permissions(&mut builder);
        let file = builder.tempfile_in(folder.unwrap_or(Path::new(".")));
        let file = file.map_err(|error| unwritable(&path, &error))?;
        Ok(Self { path, file })
    }

    /// Writes all of it and gives it its name.
    pub(super) fn write(self, text: &str) -> Result<(), Failure> {
        let Self { path, mut file } = self;
        file.write_all(text.as_bytes()).map_err(|error| unwritable(&path, &error))?;
        file.persist(&path).map_err(|error| unwritable(&path, &error.error))?;
        Ok(())
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    io::Error::new(error.kind(), format!("cannot write {path:?}: {error}")).into()
}

#[cfg(unix)]
fn ordinary_permissions(builder: &mut tempfile::Builder<'_, '_>) {
    use std::os::unix::fs::PermissionsExt;
    // The process' mask takes away what it takes from any other file.
    builder.permissions(fs::Permissions::from_mode(0o666));
}

#[cfg(not(unix))]
fn ordinary_permissions(_: &mut tempfile::Builder<'_, '_>) {}
