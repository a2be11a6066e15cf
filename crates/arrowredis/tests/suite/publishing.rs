//! Datasets appear and go as a whole, wherever a writer dies or is held up.

use std::path::{Path, PathBuf};
use std::time::Duration;

use arrow_schema::Schema;
use arrowredis::catalog::{self, NewLife};
use arrowredis::checksum::Checksum;
use arrowredis::clock::Timestamp;
use arrowredis::dataset::{ChunkId, DatasetId};
use arrowredis::error::{DataError, Error, ErrorClass};
use arrowredis::generate::{GenerateOptions, generate};
use arrowredis::ipc::Codec;
use arrowredis::key::{chunk_key, claim_key, manifest_key};
use arrowredis::manifest::{ChunkEntry, Entry, Manifest, StoredCodec};
use arrowredis::progress::Unwatched;
use arrowredis::publish::{PublishError, PublishOptions, Replace};
use arrowredis::read::{ReadOptions, read_batches};
use arrowredis::report::State;
use arrowredis::split::{SplitOptions, split};
use arrowredis::store::{Change, ChunkStore, Claimed, Guard, Life, MemoryStore};
use arrowredis::verify::{verify_dataset, verify_dataset_with_file};
use futures::TryStreamExt;

use crate::support::stepping::Stepping;
use crate::support::{World, dataset, wait_until};

const HOUR: Duration = Duration::from_secs(3_600);

/// Requests before the first chunk is stored, under a new name and in place of a dataset.
const BEGIN_NEW: usize = 8;
const BEGIN_REPLACING: usize = 7;

/// Requests until a dataset of four chunks is confirmed to be there with the claim on it, and until it
/// has replaced another.
const CONFIRMED: usize = BEGIN_REPLACING + 4 + 2;
const COMMITTED: usize = CONFIRMED + 1;

/// Requests before a writer looks at what stands there.
const LOOK: usize = 4;

/// A file of so many partitions and batches whose values depend on the seed.
fn file(world: &World, name: &str, seed: u64, partitions: u32, batches: u32) -> PathBuf {
    let path = world.path(name);
    let options = GenerateOptions { seed, partitions, batches, rows: 20, ..Default::default() };
    world.wait(generate(&path, &options, &Unwatched)).unwrap();
    path
}

fn publishing(replace: Replace) -> SplitOptions {
    let publish = PublishOptions { replace, ..PublishOptions::default() };
    SplitOptions { publish, ..SplitOptions::default() }
}

/// A world with two files: the new one has a partition less and a batch less in each.
struct Two {
    world: World,
    old: PathBuf,
    new: PathBuf,
}

impl Two {
    fn new() -> Self {
        let world = World::new();
        let old = file(&world, "old", 1, 3, 3);
        let new = file(&world, "new", 2, 2, 2);
        Self { world, old, new }
    }

    /// What stands under the name: the one or the other, whole, or nothing.
    fn standing(&self, name: &str) -> Option<&Path> {
        match self.world.read(name) {
            Ok((table, _)) => {
                let rows: usize = table.batches.iter().map(|batch| batch.num_rows()).sum();
                let path = if rows == 180 { &self.old } else { &self.new };
                let equal = self.world.wait(verify_dataset_with_file(
                    &self.world.store(),
                    &dataset(name),
                    path,
                    None,
                    &Unwatched,
                ));
                let equal = equal.unwrap();
                assert!(equal.equal, "{:?}", equal.difference);
                Some(path)
            }
            Err(Error::Data(DataError::NoDataset { .. })) => None,
            Err(error) => panic!("neither the old nor the new dataset: {error:?}"),
        }
    }

    /// Publishes a file as `d`. A server may take a moment to notice that the writer before died.
    fn split_when_free(&self, file: &Path) {
        let (store, name) = (self.world.store(), dataset("d"));
        let options = publishing(Replace::WhenStored);
        self.world.wait(wait_until("the name was free", async || {
            match split(&store, file, &name, &options, &Unwatched).await {
                Ok(_) => true,
                Err(Error::Publish(PublishError::Claimed { .. })) => false,
                Err(error) => panic!("{error:?}"),
            }
        }));
    }

    /// Replaces `d` by the new file, or would, if the writer did not stop for ever after so many
    /// requests.
    fn replace_and_die_after(&self, steps: usize) {
        let (stepping, name) = (Stepping::new(self.world.store(), steps), dataset("d"));
        self.world.wait(async {
            let options = publishing(Replace::WhenStored);
            tokio::select! {
                _ = split(&stepping, &self.new, &name, &options, &Unwatched) => panic!("it is done"),
                () = wait_until("it died", async || stepping.stopped()) => {}
            }
        });
    }

    /// The chunks of a file under a name, and the manifest: all that may be left in the end.
    fn keys_of(&self, name: &str, partitions: u64, batches: u32) -> Vec<String> {
        let name = dataset(name);
        let chunks = (0..partitions).flat_map(|p| (0..batches).map(move |b| ChunkId::new(p, b)));
        let mut keys: Vec<_> = chunks.map(|id| chunk_key(&name, id)).collect();
        keys.push(manifest_key(&name));
        keys.sort();
        keys
    }

    fn immortal_keys(&self) -> Vec<String> {
        let keys = self.world.keys().into_iter();
        keys.filter(|(_, life)| *life == Life::Forever).map(|(key, _)| key).collect()
    }

