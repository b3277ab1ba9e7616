//! Which patches a picture keeps: those least like its others.

/// Patches left of `patches` after each of some droppings that keep the share `keep`, at least one: of the whole, rounded.
#[must_use]
pub fn counts(patches: usize, keep: f64, droppings: usize) -> Vec<usize> {
    let left = |at: usize| ((patches as f64 * keep.powi(at as i32)).round() as usize).clamp(1, patches.max(1));
    (1..=droppings).map(left).collect()
}

/// The places, ascending, of the `count` least likenesses; of equals the first are kept.
#[must_use]
pub fn kept(likeness: &[f32], count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..likeness.len()).collect();
    order.sort_by(|a, b| likeness[*a].total_cmp(&likeness[*b]));
    order.truncate(count);
    order.sort_unstable();
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_the_whole() {
        assert_eq!(counts(64, 2.0 / 3.0, 3), [43, 28, 19]);
        assert_eq!(counts(49, 1.0, 3), [49, 49, 49]);
        assert_eq!(counts(2, 0.1, 3), [1, 1, 1]);
    }

    #[test]
    fn the_least_alike_are_kept_in_their_order() {
        assert_eq!(kept(&[0.9, 0.1, 0.5, 0.1, 0.7], 3), [1, 2, 3]);
        assert_eq!(kept(&[0.3, 0.3, 0.3], 2), [0, 1]);
        assert_eq!(kept(&[0.2, f32::NAN], 2), [0, 1]);
    }
}
