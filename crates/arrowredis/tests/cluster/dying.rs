//! Writers that die or are held up before any of their requests, where no script reaches all keys.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arrowredis::catalog::{self, NewLife};
use arrowredis::error::{DataError, Error};
use arrowredis::key::{chunk_key, claim_key, manifest_key};
use arrowredis::progress::Unwatched;
use arrowredis::publish::{PublishError, Replace};
use arrowredis::read::{ReadOptions, read_table};
use arrowredis::split::{SplitOptions, split};
use arrowredis::store::{Change, ChunkStore, Life, RedisStore};
use arrowredis::verify::{verify_dataset, verify_dataset_with_file};

use crate::stepping::Stepping;
use crate::support::{World, dataset, replacing};

/// How long a test waits for what must happen; far beyond what it takes.
const PATIENCE: Duration = Duration::from_secs(60);

const HOUR: Duration = Duration::from_secs(3_600);

/// A cluster, and two files of which the new one has fewer partitions and batches.
struct Two {
    world: World,
    store: RedisStore,
    old: PathBuf,
    new: PathBuf,
}

impl Two {
    fn new() -> Self {
        let world = World::new(3, 0);
        let (old, new) = (world.file(1, 4, 2), world.file(2, 3, 1));
        Self { store: world.store(), world, old, new }
    }

    /// What stands there: the one or the other, whole, or nothing that is taken for a dataset.
    fn standing(&self) -> Option<&Path> {
        let (name, options) = (dataset("d"), ReadOptions::default());
        match self.world.wait(read_table(&self.store, &name, &options, &Unwatched)) {
            Ok((_, report)) => {
                let path = if report.rows == 4 * 2 * 50 { &self.old } else { &self.new };
                assert!(self.is(path));
                Some(path)
            }
            Err(Error::Data(DataError::NoDataset { .. } | DataError::Unfinished { .. })) => None,
            Err(error) => panic!("neither the old nor the new dataset: {error:?}"),
        }
    }

    fn is(&self, path: &Path) -> bool {
        let name = dataset("d");
        let compared = verify_dataset_with_file(&self.store, &name, path, None, &Unwatched);
        self.world.wait(compared).unwrap().equal
    }

    fn keys(&self) -> Vec<String> {
        self.world.wait(self.store.keys("*")).unwrap().into_iter().collect()
    }

    /// All keys but those that vanish by themselves.
    fn immortal_keys(&self) -> Vec<String> {
        let keys = self.keys();
        let lives = self.world.wait(self.store.lives(keys.clone())).unwrap();
        let forever = keys.into_iter().zip(lives).filter(|(_, life)| *life == Some(Life::Forever));
        forever.map(|(key, _)| key).collect()
    }

    /// The keys of a whole dataset of so many partitions and batches, and no others.
    fn keys_of(partitions: u64, batches: u32) -> Vec<String> {
        let name = dataset("d");
        let ids = (0..partitions)
            .flat_map(|p| (0..batches).map(move |b| arrowredis::dataset::ChunkId::new(p, b)));
        let mut keys: Vec<_> = ids.map(|id| chunk_key(&name, id)).collect();
        keys.push(manifest_key(&name));
        keys.sort();
        keys
    }

    /// Runs a verb again until nobody else has the name: a server may take a moment to notice that
    /// somebody died.
    fn when_free<T>(&self, mut verb: impl AsyncFnMut() -> Result<T, Error>) -> T {
        self.world.wait(async {
            let started = Instant::now();
            loop {
                match verb().await {
                    Ok(done) => return done,
                    Err(Error::Publish(PublishError::Claimed { .. })) => {
                        assert!(started.elapsed() < PATIENCE, "the name was not free");
                        tokio::time::sleep(Duration::from_millis(2)).await;
                    }
                    Err(error) => panic!("{error:?}"),
                }
            }
        })
    }

    fn split(&self, file: &Path) {
        let (name, options) = (dataset("d"), replacing());
        self.when_free(async || split(&self.store, file, &name, &options, &Unwatched).await);
    }

    fn remove(&self) {
        let name = dataset("d");
        self.when_free(async || match catalog::remove(&self.store, &name).await {
            Err(Error::Data(DataError::NoDataset { .. })) => Ok(()),
            removed => removed.map(drop),
        });
    }

