//! Times to live: of all keys of a dataset or of none.

use std::time::Duration;

use arrowredis::catalog::{self, NewLife};
use arrowredis::error::ErrorClass;
use arrowredis::generate::{GenerateOptions, generate};
use arrowredis::progress::Unwatched;
use arrowredis::publish::Replace;
use arrowredis::store::{ChunkStore, Life};

use crate::support::stepping::Stepping;
use crate::support::two::{HOUR, Two, publishing};
use crate::support::{World, dataset, wait_until};

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
