//! The plain values that cross: bytes, places, handles, attributes, and the constants that name kinds.

use abi_stable::StableAbi;

/// Borrowed bytes or UTF-8 text. Valid for the call unless the function says `'static`.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct Bytes {
    /// The first byte; dangling or null where `len` is 0.
    pub ptr: *const u8,
    /// The number of bytes.
    pub len: usize,
}

impl Bytes {
    /// No bytes.
    pub const EMPTY: Self = Self { ptr: std::ptr::null(), len: 0 };

    /// Borrows `text`.
    #[must_use]
    pub const fn text(text: &str) -> Self {
        Self { ptr: text.as_ptr(), len: text.len() }
    }

    /// Borrows `data`.
    #[must_use]
    pub const fn slice(data: &[u8]) -> Self {
        Self { ptr: data.as_ptr(), len: data.len() }
    }

    /// The bytes.
    ///
    /// # Safety
    /// The bytes must be alive and unchanged for `'a`.
    #[must_use]
    pub unsafe fn as_slice<'a>(self) -> &'a [u8] {
        if self.ptr.is_null() || self.len == 0 {
            return &[];
        }
        // SAFETY: by the caller's promise.
        unsafe { std::slice::from_raw_parts(self.ptr, self.len) }
    }

    /// The bytes as text; `None` where they are not UTF-8.
    ///
    /// # Safety
    /// As [`Bytes::as_slice`].
    #[must_use]
    pub unsafe fn as_text<'a>(self) -> Option<&'a str> {
        // SAFETY: by the caller's promise.
        std::str::from_utf8(unsafe { self.as_slice() }).ok()
    }
}

/// A place in a plugin's source. The file name is `'static`.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct Place {
    /// The file.
    pub file: Bytes,
    /// The line, from 1; 0 where unknown.
    pub line: u32,
    /// The column, from 1; 0 where unknown.
    pub column: u32,
}

/// An object of the host: tensor, weight, layout, mask, model, head, batch, error, text. Null is none.
///
/// A handle that a function returns or writes is owned by the receiver, who releases it once. A handle given as an
/// argument is borrowed for the call.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, StableAbi)]
pub struct Handle(pub *const u8);

impl Handle {
    /// No object; as an error: success.
    pub const NULL: Self = Self(std::ptr::null());

    /// Whether it is [`Handle::NULL`].
    #[must_use]
    pub fn is_null(self) -> bool {
        self.0.is_null()
    }
}

/// One attribute of an operation.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct Attribute {
    /// One of [`attribute`]; a key the operation does not know is a fault.
    pub key: u32,
    /// [`attribute::INTEGER`], [`attribute::FLOAT`] or [`attribute::BYTES`].
    pub kind: u32,
    /// The bits of an `i64` or `f64`; 0 for bytes.
    pub bits: u64,
    /// The bytes: text, or `i64` or `f64` in native order for lists.
    pub bytes: Bytes,
}

impl Attribute {
    /// An integer (also truth values: 0 and 1).
    #[must_use]
    pub const fn integer(key: u32, value: i64) -> Self {
        Self { key, kind: attribute::INTEGER, bits: value as u64, bytes: Bytes::EMPTY }
    }

    /// A number.
    #[must_use]
    pub const fn float(key: u32, value: f64) -> Self {
        Self { key, kind: attribute::FLOAT, bits: value.to_bits(), bytes: Bytes::EMPTY }
    }

    /// Text or raw bytes.
    #[must_use]
    pub const fn bytes(key: u32, value: Bytes) -> Self {
        Self { key, kind: attribute::BYTES, bits: 0, bytes: value }
    }

    /// A list of integers.
    #[must_use]
    pub const fn integers(key: u32, values: &[i64]) -> Self {
        Self::bytes(key, Bytes { ptr: values.as_ptr().cast(), len: values.len() * 8 })
    }
}

/// Keys and kinds of attributes.
pub mod attribute {
    /// The value is an `i64` in `bits`.
    pub const INTEGER: u32 = 1;
    /// The value is an `f64` in `bits`.
    pub const FLOAT: u32 = 2;
    /// The value is in `bytes`.
    pub const BYTES: u32 = 3;

