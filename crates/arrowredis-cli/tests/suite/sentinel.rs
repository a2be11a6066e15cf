//! A primary that Sentinels name, and the one that takes its place.

use arrowredis_throwaway::Server;
use arrowredis_worlds::{Control, Sentinels, until};

use crate::scenario::{AT_ONCE, SOON};
use crate::support::World;

fn address(sentinels: &Sentinels, service: &str) -> String {
    let hosts: Vec<_> = sentinels
        .urls()
        .iter()
        .map(|url| url.trim_start_matches("redis://").trim_end_matches("/0").to_owned())
        .collect();
    format!("redis+sentinel://{}/{service}/0", hosts.join(","))
}

fn world(sentinels: &Sentinels) -> World {
    let world = World::without_server().at(address(sentinels, sentinels.name()));
    world.two_files(20_000);
    world
}

/// Waits until both servers have come as far.
fn replicated(master: &Server, replica: &Server) {
    until("a replica that has everything", || {
        let offset = |server: &Server, field| server.info(field);
        let come = offset(replica, "slave_repl_offset")?;
        Ok((come.is_some() && come == offset(master, "master_repl_offset")?).then_some(()))
    })
    .unwrap();
}

#[test]
fn the_primary_is_found_also_after_another_one_took_over() {
    let mut sentinels = Sentinels::start().unwrap();
    let world = world(&sentinels);
    world.meets("Sentinel", "split --inp a --prefix p").ended(0, SOON, &[]);
    let master = sentinels.master().unwrap();
    let servers = sentinels.servers();
    replicated(&servers[master], &servers[1 - master]);
    sentinels.lose_master().unwrap();
    for line in ["verify p a", "split --inp b --prefix p --replace", "verify p b"] {
        world.meets("after a failover", line).ended(0, SOON, &[]);
    }
    // Sentinels that are gone are passed over.
    sentinels.sentinels()[0].kill().unwrap();
    world.meets("a Sentinel is gone", "verify p b").ended(0, SOON, &[]);
}

/// Goal: a primary that freezes in the middle of an upload, until a replica takes over. The upload ends
/// with success, or says that it did not publish; readers get one dataset or the other, whole.
#[test]
fn an_upload_that_a_failover_meets_is_whole_or_not_there() {
    let mut sentinels = Sentinels::start().unwrap();
    let world = world(&sentinels);
    world.done("split --inp a --prefix p");
    let master = sentinels.master().unwrap();
    let servers = sentinels.servers();
    replicated(&servers[master], &servers[1 - master]);
    let keys = |server: &Server| server.command::<u64>(&["DBSIZE"]);
    let before = keys(&servers[master]).unwrap();
    let line =
        "split --inp b --prefix p --replace --compression zstd --timeout 2s --connect-timeout 2s";
    let running = world.begins_line("failover in an upload", line);
    until("an upload that has begun", || Ok((keys(&servers[master])? > before).then_some(())))
        .unwrap();
    servers[master].freeze().unwrap();
    until("another primary", || {
        Ok((servers[1 - master].info("role")?.as_deref() == Some("master")).then_some(()))
    })
    .unwrap();
    let met = running.ends();
    if met.ran.code == 0 {
        world.stands("b");
    } else {
        met.ended(3, SOON, &["p"]);
        world.stands("a");
    }
    sentinels.servers()[master].thaw().unwrap();
}

#[test]
fn what_is_no_service_and_what_is_no_server_is_named() {
    let sentinels = Sentinels::start().unwrap();
    let world = world(&sentinels).at(address(&sentinels, "nobody"));
    world.meets("unknown service", "read --prefix p --retries 2").ended(
        3,
        AT_ONCE,
        &["knows no service 'nobody'"],
    );
    let sentinel = sentinels.urls()[0].clone();
    world.meets("a Sentinel as server", &format!("read --prefix p --redis-url {sentinel}")).ended(
        2,
        AT_ONCE,
        &["a Sentinel", "redis+sentinel://"],
    );
}
