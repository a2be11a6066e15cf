//! Redis' glob patterns, by characters where Redis matches bytes.

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
    let negated = class.first() == Some(&'^');
    let (mut at, mut found) = (usize::from(negated), false);
    loop {
        match &class[at..] {
            [] => break,
            [']', ..] => {
                at += 1;
                break;
            }
            ['\\', literal, ..] => {
                found |= *literal == c;
                at += 2;
            }
            [first, '-', last, ..] => {
                found |= (*first.min(last)..=*first.max(last)).contains(&c);
                at += 3;
            }
            [literal, ..] => {
                found |= *literal == c;
                at += 1;
            }
        }
    }
    (found != negated).then_some(at)
}

/// A pattern that matches whatever `pattern` does and more, and means the same by bytes and by
/// characters: every part that stands for one character stands for any number of them.
pub(crate) fn widened(pattern: &str) -> String {
    let mut wide = String::with_capacity(pattern.len());
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        match c {
            '?' => wide.push('*'),
            '[' => {
                wide.push('*');
                while let Some(c) = rest.next()
                    && c != ']'
                {
                    if c == '\\' {
                        rest.next();
                    }
                }
            }
            '\\' => {
                wide.push(c);
                wide.extend(rest.next());
            }
            other => wide.push(other),
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
            ("a\\?\\[b*", "a\\?\\[b*"),
            ("\\", "\\"),
        ] {
            assert_eq!(widened(pattern), wide, "{pattern}");
        }
    }
}
