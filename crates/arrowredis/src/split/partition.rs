//! Which partition a batch belongs to, and its number in there.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef, RecordBatch, UInt64Array};
use arrow_cast::cast;
use arrow_schema::{DataType, Schema};

use crate::dataset::{BatchIndex, ChunkId, PartitionId};
use crate::error::{Error, FileError};
use crate::ipc::block::{Block, StoredColumn};
use crate::ipc::source::Source;
use crate::ipc::{Codec, IpcError};
use crate::report::PartitionedBy;

use super::assigned::{Assigned, Divided, Part, Places};
use super::divide::Cuts;

/// The column whose values are partition numbers.
const COLUMN: &str = "partition";

/// Numbers partitions and batches in file order.
#[derive(Debug, Clone)]
pub(crate) struct Partitioner {
    rule: Rule,
    path: PathBuf,
    /// The next batch's number in each partition seen.
    next: HashMap<PartitionId, u32>,
    blocks_seen: u64,
    parts_seen: u64,
    rows_seen: u64,
    cuts: Cuts,
    /// The partition and the rows of each part, if the file was walked before.
    known: Arc<[(PartitionId, u64)]>,
    /// Where batches without rows go: with those before them.
    current: PartitionId,
    /// The column of the last compressed batch of a single partition, and that: the next one's partition
    /// numbers are mostly the same few bytes, which need not be unpacked again.
    before: Option<(StoredColumn, PartitionId)>,
}

#[derive(Debug, Clone, Copy)]
enum Rule {
    /// By the values of the column at this place.
    Column(usize),
    /// So many batches to a partition.
    Batches(u32),
    Nothing,
}

impl Partitioner {
    /// Decides by what to divide a file of this schema; `path` is named in errors.
    pub(crate) fn new(schema: &Schema, batches: Option<u32>, path: &Path) -> Self {
        let column = schema.index_of(COLUMN).ok();
        let integer = column.filter(|at| is_integer(schema.field(*at).data_type()));
        if let (Some(at), None) = (column, integer) {
            let found = schema.field(at).data_type();
            tracing::warn!(%found, "the column \"partition\" is not an integer and is ignored");
        }
        let rule = match (integer, batches) {
            (Some(column), _) => Rule::Column(column),
            (None, Some(batches)) => Rule::Batches(batches.max(1)),
            (None, None) => Rule::Nothing,
        };
        Self {
            rule,
            path: path.to_owned(),
            next: HashMap::new(),
            blocks_seen: 0,
            parts_seen: 0,
            rows_seen: 0,
            cuts: Cuts::default(),
            known: Arc::default(),
            current: PartitionId(0),
            before: None,
        }
    }

    /// Puts batches without rows that come before all others into this partition.
    pub(crate) fn starting_in(self, partition: PartitionId) -> Self {
        Self { current: partition, ..self }
    }

    /// Does the same to parts that were assigned before that partition was known.
    pub(crate) fn move_leading(&self, parts: &mut [(PartitionId, u64)], first: PartitionId) {
        if let Rule::Column(_) = self.rule {
            let leading = parts.iter_mut().take_while(|(_, rows)| *rows == 0);
            leading.for_each(|(partition, _)| *partition = first);
        }
    }

    /// Divides these parts further.
    pub(crate) fn with_cuts(self, cuts: Cuts) -> Self {
        Self { cuts, ..self }
    }

    /// Takes the parts that were found before at their word where a batch is one of them as a whole.
    pub(crate) fn with_known(self, parts: Vec<(PartitionId, u64)>) -> Self {
        Self { known: parts.into(), ..self }
    }

    /// What partition numbers are taken from.
    pub(crate) fn by(&self) -> PartitionedBy {
        match self.rule {
            Rule::Column(_) => PartitionedBy::Column,
            Rule::Batches(_) => PartitionedBy::Batches,
            Rule::Nothing => PartitionedBy::Nothing,
        }
    }

    /// Gives every batch of a file its place. A file without batches becomes one chunk without
    /// rows, so that its schema is kept. Ends after the first error.
    pub(crate) fn assign(
        mut self,
        source: &Source,
    ) -> impl Iterator<Item = Result<Assigned, Error>> + Send + use<> {
        let schema = Arc::clone(source.schema());
        let mut blocks = source.blocks();
        let mut ready = VecDeque::new();
        let mut ended = false;
        std::iter::from_fn(move || {
            while ready.is_empty() && !ended {
                match blocks.next() {
                    Some(block) => match block.map_err(Error::from).and_then(|b| self.place(b)) {
                        Ok(assigned) => ready.extend(assigned),
                        Err(error) => {
                            ended = true;
                            return Some(Err(error));
                        }
                    },
                    None => {
                        ended = true;
                        if self.blocks_seen == 0 {
                            let batch = RecordBatch::new_empty(Arc::clone(&schema));
                            let part = Part::Made(batch);
                            let id = ChunkId::new(0, 0);
                            ready.push_back(Assigned { id, part, first_row: 0 });
                        }
                    }
                }
            }
            ready.pop_front().map(Ok)
        })
    }

