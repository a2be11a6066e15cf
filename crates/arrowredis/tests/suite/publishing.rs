//! Datasets appear and go as a whole, or the writer is told why not.

use arrow_schema::Schema;
use arrowredis::catalog;
use arrowredis::checksum::Checksum;
use arrowredis::clock::Timestamp;
use arrowredis::dataset::{ChunkId, DatasetId};
use arrowredis::error::{DataError, Error, ErrorClass};
use arrowredis::generate::{GenerateOptions, generate};
use arrowredis::ipc::Codec;
use arrowredis::key::{claim_key, manifest_key};
use arrowredis::manifest::{ChunkEntry, Entry, Manifest, StoredCodec};
use arrowredis::progress::Unwatched;
use arrowredis::publish::{PublishError, Replace};
use arrowredis::split::{SplitOptions, split};
use arrowredis::store::{ChunkStore, Claimed, Life, MemoryStore};
use arrowredis::verify::verify_dataset_with_file;

use crate::support::stepping::Stepping;
use crate::support::two::{BEGIN_NEW, COMMITTED, HOUR, Two, publishing};
use crate::support::{World, dataset, wait_until};

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
    // Then the claim is confirmed, and comes the commit.
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
