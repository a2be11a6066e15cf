//! The contract of `ChunkStore`, for every store.

use std::time::Duration;

use arrow_buffer::Buffer;
use arrowredis::checksum::{Checksum, Summed};
use arrowredis::chunk::Payload;
use arrowredis::clock::Timestamp;
use arrowredis::dataset::ChunkId;
use arrowredis::key::{chunk_key, manifest_key};
use arrowredis::manifest::Fingerprint;
use arrowredis::store::{
    Change, ChunkStore, Claimed, Condition, Guard, Life, MemoryStore, RedisStore, StoreError,
};

use crate::support::{World, dataset, wait_until};

const MINUTE: Duration = Duration::from_secs(60);

fn payload(pieces: &[&[u8]]) -> Payload {
    let len = pieces.iter().map(|piece| piece.len()).sum();
    (pieces.iter().map(|piece| Buffer::from(*piece)).collect(), len).into()
}

async fn put<S: ChunkStore>(store: &S, key: &str, value: &[u8]) {
    store.put(key.to_owned(), payload(&[value]), None).await.unwrap();
}

async fn value<S: ChunkStore>(store: &S, key: &str) -> Option<Vec<u8>> {
    let found = store.get(vec![key.to_owned()]).await.unwrap().remove(0);
    found.map(|value| value.to_vec())
}

async fn keeps_the_contract<S: ChunkStore>(store: S) {
    keeps_values(&store).await;
    finds_keys(&store).await;
    lets_keys_vanish(&store).await;
    makes_guarded_changes(&store).await;
    settles_values(&store).await;
    orders_texts(&store).await;
    grants_claims(&store).await;
}

async fn keeps_values<S: ChunkStore>(store: &S) {
    let demo = dataset("demo*[1]");
    let key = |partition, batch| chunk_key(&demo, ChunkId::new(partition, batch));
    let large = vec![7; 3 << 20];

    store.put(key(0, 0), payload(&[b"ab", b"", b"c\0\xff"]), None).await.unwrap();
    assert_eq!(value(store, &key(0, 0)).await.unwrap(), b"abc\0\xff");
    store.put(key(0, 1), payload(&[&large]), None).await.unwrap();
    store.put(key(1, 0), payload(&[]), None).await.unwrap();
    store.put(key(0, 0), payload(&[b"new"]), None).await.unwrap();

    let got = store.get(vec![key(0, 1), key(0, 2), key(0, 0)]).await.unwrap();
    assert_eq!(got[0].as_deref(), Some(&large[..]));
    assert_eq!(got[1], None);
    assert_eq!(got[2].as_deref(), Some(&b"new"[..]));
    assert_eq!(store.get(vec![key(0, 0)]).await.unwrap()[0].as_deref(), Some(&b"new"[..]));
    assert!(store.get(vec![]).await.unwrap().is_empty());
    let summed = store.get_summed(vec![key(0, 1), key(0, 2), key(0, 0)]).await.unwrap();
    assert!(summed[1].is_none());
    for (summed, value) in [(&summed[0], &large[..]), (&summed[2], b"new")] {
        let Summed { value: found, checksum } = summed.as_ref().unwrap();
        assert!(**found == *value && *checksum == Checksum::of(value));
    }

    let keys = vec![key(0, 0), key(9, 9), key(1, 0), key(0, 1)];
    let lengths = store.lengths(keys.clone()).await.unwrap();
    assert_eq!(lengths, [Some(3), None, Some(0), Some(3 << 20)]);
    let memory = store.memory(keys).await.unwrap();
    assert!(memory[1].is_none() && memory[3].unwrap() >= 3 << 20, "{memory:?}");
}

