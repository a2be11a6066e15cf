//! Each fault alone.

use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use arrowredis_faults::{Answer, Fault, Schedule};

use crate::talk::{World, bulk, noise};

const SET: &[&[u8]] = &[b"SET", b"key", b"value"];
const GET: &[&[u8]] = &[b"GET", b"key"];
const PING: &[&[u8]] = &[b"PING"];

/// A connection that is made after the fault works.
fn works(world: &World) {
    let mut talk = world.talk();
    talk.say(PING);
    talk.hear(b"+PONG\r\n");
}

#[test]
fn a_cut_before_a_request() {
    let world = World::new(Schedule::once(1, Fault::CutBeforeRequest));
    let mut talk = world.talk();
    talk.say(PING);
    talk.hear(b"+PONG\r\n");
    talk.say(SET);
    assert_eq!(talk.hear_all(), b"");
    assert_eq!(world.ask(GET), b"$-1\r\n");
    assert_eq!(world.proxy.injected().cuts_before_requests, 1);
    works(&world);
}

#[test]
fn a_cut_in_a_request() {
    for after in [0, 3, 1000, 70_000, u64::MAX] {
        let world = World::new(Schedule::once(0, Fault::CutInRequest { after }));
        let mut talk = world.talk();
        talk.say(&[b"SET", b"key", &noise(100_000)]);
        assert_eq!(talk.hear_all(), b"");
        assert_eq!(world.ask(GET), b"$-1\r\n");
        assert_eq!(world.proxy.injected().cuts_in_requests, 1);
        works(&world);
    }
}

#[test]
fn a_lost_reply() {
    let world = World::new(Schedule::once(0, Fault::LoseReply));
    let mut talk = world.talk();
    talk.say(SET);
    assert_eq!(talk.hear_all(), b"");
    assert_eq!(world.ask(GET), bulk(b"value"));
    assert_eq!(world.proxy.injected().lost_replies, 1);
    works(&world);
}

#[test]
fn a_cut_in_a_reply() {
    for (after, expected) in [(0, 0), (1, 1), (1000, 1000), (70_000, 70_000), (u64::MAX, 100_010)] {
        let world = World::new(Schedule::once(1, Fault::CutInReply { after }));
        let value = noise(100_000);
        let mut talk = world.talk();
        talk.say(&[b"SET", b"key", &value]);
        talk.hear(b"+OK\r\n");
        talk.say(GET);
        assert!(talk.hear_all() == bulk(&value)[..expected], "{after}");
        assert_eq!(world.proxy.injected().cuts_in_replies, 1);
        works(&world);
    }
}

#[test]
fn a_stall_is_over_after_its_time() {
    let span = Duration::from_millis(300);
    let world = World::new(Schedule::once(1, Fault::Stall { span }));
    let mut talk = world.talk();
    talk.say(PING);
    talk.hear(b"+PONG\r\n");
    let started = Instant::now();
    talk.say(SET);
    works(&world);
    talk.hear(b"+OK\r\n");
    assert!(started.elapsed() >= span);
    assert_eq!(world.proxy.injected().stalls, 1);
}

#[test]
fn what_a_client_left_behind_arrives_after_the_stall() {
    let world = World::new(Schedule::once(0, Fault::Stall { span: Duration::from_millis(200) }));
    let mut talk = world.talk();
    talk.say(SET);
    drop(talk);
    let started = Instant::now();
    while world.ask(GET) != bulk(b"value") {
        assert!(started.elapsed() < Duration::from_secs(20));
    }
}

#[test]
fn a_connection_hangs_and_the_others_do_not() {
    let world = World::new(Schedule::once(0, Fault::Hang));
    let mut talk = world.talk();
    talk.say(SET);
    assert!(talk.is_silent(Duration::from_millis(200)));
    works(&world);
    assert_eq!(world.ask(GET), b"$-1\r\n");
    assert_eq!(world.proxy.injected().hangs, 1);
    world.proxy.cut_all();
    assert_eq!(talk.hear_all(), b"");
}