    fn keys(&self) -> Vec<String> {
        self.world.keys().into_keys().collect()
    }
}

#[test]
fn an_existing_dataset_is_only_replaced_when_asked_to() {
    let two = Two::new();
    two.world.split(&two.old, "d").unwrap();
    let error = two.world.split(&two.new, "d").unwrap_err();
    assert!(matches!(error, Error::Publish(PublishError::Exists { .. })), "{error:?}");
    assert_eq!(error.class(), ErrorClass::Usage);
    assert_eq!(two.standing("d"), Some(&*two.old));
    for replace in [Replace::WhenStored, Replace::DropFirst] {
        let report = two.world.split_with(&two.new, "d", &publishing(replace)).unwrap();
        assert!(report.replaced);
        assert_eq!(two.standing("d"), Some(&*two.new));
        assert_eq!(two.keys(), two.keys_of("d", 2, 2), "no stale key, no claim, nothing staged");
        let report = two.world.split_with(&two.old, "d", &publishing(replace)).unwrap();
        assert!(report.replaced);
        assert_eq!(two.keys(), two.keys_of("d", 3, 3));
    }
    assert!(two.keys().iter().all(|key| two.world.keys()[key] == Life::Forever));
}

#[test]
fn what_other_programs_stored_is_a_dataset_too() {
    let two = Two::new();
    two.world.split_unlisted(&two.old, "d");
    let error = two.world.split(&two.new, "d").unwrap_err();
    assert!(error.to_string().contains("chunks without a manifest"), "{error}");
    two.world.split_with(&two.new, "d", &publishing(Replace::WhenStored)).unwrap();
    assert_eq!(two.keys(), two.keys_of("d", 2, 2));
    assert_eq!(two.standing("d"), Some(&*two.new));
}

#[test]
fn a_damaged_manifest_is_replaced_with_all_that_belonged_to_it() {
    let two = Two::new();
    for damage in [&b"x"[..], b"", b"0123456789"] {
        two.world.split_with(&two.old, "d", &publishing(Replace::WhenStored)).unwrap();
        two.world.redis(&[b"SET", b"d:manifest", damage]);
        let error = two.world.split(&two.new, "d").unwrap_err();
        assert!(error.to_string().contains("damaged manifest"), "{error}");
        two.world.split_with(&two.new, "d", &publishing(Replace::WhenStored)).unwrap();
        assert_eq!(two.keys(), two.keys_of("d", 2, 2));
        assert_eq!(two.standing("d"), Some(&*two.new));
    }
}

#[test]
fn a_second_writer_is_told_who_the_first_one_is() {
    let two = Two::new();
    let other = two.world.store();
    let claim = two.world.wait(other.claim(&claim_key(&dataset("d")), "host=there pid=7", HOUR));
    assert_eq!(claim.unwrap(), Claimed::Ours);
    for replace in [Replace::Refuse, Replace::DropFirst] {
        let error = two.world.split_with(&two.new, "d", &publishing(replace)).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Store);
        assert!(error.to_string().contains("host=there pid=7"), "{error}");
    }
    let error = two.world.wait(catalog::remove(&two.world.store(), &dataset("d"))).unwrap_err();
    assert!(matches!(error, Error::Publish(PublishError::Claimed { .. })), "{error:?}");
    two.world.wait(other.release(&claim_key(&dataset("d")), "host=there pid=7")).unwrap();
    two.world.split(&two.new, "d").unwrap();
}

#[test]
fn a_writer_whose_claim_was_taken_publishes_nothing() {
    let two = Two::new();
    let stepping = Stepping::new(two.world.store(), BEGIN_NEW + 4);
    let name = dataset("d");
    let (options, rival) = (publishing(Replace::Refuse), two.world.store());
    let result = two.world.wait(async {
        let writing = split(&stepping, &two.new, &name, &options, &Unwatched);
        let taking = async {
            wait_until("it wrote", async || stepping.stopped()).await;
            let theirs = b"host=there".to_vec().into();
            rival.put(claim_key(&name), theirs, None).await.unwrap();
            stepping.go_on();
        };
        tokio::join!(writing, taking).0
    });
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Publish(PublishError::ClaimLost { .. })), "{error:?}");
    assert!(error.to_string().contains("host=there"), "{error}");
    assert_eq!(two.standing("d"), None);
}

#[test]
fn a_failed_upload_leaves_nothing_behind() {
    let two = Two::new();
    two.world.split(&two.old, "d").unwrap();
    // Re-encoding decodes, which finds the damage half way through.
    let mut damaged = std::fs::read(&two.new).unwrap();
    let at = damaged.len() * 3 / 4;
    damaged[at..at + 64].fill(0xff);
    let path = two.world.path("damaged");
    std::fs::write(&path, damaged).unwrap();
    let options = SplitOptions { compression: Some(Codec::Lz4), ..publishing(Replace::WhenStored) };
    let error = two.world.split_with(&path, "d", &options).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Usage, "{error:?}");
    assert_eq!(two.keys(), two.keys_of("d", 3, 3));
    assert_eq!(two.standing("d"), Some(&*two.old));
}

