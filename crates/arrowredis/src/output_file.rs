//! A file that appears under its name when it is whole, and not before.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::FileError;

/// Written through a buffer of 64 KiB: large enough that metadata and padding do not become
/// system calls of their own. What is larger passes it by and is not copied.
const BUFFER_BYTES: usize = 64 * 1024;

/// A file in the making, in the folder of its final place. Dropped, it is gone.
#[derive(Debug)]
pub(crate) struct OutputFile {
    path: PathBuf,
    out: BufWriter<NamedTempFile>,
}

impl OutputFile {
    /// Begins a file that will stand at `path`, in place of the one that may stand there now.
    ///
    /// # Errors
    /// When the folder cannot be written to, or `path` is something else than a regular file.
    pub(crate) fn create(path: &Path) -> Result<Self, FileError> {
        let path = final_path(path)?;
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(".arrowredis-").suffix(".partial");
        ordinary_permissions(&mut builder);
        let file = builder
            .tempfile_in(folder)
            .map_err(|source| FileError::Create { path: path.clone(), source })?;
        Ok(Self { path, out: BufWriter::with_capacity(BUFFER_BYTES, file) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the file its name. It is whole for every process from then on; whether it would
    /// outlive a power failure is the file system's matter.
    pub(crate) fn commit(self) -> Result<(), FileError> {
        let Self { path, out } = self;
        let failed = |source| FileError::Write { path: path.clone(), source };
        let file = out.into_inner().map_err(|error| failed(error.into_error()))?;
        file.persist(&path).map(drop).map_err(|error| failed(error.error))
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Follows a link to a file, so that the file is replaced and the link stays. A link to nothing is
/// itself replaced.
fn final_path(path: &Path) -> Result<PathBuf, FileError> {
    if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Err(FileError::NotRegular { path: path.to_owned() });
    }
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => Err(FileError::NotRegular { path: path.to_owned() }),
        Ok(_) => fs::canonicalize(path)
            .map_err(|source| FileError::Create { path: path.to_owned(), source }),
        Err(_) => Ok(path.to_owned()),
    }
}

#[cfg(unix)]
fn ordinary_permissions(builder: &mut tempfile::Builder<'_, '_>) {
    use std::os::unix::fs::PermissionsExt;
    // Temporary files are private by default; this one becomes an ordinary file, and the
    // process' mask takes away what it takes from any other.
    builder.permissions(fs::Permissions::from_mode(0o666));
}

#[cfg(not(unix))]
fn ordinary_permissions(_: &mut tempfile::Builder<'_, '_>) {}
