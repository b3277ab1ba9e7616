//! A sound as training hears it, and a second version of it: faster or slower, under noise, at another pitch, in a room.

use experiment::{Change, DataAudio};
use modality_audio::augment::{add_noise, pitch_shifted, reverberated, stretched};
use philox::Key;

use crate::error::Result;

/// Evenly between two bounds.
fn between(bounds: &[f64], key: Key) -> f64 {
    match *bounds {
        [least, most] => least + (most - least) * key.uniform(0),
        _ => 0.0,
    }
}

fn shifted(wave: &[f32], data: &DataAudio, key: Key) -> Result<Vec<f32>> {
    let semitones = (2.0 * key.stream("pitch").uniform(0) - 1.0) * data.pitch_semitones;
    Ok(pitch_shifted(wave, semitones)?)
}

fn noisy(mut wave: Vec<f32>, data: &DataAudio, key: Key) -> Vec<f32> {
    if !data.noise_decibels.is_empty() {
        let key = key.stream("noise");
        add_noise(&mut wave, between(&data.noise_decibels, key), key.stream("wave"));
    }
    wave
}

/// The sound as training hears it.
pub(super) fn augmented(mut wave: Vec<f32>, data: &DataAudio, key: Key) -> Result<Vec<f32>> {
    if data.pitch_semitones > 0.0 {
        wave = shifted(&wave, data, key)?;
    }
    Ok(noisy(wave, data, key))
}

/// The second version of a sound, by one change of `data.changes`; `None` where there are none.
pub(super) fn changed(wave: &[f32], data: &DataAudio, key: Key) -> Result<Option<Vec<f32>>> {
    if data.changes.is_empty() {
        return Ok(None);
    }
    let chosen = key.stream("change").below(0, data.changes.len() as u64) as usize;
    Ok(Some(match data.changes[chosen] {
        Change::Stretch => stretched(wave, between(&data.tempo, key.stream("tempo")))?,
        Change::Pitch => shifted(wave, data, key)?,
        Change::Noise => noisy(wave.to_vec(), data, key),
        Change::Reverberation => {
            let key = key.stream("reverberation");
            reverberated(wave, data.rate, between(&data.reverberation_seconds, key), key.stream("room"))
        }
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn data(changes: &[Change]) -> DataAudio {
        DataAudio {
            rate: 8000,
            changes: changes.to_vec(),
            tempo: vec![0.8, 1.2],
            noise_decibels: vec![5.0, 15.0],
            pitch_semitones: 4.0,
            reverberation_seconds: vec![0.2, 0.6],
            ..DataAudio::default()
        }
    }

    fn tone() -> Vec<f32> {
        (0..8000).map(|i| 0.5 * (i as f32 * 0.3).sin()).collect()
    }

    #[test]
    fn each_change_is_drawn_and_a_key_decides() {
        use Change::{Noise, Pitch, Reverberation, Stretch};
        let all = data(&[Stretch, Noise, Pitch, Reverberation]);
        let of = |data: &DataAudio, number: u64| changed(&tone(), data, Key::root(3).at(number)).unwrap().unwrap();
        let stretched = (0..60).filter(|number| of(&all, *number).len() != 8000).count();
        assert!((4..30).contains(&stretched), "{stretched} of 60 sounds are stretched");
        for number in 0..8 {
            assert_eq!(of(&all, number), of(&all, number));
        }
        let lengths: Vec<usize> = (0..20).map(|number| of(&data(&[Stretch]), number).len()).collect();
        assert!(lengths.iter().all(|length| (6666..=10_000).contains(length)), "{lengths:?}");
        assert_ne!(of(&data(&[Noise]), 0), tone());
        assert_eq!(changed(&tone(), &data(&[]), Key::root(0)).unwrap(), None);
    }
}
