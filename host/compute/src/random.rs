//! Random tensors drawn from keys.
//!
//! With a layout, the value at row r, feature f of stream key K is draw f of `K.at(row_keys[segment of r]).at(position of r)`:
//! padding, packing and splitting a batch change nothing. Without one, it is draw (number of the element) of K itself. A
//! block of Philox has four words; which of them serve draw f:
//!
//! - 24-bit numbers (`uniform` and `gumbel` below f64, `bernoulli`): word `f % 4` of block `f / 4`.
//! - 53- and 64-bit numbers (`uniform` and `gumbel` in f64, `integers`): words `2(f % 2)` (low) and the next one of block `f / 2`.
//! - `normal` below f64: block `f / 4`, words `2p, 2p + 1` with `p = (f % 4) / 2` as radius and angle of Box-Muller with 24 bits
//!   each; the cosine for even f, the sine for odd. In f64: block `f / 2`, words 0 and 1 the radius, 2 and 3 the angle.
//!
//! Initial weights ([`crate::weights::Init`]) are drawn in f64 by the element's number and then rounded.

use philox::{Key, open_24, open_53, rate_limit};
use rayon::prelude::*;

use crate::kernel::{CHUNK, vectorised};
use crate::layout::Layout;
use crate::{DType, Device, Error, Result, Tensor, Value};

/// Where the draws of a tensor come from.
pub(crate) struct Rows {
    keys: Keys,
    width: usize,
    count: usize,
}

enum Keys {
    One(Key),
    EachRow(Vec<Key>),
}

impl Rows {
    pub(crate) fn new(name: &'static str, key: Key, shape: &[usize], layout: Option<&Layout>) -> Result<Self> {
        let count = shape.iter().product();
        let Some(layout) = layout else {
            return Ok(Self { keys: Keys::One(key), width: count, count });
        };
        if shape.first() != Some(&layout.tokens()) {
            return Err(Error::shape(
                name,
                format!("the shape {shape:?} does not begin with the {} rows of the layout", layout.tokens()),
            )
            .with_help("draw without a layout, or for the layout's rows"));
        }
        let width = shape[1..].iter().product();
        Ok(Self { keys: Keys::EachRow(row_keys(key, layout)), width, count })
    }

    /// Draws everything; `from` makes the first `per` of its four numbers from a block. Blocks come sixteen at a time.
    fn fill<T: Copy + Default + Send>(&self, per: usize, from: impl Fn([u32; 4]) -> [T; 4] + Sync) -> Vec<T> {
        let mut out = vec![T::default(); self.count];
        if out.is_empty() {
            return out;
        }
        let draw = |key: Key, first_block: usize, out: &mut [T]| {
            let mut blocks = [[0; 4]; BLOCKS];
            for (group, out) in out.chunks_mut(per * BLOCKS).enumerate() {
                fill_blocks::<f32>(key.bits(), (first_block + group * BLOCKS) as u64, &mut blocks);
                for (words, out) in blocks.iter().zip(out.chunks_mut(per)) {
                    out.copy_from_slice(&from(*words)[..out.len()]);
                }
            }
        };
        match &self.keys {
            Keys::One(key) => {
                out.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, out)| draw(*key, chunk * CHUNK / per, out));
            }
            Keys::EachRow(keys) => {
                let rows = (CHUNK / self.width).max(1);
                out.par_chunks_mut(rows * self.width).zip(keys.par_chunks(rows)).for_each(|(out, keys)| {
                    for (out, key) in out.chunks_mut(self.width).zip(keys) {
                        draw(*key, 0, out);
                    }
                });
            }
        }
        out
    }

    /// One byte each, 1 with probability `rate`.
    pub(crate) fn bernoulli(&self, rate: f64) -> Vec<u8> {
        let limit = rate_limit(rate);
        self.fill(4, |words| words.map(|word| u8::from((word >> 9) < limit)))
    }

    pub(crate) fn uniform_f64(&self) -> Vec<f64> {
        self.fill(2, |words| [open_53(words[0], words[1]), open_53(words[2], words[3]), 0.0, 0.0])
    }

    fn uniform_f32(&self) -> Vec<f32> {
        self.fill(4, |words| words.map(open_24))
    }

    pub(crate) fn normal_f64(&self) -> Vec<f64> {
        self.fill(2, |words| {
            let (cosine, sine) = pair(open_53(words[0], words[1]), open_53(words[2], words[3]));
            [cosine, sine, 0.0, 0.0]
        })
    }

    fn normal_f32(&self) -> Vec<f32> {
        self.fill(4, |words| {
            let [a, b, c, d] = words.map(|word| f64::from(open_24(word)));
            let ((x, y), (z, w)) = (pair(a, b), pair(c, d));
            [x as f32, y as f32, z as f32, w as f32]
        })
    }

    fn integers(&self, below: u64) -> Vec<u64> {
        let scaled =
            |low: u32, high: u32| (((u128::from(low) | (u128::from(high) << 32)) * u128::from(below)) >> 64) as u64;
        self.fill(2, |words| [scaled(words[0], words[1]), scaled(words[2], words[3]), 0, 0])
    }
}

