//! Exit codes, which are part of the command's interface, and the failures that lead to them.

use std::io;
use std::process::ExitCode;

use arrowredis::error::{Error, ErrorClass, FileError};
use arrowredis_throwaway::StartError;

/// How the command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: done.
    Done,
    /// 1: an unexpected failure, such as a full disk.
    Unexpected,
    /// 2: wrong usage, or an input file that cannot be used.
    Usage,
    /// 3: Redis cannot be reached, refuses, or is full.
    Store,
    /// 4: data is missing or damaged.
    Data,
    /// 5: `verify` found a difference.
    Different,
    /// 130: interrupted from the keyboard, 143: asked to end, 129: the terminal was closed. As
    /// shells report those signals.
    Interrupted(Signal),
}

/// The signals that end the command in good order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    Interrupt,
    Terminate,
    HangUp,
}

impl Exit {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Unexpected => 1,
            Self::Usage => 2,
            Self::Store => 3,
            Self::Data => 4,
            Self::Different => 5,
            Self::Interrupted(Signal::Interrupt) => 130,
            Self::Interrupted(Signal::Terminate) => 143,
            Self::Interrupted(Signal::HangUp) => 129,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

/// Why the command did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The library's error.
    Library(Error),
    /// Options that cannot be had together, or not yet.
    Usage(String),
    /// The demonstration has no server to run on.
    Server(StartError),
    /// A signal came.
    Interrupted(Signal),
    /// The work was done, or failed for another reason, and something of it could not be removed.
    LeftBehind { message: String, exit: Exit },
    /// The report cannot be written.
    Stdout(io::Error),
    /// The system refused something.
    System(io::Error),
}

impl Failure {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Library(error) => match error.class() {
                ErrorClass::Unexpected => Exit::Unexpected,
                ErrorClass::Usage => Exit::Usage,
                ErrorClass::Store => Exit::Store,
                ErrorClass::Data => Exit::Data,
            },
            Self::Usage(_) => Exit::Usage,
            Self::Server(_) => Exit::Store,
            Self::Interrupted(signal) => Exit::Interrupted(*signal),
            Self::LeftBehind { exit, .. } => *exit,
            Self::Stdout(_) | Self::System(_) => Exit::Unexpected,
        }
    }

    /// The whole chain of causes in one line.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Library(error) if stdout_closed(error) => {
                "the program that reads stdout ended before the stream did".to_owned()
            }
            Self::Library(error) => chain(error),
            Self::Usage(message) | Self::LeftBehind { message, .. } => message.clone(),
            Self::Server(error) => chain(error),
            Self::Interrupted(_) => {
                "interrupted; no file is left half written and no dataset half \
                                     published. What a split had stored vanishes by itself"
                    .to_owned()
            }
            Self::Stdout(error) => format!("cannot write the report to stdout: {error}"),
            Self::System(error) => chain(error),
        }
    }
}

fn stdout_closed(error: &Error) -> bool {
    matches!(error, Error::File(FileError::Stream { source })
        if source.kind() == io::ErrorKind::BrokenPipe)
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        // Some libraries repeat their source's words in their own.
        if !message.ends_with(&text) {
            message = format!("{message}: {text}");
        }
        cause = error.source();
    }
    // Some libraries break their messages into lines.
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Library(error)
    }
}

impl From<arrowredis::store::StoreError> for Failure {
    fn from(error: arrowredis::store::StoreError) -> Self {
        Self::Library(error.into())
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self::Server(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}
