//! The command `arrowredis`: Arrow tables in Redis, one record batch a key.

mod args;
mod commands;
mod connection;
mod exit;
mod interrupt;
mod output;
mod process_list;
mod progress;
mod text;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use args::Args;
use exit::Exit;
use output::Output;

/// How long threads that are writing may take to finish once the command is over. It lets them
/// remove what they began; one that waits for a reader which does not read is not waited for.
const LAST_WRITES: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let arguments = match process_list::arguments() {
        Ok(arguments) => arguments,
        Err(error) => return Output::cannot_hide(&error).into(),
    };
    let args = match Args::try_parse_from(&arguments) {
        Ok(args) => args,
        Err(error) => return Output::usage(&error, &arguments).into(),
    };
    let output = Output::new(&args.shown);
    output::log_to_stderr(&args.shown);
    output::report_panics();
    let exit = catch_unwind(AssertUnwindSafe(|| run(args, &output))).unwrap_or(Exit::Unexpected);
    exit.into()
}

fn run(args: Args, output: &Output) -> Exit {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output.failure(args.command.name(), &error.into()),
    };
    let name = args.command.name();
    let result = runtime.block_on(commands::run(args.command, output));
    runtime.shutdown_timeout(LAST_WRITES);
    match result {
        Ok(exit) => exit,
        Err(failure) => output.failure(name, &failure),
    }
}
