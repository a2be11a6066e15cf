//! One file a command: arguments in, the library's verb, report out.

mod completions;
mod demo;
mod generate;
mod read;
mod split;
mod verify;

use crate::args::Command;
use crate::exit::{Exit, Failure};
use crate::output::Output;

/// Runs a command.
pub(crate) async fn run(command: Command, output: &Output) -> Result<Exit, Failure> {
    match command {
        Command::Gen(args) => generate::run(&args, output).await,
        Command::Split(args) => split::run(&args, output).await,
        Command::Read(args) => read::run(&args, output).await,
        Command::Verify(args) => verify::run(&args, output).await,
        Command::Demo => demo::run(output).await,
        Command::Completions { shell } => completions::run(shell),
    }
}
