//! Every verb, as on one server.

use std::time::Duration;

use arrowredis::catalog::{self, NewLife};
use arrowredis::error::{DataError, Error};
use arrowredis::progress::Unwatched;
use arrowredis::publish::PublishOptions;
use arrowredis::read::{ReadOptions, read_batches, read_table, read_to_file};
use arrowredis::report::State;
use arrowredis::split::split;
use arrowredis::store::{
    ChunkStore, ClusterMode, ConnectOptions, Life, ReadFrom, RedisStore, StoreError,
};
use arrowredis::verify::verify_dataset;
use arrowredis_worlds::Control;
use futures::TryStreamExt;

use crate::support::{World, dataset, replacing};

const HOUR: Duration = Duration::from_secs(3_600);

/// All keys, so that what is left behind is seen.
fn keys(world: &World) -> Vec<String> {
    world.wait(world.store().keys("*")).unwrap().into_iter().collect()
}

#[test]
fn every_verb_works_on_a_cluster_that_is_found_out_by_itself() {
    let world = World::new(3, 0);
    let (old, new) = (world.file(1, 16, 3), world.file(2, 12, 2));
    let (store, name) = (world.store(), dataset("d"));
    let report = world.wait(split(&store, &old, &name, &Default::default(), &Unwatched)).unwrap();
    assert_eq!((report.chunks, report.replaced), (48, false));
    assert!(world.is("d", &old));
    assert_eq!(keys(&world).len(), 49, "chunks and manifest, nothing else: {:?}", keys(&world));

    let taken = world.wait(split(&store, &new, &name, &Default::default(), &Unwatched));
    assert!(taken.unwrap_err().to_string().contains("exists"));
    assert!(world.split(&new, "d").unwrap().replaced);
    assert!(world.is("d", &new));
    assert_eq!(keys(&world).len(), 25, "{:?}", keys(&world));

    let out = world.folder.path().join("out.arrow");
    let options = ReadOptions { partitions: "0-3,7".parse().unwrap(), ..ReadOptions::default() };
    let read = read_to_file(&store, &name, &out, None, &options, &Unwatched);
    assert_eq!(world.wait(read).unwrap().rows, 5 * 2 * 50);
    let batches: Vec<_> = world.wait(async {
        let stream = read_batches(&store, &name, &ReadOptions::default()).await.unwrap();
        stream.try_collect().await.unwrap()
    });
    assert_eq!(batches.len(), 24);

    assert!(world.wait(verify_dataset(&store, &name, &Unwatched)).unwrap().whole);
    assert_eq!(world.wait(store.ceiling("c", &[1, 2, 3])).unwrap(), None, "one line tells nothing");
    let info = world.wait(catalog::info(&store, &name)).unwrap();
    assert_eq!((info.state, info.chunks), (State::Whole, 24));

    world.wait(catalog::alias(&store, &dataset("a"), &name)).unwrap();
    assert_eq!(world.rows("a").unwrap(), 12 * 2 * 50);
    let (options, copy) = (PublishOptions::default(), dataset("copy"));
    let copied = catalog::copy(&store, &name, &store, &copy, &options, &Unwatched);
    assert_eq!(world.wait(copied).unwrap().chunks, 24);
    assert!(world.is("copy", &new));
    let listed = world.wait(catalog::list(&store, "*")).unwrap().entries;
    let names: Vec<_> = listed.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["a", "copy", "d"]);

    for (life, expected) in [(NewLife::For(HOUR), true), (NewLife::Forever, false)] {
        world.wait(catalog::touch(&store, &name, life)).unwrap();
        let keys: Vec<_> = keys(&world).into_iter().filter(|key| key.starts_with("d:")).collect();
        assert_eq!(keys.len(), 25, "{keys:?}");
        let lives = world.wait(store.lives(keys)).unwrap();
        let mortal =
            lives.iter().all(|life| matches!(life, Some(Life::For(left)) if *left <= HOUR));
        assert_eq!(mortal, expected, "{lives:?}");
    }

    for name in ["a", "copy", "d"] {
        world.wait(catalog::remove(&store, &dataset(name))).unwrap();
    }
    assert!(keys(&world).is_empty(), "{:?}", keys(&world));
    assert!(matches!(world.rows("d"), Err(Error::Data(DataError::NoDataset { .. }))));
}

