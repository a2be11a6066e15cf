//! `bench`: figures that add up, and nothing left behind, however it ends.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use arrowredis_worlds::Control;
use serde_json::Value;

use crate::support::{World, ran};

/// How long a test waits for what must happen; far beyond what it takes.
const PATIENCE: Duration = Duration::from_secs(60);

fn keys(world: &World) -> Vec<String> {
    let mut keys: Vec<String> = world.server().command(&["KEYS", "*"]).unwrap();
    keys.sort();
    keys
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// The middle of an odd number of runs.
fn median(runs: &Value) -> f64 {
    let mut runs: Vec<_> = runs.as_array().unwrap().iter().map(number).collect();
    assert_eq!(runs.len() % 2, 1);
    runs.sort_by(f64::total_cmp);
    runs[runs.len() / 2]
}

/// Goal: the report's figures are those of what was done, and they add up.
#[test]
fn figures_are_true_and_nothing_is_left() {
    let world = World::with_server();
    fs::create_dir(world.path("data")).unwrap();
    fs::write(world.path("data/theirs"), "as before").unwrap();
    let line = "bench --size 50mb --verify --repeat 3 --output-dir data --output-json r.json --html \
                r.html --json";
    let ran = world.done(line);
    let report = ran.json();
    assert_eq!(fs::read(world.path("r.json")).unwrap(), ran.stdout, "the file holds the report");
    assert_eq!(report["command"], "bench");
    let environment = &report["environment"];
    assert_eq!(environment["compression"], "zstd");
    assert!(!environment["server"]["version"].as_str().unwrap().is_empty());
    assert!(environment["cores"].as_u64().unwrap() >= 1);

    let [benchmark] = report["benchmarks"].as_array().unwrap().as_slice() else {
        panic!("one size")
    };
    assert_eq!((&benchmark["rows"], &benchmark["chunks"]), (&1_600_000.into(), &32.into()));
    assert_eq!(benchmark["equal"], true);
    let stages = benchmark["stages"].as_array().unwrap();
    let names: Vec<_> = stages.iter().map(|stage| stage["stage"].as_str().unwrap()).collect();
    assert_eq!(names, ["gen", "split", "read", "verify"]);
    for stage in stages {
        let seconds = number(&stage["seconds"]);
        assert_eq!(seconds, median(&stage["runs"]));
        assert_eq!(stage["rows"], 1_600_000);
        let close =
            |rate: &Value, amount: f64| (number(rate) * seconds / amount - 1.0).abs() < 1e-9;
        assert!(close(&stage["mb_per_second"], number(&stage["bytes"]) / 1e6), "{stage}");
        assert!(close(&stage["rows_per_second"], 1.6e6), "{stage}");
    }
    let sum: f64 = stages.iter().map(|stage| number(&stage["seconds"])).sum();
    assert!((number(&benchmark["total_seconds"]) - sum).abs() < 1e-9);

    let ceiling = &benchmark["ceiling"];
    assert_eq!(stages[0]["bytes"], benchmark["file_bytes"]);
    for (stage, way) in [(1, "set"), (2, "get")] {
        assert_eq!(stages[stage]["bytes"], ceiling["bytes"], "both move the same bytes");
        let share = number(&ceiling[way]["seconds"]) / number(&stages[stage]["seconds"]);
        assert!((number(&stages[stage]["share_of_ceiling"]) - share).abs() < 1e-9);
        let runs = ceiling[way]["runs"].as_array().unwrap();
        let best = runs.iter().map(number).fold(f64::INFINITY, f64::min);
        assert_eq!(number(&ceiling[way]["seconds"]), best);
    }
    let page = fs::read_to_string(world.path("r.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"));

    assert_eq!(keys(&world), Vec::<String>::new());
    assert_eq!(world.files(), ["data", "r.html", "r.json"]);
    assert_eq!(fs::read_dir(world.path("data")).unwrap().count(), 1, "only theirs");
}

/// Method: the same size once with, once without what is left, on a server that holds a dataset.
#[test]
fn what_is_kept_is_whole_and_named() {
    let world = World::with_server();
    world.done("gen --out a --partitions 1 --batches 1 --rows 10");
    world.done("split --inp a --prefix theirs");
    let before = keys(&world);
    let ran = world.done("bench --size 50mb --compression uncompressed --no-cleanup --json");
    let kept = &ran.json()["kept"];
    let name = kept["datasets"][0].as_str().unwrap();
    let folder = kept["folder"].as_str().unwrap();
    assert!(name.starts_with("arrowredis-bench:") && name.ends_with(":50mb"), "{name}");
    world.done(&format!("verify {name} {folder}/50mb.arrow"));
    world.done(&format!("rm {name} --yes"));
    assert_eq!(keys(&world), before, "nothing but the dataset was left");
}

/// Goal: a signal at any time leaves neither keys nor files. Method: it is sent once a file, or a key,
/// shows up; the claim of a split that was stopped is among what must go.
#[test]
fn a_signal_ends_it_and_leaves_nothing() {
    let world = World::with_server();
    for (signal, code, with_keys) in
        [("-INT", 130, false), ("-TERM", 143, true), ("-INT", 130, true)]
    {
        let mut command = world.command(&["bench", "--size", "50mb", "--repeat", "1000"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let data = world.path("benchmark_data");
        let started = Instant::now();
        while !(data.exists() && (!with_keys || !keys(&world).is_empty())) {
            assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
            assert!(started.elapsed() < PATIENCE, "nothing showed up");
            std::thread::sleep(Duration::from_millis(2));
        }
        let pid = child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        let ran = ran(child.wait_with_output().unwrap());
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(ran.stderr.starts_with("error: interrupted"), "{}", ran.stderr);
        assert_eq!(keys(&world), Vec::<String>::new());
        assert!(world.files().is_empty(), "{:?}", world.files());
    }
}

#[test]
fn what_cannot_be_written_is_said_before_anything_is_measured() {
    let world = World::with_server();
    fs::write(world.path("file"), "as before").unwrap();
    fs::create_dir(world.path("folder")).unwrap();
    for (line, code, part) in [
        ("bench --output-dir file", 2, "\"file\""),
        ("bench --html folder", 2, "\"folder\" is no regular file"),
        ("bench --output-json nowhere/r.json", 1, "cannot write \"nowhere/r.json\""),
        ("bench --html r --output-json r", 2, "the same file"),
        ("bench --size 3mb", 2, "50mb, 250mb, 512mb, 1gb"),
        ("bench --repeat 0", 2, "--repeat"),
    ] {
        let ran = world.run(line);
        assert_eq!(ran.code, code, "{line}: {ran:?}");
        assert!(ran.stderr.contains(part), "{line}: {}", ran.stderr);
    }
    assert_eq!(world.files(), ["file", "folder"]);
    assert_eq!(fs::read_to_string(world.path("file")).unwrap(), "as before");
    assert_eq!(keys(&world), Vec::<String>::new());
}

/// Goal: a server that goes away is an error, and so is that what it held cannot be removed.
#[test]
fn a_server_that_goes_away_is_reported_with_what_may_be_left() {
    let mut world = World::with_server();
    let mut command =
        world.command(&["bench", "--size", "50mb", "--repeat", "1000", "--retries", "0"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    while keys(&world).is_empty() {
        assert!(started.elapsed() < PATIENCE, "no key showed up");
        std::thread::sleep(Duration::from_millis(2));
    }
    world.server = None;
    let ran = ran(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stderr.contains("may be left on the server"), "{}", ran.stderr);
    assert!(world.files().is_empty(), "{:?}", world.files());
}

#[test]
fn without_a_server_nothing_is_left_either() {
    let world = World::without_server();
    let ran = world.run("bench --size 50mb --retries 0");
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(world.files().is_empty(), "{:?}", world.files());
}
