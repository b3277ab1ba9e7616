//! Globs over the names of members.

/// Whether `name` matches `glob`: `*` stands for any letters, `/` too, `?` for one, `[0-4x]` for one of these.
pub(super) fn matches(glob: &str, name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    // Whether the glob so far matches the first letters of the name, for each number of them.
    let mut reached: Vec<bool> = (0..=name.len()).map(|letters| letters == 0).collect();
    for sign in signs(glob) {
        let before = reached.clone();
        for letters in 0..=name.len() {
            reached[letters] = match &sign {
                Sign::Any => before[letters] || letters > 0 && reached[letters - 1],
                sign => letters > 0 && before[letters - 1] && sign.admits(name[letters - 1]),
            };
        }
    }
    reached[name.len()]
}

enum Sign {
    Any,
    One,
    Of(Vec<(char, char)>),
    Letter(char),
}

impl Sign {
    fn admits(&self, letter: char) -> bool {
        match self {
            Self::Any | Self::One => true,
            Self::Of(ranges) => ranges.iter().any(|(first, last)| (*first..=*last).contains(&letter)),
            Self::Letter(own) => *own == letter,
        }
    }
}

fn signs(glob: &str) -> Vec<Sign> {
    let letters: Vec<char> = glob.chars().collect();
    let (mut signs, mut place) = (Vec::new(), 0);
    while let Some(letter) = letters.get(place) {
        place += 1;
        let end = letters[place..].iter().position(|letter| *letter == ']').filter(|length| *length > 0);
        signs.push(match (letter, end) {
            ('*', _) => Sign::Any,
            ('?', _) => Sign::One,
            ('[', Some(length)) => {
                let inside = &letters[place..place + length];
                place += length + 1;
                Sign::Of(ranges(inside))
            }
            (letter, _) => Sign::Letter(*letter),
        });
    }
    signs
}

fn ranges(letters: &[char]) -> Vec<(char, char)> {
    let (mut ranges, mut rest) = (Vec::new(), letters);
    while let [first, after @ ..] = rest {
        (ranges, rest) = match after {
            ['-', last, behind @ ..] => ([ranges, vec![(*first, *last)]].concat(), behind),
            _ => ([ranges, vec![(*first, *first)]].concat(), after),
        };
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn globs_match_whole_names() {
        for (glob, name, expected) in [
            ("*", "a/b", true),
            ("recordings/*_[0-4].wav", "recordings/3_ann_4.wav", true),
            ("recordings/*_[0-4].wav", "recordings/3_ann_5.wav", false),
            ("recordings/*_[0-4].wav", "recordings/3_ann_14.wav", false),
            ("*_[1-4]?.wav", "3_ann_14.wav", true),
            ("[ab-d]x", "cx", true),
            ("[ab-d]x", "ex", false),
            ("a[", "a[", true),
            ("a[]b", "a[]b", true),
            ("?", "ä", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(glob, name), expected, "{glob} {name}");
        }
    }
}
