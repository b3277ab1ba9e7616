//! The minimum of a smooth function: L-BFGS (Liu and Nocedal 1989) with a line search by halving.

use super::dot;

/// Steps whose changes are remembered.
const MEMORY: usize = 10;
/// The share of the promised decrease that a step has to reach (Armijo 1966).
const DECREASE: f64 = 1e-4;
/// Halvings of a step before it is given up.
const MOST_HALVINGS: usize = 50;

/// Where the largest slope falls below `tolerance`, or after `most_steps`; from `point`. `value_and_slope` writes the slope.
pub(super) fn minimise(
    mut point: Vec<f64>,
    tolerance: f64,
    most_steps: usize,
    value_and_slope: impl Fn(&[f64], &mut [f64]) -> f64,
) -> Vec<f64> {
    let mut slope = vec![0.0; point.len()];
    let mut value = value_and_slope(&point, &mut slope);
    let mut past: Vec<(Vec<f64>, Vec<f64>)> = Vec::new();
    for _ in 0..most_steps {
        if slope.iter().fold(0.0_f64, |most, part| most.max(part.abs())) <= tolerance {
            break;
        }
        let direction = direction(&slope, &past);
        let promised = dot(&direction, &slope);
        // The first step has no scale yet.
        let mut length = if past.is_empty() { 1.0 / dot(&slope, &slope).sqrt().max(1.0) } else { 1.0 };
        let mut next = None;
        for _ in 0..MOST_HALVINGS {
            let there: Vec<f64> = point.iter().zip(&direction).map(|(at, way)| at + length * way).collect();
            let mut new_slope = vec![0.0; point.len()];
            let new_value = value_and_slope(&there, &mut new_slope);
            if new_value <= value + DECREASE * length * promised {
                next = Some((there, new_value, new_slope));
                break;
            }
            length /= 2.0;
        }
        // No step goes down any more: this is as exact as the numbers are.
        let Some((there, new_value, new_slope)) = next else { break };
        let moved: Vec<f64> = there.iter().zip(&point).map(|(new, old)| new - old).collect();
        let bent: Vec<f64> = new_slope.iter().zip(&slope).map(|(new, old)| new - old).collect();
        // Only upward bends keep the directions downhill.
        if dot(&moved, &bent) > 1e-300 {
            past.push((moved, bent));
            if past.len() > MEMORY {
                past.remove(0);
            }
        }
        (point, value, slope) = (there, new_value, new_slope);
    }
    point
}

/// Downhill, by the curvature that the past steps saw.
fn direction(slope: &[f64], past: &[(Vec<f64>, Vec<f64>)]) -> Vec<f64> {
    let mut way: Vec<f64> = slope.iter().map(|part| -part).collect();
    let mut shares = Vec::with_capacity(past.len());
    for (moved, bent) in past.iter().rev() {
        let share = dot(moved, &way) / dot(moved, bent);
        way.iter_mut().zip(bent).for_each(|(way, bent)| *way -= share * bent);
        shares.push(share);
    }
    if let Some((moved, bent)) = past.last() {
        let scale = dot(moved, bent) / dot(bent, bent);
        way.iter_mut().for_each(|way| *way *= scale);
    }
    for ((moved, bent), share) in past.iter().zip(shares.iter().rev()) {
        let back = dot(bent, &way) / dot(moved, bent);
        way.iter_mut().zip(moved).for_each(|(way, moved)| *way += (share - back) * moved);
    }
    way
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_valley_of_rosenbrock_is_walked_to_its_end() {
        let found = minimise(vec![-1.2, 1.0], 1e-10, 1000, |at, slope| {
            let (x, y) = (at[0], at[1]);
            slope[0] = -400.0 * x * (y - x * x) - 2.0 * (1.0 - x);
            slope[1] = 200.0 * (y - x * x);
            100.0 * (y - x * x).powi(2) + (1.0 - x).powi(2)
        });
        assert!((found[0] - 1.0).abs() < 1e-6 && (found[1] - 1.0).abs() < 1e-6, "{found:?}");
    }
}
