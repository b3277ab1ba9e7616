//! Noise at a ratio of powers.

use philox::Key;

/// Adds white noise so that the sound is `decibels` above it. A silent sound stays silent: no noise is below nothing.
pub fn add_noise(samples: &mut [f32], decibels: f64, key: Key) {
    let noise: Vec<f32> = (0..samples.len() as u64).map(|index| key.normal(index) as f32).collect();
    add_at_ratio(samples, &noise, decibels);
}

/// Adds another sound, repeated as often as it takes, so that the powers of the two are `decibels` apart. Where one of the two
/// is silent, nothing is added.
pub fn add_at_ratio(samples: &mut [f32], other: &[f32], decibels: f64) {
    if samples.is_empty() || other.is_empty() {
        return;
    }
    let length = samples.len();
    let power = |sum: f64| sum / length as f64;
    let own = power(samples.iter().map(|sample| f64::from(*sample).powi(2)).sum());
    let others = power(other.iter().cycle().take(length).map(|sample| f64::from(*sample).powi(2)).sum());
    if own == 0.0 || others == 0.0 {
        return;
    }
    let scale = (own / others / 10_f64.powf(decibels / 10.0)).sqrt() as f32;
    for (sample, other) in samples.iter_mut().zip(other.iter().cycle()) {
        *sample += scale * other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_reached_within_a_tenth_of_a_decibel() {
        let clean: Vec<f32> = (0..8000).map(|i| (i as f32 * 0.2).sin() * 0.3).collect();
        let bursts: Vec<f32> = (0..700).map(|i| if i % 50 < 10 { 0.9 } else { 0.0 }).collect();
        let power = |values: &[f32]| values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>();
        for decibels in [-5.0, 0.0, 10.0, 30.0] {
            let mut white = clean.clone();
            add_noise(&mut white, decibels, Key::root(0).stream("noise"));
            let mut other = clean.clone();
            add_at_ratio(&mut other, &bursts, decibels);
            for noisy in [white, other] {
                let noise: Vec<f32> = noisy.iter().zip(&clean).map(|(noisy, clean)| noisy - clean).collect();
                let reached = 10.0 * (power(&clean) / power(&noise)).log10();
                assert!((reached - decibels).abs() < 0.1, "{reached} for {decibels}");
            }
        }
    }

    #[test]
    fn the_same_key_gives_the_same_noise_and_silence_stays() {
        let noisy = |key: Key| {
            let mut samples = vec![0.5; 100];
            add_noise(&mut samples, 10.0, key);
            samples
        };
        assert_eq!(noisy(Key::root(1)), noisy(Key::root(1)));
        assert_ne!(noisy(Key::root(1)), noisy(Key::root(2)));
        let mut silent = vec![0.0; 100];
        add_noise(&mut silent, 10.0, Key::root(0));
        assert_eq!(silent, vec![0.0; 100]);
        add_at_ratio(&mut [], &[1.0], 0.0);
        add_at_ratio(&mut silent, &[], 0.0);
    }
}