/// Every store must read a pattern as Redis does.
async fn finds_keys<S: ChunkStore>(store: &S) {
    let names = ["g:a", "g:b", "g:ab", "g:a*", "g:a]", "g:^", "g:-", "g:", "g:a/b", "u:ä", "h:a"];
    for name in names {
        put(store, name, b"x").await;
    }
    for (pattern, expected) in [
        ("g:*", &names[..9]),
        ("g:?", &["g:a", "g:b", "g:^", "g:-"]),
        ("g:a*", &["g:a", "g:ab", "g:a*", "g:a]", "g:a/b"]),
        ("g:a\\*", &["g:a*"]),
        ("g:[ab]", &["g:a", "g:b"]),
        ("g:[a-c]", &["g:a", "g:b"]),
        ("g:[c-a]", &["g:a", "g:b"]),
        ("g:[^a]", &["g:b", "g:^", "g:-"]),
        ("g:[\\-^]", &["g:^", "g:-"]),
        ("g:a[\\]]", &["g:a]"]),
        ("g:[ab", &["g:a", "g:b"]),
        ("g:*b", &["g:b", "g:ab", "g:a/b"]),
        ("*:a", &["g:a", "h:a"]),
        ("g:**b*", &["g:b", "g:ab", "g:a/b"]),
        ("u:ä", &["u:ä"]),
        ("g", &[]),
        ("", &[]),
    ] {
        let mut expected: Vec<_> = expected.iter().map(ToString::to_string).collect();
        expected.sort();
        let found: Vec<_> = store.keys(pattern).await.unwrap().into_iter().collect();
        assert_eq!(found, expected, "{pattern}");
    }
}

async fn lets_keys_vanish<S: ChunkStore>(store: &S) {
    let now = store.now().await.unwrap();
    let keys = || ["v:past", "v:soon", "v:never", "v:none"].map(str::to_owned).to_vec();
    let past = Timestamp(now.0 - 1_000);
    store.put("v:past".into(), payload(&[b"x"]), Some(past)).await.unwrap();
    store.put("v:soon".into(), payload(&[b"x"]), Some(now.after(MINUTE))).await.unwrap();
    put(store, "v:never", b"x").await;
    let lives = store.lives(keys()).await.unwrap();
    assert!(matches!(lives[1], Some(Life::For(left)) if left <= MINUTE && left > MINUTE / 2));
    assert_eq!((lives[0], lives[2], lives[3]), (None, Some(Life::Forever), None));
    assert_eq!(value(store, "v:past").await, None);

    let guard = Guard::ends_with("v:none".into(), vec![]);
    let expire = |key: &str, until| Change::Expire { key: key.to_owned(), until };
    let changes = vec![
        expire("v:soon", None),
        expire("v:never", Some(past)),
        expire("v:none", Some(now.after(MINUTE))),
    ];
    assert!(store.apply(&guard, changes).await.unwrap());
    let lives = store.lives(keys()).await.unwrap();
    assert_eq!(lives, [None, Some(Life::Forever), None, None]);
    // Putting a value again ends its time to live.
    store.put("v:soon".into(), payload(&[b"x"]), Some(now.after(MINUTE))).await.unwrap();
    put(store, "v:soon", b"y").await;
    assert_eq!(store.lives(keys()).await.unwrap()[1], Some(Life::Forever));
}

async fn makes_guarded_changes<S: ChunkStore>(store: &S) {
    let manifest = manifest_key(&dataset("c"));
    let until = Some(store.now().await.unwrap().after(MINUTE));
    let guard = |fingerprint: Fingerprint| {
        Guard::ends_with(manifest.clone(), fingerprint.as_bytes().to_vec())
    };
    let put_manifest = |value: &[u8], until| Change::Put {
        key: manifest.clone(),
        value: payload(&[value]),
        until,
    };
    let key = |name: &str| format!("c:{name}");
    store.put(key("staged"), payload(&[b"new"]), until).await.unwrap();
    put(store, &key("own"), b"old").await;
    put(store, &key("gone"), b"old").await;

    let changes = || {
        vec![
            Change::Rename { from: key("staged"), to: key("own") },
            Change::Rename { from: key("nobody"), to: key("gone") },
            Change::Remove { key: key("gone") },
            Change::Remove { key: key("nobody") },
            put_manifest(b"0123456789", until),
        ]
    };
    let other = Fingerprint::of(b"01234567");
    assert!(!store.apply(&guard(other), changes()).await.unwrap());
    assert_eq!(value(store, &key("own")).await.unwrap(), b"old", "nothing was changed");
    assert_eq!(value(store, &manifest).await, None);

    for (name, length, holds) in [("staged", 4, false), ("nobody", 3, false), ("own", 3, true)] {
        let present = vec![(key("staged"), 3), (key(name), length)];
        let guard = Guard { present, ..guard(Fingerprint::ABSENT) };
        assert_eq!(store.apply(&guard, vec![]).await.unwrap(), holds, "{name} {length}");
    }

    assert!(store.apply(&guard(Fingerprint::ABSENT), changes()).await.unwrap());
    assert_eq!(value(store, &key("own")).await.unwrap(), b"new");
    let own_and_manifest = vec![key("own"), manifest.clone()];
    for life in store.lives(own_and_manifest).await.unwrap() {
        assert!(matches!(life, Some(Life::For(_))), "a time to live moves with its key: {life:?}");
    }
    assert_eq!(value(store, &key("staged")).await, None);
    assert_eq!(value(store, &key("gone")).await, None);

    assert!(!store.apply(&guard(Fingerprint::ABSENT), changes()).await.unwrap());
    let seen = Fingerprint::of(b"0123456789");
    assert_eq!(seen, Fingerprint::of(b"23456789"));
    assert!(store.apply(&guard(seen), vec![put_manifest(b"short", None)]).await.unwrap());
    let short = guard(Fingerprint::of(b"short"));
    let remove = vec![Change::Remove { key: manifest.clone() }];
    assert!(store.apply(&short, remove).await.unwrap());
    assert_eq!(value(store, &manifest).await, None);
    assert!(store.apply(&guard(Fingerprint::ABSENT), vec![]).await.unwrap());
}

