//! Units by k-means: each frame belongs to the nearest of k centres.
//!
//! Centres start by k-means++ (Arthur and Vassilvitskii 2007, SODA, section 2.2), move by mini-batches (Sculley 2010, WWW,
//! algorithm 1), and the best of several starts is kept, as for the units of Hsu et al. 2021, arXiv:2106.07447, section
//! IV-B. Every draw is a function of its key.

use philox::Key;

use crate::error::{Error, Result};
use crate::features::Features;

/// How centres are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KMeansSettings {
    /// Centres.
    pub units: usize,
    /// Frames of a mini-batch.
    pub batch: usize,
    /// Mini-batches of a start.
    pub iterations: usize,
    /// Starts; the one with the least inertia is kept.
    pub restarts: usize,
}

impl KMeansSettings {
    /// The published settings: mini-batches of 10,000 frames, 100 of them, 20 starts.
    #[must_use]
    pub fn new(units: usize) -> Self {
        Self { units, batch: 10_000, iterations: 100, restarts: 20 }
    }
}

/// Centres.
#[derive(Clone, Debug, PartialEq)]
pub struct KMeans {
    /// `[units, bins]`.
    centres: Vec<f32>,
    bins: usize,
}

impl KMeans {
    /// Centres that are known already, `[units, bins]`.
    ///
    /// # Errors
    /// Numbers that do not fill their shape, or are not finite.
    pub fn new(centres: Vec<f32>, bins: usize) -> Result<Self> {
        if bins == 0 || centres.is_empty() || !centres.len().is_multiple_of(bins) {
            return Err(Error::setting("centres", centres.len(), format!("a multiple of the {bins} bins")));
        }
        if centres.iter().any(|value| !value.is_finite()) {
            return Err(Error::setting("centres", "not finite", "numbers"));
        }
        Ok(Self { centres, bins })
    }

    /// Finds centres of frames.
    ///
    /// # Errors
    /// Fewer frames than units, or a setting of 0.
    pub fn fit(frames: &Features, settings: &KMeansSettings, key: Key) -> Result<Self> {
        let KMeansSettings { units, batch, iterations, restarts } = *settings;
        for (setting, value) in [("units", units), ("batch", batch), ("iterations", iterations), ("restarts", restarts)]
        {
            if value == 0 {
                return Err(Error::setting(setting, value, "at least 1"));
            }
        }
        if units > frames.frames() {
            let allowed = format!("at most the {} frames there are: give more sound or fewer units", frames.frames());
            return Err(Error::setting("units", units, allowed));
        }
        let start = |number: u64| {
            let key = key.at(number);
            let mut found = Self::plus_plus(frames, units, batch.max(3 * units), key.stream("start"));
            found.mini_batches(frames, batch, iterations, key.stream("batches"));
            (found.inertia(frames), number, found)
        };
        // Starts know nothing of each other; the best is the same however many run at a time.
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(restarts);
        let best_of = |thread: usize| (thread as u64..restarts as u64).step_by(threads).map(start).reduce(better);
        let bests: Vec<_> = std::thread::scope(|scope| {
            let running: Vec<_> = (0..threads).map(|thread| scope.spawn(move || best_of(thread))).collect();
            running.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
        });
        let best = bests.into_iter().flatten().flatten().reduce(better);
        best.map(|(.., found)| found).ok_or_else(|| Error::setting("restarts", restarts, "at least one that succeeds"))
    }

    /// Centres `[units, bins]`.
    #[must_use]
    pub fn centres(&self) -> &[f32] {
        &self.centres
    }

    /// The number of centres.
    #[must_use]
    pub fn units(&self) -> usize {
        self.centres.len() / self.bins
    }

    /// Numbers of a frame.
    #[must_use]
    pub fn bins(&self) -> usize {
        self.bins
    }

    /// The nearest centre of a frame `[bins]`, the first of equals, and the squared distance.
    #[must_use]
    pub fn nearest(&self, frame: &[f32]) -> (usize, f32) {
        let mut best = (0, f32::INFINITY);
        for (unit, centre) in self.centres.chunks_exact(self.bins).enumerate() {
            let distance = squared_distance(centre, frame);
            if distance < best.1 {
                best = (unit, distance);
            }
        }
        best
    }

