//! Whoever tries again gets through every random schedule, with all that was to be stored.

use std::time::Duration;

use arrowredis_faults::{Intensity, Schedule};

use crate::talk::World;

/// More than there are faults, so that trying again must succeed.
const TRIES: usize = 400;

#[test]
fn a_client_that_tries_again_gets_through() {
    for seed in 0..4 {
        let world = World::new(Schedule::random(seed, Intensity::HEAVY));
        let client = redis::Client::open(world.proxy.url()).unwrap();
        let mut connection = None;
        let mut again = |words: &[&str]| {
            for _ in 0..TRIES {
                let mut once = || {
                    if connection.is_none() {
                        let made = client.get_connection_with_timeout(Duration::from_secs(5))?;
                        connection = Some(made);
                    }
                    let made = connection.as_mut().expect("it was made if it was not there");
                    redis::cmd(words[0]).arg(&words[1..]).query::<redis::Value>(made)
                };
                match once() {
                    Ok(value) => return value,
                    Err(error) if error.code().is_some() => {}
                    // Nobody listens for a moment, so that the next try needs a moment, too.
                    Err(_) => {
                        connection = None;
                        std::thread::sleep(Duration::from_millis(2));
                    }
                }
            }
            panic!("seed {seed}: {words:?} not in {TRIES} tries: {}", world.proxy.injected());
        };
        for number in 0..600 {
            again(&["SET", &format!("key{number}"), &"x".repeat(number * 20)]);
        }
        for number in 0..600 {
            let value = again(&["GET", &format!("key{number}")]);
            assert_eq!(value, redis::Value::BulkString(b"x".repeat(number * 20)));
        }
        let injected = world.proxy.injected();
        println!("seed {seed}: {injected}");
        assert!(injected.total() >= 40, "{injected}");
    }
}
