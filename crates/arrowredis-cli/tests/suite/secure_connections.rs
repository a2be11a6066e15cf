//! TLS with good and bad certificates, of servers and of clients.

use arrowredis_throwaway::Launch;
use arrowredis_worlds::{Certificates, Pair};

use crate::scenario::{AT_ONCE, SOON};
use crate::support::World;

fn world(certificates: &Certificates, server: Pair, clients: &'static str) -> World {
    let world = World::with(Launch::new().tls_only(certificates.tls(server, clients)));
    world.two_files(500);
    world
}

#[test]
fn a_server_with_a_good_certificate_is_used() {
    let certificates = Certificates::new().unwrap();
    let world = world(&certificates, certificates.server(), "no");
    let ca = certificates.authority().display().to_string();
    for line in ["split --inp a --prefix p", "read --prefix p", "verify p a --connections 3"] {
        world.meets("TLS", &format!("{line} --tls-ca {ca}")).ended(0, SOON, &[]);
    }
    let by_name = world.server().url().replace("127.0.0.1", "localhost");
    let line = format!("verify p a --tls-ca {ca} --redis-url {by_name}?protocol=resp3");
    world.meets("TLS, by name", &line).ended(0, SOON, &[]);
}

/// The ceiling's connection is opened as all others are.
#[test]
fn a_benchmark_finds_its_ceiling_behind_the_cipher() {
    let certificates = Certificates::new().unwrap();
    let world = World::with(Launch::new().tls_only(certificates.tls(certificates.server(), "no")));
    let ca = certificates.authority().display().to_string();
    let report = world.done(&format!("bench --size 50mb --json --tls-ca {ca}")).json();
    let ceiling = &report["benchmarks"][0]["ceiling"];
    for way in ["set", "get"] {
        assert!(ceiling[way]["seconds"].as_f64().unwrap() > 0.0, "{ceiling}");
    }
}

#[test]
fn a_server_with_a_bad_certificate_is_refused_at_once() {
    let certificates = Certificates::new().unwrap();
    let ca = certificates.authority().display().to_string();
    for (state, pair, part) in [
        ("expired", certificates.expired(), "expired"),
        ("wrong name", certificates.wrong_name(), "elsewhere.example"),
        ("untrusted", certificates.foreign(), "UnknownIssuer"),
    ] {
        let world = world(&certificates, pair, "no");
        let address = world.server().url();
        for line in ["split --inp a --prefix p", "read --prefix p"] {
            world
                .meets(state, &format!("{line} --tls-ca {ca}"))
                .ended(3, AT_ONCE, &["cannot connect", &address, part, "--tls-ca"])
                .at_the_first_attempt();
        }
        world
            .meets(&format!("{state}, --tls-insecure"), "split --inp a --prefix p --tls-insecure")
            .ended(0, SOON, &["--tls-insecure", "not checked"]);
    }
}

#[test]
fn an_authority_that_did_not_sign_is_not_enough() {
    let certificates = Certificates::new().unwrap();
    let world = world(&certificates, certificates.server(), "no");
    let foreign = certificates.foreign_authority().display().to_string();
    world
        .meets("another authority", &format!("read --prefix p --tls-ca {foreign}"))
        .ended(3, AT_ONCE, &["UnknownIssuer", "--tls-ca"])
        .at_the_first_attempt();
}

#[test]
fn a_server_that_wants_a_client_certificate_gets_one() {
    let certificates = Certificates::new().unwrap();
    let world = world(&certificates, certificates.server(), "yes");
    let ca = certificates.authority().display().to_string();
    let with = |pair: Pair| {
        let (certificate, key) = (pair.certificate.display(), pair.key.display());
        format!(" --tls-cert {certificate} --tls-key {key}")
    };
    for line in ["split --inp a --prefix p", "read --prefix p", "verify p a"] {
        let shown = with(certificates.client());
        world.meets("client certificate", &format!("{line} --tls-ca {ca}{shown}")).ended(
            0,
            SOON,
            &[],
        );
    }
    for (state, shown) in
        [("no client certificate", String::new()), ("foreign client", with(certificates.foreign()))]
    {
        world
            .meets(state, &format!("read --prefix p --tls-ca {ca}{shown}"))
            .ended(3, AT_ONCE, &["cannot connect", "--tls-cert"])
            .at_the_first_attempt();
    }
}

#[test]
fn plain_and_tls_that_are_mixed_up_say_so() {
    let certificates = Certificates::new().unwrap();
    let ca = certificates.authority().display().to_string();
    let secure = world(&certificates, certificates.server(), "no");
    let plain = secure.server().url().replace("rediss://", "redis://");
    secure.meets("plain to a TLS port", &format!("read --prefix p --redis-url {plain}")).ended(
        3,
        AT_ONCE,
        &["rediss://"],
    );
    let world = World::with_server();
    let tls = world.server().url().replace("redis://", "rediss://");
    world
        .meets("TLS to a plain port", &format!("read --prefix p --redis-url {tls} --tls-ca {ca}"))
        .ended(3, SOON, &["that speaks TLS", "write redis://"]);
}

#[test]
fn a_file_that_is_no_certificate_is_wrong_usage() {
    let world = World::without_server().at("rediss://127.0.0.1:1/0");
    std::fs::write(world.path("text"), "no certificate").unwrap();
    for (line, part) in [
        ("--tls-ca missing", "No such file"),
        ("--tls-ca text", "PEM"),
        ("--tls-insecure --tls-cert text --tls-key text", "PEM"),
    ] {
        let file = if line.contains("missing") { "\"missing\"" } else { "\"text\"" };
        world.meets("unusable TLS file", &format!("read --prefix p {line}")).ended(
            2,
            AT_ONCE,
            &[file, part],
        );
    }
    world.meets("key without certificate", "read --prefix p --tls-key text").ended(
        2,
        AT_ONCE,
        &["--tls-cert"],
    );
}
