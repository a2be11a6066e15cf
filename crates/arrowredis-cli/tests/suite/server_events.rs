//! What happens to a server in the middle of an upload or a read: it loses all its data, by FLUSHALL or
//! in a restart, or it ends. Each event comes at many places, which are counted in commands: a proxy
//! lets a run hang there, the event happens, and then the connection is cut and the run goes on.

use arrowredis_faults::{Fault, Proxy, Schedule};
use arrowredis_throwaway::{Launch, Server};
use arrowredis_worlds::{Control, until};

use crate::scenario::{Met, SOON};
use crate::support::World;

const UPLOAD: &str = "split --inp b --prefix p --replace";

const CLAIM: &str = "p:{p:manifest}:claim";

/// How many commands a line takes that nothing happens to.
fn commands_of(world: World, line: &str) -> (World, u64) {
    let proxy = Proxy::start(world.server().port(), Schedule::none()).unwrap();
    let world = world.at(proxy.url());
    world.done(line);
    (World { url: None, ..world }, proxy.injected().commands)
}

/// Runs a line to which something happens when it has sent so many commands.
fn run_with_event(
    mut world: World,
    state: &str,
    line: &str,
    after: u64,
    event: impl Fn(&mut Server),
) -> (World, Met) {
    let proxy = Proxy::start(world.server().port(), Schedule::once(after, Fault::Hang)).unwrap();
    world = world.at(proxy.url());
    let running = world.begins_line(&format!("{state}, at command {after}"), line);
    until("a run that hangs", || Ok((proxy.injected().hangs > 0).then_some(()))).unwrap();
    event(world.server.as_mut().unwrap());
    proxy.reschedule(Schedule::none());
    proxy.cut_all();
    let met = running.ends();
    (World { url: None, ..world }, met)
}

/// Goal: what was acknowledged and is gone is noticed before anything is published, and readers never
/// get a part.
fn an_upload_notices(state: &str, event: impl Fn(&mut Server)) {
    let (mut world, commands) = commands_of(World::with_dataset(Launch::new(), 500), UPLOAD);
    let (mut noticed, mut met) = (0, None);
    for after in (0..commands).step_by(3) {
        world.done("split --inp a --prefix p --replace --quiet");
        (world, met) = {
            let (world, met) = run_with_event(world, state, UPLOAD, after, &event);
            (world, Some(met))
        };
        let met = met.as_ref().unwrap();
        let read = world.run("read --prefix p");
        if met.ran.code == 0 && read.code == 0 {
            world.stands("b");
        } else if met.ran.code == 0 {
            // It was published before it was lost, which nobody can prevent.
            assert_eq!(read.code, 4, "{after}: {read:?}");
            assert!(after > commands / 2, "{after}: {:?}", met.ran);
        } else {
            met.ended(3, SOON, &["p"]);
            assert_eq!(read.code, 4, "{after}: {read:?}");
            noticed += u32::from(met.ran.stderr.contains("are gone"));
        }
    }
    drop(met);
    assert!(noticed > 0);
}

#[test]
fn an_upload_notices_that_its_chunks_were_flushed() {
    an_upload_notices("FLUSHALL", |server| server.command(&["FLUSHALL"]).unwrap());
}

#[test]
fn an_upload_notices_that_its_server_came_back_empty() {
    an_upload_notices("restarted empty", |server| server.restart_empty().unwrap());
}

/// Goal: whatever an upload had done when its server ended, what a restart brings back is one dataset
/// or the other, whole.
#[test]
fn an_upload_whose_server_ends_leaves_the_old_dataset_or_the_new_one() {
    let world = World::with_dataset(Launch::new().persistent(), 500);
    let (mut world, commands) = commands_of(world, UPLOAD);
    let mut old = 0;
    for after in (0..commands).step_by(6) {
        world.done("split --inp a --prefix p --replace --quiet");
        let line = format!("{UPLOAD} --retries 2");
        let (changed, met) =
            run_with_event(world, "killed", &line, after, |server| server.kill().unwrap());
        world = changed;
        let published = met.ran.code == 0;
        if published {
            // Its server ended when all that was left was to make order.
            assert!(after > commands / 2, "{after}: {:?}", met.ran);
        } else {
            met.ended(3, SOON, &["127.0.0.1"]);
        }
        world.server.as_mut().unwrap().restart().unwrap();
        // What came back says that the upload still goes on, for 30 s.
        world.server().command::<()>(&["DEL", CLAIM]).unwrap();
        if !published && world.run("verify p a").code == 0 {
            old += 1;
        } else {
            world.stands("b");
        }
    }
    assert!(old > 0);
}

#[test]
fn a_read_whose_chunks_vanish_fails_and_leaves_no_file() {
    let line = "read --prefix p --out copy --pipeline 1 --concurrency 1";
    let (mut world, commands) = commands_of(World::with_dataset(Launch::new(), 500), line);
    for after in 0..commands {
        world.done("split --inp a --prefix p --replace --quiet");
        std::fs::remove_file(world.path("copy")).ok();
        let flush = |server: &mut Server| server.command(&["FLUSHALL"]).unwrap();
        let (changed, met) = run_with_event(world, "FLUSHALL in a read", line, after, flush);
        world = changed;
        met.ended(4, SOON, &["'p"]);
        assert_eq!(world.files(), ["a", "b"]);
    }
}
