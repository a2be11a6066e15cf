//! A manifest as bytes: an Arrow IPC stream with one row a chunk, and its checksum.
//!
//! Every byte is specified in FORMAT.md.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef, PrimitiveArray, RecordBatch, UInt32Array, UInt64Array};
use arrow_buffer::Buffer;
use arrow_schema::{DataType, Field, Metadata, Schema, SchemaRef};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::checksum::Checksum;
use crate::chunk::{Chunk, ChunkContent};
use crate::clock::Timestamp;
use crate::dataset::{ChunkId, DatasetName};
use crate::ipc::encode::encode_schema;
use crate::ipc::layout::Pieces;
use crate::ipc::stream::Stream;
use crate::ipc::{Codec, IpcError};

use super::{ChunkEntry, Entry, Fingerprint, Manifest, ManifestError, StoredCodec};

/// The version of all that is stored: chunks, names and manifests.
const FORMAT_VERSION: u32 = 1;

/// The keys of the stream's schema metadata.
const FORMAT: &str = "arrowredis.format";
const ALIAS: &str = "arrowredis.alias";
const DATASET_ID: &str = "arrowredis.dataset_id";
const SCHEMA: &str = "arrowredis.schema";
const CODEC: &str = "arrowredis.codec";
const CREATED: &str = "arrowredis.created_ms";
const WRITER: &str = "arrowredis.writer";
const TIME_TO_LIVE: &str = "arrowredis.ttl_ms";

/// The columns, in this order. A reader finds them by name and leaves others alone.
const PARTITION: &str = "partition";
const BATCH: &str = "batch";
const ROWS: &str = "rows";
const BYTES: &str = "bytes";
const CHECKSUM: &str = "checksum";

impl Entry {
    /// The bytes to store.
    ///
    /// # Errors
    /// [`IpcError`] when the manifest is larger than a message can be.
    pub fn encode(&self) -> Result<Vec<u8>, IpcError> {
        let (mut metadata, columns) = match self {
            Self::Dataset(manifest) => (metadata(manifest)?, columns(&manifest.chunks)),
            Self::Alias(_) => (Metadata::new(), columns(&[])),
        };
        if let Self::Alias(target) = self {
            metadata.insert(ALIAS, target.as_str());
        }
        metadata.insert(FORMAT, FORMAT_VERSION.to_string());
        let fields: Vec<_> = columns
            .iter()
            .map(|(name, column)| Field::new(*name, column.data_type().clone(), false))
            .collect();
        let schema = Arc::new(Schema::new(fields).with_metadata(metadata));
        let columns = columns.into_iter().map(|(_, column)| column).collect();
        let batch = RecordBatch::try_new(schema, columns)
            .map_err(IpcError::arrow("the manifest is refused"))?;
        // A manifest is laid out like a chunk: schema, one batch, end mark.
        let stream = Chunk::encode(ChunkId::new(0, 0), &batch, Codec::Uncompressed)?;
        let mut bytes = stream.payload.to_vec();
        let checksum = Checksum::of(&bytes);
        bytes.extend_from_slice(&checksum.0.to_le_bytes());
        Ok(bytes)
    }

    /// What stored bytes say.
    ///
    /// # Errors
    /// [`ManifestError`] when a single bit is not as it was written, and when the version is newer.
    pub fn decode(value: Buffer) -> Result<Self, ManifestError> {
        let short = ManifestError::Short { len: value.len() };
        let end = value.len().checked_sub(Fingerprint::BYTES).ok_or(short)?;
        let (stream, trailer) = (value.slice_with_length(0, end), value.slice(end));
        let trailer = trailer.as_slice().try_into().expect("the slice has the trailer's length");
        let expected = Checksum(u64::from_le_bytes(trailer));
        let found = Checksum::of(&stream);
        if found != expected {
            return Err(ManifestError::Checksum { expected, found });
        }
        let content = ChunkContent::parse(stream, None)?;
        let about = content.schema.schema.metadata();
        let version = text(about, FORMAT, "a format version")?;
        if version != FORMAT_VERSION.to_string() {
            let (known, found) = (FORMAT_VERSION, version.to_owned());
            return Err(ManifestError::Version { known, found });
        }
        if let Some(target) = about.get(ALIAS) {
            let name = DatasetName::new(target.as_str());
            return name.map(Self::Alias).map_err(|_| invalid(ALIAS, "a dataset's name", target));
        }
        let mut chunks = Vec::new();
        for batch in content.decode()? {
            read_chunks(&batch, &mut chunks)?;
        }
        if !chunks.is_sorted_by(|one, two| one.id < two.id) {
            return Err(invalid("the chunks", "ascending numbers", "others"));
        }
        // Whoever adds them up later needs no care.
        let sum = |of: fn(&ChunkEntry) -> u64| chunks.iter().map(of).try_fold(0, u64::checked_add);
        if sum(|chunk| chunk.rows).is_none() || sum(|chunk| chunk.bytes).is_none() {
            return Err(invalid(
                "the chunks",
                "rows and bytes that add up to less than 2^64",
                "more",
            ));
        }
        manifest(about, chunks).map(Self::Dataset)
    }
}

