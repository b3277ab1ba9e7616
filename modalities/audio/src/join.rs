//! Several clips of one speaker after each other, with silence between them: strings of spoken digits.

use std::collections::BTreeMap;

use philox::Key;

use crate::error::{Error, Result};

/// A clip that may be joined with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clip<'a> {
    /// Whose voice it is; clips of different speakers are never joined.
    pub speaker: &'a str,
    /// Its samples.
    pub length: usize,
}

/// How clips are joined.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StringSettings {
    /// Clips of a string, least and most.
    pub clips: [usize; 2],
    /// Silence between two clips, least and most.
    pub silence_milliseconds: [f64; 2],
    /// Samples a second.
    pub rate: u32,
}

/// A clip in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joint {
    /// The number of the clip.
    pub clip: usize,
    /// Its first sample in the string.
    pub first: usize,
    /// Its samples.
    pub length: usize,
}

/// A string: clips in their places, zeros between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The clips in their order.
    pub joints: Vec<Joint>,
    /// All its samples.
    pub length: usize,
}

/// Strings of all clips, each clip once. A speaker's clips are put into a random order and cut into strings of so many clips
/// as are drawn for each; the last of a speaker may have fewer. Speakers follow each other by name.
///
/// # Errors
/// Bounds that are out of order.
pub fn strings(clips: &[Clip<'_>], settings: &StringSettings, key: Key) -> Result<Vec<Joined>> {
    let StringSettings { clips: [least, most], silence_milliseconds: [shortest, longest], rate } = *settings;
    if least == 0 || most < least {
        return Err(Error::setting(
            "clips",
            format!("[{least}, {most}]"),
            "at least 1, the second no less than the first",
        ));
    }
    if !(shortest >= 0.0 && longest >= shortest && longest <= 60_000.0) {
        let value = format!("[{shortest}, {longest}]");
        return Err(Error::setting(
            "silence_milliseconds",
            value,
            "from 0 to 60000, the second no less than the first",
        ));
    }
    let in_samples = |milliseconds: f64| (milliseconds * f64::from(rate) / 1000.0).round() as u64;
    let (shortest, longest) = (in_samples(shortest), in_samples(longest));
    let mut speakers: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (number, clip) in clips.iter().enumerate() {
        speakers.entry(clip.speaker).or_default().push(number);
    }
    let mut joined = Vec::new();
    for (speaker, own) in speakers {
        let key = key.stream(speaker);
        let order: Vec<usize> = key.stream("order").permutation(own.len()).into_iter().map(|at| own[at]).collect();
        let (mut rest, mut draw) = (order.as_slice(), 0);
        while !rest.is_empty() {
            let wanted = least as u64 + key.stream("clips").below(draw, (most - least) as u64 + 1);
            let (now, later) = rest.split_at((wanted as usize).min(rest.len()));
            let mut string = Joined { joints: Vec::with_capacity(now.len()), length: 0 };
            for clip in now {
                if !string.joints.is_empty() {
                    let silence = key.stream("silence").below(*clip as u64, longest - shortest + 1);
                    string.length += (shortest + silence) as usize;
                }
                let length = clips[*clip].length;
                string.joints.push(Joint { clip: *clip, first: string.length, length });
                string.length += length;
            }
            joined.push(string);
            (rest, draw) = (later, draw + 1);
        }
    }
    Ok(joined)
}

impl Joined {
    /// A string of one clip.
    #[must_use]
    pub fn single(clip: usize, length: usize) -> Self {
        Self { joints: vec![Joint { clip, first: 0, length }], length }
    }

    /// The clip that sounds at a sample; `None` in silence.
    #[must_use]
    pub fn clip_at(&self, sample: usize) -> Option<usize> {
        self.joint_at(sample).map(|joint| joint.clip)
    }

    /// The clip in its place that sounds at a sample; `None` in silence.
    #[must_use]
    pub fn joint_at(&self, sample: usize) -> Option<&Joint> {
        let joint = self.joints.iter().rev().find(|joint| joint.first <= sample)?;
        (sample < joint.first + joint.length).then_some(joint)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const SETTINGS: StringSettings = StringSettings { clips: [5, 8], silence_milliseconds: [50.0, 150.0], rate: 8000 };

    fn clips() -> Vec<Clip<'static>> {
        (0..200).map(|i| Clip { speaker: ["ann", "bob", "cleo"][i % 3], length: 2000 + 10 * i }).collect()
    }

    #[test]
    fn strings_hold_each_clip_once_and_one_speaker_each() {
        let clips = clips();
        let strings = strings(&clips, &SETTINGS, Key::root(0)).unwrap();
        let mut used: Vec<usize> = strings.iter().flat_map(|string| string.joints.iter().map(|j| j.clip)).collect();
        used.sort_unstable();
        assert!(used.iter().copied().eq(0..200));
        let sizes: Vec<usize> = strings.iter().map(|string| string.joints.len()).collect();
        assert!(sizes.iter().filter(|size| **size < 5).count() <= 3 && sizes.iter().all(|size| *size <= 8));
        assert!([5, 6, 7, 8].iter().all(|size| sizes.contains(size)), "{sizes:?}");
        for string in &strings {
            let speaker = clips[string.joints[0].clip].speaker;
            assert!(string.joints.iter().all(|joint| clips[joint.clip].speaker == speaker));
            for pair in string.joints.windows(2) {
                let silence = pair[1].first - pair[0].first - pair[0].length;
                assert!((400..=1200).contains(&silence), "{silence}");
                assert_eq!(string.clip_at(pair[1].first - 1), None);
                assert_eq!(string.clip_at(pair[1].first), Some(pair[1].clip));
            }
            let last = string.joints.last().unwrap();
            assert_eq!(string.length, last.first + last.length);
            assert_eq!(string.clip_at(string.length - 1), Some(last.clip));
            assert_eq!(string.clip_at(string.length), None);
        }
    }

    #[test]
    fn a_key_decides_and_odd_bounds_are_refused() {
        let clips = clips();
        let of = |key: u64| strings(&clips, &SETTINGS, Key::root(key)).unwrap();
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        assert!(strings(&clips, &StringSettings { clips: [0, 3], ..SETTINGS }, Key::root(0)).is_err());
        assert!(strings(&clips, &StringSettings { clips: [4, 3], ..SETTINGS }, Key::root(0)).is_err());
        let silence_milliseconds = [9.0, 3.0];
        assert!(strings(&clips, &StringSettings { silence_milliseconds, ..SETTINGS }, Key::root(0)).is_err());
        assert!(strings(&[], &SETTINGS, Key::root(0)).unwrap().is_empty());
    }
}
