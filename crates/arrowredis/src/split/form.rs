//! How a part of a file becomes a chunk: forwarded or encoded, and how long that is.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::chunk::{Chunk, Payload};
use crate::error::{Error, FileError};
use crate::ipc::reread::Rereader;
use crate::ipc::{Codec, IpcError};

use super::assigned::{Assigned, Part};
use super::outgoing::Outgoing;

/// What the options say of a chunk's form.
#[derive(Debug, Clone)]
pub(crate) struct Form {
    /// `None` keeps each batch's messages as they lie in the file.
    pub(super) codec: Option<Codec>,
    /// Longest value of a chunk in bytes; `None` for any.
    pub(super) most: Option<u64>,
    /// The file, for errors.
    pub(super) path: Arc<Path>,
    /// Where chunks are read from that are kept as they lie; `None` takes them from the map.
    pub(super) rereader: Option<Arc<Rereader>>,
}

impl Form {
    /// Chunks as they lie in the file, however long.
    pub(crate) fn kept(path: Arc<Path>) -> Self {
        Self { codec: None, most: None, path, rereader: None }
    }

    /// How a part's chunk is compressed.
    pub(super) fn codec_of(&self, part: &Part) -> Codec {
        self.codec.unwrap_or(part.codec())
    }

    /// Whether a part's chunk is what lies in the file.
    pub(super) fn forwards(&self, part: &Part) -> bool {
        matches!(part, Part::Whole(_)) && self.codec.is_none()
    }

    /// How many bytes a part's chunk takes at least, as far as that is known without making it.
    pub(super) fn least_bytes(&self, part: &Part) -> Result<u64, Error> {
        match (part, self.codec) {
            (Part::Whole(block), None) => Chunk::forwarded_length(block).map_err(Error::Encode),
            (Part::Whole(block), Some(Codec::Uncompressed)) => {
                Ok(block.bytes_to_decode().max(block.message.body.len() as u64))
            }
            _ => Ok(0),
        }
    }

    /// The limit, if a part's chunk may be longer; `least` is what [`Form::least_bytes`] said.
    pub(super) fn limit_in_doubt(&self, part: &Part, least: u64) -> Option<u64> {
        let most = self.most?;
        let bound = match (part, self.codec) {
            (Part::Whole(_), None) => least,
            _ => part.most_encoded_bytes(),
        };
        (bound > most).then_some(most)
    }

    /// How long a part's chunk is, in bytes.
    pub(super) fn length(&self, part: &Part) -> Result<u64, Error> {
        self.value(part).map(|value| value.len() as u64)
    }

    /// A part's chunk, which is left in the file if it is best read from there when it is sent.
    ///
    /// # Errors
    /// [`FileError`] when its values are damaged, or it is longer than it was when it was measured.
    pub(super) fn outgoing(&self, assigned: &Assigned) -> Result<Outgoing, Error> {
        let Assigned { id, part, .. } = assigned;
        let (id, rows, value) = (*id, part.rows(), self.measured_value(part)?);
        match &self.rereader {
            Some(rereader) if self.forwards(part) => {
                let outgoing = Outgoing::forwarded(id, rows, value, rereader);
                Ok(outgoing.map_err(self.unreadable())?)
            }
            _ => Ok(Outgoing::Made(Chunk::new(id, rows, value))),
        }
    }

    fn measured_value(&self, part: &Part) -> Result<Payload, Error> {
        let value = self.value(part)?;
        if let Some(most) = self.most.filter(|most| value.len() as u64 > *most) {
            let expected = format!("at most {most} bytes, as when it was measured");
            let found = format!("{}; the file has changed meanwhile", value.len());
            let source = IpcError::invalid("a batch", part.at(), expected, found);
            return Err(FileError::Content { path: self.path.to_path_buf(), source }.into());
        }
        Ok(value)
    }

    /// The same part. One whose bytes are all about to be looked at is read, and not where it is mapped:
    /// nobody looks at them again.
    fn near(&self, part: &Part) -> Result<Part, FileError> {
        match (part, &self.rereader) {
            (Part::Whole(block), Some(rereader)) => {
                block.reread(rereader).map(Part::Whole).map_err(self.unreadable())
            }
            _ => Ok(part.clone()),
        }
    }

    fn unreadable(&self) -> impl Fn(io::Error) -> FileError + '_ {
        |source| FileError::Open { path: self.path.to_path_buf(), source }
    }

    fn value(&self, part: &Part) -> Result<Payload, Error> {
        let value = match (part, self.codec) {
            (Part::Whole(block), None) => Chunk::forwarded(block),
            _ => {
                let batch = self.near(part)?.decode(&self.path)?;
                Chunk::encoded(&batch, &part.metadata(), self.codec_of(part))
            }
        };
        value.map_err(Error::Encode)
    }
}
