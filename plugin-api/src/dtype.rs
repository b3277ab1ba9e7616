//! Element types.

use lacuna_abi::dtype as number;

use crate::error::{Error, Result};
use crate::raw::{Object, values};

/// The type of a tensor's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DType {
    /// Truth values.
    Bool,
    /// `u8`.
    U8,
    /// `u32`: token ids and row numbers.
    U32,
    /// `i64`.
    I64,
    /// bfloat16.
    BF16,
    /// IEEE half precision.
    F16,
    /// `f32`: what operations compute in unless the run asks for bfloat16.
    F32,
    /// `f64`.
    F64,
}

impl DType {
    pub(crate) fn number(self) -> u32 {
        match self {
            Self::Bool => number::BOOL,
            Self::U8 => number::U8,
            Self::U32 => number::U32,
            Self::I64 => number::I64,
            Self::BF16 => number::BF16,
            Self::F16 => number::F16,
            Self::F32 => number::F32,
            Self::F64 => number::F64,
        }
    }

    pub(crate) fn from_number(dtype: u32) -> Result<Self> {
        Ok(match dtype {
            number::BOOL => Self::Bool,
            number::U8 => Self::U8,
            number::U32 => Self::U32,
            number::I64 => Self::I64,
            number::BF16 => Self::BF16,
            number::F16 => Self::F16,
            number::F32 => Self::F32,
            number::F64 => Self::F64,
            other => {
                return Err(Error::new("host/dtype", format!("element type {other} is newer than this plugin"))
                    .help("build the plugin against the host's version of `plugin_api`"));
            }
        })
    }

    /// Whether it is a floating-point type.
    #[must_use]
    pub fn is_float(self) -> bool {
        matches!(self, Self::BF16 | Self::F16 | Self::F32 | Self::F64)
    }
}

/// Rust types that tensors and columns are made from and read into. Sealed.
pub trait Element: Copy + Default + 'static {
    #[doc(hidden)]
    const DTYPE: DType;
    #[doc(hidden)]
    fn read(tensor: &Object, count: usize) -> Result<Vec<Self>>;
}

macro_rules! elements {
    ($($element:ty = $dtype:ident;)*) => {$(
        impl Element for $element {
            const DTYPE: DType = DType::$dtype;
            fn read(tensor: &Object, count: usize) -> Result<Vec<Self>> {
                values::read::<Self>(tensor, Self::DTYPE.number(), count)
            }
        }
    )*};
}
elements! { u8 = U8; u32 = U32; i64 = I64; f32 = F32; f64 = F64; }

impl Element for bool {
    const DTYPE: DType = DType::Bool;
    fn read(tensor: &Object, count: usize) -> Result<Vec<Self>> {
        // Read as bytes: a byte that is neither 0 nor 1 must never become a `bool`.
        let bytes = values::read::<u8>(tensor, DType::Bool.number(), count)?;
        Ok(bytes.into_iter().map(|byte| byte != 0).collect())
    }
}
