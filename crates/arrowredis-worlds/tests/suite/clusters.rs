//! Clusters form, fail over, lose nodes and move slots.

use arrowredis_faults::{Proxy, Schedule};
use arrowredis_throwaway::Launch;
use arrowredis_worlds::{Certificates, Cluster, Control};

#[test]
fn a_cluster_fails_over_and_loses_a_master() {
    let mut cluster = Cluster::start(3, 1).unwrap();
    assert_eq!(cluster.masters(), [0, 1, 2]);
    assert_eq!(cluster.replicas_of(1), [4]);
    let master = cluster.master_of("key").unwrap();
    cluster.server(master).command::<()>(&["SET", "key", "value"]).unwrap();

    let heir = cluster.failover(master).unwrap();
    assert_eq!(cluster.master_of("key").unwrap(), heir);
    assert_eq!(cluster.replicas_of(heir), [master]);
    assert_eq!(cluster.server(heir).command::<String>(&["GET", "key"]).unwrap(), "value");

    assert_eq!(cluster.lose(heir).unwrap(), master);
    assert_eq!(cluster.server(master).command::<String>(&["GET", "key"]).unwrap(), "value");
    cluster.restart(heir).unwrap();
    cluster.settled().unwrap();
    assert_eq!(cluster.replicas_of(master), [heir]);
}

#[test]
fn a_slot_on_its_way_is_answered_by_both() {
    let cluster = Cluster::start(2, 0).unwrap();
    let slot = cluster.slot_of("{tag}a").unwrap();
    let from = cluster.master_of_slot(slot).unwrap();
    let to = 1 - from;
    for key in ["{tag}a", "{tag}b"] {
        cluster.server(from).command::<()>(&["SET", key, "value"]).unwrap();
    }
    let refusal = |node: usize, command: &[&str]| {
        let refused = cluster.server(node).command::<redis::Value>(command).unwrap_err();
        refused.code().unwrap().to_owned()
    };

    let migration = cluster.migration(slot, to).unwrap();
    assert_eq!(refusal(from, &["GET", "{tag}absent"]), "ASK");
    assert_eq!(migration.move_keys(1).unwrap(), 1);
    assert_eq!(refusal(from, &["MGET", "{tag}a", "{tag}b"]), "TRYAGAIN");
    assert_eq!(refusal(to, &["GET", "{tag}a"]), "MOVED");
    assert_eq!(migration.move_keys(9).unwrap(), 1);
    assert_eq!(migration.move_keys(9).unwrap(), 0);
    migration.finish().unwrap();

    assert_eq!(cluster.master_of_slot(slot).unwrap(), to);
    assert_eq!(cluster.server(to).command::<String>(&["GET", "{tag}b"]).unwrap(), "value");
    assert_eq!(refusal(from, &["GET", "{tag}a"]), "MOVED");
}

#[test]
fn a_cluster_with_a_password_and_tls() {
    let certificates = Certificates::new().unwrap();
    let tls = certificates.tls(certificates.server(), "optional");
    let cluster = Cluster::start_as(2, 1, &Launch::new().password("secret").tls(tls)).unwrap();
    let slot = cluster.slot_of("key").unwrap();
    let from = cluster.master_of("key").unwrap();
    cluster.server(from).command::<()>(&["SET", "key", "value"]).unwrap();
    cluster.migrate_slot(slot, 1 - from).unwrap();
    assert_eq!(cluster.server(1 - from).command::<String>(&["GET", "key"]).unwrap(), "value");
    assert!(cluster.server(0).tls_url().unwrap().starts_with("rediss://:secret@127.0.0.1:"));
}

#[test]
fn a_cluster_behind_proxies_sends_clients_to_them() {
    let mut cluster = Cluster::start(3, 1).unwrap();
    let mut proxies = Vec::new();
    for node in 0..cluster.len() {
        let port = cluster.server(node).port();
        proxies.push(Proxy::start(port, Schedule::none()).unwrap());
        cluster.announce(node, proxies[node].port()).unwrap();
    }
    let owner = cluster.master_of("key").unwrap();
    let moved = cluster.server((owner + 1) % 3).command::<()>(&["GET", "key"]).unwrap_err();
    assert!(format!("{moved:?}").contains(&format!("127.0.0.1:{}", proxies[owner].port())));

    let heir = cluster.lose(owner).unwrap();
    // What comes back finds its new master by the port that it was told.
    cluster.restart(owner).unwrap();
    cluster.settled().unwrap();
    assert_eq!(cluster.replicas_of(heir), [owner]);
    assert!(proxies[heir].injected().connections > 0);
}
