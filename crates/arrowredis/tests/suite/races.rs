//! Readers that overlap one replacement after another: never a blend, never a false alarm.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use arrowredis::dataset::DatasetName;
use arrowredis::error::{DataError, Error};
use arrowredis::ipc::Codec;
use arrowredis::progress::Unwatched;
use arrowredis::publish::{PublishOptions, Replace};
use arrowredis::read::{ReadOptions, read_batches, read_table};
use arrowredis::split::{SplitOptions, split};
use arrowredis::store::RedisStore;
use futures::TryStreamExt;

use crate::support::{World, dataset, write_file};

/// Different contents that are published in turn.
const GENERATIONS: i64 = 5;

/// Reads that each reader makes at least.
const READS: u32 = 700;

const READERS: u32 = 4;

/// A file with as many partitions as its number says and one more, each row of which names it.
fn generation(world: &World, number: i64) -> PathBuf {
    let fields = ["generation", "partition"].map(|name| Field::new(name, DataType::Int64, false));
    let schema = Arc::new(Schema::new(fields.to_vec()));
    let batch = |partition: i64| {
        let column = |value| Arc::new(Int64Array::from(vec![value; 10])) as ArrayRef;
        RecordBatch::try_new(Arc::clone(&schema), vec![column(number), column(partition)]).unwrap()
    };
    let path = world.path(&format!("{number}"));
    let batches: Vec<_> = (0..=number).flat_map(|p| [batch(p), batch(p)]).collect();
    write_file(&path, &schema, &batches, Codec::Uncompressed);
    path
}

/// The generation that all batches are of, if they are the whole of it.
fn whole_generation(batches: &[RecordBatch]) -> Result<i64, String> {
    let mut counts: BTreeMap<(i64, i64), usize> = BTreeMap::new();
    for batch in batches {
        let value = |column: usize| batch.column(column).as_primitive::<Int64Type>().value(0);
        *counts.entry((value(0), value(1))).or_default() += batch.num_rows();
    }
    let Some(((number, _), _)) = counts.first_key_value() else { return Err("no rows".into()) };
    let number = *number;
    let expected = (0..=number).map(|partition| ((number, partition), 20)).collect();
    if counts == expected { Ok(number) } else { Err(format!("a blend: {counts:?}")) }
}

/// Replaces the dataset until the readers have read enough.
async fn replace_again_and_again(
    store: RedisStore,
    files: Vec<PathBuf>,
    name: DatasetName,
    keep_replaced: Duration,
    enough: Arc<AtomicBool>,
) -> u32 {
    let publish =
        PublishOptions { replace: Replace::WhenStored, keep_replaced, ..Default::default() };
    let options = SplitOptions { publish, ..SplitOptions::default() };
    let mut replacements = 0;
    while !enough.load(Ordering::Relaxed) {
        let file = &files[replacements as usize % files.len()];
        split(&store, file, &name, &options, &Unwatched).await.unwrap();
        replacements += 1;
    }
    replacements
}

/// What readers met.
#[derive(Debug, Default)]
struct Met {
    reads: u32,
    restarts: u32,
    generations: BTreeMap<i64, u32>,
    replaced: u32,
}

fn race(keep_replaced: Duration, stream: bool) -> Met {
    let world = World::new();
    let name = dataset("d");
    let files: Vec<_> = (0..GENERATIONS).map(|number| generation(&world, number)).collect();
    world.split(&files[0], "d").unwrap();
    world.wait(async {
        let (enough, busy) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(READERS)));
        let writer = tokio::spawn(replace_again_and_again(
            world.store_async().await,
            files,
            name.clone(),
            keep_replaced,
            Arc::clone(&enough),
        ));
        let mut readers = Vec::new();
        for _ in 0..READERS {
            let (store, name) = (world.store_async().await, name.clone());
            let (enough, busy) = (Arc::clone(&enough), Arc::clone(&busy));
            readers.push(tokio::spawn(async move {
                let mut met = Met::default();
                while met.reads < READS {
                    read_once(&store, &name, stream, &mut met).await;
                }
                if busy.fetch_sub(1, Ordering::Relaxed) == 1 {
                    enough.store(true, Ordering::Relaxed);
                }
                met
            }));
        }
        let mut all = Met::default();
        for reader in readers {
            let met = reader.await.unwrap();
            all.reads += met.reads;
            all.restarts += met.restarts;
            all.replaced += met.replaced;
            for (number, count) in met.generations {
                *all.generations.entry(number).or_default() += count;
            }
        }
        let replacements = writer.await.unwrap();
        println!("{replacements} replacements; readers met {all:?}");
        assert!(replacements > 20, "the writer was not idle: {replacements}");
        all
    })
}

async fn read_once(store: &RedisStore, name: &DatasetName, stream: bool, met: &mut Met) {
    met.reads += 1;
    let options = ReadOptions { pipeline: 1, concurrency: 2, ..ReadOptions::default() };
    let batches = if stream {
        let mut batches = read_batches(store, name, &options).await.unwrap();
        let mut got = Vec::new();
        loop {
            match batches.try_next().await {
                Ok(Some(batch)) => got.push(batch),
                Ok(None) => break,
                Err(Error::Data(DataError::Replaced { .. })) => {
                    met.replaced += 1;
                    return;
                }
                Err(error) => panic!("a false alarm: {error:?}"),
            }
        }
        met.restarts += batches.report().restarts;
        got
    } else {
        let (table, report) = read_table(store, name, &options, &Unwatched).await.unwrap();
        met.restarts += report.restarts;
        table.batches
    };
    let number = whole_generation(&batches).unwrap();
    *met.generations.entry(number).or_default() += 1;
}

/// Goal: every one of thousands of reads is all of one writing. Method: rows that name theirs,
/// datasets of different sizes, readers that ask for one chunk at a time.
#[test]
fn tables_are_all_of_one_writing() {
    let met = race(Duration::ZERO, false);
    assert_eq!(met.reads, READS * READERS);
    assert_eq!(met.generations.len() as i64, GENERATIONS, "they raced: {met:?}");
    assert!(met.restarts > 0, "they raced: {met:?}");
}

#[test]
fn streams_are_all_of_one_writing_or_say_that_it_is_gone() {
    let met = race(Duration::ZERO, true);
    assert_eq!(met.generations.len() as i64, GENERATIONS, "they raced: {met:?}");
}

#[test]
fn streams_of_a_replaced_dataset_that_is_kept_are_whole() {
    let met = race(Duration::from_secs(5), true);
    assert_eq!(met.replaced, 0, "{met:?}");
    assert_eq!(met.generations.values().sum::<u32>(), READS * READERS);
}
