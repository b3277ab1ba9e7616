//! The tape: how gradients go back. Reverse mode over nodes that are numbered as they are made.
//!
//! A node's number is larger than those of its inputs, so visiting nodes from the largest number down is a topological
//! order; no recursion anywhere, neither in [`backward`] nor when a long chain is dropped.

use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::profile::{Phase, timed};
use crate::{DType, Error, Result, Tensor, Value, mode};

/// Gradients of the outputs and which inputs need one, to gradients of the inputs.
pub(crate) type BackwardFn = Box<dyn Fn(&[Option<Value>], &[bool]) -> Result<Vec<Option<Value>>> + Send + Sync>;

static NEXT: AtomicU64 = AtomicU64::new(1);

/// Where gradients are collected: a trainable tensor's identity.
#[derive(Debug)]
pub struct Leaf {
    id: u64,
    name: String,
    /// Counts the changes of the value; a backward pass through an older one is an error.
    version: AtomicU64,
}

impl Leaf {
    /// A new leaf; `name` appears in errors.
    pub fn new(name: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { id: NEXT.fetch_add(1, Ordering::Relaxed), name: name.into(), version: AtomicU64::new(0) })
    }

    /// Its identity.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How often its value has changed.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Says that its value has changed: tensors made from the former value can't be gone back through any more.
    pub fn advance(&self) {
        self.version.fetch_add(1, Ordering::AcqRel);
    }
}

/// Where the gradient of a tensor goes.
#[derive(Clone)]
pub(crate) enum Link {
    /// The leaf and its version when the tensor was made.
    Leaf(Arc<Leaf>, u64),
    Node(Arc<Node>, usize),
}

/// One recorded operation.
pub(crate) struct Node {
    id: u64,
    step: u64,
    name: &'static str,
    inputs: Vec<Option<Link>>,
    outputs: usize,
    /// Taken by the backward pass, so that saved values are freed as it goes.
    backward: Mutex<Option<BackwardFn>>,
}

impl Node {
    pub(crate) fn new(
        name: &'static str,
        inputs: Vec<Option<Link>>,
        outputs: usize,
        backward: BackwardFn,
    ) -> Arc<Self> {
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self { id, step: mode::step(), name, inputs, outputs, backward: Mutex::new(Some(backward)) })
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // A chain of 100,000 nodes dropped recursively overflows the stack.
        let mut rest = std::mem::take(&mut self.inputs);
        while let Some(link) = rest.pop() {
            if let Some(Link::Node(node, _)) = link
                && let Some(mut node) = Arc::into_inner(node)
            {
                rest.append(&mut node.inputs);
            }
        }
    }
}

/// Gradients by leaf id.
#[derive(Default)]
pub struct Gradients {
    by_leaf: BTreeMap<u64, Sum>,
}

impl Gradients {
    /// The gradient of a leaf, if any reached it.
    #[must_use]
    pub fn get(&self, leaf: &Leaf) -> Option<&Value> {
        self.by_leaf.get(&leaf.id).map(|sum| &sum.value)
    }

    /// Takes the gradient of a leaf out.
    pub fn take(&mut self, leaf: &Leaf) -> Option<Value> {
        self.by_leaf.remove(&leaf.id).map(|sum| sum.value)
    }

    /// Replaces the gradient of a leaf.
    pub fn set(&mut self, leaf: &Leaf, value: Value) {
        self.by_leaf.insert(leaf.id, Sum { value, owned: false });
    }

    /// Adds to the gradient of a leaf.
    ///
    /// # Errors
    /// When shapes differ.
    pub fn add(&mut self, leaf: &Leaf, value: Value) -> Result<()> {
        match self.by_leaf.get_mut(&leaf.id) {
            Some(sum) => sum.add(&value),
            None => {
                self.by_leaf.insert(leaf.id, Sum { value, owned: false });
                Ok(())
            }
        }
    }

    /// Ids of the leaves that got a gradient, ascending.
    pub fn leaves(&self) -> impl Iterator<Item = u64> + '_ {
        self.by_leaf.keys().copied()
    }
}

/// A gradient being summed. Only a buffer that a sum itself made is added to in place: others may be shared.
struct Sum {
    value: Value,
    owned: bool,
}

