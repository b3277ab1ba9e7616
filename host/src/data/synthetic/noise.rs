//! Much noise from few draws: four numbers from each block of random words.

use philox::{Key, open_24};

/// Standard deviation of a uniform number between −1 and 1.
const UNIFORM_STD: f32 = 0.577_350_3;

/// Adds uniform noise of this standard deviation to each number.
pub(super) fn add_noise(numbers: &mut [f32], key: Key, deviation: f32) {
    let scale = deviation / UNIFORM_STD;
    for (block, numbers) in numbers.chunks_mut(4).enumerate() {
        for (number, word) in numbers.iter_mut().zip(key.words(block as u64)) {
            *number += scale * (2.0 * open_24(word) - 1.0);
        }
    }
}
