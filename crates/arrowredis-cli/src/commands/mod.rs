//! One file a command: arguments in, the library's verb, report out.

mod adopt;
mod alias;
mod bench;
mod completions;
mod copy;
mod demo;
mod generate;
mod info;
mod list;
mod read;
mod remove;
mod split;
mod touch;
mod verify;

use crate::args::Command;
use crate::exit::{Exit, Failure};
use crate::interrupt::unless_interrupted;
use crate::output::Output;

/// Runs a command until it is done or a signal ends it.
pub(crate) async fn run(command: Command, output: &Output) -> Result<Exit, Failure> {
    match command {
        // It has something to do after a signal.
        Command::Bench(args) => bench::run(&args, output).await,
        command => unless_interrupted(run_to_its_end(command, output)).await,
    }
}

async fn run_to_its_end(command: Command, output: &Output) -> Result<Exit, Failure> {
    match command {
        Command::Gen(args) => generate::run(&args, output).await,
        Command::Split(args) => split::run(&args, output).await,
        Command::Read(args) => read::run(&args, output).await,
        Command::Verify(args) => verify::run(&args, output).await,
        Command::Ls(args) => list::run(&args, output).await,
        Command::Info(args) => info::run(&args, output).await,
        Command::Rm(args) => remove::run(&args, output).await,
        Command::Alias(args) => alias::run(&args, output).await,
        Command::Cp(args) => copy::run(&args, output).await,
        Command::Touch(args) => touch::run(&args, output).await,
        Command::Adopt(args) => adopt::run(&args, output).await,
        Command::Demo => demo::run(output).await,
        Command::Bench(args) => bench::run(&args, output).await,
        Command::Completions { shell } => completions::run(shell),
    }
}
