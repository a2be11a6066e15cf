//! Every verb can run as a task of its own, on whatever thread.

use std::path::Path;

use arrowredis::catalog;
use arrowredis::generate::{GenerateOptions, generate};
use arrowredis::progress::Unwatched;
use arrowredis::publish::PublishOptions;
use arrowredis::read::{ReadOptions, read_batches, read_table, read_to_file, read_to_writer};
use arrowredis::split::{SplitOptions, split};
use arrowredis::store::RedisStore;
use arrowredis::verify::{verify_dataset, verify_dataset_with_file, verify_files};

use crate::support::dataset;

fn can_be_spawned<T: Send>(_: T) {}

/// It only has to compile: nothing is awaited, so no server is needed.
#[test]
fn all_verbs_are_send() {
    let _never_called = |store: RedisStore| {
        let (name, file, unwatched) = (dataset("d"), Path::new("f"), Unwatched);
        let reading = ReadOptions::default();
        can_be_spawned(generate(file, &GenerateOptions::default(), &unwatched));
        can_be_spawned(split(&store, file, &name, &SplitOptions::default(), &unwatched));
        can_be_spawned(read_table(&store, &name, &reading, &unwatched));
        can_be_spawned(read_to_file(&store, &name, file, None, &reading, &unwatched));
        let out = Box::new(Vec::new());
        can_be_spawned(read_to_writer(&store, &name, out, None, &reading, &unwatched));
        can_be_spawned(read_batches(&store, &name, &reading));
        can_be_spawned(verify_files(file, file, &unwatched));
        can_be_spawned(verify_dataset(&store, &name, &unwatched));
        can_be_spawned(verify_dataset_with_file(&store, &name, file, None, &unwatched));
        can_be_spawned(catalog::list(&store, "*"));
        can_be_spawned(catalog::info(&store, &name));
        can_be_spawned(catalog::remove(&store, &name));
        can_be_spawned(catalog::alias(&store, &name, &name));
        can_be_spawned(catalog::touch(&store, &name, catalog::NewLife::Forever));
        can_be_spawned(catalog::adopt(&store, &name, &unwatched));
        let options = PublishOptions::default();
        can_be_spawned(catalog::copy(&store, &name, &store, &name, &options, &unwatched));
    };
}
