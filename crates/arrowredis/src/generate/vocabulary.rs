//! The words of the synthetic dataset: consonant and vowel, consonant and vowel.

use std::collections::HashSet;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::Rng;

const CONSONANTS: &[u8] = b"bcdfghjklmnpqrstvwxyz";
const VOWELS: &[u8] = b"aeiou";

/// Syllables of the shortest words and of the longest.
const SYLLABLES: std::ops::RangeInclusive<u64> = 2..=5;

/// `count` different words of two to five syllables, in the order in which they were drawn.
pub(crate) fn vocabulary(count: usize, random: &mut Xoshiro256PlusPlus) -> Vec<String> {
    let mut seen = HashSet::with_capacity(count);
    let mut words = Vec::with_capacity(count);
    // There are 1.3 × 10^10 words, a thousand times the largest vocabulary: repeats are rare.
    while words.len() < count {
        let word = word(random);
        if seen.insert(word.clone()) {
            words.push(word);
        }
    }
    words
}

fn word(random: &mut Xoshiro256PlusPlus) -> String {
    let spread = SYLLABLES.end() - SYLLABLES.start() + 1;
    let syllables = SYLLABLES.start() + below(random, spread);
    (0..syllables).flat_map(|_| [letter(CONSONANTS, random), letter(VOWELS, random)]).collect()
}

fn letter(letters: &[u8], random: &mut Xoshiro256PlusPlus) -> char {
    // `below` stays below the number of letters.
    #[expect(clippy::cast_possible_truncation, reason = "less than the number of letters")]
    let index = below(random, letters.len() as u64) as usize;
    char::from(letters[index])
}

/// An integer of `0..bound`, by taking the high half of a product (Lemire 2019). Without his
/// rejection step the bias is at most `bound` / 2^64, which no dataset is large enough to show.
#[inline]
pub(crate) fn below(random: &mut Xoshiro256PlusPlus, bound: u64) -> u64 {
    let product = u128::from(random.next_u64()) * u128::from(bound);
    (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_xoshiro::rand_core::SeedableRng;

    #[test]
    fn words_are_different_and_made_of_syllables() {
        let words = vocabulary(5_000, &mut Xoshiro256PlusPlus::seed_from_u64(1));
        assert_eq!(words.iter().collect::<HashSet<_>>().len(), 5_000);
        for word in words {
            assert!((4..=10).contains(&word.len()), "{word}");
            for syllable in word.as_bytes().chunks(2) {
                assert!(CONSONANTS.contains(&syllable[0]) && VOWELS.contains(&syllable[1]));
            }
        }
    }
}