#[test]
fn another_programs_chunks_are_found_on_all_nodes_and_adopted() {
    let world = World::new(3, 0);
    let (file, store, name) = (world.file(1, 16, 3), world.store(), dataset("d"));
    world.split(&file, "d").unwrap();
    let manifest = arrowredis::key::manifest_key(&name);
    let remove = vec![arrowredis::store::Change::Remove { key: manifest }];
    world.wait(store.apply(&Default::default(), remove)).unwrap();
    assert_eq!(world.rows("d").unwrap(), 16 * 3 * 50);
    world.wait(catalog::adopt(&store, &name, &Unwatched)).unwrap();
    assert!(world.is("d", &file));
    assert_eq!(keys(&world).len(), 49, "{:?}", keys(&world));
}

#[test]
fn replicas_hand_out_chunks_where_that_is_asked_for() {
    let world = World::new(3, 1);
    let file = world.file(1, 16, 3);
    world.split(&file, "d").unwrap();
    // A node tells of another's replica some time after that has joined.
    arrowredis_worlds::until("a node that tells of all replicas", || {
        let slots: Vec<Vec<redis::Value>> =
            world.cluster.server(world.cluster.running()[0]).command(&["CLUSTER", "SLOTS"])?;
        Ok(slots.iter().all(|range| range.len() == 4).then_some(()))
    })
    .unwrap();
    let options = ConnectOptions { read_from: ReadFrom::Replica, ..ConnectOptions::default() };
    let store = world.store_with(options);
    let (name, options) = (dataset("d"), ReadOptions::default());
    let read = read_table(&store, &name, &options, &Unwatched);
    assert_eq!(world.wait(read).unwrap().1.rows, 16 * 3 * 50);
    let asked: u64 = world
        .cluster
        .masters()
        .into_iter()
        .flat_map(|master| {
            world.cluster.replicas_of(master).into_iter().map(|replica| gets(&world, replica))
        })
        .sum();
    assert_eq!(asked, 48, "each chunk came from a replica, none from the stream of replication");
}

/// How many GETs a node has served.
fn gets(world: &World, node: usize) -> u64 {
    let client = redis::Client::open(world.cluster.url(node)).unwrap();
    let mut connection = client.get_connection().unwrap();
    let info: String = redis::cmd("INFO").arg("commandstats").query(&mut connection).unwrap();
    let line = info.lines().find_map(|line| line.strip_prefix("cmdstat_get:calls="));
    line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
}

#[test]
fn a_cluster_that_must_not_be_one_is_an_error_that_says_so() {
    let world = World::new(3, 0);
    let options = ConnectOptions { cluster: ClusterMode::Off, ..ConnectOptions::default() };
    let store = world.store_with(options);
    let keys = (0..16).map(|n| format!("d:{{part={n:05}}}:batch=00000"));
    let error = keys.map(|key| world.wait(store.get(vec![key]))).find_map(Result::err).unwrap();
    assert!(matches!(error, StoreError::Cluster { .. }), "{error:?}");
    assert!(error.to_string().contains("--cluster on"), "{error}");
    let on = ConnectOptions { cluster: ClusterMode::On, ..ConnectOptions::default() };
    let several = world
        .cluster
        .urls()
        .iter()
        .map(|url| url.trim_start_matches("redis://").trim_end_matches("/0").to_owned())
        .collect::<Vec<_>>()
        .join(",");
    let store = world.wait(RedisStore::connect_with(&format!("redis://{several}"), on)).unwrap();
    let file = world.file(1, 2, 2);
    world.wait(split(&store, &file, &dataset("d"), &replacing(), &Unwatched)).unwrap();
    assert!(world.is("d", &file));
}
