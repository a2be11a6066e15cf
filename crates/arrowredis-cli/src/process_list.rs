//! Keeps passwords out of the list of processes, which everybody on a machine can read.
//!
//! A command line cannot be changed without unsafe code. So the process starts itself anew, as the same
//! process, without the password among its arguments: those are handed on in its environment, which
//! only its own user can read.

use std::ffi::OsString;
use std::io;

/// What stands where a password was.
const HIDDEN: &str = "***";

/// The variable that holds an argument as it was given, by its place.
const VARIABLE: &str = "ARROWREDIS_ARGUMENT_";

/// The arguments as they were given. If one holds a password, this returns in a process that does not
/// show it.
///
/// # Errors
/// When the process cannot be started anew.
pub(crate) fn arguments() -> io::Result<Vec<OsString>> {
    let shown: Vec<_> = std::env::args_os().collect();
    let given = |place: usize, shown: OsString| {
        let whole = std::env::var_os(format!("{VARIABLE}{place}"));
        // Only what was hidden here is taken: the variable may be another process'.
        whole.filter(|whole| hidden(whole).as_ref() == Some(&shown)).unwrap_or(shown)
    };
    let given: Vec<_> = shown.iter().cloned().enumerate().map(|(at, one)| given(at, one)).collect();
    if given == shown && shown.iter().any(|argument| hidden(argument).is_some()) {
        start_anew(&shown)?;
    }
    Ok(given)
}

/// The argument without the passwords of an address in it; `None` if there is none.
pub(crate) fn hidden(argument: &OsString) -> Option<OsString> {
    let once = hidden_once(argument)?;
    Some(hidden_once(&once).unwrap_or(once))
}

fn hidden_once(argument: &OsString) -> Option<OsString> {
    let text = argument.to_str()?;
    let at = text.find("://")? + "://".len();
    let authority = text[at..].find('/').map_or(text.len(), |slash| at + slash);
    let end = text[..authority].rfind('@').filter(|end| *end >= at);
    let password = end.and_then(|end| Some((at + text[at..end].find(':')? + 1, end)));
    let password = password.filter(|(from, to)| text[*from..*to] != *HIDDEN);
    let query = text.find("pass=").map(|pass| pass + "pass=".len());
    let query =
        query.map(|from| (from, text[from..].find('&').map_or(text.len(), |and| from + and)));
    let (from, to) = password.or(query)?;
    let hidden = format!("{}{HIDDEN}{}", &text[..from], &text[to..]);
    (hidden != text && from < to).then(|| hidden.into())
}

#[cfg(unix)]
fn start_anew(shown: &[OsString]) -> io::Result<()> {
    use std::os::unix::process::CommandExt;
    let mut anew = std::process::Command::new(std::env::current_exe()?);
    if let Some(name) = shown.first() {
        anew.arg0(name);
    }
    for (place, argument) in shown.iter().enumerate().skip(1) {
        match hidden(argument) {
            Some(hidden) => {
                anew.arg(hidden).env(format!("{VARIABLE}{place}"), argument);
            }
            None => {
                anew.arg(argument);
            }
        }
    }
    // Returns only if it fails.
    Err(anew.exec())
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "it stands for one that fails")]
fn start_anew(_: &[OsString]) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_password_of_an_address_is_hidden() {
        for (given, shown) in [
            ("redis://u:s3cret@h:1/0", Some("redis://u:***@h:1/0")),
            ("--redis-url=rediss://:s@e@h", Some("--redis-url=rediss://:***@h")),
            ("unix:///s?db=1&pass=s3cret&user=u", Some("unix:///s?db=1&pass=***&user=u")),
            ("redis://:s3cret@h?pass=s3cret", Some("redis://:***@h?pass=***")),
            ("redis://u@h:1/0", None),
            ("redis://h:1/0", None),
            ("redis://h/@x:y", None),
            ("redis://:***@h", None),
            ("demo:v1", None),
            ("a@b:c", None),
            ("", None),
        ] {
            assert_eq!(hidden(&given.into()), shown.map(OsString::from), "{given}");
        }
    }
}