    macro_rules! keys {
        ($($number:literal $name:ident $text:literal;)*) => {
            $(#[doc = $text] pub const $name: u32 = $number;)*
            /// The name of a key, for errors.
            #[must_use]
            pub fn name(key: u32) -> Option<&'static str> {
                match key { $($number => Some($text),)* _ => None }
            }
        };
    }
    keys! {
        1 AXIS "axis";
        2 AXES "axes";
        3 KEEP "keep";
        4 VALUE "value";
        5 SHAPE "shape";
        6 DTYPE "dtype";
        7 START "start";
        8 LENGTH "length";
        9 STEP "step";
        10 LOW "low";
        11 HIGH "high";
        12 UNBIASED "unbiased";
        13 DESCENDING "descending";
        14 COUNT "count";
        15 EPSILON "epsilon";
        16 ACTIVATION "activation";
        17 IGNORE "ignore";
        18 SMOOTHING "smoothing";
        19 CHUNK "chunk";
        20 SCALE "scale";
        21 RATE "rate";
        22 STREAM "stream";
        23 BASE "base";
        24 INTERLEAVED "interleaved";
        25 STRIDE "stride";
        26 PADDING "padding";
        27 DILATION "dilation";
        28 GROUPS "groups";
        29 KERNEL "kernel";
        30 MODE "mode";
        31 TEMPERATURE "temperature";
        32 DELTA "delta";
        33 LEFT "left";
        34 RIGHT "right";
        35 MEAN "mean";
        36 STD "std";
        37 CLASSES "classes";
        38 ALIGN_CORNERS "align_corners";
        39 SYMMETRIC "symmetric";
        40 OUTPUT_PADDING "output_padding";
        41 MAPS "maps";
        42 FEATURES "features";
        43 DIMENSIONS "dimensions";
        44 BLANK "blank";
        45 SKIP "skip";
    }
}

/// Element types.
pub mod dtype {
    /// Truth values, one byte each, 0 or 1.
    pub const BOOL: u32 = 0;
    /// `u8`.
    pub const U8: u32 = 1;
    /// `u32`.
    pub const U32: u32 = 2;
    /// `i64`.
    pub const I64: u32 = 3;
    /// bfloat16.
    pub const BF16: u32 = 4;
    /// IEEE half.
    pub const F16: u32 = 5;
    /// `f32`.
    pub const F32: u32 = 6;
    /// `f64`.
    pub const F64: u32 = 7;
}

/// Kinds of host objects behind a [`Handle`].
pub mod kind {
    /// A tensor, possibly poisoned.
    pub const TENSOR: u32 = 1;
    /// A weight: a slot that the host resolves at each use. Goes wherever an operation takes a tensor.
    pub const WEIGHT: u32 = 2;
    /// A buffer: state outside the gradients. Goes wherever an operation takes a tensor.
    pub const BUFFER: u32 = 3;
    /// A layout of token rows.
    pub const LAYOUT: u32 = 4;
    /// A mask: who may attend to whom.
    pub const MASK: u32 = 5;
    /// Text or bytes.
    pub const TEXT: u32 = 6;
    /// A batch: named columns. Also inputs and outputs of a model.
    pub const BATCH: u32 = 7;
    /// A model in a role.
    pub const MODEL: u32 = 8;
    /// A head of a model.
    pub const HEAD: u32 = 9;
    /// An error.
    pub const ERROR: u32 = 10;
    /// What a model remembers of sequences that it decodes step by step.
    pub const STATE: u32 = 11;
}

/// Codes of errors a plugin may return without a host to make a text.
pub mod code {
    /// Success.
    pub const OK: u32 = 0;
    /// An interface of the host that the plugin needs is missing or differs.
    pub const HOST_INTERFACE: u32 = 1;
    /// The plugin panicked while it was opened.
    pub const PANIC: u32 = 2;
}

/// How a weight or buffer starts.
pub mod init {
    /// All zero.
    pub const ZEROS: u32 = 0;
    /// All one.
    pub const ONES: u32 = 1;
    /// All `a`.
    pub const CONSTANT: u32 = 2;
    /// Normal, standard deviation `a`.
    pub const NORMAL: u32 = 3;
    /// Normal, standard deviation `a`, cut at two of them.
    pub const TRUNCATED_NORMAL: u32 = 4;
    /// Uniform in −a..a.
    pub const UNIFORM: u32 = 5;
    /// Uniform, Glorot and Bengio 2010.
    pub const XAVIER_UNIFORM: u32 = 6;
    /// Normal, Glorot and Bengio 2010.
    pub const XAVIER_NORMAL: u32 = 7;
    /// Uniform, He et al. 2015, for inputs.
    pub const KAIMING_UNIFORM: u32 = 8;
}
