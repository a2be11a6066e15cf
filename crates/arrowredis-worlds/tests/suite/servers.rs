//! One server, started in each way, killed, frozen and started again.

use arrowredis_throwaway::{Launch, Server};
use arrowredis_worlds::{Control, until};

#[test]
fn a_killed_server_comes_back_empty_on_its_port() {
    let mut server = Server::start().unwrap();
    let (port, pid) = (server.port(), server.pid());
    server.command::<()>(&["SET", "key", "value"]).unwrap();
    server.kill().unwrap();
    assert!(server.command::<()>(&["PING"]).is_err());
    server.restart().unwrap();
    assert_eq!(server.port(), port);
    assert_ne!(server.pid(), pid);
    assert_eq!(server.command::<u32>(&["DBSIZE"]).unwrap(), 0);
}

#[test]
fn a_persistent_server_comes_back_with_its_data_unless_it_is_emptied() {
    let mut server = Launch::new().persistent().start().unwrap();
    server.command::<()>(&["SET", "key", "value"]).unwrap();
    server.kill().unwrap();
    server.restart().unwrap();
    assert_eq!(server.command::<u32>(&["DBSIZE"]).unwrap(), 1);
    server.restart_empty().unwrap();
    assert_eq!(server.command::<u32>(&["DBSIZE"]).unwrap(), 0);
}

#[test]
fn a_frozen_server_answers_when_it_is_thawed() {
    let server = Server::start().unwrap();
    server.freeze().unwrap();
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| server.command::<String>(&["PING"]).unwrap());
        assert!(!asked.is_finished());
        server.thaw().unwrap();
        assert_eq!(asked.join().unwrap(), "PONG");
    });
}

#[test]
fn a_frozen_server_ends_when_it_is_dropped() {
    let server = Server::start().unwrap();
    let (port, folder) = (server.port(), server.folder().to_owned());
    server.freeze().unwrap();
    drop(server);
    assert!(!folder.exists());
    Launch::new().port(port).start().unwrap();
}

#[test]
fn users_passwords_and_sockets() {
    let launch = Launch::new().password("right").unix_socket();
    let server = launch.user("reader", "secret", &["~*", "+get", "+ping"]).start().unwrap();
    for url in [server.url(), server.unix_url().unwrap()] {
        let mut connection = redis::Client::open(url).unwrap().get_connection().unwrap();
        redis::cmd("SET").arg("key").arg("value").exec(&mut connection).unwrap();
    }
    let url = format!("redis://reader:secret@127.0.0.1:{}/0", server.port());
    let mut reader = redis::Client::open(url).unwrap().get_connection().unwrap();
    let found: String = redis::cmd("GET").arg("key").query(&mut reader).unwrap();
    assert_eq!(found, "value");
    let refused = redis::cmd("SET").arg("key").arg("other").exec(&mut reader).unwrap_err();
    assert_eq!(refused.code(), Some("NOPERM"));
}

#[test]
fn a_replica_follows_its_master() {
    let master = Server::start().unwrap();
    let replica = Launch::new().replica_of(master.port()).start().unwrap();
    replica.in_sync().unwrap();
    master.command::<()>(&["SET", "key", "value"]).unwrap();
    until("the key on the replica", || replica.command::<Option<String>>(&["GET", "key"])).unwrap();
    let refused = replica.command::<()>(&["SET", "key", "other"]).unwrap_err();
    assert_eq!(refused.code(), Some("READONLY"));
}
