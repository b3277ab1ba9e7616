//! The sound in a room: noise that fades, as an impulse response.
//!
//! A diffuse room after Polack's model (Jot et al. 1997, AES Convention 103): white noise whose power falls by 60 dB in the
//! reverberation time, behind the direct sound.

use philox::Key;
use realfft::RealFftPlanner;

/// The power of all echoes beside that of the direct sound.
const ECHOES: f64 = 0.5;

/// The sound as it arrives in a room that fades by 60 dB in `seconds`: of the same length and power. The room is drawn by `key`.
#[must_use]
pub fn reverberated(samples: &[f32], rate: u32, seconds: f64, key: Key) -> Vec<f32> {
    let length = ((seconds * f64::from(rate)) as usize).max(1);
    // 60 dB of power are ln(1000) of amplitude.
    let fade = |place: usize| (-(1000.0_f64.ln()) * place as f64 / length as f64).exp();
    let mut response: Vec<f32> = (0..length).map(|place| (key.normal(place as u64) * fade(place)) as f32).collect();
    let power: f64 = response.iter().map(|value| f64::from(*value).powi(2)).sum();
    let scale = (ECHOES / power.max(f64::MIN_POSITIVE)).sqrt() as f32;
    response.iter_mut().for_each(|value| *value *= scale);
    response[0] = 1.0;
    let mut heard = convolved(samples, &response);
    heard.truncate(samples.len());
    let power = |samples: &[f32]| samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>();
    let (before, after) = (power(samples), power(&heard));
    if after > 0.0 {
        let scale = (before / after).sqrt() as f32;
        heard.iter_mut().for_each(|sample| *sample *= scale);
    }
    heard
}

/// The convolution of two signals, by their spectra.
fn convolved(a: &[f32], b: &[f32]) -> Vec<f32> {
    let length = (a.len() + b.len()).next_power_of_two();
    let mut planner = RealFftPlanner::<f32>::new();
    let (forward, inverse) = (planner.plan_fft_forward(length), planner.plan_fft_inverse(length));
    let spectrum = |signal: &[f32]| {
        let (mut input, mut output) = (forward.make_input_vec(), forward.make_output_vec());
        input[..signal.len()].copy_from_slice(signal);
        let done = forward.process(&mut input, &mut output);
        debug_assert!(done.is_ok());
        output
    };
    let mut product = spectrum(a);
    product.iter_mut().zip(spectrum(b)).for_each(|(a, b)| *a *= b);
    // A real signal has no imaginary part there.
    product[0].im = 0.0;
    product[length / 2].im = 0.0;
    let mut out = inverse.make_output_vec();
    let done = inverse.process(&mut product, &mut out);
    debug_assert!(done.is_ok());
    out.iter_mut().for_each(|value| *value /= length as f32);
    out.truncate((a.len() + b.len()).saturating_sub(1));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spectra_multiply_to_the_convolution() {
        let (a, b) = ([1.0, 2.0, 3.0, 4.0, -5.0], [0.5, -1.0, 0.25]);
        let mut expected = [0.0_f32; 7];
        for (i, x) in a.iter().enumerate() {
            b.iter().enumerate().for_each(|(j, y)| expected[i + j] += x * y);
        }
        let found = convolved(&a, &b);
        assert!(found.iter().zip(&expected).all(|(found, expected)| (found - expected).abs() < 1e-5), "{found:?}");
        assert_eq!(found.len(), 7);
    }

    #[test]
    fn a_room_fades_by_sixty_decibels_in_its_time() {
        let mut click = vec![0.0; 8000];
        click[0] = 1.0;
        let heard = reverberated(&click, 8000, 0.5, Key::root(1));
        let power = |samples: &[f32]| samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>();
        assert!((power(&heard) - 1.0).abs() < 1e-3, "{}", power(&heard));
        assert!(heard[4001..].iter().all(|sample| sample.abs() < 1e-4));
        // Echoes of a tenth of the time, a half of it later: 30 dB weaker.
        let decibels = 10.0 * (power(&heard[400..800]) / power(&heard[2400..2800])).log10();
        assert!((decibels - 30.0).abs() < 1.5, "{decibels}");
        assert_eq!(heard, reverberated(&click, 8000, 0.5, Key::root(1)));
        assert_ne!(heard, reverberated(&click, 8000, 0.5, Key::root(2)));
        assert!(reverberated(&[], 8000, 0.5, Key::root(1)).is_empty());
    }
}