#[test]
fn chunks_that_the_server_lost_meanwhile_are_found_out() {
    let two = Two::new();
    let name = dataset("d");
    // Then comes the confirmation.
    let stepping = Stepping::new(two.world.store(), BEGIN_NEW + 4);
    let (options, rival) = (publishing(Replace::Refuse), two.world.store());
    let result = two.world.wait(async {
        let writing = split(&stepping, &two.new, &name, &options, &Unwatched);
        let losing = async {
            wait_until("it wrote", async || stepping.stopped()).await;
            let mut staged = rival.keys("d:*staged*").await.unwrap();
            assert!(!staged.is_empty(), "the test stops where something is staged");
            let one = staged.pop_first().unwrap();
            let put = rival.put(one, arrowredis::chunk::Payload::default(), None);
            put.await.unwrap();
            stepping.go_on();
        };
        tokio::join!(writing, losing).0
    });
    let error = result.unwrap_err();
    let Error::Publish(PublishError::Unconfirmed(lost)) = &error else { panic!("{error:?}") };
    assert_eq!((lost.count, lost.chunks), (1, 4));
    assert_eq!(two.standing("d"), None);
    assert!(two.keys().is_empty(), "{:?}", two.keys());
}

/// Goal: wherever a writer dies, readers have the old dataset or the new one, what it leaves behind
/// goes by itself, and the next writer succeeds. Method: one that stops for ever before its first
/// request, its second one, and so on to its last.
#[test]
fn a_writer_may_die_before_any_of_its_steps() {
    let two = Two::new();
    let name = dataset("d");
    for replace in [Replace::WhenStored, Replace::DropFirst] {
        let (mut steps, mut seen) = (0, Vec::new());
        loop {
            two.split_when_free(&two.old);
            let stepping = Stepping::new(two.world.store(), steps);
            let options = publishing(replace);
            let done = two.world.wait(async {
                tokio::select! {
                    result = split(&stepping, &two.new, &name, &options, &Unwatched) => {
                        result.unwrap();
                        true
                    }
                    () = wait_until("it died", async || stepping.stopped()) => false,
                }
            });
            // The connection of a dead process is closed, too.
            drop(stepping);
            let standing = two.standing("d").map(Path::to_owned);
            assert!(
                standing.is_some() || replace == Replace::DropFirst,
                "the dataset is gone after {steps} steps"
            );
            leftovers_are_mortal(&two, standing.as_deref());
            if seen.last() != Some(&standing) {
                seen.push(standing);
            }
            if done {
                assert_eq!(two.immortal_keys(), two.keys_of("d", 2, 2));
                break;
            }
            steps += 1;
        }
        let (old, new) = (Some(two.old.clone()), Some(two.new.clone()));
        let expected = match replace {
            Replace::DropFirst => vec![old, None, new],
            _ => vec![old, new],
        };
        assert_eq!(seen, expected, "one change, and for good");
        assert!(steps > 10, "{steps} steps");
    }
}

/// All keys that no reader of the dataset needs must have a time to live.
fn leftovers_are_mortal(two: &Two, standing: Option<&Path>) {
    let needed = match standing {
        Some(path) if path == two.old => two.keys_of("d", 3, 3),
        Some(_) => two.keys_of("d", 2, 2),
        None => Vec::new(),
    };
    let lives = two.world.keys();
    let staged = |key: &str| lives.keys().any(|k| k.starts_with(key) && k.contains(":staged="));
    for (key, life) in &lives {
        let own = key.split(":staged=").next().unwrap();
        let is_needed = if key == own {
            needed.contains(key)
        } else {
            // Published and not renamed yet.
            needed.iter().any(|needed| needed == own)
        };
        assert!(
            *life != Life::Forever || is_needed,
            "{key} would stay for ever; staged: {}",
            staged(own)
        );
    }
    for key in needed {
        let forever = |key: &str| lives.get(key) == Some(&Life::Forever);
        let staged = lives.keys().any(|k| k.starts_with(&format!("{key}:staged=")) && forever(k));
        assert!(forever(&key) || staged, "{key} is needed and would vanish");
    }
}

/// Goal: a writer that is held up and goes on after somebody else has published harms nothing.
/// Method: held up before each of its requests; its claim has run out meanwhile.
#[test]
fn a_writer_that_was_paused_before_any_of_its_steps_harms_nobody() {
    let two = Two::new();
    let name = dataset("d");
    let third = file(&two.world, "third", 3, 4, 1);
    for (replace, keep) in [
        (Replace::WhenStored, HOUR),
        (Replace::WhenStored, Duration::ZERO),
        (Replace::DropFirst, Duration::ZERO),
    ] {
        let mut steps = 0;
        loop {
            two.world.redis(&[b"FLUSHALL"]);
            two.split_when_free(&two.old);
            let stepping = Stepping::new(two.world.store(), steps);
            let mut options = publishing(replace);
            options.publish.keep_replaced = keep;
            let rival = two.world.store();
            let finished = std::sync::atomic::AtomicBool::new(false);
            let (done, was_held_up) = two.world.wait(async {
                let paused = async {
                    let done = split(&stepping, &two.new, &name, &options, &Unwatched).await;
                    finished.store(true, std::sync::atomic::Ordering::Relaxed);
                    done
                };
                let rival = async {
                    let is_finished = || finished.load(std::sync::atomic::Ordering::Relaxed);
                    wait_until("it stopped", async || stepping.stopped() || is_finished()).await;
                    if is_finished() {
                        return false;
                    }
                    let ran_out = vec![Change::Remove { key: claim_key(&name) }];
                    rival.apply(&Guard::default(), ran_out).await.unwrap();
                    let replacing = publishing(Replace::WhenStored);
                    split(&rival, &third, &name, &replacing, &Unwatched).await.unwrap();
                    stepping.go_on();
                    true
                };
                tokio::join!(paused, rival)
            });
            if !was_held_up {
                done.unwrap();
                break;
            }
            let store = two.world.store();
            let against = |path: &Path| {
                let compared = verify_dataset_with_file(&store, &name, path, None, &Unwatched);
                two.world.wait(compared).unwrap().equal
            };
            // It had published before it was held up, or it must have failed; only before it
            // looked at what stands there may it have come last.
            if steps < LOOK {
                assert!(done.is_ok() && against(&two.new), "{steps}: {done:?}");
            } else {
                assert!(against(&third), "{steps}: {done:?}");
            }
            let whole = two.world.wait(verify_dataset(&store, &name, &Unwatched)).unwrap();
            assert!(whole.whole, "{steps}: {whole:?}");
            let info = two.world.wait(catalog::info(&store, &name)).unwrap();
            assert_eq!(info.state, State::Whole, "{steps}");
            steps += 1;
        }
        assert!(steps > 10, "{steps} steps");
    }
}