#[test]
fn a_slow_spell_ends() {
    let slow = Fault::Slow { bytes_per_second: 100_000, bytes: 30_000 };
    let world = World::new(Schedule::once(0, slow));
    let value = noise(1_000_000);
    let mut talk = world.talk();
    let started = Instant::now();
    talk.say_all(&[&[b"SET", b"key", &value], GET]);
    talk.hear(&[b"+OK\r\n", &bulk(&value)[..]].concat());
    // Of the 0.3 s that it takes, the last step may be spared.
    assert!(started.elapsed() >= Duration::from_millis(250));
    assert_eq!(world.proxy.injected().slow_spells, 1);
}

#[test]
fn connections_are_refused_and_then_no_more() {
    let world = World::new(Schedule::once(0, Fault::Refuse { connections: 2 }));
    let (mut first, mut idle) = (world.talk(), world.talk());
    first.say(SET);
    assert_eq!(first.hear_all(), b"");
    assert_eq!(idle.hear_all(), b"");
    for _ in 0..2 {
        let mut refused = world.talk();
        refused.say(PING);
        assert_eq!(refused.hear_all(), b"");
    }
    works(&world);
    assert_eq!(world.ask(GET), b"$-1\r\n");
    assert_eq!(world.proxy.injected().refused_connections, 2);
}

#[test]
fn nobody_listens_during_an_outage() {
    let connect = |world: &World| TcpStream::connect((Ipv4Addr::LOCALHOST, world.proxy.port()));
    let wait = |happened: &dyn Fn() -> bool| {
        let started = Instant::now();
        while !happened() {
            assert!(started.elapsed() < Duration::from_secs(20));
            std::thread::yield_now();
        }
    };
    let world = World::new(Schedule::once(0, Fault::Outage { span: Duration::from_millis(500) }));
    let mut talk = world.talk();
    talk.say(SET);
    assert_eq!(talk.hear_all(), b"");
    wait(&|| connect(&world).is_err());
    wait(&|| connect(&world).is_ok());
    works(&world);
    assert_eq!(world.proxy.injected().outages, 1);
}

#[test]
fn an_error_is_answered_in_its_place() {
    let storm = Fault::Answer { answer: Answer::Loading, commands: 2 };
    let world = World::new(Schedule::once(1, storm));
    let mut talk = world.talk();
    talk.say_all(&[SET, &[b"SET", b"other", &noise(100_000)], GET, GET]);
    let loading = format!("-{}\r\n", Answer::Loading.text());
    let expected = [b"+OK\r\n", loading.as_bytes(), loading.as_bytes(), &bulk(b"value")];
    talk.hear(&expected.concat());
    assert_eq!(world.ask(&[b"DBSIZE"]), b":1\r\n");
    assert_eq!(world.proxy.injected().answers, 2);
}

#[test]
fn an_error_in_a_transaction_ends_all_of_it() {
    let answer = Fault::Answer { answer: Answer::OutOfMemory, commands: 1 };
    let world = World::new(Schedule::once(2, answer));
    let mut talk = world.talk();
    talk.say_all(&[&[b"MULTI"], SET, &[b"SET", b"other", b"value"], &[b"EXEC"], GET]);
    let expected = format!(
        "+OK\r\n+QUEUED\r\n-{}\r\n-EXECABORT Transaction discarded because of previous \
         errors.\r\n$-1\r\n",
        Answer::OutOfMemory.text()
    );
    talk.hear(expected.as_bytes());
    assert_eq!(world.ask(&[b"DBSIZE"]), b":0\r\n");
}

#[test]
fn a_storm_that_never_ends_spares_what_sets_up_a_connection() {
    let answer = Answer::Other("NOPERM nothing".to_owned());
    let world = World::new(Schedule::permanent(0, Fault::Answer { answer, commands: 1 }));
    let mut talk = world.talk();
    talk.say_all(&[&[b"SELECT", b"0"], SET, SET, &[b"SELECT", b"0"]]);
    talk.hear(b"+OK\r\n-NOPERM nothing\r\n-NOPERM nothing\r\n+OK\r\n");
}

#[test]
fn one_bit_of_a_value_is_flipped() {
    let world = World::new(Schedule::once(0, Fault::Corrupt { bit: 10 }));
    let mut talk = world.talk();
    talk.say_all(&[SET, GET, GET]);
    talk.hear(b"+OK\r\n");
    talk.hear(&bulk(b"velue"));
    talk.hear(&bulk(b"value"));
    assert_eq!(world.proxy.injected().corrupted, 1);
    assert_eq!(world.ask(GET), bulk(b"value"));
}