fn metadata(manifest: &Manifest) -> Result<Metadata, IpcError> {
    let mut pairs = Metadata::new();
    pairs.insert(DATASET_ID, manifest.id.to_string());
    pairs.insert(SCHEMA, encode_schema_text(&manifest.schema)?);
    pairs.insert(CODEC, manifest.codec.to_string());
    pairs.insert(CREATED, manifest.created.0.to_string());
    pairs.insert(WRITER, manifest.writer.as_str());
    if let Some(life) = manifest.time_to_live {
        pairs.insert(TIME_TO_LIVE, life.as_millis().to_string());
    }
    Ok(pairs)
}

fn manifest(about: &Metadata, chunks: Vec<ChunkEntry>) -> Result<Manifest, ManifestError> {
    let id = text(about, DATASET_ID, "32 hexadecimal digits")?;
    let codec = text(about, CODEC, "zstd, lz4, uncompressed or mixed")?;
    let life = about.get(TIME_TO_LIVE).map(|life| number(TIME_TO_LIVE, life)).transpose()?;
    Ok(Manifest {
        id: id.parse().map_err(|()| invalid(DATASET_ID, "32 hexadecimal digits", id))?,
        schema: decode_schema_text(text(about, SCHEMA, "a schema")?)?,
        codec: StoredCodec::parse(codec)
            .ok_or_else(|| invalid(CODEC, "zstd, lz4, uncompressed or mixed", codec))?,
        created: Timestamp(number(CREATED, text(about, CREATED, "a time")?)?),
        writer: text(about, WRITER, "a program's name")?.to_owned(),
        time_to_live: life.map(Duration::from_millis),
        chunks,
    })
}

fn text<'a>(
    about: &'a Metadata,
    key: &'static str,
    expected: &'static str,
) -> Result<&'a str, ManifestError> {
    about.get(key).map(String::as_str).ok_or_else(|| invalid(key, expected, "nothing"))
}

fn number(key: &'static str, text: &str) -> Result<u64, ManifestError> {
    text.parse().map_err(|_| invalid(key, "a number of milliseconds", text))
}

fn invalid(what: &'static str, expected: &'static str, found: &str) -> ManifestError {
    ManifestError::Content { what, expected, found: found.to_owned() }
}

fn columns(chunks: &[ChunkEntry]) -> Vec<(&'static str, ArrayRef)> {
    let longs = |of: fn(&ChunkEntry) -> u64| -> ArrayRef {
        Arc::new(UInt64Array::from_iter_values(chunks.iter().map(of)))
    };
    let batches = UInt32Array::from_iter_values(chunks.iter().map(|chunk| chunk.id.batch.0));
    vec![
        (PARTITION, longs(|chunk| chunk.id.partition.0)),
        (BATCH, Arc::new(batches)),
        (ROWS, longs(|chunk| chunk.rows)),
        (BYTES, longs(|chunk| chunk.bytes)),
        (CHECKSUM, longs(|chunk| chunk.checksum.0)),
    ]
}

fn read_chunks(batch: &RecordBatch, chunks: &mut Vec<ChunkEntry>) -> Result<(), ManifestError> {
    let partitions = column::<UInt64Type>(batch, PARTITION)?;
    let batches = column::<UInt32Type>(batch, BATCH)?;
    let rows = column::<UInt64Type>(batch, ROWS)?;
    let bytes = column::<UInt64Type>(batch, BYTES)?;
    let checksums = column::<UInt64Type>(batch, CHECKSUM)?;
    chunks.extend((0..batch.num_rows()).map(|row| ChunkEntry {
        id: ChunkId::new(partitions.value(row), batches.value(row)),
        rows: rows.value(row),
        bytes: bytes.value(row),
        checksum: Checksum(checksums.value(row)),
    }));
    Ok(())
}

fn column<'a, T: ArrowPrimitiveType>(
    batch: &'a RecordBatch,
    name: &'static str,
) -> Result<&'a PrimitiveArray<T>, ManifestError> {
    let expected = if T::DATA_TYPE == DataType::UInt32 {
        "a column of 32-bit unsigned integers without nulls"
    } else {
        "a column of 64-bit unsigned integers without nulls"
    };
    let column = batch.column_by_name(name).ok_or_else(|| invalid(name, expected, "no column"))?;
    match column.as_primitive_opt::<T>() {
        Some(values) if values.null_count() == 0 => Ok(values),
        _ => Err(invalid(name, expected, &column.data_type().to_string())),
    }
}

/// A schema as the Base64 of a whole IPC stream without batches: its message and the end mark.
fn encode_schema_text(schema: &Schema) -> Result<String, IpcError> {
    let message = encode_schema(schema);
    let mut pieces = Pieces::default();
    pieces.message(&message.metadata, &message.body)?;
    let (pieces, _) = pieces.finish();
    let bytes: Vec<u8> = pieces.iter().flat_map(|piece| piece.iter().copied()).collect();
    Ok(STANDARD.encode(bytes))
}

