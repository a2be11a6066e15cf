//! Redis' glob patterns, by characters where Redis matches bytes.

use std::ops::RangeInclusive;

/// Whether a pattern matches the whole of a text: `*` any characters, `?` any one, `[abc]`,
/// `[a-c]` and `[^x]` one of some, `\` whatever follows as it stands.
///
/// As in Redis, what is opened by `[` and not closed ends with the pattern.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<_>, Vec<_>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut place) = (0, 0);
    // The last star, and how much of the text it stands for so far: at most |pattern| × |text| steps.
    let mut star: Option<(usize, usize)> = None;
    loop {
        if pattern.get(at) == Some(&'*') {
            star = Some((at + 1, place));
            at += 1;
            continue;
        }
        let next = text.get(place).and_then(|c| match_one(&pattern[at..], *c));
        match (next, star) {
            (Some(length), _) => (at, place) = (at + length, place + 1),
            (None, _) if at == pattern.len() && place == text.len() => return true,
            (None, Some((after, taken))) if taken < text.len() => {
                star = Some((after, taken + 1));
                (at, place) = (after, taken + 1);
            }
            (None, _) => return false,
        }
    }
}

/// The length of the pattern's first part if it matches a character.
fn match_one(pattern: &[char], c: char) -> Option<usize> {
    match pattern {
        [] => None,
        ['?', ..] => Some(1),
        ['\\', literal, ..] => (*literal == c).then_some(2),
        ['[', class @ ..] => match_class(class, c).map(|length| length + 1),
        [literal, ..] => (*literal == c).then_some(1),
    }
}

/// The length of a class, its closing bracket included, if it matches a character.
fn match_class(class: &[char], c: char) -> Option<usize> {
    let mut found = false;
    let length = walk_class(class, |range| found |= range.contains(&c));
    let negated = class.first() == Some(&'^');
    (found != negated).then_some(length)
}

/// Hands out the characters between brackets as ranges; returns the length of all, the closing bracket
/// included.
///
/// As in Redis, a range ends with whatever stands behind its `-`: in `[a-]` and `[a-\]` that is no
/// bracket that closes and no backslash that takes a meaning away.
fn walk_class(class: &[char], mut each: impl FnMut(RangeInclusive<char>)) -> usize {
    let mut at = usize::from(class.first() == Some(&'^'));
    loop {
        match &class[at..] {
            [] => return at,
            [']', ..] => return at + 1,
            ['\\', literal, ..] => {
                each(*literal..=*literal);
                at += 2;
            }
            [first, '-', last, ..] => {
                each(*first.min(last)..=*first.max(last));
                at += 3;
            }
            [literal, ..] => {
                each(*literal..=*literal);
                at += 1;
            }
        }
    }
}

/// A pattern that matches whatever `pattern` does and more, and means the same by bytes and by
/// characters: every part that stands for one character stands for any number of them.
pub(crate) fn widened(pattern: &str) -> String {
    let pattern: Vec<_> = pattern.chars().collect();
    let mut wide = String::with_capacity(pattern.len());
    let mut at = 0;
    while let Some(c) = pattern.get(at) {
        at += 1;
        match c {
            '?' => wide.push('*'),
            '[' => {
                wide.push('*');
                at += walk_class(&pattern[at..], |_| {});
            }
            '\\' => {
                wide.push('\\');
                wide.extend(pattern.get(at));
                at += 1;
            }
            other => wide.push(*other),
        }
    }
    wide
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_character_is_one_however_many_bytes_it_has() {
        for (pattern, text, expected) in [
            ("gr??e", "größe", true),
            ("日?", "日本", true),
            ("[日月]本", "月本", true),
            ("[^日]本", "日本", false),
            ("[a-ö]", "ä", true),
            ("?", "日本", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_widened_pattern_keeps_what_is_meant_as_it_stands() {
        for (pattern, wide) in [
            ("a?c", "a*c"),
            ("a[b\\]c]d", "a*d"),
            ("a[bc", "a*"),
            ("[a-]]b", "*b"),
            ("[a-\\]b", "*b"),
            ("[^-]b", "*b"),
            ("a\\?\\[b*", "a\\?\\[b*"),
            ("\\", "\\"),
        ] {
            assert_eq!(widened(pattern), wide, "{pattern}");
        }
    }
}
