//! One weight: its slot, and the tensor that comes out of it.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::views::View;
use crate::{DType, Error, Leaf, Result, Tensor, Value};

/// What is said about a weight when it is created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightOptions {
    /// A name for each axis (`width`, `heads*head_dim`, `ffn`, `vocabulary`, `layer`), or none.
    pub axes: Vec<String>,
    /// Whether it is trained.
    pub trainable: bool,
    /// It may go without a gradient for long (experts, absent modalities).
    pub sometimes: bool,
    /// Whether weight decay applies; not for biases, norms and the like.
    pub decay: bool,
}

impl Default for WeightOptions {
    fn default() -> Self {
        Self { axes: Vec::new(), trainable: true, sometimes: false, decay: true }
    }
}

impl WeightOptions {
    /// For biases, norms and other weights that must not be pulled towards zero.
    #[must_use]
    pub fn without_decay() -> Self {
        Self { decay: false, ..Self::default() }
    }

    /// The same with axis names.
    #[must_use]
    pub fn axes(mut self, axes: &[&str]) -> Self {
        self.axes = axes.iter().map(|axis| (*axis).to_owned()).collect();
        self
    }
}

/// Under which conditions a weight is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resolve {
    /// The type that is computed in; gradients still arrive in the master's.
    pub precision: DType,
    /// Whether views apply. Ties are no views: they always hold.
    pub views: bool,
    /// The running average instead of the value, where there is one; without a gradient.
    pub ema: bool,
    /// Whether a gradient goes back to trainable weights.
    pub gradients: bool,
}

impl Default for Resolve {
    fn default() -> Self {
        Self { precision: DType::F32, views: true, ema: false, gradients: true }
    }
}

/// A named slot for a trained value.
pub struct Weight {
    name: String,
    shape: Vec<usize>,
    axes: Vec<String>,
    leaf: Arc<Leaf>,
    trainable: AtomicBool,
    sometimes: bool,
    decay: bool,
    slot: RwLock<Slot>,
}

struct Slot {
    value: Value,
    /// The value in another precision, until the value changes.
    cast: Option<Value>,
    shadow: Option<Value>,
    views: Vec<View>,
    /// The weight whose slot this one shares.
    tie: Option<Arc<Weight>>,
}

