//! Users and what they may do: no password, a wrong one, and users whose rights do not suffice. What
//! docs/operations.md says that users need is what is tested here.

use arrowredis_throwaway::Launch;
use arrowredis_worlds::Control;

use crate::scenario::{AT_ONCE, SOON};
use crate::support::World;

/// What an uploader needs, scripts included, as docs/operations.md lists it.
const UPLOADER: [&str; 16] = [
    "~demo:*",
    "-@all",
    "+get",
    "+mget",
    "+set",
    "+strlen",
    "+exists",
    "+eval",
    "+getrange",
    "+persist",
    "+pexpireat",
    "+unlink",
    "+rename",
    "+scan",
    "+pttl",
    "+time",
];

/// What a reader needs.
const READER: [&str; 9] =
    ["~demo:*", "-@all", "+get", "+mget", "+strlen", "+exists", "+scan", "+time", "+pttl"];

fn address(world: &World, user: &str) -> String {
    world.server().url().replace("redis://", &format!("redis://{user}:{user}@"))
}

fn with_users() -> World {
    let launch = Launch::new().user("uploader", "uploader", &UPLOADER);
    let world = World::with(launch.user("reader", "reader", &READER));
    world.two_files(500);
    world
}

#[test]
fn a_missing_and_a_wrong_password_are_refused_at_once_and_once() {
    let world = World::with_dataset(Launch::new().password("right"), 500);
    let with = |secret: &str| world.server().url().replace(":right@", secret);
    for line in ["read --prefix p", "split --inp b --prefix p --replace"] {
        for (state, secret, parts) in [
            ("no password", "", &["NOAUTH", "REDISCLI_AUTH", "--password-file"][..]),
            ("wrong password", ":wr0ng@", &["does not accept user and password"]),
            ("unknown user", "nobody:wr0ng@", &["does not accept user and password"]),
        ] {
            let met = world.meets(state, &format!("{line} --redis-url {}", with(secret)));
            met.ended(3, AT_ONCE, parts).at_the_first_attempt();
            assert!(!met.ran.stderr.contains("wr0ng"), "{}", met.ran.stderr);
        }
    }
    let refused: String = world.server().command(&["INFO", "errorstats"]).unwrap();
    assert!(refused.contains("errorstat_WRONGPASS:count=4\r\n"), "{refused}");
    world.stands("a");
}

/// Goal: the rights that are documented are enough for every command that works on datasets.
#[test]
fn an_uploader_and_a_reader_need_no_more_than_is_documented() {
    let world = with_users();
    let uploader = address(&world, "uploader");
    let reader = address(&world, "reader");
    for line in [
        "split --inp a --prefix demo:v1",
        "split --inp b --prefix demo:v1 --replace --keep-old 30s",
        "split --inp a --prefix demo:v1 --drop-first --ttl 1h",
        "touch demo:v1 --ttl 2h",
        "cp demo:v1 demo:v2",
        "alias demo:latest demo:v2",
        "info demo:latest",
        "ls demo:*",
        "verify demo:latest a",
        "rm demo:latest --yes",
        "rm demo:v2 --yes",
    ] {
        world.meets("uploader", &format!("{line} --redis-url {uploader}")).ended(0, SOON, &[]);
    }
    for line in ["read --prefix demo:v1", "verify demo:v1 a", "ls demo:*"] {
        world.meets("reader", &format!("{line} --redis-url {reader}")).ended(0, SOON, &[]);
    }
    world
        .meets("reader uploads", &format!("split --inp a --prefix demo:v3 --redis-url {reader}"))
        .ended(3, AT_ONCE, &["does not allow EVAL of 'demo:v3", "NOPERM", "docs/operations.md"])
        .at_the_first_attempt();
}

/// Goal: each right is needed, and without it nothing is stored or the old dataset stays: no upload
/// goes half the way. Method: each is taken away in turn.
#[test]
fn an_upload_without_one_of_its_rights_names_it_and_changes_nothing() {
    let world = with_users();
    let url = address(&world, "uploader");
    world.done(&format!("split --inp a --prefix demo:v1 --redis-url {url}"));
    let mut refused = 0;
    for right in &UPLOADER[2..] {
        let command = right.trim_start_matches('+');
        let set = |rule: &str| {
            world.server().command::<()>(&["ACL", "SETUSER", "uploader", rule]).unwrap();
        };
        set(&format!("-{command}"));
        let line = format!("split --inp b --prefix demo:v1 --replace --redis-url {url}");
        let met = world.meets(&format!("no {command}"), &line);
        if met.ran.code == 0 {
            world.done("split --inp a --prefix demo:v1 --replace");
        } else {
            met.ended(3, AT_ONCE, &["does not allow ", "docs/operations.md"]);
            met.at_the_first_attempt();
            world.done("verify demo:v1 a");
            refused += 1;
        }
        // Without some rights a claim cannot be given back, and runs out by itself.
        world.server().command::<()>(&["DEL", "demo:v1:{demo:v1:manifest}:claim"]).unwrap();
        set(&format!("+{command}"));
    }
    assert!(refused > 8, "{refused}");
}

#[test]
fn keys_outside_a_user_s_pattern_are_named() {
    let world = with_users();
    for (user, line) in
        [("uploader", "split --inp a --prefix other"), ("reader", "read --prefix other")]
    {
        let line = format!("{line} --redis-url {}", address(&world, user));
        world
            .meets("another prefix", &line)
            .ended(3, AT_ONCE, &["does not allow", "'other:", "NOPERM", "docs/operations.md"])
            .at_the_first_attempt();
    }
    assert_eq!(world.server().command::<u64>(&["DBSIZE"]).unwrap(), 0);
}