impl Sum {
    fn add(&mut self, other: &Value) -> Result<()> {
        if self.value.dims() != other.dims() {
            return Err(Error::shape(
                "backward",
                format!("gradients {:?} and {:?} meet", self.value.dims(), other.dims()),
            ));
        }
        if self.owned && self.value.device().is_cpu() {
            crate::inplace::add_assign(&self.value, other)
        } else {
            self.value = crate::kernel::sum_of(&self.value, other)?;
            self.owned = true;
            Ok(())
        }
    }
}

/// Runs the backward pass from `output`, adding to `gradients`. Saved values are freed on the way unless `keep` is set.
///
/// `seed` is the gradient of `output` (same shape); `None` means one, for a scalar output.
///
/// # Errors
/// When `output` is no scalar and has no seed, when nothing below it needs a gradient, when a part of the graph was
/// freed by an earlier pass or recorded in an earlier step, or when an operation's backward fails.
pub fn backward(output: &Tensor, seed: Option<&Value>, keep: bool, gradients: &mut Gradients) -> Result<()> {
    let seed = match seed {
        Some(seed) => seed.clone(),
        None if output.elements() == 1 => output.value().ones_like()?,
        None => {
            return Err(Error::gradient(
                "backward",
                format!("the output has shape {:?}, not one number", output.dims()),
            )
            .with_help("sum it, or give the gradient of the output"));
        }
    };
    if !output.needs_gradient() {
        return Err(Error::gradient("backward", "the output depends on no trainable tensor")
            .with_help("was it made under `stop_gradient`, or from constants only?"));
    }
    run(&[(output, seed)], keep, &mut |leaf, value| gradients.add(leaf, value), None)
}

/// First-order gradients of `outputs` (with `seeds`) with respect to `wrt`, without touching any accumulator.
///
/// Returns one value for each of `wrt`; `None` where nothing reaches it.
///
/// # Errors
/// As [`backward`]; and when a tensor of `wrt` carries no gradient at all.
pub fn grad(outputs: &[(&Tensor, Value)], wrt: &[&Tensor], keep: bool) -> Result<Vec<Option<Value>>> {
    let mut wanted = Wanted::default();
    for (index, tensor) in wrt.iter().enumerate() {
        match tensor.link() {
            Some(Link::Leaf(leaf, _)) => wanted.leaves.entry(leaf.id).or_default().push(index),
            Some(Link::Node(node, output)) => wanted.nodes.entry((node.id, *output)).or_default().push(index),
            None => return Err(Error::gradient("grad", format!("tensor {index} of `wrt` carries no gradient"))),
        }
    }
    wanted.found = vec![None; wrt.len()];
    let seeds: Vec<(&Tensor, Value)> = outputs.iter().map(|(tensor, seed)| (*tensor, seed.clone())).collect();
    run(&seeds, keep, &mut |_, _| Ok(()), Some(&mut wanted))?;
    Ok(wanted.found)
}

#[derive(Default)]
struct Wanted {
    leaves: HashMap<u64, Vec<usize>>,
    nodes: HashMap<(u64, usize), Vec<usize>>,
    found: Vec<Option<Value>>,
}

impl Wanted {
    fn add(&mut self, indices: &[usize], value: &Value) -> Result<()> {
        for index in indices {
            let slot = &mut self.found[*index];
            *slot = Some(match slot.take() {
                Some(sum) => crate::kernel::sum_of(&sum, value)?,
                None => value.clone(),
            });
        }
        Ok(())
    }
}

/// A node waiting in the queue, ordered by its number.
struct Waiting(Arc<Node>);

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}
impl Eq for Waiting {}
impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.id.cmp(&other.0.id)
    }
}

type OnLeaf<'a> = &'a mut dyn FnMut(&Leaf, Value) -> Result<()>;

