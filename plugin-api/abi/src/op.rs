//! The operations by number. Numbers are stable: a row is never changed or reused, new ones come at the end.
//!
//! Inputs are named in the order they are given, `?` marks one that may be null. Attributes are the keys of
//! [`crate::attribute`]. Results are in the order of the outputs.

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// Its number.
    pub number: u32,
    /// Its name.
    pub name: &'static str,
    /// The first boundary version that has it.
    pub since: u32,
    /// Inputs, attributes and outputs in a line.
    pub signature: &'static str,
}

macro_rules! operations {
    ($($number:literal $constant:ident $name:literal $since:literal $signature:literal;)*) => {
        $(#[doc = concat!("`", $name, "`: `", $signature, "`")] pub const $constant: u32 = $number;)*
        /// Every operation of this boundary, by number.
        pub const TABLE: &[Operation] =
            &[$(Operation { number: $number, name: $name, since: $since, signature: $signature }),*];
    };
}

/// The row of an operation.
#[must_use]
pub fn find(number: u32) -> Option<&'static Operation> {
    TABLE.binary_search_by_key(&number, |operation| operation.number).ok().map(|index| &TABLE[index])
}

operations! {
    1 ADD "add" 1 "(a, b) -> a + b, broadcast";
    2 SUB "sub" 1 "(a, b) -> a - b, broadcast";
    3 MUL "mul" 1 "(a, b) -> a * b, broadcast";
    4 DIV "div" 1 "(a, b) -> a / b, broadcast";
    5 MAXIMUM "maximum" 1 "(a, b) -> the larger, broadcast";
    6 MINIMUM "minimum" 1 "(a, b) -> the smaller, broadcast";
    7 ADD_SCALAR "add_scalar" 1 "(x; value) -> x + value";
    8 MUL_SCALAR "mul_scalar" 1 "(x; value) -> x * value";
    9 POW_SCALAR "pow_scalar" 1 "(x; value) -> x ^ value";
    10 CLAMP "clamp" 1 "(x; low, high)";
    20 NEG "neg" 1 "(x)";
    21 ABS "abs" 1 "(x); gradient 0 at 0";
    22 EXP "exp" 1 "(x)";
    23 LOG "log" 1 "(x); natural";
    24 SQRT "sqrt" 1 "(x)";
    25 RSQRT "rsqrt" 1 "(x)";
    26 RECIPROCAL "reciprocal" 1 "(x)";
    27 SQUARE "square" 1 "(x)";
    28 SIN "sin" 1 "(x)";
    29 COS "cos" 1 "(x)";
    30 TANH "tanh" 1 "(x)";
    31 SIGMOID "sigmoid" 1 "(x)";
    32 ERF "erf" 1 "(x)";
    33 LOG1P "log1p" 1 "(x)";
    34 EXPM1 "expm1" 1 "(x)";
    35 SOFTPLUS "softplus" 1 "(x)";
    36 LOG_SIGMOID "log_sigmoid" 1 "(x)";
    37 ROUND "round" 1 "(x) -> constant";
    38 FLOOR "floor" 1 "(x) -> constant";
    39 CEIL "ceil" 1 "(x) -> constant";
    40 SIGN "sign" 1 "(x) -> constant";
    41 RELU "relu" 1 "(x); gradient 0 at 0";
    42 LEAKY_RELU "leaky_relu" 1 "(x; value = slope)";
    43 ELU "elu" 1 "(x; value = alpha)";
    44 GELU "gelu" 1 "(x); exact";
    45 GELU_TANH "gelu_tanh" 1 "(x); tanh approximation";
    46 SILU "silu" 1 "(x)";
    47 MISH "mish" 1 "(x)";
    48 QUICK_GELU "quick_gelu" 1 "(x) -> x * sigmoid(1.702 x)";
    60 EQ "eq" 1 "(a, b) -> bool, broadcast";
    61 NE "ne" 1 "(a, b) -> bool, broadcast";
    62 LT "lt" 1 "(a, b) -> bool, broadcast";
    63 LE "le" 1 "(a, b) -> bool, broadcast";
    64 GT "gt" 1 "(a, b) -> bool, broadcast";
    65 GE "ge" 1 "(a, b) -> bool, broadcast";
    66 EQ_SCALAR "eq_scalar" 1 "(x; value) -> bool";
    67 LT_SCALAR "lt_scalar" 1 "(x; value) -> bool";
    68 LE_SCALAR "le_scalar" 1 "(x; value) -> bool";
    69 GT_SCALAR "gt_scalar" 1 "(x; value) -> bool";
    70 GE_SCALAR "ge_scalar" 1 "(x; value) -> bool";
    71 AND "and" 1 "(a, b: bool) -> bool, broadcast; for masks: visible in both";
    72 OR "or" 1 "(a, b: bool) -> bool, broadcast";
    73 XOR "xor" 1 "(a, b: bool) -> bool, broadcast";
    74 NOT "not" 1 "(x: bool) -> bool";
    75 WHERE "where" 1 "(condition: bool, a, b) -> a where true, else b, broadcast";
    76 FILL_WHERE "fill_where" 1 "(x, chosen: bool; value) -> value where true, else x";
    77 IS_FINITE "is_finite" 1 "(x) -> bool";
    78 ANY "any" 1 "(x: bool) -> bool scalar";
    79 ALL "all" 1 "(x: bool) -> bool scalar";
    90 SUM "sum" 1 "(x; axes?, keep); no axes: all";
    91 MEAN "mean" 1 "(x; axes?, keep)";
    92 MAX "max" 1 "(x; axis, keep)";
    93 MIN "min" 1 "(x; axis, keep)";
    94 PROD "prod" 1 "(x; axis, keep)";
    95 VARIANCE "variance" 1 "(x; axes, keep, unbiased)";
    96 STD "std" 1 "(x; axes, keep, unbiased)";
    97 LOGSUMEXP "logsumexp" 1 "(x; axis, keep)";
    98 NORM "norm" 1 "(x; axes, keep); Euclidean, gradient 0 at 0";
    99 CUMSUM "cumsum" 1 "(x; axis)";
    100 ARGMAX "argmax" 1 "(x; axis) -> u32, first of equals";
    101 ARGMIN "argmin" 1 "(x; axis) -> u32, first of equals";
    102 COUNT_TRUE "count_true" 1 "(x: bool) -> f32 scalar";
    120 RESHAPE "reshape" 1 "(x; shape, one may be -1)";
    121 TRANSPOSE "transpose" 1 "(x; axes = two)";
    122 PERMUTE "permute" 1 "(x; axes)";
    123 UNSQUEEZE "unsqueeze" 1 "(x; axis)";
    124 SQUEEZE "squeeze" 1 "(x; axis)";
    125 EXPAND "expand" 1 "(x; shape)";
    126 NARROW "narrow" 1 "(x; axis, start, length)";
    127 SLICE "slice" 1 "(x; axis, start, length = end, step)";
    128 CAT "cat" 1 "(x...; axis)";
    129 STACK "stack" 1 "(x...; axis)";
    130 FLIP "flip" 1 "(x; axes)";
    131 ROLL "roll" 1 "(x; axis, start = shift)";
    132 PAD "pad" 1 "(x; axis, left, right, value)";
    133 REPEAT "repeat" 1 "(x; shape = repeats)";
    134 TRIL "tril" 1 "(x; start = diagonal)";
    135 TRIU "triu" 1 "(x; start = diagonal)";
    136 CONTIGUOUS "contiguous" 1 "(x)";
    137 UNFOLD "unfold" 1 "(x; axis, length = size, step) -> windows on a new last axis";
    150 INDEX_SELECT "index_select" 1 "(x, ids: u32 or i64; axis)";
    151 GATHER "gather" 1 "(x, ids; axis)";
    152 SCATTER "scatter" 1 "(base, ids, source; axis)";
    153 SCATTER_ADD "scatter_add" 1 "(base, ids, source; axis)";
    154 INDEX_ADD "index_add" 1 "(base, ids, source; axis)";
    155 MASKED_SELECT "masked_select" 1 "(x, chosen: bool on leading axes) -> rows";
    156 ONE_HOT "one_hot" 1 "(ids; classes) -> f32";
    157 SORT "sort" 1 "(x; descending) -> values, indices; last axis, stable";
    158 TOP_K "top_k" 1 "(x; count) -> values, indices; last axis";
    159 NONZERO "nonzero" 1 "(x: bool, rank 1) -> i64 indices";
    170 MATMUL "matmul" 1 "(a, b), leading axes broadcast";
    171 LINEAR "linear" 1 "(x, weight [out, in], bias?; activation?)";
    172 GLU "glu" 1 "(x [.., 2f]; activation) -> activation(first half) * second half";
    173 EMBEDDING "embedding" 1 "(table [v, d], ids)";
    174 LAYER_NORM "layer_norm" 1 "(x, weight?, bias?; epsilon)";
    175 RMS_NORM "rms_norm" 1 "(x, weight?; epsilon)";
    176 SOFTMAX "softmax" 1 "(x); last axis";
    177 LOG_SOFTMAX "log_softmax" 1 "(x); last axis";
    178 ROTARY "rotary" 1 "(x [n, h, d], positions [n]; base, interleaved, dimensions)";
    179 ATTENTION "attention" 1 "(q [n, h, k], k [m, g, k], v [m, g, d], layout, key_layout?, mask?; scale, rate, stream, maps) -> [n, h, d], maps?";
    180 DROPOUT "dropout" 1 "(x, layout?; rate, stream); the identity in evaluation";
    181 BATCH_NORM "batch_norm" 1 "(x, weight?, bias?, mean, variance; epsilon) -> y, batch mean, batch variance";
    182 GROUP_NORM "group_norm" 1 "(x, weight?, bias?; groups, epsilon)";
    183 REMEMBERED_ATTENTION "remembered_attention" 1 "(q [n, h, k], k [n, g, k], v [n, g, d], layout, state, mask?; stream = name, scale) -> [n, h, d]; k and v join those of the sequences so far";
    190 CROSS_ENTROPY "cross_entropy" 1 "(logits [n, v], targets [n]; ignore, smoothing) -> [n], 0 where ignored";
    191 CROSS_ENTROPY_SOFT "cross_entropy_soft" 1 "(logits [n, v], targets [n, v]) -> [n]";
    192 LINEAR_CROSS_ENTROPY "linear_cross_entropy" 1 "(hidden [n, d], weight [v, d], bias?, targets [n]; ignore, smoothing, chunk) -> [n]";
    193 BCE_WITH_LOGITS "bce_with_logits" 1 "(logits, targets, positive weight?) -> elementwise";
    194 KL_DIV "kl_div" 1 "(log p, log q) -> q (log q - log p), elementwise";
    195 MSE "mse" 1 "(a, b) -> elementwise";
    196 L1 "l1" 1 "(a, b) -> elementwise";
    197 HUBER "huber" 1 "(a, b; delta) -> elementwise";
    198 INFO_NCE "info_nce" 1 "(a [n, d], b [n, d]; temperature, symmetric) -> [n]";
    199 COSINE_SIMILARITY "cosine_similarity" 1 "(a, b); last axis";
    210 CONV1D "conv1d" 1 "(x [b, c, t], kernel, bias?; stride, padding, dilation, groups)";
    211 CONV2D "conv2d" 1 "(x [b, c, h, w], kernel, bias?; stride, padding, dilation, groups)";
    212 CONV_TRANSPOSE1D "conv_transpose1d" 1 "(x, kernel, bias?; stride, padding, output_padding, dilation, groups)";
    213 CONV_TRANSPOSE2D "conv_transpose2d" 1 "(x, kernel, bias?; stride, padding, output_padding, dilation, groups)";
    214 MAX_POOL2D "max_pool2d" 1 "(x; kernel, stride, padding)";
    215 AVG_POOL2D "avg_pool2d" 1 "(x; kernel, stride, padding)";
    216 UPSAMPLE_NEAREST2D "upsample_nearest2d" 1 "(x; shape = [h, w])";
    217 UPSAMPLE_BILINEAR2D "upsample_bilinear2d" 1 "(x; shape = [h, w], align_corners)";
    218 MAX_POOL1D "max_pool1d" 1 "(x; kernel, stride, padding)";
    219 AVG_POOL1D "avg_pool1d" 1 "(x; kernel, stride, padding)";
    230 CAST "cast" 1 "(x; dtype)";
    231 STOP_GRADIENT "stop_gradient" 1 "(x)";
    232 MATERIALISE "materialise" 1 "(weight or buffer) -> tensor";
    240 FULL "full" 1 "(; shape, value, dtype)";
    241 ARANGE "arange" 1 "(; start, length, dtype)";
    242 UNIFORM "uniform" 1 "(layout?; shape or features, stream, dtype) -> (0, 1)";
    243 NORMAL "normal" 1 "(layout?; shape or features, mean, std, stream, dtype)";
    244 BERNOULLI "bernoulli" 1 "(layout?; shape or features, rate, stream) -> bool";
    245 INTEGERS "integers" 1 "(layout?; shape or features, high, stream) -> u32 below high";
    246 GUMBEL "gumbel" 1 "(layout?; shape or features, stream, dtype)";
    247 PERMUTATION "permutation" 1 "(; count, stream) -> u32";
    260 LAYOUT_NEW "layout_new" 1 "(lengths: u32; mode = keys follow) -> layout";
    261 LAYOUT_PAD "layout_pad" 1 "(rows [n, ..], layout; value) -> [b, t, ..]";
    262 LAYOUT_ROWS "layout_rows" 1 "(padded [b, t, ..], layout) -> [n, ..]";
    263 LAYOUT_POSITIONS "layout_positions" 1 "(layout) -> u32 [n], restarting in each segment";
    264 LAYOUT_LENGTHS "layout_lengths" 1 "(layout) -> u32 [b]";
    265 LAYOUT_REAL "layout_real" 1 "(layout) -> bool [b, t]";
    266 LAYOUT_SEGMENTS "layout_segments" 1 "(layout) -> u32 [n], the segment of each row";
    267 SEGMENT_MEAN "segment_mean" 1 "(rows [n, ..], layout) -> [b, ..]";
    268 SEGMENT_SUM "segment_sum" 1 "(rows [n, ..], layout) -> [b, ..]";
    269 FIRST_ROWS "first_rows" 1 "(layout) -> u32 [b], the first row of each segment";
    270 LAST_ROWS "last_rows" 1 "(layout) -> u32 [b], the last row of each segment";
    280 MASK_FULL "mask_full" 1 "() -> mask";
    281 MASK_CAUSAL "mask_causal" 1 "() -> mask";
    282 MASK_PREFIX "mask_prefix" 1 "(lengths: u32 [b]) -> mask";
    283 MASK_WINDOW "mask_window" 1 "(; left, right) -> mask";
    284 MASK_KEYS "mask_keys" 1 "(visible: bool [n]) -> mask";
    285 MASK_DENSE "mask_dense" 1 "(visible: bool [b or 1, h or 1, tq, tk]) -> mask";
    286 MASK_BIAS "mask_bias" 1 "(bias [b or 1, h or 1, tq, tk]) -> mask";
    287 MASK_ALIBI "mask_alibi" 1 "(; count = heads) -> mask";
    288 CTC "ctc" 1 "(logits [n, v], layout, labels [m], label_layout; blank, skip) -> [b]; skip: 0 for a segment with too few rows";
}
