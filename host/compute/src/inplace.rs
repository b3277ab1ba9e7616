//! Changes in place, for buffers that their caller made and nobody else holds.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, InplaceOp2, Layout};

use crate::kernel::{add_into, over_rows};
use crate::{Result, Value};

struct AddAssign;

impl InplaceOp2 for AddAssign {
    fn name(&self) -> &'static str {
        "add-assign"
    }

    fn cpu_fwd(
        &self,
        sum: &mut CpuStorage,
        sum_layout: &Layout,
        other: &CpuStorage,
        layout: &Layout,
    ) -> candle_core::Result<()> {
        let (Some((a0, a1)), Some((b0, b1))) = (sum_layout.contiguous_offsets(), layout.contiguous_offsets()) else {
            candle_core::bail!("add-assign needs contiguous buffers")
        };
        macro_rules! add {
            ($($variant:ident),*) => {
                match (sum, other) {
                    $((CpuStorage::$variant(a), CpuStorage::$variant(b)) => {
                        let (a, b) = (&mut a[a0..a1], &b[b0..b1]);
                        over_rows(a, 1, |first, a| add_into(a, &b[first..]));
                        Ok(())
                    })*
                    (sum, other) => candle_core::bail!("add-assign of {:?} and {:?}", sum.dtype(), other.dtype()),
                }
            };
        }
        add!(F32, F64, BF16, F16)
    }
}

/// `sum += other`, in place, on the CPU (other devices have no such kernel). `sum` must be uniquely held by the caller and contiguous.
pub(crate) fn add_assign(sum: &Value, other: &Value) -> Result<()> {
    Ok(sum.inplace_op2(&other.contiguous()?, &AddAssign)?)
}
