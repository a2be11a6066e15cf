//! The last net under the Arrow library: a panic on outside bytes becomes an error.
//!
//! The checks in front of it are meant to leave it nothing to catch. It cannot catch an allocation
//! that fails, which is why lengths are bounded before.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::IpcError;

thread_local! {
    static DECODING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is inside a decoder whose panics are caught and returned as errors.
///
/// A panic hook asks this to stay silent: the error will be reported by whoever receives it.
pub fn is_decoding() -> bool {
    DECODING.get()
}

/// Runs a decoder on outside bytes.
///
/// `decode` must own or only read what it touches: after a panic nothing that it changed is used.
pub(crate) fn guard<T>(
    what: &'static str,
    decode: impl FnOnce() -> Result<T, IpcError>,
) -> Result<T, IpcError> {
    let outer = DECODING.replace(true);
    let result = catch_unwind(AssertUnwindSafe(decode));
    DECODING.set(outer);
    result.unwrap_or_else(|panic| Err(IpcError::Panicked { what, reason: reason(&*panic) }))
}

fn reason(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_with_its_message() {
        std::panic::set_hook(Box::new(|_| {}));
        let error = guard::<()>("a batch", || panic!("index {} out of range", 7)).unwrap_err();
        let _ = std::panic::take_hook();
        assert_eq!(error.to_string(), "a batch: the decoder gave up (index 7 out of range)");
        assert!(!is_decoding());
    }
}