#[test]
fn a_time_to_live_is_that_of_all_keys_and_is_renewed_for_all() {
    let two = Two::new();
    let name = dataset("d");
    let mut options = publishing(Replace::Refuse);
    options.publish.time_to_live = Some(HOUR);
    let report = two.world.split_with(&two.old, "d", &options).unwrap();
    assert_eq!(report.time_to_live_seconds, Some(3_600.0));
    let lives = |at_least: Duration, at_most: Duration| {
        let lives = two.world.keys();
        assert_eq!(lives.len(), 10);
        for (key, life) in lives {
            let Life::For(left) = life else { panic!("{key} lives for ever") };
            assert!(left <= at_most && left > at_least, "{key}: {left:?}");
        }
    };
    lives(HOUR / 2, HOUR);
    let store = two.world.store();
    let touch = |life| two.world.wait(catalog::touch(&store, &name, life)).unwrap();
    touch(NewLife::For(HOUR * 5));
    lives(HOUR * 4, HOUR * 5);
    touch(NewLife::AsPublished);
    lives(HOUR / 2, HOUR);
    touch(NewLife::Forever);
    assert!(two.world.keys().values().all(|life| *life == Life::Forever));
    two.world.split_with(&two.new, "d", &publishing(Replace::WhenStored)).unwrap();
    let error = two.world.wait(catalog::touch(&store, &name, NewLife::AsPublished)).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Usage);
    assert!(error.to_string().contains("--ttl 1h"), "{error}");
}

#[test]
fn a_dataset_whose_time_is_up_is_gone_as_one() {
    let two = Two::new();
    let mut options = publishing(Replace::Refuse);
    options.publish.time_to_live = Some(Duration::from_millis(1));
    two.world.split_with(&two.old, "d", &options).unwrap();
    two.world.wait(wait_until("it vanished", async || {
        two.world.store_async().await.keys("*").await.unwrap().is_empty()
    }));
    assert_eq!(two.standing("d"), None);
}

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

