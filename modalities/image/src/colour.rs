//! Colour jitter: brightness, contrast, saturation and hue of a picture, changed in random order by random amounts.
//!
//! The four changes are those of torchvision's `ColorJitter` on numbers from 0 to 1; planes lie one after the other, `[c, h, w]`.

use philox::Key;

/// How far colours may move; 0 leaves them alone.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Jitter {
    /// Brightness is multiplied by 1 − this … 1 + this, at least 0.
    pub brightness: f64,
    /// Distance from the mean grey level, likewise.
    pub contrast: f64,
    /// Distance from the pixel's own grey, likewise.
    pub saturation: f64,
    /// Hue is turned by −this … this, where 1 is the whole circle; at most 0.5.
    pub hue: f64,
    /// Share of the pictures whose colours are changed.
    pub rate: f64,
}

/// A change as it was drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// Times this.
    Brightness(f32),
    /// Mean grey level kept, distance to it times this.
    Contrast(f32),
    /// Grey kept, distance to it times this.
    Saturation(f32),
    /// Turned by this share of the circle.
    Hue(f32),
}

impl Jitter {
    /// The changes in their order; none where nothing is to be changed.
    #[must_use]
    pub fn draw(&self, key: Key) -> Vec<Change> {
        let key = key.stream("jitter");
        let Self { brightness, contrast, saturation, hue, rate } = *self;
        if rate <= 0.0 || key.stream("whether").uniform(0) >= rate {
            return Vec::new();
        }
        let factor = |at: u64, most: f64| {
            let (least, largest) = ((1.0 - most).max(0.0), 1.0 + most);
            (least + (largest - least) * key.uniform(at)) as f32
        };
        let all = [
            (brightness > 0.0).then(|| Change::Brightness(factor(0, brightness))),
            (contrast > 0.0).then(|| Change::Contrast(factor(1, contrast))),
            (saturation > 0.0).then(|| Change::Saturation(factor(2, saturation))),
            (hue > 0.0).then(|| Change::Hue((hue * (2.0 * key.uniform(3) - 1.0)) as f32)),
        ];
        key.stream("order").permutation(all.len()).into_iter().filter_map(|at| all[at]).collect()
    }
}

impl Change {
    /// Changes the planes `[c, h, w]`, numbers from 0 to 1, and cuts them to that range. A grey picture has no saturation and no
    /// hue.
    pub fn apply(self, planes: &mut [f32], channels: usize) {
        match (self, channels) {
            (Self::Brightness(factor), _) => planes.iter_mut().for_each(|x| *x = (factor * *x).clamp(0.0, 1.0)),
            (Self::Contrast(factor), 3) => {
                let count = planes.len() / 3;
                let mean = (0..count).map(|at| f64::from(grey(planes, count, at))).sum::<f64>() / count.max(1) as f64;
                blend(planes, mean as f32, factor);
            }
            (Self::Contrast(factor), _) => {
                let mean = planes.iter().map(|x| f64::from(*x)).sum::<f64>() / planes.len().max(1) as f64;
                blend(planes, mean as f32, factor);
            }
            (Self::Saturation(factor), 3) => {
                let count = planes.len() / 3;
                for at in 0..count {
                    let below = grey(planes, count, at);
                    for channel in 0..3 {
                        let x = &mut planes[channel * count + at];
                        *x = (factor * *x + (1.0 - factor) * below).clamp(0.0, 1.0);
                    }
                }
            }
            (Self::Hue(turn), 3) => {
                let count = planes.len() / 3;
                for at in 0..count {
                    let pixel = turned([0, 1, 2].map(|channel| planes[channel * count + at]), turn);
                    for (channel, x) in pixel.into_iter().enumerate() {
                        planes[channel * count + at] = x.clamp(0.0, 1.0);
                    }
                }
            }
            _ => {}
        }
    }
}

fn blend(planes: &mut [f32], below: f32, factor: f32) {
    planes.iter_mut().for_each(|x| *x = (factor * *x + (1.0 - factor) * below).clamp(0.0, 1.0));
}

fn grey(planes: &[f32], count: usize, at: usize) -> f32 {
    0.2989 * planes[at] + 0.587 * planes[count + at] + 0.114 * planes[2 * count + at]
}

/// A pixel whose hue is turned: to hue, saturation and value, and back.
fn turned([red, green, blue]: [f32; 3], turn: f32) -> [f32; 3] {
    let (most, least) = (red.max(green).max(blue), red.min(green).min(blue));
    let spread = most - least;
    if spread <= 0.0 {
        return [red, green, blue];
    }
    let sixth = if most == red {
        (green - blue) / spread
    } else if most == green {
        2.0 + (blue - red) / spread
    } else {
        4.0 + (red - green) / spread
    };
    let hue = (sixth / 6.0 + turn).rem_euclid(1.0) * 6.0;
    let (sector, within) = (hue.floor(), hue - hue.floor());
    let saturation = spread / most;
    let falling = most * (1.0 - saturation * within);
    let rising = most * (1.0 - saturation * (1.0 - within));
    match sector as u32 % 6 {
        0 => [most, rising, least],
        1 => [falling, most, least],
        2 => [least, most, rising],
        3 => [least, falling, most],
        4 => [rising, least, most],
        _ => [most, least, falling],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_jitter_draws_nothing_and_all_of_it_everything() {
        assert!(Jitter::default().draw(Key::root(1)).is_empty());
        let all = Jitter { brightness: 0.4, contrast: 0.4, saturation: 0.2, hue: 0.1, rate: 1.0 };
        let mut orders = std::collections::BTreeSet::new();
        for sample in 0..200 {
            let changes = all.draw(Key::root(1).at(sample));
            assert_eq!(changes.len(), 4);
            for change in &changes {
                let fits = match change {
                    Change::Brightness(x) | Change::Contrast(x) => (0.6..=1.4).contains(x),
                    Change::Saturation(x) => (0.8..=1.2).contains(x),
                    Change::Hue(x) => (-0.1..=0.1).contains(x),
                };
                assert!(fits, "{change:?}");
            }
            orders.insert(
                changes.iter().map(|change| format!("{:?}", std::mem::discriminant(change))).collect::<String>(),
            );
        }
        assert_eq!(orders.len(), 24, "not every order comes");
        let half = Jitter { rate: 0.5, ..all };
        let changed = (0..400).filter(|sample| !half.draw(Key::root(1).at(*sample)).is_empty()).count();
        assert!((160..240).contains(&changed), "{changed} of 400");
    }
}