/// Blocks drawn together.
pub(crate) const BLOCKS: usize = 16;

vectorised! {
    /// The blocks `first..first + 16` of the key with these bits, as `Key::words` gives them one by one: the same rounds,
    /// each over all sixteen, so that they become vector instructions.
    fn fill_blocks<T>(bits: u64, first: u64, blocks: &mut [[u32; 4]; BLOCKS]) {
        let (mut k0, mut k1) = (bits as u32, (bits >> 32) as u32);
        let mut words = [[0_u32; BLOCKS]; 4];
        let [low, high, ..] = &mut words;
        for (index, (low, high)) in (first..).zip(low.iter_mut().zip(high)) {
            *low = index as u32;
            *high = (index >> 32) as u32;
        }
        for _ in 0..10 {
            let [mut c0, mut c1, mut c2, mut c3] = words;
            for lane in 0..BLOCKS {
                let low = u64::from(c0[lane]) * 0xD251_1F53;
                let high = u64::from(c2[lane]) * 0xCD9E_8D57;
                c0[lane] = (high >> 32) as u32 ^ c1[lane] ^ k0;
                c1[lane] = high as u32;
                c2[lane] = (low >> 32) as u32 ^ c3[lane] ^ k1;
                c3[lane] = low as u32;
            }
            words = [c0, c1, c2, c3];
            k0 = k0.wrapping_add(0x9E37_79B9);
            k1 = k1.wrapping_add(0xBB67_AE85);
        }
        for (lane, block) in blocks.iter_mut().enumerate() {
            *block = [words[0][lane], words[1][lane], words[2][lane], words[3][lane]];
        }
    }
}

/// The key of each row of a layout under `key`.
pub(crate) fn row_keys(key: Key, layout: &Layout) -> Vec<Key> {
    let mut keys = Vec::with_capacity(layout.tokens());
    for (segment, row_key) in layout.row_keys().iter().enumerate() {
        let segment_key = key.at(*row_key);
        let rows = layout.offsets()[segment]..layout.offsets()[segment + 1];
        keys.extend(layout.positions()[rows].iter().map(|position| segment_key.at(u64::from(*position))));
    }
    keys
}

/// Box-Muller.
fn pair(radius: f64, angle: f64) -> (f64, f64) {
    let radius = (-2.0 * radius.ln()).sqrt();
    let (sine, cosine) = (std::f64::consts::TAU * angle).sin_cos();
    (radius * cosine, radius * sine)
}

fn tensor<T: candle_core::WithDType>(data: Vec<T>, shape: &[usize], dtype: DType, device: &Device) -> Result<Tensor> {
    Ok(Tensor::constant(Value::from_vec(data, shape, &Device::Cpu)?.to_dtype(dtype.candle())?.to_device(device)?))
}

fn require_float(name: &'static str, dtype: DType) -> Result<()> {
    if dtype.is_float() {
        Ok(())
    } else {
        Err(Error::dtype(name, dtype).with_help("draw a floating type, or `integers`"))
    }
}

