//! Everything that can be typed or given wrongly: the exit code, and a message that names it.

use std::fs;

use crate::support::{Ran, World};

fn refused(ran: &Ran, code: i32, parts: &[&str]) {
    assert_eq!(ran.code, code, "{ran:?}");
    assert!(ran.stdout.is_empty(), "{ran:?}");
    for part in parts {
        assert!(ran.stderr.contains(part), "{part:?} in: {}", ran.stderr);
    }
    assert!(!ran.stderr.contains("panicked") && !ran.stderr.contains("bug"), "{}", ran.stderr);
}

#[test]
fn wrong_usage_names_the_flag_and_what_it_takes() {
    let world = World::without_server();
    for (line, parts) in [
        ("", &["Usage"][..]),
        ("fetch", &["unrecognized subcommand"]),
        ("gen", &["--out"]),
        ("gen --out -", &["stdout", "--out FILE"]),
        ("read --prefix p --redis-url redis://x#insecure", &["'#'"]),
        ("read --prefix p --redis-url redis+sentinel://x", &["no service"]),
        ("read --prefix p --redis-url rediss://x --tls-ca none", &["none", "PEM"]),
        ("read --prefix p --tls-cert c", &["--tls-key"]),
        ("read --prefix p --password-file none", &["none", "No such file"]),
        ("read --prefix p --timeout 0s", &["1ms or more"]),
        ("read --prefix p --connections 0", &["1 or more"]),
        ("read --prefix p --redis-url redis://x/abc", &["database"]),
        ("gen --out d --compression gzip", &["'gzip'", "zstd, lz4, uncompressed"]),
        ("gen --out d --partitions 0", &["--partitions", "0"]),
        ("gen --out d --rows 50000001", &["rows is 50000001", "0 to 50000000"]),
        ("gen --out d --workers 0", &["workers is 0"]),
        ("gen --out d --string-cardinality 0", &["string_cardinality is 0"]),
        ("split --inp d --prefix a{b", &["'a{b'", "braces"]),
        ("split --inp d --prefix p --compression gzip", &["keep, zstd, lz4, uncompressed"]),
        ("split --inp d --prefix p --max-inflight 0", &["1 or more"]),
        ("split --inp d --prefix p --cluster maybe", &["auto, on, off"]),
        ("split --inp d --prefix p --max-chunk-bytes 0", &["--max-chunk-bytes", "1 byte or more"]),
        ("split --inp d --prefix p --max-chunk-bytes 0.3B", &["1 byte or more"]),
        ("split --inp d --prefix p --max-chunk-bytes many", &["'many'", "64MB or 64MiB"]),
        ("split --inp d --prefix p --max-chunk-bytes 64q", &["'64q'", "64MB or 64MiB"]),
        ("split --inp d --prefix p --max-chunk-bytes=-1", &["'-1'", "64MB or 64MiB"]),
        ("read --prefix p --partitions x", &["\"x\"", "0,3-7"]),
        ("read --prefix p --partitions 3-1", &["\"3-1\""]),
        ("read --prefix p --pipeline 0", &["1 or more"]),
        ("read --prefix p --compression zstd", &["--out"]),
        ("read --prefix p --redis-url http://x", &["cannot read the Redis address"]),
        ("verify --file1 d", &["--file2"]),
        ("completions tcsh", &["bash"]),
    ] {
        let arguments: Vec<_> = line.split(' ').filter(|word| !word.is_empty()).collect();
        let ran = crate::support::ran(world.command(&arguments).output().unwrap());
        refused(&ran, 2, parts);
    }
    assert!(world.files().is_empty());
}

#[test]
fn a_stream_and_a_report_cannot_share_stdout() {
    let ran = World::without_server().run("read --prefix p --out - --json");
    assert_eq!((ran.code, &ran.json()["exit_code"]), (2, &2.into()));
    assert!(ran.stderr.contains("--out - and --json"), "{}", ran.stderr);
}

