//! Outcomes of operations whose result is a constant, kept at one point and given again at others.
//!
//! A finite difference moves a weight. Where an objective rounds, compares, sorts or stops a gradient, the gradient takes
//! the outcome as fixed, and so the difference has to: at the base point outcomes are recorded, at displaced points the same
//! operations, in the same order, give them again.

use std::sync::{Mutex, PoisonError};

use compute::{Tensor, ops};
use lacuna_abi::op;

use crate::error::{Error, Result};

/// Operations whose whole result is a constant.
const CONSTANT: [u32; 18] = [
    op::ROUND,
    op::FLOOR,
    op::CEIL,
    op::SIGN,
    op::EQ,
    op::NE,
    op::LT,
    op::LE,
    op::GT,
    op::GE,
    op::EQ_SCALAR,
    op::LT_SCALAR,
    op::LE_SCALAR,
    op::GT_SCALAR,
    op::GE_SCALAR,
    op::ARGMAX,
    op::ARGMIN,
    op::STOP_GRADIENT,
];
/// Operations that give values and the indices they were taken from: the indices are constants, the values are not.
const PICKING: [u32; 2] = [op::SORT, op::TOP_K];

/// The outcomes of one call, in order.
#[derive(Default)]
pub struct Outcomes(Mutex<State>);

#[derive(Default)]
struct State {
    recorded: Vec<(u32, Tensor)>,
    /// The next one to give again; none while recording.
    next: Option<usize>,
}

impl Outcomes {
    /// From now on what was recorded is given again, from the first outcome on.
    pub fn replay(&self) {
        self.lock().next = Some(0);
    }

    /// Whether outcomes of operation `number` are kept.
    pub(super) fn concerns(number: u32) -> bool {
        CONSTANT.contains(&number) || PICKING.contains(&number)
    }

    /// While recording: keeps the constant among `results` and gives them back.
    pub(super) fn record(&self, number: u32, results: Vec<Tensor>) -> Vec<Tensor> {
        let constant = if PICKING.contains(&number) { results.get(1) } else { results.first() };
        let mut state = self.lock();
        if let (None, Some(constant)) = (state.next, constant) {
            state.recorded.push((number, constant.stop_gradient()));
        }
        results
    }

    /// While replaying: what operation `number`, applied to `input`, gives; `None` while recording.
    ///
    /// # Errors
    /// When the operations come in another order than recorded.
    pub(super) fn again(&self, number: u32, input: &Tensor) -> Result<Option<Vec<Tensor>>> {
        let mut state = self.lock();
        let Some(next) = state.next else { return Ok(None) };
        let Some((recorded, constant)) = state.recorded.get(next).filter(|(recorded, _)| *recorded == number) else {
            let text = "the same call asks for other operations than before, so its outcomes cannot be replayed";
            return Err(Error::new("host/replay", text));
        };
        let results = if PICKING.contains(recorded) {
            vec![ops::gather(input, -1, constant)?, constant.clone()]
        } else {
            vec![constant.clone()]
        };
        state.next = Some(next + 1);
        Ok(Some(results))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use compute::Device;

    use super::*;

    fn tensor(numbers: &[f64]) -> Tensor {
        Tensor::from_slice(numbers, &[numbers.len()], &Device::Cpu).unwrap()
    }

    #[test]
    fn constants_stay_and_picked_values_move() {
        let outcomes = Outcomes::default();
        let base = tensor(&[0.4, 0.6]);
        assert!(outcomes.again(op::ROUND, &base).unwrap().is_none());
        outcomes.record(op::ROUND, vec![tensor(&[0.0, 1.0])]);
        let order = Tensor::from_slice(&[1_u32, 0], &[2], &Device::Cpu).unwrap();
        outcomes.record(op::SORT, vec![tensor(&[0.6, 0.4]), order]);
        let moved = tensor(&[0.7, 0.6]);
        for _ in 0..2 {
            outcomes.replay();
            let rounded = outcomes.again(op::ROUND, &moved).unwrap().unwrap();
            assert_eq!(
                ops::narrow(&rounded[0], 0, 0, 1).unwrap().item().unwrap(),
                0.0,
                "the outcome of the base point"
            );
            let sorted = outcomes.again(op::SORT, &moved).unwrap().unwrap();
            let first = ops::narrow(&sorted[0], 0, 0, 1).unwrap().item().unwrap();
            assert_eq!(first, 0.6, "the order of the base point, the value of here");
            assert!(outcomes.again(op::ROUND, &moved).is_err(), "nothing more was recorded");
        }
        outcomes.replay();
        assert!(outcomes.again(op::SIGN, &moved).is_err(), "another operation");
    }
}
