//! `arrowredis completions`

use std::io::{self, Write};

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::args::Args;
use crate::exit::{Exit, Failure};

pub(super) fn run(shell: Shell) -> Result<Exit, Failure> {
    // The generator panics when it cannot write, so it writes to memory.
    let mut script = Vec::new();
    generate(shell, &mut Args::command(), "arrowredis", &mut script);
    io::stdout().write_all(&script)?;
    Ok(Exit::Done)
}