impl Weight {
    pub(super) fn new(name: &str, value: Value, options: WeightOptions) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            shape: value.dims().to_vec(),
            axes: options.axes,
            leaf: Leaf::new(name),
            trainable: AtomicBool::new(options.trainable),
            sometimes: options.sometimes,
            decay: options.decay,
            slot: RwLock::new(Slot { value, cast: None, shadow: None, views: Vec::new(), tie: None }),
        })
    }

    pub(super) fn tied(name: &str, owner: &Arc<Self>) -> Arc<Self> {
        let owner = owner.owner();
        let options = WeightOptions {
            axes: owner.axes.clone(),
            trainable: owner.trainable(),
            sometimes: owner.sometimes,
            decay: owner.decay,
        };
        let weight = Self::new(name, owner.value(), options);
        weight.write(|slot| slot.tie = Some(owner));
        weight
    }

    fn read<T>(&self, look: impl FnOnce(&Slot) -> T) -> T {
        look(&self.slot.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, change: impl FnOnce(&mut Slot) -> T) -> T {
        change(&mut self.slot.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Its unique name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The lengths of its axes.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The names of its axes; empty when none were given.
    #[must_use]
    pub fn axes(&self) -> &[String] {
        &self.axes
    }

    /// Where its gradient is collected; for a tied weight that of the owner.
    #[must_use]
    pub fn leaf(&self) -> Arc<Leaf> {
        self.tie().map_or_else(|| self.leaf.clone(), |owner| owner.leaf())
    }

    /// Whether it is trained; for a tied weight whether the owner is.
    #[must_use]
    pub fn trainable(&self) -> bool {
        self.tie().map_or_else(|| self.trainable.load(Ordering::Acquire), |owner| owner.trainable())
    }

    /// Freezes or thaws it (for a tied weight the owner): frozen, it gets no gradient, but what it is applied to does.
    pub fn set_trainable(&self, trainable: bool) {
        match self.tie() {
            Some(owner) => owner.set_trainable(trainable),
            None => self.trainable.store(trainable, Ordering::Release),
        }
    }

    /// Whether it may go without a gradient for long.
    #[must_use]
    pub fn sometimes(&self) -> bool {
        self.sometimes
    }

    /// Whether weight decay applies.
    #[must_use]
    pub fn decay(&self) -> bool {
        self.decay
    }

    fn tie(&self) -> Option<Arc<Self>> {
        self.read(|slot| slot.tie.clone())
    }

    /// Whether it shares the slot of another weight.
    #[must_use]
    pub fn is_tied(&self) -> bool {
        self.tie().is_some()
    }

    /// The weight that owns its slot: itself unless tied.
    #[must_use]
    pub fn owner(self: &Arc<Self>) -> Arc<Self> {
        self.tie().map_or_else(|| self.clone(), |owner| owner.owner())
    }

    /// Shares the slot of `owner` from now on: one value, one gradient, saved once. The value it had is dropped.
    ///
    /// # Errors
    /// When shapes differ or `owner` is tied to this weight.
    pub fn tie_to(self: &Arc<Self>, owner: &Arc<Self>) -> Result<()> {
        let owner = owner.owner();
        if Arc::ptr_eq(self, &owner) || owner.depends_on(self) {
            let fact = format!("`{}` can't be tied to `{}`, which depends on it", self.name, owner.name);
            return Err(Error::argument("tie", fact));
        }
        if self.shape != owner.shape {
            let fact = format!("`{}` has shape {:?}, `{}` {:?}", self.name, self.shape, owner.name, owner.shape);
            return Err(Error::shape("tie", fact).with_help("tied weights need one shape"));
        }
        let value = owner.value();
        self.write(|slot| {
            *slot = Slot { value, cast: None, shadow: None, views: std::mem::take(&mut slot.views), tie: Some(owner) }
        });
        self.leaf.advance();
        Ok(())
    }

    /// The master value, without views.
    #[must_use]
    pub fn value(&self) -> Value {
        match self.tie() {
            Some(owner) => owner.value(),
            None => self.read(|slot| slot.value.clone()),
        }
    }

    /// Replaces the master value; a backward pass through a tensor of the former one is an error from then on.
    ///
    /// # Errors
    /// When the shape differs.
    pub fn set_value(&self, value: &Value) -> Result<()> {
        if let Some(owner) = self.tie() {
            return owner.set_value(value);
        }
        if value.dims() != self.shape {
            let fact = format!("`{}` has shape {:?}, the new value {:?}", self.name, self.shape, value.dims());
            return Err(Error::shape("set_weight", fact));
        }
        self.write(|slot| {
            slot.value = value.to_dtype(slot.value.dtype())?.to_device(slot.value.device())?.contiguous()?;
            slot.cast = None;
            self.leaf.advance();
            Ok(())
        })
    }

    /// The running average, if one is kept.
    #[must_use]
    pub fn shadow(&self) -> Option<Value> {
        match self.tie() {
            Some(owner) => owner.shadow(),
            None => self.read(|slot| slot.shadow.clone()),
        }
    }

    /// Sets or drops the running average.
    ///
    /// # Errors
    /// When the shape differs.
    pub fn set_shadow(&self, shadow: Option<Value>) -> Result<()> {
        if let Some(owner) = self.tie() {
            return owner.set_shadow(shadow);
        }
        if let Some(shadow) = &shadow
            && shadow.dims() != self.shape
        {
            let fact = format!("`{}` has shape {:?}, the average {:?}", self.name, self.shape, shadow.dims());
            return Err(Error::shape("set_shadow", fact));
        }
        self.write(|slot| slot.shadow = shadow);
        Ok(())
    }

    /// Adds a view on top of those there are. Views that freeze what lies below them also freeze this weight.
    ///
    /// # Errors
    /// When shapes do not fit or a weight of the view depends on this one.
    pub fn push_view(self: &Arc<Self>, view: View) -> Result<()> {
        view.check(&self.name, &self.shape)?;
        for other in view.weights() {
            if Arc::ptr_eq(other, self) || other.depends_on(self) {
                let fact = format!("the view of `{}` uses `{}`, which depends on it", self.name, other.name);
                return Err(Error::argument("view", fact));
            }
        }
        if view.freezes_base() {
            self.set_trainable(false);
        }
        self.write(|slot| slot.views.push(view));
        Ok(())
    }

    /// Takes all views off. What they froze stays frozen until [`Weight::set_trainable`].
    pub fn clear_views(&self) {
        self.write(|slot| slot.views.clear());
    }

    /// The views, the lowest first.
    #[must_use]
    pub fn views(&self) -> Vec<View> {
        self.read(|slot| slot.views.clone())
    }

    /// Whether resolving this weight resolves `other`.
    fn depends_on(&self, other: &Arc<Self>) -> bool {
        let below: Vec<Arc<Self>> = self.read(|slot| {
            let views = slot.views.iter().flat_map(View::weights).cloned();
            views.chain(slot.tie.clone()).collect()
        });
        below.iter().any(|weight| Arc::ptr_eq(weight, other) || weight.depends_on(other))
    }

    /// The tensor to compute with.
    ///
    /// # Errors
    /// When a view fails.
    pub fn resolve(&self, resolve: &Resolve) -> Result<Tensor> {
        let base = match self.tie() {
            Some(owner) => owner.resolve(resolve)?,
            None => self.base(resolve)?,
        };
        if !resolve.views {
            return Ok(base);
        }
        self.views().iter().try_fold(base, |base, view| view.applied(&self.name, base, resolve))
    }

    fn base(&self, resolve: &Resolve) -> Result<Tensor> {
        let precision = resolve.precision.candle();
        if resolve.ema
            && let Some(shadow) = self.shadow()
        {
            return Ok(Tensor::constant(shadow.to_dtype(precision)?));
        }
        let gradient = resolve.gradients && self.trainable();
        // Version and value are read under one lock, so that a tensor never claims the version of another value.
        let cached = self.read(|slot| {
            let cast = slot.cast.clone().filter(|cast| cast.dtype() == precision);
            let cast = if slot.value.dtype() == precision { Some(slot.value.clone()) } else { cast };
            cast.map(|cast| (Tensor::leaf(slot.value.clone(), &self.leaf), cast))
        });
        let (leaf, cast) = match cached {
            Some(found) => found,
            None => self.write(|slot| {
                let cast = slot.value.to_dtype(precision)?;
                slot.cast = Some(cast.clone());
                Ok::<_, Error>((Tensor::leaf(slot.value.clone(), &self.leaf), cast))
            })?,
        };
        if !gradient {
            return Ok(Tensor::constant(cast));
        }
        let master = leaf.value().dtype();
        if master == precision {
            return Ok(leaf);
        }
        Ok(Tensor::from_op("cast", cast, &[&leaf], move |gradient, _| Ok(vec![Some(gradient.to_dtype(master)?)])))
    }

    /// The value with all views applied, in the master's precision: what an export holds.
    ///
    /// # Errors
    /// When a view fails.
    pub fn materialise(&self) -> Result<Value> {
        let precision = if self.value().dtype() == candle_core::DType::F64 { DType::F64 } else { DType::F32 };
        let resolve = Resolve { precision, views: true, ema: false, gradients: false };
        Ok(self.resolve(&resolve)?.value().clone())
    }
}

impl fmt::Debug for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Weight")
            .field("name", &self.name)
            .field("shape", &self.shape)
            .field("trainable", &self.trainable())
            .field("tied", &self.is_tied())
            .finish_non_exhaustive()
    }
}