/// Uniform numbers in the open interval (0, 1): 53 bits for f64, otherwise 24 (bf16 and f16 round them, also to 1).
///
/// # Errors
/// When the dtype is not floating or the layout has other rows.
pub fn uniform(key: Key, shape: &[usize], layout: Option<&Layout>, dtype: DType, device: &Device) -> Result<Tensor> {
    require_float("uniform", dtype)?;
    let rows = Rows::new("uniform", key, shape, layout)?;
    if dtype == DType::F64 {
        tensor(rows.uniform_f64(), shape, dtype, device)
    } else {
        tensor(rows.uniform_f32(), shape, dtype, device)
    }
}

/// Standard normal numbers (Box-Muller).
///
/// # Errors
/// As [`uniform`].
pub fn normal(key: Key, shape: &[usize], layout: Option<&Layout>, dtype: DType, device: &Device) -> Result<Tensor> {
    require_float("normal", dtype)?;
    let rows = Rows::new("normal", key, shape, layout)?;
    if dtype == DType::F64 {
        tensor(rows.normal_f64(), shape, dtype, device)
    } else {
        tensor(rows.normal_f32(), shape, dtype, device)
    }
}

/// Standard Gumbel numbers, `-ln(-ln u)`: adding them to logits and taking the largest samples from their softmax.
///
/// # Errors
/// As [`uniform`].
pub fn gumbel(key: Key, shape: &[usize], layout: Option<&Layout>, dtype: DType, device: &Device) -> Result<Tensor> {
    require_float("gumbel", dtype)?;
    let rows = Rows::new("gumbel", key, shape, layout)?;
    let from = |u: f64| -(-u.ln()).ln();
    if dtype == DType::F64 {
        tensor(rows.uniform_f64().into_iter().map(from).collect(), shape, dtype, device)
    } else {
        tensor(rows.uniform_f32().into_iter().map(|u| from(f64::from(u)) as f32).collect(), shape, dtype, device)
    }
}

/// Truth values, true with probability `rate`.
///
/// # Errors
/// When `rate` is outside 0 to 1 or the layout has other rows.
pub fn bernoulli(key: Key, rate: f64, shape: &[usize], layout: Option<&Layout>, device: &Device) -> Result<Tensor> {
    if !(0.0..=1.0).contains(&rate) {
        return Err(Error::argument("bernoulli", format!("rate {rate} is outside 0 to 1")));
    }
    let bytes = Rows::new("bernoulli", key, shape, layout)?.bernoulli(rate);
    Ok(Tensor::truth(Value::from_vec(bytes, shape, device)?))
}

/// Integers from 0 to `below` (excluded), u32 or i64, without bias worth naming.
///
/// # Errors
/// When `below` is 0 or does not fit the dtype, the dtype is another, or the layout has other rows.
pub fn integers(
    key: Key,
    below: u64,
    shape: &[usize],
    layout: Option<&Layout>,
    dtype: DType,
    device: &Device,
) -> Result<Tensor> {
    const NAME: &str = "integers";
    let limit = match dtype {
        DType::U32 => 1 << 32,
        DType::I64 => 1 << 63,
        _ => return Err(Error::dtype(NAME, dtype).with_help("integers are u32 or i64")),
    };
    if below == 0 || below > limit {
        return Err(Error::argument(NAME, format!("the bound {below} is outside 1 to {limit} of {dtype}")));
    }
    let numbers = Rows::new(NAME, key, shape, layout)?.integers(below);
    if dtype == DType::U32 {
        tensor(numbers.into_iter().map(|number| number as u32).collect::<Vec<u32>>(), shape, dtype, device)
    } else {
        tensor(numbers.into_iter().map(|number| number as i64).collect::<Vec<i64>>(), shape, dtype, device)
    }
}

/// The numbers from 0 to `count` in random order, u32 `[count]`.
///
/// # Errors
/// When the device fails.
pub fn permutation(key: Key, count: usize, device: &Device) -> Result<Tensor> {
    let order: Vec<u32> = key.permutation(count).into_iter().map(|number| number as u32).collect();
    tensor(order, &[count], DType::U32, device)
}