    fn place(&mut self, block: Block) -> Result<Vec<Assigned>, Error> {
        let rows = block.rows();
        let placed = match self.rule {
            Rule::Nothing => vec![(PartitionId(0), Part::Whole(block))],
            Rule::Batches(batches) => {
                vec![(PartitionId(self.blocks_seen / u64::from(batches)), Part::Whole(block))]
            }
            Rule::Column(column) => self.place_by_column(column, block)?,
        };
        let mut numbered = Vec::with_capacity(placed.len());
        for (partition, part) in placed {
            for part in self.cuts.apply(self.parts_seen, part) {
                let id = self.next_chunk(partition)?;
                numbered.push(Assigned { id, part, first_row: self.rows_seen });
            }
            self.parts_seen += 1;
        }
        self.blocks_seen += 1;
        self.rows_seen = self.rows_seen.saturating_add(rows);
        Ok(numbered)
    }

    fn place_by_column(
        &mut self,
        column: usize,
        block: Block,
    ) -> Result<Vec<(PartitionId, Part)>, Error> {
        if block.rows() == 0 {
            return Ok(vec![(self.current, Part::Whole(block))]);
        }
        if let Some(partition) = self.known_partition(&block) {
            self.current = partition;
            return Ok(vec![(partition, Part::Whole(block))]);
        }
        let stored = match block.codec() {
            // As long to compare as to read.
            Codec::Uncompressed => None,
            Codec::Zstd | Codec::Lz4 => block.stored(column),
        };
        if let (Some(stored), Some((before, partition))) = (&stored, &self.before)
            && stored == before
        {
            self.current = *partition;
            return Ok(vec![(*partition, Part::Whole(block))]);
        }
        let values = self.partition_values(column, &block)?;
        let first = PartitionId(values.value(0));
        self.current = PartitionId(values.value(values.len() - 1));
        if values.values().iter().all(|value| *value == first.0) {
            self.before = stored.map(|stored| (stored, first));
            Ok(vec![(first, Part::Whole(block))])
        } else {
            Ok(divide(&values, block))
        }
    }

    /// The one partition of all rows of the next batch, if it is known.
    fn known_partition(&self, block: &Block) -> Option<PartitionId> {
        let next = usize::try_from(self.parts_seen).ok()?;
        // A part of a batch that was divided has fewer rows.
        self.known
            .get(next)
            .filter(|(_, rows)| *rows == block.rows())
            .map(|(partition, _)| *partition)
    }

    /// The partition numbers of a batch's rows, or a single one that all have; only their column is
    /// decoded.
    fn partition_values(&self, column: usize, block: &Block) -> Result<UInt64Array, Error> {
        let column = block.decode_column(column).map_err(|error| self.content(error))?;
        let plain = match column.data_type() {
            DataType::Dictionary(_, values) => values.as_ref().clone(),
            other => other.clone(),
        };
        let found = cast(&column, &plain).map_err(|error| self.arrow(error))?;
        let found = if is_constant(&found) { found.slice(0, 1) } else { found };
        let refused = |row: usize, found: String| FileError::Partition {
            path: self.path.clone(),
            row: self.rows_seen.saturating_add(row as u64),
            found,
        };
        if let Some(row) = (0..found.len()).find(|row| found.is_null(*row)) {
            return Err(refused(row, "null".to_owned()).into());
        }
        if plain.is_signed_integer() {
            let signed = cast(&found, &DataType::Int64).map_err(|error| self.arrow(error))?;
            let signed = signed.as_primitive::<Int64Type>();
            if let Some(row) = signed.values().iter().position(|value| *value < 0) {
                return Err(refused(row, signed.value(row).to_string()).into());
            }
        }
        let values = cast(&found, &DataType::UInt64).map_err(|error| self.arrow(error))?;
        Ok(values.as_primitive::<UInt64Type>().clone())
    }

    fn next_chunk(&mut self, partition: PartitionId) -> Result<ChunkId, Error> {
        let next = self.next.entry(partition).or_default();
        let batch = BatchIndex(*next);
        *next = next.checked_add(1).ok_or_else(|| {
            let expected = format!("at most {} batches in partition {partition}", u32::MAX);
            let source = IpcError::invalid("the file", 0, expected, "more");
            FileError::Content { path: self.path.clone(), source }
        })?;
        Ok(ChunkId { partition, batch })
    }

    fn content(&self, source: IpcError) -> Error {
        FileError::Content { path: self.path.clone(), source }.into()
    }

    fn arrow(&self, source: arrow_schema::ArrowError) -> Error {
        self.content(IpcError::Arrow { what: "the column \"partition\" cannot be read", source })
    }
}

/// Whether all values are the same: most files hold a batch to a partition, or several.
fn is_constant(values: &ArrayRef) -> bool {
    let (Some(width), 0) = (values.data_type().primitive_width(), values.null_count()) else {
        return false;
    };
    let data = values.to_data();
    // The library has seen to it that the buffer holds all values.
    let bytes = &data.buffers()[0].as_slice()[data.offset() * width..][..data.len() * width];
    bytes.len() >= width && bytes[width..] == bytes[..bytes.len() - width]
}

/// Several partitions in one batch: its rows by value, in their order, values ascending.
fn divide(values: &UInt64Array, block: Block) -> Vec<(PartitionId, Part)> {
    let mut rows: BTreeMap<PartitionId, Vec<u64>> = BTreeMap::new();
    for (row, value) in values.values().iter().enumerate() {
        rows.entry(PartitionId(*value)).or_default().push(row as u64);
    }
    let divided = Divided::new(block);
    let part = |rows: Vec<u64>| Part::Rows(Arc::clone(&divided), Places::Listed(rows.into()));
    rows.into_iter().map(|(partition, rows)| (partition, part(rows))).collect()
}

/// Whether a column's values are integers, also behind dictionary keys.
fn is_integer(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => values.is_integer(),
        other => other.is_integer(),
    }
}
