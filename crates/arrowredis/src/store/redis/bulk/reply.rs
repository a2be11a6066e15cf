//! What a server answers to a bulk request, as far as its first line tells; pure.
//!
//! Source: the RESP2 and RESP3 specifications, <https://redis.io/docs/latest/develop/reference/protocol-spec/>.

use std::io;

use ::redis::{ErrorKind, RedisError, RedisResult, Value, parse_redis_value};
use arrow_buffer::Buffer;

use crate::checksum::{Checksum, Summed};

/// Longest first line of a reply: an error's text, which may repeat a key. 64 KiB.
pub(super) const LONGEST_LINE: usize = 64 << 10;

/// An answer.
#[derive(Debug)]
pub(in crate::store::redis) enum Reply {
    /// A value.
    Value(Buffer),
    /// A value that was summed up while it was received.
    Summed(Summed),
    /// That a value is stored which was read from a file: what was sent has this checksum.
    Stored(Checksum),
    /// None, since the value could not be read from its file.
    Unsent(io::Error),
    /// Anything else: nothing, a word, a number, an error.
    Other(Value),
}

impl Reply {
    /// The value, or what came in place of one.
    pub(in crate::store::redis) fn into_value(self) -> Result<Buffer, Self> {
        match self {
            Self::Value(value) => Ok(value),
            other => Err(other),
        }
    }

    /// The value with its checksum, or what came in place of one.
    pub(in crate::store::redis) fn into_summed(self) -> Result<Summed, Self> {
        match self {
            Self::Summed(summed) => Ok(summed),
            other => Err(other),
        }
    }
}

/// What a reply's first line says.
#[derive(Debug, PartialEq)]
pub(super) enum Head {
    /// That a value of so many bytes follows, and a line end.
    Bytes(usize),
    /// All.
    All(Value),
}

impl Head {
    /// Reads a line, which is given with its end.
    ///
    /// # Errors
    /// When no reply to a bulk request begins like that. Nothing that follows can be made sense of then.
    pub(super) fn read(line: &[u8]) -> RedisResult<Self> {
        let text = line.strip_suffix(b"\r\n").ok_or_else(|| unreadable(line))?;
        match text.split_first() {
            Some((b'$', b"-1")) => Ok(Self::All(Value::Nil)),
            // What each stored value is answered with; the library clears 8 KiB to read it.
            Some((b'+', b"OK")) => Ok(Self::All(Value::Okay)),
            Some((b'$', digits)) => length(digits).map(Self::Bytes).ok_or_else(|| unreadable(line)),
            Some((b'+' | b'-' | b':' | b'_', _)) => match parse_redis_value(line) {
                Ok(value) => Ok(Self::All(value)),
                Err(_) => Err(unreadable(line)),
            },
            _ => Err(unreadable(line)),
        }
    }
}

/// A length as servers write it: digits only.
fn length(digits: &[u8]) -> Option<usize> {
    let all_digits = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(digits).ok().filter(|_| all_digits)?;
    text.parse().ok().filter(|length| *length <= isize::MAX as usize / 2)
}

/// Bytes of a line that are shown.
const SHOWN: usize = 40;

pub(super) fn unreadable(line: &[u8]) -> RedisError {
    let start = line[..line.len().min(SHOWN)].escape_ascii().to_string();
    (ErrorKind::Parse, "expected a value or an error", format!("found \"{start}\"")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(line: &str) -> Value {
        match Head::read(line.as_bytes()).unwrap() {
            Head::All(value) => value,
            Head::Bytes(length) => panic!("{length} bytes"),
        }
    }

    #[test]
    fn lines_mean_what_the_protocol_says() {
        assert_eq!(Head::read(b"$0\r\n").unwrap(), Head::Bytes(0));
        assert_eq!(Head::read(b"$536870912\r\n").unwrap(), Head::Bytes(512 << 20));
        assert_eq!(value("$-1\r\n"), Value::Nil);
        assert_eq!(value("_\r\n"), Value::Nil);
        assert_eq!(value("+OK\r\n"), Value::Okay);
        assert_eq!(value(":7\r\n"), Value::Int(7));
        let error = value("-WRONGTYPE Operation against a key\r\n").extract_error().unwrap_err();
        assert_eq!(error.code(), Some("WRONGTYPE"));
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for line in [
            "",
            "\r\n",
            "$",
            "$\r\n",
            "$1",
            "$+1\r\n",
            "$-2\r\n",
            "$1x\r\n",
            "$ 1\r\n",
            "*1\r\n",
            ">2\r\n",
            "%1\r\n",
            "HTTP/1.1 400\r\n",
            ":x\r\n",
            "$99999999999999999999\r\n",
            "$9223372036854775807\r\n",
        ] {
            Head::read(line.as_bytes()).unwrap_err();
        }
    }
}
