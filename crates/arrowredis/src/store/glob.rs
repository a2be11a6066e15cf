//! Redis' glob patterns, for the store that has no Redis to match them.

/// Whether a pattern matches the whole of a text: `*` any characters, `?` any one, `[abc]`,
/// `[a-c]` and `[^x]` one of some, `\` whatever follows as it stands.
///
/// As in Redis, what is opened by `[` and not closed ends with the pattern.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<_>, Vec<_>) = (pattern.bytes().collect(), text.bytes().collect());
    let (mut at, mut place) = (0, 0);
    // The last star, and how much of the text it stands for so far: at most |pattern| × |text| steps.
    let mut star: Option<(usize, usize)> = None;
    loop {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at + 1, place));
            at += 1;
            continue;
        }
        let next = text.get(place).and_then(|byte| match_one(&pattern[at..], *byte));
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

/// The length of the pattern's first part if it matches a byte.
fn match_one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'\\', literal, ..] => (*literal == byte).then_some(2),
        [b'[', class @ ..] => match_class(class, byte).map(|length| length + 1),
        [literal, ..] => (*literal == byte).then_some(1),
    }
}

/// The length of a class, its closing bracket included, if it matches a byte.
fn match_class(class: &[u8], byte: u8) -> Option<usize> {
    let negated = class.first() == Some(&b'^');
    let (mut at, mut found) = (usize::from(negated), false);
    loop {
        match &class[at..] {
            [] => break,
            [b']', ..] => {
                at += 1;
                break;
            }
            [b'\\', literal, ..] => {
                found |= *literal == byte;
                at += 2;
            }
            [first, b'-', last, ..] => {
                found |= (*first.min(last)..=*first.max(last)).contains(&byte);
                at += 3;
            }
            [literal, ..] => {
                found |= *literal == byte;
                at += 1;
            }
        }
    }
    (found != negated).then_some(at)
}