fn decode_schema_text(text: &str) -> Result<SchemaRef, ManifestError> {
    let bytes = STANDARD.decode(text).map_err(|_| invalid(SCHEMA, "Base64", "other text"))?;
    let stream = Stream::open(Buffer::from_vec(bytes), None)
        .map_err(|error| invalid(SCHEMA, "an IPC stream with a schema", &error.to_string()))?;
    Ok(Arc::clone(&stream.schema.schema))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dataset::DatasetId;

    fn small() -> Manifest {
        let words = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        let fields = vec![Field::new("id", DataType::Int64, false), Field::new("w", words, true)];
        let schema = Schema::new(fields).with_metadata(Metadata::from_iter([("k", "v")]));
        let chunk = |partition, batch| ChunkEntry {
            id: ChunkId::new(partition, batch),
            rows: 10,
            bytes: 1_000,
            checksum: Checksum(u64::MAX - partition),
        };
        Manifest {
            id: DatasetId(7),
            schema: Arc::new(schema),
            codec: StoredCodec::All(Codec::Zstd),
            created: Timestamp(1_800_000_000_000),
            writer: "a test".to_owned(),
            time_to_live: Some(Duration::from_secs(60)),
            chunks: vec![chunk(0, 0), chunk(0, 1), chunk(5, 0)],
        }
    }

    fn decoded(bytes: &[u8]) -> Result<Entry, ManifestError> {
        Entry::decode(Buffer::from(bytes))
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        for entry in [
            Entry::Dataset(small()),
            Entry::Dataset(Manifest { time_to_live: None, chunks: Vec::new(), ..small() }),
            Entry::Alias(DatasetName::new("demo:v2").unwrap()),
        ] {
            assert_eq!(decoded(&entry.encode().unwrap()).unwrap(), entry);
        }
    }

    #[test]
    fn every_flip_and_every_cut_is_seen() {
        let bytes = Entry::Dataset(small()).encode().unwrap();
        for at in 0..bytes.len() {
            assert!(decoded(&bytes[..at]).is_err(), "cut at {at}");
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                let error = decoded(&flipped).unwrap_err();
                assert!(matches!(error, ManifestError::Checksum { .. }), "{at}: {error}");
            }
        }
    }

    #[test]
    fn a_newer_version_is_named() {
        let entry = Entry::Alias(DatasetName::new("x").unwrap());
        let mut bytes = entry.encode().unwrap();
        let at = bytes.windows(17).position(|w| w == b"arrowredis.format").unwrap();
        let version = (0..at)
            .rev()
            .chain(at..bytes.len())
            .find(|place| bytes[*place] == b'1' && bytes[place - 4..*place] == [1, 0, 0, 0]);
        bytes[version.unwrap()] = b'2';
        let end = bytes.len() - Fingerprint::BYTES;
        let checksum = Checksum::of(&bytes[..end]).0.to_le_bytes();
        bytes[end..].copy_from_slice(&checksum);
        let error = decoded(&bytes).unwrap_err().to_string();
        assert!(error.contains("version 1, found 2"), "{error}");
    }

    #[test]
    fn chunks_out_of_order_or_twice_are_refused() {
        for order in [[1, 0, 2], [0, 0, 2]] {
            let chunks = order.map(|at| small().chunks[at]).to_vec();
            let bytes = Entry::Dataset(Manifest { chunks, ..small() }).encode().unwrap();
            assert!(decoded(&bytes).unwrap_err().to_string().contains("ascending"));
        }
    }

    #[test]
    fn sums_that_no_number_holds_are_refused() {
        for (rows, bytes) in [(u64::MAX, 1), (1, u64::MAX)] {
            let chunks = small().chunks.into_iter().map(|c| ChunkEntry { rows, bytes, ..c });
            let manifest = Manifest { chunks: chunks.collect(), ..small() };
            let error = decoded(&Entry::Dataset(manifest).encode().unwrap()).unwrap_err();
            assert!(error.to_string().contains("add up"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let checksum = Checksum::of(&bytes).0.to_le_bytes();
            bytes.extend_from_slice(&checksum);
            prop_assert!(decoded(&bytes).is_err());
        }

        /// Damage that its own checksum vouches for, as a hostile writer could make.
        #[test]
        fn no_flip_under_a_right_checksum_panics(at in any::<prop::sample::Index>(), bit in 0..8u8) {
            let mut bytes = Entry::Dataset(small()).encode().unwrap();
            let end = bytes.len() - Fingerprint::BYTES;
            bytes[at.index(end)] ^= 1 << bit;
            let checksum = Checksum::of(&bytes[..end]).0.to_le_bytes();
            bytes[end..].copy_from_slice(&checksum);
            let _ = decoded(&bytes);
        }
    }
}