    /// The unit of each frame.
    #[must_use]
    pub fn assign(&self, frames: &Features) -> Vec<u32> {
        frames.values.chunks_exact(self.bins).map(|frame| self.nearest(frame).0 as u32).collect()
    }

    /// The sum of the squared distances to the nearest centres.
    #[must_use]
    pub fn inertia(&self, frames: &Features) -> f64 {
        frames.values.chunks_exact(self.bins).map(|frame| f64::from(self.nearest(frame).1)).sum()
    }

    /// One step of Lloyd's: each centre becomes the mean of its frames; one without frames stays. The inertia before it.
    pub fn lloyd_step(&mut self, frames: &Features) -> f64 {
        let (mut sums, mut counts) = (vec![0.0_f64; self.centres.len()], vec![0_u64; self.units()]);
        let mut inertia = 0.0;
        for frame in frames.values.chunks_exact(self.bins) {
            let (unit, distance) = self.nearest(frame);
            inertia += f64::from(distance);
            counts[unit] += 1;
            sums[unit * self.bins..][..self.bins]
                .iter_mut()
                .zip(frame)
                .for_each(|(sum, value)| *sum += f64::from(*value));
        }
        for (unit, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let places = unit * self.bins..(unit + 1) * self.bins;
            for (centre, sum) in self.centres[places.clone()].iter_mut().zip(&sums[places]) {
                *centre = (sum / *count as f64) as f32;
            }
        }
        inertia
    }

    /// Start: each next centre is a frame drawn by its squared distance to those before, among `candidates` frames.
    fn plus_plus(frames: &Features, units: usize, candidates: usize, key: Key) -> Self {
        let bins = frames.bins();
        let count = frames.frames();
        let chosen: Vec<usize> = if candidates >= count {
            (0..count).collect()
        } else {
            (0..candidates as u64).map(|index| key.stream("candidates").below(index, count as u64) as usize).collect()
        };
        let frame = |candidate: usize| &frames.values[chosen[candidate] * bins..][..bins];
        let mut centres = frame(key.below(0, chosen.len() as u64) as usize).to_vec();
        let mut distances: Vec<f32> = vec![f32::INFINITY; chosen.len()];
        for unit in 1..units {
            let newest = &centres[(unit - 1) * bins..];
            for (candidate, distance) in distances.iter_mut().enumerate() {
                *distance = distance.min(squared_distance(newest, frame(candidate)));
            }
            let all: f64 = distances.iter().map(|distance| f64::from(*distance)).sum();
            let mut left = key.uniform(unit as u64) * all;
            let drawn = distances.iter().position(|distance| {
                left -= f64::from(*distance);
                left <= 0.0
            });
            // Where all frames lie on centres, any will do.
            let drawn = drawn.unwrap_or_else(|| key.below(unit as u64, chosen.len() as u64) as usize);
            centres.extend_from_slice(frame(drawn));
        }
        Self { centres, bins }
    }

    /// Centres go towards the frames of each mini-batch, by as much as their part of all frames seen so far.
    fn mini_batches(&mut self, frames: &Features, batch: usize, iterations: usize, key: Key) {
        let (count, mut seen) = (frames.frames(), vec![0_u64; self.units()]);
        for iteration in 0..iterations as u64 {
            let key = key.at(iteration);
            // All of them, where a mini-batch would hold them all.
            let drawn: Vec<usize> = if batch >= count {
                (0..count).collect()
            } else {
                (0..batch as u64).map(|index| key.below(index, count as u64) as usize).collect()
            };
            let frame = |number: usize| &frames.values[number * self.bins..][..self.bins];
            let nearest: Vec<usize> = drawn.iter().map(|number| self.nearest(frame(*number)).0).collect();
            let (mut sums, mut counts) = (vec![0.0_f64; self.centres.len()], vec![0_u64; self.units()]);
            for (number, unit) in drawn.iter().zip(&nearest) {
                counts[*unit] += 1;
                let sums = &mut sums[unit * self.bins..][..self.bins];
                sums.iter_mut().zip(frame(*number)).for_each(|(sum, value)| *sum += f64::from(*value));
            }
            for unit in 0..counts.len() {
                if counts[unit] == 0 {
                    continue;
                }
                // The mean of all frames that were ever the centre's own.
                let (before, after) = (seen[unit] as f64, (seen[unit] + counts[unit]) as f64);
                let places = unit * self.bins..(unit + 1) * self.bins;
                for (centre, sum) in self.centres[places.clone()].iter_mut().zip(&sums[places]) {
                    *centre = ((f64::from(*centre) * before + sum) / after) as f32;
                }
                seen[unit] += counts[unit];
            }
        }
    }
}

