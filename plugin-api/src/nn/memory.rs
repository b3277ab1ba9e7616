//! What cross-attention looks at, and how it lasts through the steps of decoding.

use crate::error::Result;
use crate::layout::Layout;
use crate::state::State;
use crate::tensor::Tensor;

/// Keys and values `[m, g, k]` of the rows that the queries of one attention look at. g heads of k features.
#[derive(Debug, Clone)]
pub struct Memory {
    pub(crate) key: Tensor,
    pub(crate) value: Tensor,
    pub(crate) layout: Layout,
}

impl Memory {
    /// Puts it into the state of a decoding, below `name`, where it stays with its sequences.
    ///
    /// # Errors
    /// When the layout has other sequences than the state.
    pub fn keep(&self, state: &State, name: &str) -> Result<()> {
        let [key, value, lengths] = names(name);
        state.set(&key, &self.layout.pad(&self.key, 0.0))?;
        state.set(&value, &self.layout.pad(&self.value, 0.0))?;
        state.set(&lengths, &self.layout.lengths())
    }

    /// The one that was put there under that name.
    ///
    /// # Errors
    /// When the names belong to something else.
    pub fn kept(state: &State, name: &str) -> Result<Option<Self>> {
        let [key, value, lengths] = names(name);
        let (Some(key), Some(value), Some(lengths)) = (state.get(&key)?, state.get(&value)?, state.get(&lengths)?)
        else {
            return Ok(None);
        };
        let layout = Layout::new(&lengths);
        Ok(Some(Self { key: layout.rows(&key), value: layout.rows(&value), layout }))
    }
}

fn names(name: &str) -> [String; 3] {
    ["key", "value", "lengths"].map(|part| format!("{name}.{part}"))
}
