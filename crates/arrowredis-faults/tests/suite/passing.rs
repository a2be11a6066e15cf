//! Without faults everything passes as it is.

use arrowredis_faults::{Proxy, Schedule};
use arrowredis_throwaway::{Launch, Server};

use crate::talk::{World, bulk, noise};

#[test]
fn bytes_pass_unchanged() {
    let world = World::new(Schedule::none());
    let mut talk = world.talk();
    for length in [0, 1, 100, 65_535, 65_536, 65_537, 3_000_000] {
        let value = noise(length);
        talk.say_all(&[&[b"SET", b"key", &value], &[b"GET", b"key"], &[b"MGET", b"key", b"none"]]);
        let both = [b"*2\r\n", &bulk(&value)[..], b"$-1\r\n"].concat();
        talk.hear(&[b"+OK\r\n", &bulk(&value)[..], &both].concat());
    }
    assert_eq!(world.proxy.injected().commands, 21);
    assert_eq!(world.proxy.injected().connections, 1);
    assert_eq!(world.proxy.injected().total(), 0);
}

#[test]
fn the_newer_protocol_passes_too() {
    let world = World::new(Schedule::none());
    let url = format!("{}?protocol=resp3", world.proxy.url());
    let mut connection = redis::Client::open(url).unwrap().get_connection().unwrap();
    redis::cmd("HSET").arg("hash").arg("field").arg("value").exec(&mut connection).unwrap();
    let found: Vec<(String, String)> =
        redis::cmd("HGETALL").arg("hash").query(&mut connection).unwrap();
    assert_eq!(found, [("field".to_owned(), "value".to_owned())]);
    assert_eq!(world.proxy.injected().commands, 2);
}

#[test]
fn a_replica_follows_through_the_proxy() {
    let master = Server::start().unwrap();
    let proxy = Proxy::start(master.port(), Schedule::none()).unwrap();
    let replica = Launch::new().replica_of(proxy.port()).start().unwrap();
    let connect = |url: String| redis::Client::open(url).unwrap().get_connection().unwrap();
    let mut master = connect(master.url());
    redis::cmd("SET").arg("key").arg(noise(100_000)).exec(&mut master).unwrap();
    // Waits until the replica has it.
    let replicas: u32 = redis::cmd("WAIT").arg(1).arg(30_000).query(&mut master).unwrap();
    assert_eq!(replicas, 1);
    let mut replica = connect(replica.url());
    let found: Vec<u8> = redis::cmd("GET").arg("key").query(&mut replica).unwrap();
    assert_eq!(found, noise(100_000));
}
