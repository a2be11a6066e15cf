//! The commands that look after datasets: what they print, and their exit codes.

use arrowredis::store::{Change, ChunkStore, Guard, RedisStore};

use crate::support::World;

/// A world in which the file `d` was stored as `demo:v1`.
fn loaded() -> World {
    let world = World::with_server();
    world.done("gen --out d --partitions 3 --batches 2 --rows 100");
    world.done("split --inp d --prefix demo:v1");
    world
}

#[test]
fn an_existing_dataset_is_refused_with_what_to_do() {
    let world = loaded();
    let ran = world.run("split --inp d --prefix demo:v1");
    assert_eq!(ran.code, 2, "{ran:?}");
    for part in ["'demo:v1' exists", "6 chunks, 600 rows", "--replace"] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    let report = world.done("split --inp d --prefix demo:v1 --replace --json").json();
    assert_eq!(report["replaced"], true);
    let shown = world.done("split --inp d --prefix demo:v1 --drop-first --ttl 90m");
    assert!(shown.text().contains("replacing what was there"), "{}", shown.text());
    assert!(shown.text().contains("Lives:       1h 30m"), "{}", shown.text());
}

#[test]
fn ls_and_info_say_what_there_is() {
    let world = loaded();
    let empty = world.done("ls nobody*");
    assert!(empty.text().starts_with("No dataset with a manifest"), "{}", empty.text());
    world.done("alias demo demo:v1");
    let listed = world.done("ls");
    let lines: Vec<_> = listed.text().lines().collect();
    assert_eq!(lines.len(), 3, "{}", listed.text());
    assert!(lines[0].starts_with("NAME"), "{}", listed.text());
    assert_eq!(lines[1].split_whitespace().collect::<Vec<_>>(), ["demo", "->", "demo:v1"]);
    assert_eq!(lines[2].split_whitespace().take(3).collect::<Vec<_>>(), ["demo:v1", "600", "6"]);
    assert!(lines[2].contains("zstd") && lines[2].ends_with("for ever"), "{}", lines[2]);

    let json = world.done("ls --json demo:*").json();
    assert_eq!(json["entries"][0]["kind"], "dataset");
    assert_eq!(json["entries"][0]["rows"], 600);
    let info = world.done("info demo");
    for part in ["'demo:v1' at redis://", "'demo' stands for it", "whole: every", "id64: Int64"] {
        assert!(info.text().contains(part), "{part}: {}", info.text());
    }
    let json = world.done("info demo --json").json();
    assert_eq!((&json["state"], &json["chunks"]), (&"whole".into(), &6.into()));
    assert_eq!(json["partitions"].as_array().unwrap().len(), 3);
    let ran = world.run("info nobody");
    assert_eq!(ran.code, 4);
    assert!(ran.stderr.contains("'nobody:manifest'"), "{}", ran.stderr);
}

#[test]
fn verify_checks_what_is_stored() {
    let world = loaded();
    let whole = world.done("verify demo:v1");
    assert!(whole.text().starts_with("Whole: every chunk"), "{}", whole.text());
    let equal = world.done("verify demo:v1 d");
    assert!(equal.text().starts_with("Equal: "), "{}", equal.text());
    world.done("gen --out e --partitions 3 --batches 2 --rows 100 --seed 9");
    let ran = world.run("verify demo:v1 e");
    assert_eq!(ran.code, 5);
    let first = "the first difference is in 'demo:v1:{part=00000}:batch=00000', row 0 of it";
    assert!(ran.text().contains(first), "{}", ran.text());
    world.done("gen --out f --partitions 3 --batches 3 --rows 100");
    let ran = world.run("verify demo:v1 f --json");
    assert_eq!((ran.code, &ran.json()["difference"]["kind"]), (5, &"chunk".into()));

    world.done("split --inp e --prefix other");
    damage(&world, "demo:v1:{part=00001}:batch=00000", Some("other:{part=00001}:batch=00000"));
    damage(&world, "demo:v1:{part=00002}:batch=00001", None);
    let ran = world.run("verify demo:v1");
    assert_eq!(ran.code, 4);
    for part in [
        "of 6 chunks, 2 absent or not as written",
        "'demo:v1:{part=00002}:batch=00001': it is absent",
        "'demo:v1:{part=00001}:batch=00000': expected",
    ] {
        assert!(ran.text().contains(part), "{part}: {}", ran.text());
    }
    let lenient = world.done("read --prefix demo:v1 --allow-missing");
    assert!(lenient.text().starts_with("Fetched 4/6 present"), "{}", lenient.text());
    assert!(lenient.text().contains("Damaged:     'demo:v1:{part=00001}"), "{}", lenient.text());
    for line in
        ["verify", "verify demo:v1 d --file1 d", "verify --file2 d", "verify demo:v1 --batches 2"]
    {
        assert_eq!(world.run(line).code, 2, "{line}");
    }
}

/// Puts another key's value under a key, or removes the key.
fn damage(world: &World, key: &str, instead: Option<&str>) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = RedisStore::connect(&world.server.as_ref().unwrap().url()).await.unwrap();
        let change = match instead {
            Some(other) => {
                let value = store.get(vec![other.to_owned()]).await.unwrap().remove(0).unwrap();
                let value = value.to_vec().into();
                Change::Put { key: key.to_owned(), value, until: None }
            }
            None => Change::Remove { key: key.to_owned() },
        };
        let any = Guard::default();
        assert!(store.apply(&any, vec![change]).await.unwrap());
    });
}

