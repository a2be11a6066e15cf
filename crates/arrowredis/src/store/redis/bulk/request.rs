//! Requests for and with values, as the bytes that a server is sent.

use ::redis::cmd;
use arrow_buffer::Buffer;

use crate::chunk::Payload;
use crate::clock::Timestamp;

/// A request, in pieces that are not copied together.
#[derive(Debug, Clone)]
pub(in crate::store::redis) struct Packed {
    pub(super) pieces: Vec<Buffer>,
    /// Whether a value is asked for, and not sent.
    pub(super) is_get: bool,
}

impl Packed {
    /// Asks for a value.
    pub(in crate::store::redis) fn get(key: &str) -> Self {
        let mut command = cmd("GET");
        command.arg(key);
        Self { pieces: vec![Buffer::from_vec(command.get_packed_command())], is_get: true }
    }

    /// Sends a value: for ever, or until then.
    pub(in crate::store::redis) fn set(
        key: &str,
        value: &Payload,
        until: Option<Timestamp>,
    ) -> Self {
        // The client library would copy the value into one piece with the rest.
        let words = if until.is_some() { 5 } else { 3 };
        let (key_bytes, value_bytes) = (key.len(), value.len());
        let head = format!("*{words}\r\n$3\r\nSET\r\n${key_bytes}\r\n{key}\r\n${value_bytes}\r\n");
        let tail = match until.map(|until| until.0.to_string()) {
            Some(at) => format!("\r\n$4\r\nPXAT\r\n${}\r\n{at}\r\n", at.len()),
            None => "\r\n".to_owned(),
        };
        let mut pieces = Vec::with_capacity(value.pieces().len() + 2);
        pieces.push(Buffer::from_vec(head.into_bytes()));
        pieces.extend(value.pieces().iter().cloned());
        pieces.push(Buffer::from_vec(tail.into_bytes()));
        Self { pieces, is_get: false }
    }

    /// The same, sent on by another node of a cluster.
    pub(super) fn asking(mut self) -> Self {
        self.pieces.insert(0, Buffer::from_vec(cmd("ASKING").get_packed_command()));
        self
    }

    pub(super) fn len(&self) -> usize {
        self.pieces.iter().map(Buffer::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(packed: &Packed) -> Vec<u8> {
        packed.pieces.iter().flat_map(|piece| piece.iter().copied()).collect()
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
