//! Which method suits a buffer, found out on a part of it, and on the whole where that part promises little.
//!
//! Random bits, measurements and timestamps hardly shrink: compressing them would cost whoever writes a
//! good part of the time, and whoever reads would unpack them every time. Others shrink because few of
//! their bytes differ, and hardly because they repeat: keys of dictionaries, small numbers. To look for
//! repetitions there takes three times as long, and twice as long to read.

use std::io;

use super::Codec;
use super::method::{Method, most_packed};

/// Compressing is worth it when it saves one part in so many: what a reader gains by fewer bytes is then
/// about what unpacking them costs it.
const LEAST_SAVING: usize = 10;

/// A search for repetitions is worth it when a trial with it saves one part in so many beside one without:
/// a whole buffer has about twice as many of them as its parts.
const LEAST_FOUND: usize = 20;

/// Three windows of so many bytes are compressed as a trial. Together they hold enough for the frequency
/// of bytes to show.
const WINDOW_BYTES: usize = 2 << 10;

/// Buffers shorter than this are compressed without a trial, which would take more than a quarter as long.
const TRIAL_FROM_BYTES: usize = 4 * 3 * WINDOW_BYTES;

/// How far a trial looks for words of its own that come again: as far back as zstd's level 1 does.
/// Repetitions that are farther apart than a window show in no window.
const REPETITION_BYTES: usize = 512 << 10;

/// A search is worth it, whatever a trial promises, when one part in so many of a buffer that its bytes'
/// frequency shrinks lies in stretches of one value: those take an eighth without it, and nothing with it.
const LEAST_STRETCHED: usize = 8;

/// How many of a buffer's first words are looked for.
const PROBES: usize = 4;

/// How a buffer is compressed; not at all when that promises to be in vain.
pub(super) fn method_for(buffer: &[u8], codec: Codec) -> io::Result<Option<Method>> {
    let is_short = buffer.len() < TRIAL_FROM_BYTES;
    match codec {
        Codec::Uncompressed => Ok(None),
        Codec::Lz4 if is_short => Ok(Some(Method::Lz4)),
        Codec::Zstd if is_short => Ok(Some(Method::Zstd)),
        Codec::Lz4 => {
            let sample = sample(buffer);
            let promises = saves(packed(&sample, Method::Lz4)?, sample.len())
                || repeats(buffer, 1)
                || is_stretched(buffer, LEAST_SAVING);
            Ok(promises.then_some(Method::Lz4))
        }
        Codec::Zstd => zstd_method(buffer),
    }
}

fn zstd_method(buffer: &[u8]) -> io::Result<Option<Method>> {
    let sample = sample(buffer);
    let literals = packed(&sample, Method::ZstdLiterals)?;
    let searched = packed(&sample, Method::Zstd)?;
    let finds = searched <= literals - literals.div_ceil(LEAST_FOUND);
    let shrinks = saves(literals, sample.len());
    let least_stretched = if shrinks { LEAST_STRETCHED } else { LEAST_SAVING };
    let method = if finds && saves(searched, sample.len())
        || repeats(buffer, words_of(&sample, literals))
        || is_stretched(buffer, least_stretched)
    {
        Some(Method::Zstd)
    } else if shrinks {
        Some(Method::ZstdLiterals)
    } else {
        saves(searched, sample.len()).then_some(Method::Zstd)
    };
    Ok(method)
}

/// Whether what became of some bytes is worth it.
pub(super) fn saves(packed: usize, whole: usize) -> bool {
    packed <= whole - whole.div_ceil(LEAST_SAVING)
}

/// The beginning, the middle and the end of a buffer that is no shorter than a trial.
fn sample(buffer: &[u8]) -> Vec<u8> {
    let last = buffer.len() - WINDOW_BYTES;
    let windows = [0, 1, 2].map(|window| &buffer[last / 2 * window..][..WINDOW_BYTES]);
    windows.concat()
}

fn packed(sample: &[u8], method: Method) -> io::Result<usize> {
    method.pack(sample, &mut vec![0; most_packed(sample.len())])
}

/// How many words take as much as one that no method shrinks. A repetition has to be so long to take less
/// than its literals, since it is written as a distance and a length.
fn words_of(sample: &[u8], literals: usize) -> usize {
    ((sample.len() + literals / 2) / literals.max(1)).max(1)
}

/// Whether so many words from one of the first on come again further on. In bytes that do not compress
/// none does.
fn repeats(buffer: &[u8], length: usize) -> bool {
    /// Without an early end within some of them, many are compared at a time.
    const SOME: usize = 512;
    let (words, _) = buffer.as_chunks::<8>();
    let words = &words[..words.len().min(REPETITION_BYTES / 8)];
    let Some(first) = words.first_chunk::<PROBES>() else { return false };
    let first = first.map(u64::from_ne_bytes);
    let is_first = |word: &[u8; 8]| first.contains(&u64::from_ne_bytes(*word));
    let repeats_at = |at: usize| {
        let here = words.get(at..at + length);
        here.is_some() && (0..PROBES).any(|probe| words.get(probe..probe + length) == here)
    };
    (PROBES..words.len()).step_by(SOME).any(|start| {
        let some = &words[start..words.len().min(start + SOME)];
        some.iter().fold(false, |found, word| found | is_first(word))
            && (start..).zip(some).any(|(at, word)| is_first(word) && repeats_at(at))
    })
}

