//! Values that are longer than a server takes: refused before they are sent where the server says what
//! it takes, and else after an attempt or two.

use arrowredis_throwaway::Launch;
use arrowredis_worlds::Control;

use crate::scenario::{AT_ONCE, SOON};
use crate::support::World;

/// Chunks are 1.5 MB, and the server takes 1 MiB.
const ROWS: u32 = 20_000;

fn world() -> World {
    let user = ["~*", "+@all", "-config"];
    let world = World::with(
        Launch::new().arguments(&["--proto-max-bulk-len", "1mb"]).user("u", "u", &user),
    );
    world.two_files(ROWS);
    world
}

#[test]
fn a_value_that_is_too_long_is_not_sent() {
    let world = world();
    world
        .meets("proto-max-bulk-len", "split --inp a --prefix p")
        .ended(3, AT_ONCE, &["1048576", "proto-max-bulk-len", "--max-chunk-bytes", "'p:{part="])
        .at_the_first_attempt();
    let received = world.server().info("total_net_input_bytes").unwrap().unwrap();
    assert!(received.parse::<u64>().unwrap() < 1 << 20, "{received}");
}

/// Goal: a server that does not say what it takes, and ends the connection when it is sent too much, is
/// not tried for long.
#[test]
fn a_value_that_ends_the_connection_is_sent_twice_at_most() {
    let world = world();
    let url = world.server().url().replace("redis://", "redis://u:u@");
    let met =
        world.meets("CONFIG is forbidden", &format!("split --inp a --prefix p --redis-url {url}"));
    met.ended(
        3,
        SOON,
        &["closed the connection", "bytes", "proto-max-bulk-len", "client-query-buffer-limit"],
    );
    assert!(met.ran.stderr.contains("once") || met.ran.stderr.contains("twice"));
    world.meets("afterwards", "read --prefix p").ended(4, AT_ONCE, &["no manifest"]);
}

#[test]
fn a_query_buffer_that_is_too_small_is_named() {
    let arguments = ["--client-query-buffer-limit", "1mb"];
    let world = World::with(Launch::new().arguments(&arguments));
    world.two_files(ROWS);
    world
        .meets("client-query-buffer-limit", "split --inp a --prefix p")
        .ended(3, AT_ONCE, &["client-query-buffer-limit", "--max-chunk-bytes"])
        .at_the_first_attempt();
}