#[test]
fn copies_go_to_another_name_or_another_server() {
    let world = loaded();
    let other = arrowredis_throwaway::Server::start().unwrap();
    world.done("cp demo:v1 demo:v2");
    world.done("verify demo:v2 d");
    let copied = world.done(&format!("cp demo:v1 {}", other.url()));
    assert!(copied.text().contains(&format!("to 'demo:v1' at {}", other.url())));
    world.done(&format!("cp demo:v1 {} demo:v3 --ttl 1h", other.url()));
    let listed = world.done(&format!("ls --redis-url {}", other.url()));
    assert_eq!(listed.text().lines().count(), 3, "{}", listed.text());
    for (line, part) in [
        ("cp demo:v1 demo:v2", "--replace"),
        ("cp demo:v1 demo:v1 --replace", "is there already"),
        ("cp demo:v1 a b", "two names"),
        ("cp demo:v1 redis://a redis://b", "two addresses"),
        ("cp demo:v1 a{b", "braces"),
    ] {
        let ran = world.run(line);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    let ran = world.run("cp demo:v1 redis://:s3cret@127.0.0.1:1/0");
    assert_eq!(ran.code, 3);
    assert!(!ran.stderr.contains("s3cret"), "{}", ran.stderr);
}

#[test]
fn touch_renews_and_ends_a_time_to_live() {
    let world = loaded();
    let ran = world.run("touch demo:v1");
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("--ttl 1h"), "{}", ran.stderr);
    let touched = world.done("touch demo:v1 --ttl 2d");
    assert!(touched.text().ends_with("lives 2days from now on\n"), "{}", touched.text());
    assert!(world.done("ls").text().contains("1day 23h"));
    assert!(world.done("touch demo:v1 --ttl never").text().ends_with("lives for ever\n"));
    for ttl in ["0s", "5", "soon", "-1h", "2000years"] {
        assert_eq!(world.run(&format!("touch demo:v1 --ttl={ttl}")).code, 2, "{ttl}");
    }
}

#[test]
fn rm_does_not_ask_where_nobody_can_answer() {
    let world = loaded();
    world.done("alias demo demo:v1");
    assert!(world.done("rm demo").text().contains("Removed the alias 'demo'"));
    let removed = world.done("rm demo:v1");
    assert!(removed.text().starts_with("Removed 'demo:v1' with 6 chunks"), "{}", removed.text());
    let ran = world.run("rm demo:v1 --yes");
    assert_eq!(ran.code, 4);
    assert!(ran.stderr.contains("no manifest and no chunk"), "{}", ran.stderr);
}

/// Goal: on a terminal it asks, and only yes is yes. Method: the program `script` gives it one.
#[cfg(target_os = "linux")]
#[test]
fn rm_asks_on_a_terminal() {
    use std::process::{Command, Stdio};

    let world = loaded();
    let answer = |answer: &str| {
        let program = env!("CARGO_BIN_EXE_arrowredis");
        let url = world.server.as_ref().unwrap().url();
        let line = format!("{program} rm demo:v1 --redis-url {url}");
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        script.current_dir(world.folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = script.stderr(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), answer.as_bytes()).unwrap();
        crate::support::ran(child.wait_with_output().unwrap())
    };
    for no in ["n\n", "\n", "yesterday\n"] {
        let ran = answer(no);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(
            ran.text()
                .contains("Remove the dataset 'demo:v1' with its 6 chunks and 600 rows? [y/N]"),
            "{ran:?}"
        );
    }
    world.done("verify demo:v1");
    assert_eq!(answer("y\n").code, 0);
    assert_eq!(world.run("info demo:v1").code, 4);
}

#[test]
fn adopt_describes_what_another_program_stored() {
    let world = loaded();
    let ran = world.run("adopt demo:v1");
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("has a manifest already"), "{}", ran.stderr);
    damage(&world, "demo:v1:manifest", None);
    world.done("read --prefix demo:v1");
    let adopted = world.done("adopt demo:v1");
    let first = "Wrote the manifest of 'demo:v1' at redis://";
    assert!(adopted.text().starts_with(first), "{}", adopted.text());
    assert!(adopted.text().contains("6 chunks in 3 partitions, zstd"), "{}", adopted.text());
    world.done("verify demo:v1 d");
}

/// Goal: a server that may drop what it holds is a warning before anything is sent.
#[test]
fn an_eviction_policy_that_drops_chunks_is_a_warning() {
    for (policy, options, warned) in [
        ("allkeys-lru", "", true),
        ("volatile-lru", "", false),
        ("volatile-lru", " --ttl 1h", true),
        ("noeviction", " --ttl 1h", false),
    ] {
        let mut world = World::without_server();
        let server = arrowredis_throwaway::Server::start_with(&["--maxmemory-policy", policy]);
        world.server = Some(server.unwrap());
        world.done("gen --out d --partitions 1 --batches 1 --rows 10");
        let ran = world.done(&format!("split --inp d --prefix p{options}"));
        let found = ran.stderr.contains(&format!("maxmemory-policy is {policy}"));
        assert_eq!(found, warned, "{policy}{options}: {}", ran.stderr);
    }
}