    /// Runs a verb that stops for ever after so many requests. Whether it came to its end.
    fn dies_after<T>(
        &self,
        steps: usize,
        verb: impl AsyncFnOnce(&Stepping<RedisStore>) -> Result<T, Error>,
    ) -> bool {
        let stepping = Stepping::new(self.world.store(), steps);
        self.world.wait(async {
            tokio::select! {
                done = verb(&stepping) => {
                    done.unwrap();
                    true
                }
                () = until(|| stepping.stopped()) => false,
            }
        })
    }
}

async fn until(happened: impl Fn() -> bool) {
    let started = Instant::now();
    while !happened() {
        assert!(started.elapsed() < PATIENCE, "it did not happen");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn publishing(replace: Replace, keep_replaced: Duration) -> SplitOptions {
    let mut options = replacing();
    (options.publish.replace, options.publish.keep_replaced) = (replace, keep_replaced);
    options
}

/// Goal: wherever a writer dies, readers have the old dataset or the new one, and whoever writes or
/// removes next leaves nothing of what it left. Method: one that stops for ever before its first request,
/// its second one, and so on to its last.
#[test]
fn a_writer_may_die_before_any_of_its_steps() {
    let two = Two::new();
    let name = dataset("d");
    for replace in [Replace::WhenStored, Replace::DropFirst] {
        let mut seen = Vec::new();
        for steps in 0.. {
            two.split(&two.old);
            assert_eq!(two.immortal_keys(), Two::keys_of(4, 2), "before {steps}");
            let options = publishing(replace, Duration::ZERO);
            let done = two.dies_after(steps, async |stepping| {
                split(stepping, &two.new, &name, &options, &Unwatched).await
            });
            let standing = two.standing().map(Path::to_owned);
            let may_be_none = replace == Replace::DropFirst;
            assert!(standing.is_some() || may_be_none, "the dataset is gone after {steps} steps");
            if seen.last() != Some(&standing) {
                seen.push(standing);
            }
            if done {
                assert_eq!(two.immortal_keys(), Two::keys_of(3, 1));
                println!("{replace:?}: {steps} requests");
                break;
            }
            if steps % 2 == 0 {
                two.remove();
                assert!(two.keys().is_empty(), "after {steps}: {:?}", two.keys());
            }
        }
        let (old, new) = (Some(two.old.clone()), Some(two.new.clone()));
        let expected = match replace {
            Replace::DropFirst => vec![old, None, new],
            _ => vec![old, new],
        };
        assert_eq!(seen, expected, "one change, and for good");
    }
}

/// Goal: a writer that is held up and goes on after somebody else has published harms nothing. Method:
/// one that is paused before each of its requests while another one replaces the dataset.
#[test]
fn a_writer_that_was_paused_before_any_of_its_steps_harms_nobody() {
    let two = Two::new();
    let name = dataset("d");
    let third = two.world.file(3, 5, 1);
    for (replace, keep) in [
        (Replace::WhenStored, Duration::ZERO),
        (Replace::WhenStored, HOUR),
        (Replace::DropFirst, Duration::ZERO),
    ] {
        for steps in 0.. {
            two.remove();
            two.split(&two.old);
            let stepping = Stepping::new(two.world.store(), steps);
            let (options, finished) = (publishing(replace, keep), AtomicBool::new(false));
            let (done, was_held_up) = two.world.wait(async {
                let paused = async {
                    let done = split(&stepping, &two.new, &name, &options, &Unwatched).await;
                    finished.store(true, Ordering::Relaxed);
                    done
                };
                let rival = async {
                    until(|| stepping.stopped() || finished.load(Ordering::Relaxed)).await;
                    if finished.load(Ordering::Relaxed) {
                        return false;
                    }
                    let ran_out = vec![Change::Remove { key: claim_key(&name) }];
                    two.store.apply(&Default::default(), ran_out).await.unwrap();
                    split(&two.store, &third, &name, &replacing(), &Unwatched).await.unwrap();
                    stepping.go_on();
                    true
                };
                tokio::join!(paused, rival)
            });
            if !was_held_up {
                done.unwrap();
                println!("{replace:?}, kept {keep:?}: {steps} requests");
                break;
            }
            // Whoever looked at what stands there after the other had published came last.
            let came_last = done.is_ok() && two.is(&two.new);
            assert!(came_last || two.is(&third), "{replace:?} {steps}: {done:?}");
            let whole = two.world.wait(verify_dataset(&two.store, &name, &Unwatched)).unwrap();
            assert!(whole.whole, "{replace:?} {steps}: {whole:?}");
            two.split(&two.old);
            assert!(two.is(&two.old), "{replace:?} {steps}");
        }
    }
}

/// Goal: a removal or a renewal that dies leaves no smaller dataset and nothing for ever.
#[test]
fn a_removal_or_a_renewal_may_die_before_any_of_its_steps() {
    let two = Two::new();
    let name = dataset("d");
    for steps in 0.. {
        two.split(&two.old);
        let done = two.dies_after(steps, async |stepping| catalog::remove(stepping, &name).await);
        let standing = two.standing();
        assert!(standing.is_none() || standing == Some(&*two.old), "{steps}");
        assert!(!done || two.keys().is_empty(), "{:?}", two.keys());
        two.remove();
        assert!(two.keys().is_empty(), "{steps}: {:?}", two.keys());
        if done {
            break;
        }
    }
    for steps in 0.. {
        two.split(&two.old);
        let done = two.dies_after(steps, async |stepping| {
            catalog::touch(stepping, &name, NewLife::For(HOUR)).await
        });
        assert_eq!(two.standing(), Some(&*two.old), "{steps}");
        // Were the manifest lost now, some chunks would vanish and others stay.
        two.world.wait(async {
            let removed = vec![Change::Remove { key: manifest_key(&name) }];
            two.store.apply(&Default::default(), removed).await.unwrap();
        });
        let chunks: Vec<_> = two.keys().into_iter().filter(|key| key.contains(":batch=")).collect();
        let immortal = two.immortal_keys().into_iter().filter(|key| key.contains(":batch="));
        let ends_as_one = [0, chunks.len()].contains(&immortal.count());
        let (options, read) = (ReadOptions::default(), &two.store);
        let read = two.world.wait(read_table(read, &name, &options, &Unwatched)).map(drop);
        assert!(read.is_err() || ends_as_one, "{steps}: {chunks:?}");
        two.remove();
        assert!(two.keys().is_empty(), "{steps}: {:?}", two.keys());
        if done {
            break;
        }
    }
}

/// Goal: a partition's server that loses what it acknowledged (fence, and that chunks have no end) while a
/// dataset is published leaves none that breaks later and was said to be published. Method: before each
/// request of a writer, all fences go and all staged chunks get an end.
#[test]
fn what_a_partition_loses_while_it_is_published_is_made_good_or_said() {
    let two = Two::new();
    let name = dataset("d");
    let mut outcomes = [0, 0];
    for steps in 0.. {
        two.split(&two.old);
        let stepping = Stepping::new(two.world.store(), steps);
        let (options, finished) = (replacing(), AtomicBool::new(false));
        let (done, lost_something) = two.world.wait(async {
            let writing = async {
                let done = split(&stepping, &two.new, &name, &options, &Unwatched).await;
                finished.store(true, Ordering::Relaxed);
                done
            };
            let losing = async {
                until(|| stepping.stopped() || finished.load(Ordering::Relaxed)).await;
                if finished.load(Ordering::Relaxed) {
                    return false;
                }
                let soon = Some(two.store.now().await.unwrap().after(HOUR));
                for key in two.store.keys("d:{part=*").await.unwrap() {
                    let change = if key.ends_with(":fence") {
                        Change::Remove { key }
                    } else if key.contains(":staged=") {
                        Change::Expire { key, until: soon }
                    } else {
                        continue;
                    };
                    two.store.apply(&Default::default(), vec![change]).await.unwrap();
                }
                stepping.go_on();
                true
            };
            tokio::join!(writing, losing)
        });
        if !lost_something {
            done.unwrap();
            break;
        }
        let standing = two.standing().map(Path::to_owned);
        match done {
            Ok(_) => {
                assert_eq!(standing.as_deref(), Some(&*two.new), "{steps}");
                assert_eq!(two.immortal_keys(), Two::keys_of(3, 1), "{steps}");
            }
            Err(error) => println!("{steps}: {error}"),
        }
        outcomes[usize::from(standing.as_deref() == Some(&*two.new))] += 1;
        two.remove();
    }
    println!("old {} times, new {} times", outcomes[0], outcomes[1]);
    assert!(outcomes[1] > 0, "{outcomes:?}");
}
