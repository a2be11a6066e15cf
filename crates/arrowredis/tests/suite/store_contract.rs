//! The contract of `ChunkStore`, for every store.

use arrow_buffer::Buffer;
use arrowredis::chunk::Payload;
use arrowredis::dataset::ChunkId;
use arrowredis::key::chunk_key;
use arrowredis::store::{ChunkStore, MemoryStore, RedisStore, StoreError};

use crate::support::{World, dataset};

fn payload(pieces: &[&[u8]]) -> Payload {
    let len = pieces.iter().map(|piece| piece.len()).sum();
    (pieces.iter().map(|piece| Buffer::from(*piece)).collect(), len).into()
}

async fn keeps_the_contract<S: ChunkStore>(store: S) {
    let demo = dataset("demo*[1]");
    let key = |partition, batch| chunk_key(&demo, ChunkId::new(partition, batch));
    let large = vec![7; 3 << 20];

    store.put(key(0, 0), payload(&[b"ab", b"", b"c\0\xff"])).await.unwrap();
    store.put(key(0, 1), payload(&[&large])).await.unwrap();
    store.put(key(1, 0), payload(&[])).await.unwrap();
    store.put(key(0, 0), payload(&[b"new"])).await.unwrap();

    let got = store.get(vec![key(0, 1), key(0, 2), key(0, 0)]).await.unwrap();
    assert_eq!(got[0].as_deref(), Some(&large[..]));
    assert_eq!(got[1], None);
    assert_eq!(got[2].as_deref(), Some(&b"new"[..]));
    assert_eq!(store.get(vec![key(0, 0)]).await.unwrap()[0].as_deref(), Some(&b"new"[..]));
    assert!(store.get(vec![]).await.unwrap().is_empty());

    let lengths = store.lengths(vec![key(0, 0), key(9, 9), key(1, 0), key(0, 1)]).await.unwrap();
    assert_eq!(lengths, [Some(3), None, Some(0), Some(3 << 20)]);

    // Names that a careless pattern would match, or that are no chunks.
    for other in ["demo1", "demo*[1]x", "demoX[1]"] {
        store.put(chunk_key(&dataset(other), ChunkId::new(0, 5)), payload(&[b"x"])).await.unwrap();
    }
    store.put("demo*[1]:{part=00000}:batch=00007:staged=1".into(), payload(&[b"x"])).await.unwrap();
    let listed: Vec<_> = store.list(&demo).await.unwrap().into_iter().collect();
    assert_eq!(listed, [ChunkId::new(0, 0), ChunkId::new(0, 1), ChunkId::new(1, 0)]);
}

#[test]
fn redis_keeps_the_contract() {
    let world = World::new();
    world.wait(keeps_the_contract(world.store()));
}

#[tokio::test]
async fn memory_keeps_the_contract() {
    keeps_the_contract(MemoryStore::new()).await;
}

#[test]
fn thousands_of_keys_are_listed_once_each() {
    let world = World::new();
    let (store, demo) = (world.store(), dataset("demo"));
    world.wait(async {
        let puts = (0..5_000).map(|n| {
            store.put(chunk_key(&demo, ChunkId::new(n % 7, n as u32 / 7)), payload(&[b"x"]))
        });
        futures::future::try_join_all(puts).await.unwrap();
        assert_eq!(store.list(&demo).await.unwrap().len(), 5_000);
    });
}

#[test]
fn a_key_of_another_type_is_named() {
    let world = World::new();
    world.redis(&[b"LPUSH", b"demo:{part=00000}:batch=00000", b"x"]);
    let keys = vec!["demo:{part=00000}:batch=00000".to_owned()];
    let error = world.wait(world.store().lengths(keys)).unwrap_err();
    assert!(matches!(&error, StoreError::NotAChunk { key } if key.starts_with("demo:")), "{error}");
}

#[test]
fn an_address_without_a_server_is_named_without_its_password() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("redis://somebody:s3cret@127.0.0.1:{port}/3");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let error = runtime.block_on(RedisStore::connect(&url)).unwrap_err();
    assert!(matches!(error, StoreError::Connect { .. }), "{error:?}");
    let shown = format!("{error} {error:?}");
    assert!(shown.contains(&format!("redis://127.0.0.1:{port}/3")), "{shown}");
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[test]
fn an_unreadable_address_is_not_repeated() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for url in
        ["http://:s3cret@localhost", "redis://:s3cret@localhost/x", "s3cret", "redis://:s3cret@[::"]
    {
        let error = runtime.block_on(RedisStore::connect(url)).unwrap_err();
        assert!(matches!(error, StoreError::Address { .. }), "{url}: {error:?}");
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    }
}

#[test]
fn a_wrong_password_is_denied_at_once() {
    let server = arrowredis_throwaway::Server::start_with(&["--requirepass", "right"]).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let wrong = format!("redis://:s3cret@127.0.0.1:{}/0", server.port());
    for url in [wrong, server.url()] {
        let error = runtime
            .block_on(async { RedisStore::connect(&url).await?.list(&dataset("x")).await })
            .unwrap_err();
        assert!(matches!(error, StoreError::Denied { .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    }
    let right = format!("redis://:right@127.0.0.1:{}/0", server.port());
    runtime.block_on(RedisStore::connect(&right)).unwrap();
}
