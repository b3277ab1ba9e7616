//! Labels and speakers out of names: `{label}_{speaker}_*.wav`.

use std::fmt;

use crate::error::{Error, Result};

/// A pattern over names: `{label}` and `{speaker}` stand for a stretch without `/`, `*` for one that nobody needs. Without a `/`
/// it is held against the last part of the path, with one against as much of its end as it has parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    written: String,
    parts: Vec<Part>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Letter(char),
    Label,
    Speaker,
    Any,
}

/// What a pattern finds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) label: Option<String>,
    pub(crate) speaker: Option<String>,
}

impl std::str::FromStr for Pattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refuse = |why: &str| Err(Error::setting("pattern", format!("`{text}`"), why.to_owned()));
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some(letter) = rest.chars().next() {
            let part = if let Some(after) = rest.strip_prefix("{label}") {
                rest = after;
                Part::Label
            } else if let Some(after) = rest.strip_prefix("{speaker}") {
                rest = after;
                Part::Speaker
            } else {
                rest = &rest[letter.len_utf8()..];
                match letter {
                    '*' => Part::Any,
                    '{' | '}' => return refuse("it may hold {label}, {speaker} and *, and no other braces"),
                    letter => Part::Letter(letter),
                }
            };
            if part != Part::Letter('*') && !matches!(part, Part::Letter(_) | Part::Any) && parts.contains(&part) {
                return refuse("it names something twice");
            }
            if matches!(
                (parts.last(), part),
                (Some(Part::Any | Part::Label | Part::Speaker), Part::Any | Part::Label | Part::Speaker)
            ) {
                return refuse("two stretches need something between them");
            }
            parts.push(part);
        }
        if !parts.iter().any(|part| matches!(part, Part::Label | Part::Speaker)) {
            return refuse("it has to hold {label} or {speaker}: `{label}_{speaker}_*.wav`");
        }
        Ok(Self { written: text.to_owned(), parts })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl Pattern {
    /// What stands in the name of a path, or of a member behind `#`.
    pub(crate) fn find(&self, path: &str) -> Option<Found> {
        let levels = self.parts.iter().filter(|part| **part == Part::Letter('/')).count();
        let start = path.rmatch_indices(['/', '#']).nth(levels).map_or(0, |(place, _)| place + 1);
        let mut found = Found::default();
        fits(&self.parts, &path[start..], &mut found).then_some(found)
    }
}

/// Whether the parts fit the whole name, each stretch as short as can be.
fn fits(parts: &[Part], name: &str, found: &mut Found) -> bool {
    let Some((part, rest)) = parts.split_first() else { return name.is_empty() };
    if let Part::Letter(letter) = part {
        return name.strip_prefix(*letter).is_some_and(|name| fits(rest, name, found));
    }
    let ends = name.char_indices().skip(1).map(|(place, _)| place).chain([name.len()]);
    for end in ends {
        let stretch = &name[..end];
        if stretch.is_empty() || stretch.contains('/') {
            return false;
        }
        if fits(rest, &name[end..], found) {
            match part {
                Part::Label => found.label = Some(stretch.to_owned()),
                Part::Speaker => found.speaker = Some(stretch.to_owned()),
                _ => {}
            }
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn find(pattern: &str, path: &str) -> Option<(Option<String>, Option<String>)> {
        pattern.parse::<Pattern>().unwrap().find(path).map(|found| (found.label, found.speaker))
    }

    #[test]
    fn names_are_taken_apart() {
        let both = |label: &str, speaker: &str| Some((Some(label.to_owned()), Some(speaker.to_owned())));
        assert_eq!(find("{label}_{speaker}_*.wav", "a_b/recordings/3_ann_17.wav"), both("3", "ann"));
        assert_eq!(find("{label}_{speaker}_*.wav", "x.tar#3_ann_17.wav"), both("3", "ann"));
        assert_eq!(find("{speaker}/{label}/*.flac", "corpus/19/198/19-198-0.flac"), both("198", "19"));
        assert_eq!(find("{label}_*.wav", "x_y_z.wav"), Some((Some("x".into()), None)));
        assert_eq!(find("{label}.wav", "ä.wav"), Some((Some("ä".into()), None)));
        for other in ["3_ann.wav", "_ann_1.wav", "3_ann_1.mp3", "3/ann_1.wav", ""] {
            assert_eq!(find("{label}_{speaker}_*.wav", other), None, "{other}");
        }
    }

    #[test]
    fn odd_patterns_are_refused() {
        for odd in ["", "*.wav", "{label}{speaker}", "{label}_{label}", "{digit}_*", "{label}*", "a}"] {
            assert!(odd.parse::<Pattern>().is_err(), "{odd}");
        }
    }
}
