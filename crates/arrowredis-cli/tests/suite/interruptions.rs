//! Signals, closed pipes and full disks: ended quickly, nothing half written, nothing left behind.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{World, ran};

/// How long a test waits for what must happen; far beyond what it takes.
const PATIENCE: Duration = Duration::from_secs(30);

fn wait_for(what: &str, mut happened: impl FnMut() -> bool) {
    let started = Instant::now();
    while !happened() {
        assert!(started.elapsed() < PATIENCE, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn has_files(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_some()
}

#[test]
fn a_signal_ends_gen_and_leaves_no_file() {
    for (signal, code) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)] {
        let world = World::without_server();
        let mut command =
            world.command(&["gen", "--out", "d", "--partitions", "1000000", "--rows", "20000"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        wait_for("the file in the making", || has_files(world.folder.path()));
        let pid = child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        let ran = ran(child.wait_with_output().unwrap());
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(ran.stderr.starts_with("error: interrupted"), "{}", ran.stderr);
        assert!(world.files().is_empty(), "{:?}", world.files());
    }
}

#[test]
fn a_signal_ends_the_demonstration_and_its_server() {
    let world = World::without_server();
    let temporary = world.path("tmp");
    fs::create_dir(&temporary).unwrap();
    let mut command = world.command(&["demo"]);
    let child =
        command.env("TMPDIR", &temporary).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.unwrap();
    // The first line is printed once its server listens.
    let mut first = [0; 1];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    let servers = || {
        let list =
            Command::new("ps").args(["-o", "pid=", "--ppid", &child.id().to_string()]).output();
        String::from_utf8(list.unwrap().stdout).unwrap().trim().to_owned()
    };
    let server = servers();
    assert!(
        Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success()
    );
    let ran = ran(child.wait_with_output().unwrap());
    // It may have been done a moment before the signal came.
    assert!(ran.code == 130 || ran.code == 0, "{ran:?}");
    assert!(!server.is_empty() && !Path::new("/proc").join(&server).exists(), "{server}");
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
}

#[test]
fn a_reader_of_stdout_that_goes_away_is_an_error_and_no_panic() {
    let world = World::with_server();
    world.done("gen --out d --partitions 2 --batches 2 --rows 20000 --compression uncompressed");
    world.done("split --inp d --prefix p");
    let mut command = world.command(&["read", "--prefix", "p", "--out", "-"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut few = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut few).unwrap();
    let ran = ran(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 1);
    assert_eq!(ran.stderr, "error: the program that reads stdout ended before the stream did\n");
}

/// Goal: a disk that fills up. Method: a limit on the size of files, which fails writes the same
/// way once the signal that announces it is ignored.
#[test]
fn a_full_disk_is_named_and_what_stood_there_stays() {
    let world = World::with_server();
    world.done("gen --out d --partitions 2 --batches 2 --rows 5000");
    world.done("split --inp d --prefix p");
    fs::write(world.path("out"), "as before").unwrap();
    let before = world.files();
    for line in ["gen --out out --rows 20000", "read --prefix p --out out"] {
        let program = env!("CARGO_BIN_EXE_arrowredis");
        let limited = format!("trap '' XFSZ; ulimit -f 100; exec '{program}' {line}");
        let url = world.server.as_ref().unwrap().url();
        let mut shell = Command::new("bash");
        shell.args(["-c", &limited]).current_dir(world.folder.path()).env("REDIS_URL", url);
        let ran = ran(shell.output().unwrap());
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(
            ran.stderr.contains("out\"; it was left as it was before: File too large"),
            "{}",
            ran.stderr
        );
        assert_eq!(fs::read_to_string(world.path("out")).unwrap(), "as before");
        assert_eq!(world.files(), before);
    }
}

#[test]
fn messages_that_nobody_can_read_change_nothing() {
    let world = World::without_server();
    let program = env!("CARGO_BIN_EXE_arrowredis");
    for (line, code) in
        [("split --inp nope --prefix p", 3), ("verify --file1 nope --file2 nope", 2)]
    {
        let mut shell = Command::new("bash");
        shell.args(["-c", &format!("exec '{program}' -v {line} 2>/dev/full")]);
        let url = "redis://127.0.0.1:1/0";
        let output = shell.current_dir(world.folder.path()).env("REDIS_URL", url).output();
        assert_eq!(ran(output.unwrap()).code, code, "{line}");
    }
    let mut shell = Command::new("bash");
    shell.args([
        "-c",
        &format!("exec '{program}' gen --out d --partitions 1 --batches 1 --rows 1 >/dev/full"),
    ]);
    let ran = ran(shell.current_dir(world.folder.path()).output().unwrap());
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("cannot write the report to stdout"), "{}", ran.stderr);
}

/// Goal: what a full server is asked to keep is refused before anything is sent where that can be
/// known, and else when it is full; nothing of it is published. Method: zstd makes the chunks'
/// sizes unknown before.
#[test]
fn a_server_that_is_full_is_three_and_publishes_nothing() {
    let mut world = World::without_server();
    let full = arrowredis_throwaway::Server::start_with(&["--maxmemory", "3mb"]).unwrap();
    world.server = Some(full);
    world.done("gen --out d --partitions 2 --batches 8 --rows 20000 --compression uncompressed");
    for (options, parts) in [
        ("", &["too little room", "of maxmemory 3145728", "--drop-first"][..]),
        (
            "--compression zstd",
            &["the upload of dataset 'p' stopped after", "SET of 'p:{part=", "OOM"],
        ),
    ] {
        let line = format!("split --inp d --prefix p {options}");
        let ran = world.run(line.trim());
        assert_eq!(ran.code, 3, "{ran:?}");
        for part in parts {
            assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
        }
        let ran = world.run("read --prefix p");
        assert!(ran.stderr.contains("no manifest and no chunk of dataset 'p'"), "{}", ran.stderr);
    }
}
