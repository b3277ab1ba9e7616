//! The kernel files.

/// A file of kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Module {
    Activation,
    AdamW,
    AttentionBackward,
    AttentionForward,
    CrossEntropy,
    Dropout,
    Norm,
    Rotary,
    Softmax,
    Sums,
}

#[cfg(feature = "cuda")]
impl Module {
    /// Its name among loaded modules and its PTX for elements of this type.
    pub(super) fn ptx(self, elements: candle_core::DType) -> (String, &'static str) {
        macro_rules! files {
            ($($variant:ident $name:literal),*) => {
                match self {
                    $(Self::$variant => ($name, [
                        include_str!(concat!(env!("OUT_DIR"), "/", $name, "_f32.ptx")),
                        include_str!(concat!(env!("OUT_DIR"), "/", $name, "_f64.ptx")),
                        include_str!(concat!(env!("OUT_DIR"), "/", $name, "_bf16.ptx")),
                        include_str!(concat!(env!("OUT_DIR"), "/", $name, "_f16.ptx")),
                    ]),)*
                }
            };
        }
        let (name, [single, double, brain, half]) = files!(
            Activation "activation", AdamW "adamw", AttentionBackward "attention_backward",
            AttentionForward "attention_forward", CrossEntropy "cross_entropy", Dropout "dropout", Norm "norm",
            Rotary "rotary", Softmax "softmax", Sums "sums"
        );
        let ptx = match elements {
            candle_core::DType::F64 => double,
            candle_core::DType::BF16 => brain,
            candle_core::DType::F16 => half,
            _ => single,
        };
        (format!("lacuna_{name}_{}", elements.as_str()), ptx)
    }
}
