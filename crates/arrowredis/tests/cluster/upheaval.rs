//! Uploads and reads while a cluster fails over, loses a primary, or moves slots: nothing wrong is ever
//! read, nothing that was published is lost, and a run that does not succeed says why.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrowredis::error::{Error, ErrorClass};
use arrowredis::progress::Unwatched;
use arrowredis::read::{ReadOptions, read_table};
use arrowredis::split::split;
use arrowredis::store::{ConnectOptions, RedisStore};
use arrowredis_worlds::{Cluster, Control};

use crate::support::{World, dataset, replacing};

/// Uploads, and reads beside them, in each kind of upheaval.
const RUNS: usize = 50;

/// Beyond what any run may take: its patience and the 30 s of a claim.
const HANG: Duration = Duration::from_secs(200);

const PARTITIONS: u32 = 12;
const BATCHES: u32 = 2;

/// What came of the runs.
#[derive(Debug, Default)]
struct Outcome {
    uploads: usize,
    reads: usize,
    failures: Vec<String>,
}

/// Uploads two datasets in turn under one name, and reads what stands there, while something happens.
fn runs_during(
    world: &World,
    nodes: &[String],
    happens: impl FnOnce(&AtomicBool) + Send,
) -> Outcome {
    let files: Vec<PathBuf> = (1..=2).map(|seed| world.file(seed, PARTITIONS, BATCHES)).collect();
    world.split(&files[0], "d").unwrap();
    let expected: Vec<_> = files.iter().map(|file| checksum(world, file)).collect();
    let done = AtomicBool::new(false);
    let mut outcome = Outcome::default();
    std::thread::scope(|scope| {
        let happening = scope.spawn(|| happens(&done));
        world.wait(async {
            let writer = async {
                let mut failures = Vec::new();
                for run in 0..RUNS {
                    let store = connect(nodes).await;
                    let (name, options) = (dataset("d"), replacing());
                    let uploading = split(&store, &files[run % 2], &name, &options, &Unwatched);
                    let uploaded = tokio::time::timeout(HANG, uploading).await.expect("it hangs");
                    failures.extend(uploaded.err().map(|error| ("upload", error)));
                }
                failures
            };
            let reader = async {
                let mut failures = Vec::new();
                let store = connect(nodes).await;
                for _ in 0..RUNS {
                    let (name, options) = (dataset("d"), ReadOptions::default());
                    let reading = read_table(&store, &name, &options, &Unwatched);
                    match tokio::time::timeout(HANG, reading).await.expect("it hangs") {
                        Ok((table, _)) => {
                            let sum = checksum_of(&table.batches);
                            assert!(expected.contains(&sum), "a read is all of one dataset");
                        }
                        Err(error) => failures.push(("read", error)),
                    }
                }
                failures
            };
            let (writes, reads) = tokio::join!(writer, reader);
            (outcome.uploads, outcome.reads) = (RUNS - writes.len(), RUNS - reads.len());
            outcome.failures = writes.into_iter().chain(reads).map(says_why).collect();
        });
        done.store(true, Ordering::Relaxed);
        happening.join().unwrap();
    });
    println!("{outcome:#?}");
    outcome
}

