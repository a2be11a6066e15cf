//! How long a value a server takes, asked once.

use ::redis::Value;
use tokio::sync::OnceCell;

/// The longest value unless a server says otherwise: 512 MiB.
const DEFAULT_VALUE: u64 = 512 << 20;

/// What a command takes beside its value, at most: its words, and the longest key.
const COMMAND: u64 = 4_096;

/// The setting that bounds one value.
const VALUE: &str = "proto-max-bulk-len";

/// The setting that bounds what a client has sent and was not carried out yet.
const QUERY: &str = "client-query-buffer-limit";

/// The settings that are asked for.
pub(super) const SETTINGS: [&str; 2] = [VALUE, QUERY];

/// The longest value that a server takes, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limit {
    pub(super) bytes: u64,
    pub(super) setting: &'static str,
    /// Whether the server said so.
    pub(super) is_known: bool,
}

impl Limit {
    /// If a server does not tell.
    pub(super) const DEFAULT: Self = Self { bytes: DEFAULT_VALUE, setting: VALUE, is_known: false };

    /// Reads what `CONFIG GET` answers, once for each setting.
    pub(super) fn read(answers: &[Value]) -> Self {
        let texts: Vec<_> = answers.iter().flat_map(texts).collect();
        let setting = |name: &str| {
            let mut pairs = texts.chunks_exact(2).filter(|pair| pair[0].as_deref() == Some(name));
            pairs.next()?[1].as_ref()?.parse::<u64>().ok()
        };
        let value = setting(VALUE).map(|bytes| (bytes, VALUE));
        let query = setting(QUERY).map(|bytes| (bytes.saturating_sub(COMMAND), QUERY));
        match value.into_iter().chain(query).min() {
            Some((bytes, setting)) => Self { bytes, setting, is_known: value.is_some() },
            None => Self::DEFAULT,
        }
    }
}

/// Names and values in turn.
fn texts(answer: &Value) -> Vec<Option<String>> {
    match answer {
        Value::Array(items) => items.iter().map(text).collect(),
        Value::Map(pairs) => {
            pairs.iter().flat_map(|(name, value)| [text(name), text(value)]).collect()
        }
        _ => Vec::new(),
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        Value::SimpleString(text) => Some(text.clone()),
        _ => None,
    }
}

/// The limit, once it is known.
pub(super) type Known = OnceCell<Limit>;

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn the_lower_setting_counts_and_silence_is_the_default() {
        let answer =
            |value, query| Value::Array(vec![bulk(QUERY), bulk(query), bulk(VALUE), bulk(value)]);
        let limit = |bytes, setting| Limit { bytes, setting, is_known: true };
        assert_eq!(Limit::read(&[answer("1000", "9999999")]), limit(1_000, VALUE));
        assert_eq!(Limit::read(&[answer("9999999", "10000")]), limit(5_904, QUERY));
        let map = Value::Map(vec![(bulk(VALUE), bulk("7"))]);
        assert_eq!(Limit::read(&[map]), limit(7, VALUE));
        for silent in [Value::Nil, Value::Array(vec![]), Value::Array(vec![bulk(VALUE), bulk("x")])]
        {
            assert_eq!(Limit::read(&[silent]), Limit::DEFAULT);
        }
    }
}