#[test]
fn aliases_are_followed_once_and_switched_in_one_step() {
    let two = Two::new();
    two.world.split(&two.old, "d1").unwrap();
    two.world.split(&two.new, "d2").unwrap();
    let store = two.world.store();
    let alias =
        |name: &str, to: &str| two.world.wait(catalog::alias(&store, &dataset(name), &dataset(to)));
    assert_eq!(alias("d", "d1").unwrap().before, None);
    assert_eq!(two.standing("d"), Some(&*two.old));
    assert_eq!(alias("d", "d2").unwrap().before.as_deref(), Some("d1"));
    assert_eq!(two.standing("d"), Some(&*two.new));
    for (name, to, expected) in [
        ("d", "d", "same name"),
        ("x", "d", "an alias itself; name 'd2'"),
        ("d1", "d2", "'d1' is a dataset"),
        ("x", "nobody", "no manifest"),
    ] {
        let error = alias(name, to).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let error = two.world.split(&two.new, "d").unwrap_err();
    assert!(error.to_string().contains("is an alias of 'd2'"), "{error}");
    let removed = two.world.wait(catalog::remove(&store, &dataset("d2"))).unwrap();
    assert_eq!((removed.chunks, removed.alias_of), (4, None));
    let error = two.world.read("d").unwrap_err().to_string();
    assert!(error.contains("alias of 'd2'") && error.contains("holds nothing"), "{error}");
    let removed = two.world.wait(catalog::remove(&store, &dataset("d"))).unwrap();
    assert_eq!(removed.alias_of.as_deref(), Some("d2"));
    assert_eq!(two.keys(), two.keys_of("d1", 3, 3));
}

#[test]
fn removing_takes_everything_also_what_others_left() {
    let two = Two::new();
    let (store, name) = (two.world.store(), dataset("d"));
    let remove = || two.world.wait(catalog::remove(&store, &name));
    assert!(matches!(remove().unwrap_err(), Error::Data(DataError::NoDataset { .. })));
    // An interrupted writer, another program, and a damaged manifest.
    two.world.split(&two.old, "d").unwrap();
    two.replace_and_die_after(BEGIN_REPLACING + 3);
    two.world.wait(wait_until("its connection closed", async || {
        let store = two.world.store_async().await;
        match catalog::remove(&store, &name).await {
            Ok(report) => {
                assert!(report.chunks == 9 && report.leftovers > 0, "{report:?}");
                true
            }
            Err(_) => false,
        }
    }));
    assert!(two.keys().is_empty(), "{:?}", two.keys());
    two.world.split_unlisted(&two.old, "d");
    assert_eq!(remove().unwrap().chunks, 9);
    two.world.split(&two.old, "d").unwrap();
    two.world.redis(&[b"SET", b"d:manifest", b"x"]);
    assert_eq!(remove().unwrap().chunks, 9);
    assert!(two.keys().is_empty(), "{:?}", two.keys());
}

#[test]
fn a_full_server_can_be_emptied() {
    let two = Two::new();
    two.world.split(&two.old, "d").unwrap();
    two.world.split_unlisted(&two.old, "unlisted");
    two.world.redis(&[b"CONFIG", b"SET", b"maxmemory", b"1"]);
    for name in ["d", "unlisted"] {
        two.world.wait(catalog::remove(&two.world.store(), &dataset(name))).unwrap();
    }
    assert!(two.keys().is_empty(), "{:?}", two.keys());
}

/// Goal: what is left of a dataset that is being removed is not taken for one of another program.
#[test]
fn a_removal_that_died_leaves_no_smaller_dataset() {
    let two = Two::new();
    let name = dataset("d");
    let mut steps = 0;
    loop {
        two.split_when_free(&two.old);
        let stepping = Stepping::new(two.world.store(), steps);
        let done = two.world.wait(async {
            tokio::select! {
                result = catalog::remove(&stepping, &name) => {
                    result.unwrap();
                    true
                }
                () = wait_until("it died", async || stepping.stopped()) => false,
            }
        });
        drop(stepping);
        let standing = two.standing("d").map(Path::to_owned);
        leftovers_are_mortal(&two, standing.as_deref());
        if done {
            break;
        }
        steps += 1;
    }
    assert!(two.keys().is_empty() && steps > 4, "{steps}: {:?}", two.keys());
}

#[test]
fn a_copy_is_a_dataset_of_its_own() {
    let two = Two::new();
    let there = World::new();
    two.world.split(&two.old, "d").unwrap();
    let (store, far, name) = (two.world.store(), there.store(), dataset("d"));
    let options = PublishOptions::default();
    let copy = |name: &str, to: &str| {
        let (name, to) = (dataset(name), dataset(to));
        two.world.wait(catalog::copy(&store, &name, &store, &to, &options, &Unwatched))
    };
    let report = copy("d", "e").unwrap();
    assert_eq!((report.chunks, report.rows), (9, 180));
    assert_eq!(two.standing("e"), Some(&*two.old));
    assert!(matches!(copy("d", "e"), Err(Error::Publish(PublishError::Exists { .. }))));
    let error = copy("d", "d").unwrap_err().to_string();
    assert!(error.contains("is there already"), "{error}");
    assert!(matches!(copy("nobody", "e"), Err(Error::Data(DataError::NoManifest { .. }))));

    two.world.wait(catalog::copy(&store, &name, &far, &name, &options, &Unwatched)).unwrap();
    let compared = verify_dataset_with_file(&far, &name, &two.old, None, &Unwatched);
    assert!(two.world.wait(compared).unwrap().equal);
    // Nothing damaged is passed on.
    two.world.redis(&[b"SET", b"d:{part=00001}:batch=00001", b"x"]);
    let error = copy("d", "f").unwrap_err();
    assert!(error.to_string().contains("d:{part=00001}:batch=00001"), "{error}");
    assert!(!two.keys().iter().any(|key| key.starts_with("f:")), "{:?}", two.keys());
}

#[test]
fn other_programs_chunks_are_adopted() {
    let two = Two::new();
    let (store, name) = (two.world.store(), dataset("d"));
    let adopt = || two.world.wait(catalog::adopt(&store, &name, &Unwatched));
    assert!(matches!(adopt(), Err(Error::Data(DataError::NoDataset { .. }))));
    two.world.split_unlisted(&two.old, "d");
    two.world.redis(&[b"EXPIRE", b"d:{part=00001}:batch=00001", b"1000"]);
    let report = adopt().unwrap();
    assert_eq!((report.partitions, report.chunks, report.rows), (3, 9, 180));
    assert_eq!(two.standing("d"), Some(&*two.old));
    let Life::For(left) = two.world.keys()["d:manifest"] else { panic!("it outlives a chunk") };
    assert!(left <= Duration::from_secs(1_000));
    let error = adopt().unwrap_err();
    assert_eq!(error.class(), ErrorClass::Usage, "{error:?}");
    two.world.redis(&[b"DEL", b"d:manifest", b"d:{part=00001}:batch=00001"]);
    let error = adopt().unwrap_err();
    assert!(error.to_string().contains("d:{part=00001}:batch=00001"), "{error}");
    two.world.redis(&[b"SET", b"d:{part=00001}:batch=00001", b"x"]);
    assert!(matches!(adopt(), Err(Error::Data(DataError::Damaged { .. }))));
}

#[test]
fn datasets_are_listed_with_what_is_known_of_them() {
    let two = Two::new();
    for name in ["a:1", "a:2", "b*"] {
        two.world.split(&two.old, name).unwrap();
    }
    let store = two.world.store();
    two.world.wait(catalog::alias(&store, &dataset("a"), &dataset("a:2"))).unwrap();
    two.world.redis(&[b"SET", b"c:manifest", b"x"]);
    two.world.redis(&[b"LPUSH", b"list:manifest", b"x"]);
    let names = |pattern: &str| -> Vec<String> {
        let report = two.world.wait(catalog::list(&store, pattern)).unwrap();
        report.entries.into_iter().map(|entry| entry.name).collect()
    };
    assert_eq!(names("a*"), ["a", "a:1", "a:2"]);
    assert_eq!(names("b\\*"), ["b*"]);
    assert_eq!(names("*"), ["a", "a:1", "a:2", "b*", "c", "list"]);
    let info = two.world.wait(catalog::info(&store, &dataset("a"))).unwrap();
    assert_eq!((info.dataset.as_str(), info.alias.as_deref()), ("a:2", Some("a")));
    assert_eq!((info.state, info.partitions.len(), info.columns.len()), (State::Whole, 3, 10));
    assert!(info.memory_bytes >= info.bytes);
    two.world.redis(&[b"DEL", b"a:2:{part=00002}:batch=00000"]);
    let info = two.world.wait(catalog::info(&store, &dataset("a"))).unwrap();
    assert_eq!((info.state, info.absent), (State::Damaged, 1));
    assert_eq!(info.missing, ["a:2:{part=00002}:batch=00000"]);
}

#[tokio::test]
async fn a_store_in_memory_publishes_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("d");
    let options = GenerateOptions { partitions: 2, batches: 2, rows: 10, ..Default::default() };
    generate(&path, &options, &Unwatched).await.unwrap();
    let (store, name) = (MemoryStore::new(), dataset("d"));
    for replace in [Replace::Refuse, Replace::WhenStored, Replace::DropFirst] {
        split(&store, &path, &name, &publishing(replace), &Unwatched).await.unwrap();
        let equal = verify_dataset_with_file(&store, &name, &path, None, &Unwatched);
        assert!(equal.await.unwrap().equal);
        assert_eq!(store.keys("*").await.unwrap().len(), 5);
    }
    catalog::remove(&store, &name).await.unwrap();
    assert!(store.keys("*").await.unwrap().is_empty());
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

/// Goal: a dataset that lost its manifest before it was tidied is not taken for the one under the
/// chunks' own names. Method: a writer that dies right after its commit.
#[test]
fn a_lost_manifest_of_an_untidied_dataset_leaves_no_blend() {
    let two = Two::new();
    let (store, name) = (two.world.store(), dataset("d"));
    two.world.split(&two.old, "d").unwrap();
    two.replace_and_die_after(COMMITTED);
    assert_eq!(two.standing("d"), Some(&*two.new));
    for damage in [&[&b"DEL"[..], b"d:manifest"][..], &[b"SET", b"d:manifest", b"x"]] {
        two.world.redis(damage);
        let read = two.world.read("d").map(drop);
        let adopted = two.world.wait(catalog::adopt(&store, &name, &Unwatched)).map(drop);
        for result in [read, adopted] {
            let error = result.unwrap_err();
            let lost = matches!(
                &error,
                Error::Data(DataError::Unfinished { .. } | DataError::Manifest { .. })
            );
            assert!(lost, "{error:?}");
        }
    }
    two.world.split_with(&two.new, "d", &publishing(Replace::WhenStored)).unwrap();
    assert_eq!(two.standing("d"), Some(&*two.new));
}

/// Goal: more chunks than one command can change are refused before anything is sent. Method: a
/// manifest that lists them; nobody looks for the chunks themselves.
#[tokio::test]
async fn more_chunks_than_one_step_can_publish_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("d");
    let options = GenerateOptions { partitions: 1, batches: 1, rows: 1, ..Default::default() };
    generate(&path, &options, &Unwatched).await.unwrap();
    let (store, name) = (MemoryStore::new(), dataset("d"));
    let chunk = |number: u64| ChunkEntry {
        id: ChunkId::new(number, 0),
        rows: 1,
        bytes: 1,
        checksum: Checksum(number),
    };
    let manifest = Manifest {
        id: DatasetId(1),
        schema: std::sync::Arc::new(Schema::empty()),
        codec: StoredCodec::Mixed,
        created: Timestamp(0),
        writer: "a test".to_owned(),
        time_to_live: None,
        chunks: (0..999_999).map(chunk).collect(),
    };
    let value = Entry::Dataset(manifest).encode().unwrap();
    store.put(manifest_key(&name), value.into(), None).await.unwrap();
    let replacing = publishing(Replace::WhenStored);
    let error = split(&store, &path, &name, &replacing, &Unwatched).await.unwrap_err();
    assert!(matches!(error, Error::Publish(PublishError::TooManyChunks { .. })), "{error:?}");
    assert_eq!(error.class(), ErrorClass::Usage);
    assert_eq!(store.keys("*").await.unwrap().len(), 1);
}