#[test]
fn wrong_usage_is_reported_as_json_when_that_is_asked_for() {
    let world = World::without_server();
    for line in ["read --prefix p --partitions x --json", "--json read --prefix a{b", "gen --json"]
    {
        let ran = world.run(line);
        assert_eq!((ran.code, &ran.json()["exit_code"]), (2, &2.into()), "{line}");
        let command = if line.starts_with("gen") { "gen" } else { "read" };
        assert_eq!(ran.json()["command"], command, "{line}");
        assert!(ran.stderr.starts_with("error: "), "{}", ran.stderr);
    }
}

#[test]
fn wrong_usage_names_every_missing_flag_in_json_too() {
    let ran = World::without_server().run("split --json");
    let error = ran.json()["error"].as_str().unwrap().to_owned();
    assert!(error.contains("--inp") && error.contains("--prefix"), "{error}");
}

#[test]
fn an_address_at_the_wrong_place_is_not_repeated_with_its_password() {
    let world = World::without_server();
    for line in [
        "read --prefix p redis://u:s3cret@h",
        "redis://:s3cret@h --json",
        "gen --rows redis://a:s3cret@h",
        "ls x unix:///h?pass=s3cret",
    ] {
        let ran = world.run(line);
        assert_eq!(ran.code, 2, "{ran:?}");
        let hidden = ["redis://***@h", "unix:///h?pass=***"];
        assert!(hidden.iter().any(|shown| ran.stderr.contains(shown)), "{}", ran.stderr);
        assert!(!format!("{}{}", ran.text(), ran.stderr).contains("s3cret"), "{ran:?}");
    }
}

