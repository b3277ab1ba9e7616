//! Weights and buffers as named bytes, and back.

use std::collections::BTreeMap;

use super::Weights;
use crate::{DType, Device, Error, Result, Value};

/// A named value as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// Its name.
    pub name: String,
    /// The type of its elements.
    pub dtype: DType,
    /// The lengths of its axes.
    pub shape: Vec<usize>,
    /// The elements in row-major order, little endian.
    pub bytes: Vec<u8>,
}

impl Saved {
    /// The bytes of a value.
    ///
    /// # Errors
    /// When the device fails.
    pub fn of(name: impl Into<String>, value: &Value, dtype: DType) -> Result<Self> {
        macro_rules! bytes {
            ($type:ty) => {
                value.flatten_all()?.to_vec1::<$type>()?.iter().flat_map(|number| number.to_le_bytes()).collect()
            };
        }
        let bytes = match dtype {
            DType::Bool | DType::U8 => value.flatten_all()?.to_vec1::<u8>()?,
            DType::U32 => bytes!(u32),
            DType::I64 => bytes!(i64),
            DType::BF16 => bytes!(half::bf16),
            DType::F16 => bytes!(half::f16),
            DType::F32 => bytes!(f32),
            DType::F64 => bytes!(f64),
        };
        Ok(Self { name: name.into(), dtype, shape: value.dims().to_vec(), bytes })
    }

    /// The value of the bytes.
    ///
    /// # Errors
    /// When there are more or fewer bytes than shape and dtype need.
    pub fn value(&self, device: &Device) -> Result<Value> {
        let count = self.shape.iter().try_fold(self.dtype.size(), |bytes, length| bytes.checked_mul(*length));
        if count != Some(self.bytes.len()) {
            let fact =
                format!("`{}`: {} bytes are not {:?} of {}", self.name, self.bytes.len(), self.shape, self.dtype);
            return Err(Error::argument("load_state", fact));
        }
        macro_rules! value {
            ($type:ty) => {{
                let numbers: Vec<$type> = self
                    .bytes
                    .chunks_exact(std::mem::size_of::<$type>())
                    .map(|bytes| <$type>::from_le_bytes(bytes.try_into().expect("chunks of the type's size")))
                    .collect();
                Value::from_vec(numbers, self.shape.as_slice(), device)?
            }};
        }
        Ok(match self.dtype {
            DType::Bool | DType::U8 => Value::from_slice(&self.bytes, self.shape.as_slice(), device)?,
            DType::U32 => value!(u32),
            DType::I64 => value!(i64),
            DType::BF16 => value!(half::bf16),
            DType::F16 => value!(half::f16),
            DType::F32 => value!(f32),
            DType::F64 => value!(f64),
        })
    }
}

/// What did not fit when a state was loaded, each list sorted by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Names that the store has and the state lacks.
    pub missing: Vec<String>,
    /// Names that the state has and the store lacks.
    pub unexpected: Vec<String>,
    /// Wrong shapes and dtypes, one line each; these were not loaded.
    pub wrong: Vec<String>,
}

impl LoadReport {
    /// Whether everything fitted.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.wrong.is_empty()
    }

    fn text(&self) -> String {
        let lists = [("missing", &self.missing), ("unexpected", &self.unexpected), ("wrong", &self.wrong)];
        let parts = lists.iter().filter(|(_, names)| !names.is_empty());
        parts.map(|(what, names)| format!("{what}: {}", names.join(", "))).collect::<Vec<_>>().join("; ")
    }
}

impl Weights {
    /// All weights that own their slot, and all buffers, sorted by name. Views are not applied; tied weights are left out.
    ///
    /// # Errors
    /// When the device fails.
    pub fn state(&self) -> Result<Vec<Saved>> {
        let mut saved = Vec::new();
        for weight in self.owners() {
            saved.push(Saved::of(weight.name(), &weight.value(), self.dtype)?);
        }
        for buffer in self.buffers() {
            saved.push(Saved::of(buffer.name(), &buffer.value(), buffer.dtype())?);
        }
        saved.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(saved)
    }

    /// Loads values by name. Strict loading changes nothing unless everything fits, and names all faults at once; else what
    /// fits is loaded (floating types cast) and the rest reported.
    ///
    /// # Errors
    /// With `strict`, when names, shapes or dtypes differ; always, when bytes are cut off.
    pub fn load_state(&self, state: &BTreeMap<String, Saved>, strict: bool) -> Result<LoadReport> {
        let mut report = LoadReport::default();
        let mut ready: Vec<(String, Value)> = Vec::new();
        let weights =
            self.owners().into_iter().map(|weight| (weight.name().to_owned(), weight.shape().to_vec(), self.dtype));
        let buffers = self
            .buffers()
            .into_iter()
            .map(|buffer| (buffer.name().to_owned(), buffer.shape().to_vec(), buffer.dtype()));
        let wanted: BTreeMap<String, (Vec<usize>, DType)> =
            weights.chain(buffers).map(|(name, shape, dtype)| (name, (shape, dtype))).collect();
        for (name, (shape, dtype)) in &wanted {
            let Some(saved) = state.get(name) else {
                report.missing.push(name.clone());
                continue;
            };
            let castable = saved.dtype.is_float() && dtype.is_float() && !strict;
            if saved.shape != *shape {
                report.wrong.push(format!("`{name}` has shape {:?} instead of {shape:?}", saved.shape));
            } else if saved.dtype != *dtype && !castable {
                report.wrong.push(format!("`{name}` is {} instead of {dtype}", saved.dtype));
            } else {
                ready.push((name.clone(), saved.value(&self.device)?));
            }
        }
        report.unexpected.extend(state.keys().filter(|name| !wanted.contains_key(*name)).cloned());
        if strict && !report.is_clean() {
            return Err(Error::argument("load_state", format!("the saved state does not fit; {}", report.text())));
        }
        for (name, value) in ready {
            if let Some(weight) = self.get(&name) {
                weight.set_value(&value)?;
            } else if let Some(buffer) = self.buffer(&name) {
                buffer.set_value(&value)?;
            }
        }
        Ok(report)
    }
}
