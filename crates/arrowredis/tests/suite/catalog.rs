//! Names, copies, removals, adoption and lists of datasets.

use std::time::Duration;

use arrowredis::catalog;
use arrowredis::dataset::ChunkId;
use arrowredis::error::{DataError, Error, ErrorClass};
use arrowredis::key::chunk_key;
use arrowredis::progress::Unwatched;
use arrowredis::publish::{PublishError, PublishOptions, Replace};
use arrowredis::report::State;
use arrowredis::store::Life;
use arrowredis::verify::verify_dataset_with_file;

use crate::support::two::{BEGIN_REPLACING, Two, file, publishing};
use crate::support::{World, dataset, wait_until};

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
