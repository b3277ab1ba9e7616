//! Our tensors out of theirs: every key used, copied, ignored or refused.

use std::collections::{BTreeMap, BTreeSet};

use records::{Dtype, TensorBytes};

use super::files::HfFolder;
use super::pieces::{cut, joined, matrix_of, transposed};
use super::report::{KeyReport, Use};
use super::table::{NameRow, NameTable};
use crate::error::{Error, Result};
use crate::models::head_kind;

/// Faults that are written out; more are counted.
const MOST_FAULTS: usize = 8;

/// Our tensors, and what became of each key.
pub(super) struct Gathered {
    /// By own name, heads with their kind in front.
    pub(super) tensors: BTreeMap<String, TensorBytes>,
    /// One row for each key, in order.
    pub(super) keys: Vec<KeyReport>,
    /// Own names of heads that no key gives.
    pub(super) absent: Vec<String>,
}

/// Collects faults, so that all are told at once.
#[derive(Default)]
struct Faults(Vec<String>);

/// The tensors of a model with the weights `shapes` (its own, without heads) from the files of `folder`.
///
/// # Errors
/// One error for all faults: keys that are missing or left over, of another shape or type, copies that differ.
pub(super) fn gather(
    folder: &HfFolder,
    table: &NameTable,
    shapes: &BTreeMap<String, Vec<usize>>,
    on_progress: &mut dyn FnMut(usize, usize),
) -> Result<Gathered> {
    let is_bare = !table.prefix.is_empty() && !folder.keys().any(|key| key.starts_with(&table.prefix));
    let mut gathering = Gathering { folder, table, is_bare, used: BTreeMap::new(), faults: Faults::default() };
    let mut tensors = BTreeMap::new();
    let mut rows: BTreeMap<&str, Vec<&NameRow>> = BTreeMap::new();
    for row in &table.names {
        rows.entry(&row.own).or_default().push(row);
    }
    let total = rows.len();
    let mut absent = Vec::new();
    for (done, (own, rows)) in rows.iter().enumerate() {
        on_progress(done, total);
        let is_head = head_kind(own).is_some();
        if !is_head && !shapes.contains_key(*own) {
            let text = format!("the family's table names `{own}`, which the model does not have");
            return Err(Error::new("plugin/names", text));
        }
        match gathering.tensor(own, rows, shapes.get(*own))? {
            Some(tensor) => _ = tensors.insert((*own).to_owned(), tensor),
            None if is_head => absent.push((*own).to_owned()),
            None => {}
        }
    }
    on_progress(total, total);
    if let Some(own) = shapes.keys().find(|own| !rows.contains_key(own.as_str())) {
        return Err(Error::new("plugin/names", format!("the family's table lacks the weight `{own}`")));
    }
    let keys = gathering.account()?;
    gathering.faults.into_result(folder)?;
    Ok(Gathered { tensors, keys, absent })
}

struct Gathering<'a> {
    folder: &'a HfFolder,
    table: &'a NameTable,
    /// The file is of the bare model: keys lack the prefix.
    is_bare: bool,
    /// Keys and what of ours they give.
    used: BTreeMap<String, BTreeSet<String>>,
    faults: Faults,
}

