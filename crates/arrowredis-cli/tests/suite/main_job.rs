//! The main job from end to end, and what the reports say.

use std::fs;

use arrow_ipc::reader::StreamReader;

use crate::support::World;

const GEN: &str = "gen --out d.arrow --partitions 3 --batches 2 --rows 1000";

#[test]
fn what_is_generated_and_split_is_read_back_equal() {
    let world = World::with_server();
    world.done(&format!("{GEN} --dict-strings"));
    for stored in ["keep", "zstd", "lz4", "uncompressed"] {
        world.done(&format!("split --inp d.arrow --prefix {stored} --compression {stored}"));
        for written in ["keep", "lz4"] {
            world.done(&format!("read --prefix {stored} --out copy.arrow --compression {written}"));
            let verdict = world.done("verify --file1 d.arrow --file2 copy.arrow");
            assert!(verdict.text().starts_with("Equal"), "{verdict:?}");
        }
    }
    assert_eq!(world.files(), ["copy.arrow", "d.arrow"]);
}

#[test]
fn long_batches_are_divided_and_are_the_same_rows() {
    let world = World::with_server();
    world.done(&format!("{GEN} --dict-strings --string-cardinality 50"));
    let whole = world.done("split --inp d.arrow --prefix d --json").json();
    for (limit, chunks) in [("1GiB", 6..=6), ("24KiB", 12..=24)] {
        let stored = world
            .done(&format!("split --inp d.arrow --prefix {limit} --max-chunk-bytes {limit} --json"))
            .json();
        assert_eq!(stored["rows"], whole["rows"]);
        assert!(chunks.contains(&stored["chunks"].as_u64().unwrap()), "{limit}: {stored}");
        world.done(&format!("verify {limit}"));
        let verdict = world.done(&format!("verify {limit} d.arrow"));
        assert!(verdict.text().starts_with("Equal"), "{verdict:?}");
        world.done(&format!("read --prefix {limit} --out copy.arrow"));
        world.done("verify --file1 d.arrow --file2 copy.arrow");
    }
    let help = world.done("split --help");
    assert!(help.text().contains("--max-chunk-bytes <BYTES>"), "{}", help.text());
}

#[test]
fn the_human_output_says_what_the_seed_says() {
    let world = World::with_server();
    let shown = world.done(GEN);
    assert!(shown.text().starts_with("Wrote d.arrow\n"), "{}", shown.text());
    assert!(shown.text().contains("3 partitions × 2 batches × 1,000 rows, zstd"));
    for figure in ["File size: ", "Time: ", "Throughput: ", " MB/s, ", " rows/s"] {
        assert!(shown.text().contains(figure), "{figure}: {}", shown.text());
    }
    let shown = world
        .done("split --inp d.arrow --prefix demo:v1 --batches 2 --cluster off --max-inflight 8");
    assert!(
        shown.text().starts_with("Stored 6 chunks in 3 partitions under 'demo:v1:{part=XXXXX}")
    );
    let shown = world.done(
        "read --prefix demo:v1 --partitions 0,1 --batches 2 --pipeline 64 --concurrency 256 --cluster off",
    );
    let first = shown.text().lines().next().unwrap();
    assert!(first.starts_with("Fetched 4/4 present chunks in 0."), "{first}");
    assert!(first.contains("s; parsed in 0.") && first.ends_with("s; rows=4,000"), "{first}");
    assert!(shown.stderr.is_empty(), "no bar without a terminal: {}", shown.stderr);
}

#[test]
fn quiet_prints_nothing() {
    let world = World::with_server();
    for line in [
        GEN,
        "split --inp d.arrow --prefix d",
        "read --prefix d",
        "verify --file1 d.arrow --file2 d.arrow",
    ] {
        let ran = world.done(&format!("{line} --quiet"));
        assert!(ran.stdout.is_empty() && ran.stderr.is_empty(), "{ran:?}");
    }
}

