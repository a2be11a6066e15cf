//! One reader while its dataset is replaced or removed, held up where it hurts most.

use std::time::Duration;

use arrowredis::catalog;
use arrowredis::error::{DataError, Error};
use arrowredis::progress::Unwatched;
use arrowredis::publish::Replace;
use arrowredis::read::{ReadOptions, read_batches};
use arrowredis::split::split;
use arrowredis::store::Life;
use futures::TryStreamExt;

use crate::support::stepping::Stepping;
use crate::support::two::{HOUR, Two, file, publishing};
use crate::support::{World, dataset, wait_until};

/// Goal: a reader that has handed out rows already cannot begin anew, and gets the rest of the old
/// dataset all the same if that is kept; else an error, and never rows of the new one.
#[test]
fn a_stream_that_overlaps_a_replacement_stays_with_the_old_dataset() {
    let world = World::new();
    let (old, new) = (file(&world, "old", 1, 1, 60), file(&world, "new", 2, 1, 60));
    for keep in [HOUR, Duration::ZERO] {
        world.split_with(&old, "d", &publishing(Replace::WhenStored)).unwrap();
        let (store, name) = (world.store(), dataset("d"));
        let expected = world.read("d").unwrap().0.batches;
        let one_by_one = ReadOptions { pipeline: 1, concurrency: 1, ..ReadOptions::default() };
        let mut options = publishing(Replace::WhenStored);
        options.publish.keep_replaced = keep;
        world.wait(async {
            let mut stream = read_batches(&store, &name, &one_by_one).await.unwrap();
            let mut got = vec![stream.try_next().await.unwrap().unwrap()];
            split(&store, &new, &name, &options, &Unwatched).await.unwrap();
            let rest: Result<Vec<_>, _> = stream
                .try_for_each(|batch| {
                    got.push(batch);
                    std::future::ready(Ok(()))
                })
                .await
                .map(|()| Vec::<()>::new());
            assert_eq!(got[..], expected[..got.len()], "only rows of the old dataset");
            if keep.is_zero() {
                let error = rest.unwrap_err();
                assert!(matches!(error, Error::Data(DataError::Replaced { .. })), "{error:?}");
            } else {
                rest.unwrap();
                assert_eq!(got.len(), 60);
            }
        });
        if !keep.is_zero() {
            let kept = world.keys();
            let kept: Vec<_> = kept.iter().filter(|(key, _)| key.contains(":staged=")).collect();
            assert_eq!(kept.len(), 60);
            assert!(kept.iter().all(|(_, life)| **life != Life::Forever));
        }
    }
}

/// What happens to a dataset of another program while it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meanwhile {
    /// It is replaced by a smaller one.
    Smaller,
    /// It is replaced by one with the same chunks' names.
    SameNames,
    Removed,
}

/// Goal: a reader of another program's dataset gets all of it or all of what replaced it, although
/// nothing lists it. Method: held up before each of its requests while it is replaced or removed.
#[test]
fn a_reader_without_a_manifest_notices_what_was_published_meanwhile() {
    let two = Two::new();
    let name = dataset("d");
    let same_names = file(&two.world, "same", 9, 3, 3);
    let contents = [&two.old, &two.new, &same_names].map(|path| {
        two.world.split_with(path, "e", &publishing(Replace::WhenStored)).unwrap();
        two.world.read("e").unwrap().0.batches
    });
    for meanwhile in [Meanwhile::Smaller, Meanwhile::SameNames, Meanwhile::Removed] {
        for steps in 1.. {
            two.world.redis(&[b"FLUSHALL"]);
            two.world.split_unlisted(&two.old, "d");
            let stepping = Stepping::new(two.world.store(), steps);
            let (rival, options) = (two.world.store(), publishing(Replace::WhenStored));
            let one_by_one = ReadOptions { pipeline: 1, concurrency: 1, ..ReadOptions::default() };
            let (read, was_held_up) = two.world.wait(async {
                let reading =
                    arrowredis::read::read_table(&stepping, &name, &one_by_one, &Unwatched);
                let mut reading = std::pin::pin!(reading);
                let early = tokio::select! {
                    read = &mut reading => Some(read),
                    () = wait_until("it was held up", async || stepping.stopped()) => None,
                };
                if let Some(read) = early {
                    return (read, false);
                }
                let new = match meanwhile {
                    Meanwhile::Smaller => Some(&two.new),
                    Meanwhile::SameNames => Some(&same_names),
                    Meanwhile::Removed => None,
                };
                match new {
                    Some(new) => {
                        drop(split(&rival, new, &name, &options, &Unwatched).await.unwrap())
                    }
                    None => drop(catalog::remove(&rival, &name).await.unwrap()),
                }
                stepping.go_on();
                (reading.await, true)
            });
            match read {
                Ok((table, _)) => {
                    assert!(contents.contains(&table.batches), "{meanwhile:?} {steps}")
                }
                Err(Error::Data(DataError::NoDataset { .. } | DataError::Missing { .. })) => {
                    assert_eq!(meanwhile, Meanwhile::Removed, "{steps}");
                }
                Err(error) => panic!("{meanwhile:?} {steps}: {error:?}"),
            }
            if !was_held_up {
                assert!(steps > 10, "{steps}");
                break;
            }
        }
    }
}

#[test]
fn chunks_that_are_being_removed_are_no_dataset() {
    let two = Two::new();
    two.world.split_unlisted(&two.old, "d");
    two.world.read("d").unwrap();
    let sign = arrowredis::key::removed_key(&dataset("d"));
    two.world.redis(&[b"SET", sign.as_bytes(), b"", b"EX", b"100"]);
    // What has no time to live was stored since.
    assert_eq!(two.world.read("d").unwrap().1.rows, 180);
    for key in two.keys() {
        two.world.redis(&[b"EXPIRE", key.as_bytes(), b"100"]);
    }
    let read = two.world.read("d").map(drop);
    assert!(matches!(read, Err(Error::Data(DataError::NoDataset { .. }))), "{read:?}");
    let adopted = two.world.wait(catalog::adopt(&two.world.store(), &dataset("d"), &Unwatched));
    assert!(matches!(adopted, Err(Error::Data(DataError::NoDataset { .. }))), "{adopted:?}");
}