impl Gathering<'_> {
    /// Their name as this file writes it.
    fn written<'n>(&self, theirs: &'n str) -> &'n str {
        if self.is_bare { self.table.bare(theirs) } else { theirs }
    }

    /// The key that gives what is called `theirs`: itself, or a copy of it where only that is in the file.
    fn locate(&self, theirs: &str) -> Option<String> {
        let direct = self.written(theirs);
        // Files of the bare model have nothing of heads: a name without the prefix is one of the model's own there.
        let is_of_head = self.is_bare && !theirs.starts_with(&self.table.prefix);
        if !is_of_head && self.folder.has(direct) {
            return Some(direct.to_owned());
        }
        let copies = self.table.copies.iter().filter(|(_, of)| of == theirs);
        copies.map(|(copy, _)| self.written(copy)).find(|copy| self.folder.has(copy)).map(str::to_owned)
    }

    /// One of ours from its rows; `None` where the file has nothing of it (told as a fault, unless it is of a head).
    fn tensor(&mut self, own: &str, rows: &[&NameRow], shape: Option<&Vec<usize>>) -> Result<Option<TensorBytes>> {
        let parts: BTreeSet<Option<(usize, usize)>> =
            rows.iter().map(|row| row.fills.map(|fills| (fills.part, fills.of))).collect();
        let mut found = Vec::new();
        let mut missing = Vec::new();
        for part in &parts {
            let mut alternatives = rows.iter().filter(|row| row.fills.map(|fills| (fills.part, fills.of)) == *part);
            let chosen = alternatives.clone().find_map(|row| Some((*row, self.locate(&row.theirs)?)));
            match (chosen, alternatives.next()) {
                (Some((row, key)), _) => found.push((row, key)),
                (None, Some(row)) => missing.push(self.written(&row.theirs).to_owned()),
                (None, None) => {}
            }
        }
        let is_head = head_kind(own).is_some();
        if let Some(first) = missing.first() {
            if !is_head || !found.is_empty() {
                self.faults.0.push(format!("`{first}` is missing (our `{own}`)"));
            }
            return Ok(None);
        }
        let mut pieces = Vec::new();
        for (row, key) in &found {
            self.used.entry(key.clone()).or_default().insert(own.to_owned());
            let (dtype, theirs, _) = self.folder.view(key)?;
            if !matches!(dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16) {
                let file = self.folder.file_of(key);
                self.faults.0.push(format!("`{key}` in `{file}` is {dtype:?}: F32, F16 or BF16 is needed"));
                return Ok(None);
            }
            let needed = shape.map(|shape| of_theirs(shape, row));
            if let Some(Some(needed)) = &needed
                && needed != theirs
            {
                self.faults.0.push(format!("`{key}` has shape {theirs:?}, the model needs {needed:?} (our `{own}`)"));
                return Ok(None);
            }
            match ours(self.folder.tensor(key)?, row) {
                Some(piece) => pieces.push(piece),
                None => {
                    self.faults
                        .0
                        .push(format!("`{key}` of shape {theirs:?} cannot be divided or turned into our `{own}`"));
                    return Ok(None);
                }
            }
        }
        let whole = match found.first().and_then(|(row, _)| row.fills) {
            Some(fills) if pieces.len() != fills.of => {
                let text = format!("the family's table fills `{own}` with {} of {} parts", pieces.len(), fills.of);
                return Err(Error::new("plugin/names", text));
            }
            Some(fills) => joined(&pieces, fills.axis),
            None => pieces.pop(),
        };
        let Some(mut whole) = whole else {
            self.faults.0.push(format!("the parts of our `{own}` have different shapes or types"));
            return Ok(None);
        };
        if let Some(shape) = shape.filter(|shape| **shape != whole.shape) {
            self.faults.0.push(format!("our `{own}` would have shape {:?}, it needs {shape:?}", whole.shape));
            return Ok(None);
        }
        whole.name = own.to_owned();
        Ok(Some(whole))
    }

    /// What became of every key; those that nobody uses are faults.
    fn account(&mut self) -> Result<Vec<KeyReport>> {
        let mut keys = Vec::new();
        for key in self.folder.keys() {
            let (dtype, shape, bytes) = self.folder.view(key)?;
            let is = |theirs: &String| self.written(theirs) == key || theirs == key;
            let usage = if let Some(own) = self.used.get(key) {
                Use::Weight(own.iter().cloned().collect())
            } else if let Some((_, of)) = self.table.copies.iter().find(|(copy, _)| is(copy)) {
                match self.locate(of) {
                    Some(of) => {
                        let original = self.folder.view(&of)?;
                        if original != (dtype, shape, bytes) {
                            self.faults.0.push(format!(
                                "`{key}` differs from `{of}`, of which it should be a copy: the file's head is not tied \
                                 (say `\"tie_word_embeddings\": false` in config.json)"
                            ));
                        }
                        Use::Copy(of)
                    }
                    None => {
                        self.faults.0.push(format!("`{key}` is a copy of `{of}`, which is missing"));
                        continue;
                    }
                }
            } else if let Some((_, needed)) = self.table.zeros.iter().find(|(zero, _)| is(zero)) {
                if shape != needed.as_slice() || bytes.iter().any(|byte| *byte != 0) {
                    self.faults.0.push(format!("`{key}` is not {needed:?} zeros, as the family needs it"));
                }
                Use::Zero
            } else if let Some((_, needed, values)) = self.table.constants.iter().find(|(name, _, _)| is(name)) {
                if shape != needed.as_slice() || !equal(dtype, bytes, values) {
                    self.faults.0.push(format!("`{key}` is not what the family computes in its place"));
                }
                Use::Constant
            } else if self.table.ignores(key) {
                Use::Ignored
            } else {
                let file = self.folder.file_of(key);
                self.faults.0.push(format!("`{key}` in `{file}` belongs to nothing in the model"));
                continue;
            };
            keys.push(KeyReport {
                key: key.to_owned(),
                file: self.folder.file_of(key).to_owned(),
                dtype,
                shape: shape.to_vec(),
                usage,
            });
        }
        Ok(keys)
    }
}