fn says_why((what, error): (&str, Error)) -> String {
    assert_eq!(error.class(), ErrorClass::Store, "{what}: nothing is damaged: {error:?}");
    let mut text = format!("{what}: {error}");
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Of all rows, in their order.
fn checksum_of(batches: &[arrow_array::RecordBatch]) -> u64 {
    let mut bytes = Vec::new();
    let mut writer =
        arrow_ipc::writer::StreamWriter::try_new(&mut bytes, &batches[0].schema()).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
    drop(writer);
    arrowredis::checksum::Checksum::of(&bytes).0
}

fn checksum(world: &World, file: &std::path::Path) -> u64 {
    world.split(file, "expected").unwrap();
    let (store, name, options) = (world.store(), dataset("expected"), ReadOptions::default());
    let (table, _) = world.wait(read_table(&store, &name, &options, &Unwatched)).unwrap();
    checksum_of(&table.batches)
}

/// Through several nodes, since any may be gone.
async fn connect(nodes: &[String]) -> RedisStore {
    let hosts: Vec<_> = nodes.iter().map(|url| &url[8..url.len() - 2]).collect();
    let options = ConnectOptions {
        cluster: arrowredis::store::ClusterMode::On,
        timeout: Duration::from_secs(3),
        ..ConnectOptions::default()
    };
    RedisStore::connect_with(&format!("redis://{}/0", hosts.join(",")), options).await.unwrap()
}

fn afterwards(world: &World, outcome: &Outcome) {
    world.cluster.settled().unwrap();
    let whole = arrowredis::verify::verify_dataset;
    let (store, name) = (world.store(), dataset("d"));
    let report = world.wait(whole(&store, &name, &Unwatched)).unwrap();
    assert!(report.whole, "{report:?}");
    let file = world.file(3, PARTITIONS, BATCHES);
    world.split(&file, "d").unwrap();
    assert!(world.is("d", &file));
    // What is under way when a primary is lost may fail; nearly all must not.
    assert!(outcome.failures.len() <= RUNS / 10, "{outcome:#?}");
}

#[test]
fn failovers_that_are_asked_for_go_unnoticed() {
    let world = World::new(3, 1);
    let nodes = world.cluster.urls();
    let outcome = runs_during(&world, &nodes, |done| {
        for turn in 0.. {
            if done.load(Ordering::Relaxed) {
                break;
            }
            let masters = world.cluster.masters();
            world.cluster.failover(masters[turn % masters.len()]).unwrap();
        }
    });
    afterwards(&world, &outcome);
    assert!(outcome.failures.is_empty(), "{outcome:#?}");
}

#[test]
fn a_lost_primary_is_survived() {
    let mut world = World::new(3, 1);
    let nodes = world.cluster.urls();
    let victim = world.cluster.master_of("d:manifest").unwrap();
    let pid = world.cluster.server(victim).pid();
    let outcome = runs_during(&world, &nodes, |_| kill(pid));
    world.cluster.kill(victim).unwrap();
    world.cluster.restart(victim).unwrap();
    afterwards(&world, &outcome);
}

/// Ends a process that a test started, by its pid.
fn kill(pid: u32) {
    let ended = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status();
    assert!(ended.unwrap().success());
}

#[test]
fn slots_that_move_from_node_to_node_are_followed() {
    let world = World::new(3, 0);
    let nodes = world.cluster.urls();
    let slots: Vec<_> = (0..PARTITIONS)
        .map(|partition| world.cluster.slot_of(&format!("d:{{part={partition:05}}}:batch=00000")))
        .chain([world.cluster.slot_of("d:manifest")])
        .map(Result::unwrap)
        .collect();
    let moved = std::sync::atomic::AtomicUsize::new(0);
    let outcome = runs_during(&world, &nodes, |done| {
        let mut owners = BTreeMap::new();
        for (turn, slot) in slots.iter().cycle().take(3 * slots.len()).enumerate() {
            if done.load(Ordering::Relaxed) {
                break;
            }
            let masters = world.cluster.masters();
            let from = world.cluster.master_of_slot(*slot).unwrap();
            let to = masters.iter().copied().filter(|to| *to != from).nth(turn % 2).unwrap();
            if let Err(error) = world.cluster.migrate_slot(*slot, to) {
                // Nodes that hear of each other's moves late can lose an owner, which takes an operator.
                println!("{error}: mended");
                owners.insert(*slot, to);
                mend(&world.cluster, &owners);
            }
            owners.insert(*slot, to);
            moved.fetch_add(1, Ordering::Relaxed);
        }
    });
    println!("{} slots moved", moved.load(Ordering::Relaxed));
    afterwards(&world, &outcome);
    assert!(outcome.failures.is_empty(), "{outcome:#?}");
}

/// What an operator does when nodes disagree about who has a slot: says it to all, the owner first, and
/// lets the owner's word weigh more.
fn mend(cluster: &Cluster, owners: &BTreeMap<u16, usize>) {
    for (slot, owner) in owners {
        let id: String = cluster.server(*owner).command(&["CLUSTER", "MYID"]).unwrap();
        let slot = slot.to_string();
        for node in [*owner].into_iter().chain(cluster.running()) {
            // A node that holds keys of the slot refuses, and is the owner then.
            let _ = cluster.server(node).command::<()>(&["CLUSTER", "SETSLOT", &slot, "NODE", &id]);
        }
        let _ = cluster.server(*owner).command::<String>(&["CLUSTER", "BUMPEPOCH"]);
    }
    cluster.settled().unwrap();
}