/// Goal: what does not fit is refused before anything is dropped, and what only fits after dropping
/// is not. Method: a bound on memory between that of one dataset and that of two.
#[test]
fn room_is_looked_for_before_anything_is_dropped() {
    let world = World::new();
    let large = |name: &str, batches| {
        let path = world.path(name);
        let options = GenerateOptions {
            partitions: 1,
            batches,
            rows: 20_000,
            compression: Codec::Uncompressed,
            ..GenerateOptions::default()
        };
        world.wait(generate(&path, &options, &Unwatched)).unwrap();
        path
    };
    let (old, new, larger) = (large("old", 5), large("new", 5), large("larger", 20));
    let bytes = world.split(&old, "d").unwrap().bytes;
    let limit = (bytes + bytes / 2 + (4 << 20)).to_string();
    world.redis(&[b"CONFIG", b"SET", b"maxmemory", limit.as_bytes()]);
    let elsewhere = world.split_with(&larger, "new", &publishing(Replace::DropFirst));
    assert!(matches!(elsewhere, Err(Error::Publish(PublishError::NoRoom { .. }))), "{elsewhere:?}");
    for (path, replace, fits) in [
        (&new, Replace::WhenStored, false),
        (&larger, Replace::DropFirst, false),
        (&new, Replace::DropFirst, true),
    ] {
        let done = world.split_with(path, "d", &publishing(replace));
        let refused = matches!(done, Err(Error::Publish(PublishError::NoRoom { .. })));
        assert_eq!((done.is_ok(), refused), (fits, !fits), "{replace:?}: {done:?}");
        assert_eq!(world.read("d").unwrap().1.bytes, bytes, "the dataset is still there");
    }
}

