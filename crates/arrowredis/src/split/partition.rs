//! Which partition a batch belongs to, and its number in there.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt64Type};
use arrow_array::{Array, RecordBatch, UInt64Array};
use arrow_cast::cast;
use arrow_schema::{DataType, Schema};

use crate::dataset::{BatchIndex, ChunkId, PartitionId};
use crate::error::{Error, FileError};
use crate::ipc::block::Block;
use crate::ipc::source::Source;
use crate::ipc::{Codec, IpcError};
use crate::report::PartitionedBy;

/// The column whose values are partition numbers.
const COLUMN: &str = "partition";

/// A batch, or some rows of one, with its place in the dataset.
#[derive(Debug)]
pub(super) enum Assigned {
    /// A batch that belongs to one partition as it is.
    Whole(ChunkId, Block),
    /// The rows of a batch that belong to one of its several partitions.
    Rows {
        id: ChunkId,
        batch: RecordBatch,
        rows: UInt64Array,
        /// The batch's own codec.
        codec: Codec,
    },
    /// A batch that stands in no file, to be encoded unless told otherwise with this codec.
    Made(ChunkId, RecordBatch, Codec),
}

/// Numbers partitions and batches in file order.
#[derive(Debug)]
pub(super) struct Partitioner {
    rule: Rule,
    path: PathBuf,
    /// The next batch's number in each partition seen.
    next: HashMap<PartitionId, u32>,
    blocks_seen: u64,
    rows_seen: u64,
    /// Where batches without rows go: with those before them.
    current: Option<PartitionId>,
    /// Batches without rows at the start, until a partition is known for them.
    waiting: Vec<Block>,
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
    pub(super) fn new(schema: &Schema, batches: Option<u32>, path: &Path) -> Self {
        let column = schema.index_of(COLUMN).ok();
        let integer = column.filter(|at| schema.field(*at).data_type().is_integer());
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
            rows_seen: 0,
            current: None,
            waiting: Vec::new(),
        }
    }

    /// What partition numbers are taken from.
    pub(super) fn by(&self) -> PartitionedBy {
        match self.rule {
            Rule::Column(_) => PartitionedBy::Column,
            Rule::Batches(_) => PartitionedBy::Batches,
            Rule::Nothing => PartitionedBy::Nothing,
        }
    }

    /// Gives every batch of a file its place. A file without batches becomes one chunk without
    /// rows, so that its schema is kept.
    pub(super) fn assign(
        mut self,
        source: Source,
    ) -> impl Iterator<Item = Result<Assigned, Error>> + Send + 'static {
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
                        ready.extend(self.finish(&source));
                    }
                }
            }
            ready.pop_front().map(Ok)
        })
    }

    fn place(&mut self, block: Block) -> Result<Vec<Assigned>, Error> {
        let placed = match self.rule {
            Rule::Nothing => vec![self.whole(PartitionId(0), block)?],
            Rule::Batches(batches) => {
                let partition = PartitionId(self.blocks_seen / u64::from(batches));
                vec![self.whole(partition, block)?]
            }
            Rule::Column(column) => self.place_by_column(column, block)?,
        };
        self.blocks_seen += 1;
        Ok(placed)
    }

    fn place_by_column(&mut self, column: usize, block: Block) -> Result<Vec<Assigned>, Error> {
        if block.rows() == 0 {
            return match self.current {
                Some(partition) => Ok(vec![self.whole(partition, block)?]),
                None => {
                    self.waiting.push(block);
                    Ok(Vec::new())
                }
            };
        }
        let values = self.partition_values(column, &block)?;
        let first = PartitionId(values.value(0));
        self.current = Some(PartitionId(values.value(values.len() - 1)));
        self.rows_seen = self.rows_seen.saturating_add(block.rows());

        let mut placed = Vec::new();
        for empty in std::mem::take(&mut self.waiting) {
            placed.push(self.whole(first, empty)?);
        }
        if values.values().iter().all(|value| *value == first.0) {
            placed.push(self.whole(first, block)?);
        } else {
            placed.extend(self.divide(&values, &block)?);
        }
        Ok(placed)
    }

    /// Several partitions in one batch: its rows by value, in their order, values ascending.
    fn divide(&mut self, values: &UInt64Array, block: &Block) -> Result<Vec<Assigned>, Error> {
        let batch = block.decode().map_err(|error| self.content(error))?;
        let mut rows: BTreeMap<PartitionId, Vec<u64>> = BTreeMap::new();
        for (row, value) in values.values().iter().enumerate() {
            rows.entry(PartitionId(*value)).or_default().push(row as u64);
        }
        let codec = block.codec();
        let place = |(partition, rows): (_, Vec<u64>)| {
            let id = self.next_chunk(partition)?;
            Ok(Assigned::Rows { id, batch: batch.clone(), rows: rows.into(), codec })
        };
        rows.into_iter().map(place).collect()
    }

    /// The partition numbers of a batch's rows; only their column is decoded.
    fn partition_values(&self, column: usize, block: &Block) -> Result<UInt64Array, Error> {
        let only = block.decode_projected(&[column]).map_err(|error| self.content(error))?;
        let found = only.column(0);
        let refused = |row: usize, found: String| FileError::Partition {
            path: self.path.clone(),
            row: self.rows_seen.saturating_add(row as u64),
            found,
        };
        if let Some(row) =
            found.nulls().and_then(|nulls| (0..nulls.len()).find(|r| nulls.is_null(*r)))
        {
            return Err(refused(row, "null".to_owned()).into());
        }
        if found.data_type().is_signed_integer() {
            let signed = cast(found, &DataType::Int64).map_err(|e| self.arrow(e))?;
            let signed = signed.as_primitive::<Int64Type>();
            if let Some(row) = signed.values().iter().position(|value| *value < 0) {
                return Err(refused(row, signed.value(row).to_string()).into());
            }
        }
        let values = cast(found, &DataType::UInt64).map_err(|e| self.arrow(e))?;
        Ok(values.as_primitive::<UInt64Type>().clone())
    }

    /// What is left at the end of the file: batches without rows that no partition followed, and
    /// the one chunk of a file without batches.
    fn finish(&mut self, source: &Source) -> Vec<Assigned> {
        let zero = PartitionId(0);
        if self.blocks_seen == 0 {
            let id = ChunkId { partition: zero, batch: BatchIndex(0) };
            let batch = RecordBatch::new_empty(source.schema().clone());
            return vec![Assigned::Made(id, batch, Codec::Uncompressed)];
        }
        let waiting = std::mem::take(&mut self.waiting);
        waiting.into_iter().filter_map(|block| self.whole(zero, block).ok()).collect()
    }

    fn whole(&mut self, partition: PartitionId, block: Block) -> Result<Assigned, Error> {
        Ok(Assigned::Whole(self.next_chunk(partition)?, block))
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
