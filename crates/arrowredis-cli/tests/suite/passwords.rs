//! Where passwords come from, and that they are shown nowhere: no message, no log at any level, no JSON
//! and no list of processes.

use std::fs;

use arrowredis_throwaway::Launch;
use arrowredis_worlds::{Control, until};

use crate::scenario::SOON;
use crate::support::{Ran, World, ran};

/// With all that an address gives a meaning to.
const SECRET: &str = "s3:cr/et@%?#&ö";

/// As an address spells it.
const ENCODED: &str = "s3%3Acr%2Fet%40%25%3F%23%26%C3%B6";

fn world() -> World {
    let world = World::with(Launch::new().password(SECRET));
    let bare = world.server().url().replace(&format!(":{SECRET}@"), "");
    let world = world.at(bare);
    world.done("gen --out a --partitions 1 --batches 2 --rows 100");
    world
}

fn url(world: &World) -> String {
    world.url.clone().unwrap().replace("redis://", &format!("redis://:{ENCODED}@"))
}

fn shows_nothing(ran: &Ran) {
    let all = format!("{}{}", String::from_utf8_lossy(&ran.stdout), ran.stderr);
    for part in [SECRET, ENCODED, "s3:cr", "s3%3A", "et@", "et%40"] {
        assert!(!all.contains(part), "{part}: {all}");
    }
}

#[test]
fn a_password_is_taken_from_every_place_and_shown_nowhere() {
    let world = world();
    let url = url(&world);
    fs::write(world.path("secret"), format!("{SECRET}\nnot this line\n")).unwrap();
    for shown in ["-vvv", "--json", "-vvv --json"] {
        for verb in ["split --inp a --prefix p --replace", "read --prefix p", "info p"] {
            let line = format!("{verb} {shown}");
            let words: Vec<_> = line.split(' ').collect();
            let with = |more: &[&str], variables: &[(&str, &str)]| {
                let mut command = world.command(&words);
                let output = command.args(more).envs(variables.iter().copied()).output().unwrap();
                let ran = ran(output);
                assert_eq!(ran.code, 0, "{line} {more:?} {variables:?}: {ran:?}");
                shows_nothing(&ran);
            };
            with(&[], &[("REDIS_URL", &url)]);
            with(&["--redis-url", &url], &[]);
            with(&[], &[("REDISCLI_AUTH", SECRET)]);
            with(&["--password-file", "secret"], &[("REDISCLI_AUTH", "wrong")]);
        }
    }
}

#[test]
fn a_wrong_password_is_not_shown_either() {
    let world = World::with(Launch::new().password("right"));
    let bare = world.server().url().replace(":right@", "");
    let world = world.at(bare);
    let url = url(&world);
    for shown in ["-vvv", "--json"] {
        for (more, variables) in [
            (vec!["--redis-url", &url], vec![]),
            (vec![], vec![("REDIS_URL", url.as_str())]),
            (vec![], vec![("REDISCLI_AUTH", SECRET)]),
        ] {
            let mut command = world.command(&["read", "--prefix", "p", shown]);
            let ran = ran(command.args(&more).envs(variables).output().unwrap());
            assert_eq!(ran.code, 3, "{ran:?}");
            shows_nothing(&ran);
        }
    }
}

#[test]
fn an_unusable_password_file_is_wrong_usage() {
    let world = world();
    fs::write(world.path("empty"), "\nsecond").unwrap();
    for file in ["missing", "empty"] {
        let ran = world.run(&format!("read --prefix p --password-file {file}"));
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stderr.contains("password file"), "{}", ran.stderr);
    }
}

/// Goal: the list of processes does not show a password that was given on the command line. Method: the
/// server is frozen, so that the command stays.
#[test]
fn the_list_of_processes_shows_no_password() {
    let world = world();
    let url = url(&world);
    world.done(&format!("split --inp a --prefix p --redis-url {url}"));
    world.server().freeze().unwrap();
    let line = format!("read --prefix p --redis-url {url}");
    let running = world.begins_line("frozen", &line);
    let cmdline = format!("/proc/{}/cmdline", running.pid());
    let shown = until("a command line without a password", || {
        let shown = String::from_utf8_lossy(&fs::read(&cmdline)?).into_owned();
        Ok(shown.contains(":***@").then_some(shown))
    })
    .unwrap();
    assert!(!shown.contains("s3") && shown.contains("--redis-url"), "{shown}");
    world.server().thaw().unwrap();
    running.ends().ended(0, SOON, &[]);
}