/// Whether one part in so many of all words is the same as the word two before: stretches of one value whose
/// length divides 16 bytes, such as a decimal. They may lie where no window does. Two words that take turns
/// count, too, and a few by chance: to search those costs time and no room.
fn is_stretched(buffer: &[u8], one_in: usize) -> bool {
    const BACK: usize = 2;
    let (words, _) = buffer.as_chunks::<8>();
    let behind = words.get(BACK..).unwrap_or_default();
    let same = behind.iter().zip(words).filter(|(word, before)| word == before).count();
    same > words.len() / one_in
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many words of 32 bits.
    fn buffer(words: u32, word: impl Fn(u32) -> u32) -> Vec<u8> {
        (0..words).flat_map(|at| word(at).to_le_bytes()).collect()
    }

    /// Bits without any order, by the last steps of MurmurHash3.
    fn random(at: u32) -> u32 {
        let x = (at.wrapping_add(1) ^ (at >> 16)).wrapping_mul(0x85eb_ca6b);
        let x = (x ^ (x >> 13)).wrapping_mul(0xc2b2_ae35);
        x ^ (x >> 16)
    }

    fn method(buffer: &[u8], codec: Codec) -> Option<Method> {
        method_for(buffer, codec).unwrap()
    }

    #[test]
    fn each_kind_of_buffer_has_its_method() {
        let small_numbers = buffer(100_000, |at| random(at) % 1_000);
        let counted = buffer(100_000, |at| if at % 2 == 0 { at / 2 } else { 0 });
        let bits = buffer(100_000, random);
        assert_eq!(method(&small_numbers, Codec::Zstd), Some(Method::ZstdLiterals));
        assert_eq!(method(&counted, Codec::Zstd), Some(Method::Zstd));
        assert_eq!(method(&bits, Codec::Zstd), None);
        assert_eq!(method(&small_numbers, Codec::Lz4), Some(Method::Lz4));
        assert_eq!(method(&bits, Codec::Lz4), None);
        for buffer in [&small_numbers, &counted, &bits] {
            assert_eq!(method(buffer, Codec::Uncompressed), None);
            for short in [0, 1, TRIAL_FROM_BYTES - 1] {
                assert_eq!(method(&buffer[..short], Codec::Zstd), Some(Method::Zstd));
                assert_eq!(method(&buffer[..short], Codec::Lz4), Some(Method::Lz4));
            }
        }
    }

    /// No window shows it.
    #[test]
    fn what_comes_again_far_away_is_looked_for() {
        let small_numbers = buffer(100_000, |at| random(at % 7_000) % 1_000);
        assert_eq!(method(&small_numbers, Codec::Zstd), Some(Method::Zstd));
        let bits = buffer(100_000, |at| random(at % 7_000));
        assert_eq!(method(&bits, Codec::Zstd), Some(Method::Zstd));
        assert_eq!(method(&bits, Codec::Lz4), Some(Method::Lz4));
    }

    /// No window shows it, either.
    #[test]
    fn stretches_of_one_value_are_seen() {
        let bits = |at: u32| random(at);
        let small_number = |at: u32| random(at) % 1_000;
        for word in [bits, small_number] {
            for apart in [1, 2, 4] {
                let inner =
                    |at: u32| (1_000..49_000).contains(&at) || (51_000..99_000).contains(&at);
                let stretched = |at: u32| if inner(at) { random(at % apart) } else { word(at) };
                let stretched = buffer(100_000, stretched);
                assert_eq!(method(&stretched, Codec::Zstd), Some(Method::Zstd), "{apart}");
                assert_eq!(method(&stretched, Codec::Lz4), Some(Method::Lz4), "{apart}");
            }
        }
    }

    /// One part in nine of what does not shrink is worth a search, but not of what shrinks.
    #[test]
    fn short_stretches_are_worth_it_where_nothing_else_shrinks() {
        let some = |word: fn(u32) -> u32| {
            buffer(100_000, move |at| if (25_000..36_000).contains(&at) { 7 } else { word(at) })
        };
        assert_eq!(method(&some(random), Codec::Zstd), Some(Method::Zstd));
        assert_eq!(method(&some(random), Codec::Lz4), Some(Method::Lz4));
        let small_numbers = some(|at| random(at) % 1_000);
        assert_eq!(method(&small_numbers, Codec::Zstd), Some(Method::ZstdLiterals));
    }

    #[test]
    fn what_is_not_searched_would_hardly_be_smaller() {
        let packed = |buffer: &[u8], method| packed(buffer, method).unwrap();
        for most in [3, 10, 100, 1_000, 100_000, 10_000_000] {
            for words in [6_144, 12_288, 50_000, 200_000] {
                // So many hundredths in stretches in two places, where no window is.
                for stretched in [0, 5, 9, 20, 24, 26, 50, 80] {
                    let is_stretched = |at: u32| {
                        let (at, half) = (at % (words / 2), words / 2);
                        at.abs_diff(half / 2) < half * stretched / 200
                    };
                    let buffer = buffer(words, |at| match is_stretched(at) {
                        true => 0,
                        false => random(at) % most,
                    });
                    let chosen = method(&buffer, Codec::Zstd);
                    let chosen = chosen.map_or(buffer.len(), |method| packed(&buffer, method));
                    let searched = packed(&buffer, Method::Zstd);
                    assert!(
                        chosen <= searched + searched / 10,
                        "{most} {words} {stretched}: {chosen}, {searched}"
                    );
                }
            }
        }
    }
}
