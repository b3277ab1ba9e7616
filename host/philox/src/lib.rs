//! Random numbers as a function of their key, never a state.
//!
//! Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", SC'11) maps a 128-bit counter and a
//! 64-bit key to four random words. A [`Key`] is that 64-bit key, derived step by step from what a draw belongs to: the
//! seed, a named stream, the step or epoch, the sample or row. Two draws with the same key and index are the same number
//! on every device and thread, so nothing about randomness needs saving, and padding, packing or splitting a batch
//! changes nothing.

/// What a draw belongs to. Build it with [`Key::root`], then [`Key::stream`] and [`Key::at`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key(u64);

impl Key {
    /// The key of a run with this seed.
    #[must_use]
    pub fn root(seed: u64) -> Self {
        Self(seed).at(0x6c61_6375_6e61)
    }

    /// The key of the stream `name` (`order`, `mask`, `encoder/layers.0.dropout`) below this key.
    #[must_use]
    pub fn stream(self, name: &str) -> Self {
        // The length is absorbed first, so that no name continues another.
        let start = self.at(name.len() as u64);
        name.as_bytes().chunks(8).fold(start, |key, chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            key.at(u64::from_le_bytes(word))
        })
    }

    /// The key of item `index` (a step, an epoch, a sample id, a call number) below this key.
    #[must_use]
    pub fn at(self, index: u64) -> Self {
        // The third counter word sets derivation apart from drawing.
        let words = block([index as u32, (index >> 32) as u32, 0x6b65_7921, 0], self.0);
        Self(u64::from(words[0]) | u64::from(words[1]) << 32)
    }

    /// The raw 64 bits, for a device kernel that draws on its own.
    #[must_use]
    pub fn bits(self) -> u64 {
        self.0
    }

    /// A key from its raw bits.
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Four random words of draw `index`.
    #[must_use]
    pub fn words(self, index: u64) -> [u32; 4] {
        block([index as u32, (index >> 32) as u32, 0, 0], self.0)
    }

    /// A uniform number in the open interval (0, 1) with 53 bits.
    #[must_use]
    pub fn uniform(self, index: u64) -> f64 {
        let words = self.words(index);
        open_53(words[0], words[1])
    }

    /// A uniform number in the open interval (0, 1) with 24 bits: the `f32` draw of every device.
    #[must_use]
    pub fn uniform_f32(self, index: u64) -> f32 {
        open_24(self.words(index)[0])
    }

    /// A uniform integer in `0..below`, without bias worth naming (64-bit multiply-shift).
    ///
    /// `below` must be positive; 0 gives 0.
    #[must_use]
    pub fn below(self, index: u64, below: u64) -> u64 {
        let words = self.words(index);
        let bits = u64::from(words[0]) | u64::from(words[1]) << 32;
        ((u128::from(bits) * u128::from(below)) >> 64) as u64
    }

    /// A standard normal number (Box-Muller on two 53-bit uniforms).
    #[must_use]
    pub fn normal(self, index: u64) -> f64 {
        let words = self.words(index);
        let radius = (-2.0 * open_53(words[0], words[1]).ln()).sqrt();
        radius * (std::f64::consts::TAU * open_53(words[2], words[3])).cos()
    }

    /// The numbers `0..count` in random order: a stable sort by (random word pair, number).
    #[must_use]
    pub fn permutation(self, count: usize) -> Vec<usize> {
        let mut order: Vec<(u64, usize)> = (0..count)
            .map(|index| {
                let words = self.words(index as u64);
                (u64::from(words[0]) | u64::from(words[1]) << 32, index)
            })
            .collect();
        order.sort_unstable();
        order.into_iter().map(|(_, index)| index).collect()
    }
}

/// A word as a uniform number in (0, 1): an odd multiple of 2⁻²⁴, which `f32` holds exactly. With one bit more, the largest
/// would round up to 1.
#[must_use]
pub fn open_24(word: u32) -> f32 {
    ((word >> 9) as f32 + 0.5) * (1.0 / 8_388_608.0)
}

