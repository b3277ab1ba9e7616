//! The attributes of an operation, read by type.

use std::marker::PhantomData;

use compute::DType;
use compute::nn_ops::Activation;
use lacuna_abi::{Attribute, attribute};

use crate::boundary::guard;
use crate::error::{Error, Result};

/// Attributes lent for one operation.
pub(super) struct Attributes<'a> {
    operation: &'static str,
    list: &'a [Attribute],
    life: PhantomData<&'a [u8]>,
}

impl<'a> Attributes<'a> {
    /// # Safety
    /// The bytes of all attributes must be alive for `'a`.
    pub(super) unsafe fn new(operation: &'static str, list: &'a [Attribute]) -> Self {
        Self { operation, list, life: PhantomData }
    }

    /// An error for a key that the operation does not know, or one given twice.
    pub(super) fn check(&self, known: &[u32]) -> Result<()> {
        for (index, attribute) in self.list.iter().enumerate() {
            let key = attribute.key;
            if !known.contains(&key) {
                let names: Vec<String> = known.iter().map(|key| format!("`{}`", name(*key))).collect();
                let names = if names.is_empty() { "none".into() } else { names.join(", ") };
                return Err(self
                    .error(format!("attribute `{}` is not known", name(key)))
                    .with_help(format!("it takes {names}")));
            }
            if self.list[..index].iter().any(|other| other.key == key) {
                return Err(self.error(format!("attribute `{}` is given twice", name(key))));
            }
        }
        Ok(())
    }

    fn error(&self, fact: String) -> Error {
        Error::new("tensor/attribute", format!("{}: {fact}", self.operation))
    }

    fn get(&self, key: u32) -> Option<&Attribute> {
        self.list.iter().find(|attribute| attribute.key == key)
    }

    fn missing(&self, key: u32) -> Error {
        self.error(format!("attribute `{}` is missing", name(key)))
    }

    fn not(&self, key: u32, wanted: &str) -> Error {
        self.error(format!("attribute `{}` is not {wanted}", name(key)))
    }

    pub(super) fn maybe_integer(&self, key: u32) -> Result<Option<i64>> {
        let Some(attribute) = self.get(key) else { return Ok(None) };
        match attribute.kind {
            attribute::INTEGER => Ok(Some(attribute.bits as i64)),
            _ => Err(self.not(key, "an integer")),
        }
    }

    pub(super) fn integer(&self, key: u32) -> Result<i64> {
        self.maybe_integer(key)?.ok_or_else(|| self.missing(key))
    }

    /// A length: an integer from 0.
    pub(super) fn maybe_size(&self, key: u32) -> Result<Option<usize>> {
        self.maybe_integer(key)?.map(|number| self.as_size(key, number)).transpose()
    }

    pub(super) fn size(&self, key: u32) -> Result<usize> {
        self.maybe_size(key)?.ok_or_else(|| self.missing(key))
    }

    fn as_size(&self, key: u32, number: i64) -> Result<usize> {
        usize::try_from(number).map_err(|_| self.error(format!("attribute `{}` is {number}, below 0", name(key))))
    }

    /// A truth value; false where it is absent.
    pub(super) fn flag(&self, key: u32) -> Result<bool> {
        match self.maybe_integer(key)? {
            None | Some(0) => Ok(false),
            Some(1) => Ok(true),
            Some(_) => Err(self.not(key, "0 or 1")),
        }
    }

    /// A number; an integer serves as one.
    pub(super) fn maybe_float(&self, key: u32) -> Result<Option<f64>> {
        let Some(attribute) = self.get(key) else { return Ok(None) };
        match attribute.kind {
            attribute::FLOAT => Ok(Some(f64::from_bits(attribute.bits))),
            attribute::INTEGER => Ok(Some(attribute.bits as i64 as f64)),
            _ => Err(self.not(key, "a number")),
        }
    }

    pub(super) fn float(&self, key: u32) -> Result<f64> {
        self.maybe_float(key)?.ok_or_else(|| self.missing(key))
    }

    /// A list of integers; a single one serves as a list of one.
    pub(super) fn maybe_integers(&self, key: u32) -> Result<Option<Vec<i64>>> {
        let Some(attribute) = self.get(key) else { return Ok(None) };
        match attribute.kind {
            attribute::INTEGER => Ok(Some(vec![attribute.bits as i64])),
            attribute::BYTES => {
                // SAFETY: alive by the promise of `new`.
                let (numbers, rest) = unsafe { attribute.bytes.as_slice() }.as_chunks::<8>();
                if !rest.is_empty() {
                    return Err(self.not(key, "a list of integers"));
                }
                Ok(Some(numbers.iter().map(|bytes| i64::from_ne_bytes(*bytes)).collect()))
            }
            _ => Err(self.not(key, "a list of integers")),
        }
    }

    pub(super) fn integers(&self, key: u32) -> Result<Vec<i64>> {
        self.maybe_integers(key)?.ok_or_else(|| self.missing(key))
    }

    pub(super) fn sizes(&self, key: u32) -> Result<Vec<usize>> {
        self.integers(key)?.into_iter().map(|number| self.as_size(key, number)).collect()
    }

    /// `N` lengths; a single one serves for all axes, `default` where it is absent.
    pub(super) fn sizes_of<const N: usize>(&self, key: u32, default: Option<[usize; N]>) -> Result<[usize; N]> {
        let Some(numbers) = self.maybe_integers(key)? else { return default.ok_or_else(|| self.missing(key)) };
        let sizes: Vec<usize> = numbers.into_iter().map(|number| self.as_size(key, number)).collect::<Result<_>>()?;
        match sizes.as_slice() {
            [single] => Ok([*single; N]),
            _ => sizes
                .as_slice()
                .try_into()
                .map_err(|_| self.error(format!("attribute `{}` has {} numbers for {N} axes", name(key), sizes.len()))),
        }
    }

    pub(super) fn maybe_text(&self, key: u32) -> Result<Option<&'a str>> {
        let Some(attribute) = self.get(key) else { return Ok(None) };
        if attribute.kind != attribute::BYTES {
            return Err(self.not(key, "text"));
        }
        // SAFETY: alive by the promise of `new`.
        unsafe { attribute.bytes.as_text() }.map(Some).ok_or_else(|| self.not(key, "text in UTF-8"))
    }

    /// An element type; `default` where it is absent.
    pub(super) fn dtype(&self, default: Option<DType>) -> Result<DType> {
        match self.maybe_integer(attribute::DTYPE)? {
            Some(number) => guard::dtype(u32::try_from(number).unwrap_or(u32::MAX)),
            None => default.ok_or_else(|| self.missing(attribute::DTYPE)),
        }
    }

    /// An activation by name; none where it is absent.
    pub(super) fn activation(&self) -> Result<Activation> {
        Ok(match self.maybe_text(attribute::ACTIVATION)? {
            None | Some("none" | "") => Activation::None,
            Some("relu") => Activation::Relu,
            Some("gelu") => Activation::Gelu,
            Some("gelu_tanh") => Activation::GeluTanh,
            Some("silu") => Activation::Silu,
            Some(other) => {
                return Err(self.error(format!("activation `{other}` is not known"))
                    .with_help("`none`, `relu`, `gelu`, `gelu_tanh`, `silu`, `sigmoid` are; apply others as operations of their own"));
            }
        })
    }
}

fn name(key: u32) -> String {
    attribute::name(key).map_or_else(|| key.to_string(), str::to_owned)
}
