//! The arguments of each kernel, field for field as in the `.cu` files: every field is eight bytes (24 for three strides).

#[cfg(feature = "cuda")]
use candle_core::cuda_backend::cudarc::driver::DeviceRepr;

/// An address on the device; 0 where there is nothing.
pub(super) type Pointer = u64;
/// Elements from one segment, head and query to the next; 0 along an axis of length 1.
pub(super) type Strides = [i64; 3];

/// What a launch on a device asks of an argument; nothing where there is none.
#[cfg(not(feature = "cuda"))]
pub(super) trait DeviceRepr {}

/// A kernel's one argument.
///
/// # Safety
/// The type is `repr(C)`, without padding, and has the fields of the struct of the same name in the kernel's file.
pub(super) unsafe trait Call: Copy + DeviceRepr {}

macro_rules! calls {
    ($($file:literal $name:ident { $($field:ident: $type:ty,)* })*) => {
        $(
            #[repr(C)]
            #[derive(Clone, Copy, Debug, Default)]
            pub(super) struct $name {
                $(pub(super) $field: $type,)*
            }

            // SAFETY: the test below holds the fields against the kernel's file.
            unsafe impl Call for $name {}

            #[cfg(feature = "cuda")]
            // SAFETY: plain numbers, copied bit by bit.
            unsafe impl DeviceRepr for $name {}

            #[cfg(not(feature = "cuda"))]
            impl DeviceRepr for $name {}
        )*

        /// File, name and fields of all structs, and their size.
        #[cfg(test)]
        const ALL: &[(&str, &str, &[(&str, &str)], usize)] = &[
            $(($file, stringify!($name), &[$((stringify!($field), stringify!($type))),*], size_of::<$name>()),)*
        ];
    };
}

calls! {
    "norm.cu" NormForward {
        x: Pointer, residual: Pointer, weight: Pointer, bias: Pointer, y: Pointer, total: Pointer, statistics: Pointer,
        rows: i64, width: i64, centered: i64, eps: f64,
    }
    "norm.cu" NormBackward {
        x: Pointer, gradient: Pointer, sum_gradient: Pointer, weight: Pointer, statistics: Pointer, dx: Pointer,
        rows: i64, width: i64, centered: i64,
    }
    "norm.cu" NormWeights {
        x: Pointer, gradient: Pointer, statistics: Pointer, parts: Pointer, rows: i64, width: i64, chunk: i64,
    }
    "sums.cu" ColumnParts { x: Pointer, parts: Pointer, rows: i64, width: i64, chunk: i64, }
    "sums.cu" ColumnTotals { parts: Pointer, totals: Pointer, chunks: i64, width: i64, }
    "activation.cu" Epilogue {
        product: Pointer, bias: Pointer, gradient: Pointer, out: Pointer, rows: i64, width: i64, activation: i64,
    }
    "activation.cu" Gate { x: Pointer, gradient: Pointer, out: Pointer, rows: i64, width: i64, activation: i64, }
    "rotary.cu" Rotary {
        x: Pointer, cosines: Pointer, sines: Pointer, positions: Pointer, y: Pointer, rows: i64, heads: i64, width: i64,
        half: i64, interleaved: i64, direction: f64,
    }
    "softmax.cu" Softmax { x: Pointer, gradient: Pointer, out: Pointer, rows: i64, width: i64, logarithm: i64, }
    "cross_entropy.cu" CrossEntropy {
        logits: Pointer, targets: Pointer, gradient: Pointer, loss: Pointer, lse: Pointer, dlogits: Pointer, rows: i64,
        width: i64, smoothing: f64,
    }
    "cross_entropy.cu" SoftCrossEntropy {
        logits: Pointer, targets: Pointer, gradient: Pointer, loss: Pointer, lse: Pointer, dlogits: Pointer,
        dtargets: Pointer, rows: i64, width: i64,
    }
    "dropout.cu" Dropout { x: Pointer, keys: Pointer, y: Pointer, rows: i64, width: i64, limit: i64, factor: f64, }
    "adamw.cu" AdamW {
        value: Pointer, gradient: Pointer, first: Pointer, second: Pointer, new_value: Pointer, new_first: Pointer,
        new_second: Pointer, count: i64, beta1: f64, beta2: f64, epsilon: f64, keep: f64, rate: f64, root: f64,
    }
    "attention.cuh" Attention {
        q: Pointer, k: Pointer, v: Pointer, gradient: Pointer, output: Pointer, lse: Pointer, level: Pointer,
        dq: Pointer, dk: Pointer, dv: Pointer, dscores: Pointer, query_tiles: Pointer, key_tiles: Pointer,
        query_offsets: Pointer, key_offsets: Pointer, range_starts: Pointer, range_ends: Pointer,
        query_positions: Pointer, key_positions: Pointer, slopes: Pointer, visible: Pointer, dense: Pointer,
        bias: Pointer, row_keys: Pointer, heads: i64, key_heads: i64, width: i64, value_width: i64, queries: i64,
        longest_queries: i64, longest_keys: i64, dense_strides: Strides, bias_strides: Strides, dropout_limit: i64,
        dropout_factor: f64, scale: f64,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// Fields of a struct of a kernel file, with the names that Rust gives their types.
    fn fields(file: &str, name: &str) -> Vec<(String, String)> {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cuda").join(file);
        let text = std::fs::read_to_string(path).unwrap();
        let (_, body) = text.split_once(&format!("struct {name} {{\n")).unwrap();
        let (body, _) = body.split_once("\n};").unwrap();
        let field = |line: &str| {
            let code = line.split("//").next()?.trim().strip_suffix(';')?;
            let (kind, field) = code.rsplit_once([' ', '*'])?;
            let kind = if code.contains('*') { "Pointer" } else { kind.trim() };
            let kind = match (kind, field.strip_suffix("[3]")) {
                ("int64_t", Some(field)) => return Some((field.to_owned(), "Strides".to_owned())),
                ("int64_t", None) => "i64",
                ("double", None) => "f64",
                (other, _) => other,
            };
            Some((field.to_owned(), kind.to_owned()))
        };
        body.lines().filter_map(field).collect()
    }

    #[test]
    fn rust_and_cuda_agree_on_the_arguments() {
        for (file, name, expected, size) in ALL {
            let expected: Vec<(String, String)> =
                expected.iter().map(|(field, kind)| ((*field).to_owned(), (*kind).to_owned())).collect();
            assert_eq!(fields(file, name), expected, "{file} {name}");
            let words: usize = expected.iter().map(|(_, kind)| if kind == "Strides" { 3 } else { 1 }).sum();
            assert_eq!(*size, words * 8, "{file} {name}");
        }
    }
}