#[test]
fn json_is_one_report_with_the_documented_fields() {
    let world = World::with_server();
    let generated = world.done(&format!("{GEN} --json")).json();
    let size = fs::metadata(world.path("d.arrow")).unwrap().len();
    assert_eq!((&generated["command"], &generated["bytes"]), (&"gen".into(), &size.into()));

    let stored = world.done("--json split --inp d.arrow --prefix d").json();
    assert_eq!(stored["partitioned_by"], "column");
    let read = world.done("read --prefix d --partitions 0-2 --json").json();
    assert_eq!(stored["bytes"], read["bytes"], "what was stored is what was fetched");
    assert_eq!((&read["chunks_present"], &read["chunks_expected"]), (&6.into(), &6.into()));
    for figure in ["fetch_seconds", "parse_seconds"] {
        assert!(read[figure].as_f64().unwrap() > 0.0, "{figure}");
    }
    let verdict = world.done("verify --json --file1 d.arrow --file2 d.arrow").json();
    assert_eq!(verdict["equal"], true);
    for report in [generated, stored, read, verdict] {
        for figure in ["rows", "chunks", "bytes"] {
            assert!(report[figure].is_u64(), "{figure}: {report}");
        }
        assert!(report["seconds"].is_f64(), "{report}");
    }
}

#[test]
fn a_stream_on_stdout_is_all_that_is_on_stdout() {
    let world = World::with_server();
    world.done(GEN);
    world.done("split --inp d.arrow --prefix d");
    let ran = world.done("read --prefix d --out -");
    let reader = StreamReader::try_new(&ran.stdout[..], None).unwrap();
    assert_eq!(reader.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 6_000);
    assert!(ran.stderr.starts_with("Fetched 6/6"), "{}", ran.stderr);
    fs::write(world.path("copy.arrows"), ran.stdout).unwrap();
    world.done("verify --file1 d.arrow --file2 copy.arrows");
    // And a stream is a file like any other.
    world.done("split --inp copy.arrows --prefix again");
    world.done("read --prefix again --out again.arrow");
    world.done("verify --file1 d.arrow --file2 again.arrow");
}

#[test]
fn a_difference_has_its_own_exit_code_and_is_named() {
    let world = World::without_server();
    world.done("gen --out 1 --partitions 1 --batches 1 --rows 10 --seed 1");
    world.done("gen --out 2 --partitions 1 --batches 1 --rows 10 --seed 2");
    let ran = world.run("verify --file1 1 --file2 2");
    assert_eq!(ran.code, 5);
    assert!(ran.text().contains("row 0 (counted from 0), column 'int32_c'"), "{}", ran.text());
    let ran = world.run("verify --file1 1 --file2 2 --json");
    assert_eq!(ran.code, 5);
    assert_eq!(ran.json()["difference"]["column"], "int32_c");
}

#[test]
fn the_address_may_come_from_the_command_line_or_the_environment() {
    let world = World::with_server();
    world.done(GEN);
    let url = world.server.as_ref().unwrap().url();
    let ran = world
        .command(&["split", "--inp", "d.arrow", "--prefix", "d", "--redis-url", &url])
        .env_remove("REDIS_URL")
        .output()
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");
    world.done("read --prefix d");
}

#[test]
fn the_demonstration_cleans_up_after_itself() {
    let world = World::without_server();
    let temporary = world.path("tmp");
    fs::create_dir(&temporary).unwrap();
    let ran = world.command(&["demo"]).env("TMPDIR", &temporary).output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    let shown = String::from_utf8(ran.stdout).unwrap();
    for line in [
        "$ arrowredis gen ",
        "$ arrowredis split ",
        "$ arrowredis read ",
        "$ arrowredis verify ",
        "Equal: ",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0, "its folders are gone");
    let report = world.done("demo --json").json();
    assert_eq!((&report["verify"]["equal"], &report["rows"]), (&true.into(), &800_000.into()));
}

#[test]
fn completions_are_printed_for_every_shell() {
    let world = World::without_server();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = world.done(&format!("completions {shell}"));
        assert!(script.text().contains("arrowredis") && script.text().contains("max-inflight"));
    }
}

#[test]
fn verbose_logs_to_stderr_and_without_secrets() {
    let world = World::with_server();
    let url = world.server.as_ref().unwrap().url();
    let with_password = url.replace("redis://", "redis://default:s3cret@");
    for level in ["-v", "-vv", "-vvv"] {
        let ran = world
            .command(&["read", "--prefix", "d", level, "--redis-url", &with_password])
            .output()
            .unwrap();
        let shown = format!(
            "{}{}",
            String::from_utf8_lossy(&ran.stdout),
            String::from_utf8_lossy(&ran.stderr)
        );
        assert!(!shown.contains("s3cret"), "{shown}");
    }
    let ran = world.run("-v read --prefix d");
    assert!(ran.stderr.contains("connected"), "{}", ran.stderr);
    assert!(ran.stdout.is_empty());
}