#[test]
fn a_partition_column_that_is_ignored_is_warned_of_once() {
    use arrow_array::{RecordBatch, StringArray};
    let world = World::with_server();
    let batch = RecordBatch::try_from_iter([(
        "partition",
        std::sync::Arc::new(StringArray::from(vec!["x"])) as arrow_array::ArrayRef,
    )])
    .unwrap();
    let file = fs::File::create(world.path("d")).unwrap();
    let mut writer = arrow_ipc::writer::FileWriter::try_new(file, &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    let ran = world.done("split --inp d --prefix p");
    assert_eq!(ran.stderr.matches("is ignored").count(), 1, "{}", ran.stderr);
}

/// Goal: what is found wrong with a file is found before anything of it is stored.
#[test]
fn a_damaged_file_stores_nothing() {
    let world = World::with_server();
    world.done("gen --out d --partitions 1 --batches 20 --rows 100");
    world.done("split --inp d --prefix whole");
    let ran = world.done("read --prefix whole --out -");
    let cut = &ran.stdout[..ran.stdout.len() - 100];
    fs::write(world.path("cut"), cut).unwrap();
    refused(&world.run("split --inp cut --prefix p"), 2, &["cut off"]);
    refused(&world.run("read --prefix p"), 4, &["no chunk of dataset 'p'"]);
}

#[test]
fn a_database_that_does_not_exist_is_not_taken_for_a_missing_server() {
    let world = World::with_server();
    let url = world.server.as_ref().unwrap().url().replace("/0", "/99");
    let output = world.command(&["read", "--prefix", "p", "--redis-url", &url]).output();
    refused(&crate::support::ran(output.unwrap()), 3, &["refuses the connection", "out of range"]);
}

#[test]
fn an_empty_prefix_or_one_with_control_characters_is_refused() {
    let world = World::without_server();
    for prefix in ["", "a\nb"] {
        let output = world.command(&["read", "--prefix", prefix]).output().unwrap();
        refused(&crate::support::ran(output), 2, &["prefix"]);
    }
}

#[test]
fn a_file_that_is_not_arrow_is_named() {
    let world = World::with_server();
    fs::write(world.path("text"), "id,name\n1,x\n").unwrap();
    fs::write(world.path("empty"), "").unwrap();
    fs::create_dir(world.path("folder")).unwrap();
    world.done("gen --out whole --partitions 1 --batches 2 --rows 10");
    let whole = fs::read(world.path("whole")).unwrap();
    fs::write(world.path("cut"), &whole[..whole.len() / 2]).unwrap();
    for (file, parts) in [
        ("missing", &["missing", "No such file"][..]),
        ("text", &["text", "expected an Arrow IPC file or stream", "id,name"]),
        ("empty", &["empty", "0 bytes"]),
        ("folder", &["folder", "not a regular file"]),
        ("cut", &["cut", "cut off"]),
    ] {
        refused(&world.run(&format!("split --inp {file} --prefix p")), 2, parts);
        refused(&world.run(&format!("verify --file1 whole --file2 {file}")), 2, parts);
    }
}

#[test]
fn chunks_too_short_for_a_row_are_refused_before_anything_is_stored() {
    let world = World::with_server();
    world.done("gen --out d --partitions 1 --batches 2 --rows 10");
    refused(
        &world.run("split --inp d --prefix p --max-chunk-bytes 1kB"),
        2,
        &["in chunks of at most 1000 bytes", "--max-chunk-bytes", "row 0", "schema"],
    );
    refused(&world.run("read --prefix p"), 4, &["no chunk of dataset 'p'"]);
}

#[test]
fn no_server_is_three_and_names_the_address() {
    let world = World::without_server();
    world.done("gen --out d --partitions 1 --batches 1 --rows 10");
    for line in ["split --inp d --prefix p", "read --prefix p"] {
        refused(&world.run(line), 3, &["redis://127.0.0.1:1/0", "refused"]);
    }
    let ran = world.run("read --prefix p --json");
    assert_eq!((ran.code, &ran.json()["exit_code"]), (3, &3.into()));
    assert!(ran.json()["error"].as_str().unwrap().contains("cannot connect"));
}

#[test]
fn missing_data_is_four_and_names_the_key() {
    let world = World::with_server();
    refused(&world.run("read --prefix p"), 4, &["p:{part=00000}:batch=00000"]);
    world.done("gen --out d --partitions 2 --batches 2 --rows 10");
    world.done("split --inp d --prefix p");
    refused(
        &world.run("read --prefix p --partitions 5"),
        4,
        &["p:{part=00005}:batch=00000", "0-1"],
    );
    refused(&world.run("read --prefix p --batches 3"), 4, &["p:{part=00000}:batch=00002"]);
    let lenient = world.done("read --prefix p --batches 3 --allow-missing");
    assert!(lenient.text().starts_with("Fetched 4/6"), "{}", lenient.text());
    assert!(lenient.text().contains("p:{part=00000}:batch=00002"), "{}", lenient.text());
    refused(&world.run("read --prefix p --batches 3 --out copy"), 4, &["p:{part=00000}"]);
    assert_eq!(world.files(), ["d"], "no output stands where a read failed");
}

#[test]
fn fewer_batches_than_there_are_is_a_warning() {
    let world = World::with_server();
    world.done("gen --out d --partitions 2 --batches 2 --rows 10");
    world.done("split --inp d --prefix p");
    let ran = world.done("read --prefix p --batches 1");
    assert!(ran.stderr.contains("p:{part=00000}:batch=00001"), "{}", ran.stderr);
}

#[test]
fn a_path_that_cannot_be_written_is_named_before_anything_is_read() {
    let world = World::with_server();
    refused(&world.run("gen --out no/folder/d"), 2, &["no/folder/d", "No such file"]);
    fs::create_dir(world.path("folder")).unwrap();
    refused(&world.run("gen --out folder"), 2, &["folder", "not a regular file"]);
    refused(&world.run("read --prefix nobody --out no/folder/d"), 2, &["no/folder/d"]);
    refused(&world.run("read --prefix nobody --out new/"), 2, &["new/"]);
}

#[test]
fn no_server_to_demonstrate_on_says_how_to_get_one() {
    let world = World::without_server();
    let output = world.command(&["demo"]).env("PATH", "").env_remove("ARROWREDIS_SERVER").output();
    refused(&crate::support::ran(output.unwrap()), 3, &["apt-get install redis-server"]);
}
