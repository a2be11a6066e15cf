//! One very long chunk, and very many.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Int64Array, RecordBatch};
use arrow_buffer::{Buffer, MutableBuffer, ScalarBuffer};
use arrowredis::catalog::{self, NewLife};
use arrowredis::ipc::Codec;
use arrowredis::progress::Unwatched;
use arrowredis::split::SplitOptions;
use arrowredis::verify::verify_dataset;

use crate::support::{World, dataset, write_file, write_stream};

const MIB: usize = 1 << 20;

/// A column that takes so many MiB. Each MiB begins with its own number.
fn column(mib: usize) -> Int64Array {
    let mut bytes = MutableBuffer::with_capacity(mib * MIB);
    let mut block: Vec<i64> = (0..MIB as i64 / 8).map(|n| n.wrapping_mul(0x9e37_79b9)).collect();
    for number in 0..mib {
        block[0] = number as i64;
        bytes.extend_from_slice(&block);
    }
    let bytes: Buffer = bytes.into();
    Int64Array::new(ScalarBuffer::new(bytes, 0, mib * MIB / 8), None)
}

/// Goal: a chunk near to the longest that a server takes goes through whole. Method: one column of
/// 400 MiB, uncompressed.
#[test]
fn a_chunk_of_400_mib_goes_through_whole() {
    const SIZE: usize = 400;
    let world = World::new();
    let source = world.path("source.arrow");
    {
        let batch = RecordBatch::try_from_iter([("n", Arc::new(column(SIZE)) as _)]).unwrap();
        write_file(&source, &batch.schema(), &[batch], Codec::Uncompressed);
    }
    let report = world.split(&source, "long").unwrap();
    assert_eq!(report.chunks, 1);
    let (table, report) = world.read("long").unwrap();
    assert!(report.bytes > (SIZE * MIB) as u64);
    let found = table.batches[0].column(0).as_primitive::<Int64Type>();
    assert!(*found == column(SIZE));
}

/// Goal: nothing is slow or too large when chunks are many. Method: each verb on 100,000 of them.
#[test]
fn a_dataset_of_100_000_chunks() {
    const CHUNKS: usize = 100_000;
    let world = World::new();
    let (source, name) = (world.path("source.arrows"), dataset("many"));
    let rows = Int64Array::from_iter_values(0..CHUNKS as i64);
    let all = RecordBatch::try_from_iter([("n", Arc::new(rows) as _)]).unwrap();
    let batches: Vec<_> = (0..CHUNKS).map(|row| all.slice(row, 1)).collect();
    write_stream(&source, &all.schema(), &batches, Codec::Uncompressed);
    drop(batches);

    let mut started = Instant::now();
    let mut took = |verb: &str| {
        println!("{verb}: {:?}", started.elapsed());
        started = Instant::now();
    };
    let options = SplitOptions { batches: Some(1000), ..SplitOptions::default() };
    let report = world.split_with(&source, "many", &options).unwrap();
    took("split");
    assert_eq!((report.chunks, report.partitions), (CHUNKS as u64, 100));

    let (table, report) = world.read("many").unwrap();
    took("read");
    assert_eq!(report.chunks_present, CHUNKS as u64);
    let ordered = table
        .batches
        .iter()
        .zip(0..)
        .all(|(batch, row)| batch.column(0).as_primitive::<Int64Type>().values()[..] == [row]);
    assert!(ordered && table.batches.len() == CHUNKS);

    let store = world.store();
    let report = world.wait(verify_dataset(&store, &name, &Unwatched)).unwrap();
    took("verify");
    assert!(report.whole && report.rows == CHUNKS as u64);

    let life = NewLife::For(Duration::from_secs(3600));
    world.wait(catalog::touch(&store, &name, life)).unwrap();
    took("touch");
    world.wait(catalog::remove(&store, &name)).unwrap();
    took("rm");
    assert!(world.keys().is_empty());
}
