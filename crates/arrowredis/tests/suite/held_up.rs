//! Writers that die or are held up between any two requests: readers have the one dataset or the other,
//! and what is left over goes.

use std::path::Path;
use std::time::Duration;

use arrowredis::catalog;
use arrowredis::error::{DataError, Error, ErrorClass};
use arrowredis::key::{claim_key, manifest_key};
use arrowredis::progress::Unwatched;
use arrowredis::publish::{PublishError, Replace};
use arrowredis::report::State;
use arrowredis::split::split;
use arrowredis::store::{Change, ChunkStore, Guard, Life};
use arrowredis::verify::{verify_dataset, verify_dataset_with_file};

use crate::support::stepping::Stepping;
use crate::support::two::{COMMITTED, HOUR, LOOK, STORED, Two, file, publishing};
use crate::support::{dataset, wait_until};

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

/// Goal: chunks that are gone when the commit is made, although they were acknowledged, are no dataset
/// that replaces a whole one. Method: a writer that is held up in between, while they run out.
#[test]
fn chunks_that_run_out_before_the_commit_are_found_out() {
    let two = Two::new();
    let name = dataset("d");
    two.world.split(&two.old, "d").unwrap();
    let stepping = Stepping::new(two.world.store(), STORED);
    let (options, rival) = (publishing(Replace::WhenStored), two.world.store());
    let result = two.world.wait(async {
        let writing = split(&stepping, &two.new, &name, &options, &Unwatched);
        let losing = async {
            wait_until("it stored", async || stepping.stopped()).await;
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
