//! Everything that the command prints: reports for people or as JSON, failures, the log.
//!
//! How reports read for people is `text`'s matter.

use std::ffi::OsString;
use std::io::{self, Write};

use arrowredis::ipc::is_decoding;
use serde::Serialize;
use tracing::Level;

use crate::args::Shown;
use crate::exit::{Exit, Failure};
use crate::process_list::hidden;
use crate::progress::Bar;

/// Where and how results are printed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    style: Style,
    quiet: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Human,
    Json,
}

/// Which stream a human reads; stdout may be taken by data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum To {
    Stdout,
    Stderr,
}

#[derive(Serialize)]
struct JsonReport<'a, T> {
    command: &'a str,
    #[serde(flatten)]
    report: &'a T,
}

#[derive(Serialize)]
struct JsonFailure<'a> {
    command: &'a str,
    error: String,
    exit_code: u8,
}

impl Output {
    pub(crate) fn new(shown: &Shown) -> Self {
        let style = if shown.json { Style::Json } else { Style::Human };
        Self { style, quiet: shown.quiet }
    }

    pub(crate) fn is_json(self) -> bool {
        self.style == Style::Json
    }

    /// A progress bar for a verb.
    pub(crate) fn bar(self, verb: &'static str) -> Bar {
        Bar::new(verb, self.quiet)
    }

    /// Prints a verb's report: as JSON if that was asked for, else the text.
    pub(crate) fn report<T: Serialize>(
        self,
        command: &str,
        report: &T,
        text: &str,
        to: To,
    ) -> Result<(), Failure> {
        match self.style {
            Style::Json => line(To::Stdout, &Self::json(command, report)?),
            Style::Human if self.quiet => Ok(()),
            Style::Human => line(to, text),
        }
    }

    /// A verb's report as JSON, as it is printed.
    pub(crate) fn json<T: Serialize>(command: &str, report: &T) -> Result<String, Failure> {
        Ok(serde_json::to_string(&JsonReport { command, report }).map_err(io::Error::from)?)
    }

    /// Prints a line for people only.
    pub(crate) fn say(self, text: &str) -> Result<(), Failure> {
        match self.style {
            Style::Human if !self.quiet => line(To::Stdout, text),
            _ => Ok(()),
        }
    }

    /// Asks on stderr, where stdout may be taken by a report.
    pub(crate) fn ask(self, question: &str) {
        // Whoever cannot see the question answers nothing, which is no.
        let _ = write!(io::stderr().lock(), "{question}");
    }

    /// Prints what was wrong with the command line as clap words it, and as the report if JSON was
    /// asked for.
    pub(crate) fn usage(error: &clap::Error, arguments: &[OsString]) -> Exit {
        // Help and version come this way, too; they are no errors.
        if !error.use_stderr() {
            let _ = error.print();
            return Exit::Done;
        }
        // Clap repeats what was typed, which may be an address that slipped to the wrong place.
        let typed = error.render().to_string();
        let text = without_passwords(typed.clone(), arguments);
        // In colours, unless it had to be changed.
        let _ = if text == typed { error.print() } else { write!(io::stderr().lock(), "{text}") };
        if arguments.iter().any(|argument| argument == "--json") {
            let what = text.split("\n\nUsage:").next().unwrap_or_default();
            let words: Vec<_> = what.trim_start_matches("error: ").split_whitespace().collect();
            let mut words_typed = arguments.iter().skip(1).map(|word| word.to_string_lossy());
            let command = words_typed.find(|word| !word.starts_with('-')).unwrap_or_default();
            let command = without_passwords(command.into_owned(), arguments);
            let exit_code = Exit::Usage.code();
            let failure = JsonFailure { command: &command, error: words.join(" "), exit_code };
            let _ = serde_json::to_string(&failure).map(|json| line(To::Stdout, &json));
        }
        Exit::Usage
    }

    /// Prints that the arguments cannot be kept out of sight.
    pub(crate) fn cannot_hide(error: &io::Error) -> Exit {
        error_line(&format!(
            "cannot start again without the password among the arguments: {error}; give it in \
             REDISCLI_AUTH or with --password-file"
        ));
        Exit::Unexpected
    }

    /// Prints a failure on stderr, and as the report if JSON was asked for.
    pub(crate) fn failure(self, command: &str, failure: &Failure) -> Exit {
        let exit = failure.exit();
        let error = failure.message();
        error_line(&error);
        if self.is_json() {
            let failure = JsonFailure { command, error, exit_code: exit.code() };
            // The failure stands on stderr already if this one cannot be printed.
            let _ = serde_json::to_string(&failure).map(|json| line(To::Stdout, &json));
        }
        exit
    }
}

fn line(to: To, text: &str) -> Result<(), Failure> {
    let text = printable(text);
    match to {
        To::Stdout => writeln!(io::stdout().lock(), "{text}").map_err(Failure::Stdout),
        To::Stderr => {
            // Nobody is left to tell.
            let _ = writeln!(io::stderr().lock(), "{text}");
            Ok(())
        }
    }
}

fn error_line(error: &str) {
    // Neither the exit code nor the JSON report depends on somebody reading this.
    let _ = writeln!(io::stderr().lock(), "error: {}", printable(error));
}

/// The text without anything that a terminal would obey: names in a schema are anybody's.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && c != '\n' {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// The text without the user and password of any address among the arguments.
fn without_passwords(text: String, arguments: &[OsString]) -> String {
    arguments.iter().fold(text, |text, argument| {
        let given = argument.to_string_lossy();
        let mut shown = given.to_string();
        let address = given.split_once("://").map(|(_, address)| address);
        if let Some((secret, _)) = address.and_then(|address| address.rsplit_once('@')) {
            shown = shown.replace(&format!("://{secret}@"), "://***@");
        }
        if let Some(hidden) = hidden(&shown.clone().into()) {
            shown = hidden.to_string_lossy().into_owned();
        }
        if shown == *given { text } else { text.replace(&*given, &shown) }
    })
}

/// Sends the library's log to stderr: warnings, or more with each `-v`.
pub(crate) fn log_to_stderr(shown: &Shown) {
    let level = match (shown.quiet, shown.verbose) {
        (true, 0) => Level::ERROR,
        (false, 0) => Level::WARN,
        (_, 1) => Level::INFO,
        (_, 2) => Level::DEBUG,
        _ => Level::TRACE,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(io::stderr)
        .log_internal_errors(false)
        .with_ansi(false)
        .without_time()
        .with_target(shown.verbose > 0)
        .init();
}

/// Says that a panic is a bug, except for those that a decoder turns into errors.
pub(crate) fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        if is_decoding() {
            tracing::debug!(%panic, "the decoder panicked");
        } else {
            error_line(&format!("this is a bug in arrowredis: {panic}"));
        }
    }));
}
