//! Ways to a server and the options of the connection: sockets, protocols, databases, connections, how
//! long is waited, how often is tried; and servers that keep commands to themselves.

use std::net::TcpListener;

use arrowredis_faults::{Answer, Fault, Proxy, Schedule};
use arrowredis_throwaway::Launch;
use arrowredis_worlds::Control;

use crate::scenario::{AT_ONCE, SOON};
use crate::support::World;

#[test]
fn a_socket_of_the_machine_is_used() {
    for launch in [Launch::new(), Launch::new().password("secret")] {
        let world = World::with(launch.unix_socket());
        world.two_files(500);
        let url = world.server().unix_url().unwrap();
        let world = world.at(url);
        world.meets("Unix socket", "split --inp a --prefix p").ended(0, SOON, &[]);
        world.stands("a");
    }
    let world = World::without_server().at("unix:///nowhere/redis.sock");
    world.meets("no socket", "read --prefix p").ended(
        3,
        AT_ONCE,
        &["unix:///nowhere/redis.sock", "No such file"],
    );
}

#[test]
fn every_protocol_database_and_number_of_connections_does_the_same() {
    let world = World::with_server();
    world.two_files(500);
    let base = world.server().url();
    for (database, query) in [(0, ""), (3, ""), (0, "?protocol=resp3"), (7, "?protocol=resp3")] {
        let url = format!("{}/{database}{query}", base.trim_end_matches("/0"));
        for connections in [1, 4] {
            let more = format!("--connections {connections} --redis-url {url}");
            let state = format!("database {database} {query} {connections} connections");
            for line in [
                "split --inp a --prefix p --replace",
                "read --prefix p",
                "verify p a",
                "rm p --yes",
            ] {
                world.meets(&state, &format!("{line} {more}")).ended(0, SOON, &[]);
            }
        }
    }
}

/// Goal: no attempt is made twice with `--retries 0`, whatever could pass by itself.
#[test]
fn without_retries_the_first_trouble_ends_it() {
    let world = World::with_dataset(Launch::new(), 500);
    let port = world.server().port();
    let mut url = world.server().url();
    for fault in [
        Fault::Answer { answer: Answer::Loading, commands: 1 },
        Fault::Answer { answer: Answer::Busy, commands: 1 },
        Fault::LoseReply,
        Fault::CutBeforeRequest,
    ] {
        let proxy = Proxy::start(port, Schedule::once(1, fault)).unwrap();
        url = proxy.url();
        let line = format!("read --prefix p --retries 0 --redis-url {url}");
        world.meets("no retries", &line).ended(3, AT_ONCE, &[]).at_the_first_attempt();
        let line = format!("verify p a --redis-url {url}");
        world.meets("once more", &line).ended(0, SOON, &[]);
    }
    drop(url);
}

/// Goal: a server that takes connections and says nothing is given up in time, and so is one that falls
/// silent later.
#[test]
fn what_stays_silent_is_given_up_in_time() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}/0", silent.local_addr().unwrap());
    let world = World::with_dataset(Launch::new(), 500);
    let line = format!("read --prefix p --connect-timeout 500ms --retries 0 --redis-url {url}");
    world.meets("silent from the start", &line).ended(3, AT_ONCE, &["no connection within 500ms"]);
    for after in [0, 2] {
        let proxy =
            Proxy::start(world.server().port(), Schedule::permanent(after, Fault::Hang)).unwrap();
        for line in ["read --prefix p", "split --inp b --prefix p --replace"] {
            let line = format!("{line} --timeout 500ms --retries 1 --redis-url {}", proxy.url());
            let state = format!("silent from command {after} on");
            world.meets(&state, &line).ended(3, SOON, &["(2 attempts in", "--timeout"]);
        }
        world.stands("a");
    }
}

/// Goal: a server that knows neither CONFIG, INFO, CLIENT nor MEMORY, as hosted ones do not, is enough.
#[test]
fn a_server_that_keeps_commands_to_itself_is_used() {
    let hidden = ["CONFIG", "INFO", "CLIENT", "MEMORY"].map(|name| ["--rename-command", name, ""]);
    let world = World::with(Launch::new().arguments(hidden.as_flattened()));
    world.two_files(20_000);
    for line in [
        "split --inp a --prefix p",
        "split --inp b --prefix p --replace --ttl 1h",
        "info p",
        "touch p --ttl 2h",
        "cp p q",
        "verify q b",
        "rm q --yes",
    ] {
        world.meets("hosted", line).ended(0, SOON, &[]);
    }
    assert!(world.server().command::<()>(&["INFO"]).is_err());
    world.stands("b");
}
