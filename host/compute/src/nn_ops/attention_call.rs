//! One call of attention: what is asked for, checked, and how it divides into segments and tiles.

use philox::Key;

use crate::layout::Layout;
use crate::mask::Mask;
use crate::{Error, Result, Tensor};

/// Scores that one tile holds about.
const TILE: usize = 32_768;

#[derive(Clone, Copy)]
pub(super) struct Sizes {
    pub(super) heads: usize,
    pub(super) key_heads: usize,
    /// Features per head of q and k.
    pub(super) width: usize,
    /// Features per head of v.
    pub(super) value_width: usize,
}

pub(super) struct Call {
    pub(super) queries: Layout,
    pub(super) keys: Layout,
    /// Without gradients: what the backward pass keeps may hold values only.
    pub(super) mask: Mask,
    pub(super) scale: f64,
    /// A rate above 0 and below 1.
    pub(super) dropout: Option<(f64, Key)>,
    pub(super) sizes: Sizes,
}

/// Where one segment lies.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) segment: usize,
    pub(super) query_start: usize,
    pub(super) queries: usize,
    pub(super) key_start: usize,
    pub(super) keys: usize,
}

impl Call {
    /// The call, once everything fits.
    #[allow(clippy::too_many_arguments, reason = "those of attention")]
    pub(super) fn checked(
        name: &'static str,
        (q, k, v): (&Tensor, &Tensor, &Tensor),
        queries: &Layout,
        keys: &Layout,
        mask: &Mask,
        scale: f64,
        dropout: Option<(f64, Key)>,
    ) -> Result<Self> {
        let sizes = sizes(name, (q, k, v), queries, keys, mask)?;
        if let Some((rate, _)) = dropout
            && !(0.0..1.0).contains(&rate)
        {
            return Err(Error::argument(name, format!("dropout rate {rate} is outside 0 (included) to 1 (excluded)")));
        }
        let dropout = dropout.filter(|(rate, _)| *rate > 0.0);
        Ok(Self { queries: queries.clone(), keys: keys.clone(), mask: mask.stop_gradient(), scale, dropout, sizes })
    }

    pub(super) fn place(&self, segment: usize) -> Place {
        Place {
            segment,
            query_start: self.queries.offsets()[segment],
            queries: self.queries.length(segment),
            key_start: self.keys.offsets()[segment],
            keys: self.keys.length(segment),
        }
    }

    /// The tiles of a segment's queries with the keys that any of their queries sees.
    pub(super) fn tiles(&self, place: Place) -> impl Iterator<Item = Tile> + '_ {
        let step = (TILE / place.keys.max(1)).clamp(32, 512);
        (0..place.queries).step_by(step).map(move |first| {
            let queries = first..place.queries.min(first + step);
            let ranges = queries.clone().map(|query| self.mask.range(place.segment, query, place.queries, place.keys));
            let (start, end) = ranges
                .filter(|(start, end)| start < end)
                .fold((place.keys, 0), |(start, end), (from, to)| (start.min(from), end.max(to)));
            Tile { first, rows: queries.len(), start, end: end.max(start) }
        })
    }
}

/// Queries `first..first + rows` against keys `start..end` of a segment.
#[derive(Clone, Copy)]
pub(super) struct Tile {
    pub(super) first: usize,
    pub(super) rows: usize,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Tile {
    pub(super) fn keys(&self) -> usize {
        self.end - self.start
    }
}

/// Heads and widths, once everything fits.
fn sizes(
    name: &'static str,
    (q, k, v): (&Tensor, &Tensor, &Tensor),
    queries: &Layout,
    keys: &Layout,
    mask: &Mask,
) -> Result<Sizes> {
    for tensor in [q, k, v] {
        crate::tape::require_float(name, tensor)?;
        if tensor.dtype() != q.dtype() {
            return Err(
                Error::dtype(name, tensor.dtype()).with_help(format!("q is {}; q, k and v have one dtype", q.dtype()))
            );
        }
    }
    let fault = |help: &str| {
        let fact = format!("q {:?}, k {:?} and v {:?} do not go together", q.dims(), k.dims(), v.dims());
        Err(Error::shape(name, fact).with_help(help.to_owned()))
    };
    let (&[n, heads, width], &[m, key_heads, key_width], &[values_m, value_heads, value_width]) =
        (q.dims(), k.dims(), v.dims())
    else {
        return fault("each is [rows, heads, features]");
    };
    if key_width != width || m != values_m || key_heads != value_heads {
        return fault("q and k have the same features per head, k and v the same rows and heads");
    }
    if key_heads == 0 || heads % key_heads != 0 {
        return fault("the heads of k and v divide those of q");
    }
    if n != queries.tokens() || m != keys.tokens() {
        let fact = format!(
            "q {:?} and k {:?} meet layouts of {} and {} rows",
            q.dims(),
            k.dims(),
            queries.tokens(),
            keys.tokens()
        );
        return Err(Error::shape(name, fact).with_help("pass the layouts that the rows of q and of k belong to"));
    }
    mask.check(queries, keys, heads)?;
    Ok(Sizes { heads, key_heads, width, value_width })
}