/// The rows of a layout with each segment's own in random order, u32 `[n]`: a stable sort by one 64-bit draw per row.
///
/// Taking the first k rows of each segment samples k of them, independent of padding and packing.
///
/// # Errors
/// When the device fails.
pub fn segment_permutation(key: Key, layout: &Layout, device: &Device) -> Result<Tensor> {
    let draws = row_keys(key, layout);
    let mut order: Vec<(usize, u64, u32)> = (0..layout.tokens())
        .map(|row| {
            let words = draws[row].words(0);
            (layout.segment_of_row(row), u64::from(words[0]) | u64::from(words[1]) << 32, row as u32)
        })
        .collect();
    order.sort_unstable();
    tensor(order.into_iter().map(|(_, _, row)| row).collect::<Vec<u32>>(), &[layout.tokens()], DType::U32, device)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::layout::{pad, rows};
    use crate::testing::numbers;

    const CPU: Device = Device::Cpu;

    fn key() -> Key {
        Key::root(5).stream("tests")
    }

    /// All kinds at one layout, as numbers.
    fn draws(shape: &[usize], layout: Option<&Layout>) -> Vec<Vec<f64>> {
        let mut all: Vec<Tensor> = Vec::new();
        for dtype in [DType::F32, DType::F64] {
            all.push(uniform(key(), shape, layout, dtype, &CPU).unwrap());
            all.push(normal(key(), shape, layout, dtype, &CPU).unwrap());
            all.push(gumbel(key(), shape, layout, dtype, &CPU).unwrap());
        }
        all.push(bernoulli(key(), 0.3, shape, layout, &CPU).unwrap());
        all.push(integers(key(), 1000, shape, layout, DType::U32, &CPU).unwrap());
        all.iter().map(|tensor| numbers(tensor.value())).collect()
    }

    #[test]
    fn splitting_packing_and_padding_change_nothing() {
        let together = Layout::new(&[3, 5, 2], &[11, 12, 13]).unwrap();
        let whole = draws(&[10, 3], Some(&together));
        let mut start = 0;
        for (length, row_key) in [(3, 11), (5, 12), (2, 13)] {
            let alone = draws(&[length, 3], Some(&Layout::new(&[length], &[row_key]).unwrap()));
            for (whole, alone) in whole.iter().zip(&alone) {
                assert_eq!(&whole[start * 3..(start + length) * 3], &alone[..]);
            }
            start += length;
        }
        // A packed sequence and a reordered batch.
        let packed = draws(&[10, 3], Some(&together.with_sequences(vec![0, 0, 1]).unwrap()));
        assert_eq!(whole, packed);
        let padded = Layout::new(&[5, 5, 5], &[11, 12, 13]).unwrap();
        for dtype in [DType::F32, DType::F64] {
            let wide = normal(key(), &[15, 3], Some(&padded), dtype, &CPU).unwrap();
            let real = rows(&pad(&wide, &padded, 0.0).unwrap(), &padded).unwrap();
            let found = numbers(real.value());
            let expected = numbers(normal(key(), &[10, 3], Some(&together), dtype, &CPU).unwrap().value());
            assert_eq!(found[..9], expected[..9]);
            assert_eq!(found[15..30], expected[9..24]);
            assert_eq!(found[30..36], expected[24..]);
        }
        // A prefix of positions, as in cached generation.
        let late = Layout::new(&[1], &[12]).unwrap().with_positions(vec![4]).unwrap();
        assert_eq!(draws(&[1, 3], Some(&late))[0][..], whole[0][21..24]);
    }

    #[test]
    fn words_serve_features_as_documented() {
        let found = numbers(uniform(key(), &[7], None, DType::F32, &CPU).unwrap().value());
        for (f, found) in found.iter().enumerate() {
            assert_eq!(*found, f64::from(open_24(key().words(f as u64 / 4)[f % 4])));
        }
        let found = numbers(uniform(key(), &[7], None, DType::F64, &CPU).unwrap().value());
        for (f, found) in found.iter().enumerate() {
            let words = key().words(f as u64 / 2);
            assert_eq!(*found, open_53(words[2 * (f % 2)], words[2 * (f % 2) + 1]));
        }
        assert_eq!(numbers(normal(key(), &[2], None, DType::F64, &CPU).unwrap().value())[0], key().normal(0));
    }

    #[test]
    fn sixteen_blocks_are_those_drawn_one_by_one() {
        let mut blocks = [[0; 4]; BLOCKS];
        for first in [0, 16, u64::from(u32::MAX) - 7, 5 << 32] {
            fill_blocks::<f32>(key().bits(), first, &mut blocks);
            for (lane, block) in blocks.iter().enumerate() {
                assert_eq!(*block, key().words(first + lane as u64));
            }
        }
    }

    #[test]
    fn threads_change_nothing() {
        let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let many = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        let layout = Layout::new(&[400, 100, 300], &[1, 2, 3]).unwrap();
        for layout in [None, Some(&layout)] {
            assert_eq!(one.install(|| draws(&[800, 67], layout)), many.install(|| draws(&[800, 67], layout)));
        }
    }

    #[test]
    fn moments_are_right() {
        let count = 200_000;
        // Bounds are four standard errors of the widest.
        let moments = |x: &[f64]| {
            let mean = x.iter().sum::<f64>() / count as f64;
            (mean, x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count as f64)
        };
        let expected = [(0.5, 1.0 / 12.0), (0.0, 1.0), (0.577_216, 1.644_934)];
        let all = draws(&[count], None);
        for (kind, x) in all[..6].iter().enumerate() {
            let ((mean, variance), (m, v)) = (moments(x), expected[kind % 3]);
            assert!((mean - m).abs() < 0.01 && (variance - v).abs() < 0.031, "{kind}: {mean} {variance}");
        }
        assert!(all[0].iter().all(|u| *u > 0.0 && *u < 1.0));
        assert!((moments(&all[6]).0 - 0.3).abs() < 0.005);
        assert!((moments(&all[7]).0 - 499.5).abs() < 2.0 && all[7].iter().all(|i| *i < 1000.0));
    }

    #[test]
    fn permutations_hold_every_row_and_stay_in_their_segment() {
        let layout = Layout::new(&[30, 1, 20], &[4, 5, 6]).unwrap();
        let order = numbers(segment_permutation(key(), &layout, &CPU).unwrap().value());
        let mut sorted = order[..30].to_vec();
        assert_ne!(sorted, (0..30).map(f64::from).collect::<Vec<_>>());
        sorted.sort_by(f64::total_cmp);
        assert_eq!(sorted, (0..30).map(f64::from).collect::<Vec<_>>());
        assert_eq!(order[30], 30.0);
        let alone = numbers(segment_permutation(key(), &Layout::new(&[20], &[6]).unwrap(), &CPU).unwrap().value());
        assert_eq!(alone.iter().map(|row| row + 31.0).collect::<Vec<_>>(), order[31..]);
        assert_eq!(numbers(permutation(key(), 9, &CPU).unwrap().value()).len(), 9);
    }

    #[test]
    fn rates_at_the_ends_and_bad_arguments() {
        assert!(numbers(bernoulli(key(), 0.0, &[999], None, &CPU).unwrap().value()).iter().all(|b| *b == 0.0));
        assert!(numbers(bernoulli(key(), 1.0, &[999], None, &CPU).unwrap().value()).iter().all(|b| *b == 1.0));
        assert!(bernoulli(key(), 1.5, &[1], None, &CPU).is_err());
        assert!(integers(key(), 0, &[1], None, DType::U32, &CPU).is_err());
        assert!(integers(key(), 5, &[1], None, DType::F32, &CPU).is_err());
        let layout = Layout::new(&[3], &[0]).unwrap();
        assert!(uniform(key(), &[4, 2], Some(&layout), DType::F32, &CPU).is_err());
        assert!(uniform(key(), &[0, 2], None, DType::F32, &CPU).is_ok());
    }
}