/// What is settled, put aside or made twice ends as it should.
async fn settles_values<S: ChunkStore>(store: &S) {
    let key = |name: &str| format!("s:{name}");
    let now = store.now().await.unwrap();
    let (soon, later) = (now.after(MINUTE), now.after(10 * MINUTE));
    store.put(key("staged"), payload(&[b"new"]), Some(soon)).await.unwrap();
    store.put(key("own"), payload(&[b"old"]), None).await.unwrap();
    let settle = || Change::Settle {
        from: key("staged"),
        to: key("own"),
        until: None,
        aside: Some((key("aside"), later)),
    };
    // The answer may be lost and the same asked for again.
    for _ in 0..2 {
        assert!(store.apply(&Guard::default(), vec![settle()]).await.unwrap());
        assert_eq!(value(store, &key("own")).await.unwrap(), b"new");
        assert_eq!(value(store, &key("aside")).await.unwrap(), b"old");
    }
    let lives = store.lives(vec![key("own"), key("aside"), key("staged")]).await.unwrap();
    assert_eq!((lives[0], lives[2]), (Some(Life::Forever), None));
    assert!(matches!(lives[1], Some(Life::For(left)) if left > 5 * MINUTE), "{lives:?}");

    let plain =
        Change::Settle { from: key("own"), to: key("last"), until: Some(soon), aside: None };
    assert!(store.apply(&Guard::default(), vec![plain]).await.unwrap());
    let lives = store.lives(vec![key("own"), key("last")]).await.unwrap();
    assert!(lives[0].is_none() && matches!(lives[1], Some(Life::For(_))), "{lives:?}");
}

async fn orders_texts<S: ChunkStore>(store: &S) {
    let key = || "o:fence".to_owned();
    let guard = |text: &str| Guard {
        conditions: vec![Condition::NotAfter { key: key(), text: text.to_owned() }],
        present: vec![],
    };
    assert!(store.apply(&guard("1"), vec![]).await.unwrap(), "nothing comes after nothing");
    put(store, "o:fence", b"0020-b").await;
    for (text, holds) in
        [("0019-z", false), ("0020", false), ("0020-a", false), ("0020-b", true), ("0021", true)]
    {
        assert_eq!(store.apply(&guard(text), vec![]).await.unwrap(), holds, "{text}");
    }
    let both = guard("0021").and(Guard::ends_with("o:nobody".into(), vec![1]));
    assert!(!store.apply(&both, vec![]).await.unwrap(), "all of a guard must hold");
}

