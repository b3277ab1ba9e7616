//! Rotary position embedding.

use super::calls::Rotary;
use super::launch::{Launch, Output};
use super::modules::Module;
use super::{real, takes};
use crate::{Result, Tensor, Value};

/// The table of angles on the device.
struct Table {
    cosines: Value,
    sines: Value,
    positions: Value,
    interleaved: bool,
    half: usize,
}

/// Turns pairs of `x [rows, heads, width]`: `turns` are cosine and sine of each distinct position's `half` angles, `places`
/// each row's position among them. `None` for values the kernels don't take.
pub(crate) fn rotary(
    x: &Tensor,
    turns: &[(f64, f64)],
    places: &[usize],
    interleaved: bool,
    half: usize,
) -> Result<Option<Tensor>> {
    if !takes(x.value()) {
        return Ok(None);
    }
    let dtype = real(x.value().dtype());
    let numbers = |of: fn(&(f64, f64)) -> f64| -> Result<Value> {
        let all: Vec<f64> = turns.iter().map(of).collect();
        let all = Value::from_vec(all, turns.len(), &candle_core::Device::Cpu)?.to_dtype(dtype)?;
        Ok(all.to_device(x.device())?)
    };
    let positions: Vec<u32> = places.iter().map(|place| *place as u32).collect();
    let table = Table {
        cosines: numbers(|turn| turn.0)?,
        sines: numbers(|turn| turn.1)?,
        positions: Value::from_vec(positions, places.len(), x.device())?,
        interleaved,
        half,
    };
    let y = table.turned(x.value(), 1.0)?;
    Ok(Some(Tensor::from_op("rotary", y, &[x], move |gradient, _| Ok(vec![Some(table.turned(gradient, -1.0)?)]))))
}

impl Table {
    fn turned(&self, x: &Value, direction: f64) -> Result<Value> {
        let (rows, heads, width) = x.dims3()?;
        Launch::by_columns(Module::Rotary, "rotary_turn", x.dtype(), rows * heads, width - self.half).run_one(
            [Some(x), Some(&self.cosines), Some(&self.sines), Some(&self.positions)],
            Output::like(x),
            |[x, cosines, sines, positions], y| Rotary {
                x,
                cosines,
                sines,
                positions,
                y,
                rows: rows as i64,
                heads: heads as i64,
                width: width as i64,
                half: self.half as i64,
                interleaved: i64::from(self.interleaved),
                direction,
            },
        )
    }
}
