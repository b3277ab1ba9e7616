//! Stripes of features set to their mean. Park et al. 2019, arXiv:1904.08779, section 2, without time warping.

use philox::Key;

use crate::features::Features;

/// How many stripes, and how wide at most.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MaskSettings {
    /// Stripes along frames.
    pub time_masks: usize,
    /// Frames of a stripe, at most.
    pub time_frames: usize,
    /// Share of the sound's frames that a stripe takes, at most.
    pub time_share: f64,
    /// Stripes along bins.
    pub frequency_masks: usize,
    /// Bins of a stripe, at most.
    pub frequency_bins: usize,
}

/// Sets stripes to the mean of all features. A width is drawn evenly from 0 to its bound, then a place evenly among all where
/// it fits.
pub fn mask_features(features: &mut Features, settings: &MaskSettings, key: Key) {
    let (frames, bins) = (features.frames(), features.bins());
    if frames == 0 {
        return;
    }
    let mean = features.values.iter().map(|value| f64::from(*value)).sum::<f64>() / features.values.len() as f64;
    let mean = mean as f32;
    let most = settings.time_frames.min((settings.time_share * frames as f64) as usize);
    for (first, width) in stripes(key.stream("time"), settings.time_masks, most, frames) {
        features.values[first * bins..(first + width) * bins].fill(mean);
    }
    let most = settings.frequency_bins.min(bins);
    for (first, width) in stripes(key.stream("frequency"), settings.frequency_masks, most, bins) {
        features.values.chunks_exact_mut(bins).for_each(|frame| frame[first..first + width].fill(mean));
    }
}

fn stripes(key: Key, count: usize, most: usize, length: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..count as u64).map(move |stripe| {
        let width = key.below(2 * stripe, most as u64 + 1);
        let first = key.below(2 * stripe + 1, length as u64 - width + 1);
        (first as usize, width as usize)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features() -> Features {
        Features::new((0..400).map(|i| 1000.0 + i as f32).collect(), 8)
    }

    #[test]
    fn stripes_are_whole_and_no_wider_than_told() {
        let settings = MaskSettings { time_masks: 1, time_frames: 10, time_share: 1.0, ..MaskSettings::default() };
        let (mut widths, mean) = (Vec::new(), 1199.5);
        for sample in 0..500 {
            let mut masked = features();
            mask_features(&mut masked, &settings, Key::root(0).at(sample));
            let hidden: Vec<usize> =
                (0..50).filter(|frame| masked.values[frame * 8..][..8].iter().all(|value| *value == mean)).collect();
            assert!(hidden.windows(2).all(|pair| pair[1] == pair[0] + 1), "{hidden:?}");
            let changed = masked.values.iter().zip(&features().values).filter(|(a, b)| a != b).count();
            assert_eq!(changed, hidden.len() * 8);
            widths.push(hidden.len());
        }
        assert_eq!((widths.iter().min(), widths.iter().max()), (Some(&0), Some(&10)));
        let average = widths.iter().sum::<usize>() as f64 / 500.0;
        assert!((average - 5.0).abs() < 0.5, "{average}");
    }

    #[test]
    fn bins_are_masked_through_all_frames_and_shares_bound_frames() {
        let settings =
            MaskSettings { time_masks: 2, time_frames: 40, time_share: 0.0, frequency_masks: 1, frequency_bins: 8 };
        let mut masked = features();
        mask_features(&mut masked, &settings, Key::root(3));
        let columns: Vec<bool> =
            (0..8).map(|bin| masked.values[bin..].iter().step_by(8).all(|value| *value == 1199.5)).collect();
        let changed = masked.values.iter().zip(&features().values).filter(|(a, b)| a != b).count();
        assert_eq!(changed, columns.iter().filter(|masked| **masked).count() * 50);
        mask_features(&mut Features::default(), &settings, Key::root(0));
    }
}
