//! States of a server that stand while the command runs: how it ends, what it says, and what can be
//! read afterwards.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use arrowredis_throwaway::Launch;
use arrowredis_worlds::{Control, until};

use crate::scenario::{AT_ONCE, SOON};
use crate::support::World;

/// Goal: a server that fills up in the middle. Method: zstd makes the chunks' sizes unknown before, and
/// there is room for some of them only.
#[test]
fn a_full_server_is_named_with_its_memory_and_keeps_the_old_dataset() {
    let world = World::with_dataset(Launch::new(), 20_000);
    let used: u64 = world.server().info("used_memory").unwrap().unwrap().parse().unwrap();
    let limit = (used + 4_000_000).to_string();
    world.server().command::<()>(&["CONFIG", "SET", "maxmemory", &limit]).unwrap();
    world
        .meets("full", "split --inp b --prefix p --replace --compression zstd")
        .ended(3, AT_ONCE, &["chunks; nothing of it was published", "is full", "OOM", &limit])
        .at_the_first_attempt();
    world.stands("a");
}

/// Goal: a server that drops keys is warned of before, and what it dropped is named. Method: the policy
/// drops what is seldom used, and the manifest is used often.
#[test]
fn a_server_that_evicts_is_warned_of_and_what_it_dropped_is_named() {
    let arguments = ["--maxmemory-policy", "allkeys-lfu", "--maxmemory-samples", "64"];
    let world = World::with(Launch::new().arguments(&arguments));
    world.two_files(20_000);
    world.meets("evicting: upload", "split --inp a --prefix p").ended(
        0,
        SOON,
        &["may drop chunks", "allkeys-lfu", "noeviction"],
    );
    let server = world.server();
    for _ in 0..200 {
        server.command::<()>(&["GET", "p:manifest"]).unwrap();
    }
    let used: u64 = server.info("used_memory").unwrap().unwrap().parse().unwrap();
    let limit = (used - 3_000_000).to_string();
    server.command::<()>(&["CONFIG", "SET", "maxmemory", &limit]).unwrap();
    until("a key that is dropped", || {
        Ok((server.info("evicted_keys")?.as_deref() != Some("0")).then_some(()))
    })
    .unwrap();
    for line in ["read --prefix p", "read --prefix p --out copy"] {
        world.meets("evicting: read", line).ended(4, AT_ONCE, &["p:{part=0000"]);
    }
    assert_eq!(world.files(), ["a", "b"]);
}

/// Goal: a server that loads for some seconds is waited for. Method: it takes a millisecond a key, and
/// answers meanwhile.
#[test]
fn a_server_that_loads_is_waited_for() {
    let slowly = ["--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024"];
    let mut world = World::with_dataset(Launch::new().arguments(&slowly), 2_000);
    let server = world.server();
    let fill = "for i = 1, 4000 do redis.call('set', 'k' .. i, 'x') end";
    server.command::<()>(&["EVAL", fill, "0"]).unwrap();
    server.command::<()>(&["SAVE"]).unwrap();
    let (port, url) = (server.port(), server.url());
    let mut server = world.server.take().unwrap();
    world.url = Some(url);
    // It is ready, in its own words, when it has loaded.
    let server = std::thread::spawn(move || {
        server.restart().unwrap();
        server
    });
    until("a server that loads", || Ok(ping(port)?.starts_with("-LOADING").then_some(()))).unwrap();
    world
        .meets("loading, no retries", "read --prefix p --retries 0")
        .ended(3, AT_ONCE, &["LOADING", "wait until it is done"])
        .at_the_first_attempt();
    let met = world.meets("loading", "verify p a");
    met.ended(0, SOON, &["waiting for", "LOADING"]);
    world.server = Some(server.join().unwrap());
    world.stands("a");
}

fn ping(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.write_all(b"PING\r\n")?;
    let mut answer = [0; 64];
    let length = stream.read(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}

#[test]
fn a_replica_refuses_uploads_and_serves_reads() {
    let world = World::with_dataset(Launch::new(), 2_000);
    let replica = Launch::new().replica_of(world.server().port()).start().unwrap();
    replica.in_sync().unwrap();
    let world = world.at(replica.url());
    world.meets("replica", "split --inp b --prefix p --replace").ended(
        3,
        SOON,
        &["READONLY", "(6 attempts in", "is a replica", "redis+sentinel://"],
    );
    world.stands("a");
}

/// Goal: a server that cannot save its snapshot refuses writes. Method: the folder that it saves to is
/// removed.
#[test]
fn a_server_that_cannot_persist_refuses_uploads_and_serves_reads() {
    let saving = ["--save", "3600 1", "--enable-protected-configs", "local"];
    let world = World::with_dataset(Launch::new().arguments(&saving), 2_000);
    let (server, folder) = (world.server(), tempfile::tempdir().unwrap());
    let path = folder.path().to_str().unwrap();
    server.command::<()>(&["CONFIG", "SET", "dir", path]).unwrap();
    fs::remove_dir(path).unwrap();
    server.command::<()>(&["BGSAVE"]).unwrap();
    until("a snapshot that fails", || {
        Ok((server.info("rdb_last_bgsave_status")?.as_deref() == Some("err")).then_some(()))
    })
    .unwrap();
    world
        .meets("cannot persist", "split --inp b --prefix p --replace")
        .ended(3, AT_ONCE, &["MISCONF", "cannot persist", "its log and its disk"])
        .at_the_first_attempt();
    world.stands("a");
}

/// Goal: a server that takes no more connections. Method: all that it allows are held open.
#[test]
fn a_server_without_free_connections_is_given_up_soon() {
    let world = World::with_dataset(Launch::new().arguments(&["--maxclients", "4"]), 2_000);
    let port = world.server().port();
    let hold = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(b"PING\r\n").unwrap();
        let mut answer = [0; 7];
        stream.read_exact(&mut answer).ok().filter(|()| answer == *b"+PONG\r\n").map(|()| stream)
    };
    // One that has just ended may still count.
    let mut held = Vec::new();
    until("connections that are all taken", || {
        held.extend(hold());
        Ok((held.len() == 4).then_some(()))
    })
    .unwrap();
    world.meets("no connection free", "read --prefix p --retries 2").ended(
        3,
        AT_ONCE,
        &["refuses the connection (3 attempts in", "max number of clients", "--connections"],
    );
    drop(held);
    world.stands("a");
}

#[test]
fn a_frozen_server_is_given_up_when_nothing_moves() {
    let world = World::with_dataset(Launch::new(), 2_000);
    world.server().freeze().unwrap();
    for line in ["read --prefix p", "split --inp b --prefix p --replace"] {
        let line = format!("{line} --timeout 1s --connect-timeout 1s --retries 1");
        world.meets("frozen", &line).ended(
            3,
            SOON,
            &["cannot connect", "(2 attempts in", "within 1s"],
        );
    }
    world.server().thaw().unwrap();
    world.stands("a");
}

#[test]
fn a_server_that_thaws_is_waited_for() {
    let world = World::with_dataset(Launch::new(), 2_000);
    world.server().freeze().unwrap();
    let line = "split --inp b --prefix p --replace --timeout 1s --connect-timeout 1s";
    let running = world.begins_line("frozen and thawed", line);
    running.says("waiting for");
    world.server().thaw().unwrap();
    running.ends().ended(0, SOON, &["no connection within 1s"]);
    world.stands("b");
}