/// Whether numbers are `values`, to rounding; only those of 32 bits can be.
fn equal(dtype: Dtype, bytes: &[u8], values: &[f32]) -> bool {
    let (words, _) = bytes.as_chunks::<4>();
    let close =
        |(word, value): (&[u8; 4], &f32)| (f32::from_le_bytes(*word) - value).abs() <= 1e-5 * value.abs().max(1.0);
    dtype == Dtype::F32 && words.len() == values.len() && words.iter().zip(values).all(close)
}

/// The shape of theirs for ours of `shape`; `None` where it does not divide.
fn of_theirs(shape: &[usize], row: &NameRow) -> Option<Vec<usize>> {
    if let Some(to) = &row.permuted {
        return Some(to.shape.clone());
    }
    let mut theirs = shape.to_vec();
    if let Some(split) = row.split {
        *theirs.get_mut(split.axis)? *= split.of;
    }
    if let Some(fills) = row.fills {
        let extent = theirs.get_mut(fills.axis)?;
        if !extent.is_multiple_of(fills.of) {
            return None;
        }
        *extent /= fills.of;
    }
    if row.transpose {
        theirs.reverse();
    }
    Some(theirs)
}

/// Theirs turned our way round, and our part of it.
fn ours(theirs: TensorBytes, row: &NameRow) -> Option<TensorBytes> {
    if let Some(to) = &row.permuted {
        return matrix_of(&theirs, to);
    }
    let turned = if row.transpose { transposed(&theirs)? } else { theirs };
    match row.split {
        Some(split) => cut(&turned, split.axis, split.part, split.of),
        None => Some(turned),
    }
}

impl Faults {
    fn into_result(self, folder: &HfFolder) -> Result<()> {
        let Self(faults) = self;
        let Some(first) = faults.first() else { return Ok(()) };
        let place = folder.path.display();
        if faults.len() == 1 {
            return Err(Error::new("data/weights", format!("`{place}`: {first}")).with_help(NOTHING_WRITTEN));
        }
        let some: Vec<&str> = faults.iter().take(MOST_FAULTS).map(String::as_str).collect();
        let more = faults.len() - some.len();
        let more = if more > 0 { format!("\n  and {more} more") } else { String::new() };
        let text = format!("`{place}` does not fit in {} keys:\n  {}{more}", faults.len(), some.join("\n  "));
        Err(Error::new("data/weights", text).with_help(NOTHING_WRITTEN))
    }
}

const NOTHING_WRITTEN: &str = "config.json and the weights must be of one model; nothing was written";