/// The start with less inertia, the earlier of equals.
fn better(a: (f64, u64, KMeans), b: (f64, u64, KMeans)) -> (f64, u64, KMeans) {
    if (b.0, b.1) < (a.0, a.1) { b } else { a }
}

fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    // Eight sums at a time: one alone would wait for itself.
    let mut sums = [0.0_f32; 8];
    let (mut left, mut right) = (a.chunks_exact(8), b.chunks_exact(8));
    for (a, b) in left.by_ref().zip(right.by_ref()) {
        for i in 0..8 {
            sums[i] += (a[i] - b[i]) * (a[i] - b[i]);
        }
    }
    let rest: f32 = left.remainder().iter().zip(right.remainder()).map(|(a, b)| (a - b) * (a - b)).sum();
    sums.iter().sum::<f32>() + rest
}

/// Units without repetitions: 1 1 2 2 2 3 becomes 1 2 3.
#[must_use]
pub fn collapse(units: &[u32]) -> Vec<u32> {
    let mut collapsed = units.to_vec();
    collapsed.dedup();
    collapsed
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// Clouds around far corners.
    fn clouds(count: usize) -> Features {
        let key = Key::root(5);
        let values = (0..count as u64).flat_map(|frame| {
            (0..10).map(move |bin| {
                let corner = if frame % 4 == bin % 4 { 10.0 } else { 0.0 };
                corner + key.normal(frame * 10 + bin) as f32
            })
        });
        Features::new(values.collect(), 10)
    }

    #[test]
    fn clouds_are_found_whatever_the_size_of_batches() {
        let frames = clouds(2000);
        for batch in [100, 5000] {
            let settings = KMeansSettings { batch, iterations: 20, restarts: 4, ..KMeansSettings::new(4) };
            let found = KMeans::fit(&frames, &settings, Key::root(0)).unwrap();
            assert_eq!((found.units(), found.bins()), (4, 10));
            let units = found.assign(&frames);
            assert!(units.iter().enumerate().all(|(frame, unit)| *unit == units[frame % 4]), "{batch}");
            assert!(found.inertia(&frames) / 20_000.0 < 1.1);
            assert_eq!(found, KMeans::fit(&frames, &settings, Key::root(0)).unwrap());
        }
    }

    #[test]
    fn lloyd_never_makes_it_worse() {
        let frames = clouds(600);
        let mut found = KMeans::plus_plus(&frames, 12, 600, Key::root(1));
        let inertias: Vec<f64> = (0..15).map(|_| found.lloyd_step(&frames)).collect();
        assert!(inertias.windows(2).all(|pair| pair[1] <= pair[0] * (1.0 + 1e-6)), "{inertias:?}");
        assert!(inertias[14] < 0.98 * inertias[0]);
    }

    #[test]
    fn a_frame_belongs_to_its_nearest_centre() {
        let found = KMeans::new(vec![0.0, 0.0, 4.0, 0.0, 0.0, 4.0], 2).unwrap();
        assert_eq!(found.nearest(&[3.0, 1.0]), (1, 2.0));
        assert_eq!(found.nearest(&[2.0, 0.0]).0, 0, "the first of equals");
        assert_eq!(found.assign(&Features::new(vec![0.1, 3.0, 9.0, 1.0], 2)), [2, 1]);
        assert_eq!(collapse(&[1, 1, 2, 2, 2, 3, 1]), [1, 2, 3, 1]);
    }

    #[test]
    fn too_few_frames_are_told_and_equal_ones_pass() {
        let frames = clouds(3);
        assert!(
            KMeans::fit(&frames, &KMeansSettings::new(4), Key::root(0)).unwrap_err().to_string().contains("3 frames")
        );
        let equal = Features::new(vec![1.0; 50], 5);
        assert!(KMeans::fit(&equal, &KMeansSettings::new(4), Key::root(0)).is_ok());
        assert!(KMeans::new(vec![1.0; 5], 2).is_err() && KMeans::new(vec![f32::NAN; 2], 2).is_err());
    }
}