async fn grants_claims<S: ChunkStore>(store: &S) {
    let claim = |owner: &'static str| store.claim("claim", owner, MINUTE);
    let is_theirs = |claimed: Claimed, owner: &str| {
        assert!(matches!(&claimed, Claimed::Theirs(text) if text.ends_with(owner)), "{claimed:?}");
    };
    assert_eq!(claim("first").await.unwrap(), Claimed::Ours);
    is_theirs(claim("second").await.unwrap(), "first");
    assert_eq!(claim("first").await.unwrap(), Claimed::Ours, "it is prolonged");
    store.release("claim", "second").await.unwrap();
    is_theirs(claim("second").await.unwrap(), "first");
    store.release("claim", "first").await.unwrap();
    assert_eq!(claim("second").await.unwrap(), Claimed::Ours);
    is_theirs(claim("first").await.unwrap(), "second");
    assert!(matches!(store.lives(vec!["claim".into()]).await.unwrap()[0], Some(Life::For(_))));
    store.release("claim", "second").await.unwrap();

    let at_once = Duration::from_millis(1);
    store.claim("short", "first", at_once).await.unwrap();
    wait_until("the claim ran out", async || {
        matches!(store.claim("short", "second", MINUTE).await.unwrap(), Claimed::Ours)
    })
    .await;
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
fn thousands_of_keys_are_found_once_each() {
    let world = World::new();
    let (store, demo) = (world.store(), dataset("demo"));
    world.wait(async {
        let key = |n: u64| chunk_key(&demo, ChunkId::new(n % 7, n as u32 / 7));
        let puts = (0..5_000).map(|n| store.put(key(n), payload(&[b"x"]), None));
        futures::future::try_join_all(puts).await.unwrap();
        assert_eq!(store.keys("demo:*").await.unwrap().len(), 5_000);
    });
}

/// Goal: whoever runs a command again after it was killed does not have to wait. Method: a claim by
/// a connection that is closed then, without having given it back.
#[test]
fn a_claim_whose_connection_is_gone_can_be_taken_over() {
    let world = World::new();
    let mine = world.store();
    world.wait(async {
        let theirs = RedisStore::connect(&world.server.url()).await.unwrap();
        assert!(matches!(theirs.claim("c", "dead", MINUTE).await.unwrap(), Claimed::Ours));
        assert!(matches!(mine.claim("c", "alive", MINUTE).await.unwrap(), Claimed::Theirs(_)));
        drop(theirs);
        wait_until("the claim was taken over", async || {
            matches!(mine.claim("c", "alive", MINUTE).await.unwrap(), Claimed::Ours)
        })
        .await;
    });
}

#[test]
fn a_server_tells_how_much_room_it_has() {
    let server = arrowredis_throwaway::Server::start_with(&[
        "--maxmemory",
        "100mb",
        "--maxmemory-policy",
        "allkeys-lru",
    ]);
    let server = server.unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let room = runtime.block_on(async {
        RedisStore::connect(&server.url()).await.unwrap().room().await.unwrap().unwrap()
    });
    assert_eq!((room.limit, room.eviction.as_str()), (Some(100 << 20), "allkeys-lru"));
    assert!(room.used > 0 && room.used < 100 << 20, "{room:?}");
    let world = World::new();
    assert_eq!(world.wait(world.store().room()).unwrap().unwrap().limit, None);
}

/// Goal: on a full server a commit is refused as a whole, not half way through.
#[test]
fn a_full_server_refuses_all_changes_or_none() {
    let world = World::new();
    let store = world.store();
    world.wait(put(&store, "old", b"x"));
    world.redis(&[b"CONFIG", b"SET", b"maxmemory", b"1"]);
    let guard = Guard::ends_with("m".into(), vec![]);
    let changes = vec![
        Change::Remove { key: "old".into() },
        Change::Put { key: "m".into(), value: payload(&[b"x"]), until: None },
    ];
    let error = world.wait(store.apply(&guard, changes)).unwrap_err();
    assert!(error.was_refused(), "{error:?}");
    assert_eq!(world.value("old"), b"x");
    // What takes no memory is done.
    let remove = vec![Change::Remove { key: "old".into() }];
    assert!(world.wait(store.apply(&guard, remove)).unwrap());
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
            .block_on(async { RedisStore::connect(&url).await?.keys("x").await })
            .unwrap_err();
        assert!(matches!(error, StoreError::Denied { .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    }
    let right = format!("redis://:right@127.0.0.1:{}/0", server.port());
    runtime.block_on(RedisStore::connect(&right)).unwrap();
}
