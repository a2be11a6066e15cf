//! Requests for and with values, as the bytes that a server is sent.

use std::ops::Range;

use ::redis::cmd;
use arrow_buffer::Buffer;

use crate::chunk::{Forwarded, Payload, Piece};
use crate::clock::Timestamp;

/// A request, in pieces that are not copied together.
#[derive(Debug, Clone)]
pub(in crate::store::redis) struct Packed {
    pub(super) pieces: Vec<Piece>,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Get,
    /// The value is summed up when it comes.
    GetSummed,
    Set,
    /// Those pieces are a value whose checksum is asked for.
    Forward(Range<usize>),
}

impl Packed {
    /// Asks for a value.
    pub(in crate::store::redis) fn get(key: &str) -> Self {
        let mut command = cmd("GET");
        command.arg(key);
        let pieces = vec![here(command.get_packed_command())];
        Self { pieces, kind: Kind::Get }
    }

    /// Asks for a value and its checksum.
    pub(in crate::store::redis) fn get_summed(key: &str) -> Self {
        Self { kind: Kind::GetSummed, ..Self::get(key) }
    }

    /// Sends a value: for ever, or until then.
    pub(in crate::store::redis) fn set(
        key: &str,
        value: &Payload,
        until: Option<Timestamp>,
    ) -> Self {
        let pieces = value.pieces().iter().cloned().map(Piece::Here);
        let pieces = between_words(key, value.len(), pieces, until);
        Self { pieces, kind: Kind::Set }
    }

    /// Sends a value that lies in a file. What it is answered with has the value's checksum.
    pub(in crate::store::redis) fn forward(
        key: &str,
        value: &Forwarded,
        until: Option<Timestamp>,
    ) -> Self {
        let pieces = between_words(key, value.len(), value.pieces().iter().cloned(), until);
        let kind = Kind::Forward(1..pieces.len() - 1);
        Self { pieces, kind }
    }

    /// The same, sent on by another node of a cluster.
    pub(super) fn asking(mut self) -> Self {
        self.pieces.insert(0, here(cmd("ASKING").get_packed_command()));
        if let Kind::Forward(value) = &mut self.kind {
            *value = value.start + 1..value.end + 1;
        }
        self
    }

    /// Whether a value is asked for, and not sent.
    pub(super) fn is_get(&self) -> bool {
        matches!(self.kind, Kind::Get | Kind::GetSummed)
    }

    /// Whether the value that is asked for is summed up when it comes.
    pub(super) fn is_summed(&self) -> bool {
        matches!(self.kind, Kind::GetSummed)
    }

    /// Whether some of it is still to be read.
    pub(super) fn is_forwarded(&self) -> bool {
        matches!(self.kind, Kind::Forward(_))
    }

    /// Whether a piece belongs to a value whose checksum is asked for.
    pub(super) fn is_value(&self, place: usize) -> bool {
        matches!(&self.kind, Kind::Forward(value) if value.contains(&place))
    }

    pub(super) fn len(&self) -> usize {
        self.pieces.iter().map(Piece::len).sum()
    }
}

fn here(bytes: Vec<u8>) -> Piece {
    Piece::Here(Buffer::from_vec(bytes))
}

/// A value's pieces between the words that have it stored. The client library would copy it into one
/// piece with them.
fn between_words(
    key: &str,
    value_bytes: usize,
    value: impl ExactSizeIterator<Item = Piece>,
    until: Option<Timestamp>,
) -> Vec<Piece> {
    let words = if until.is_some() { 5 } else { 3 };
    let key_bytes = key.len();
    let head = format!("*{words}\r\n$3\r\nSET\r\n${key_bytes}\r\n{key}\r\n${value_bytes}\r\n");
    let tail = match until.map(|until| until.0.to_string()) {
        Some(at) => format!("\r\n$4\r\nPXAT\r\n${}\r\n{at}\r\n", at.len()),
        None => "\r\n".to_owned(),
    };
    let mut pieces = Vec::with_capacity(value.len() + 2);
    pieces.push(here(head.into_bytes()));
    pieces.extend(value);
    pieces.push(here(tail.into_bytes()));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(packed: &Packed) -> Vec<u8> {
        packed.pieces.iter().flat_map(|piece| piece.bytes().iter().copied()).collect()
    }

    /// Held against the client library's own.
    #[test]
    fn a_value_is_sent_as_the_client_library_would() {
        let pieces = vec![Buffer::from(b"one"), Buffer::from(b"\r\ntwo")];
        let value = Payload::from((pieces, 8));
        for (key, until) in [("k", None), ("größe:{part=1}", Some(Timestamp(1_700_000_000_000)))]
        {
            let mut command = cmd("SET");
            command.arg(key).arg(value.to_vec());
            if let Some(until) = until {
                command.arg("PXAT").arg(until.0);
            }
            assert_eq!(sent(&Packed::set(key, &value, until)), command.get_packed_command());
        }
    }

    #[test]
    fn one_that_was_sent_on_says_so_first() {
        let packed = Packed::get("k").asking();
        let text = String::from_utf8(sent(&packed)).unwrap();
        assert_eq!(text, "*1\r\n$6\r\nASKING\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
        assert_eq!(packed.len(), text.len());
    }
}
