//! Which partitions a reader asks for: `all`, or numbers and ranges.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::dataset::PartitionId;
use crate::error::OptionsError;

/// The partitions to read, always in ascending order and each once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Partitions {
    /// Every partition that is there.
    #[default]
    All,
    /// These: ranges that neither overlap nor touch, ascending.
    Listed(Vec<RangeInclusive<u64>>),
}

impl Partitions {
    /// The partitions of some numbers, in any order.
    pub fn of(numbers: impl IntoIterator<Item = u64>) -> Self {
        Self::listed(numbers.into_iter().map(|number| number..=number).collect())
    }

    /// Whether a partition is among them.
    pub fn contains(&self, partition: PartitionId) -> bool {
        match self {
            Self::All => true,
            Self::Listed(ranges) => ranges.iter().any(|range| range.contains(&partition.0)),
        }
    }

    fn listed(mut ranges: Vec<RangeInclusive<u64>>) -> Self {
        ranges.sort_by_key(|range| *range.start());
        let mut merged: Vec<RangeInclusive<u64>> = Vec::with_capacity(ranges.len());
        for range in ranges {
            match merged.last_mut() {
                Some(last) if *range.start() <= last.end().saturating_add(1) => {
                    *last = *last.start()..=*last.end().max(range.end());
                }
                _ => merged.push(range),
            }
        }
        Self::Listed(merged)
    }
}

impl FromStr for Partitions {
    type Err = OptionsError;

    fn from_str(text: &str) -> Result<Self, OptionsError> {
        if text == "all" {
            return Ok(Self::All);
        }
        let range = |part: &str| {
            let part = part.trim();
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
            (first <= last).then_some(first..=last)
        };
        let ranges: Option<Vec<_>> = text.split(',').map(range).collect();
        ranges.map(Self::listed).ok_or_else(|| OptionsError::Partitions { found: text.to_owned() })
    }
}

impl fmt::Display for Partitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Listed(ranges) = self else {
            return f.write_str("all");
        };
        for (index, range) in ranges.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            if range.start() == range.end() {
                write!(f, "{comma}{}", range.start())?;
            } else {
                write!(f, "{comma}{}-{}", range.start(), range.end())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_ranges_are_sorted_and_merged() {
        for (text, expected) in [
            ("all", "all"),
            ("0,1,2", "0-2"),
            ("0-7", "0-7"),
            (" 5 , 1-3,2, 9-9", "1-3,5,9"),
            ("7,0-2", "0-2,7"),
            ("0-18446744073709551615,3", "0-18446744073709551615"),
        ] {
            assert_eq!(text.parse::<Partitions>().unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_the_text() {
        for text in ["", "x", "1,", ",", "3-1", "-1", "1-", "0..7", "ALL", "1;2", "1.5"] {
            let error = text.parse::<Partitions>().unwrap_err().to_string();
            assert!(error.contains(&format!("{text:?}")), "{error}");
        }
    }
}