/// Goal: chunks that are gone when the commit is made, although they were confirmed, are no dataset
/// that replaces a whole one. Method: a writer that is held up in between, while they run out.
#[test]
fn chunks_that_run_out_before_the_commit_are_found_out() {
    let two = Two::new();
    let name = dataset("d");
    two.world.split(&two.old, "d").unwrap();
    let stepping = Stepping::new(two.world.store(), CONFIRMED);
    let (options, rival) = (publishing(Replace::WhenStored), two.world.store());
    let result = two.world.wait(async {
        let writing = split(&stepping, &two.new, &name, &options, &Unwatched);
        let losing = async {
            wait_until("it confirmed", async || stepping.stopped()).await;
            let staged = rival.keys("d:*staged*").await.unwrap();
            assert_eq!(staged.len(), 4);
            let run_out = staged.into_iter().map(|key| Change::Remove { key }).collect();
            rival.apply(&Guard::default(), run_out).await.unwrap();
            stepping.go_on();
        };
        tokio::join!(writing, losing).0
    });
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Publish(PublishError::Unconfirmed { .. })), "{error:?}");
    assert_eq!(two.standing("d"), Some(&*two.old));
    assert_eq!(two.keys(), two.keys_of("d", 3, 3));
}

/// Goal: what is left of a replaced dataset is not taken for one when the new one's time is up first.
/// Method: a time that is up before the writer has tidied, and a writer that dies before it does.
#[test]
fn a_replaced_dataset_does_not_come_back_when_the_new_one_is_gone() {
    for dies in [false, true] {
        let two = Two::new();
        let name = dataset("d");
        two.world.split(&two.old, "d").unwrap();
        let mut options = publishing(Replace::WhenStored);
        options.publish.time_to_live = Some(Duration::from_millis(if dies { 300 } else { 1 }));
        let steps = if dies { COMMITTED } else { usize::MAX >> 4 };
        let stepping = Stepping::new(two.world.store(), steps);
        two.world.wait(async {
            tokio::select! {
                result = split(&stepping, &two.new, &name, &options, &Unwatched) => drop(result.unwrap()),
                () = wait_until("it died", async || stepping.stopped()) => {}
            }
        });
        drop(stepping);
        let store = two.world.store();
        two.world.wait(wait_until("its time was up", async || {
            store.lengths(vec![manifest_key(&name)]).await.unwrap() == [None]
        }));
        let read = two.world.read("d").map(|(_, report)| report);
        assert!(
            matches!(read, Err(Error::Data(DataError::NoDataset { .. }))),
            "{dies}: {read:?} {:?}",
            two.world.keys()
        );
        assert!(two.immortal_keys().is_empty(), "{:?}", two.immortal_keys());
        // And another program may use the name at once.
        two.world.redis(&[b"DEL", b"d:manifest"]);
        two.split_when_free(&two.old);
        two.world.redis(&[b"DEL", b"d:manifest"]);
        assert_eq!(two.world.read("d").unwrap().1.rows, 180);
    }
}

/// Goal: a time to live is that of all keys or of none, whoever dies or comes between. Method: more
/// chunks than one step of tidying changes.
#[test]
fn a_renewal_is_made_in_one_step() {
    let world = World::new();
    let name = dataset("d");
    let path = world.path("many");
    let options = GenerateOptions { partitions: 20, batches: 30, rows: 1, ..Default::default() };
    world.wait(generate(&path, &options, &Unwatched)).unwrap();
    world.split(&path, "d").unwrap();
    for steps in 1.. {
        let stepping = Stepping::new(world.store(), steps);
        let life = NewLife::For(HOUR * steps as u32);
        let done = world.wait(async {
            tokio::select! {
                result = catalog::touch(&stepping, &name, life) => {
                    result.unwrap();
                    true
                }
                () = wait_until("it died", async || stepping.stopped()) => false,
            }
        });
        let store = world.store();
        let lives = world.wait(async {
            let keys: Vec<_> = store.keys("*").await.unwrap().into_iter().collect();
            store.lives(keys).await.unwrap()
        });
        let hours = |life: &Option<Life>| match life.unwrap() {
            Life::Forever => 0,
            Life::For(left) => (left.as_secs() + 1_800) / 3_600,
        };
        assert_eq!(lives.len(), 601);
        assert!(lives.iter().all(|life| hours(life) == hours(&lives[0])), "{steps}: {lives:?}");
        if done {
            break;
        }
    }
}