fn run(outputs: &[(&Tensor, Value)], keep: bool, on_leaf: OnLeaf<'_>, mut wanted: Option<&mut Wanted>) -> Result<()> {
    let mut queue: BinaryHeap<Waiting> = BinaryHeap::new();
    let mut pending: HashMap<u64, Vec<Option<Sum>>> = HashMap::new();
    let mut send = |link: &Link,
                    value: Value,
                    queue: &mut BinaryHeap<Waiting>,
                    pending: &mut HashMap<u64, Vec<Option<Sum>>>,
                    wanted: &mut Option<&mut Wanted>|
     -> Result<()> {
        match link {
            Link::Leaf(leaf, version) => {
                if *version != leaf.version() {
                    let fact = format!("`{}` has changed since the forward pass used it", leaf.name);
                    return Err(Error::gradient("backward", fact)
                        .with_help("run the forward pass again after an optimizer step"));
                }
                if let Some(wanted) = wanted
                    && let Some(indices) = wanted.leaves.get(&leaf.id).cloned()
                {
                    wanted.add(&indices, &value)?;
                }
                on_leaf(leaf, value)
            }
            Link::Node(node, output) => {
                let slots = pending.entry(node.id).or_insert_with(|| {
                    queue.push(Waiting(node.clone()));
                    (0..node.outputs).map(|_| None).collect()
                });
                match &mut slots[*output] {
                    Some(sum) => sum.add(&value),
                    empty => {
                        *empty = Some(Sum { value, owned: false });
                        Ok(())
                    }
                }
            }
        }
    };
    for (output, seed) in outputs {
        let Some(link) = output.link() else { continue };
        if seed.dims() != output.dims() {
            let fact = format!("the gradient {:?} is not of the output's shape {:?}", seed.dims(), output.dims());
            return Err(Error::shape("backward", fact));
        }
        send(link, seed.clone(), &mut queue, &mut pending, &mut wanted)?;
    }
    while let Some(Waiting(node)) = queue.pop() {
        let sums = pending.remove(&node.id).unwrap_or_default();
        let gradients: Vec<Option<Value>> = sums.into_iter().map(|sum| sum.map(|sum| sum.value)).collect();
        if let Some(wanted) = &mut wanted {
            for (output, gradient) in gradients.iter().enumerate() {
                if let (Some(indices), Some(value)) = (wanted.nodes.get(&(node.id, output)).cloned(), gradient) {
                    wanted.add(&indices, value)?;
                }
            }
        }
        let inputs = node_backward(&node, &gradients, keep)?;
        for (link, value) in node.inputs.iter().zip(inputs) {
            if let (Some(link), Some(value)) = (link, value) {
                send(link, value, &mut queue, &mut pending, &mut wanted)?;
            }
        }
    }
    Ok(())
}

fn node_backward(node: &Node, gradients: &[Option<Value>], keep: bool) -> Result<Vec<Option<Value>>> {
    if node.step != mode::step() {
        let fact = format!("a tensor recorded in step {} meets the backward pass of step {}", node.step, mode::step());
        return Err(
            Error::gradient(node.name, fact).with_help("use `stop_gradient` before you keep a tensor for later")
        );
    }
    let mut slot = node.backward.lock().unwrap_or_else(PoisonError::into_inner);
    let freed = || {
        Error::gradient(node.name, "the backward pass has been here before and freed what it needs")
            .with_help("ask the first pass to keep the graph")
    };
    let needs: Vec<bool> = node.inputs.iter().map(Option::is_some).collect();
    if keep {
        let function = slot.as_ref().ok_or_else(freed)?;
        return timed(node.name, Phase::Backward, || function(gradients, &needs));
    }
    let function = slot.take().ok_or_else(freed)?;
    drop(slot);
    timed(node.name, Phase::Backward, || function(gradients, &needs))
}

/// Sums `gradient` down to `shape`, undoing a broadcast.
///
/// # Errors
/// When the device fails.
pub fn unbroadcast(gradient: &Value, shape: &[usize]) -> Result<Value> {
    if gradient.dims() == shape {
        return Ok(gradient.clone());
    }
    let extra = gradient.rank() - shape.len();
    let mut axes: Vec<i64> = (0..extra as i64).collect();
    axes.extend(
        (0..shape.len())
            .map(|axis| (axis, extra + axis))
            .filter(|(axis, wide)| shape[*axis] == 1 && gradient.dims()[*wide] != 1)
            .map(|(_, wide)| wide as i64),
    );
    let summed = crate::ops::sum(&Tensor::constant(gradient.clone()), &axes, true)?;
    Ok(summed.value().reshape(shape)?)
}

/// An error unless `tensor` is of a floating type.
pub(crate) fn require_float(operation: &'static str, tensor: &Tensor) -> Result<DType> {
    let dtype = tensor.dtype();
    if dtype.is_float() {
        Ok(dtype)
    } else {
        Err(Error::dtype(operation, dtype).with_help("cast it to a floating type first"))
    }
}