/// Two words as a uniform number in (0, 1): an odd multiple of 2⁻⁵³, which `f64` holds exactly.
#[must_use]
pub fn open_53(low: u32, high: u32) -> f64 {
    let bits = (u64::from(low) | u64::from(high) << 32) >> 12;
    (bits as f64 + 0.5) * (1.0 / 4_503_599_627_370_496.0)
}

/// The limit that the upper 23 bits of a word (`word >> 9`) stay below where [`open_24`] of it is below `rate`.
#[must_use]
pub fn rate_limit(rate: f64) -> u32 {
    // (bits + 1/2) / 2²³ < rate; the cast cuts NaN and negative numbers to 0.
    (rate * 8_388_608.0 - 0.5).ceil().clamp(0.0, 8_388_608.0) as u32
}

/// Philox4x32 with ten rounds.
#[must_use]
pub fn block(counter: [u32; 4], key: u64) -> [u32; 4] {
    let (mut k0, mut k1) = (key as u32, (key >> 32) as u32);
    let [mut c0, mut c1, mut c2, mut c3] = counter;
    for _ in 0..10 {
        let p0 = u64::from(c0) * 0xD251_1F53;
        let p1 = u64::from(c2) * 0xCD9E_8D57;
        (c0, c1, c2, c3) = ((p1 >> 32) as u32 ^ c1 ^ k0, p1 as u32, (p0 >> 32) as u32 ^ c3 ^ k1, p0 as u32);
        k0 = k0.wrapping_add(0x9E37_79B9);
        k1 = k1.wrapping_add(0xBB67_AE85);
    }
    [c0, c1, c2, c3]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers of the Random123 distribution (`kat_vectors`, philox4x32 10).
    #[test]
    fn block_matches_the_published_vectors() {
        assert_eq!(block([0; 4], 0), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(block([u32::MAX; 4], u64::MAX), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            block([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], 0x299f_31d0_a409_3822),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn draws_stay_inside_the_open_interval_and_look_uniform() {
        let key = Key::root(1).stream("test");
        let draws: Vec<f64> = (0..100_000).map(|index| key.uniform(index)).collect();
        assert!(draws.iter().all(|u| *u > 0.0 && *u < 1.0));
        let mean = draws.iter().sum::<f64>() / 1e5;
        assert!((mean - 0.5).abs() < 0.004, "{mean}");
        assert!(open_24(u32::MAX) < 1.0 && open_24(0) > 0.0);
        assert!(open_53(u32::MAX, u32::MAX) < 1.0 && open_53(0, 0) > 0.0);
    }

    #[test]
    fn a_limit_divides_as_the_uniform_number_does() {
        for rate in [0.0, 1e-9, 0.1, 0.15, 0.5, 0.999_999_99, 1.0] {
            let limit = rate_limit(rate);
            for word in [0, 511, 512, 429_496_729, 644_245_094, 644_245_095, 1 << 31, u32::MAX] {
                assert_eq!((word >> 9) < limit, f64::from(open_24(word)) < rate, "{rate} {word}");
            }
        }
    }

    #[test]
    fn normals_have_mean_zero_and_variance_one() {
        let key = Key::root(2).stream("normal");
        let draws: Vec<f64> = (0..100_000).map(|index| key.normal(index)).collect();
        let mean = draws.iter().sum::<f64>() / 1e5;
        let variance = draws.iter().map(|z| (z - mean).powi(2)).sum::<f64>() / 1e5;
        assert!(mean.abs() < 0.01 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
    }

    #[test]
    fn keys_differ_by_seed_stream_and_index() {
        let root = Key::root(0);
        let keys = [root, Key::root(1), root.stream("a"), root.stream("b"), root.stream("a").at(1), root.stream("a\0")];
        for (i, a) in keys.iter().enumerate() {
            assert!(keys[i + 1..].iter().all(|b| a != b));
        }
    }

    #[test]
    fn a_permutation_holds_every_number_once() {
        let mut order = Key::root(3).permutation(1000);
        assert_ne!(order[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        order.sort_unstable();
        assert!(order.iter().copied().eq(0..1000));
    }
}