/// Goal: a user who may not do all that publishing takes is told so before anything is stored.
#[test]
fn rights_are_tried_before_anything_is_stored() {
    let two = Two::new();
    two.world.split(&two.old, "d").unwrap();
    for right in ["persist", "pexpireat", "unlink", "rename", "eval", "set"] {
        let without = format!("-{right}");
        let user = [b"ACL", &b"SETUSER"[..], b"few", b"reset", b"on", b">x", b"~*", b"+@all"];
        two.world.redis(&[&user[..], &[without.as_bytes()]].concat());
        let url = format!("redis://few:x@127.0.0.1:{}/0", two.world.server.port());
        let error = two.world.wait(async {
            let store = arrowredis::store::RedisStore::connect(&url).await.unwrap();
            let options = publishing(Replace::WhenStored);
            split(&store, &two.new, &dataset("d"), &options, &Unwatched).await.unwrap_err()
        });
        assert_eq!(error.class(), ErrorClass::Store, "{right}: {error:?}");
        assert_eq!(two.standing("d"), Some(&*two.old), "{right}");
        assert_eq!(two.immortal_keys(), two.keys_of("d", 3, 3), "{right}");
        let staged = two.keys().iter().any(|key| key.contains(":staged="));
        assert!(!staged, "{right}: {:?}", two.keys());
    }
}

#[test]
fn a_dataset_of_another_program_is_seen_whatever_its_partitions() {
    let two = Two::new();
    let seven = file(&two.world, "seven", 7, 8, 1);
    two.world.split_unlisted(&seven, "d");
    for partition in 0..7 {
        let key = chunk_key(&dataset("d"), ChunkId::new(partition, 0));
        two.world.redis(&[b"DEL", key.as_bytes()]);
    }
    let error = two.world.split(&two.new, "d").unwrap_err();
    assert!(matches!(error, Error::Publish(PublishError::Exists { .. })), "{error:?}");
    two.world.split_with(&two.new, "d", &publishing(Replace::WhenStored)).unwrap();
    assert_eq!(two.keys(), two.keys_of("d", 2, 2));
}

#[test]
fn what_is_left_of_a_lost_publication_goes_with_the_next() {
    let two = Two::new();
    for damage in [&[&b"DEL"[..], b"d:manifest"][..], &[b"SET", b"d:manifest", b"x"]] {
        two.split_when_free(&two.old);
        two.replace_and_die_after(COMMITTED);
        two.world.redis(damage);
        two.split_when_free(&two.new);
        assert_eq!(two.keys(), two.keys_of("d", 2, 2));
    }
}

#[test]
fn an_empty_manifest_goes_with_its_dataset() {
    let two = Two::new();
    two.world.split(&two.old, "d").unwrap();
    two.world.redis(&[b"SET", b"d:manifest", b""]);
    two.world.wait(catalog::remove(&two.world.store(), &dataset("d"))).unwrap();
    assert!(two.keys().is_empty(), "{:?}", two.keys());
}

#[test]
fn an_altered_chunk_that_is_not_renamed_is_named_as_it_stands() {
    let two = Two::new();
    two.world.split(&two.old, "d").unwrap();
    two.replace_and_die_after(COMMITTED);
    let staged = two.keys().into_iter().find(|key| key.contains(":staged=")).unwrap();
    let length = two.world.value(&staged).len();
    two.world.redis(&[b"SETRANGE", staged.as_bytes(), b"100", b"altered"]);
    let error = two.world.read("d").unwrap_err();
    let Error::Data(DataError::NotAsWritten { key, expected, .. }) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(*key, staged);
    assert!(length > 107 && expected.starts_with("the checksum"), "{error}");
}

/// Goal: a server that lost the commit after it acknowledged it ends with no success. Method: one that is
/// flushed, or put back to the old manifest, before the writer makes order.
#[test]
fn a_commit_that_the_server_lost_is_said_to_be_lost() {
    let two = Two::new();
    let name = dataset("d");
    for flushed in [true, false] {
        two.split_when_free(&two.old);
        let old = two.world.value("d:manifest");
        let stepping = Stepping::new(two.world.store(), COMMITTED);
        let options = publishing(Replace::WhenStored);
        let result = two.world.wait(async {
            let writing = split(&stepping, &two.new, &name, &options, &Unwatched);
            let losing = async {
                wait_until("it committed", async || stepping.stopped()).await;
                let store = two.world.store_async().await;
                let changes = match flushed {
                    true => store.keys("d:*").await.unwrap().into_iter().collect(),
                    false => Vec::new(),
                };
                let mut changes: Vec<_> =
                    changes.into_iter().map(|key| Change::Remove { key }).collect();
                if !flushed {
                    let (key, value) = (manifest_key(&name), old.clone().into());
                    changes.push(Change::Put { key, value, until: None });
                }
                store.apply(&Guard::default(), changes).await.unwrap();
                stepping.go_on();
            };
            tokio::join!(writing, losing).0
        });
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Publish(PublishError::Undone { .. })), "{error:?}");
        assert_eq!(error.class(), ErrorClass::Store);
    }
}
