//! What lies behind a handle: one counted object of the host.

use std::sync::Arc;

use compute::Tensor;
use compute::layout::Layout;
use compute::mask::Mask;
use compute::weights::{Buffer, Weight};
use lacuna_abi::{Handle, kind};

use super::batch::Batch;
use super::fault::Fault;
use super::frame;
use super::gradients::GradientAccess;
use super::instances::{HeadInstance, ModelInstance};
use super::live::Live;
use super::loss::LossCollector;
use super::scope::Scope;
use super::state::State;
use crate::error::Error;

/// A tensor, or why there is none.
#[derive(Debug, Clone)]
pub enum TensorState {
    /// A value.
    Ready(Tensor),
    /// The result of a faulty operation, or of one applied to such a result.
    Poisoned(Arc<Fault>),
}

/// The content of an object.
pub enum Content {
    /// A tensor.
    Tensor(TensorState),
    /// A weight: resolved under the current call at each use.
    Weight(Arc<Weight>),
    /// A buffer.
    Buffer(Arc<Buffer>),
    /// A layout of token rows.
    Layout(Layout),
    /// A mask.
    Mask(Mask),
    /// Text or bytes.
    Text(Vec<u8>),
    /// Named columns.
    Batch(Batch),
    /// A model in its role.
    Model(Arc<ModelInstance>),
    /// A head of a model.
    Head(Arc<HeadInstance>),
    /// An error.
    Error(Error),
    /// Where an instance under construction finds weights, models and vocabularies.
    Scope(Scope),
    /// What takes the parts of a loss.
    Loss(LossCollector),
    /// The gradients between backward and clip.
    Gradients(GradientAccess),
    /// What a model remembers while it decodes.
    State(Arc<State>),
}

impl From<Tensor> for Content {
    fn from(tensor: Tensor) -> Self {
        Self::Tensor(TensorState::Ready(tensor))
    }
}

impl Content {
    fn index(&self) -> usize {
        match self {
            Self::Tensor(_) => 0,
            Self::Weight(_) => 1,
            Self::Buffer(_) => 2,
            Self::Layout(_) => 3,
            Self::Mask(_) => 4,
            Self::Text(_) => 5,
            Self::Batch(_) => 6,
            Self::Model(_) => 7,
            Self::Head(_) => 8,
            Self::Error(_) => 9,
            Self::Scope(_) => 10,
            Self::Loss(_) => 11,
            Self::Gradients(_) => 12,
            Self::State(_) => 13,
        }
    }
}

/// A counted object. A [`Handle`] is one strong count of its `Arc`.
pub struct Object {
    content: Content,
    /// The tally of the plugin in whose call it was made.
    live: Option<Arc<Live>>,
}

impl Object {
    /// A new object, counted for the plugin whose call is running on this thread.
    #[must_use]
    pub fn new(content: impl Into<Content>) -> Arc<Self> {
        Self::counted(content.into(), frame::live())
    }

    /// A new object to be lent to a plugin, counted for that one: whoever keeps it is seen.
    pub(super) fn lent_to(live: &Arc<Live>, content: impl Into<Content>) -> Arc<Self> {
        Self::counted(content.into(), Some(live.clone()))
    }

    fn counted(content: Content, live: Option<Arc<Live>>) -> Arc<Self> {
        if let Some(live) = &live {
            live.add(content.index());
        }
        Arc::new(Self { content, live })
    }

    /// What it is.
    #[must_use]
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// Its kind as [`lacuna_abi::kind`] counts; 0 for those only the host looks into.
    #[must_use]
    pub fn kind(&self) -> u32 {
        match &self.content {
            Content::Tensor(_) => kind::TENSOR,
            Content::Weight(_) => kind::WEIGHT,
            Content::Buffer(_) => kind::BUFFER,
            Content::Layout(_) => kind::LAYOUT,
            Content::Mask(_) => kind::MASK,
            Content::Text(_) => kind::TEXT,
            Content::Batch(_) => kind::BATCH,
            Content::Model(_) => kind::MODEL,
            Content::Head(_) => kind::HEAD,
            Content::Error(_) => kind::ERROR,
            Content::State(_) => kind::STATE,
            Content::Scope(_) | Content::Loss(_) | Content::Gradients(_) => 0,
        }
    }

    /// The kind in a word, for errors.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        super::live::KINDS[self.content.index()]
    }

    /// The object in words, for errors: `f32 [2, 3]`, ``weight `encoder.layers.0.weight` [4, 4]``, `mask`.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.content {
            Content::Tensor(TensorState::Ready(tensor)) => format!("{} {:?}", tensor.dtype(), tensor.dims()),
            Content::Tensor(TensorState::Poisoned(_)) => "poisoned tensor".into(),
            Content::Weight(weight) => format!("weight `{}` {:?}", weight.name(), weight.shape()),
            Content::Buffer(buffer) => format!("buffer `{}`", buffer.name()),
            _ => self.kind_name().into(),
        }
    }

    /// Hands one count to a plugin, who releases it once.
    #[must_use]
    pub fn into_handle(self: Arc<Self>) -> Handle {
        Handle(Arc::into_raw(self).cast())
    }

    /// The handle of an object for the length of a call: no count changes hands.
    #[must_use]
    pub fn lend(self: &Arc<Self>) -> Handle {
        Handle(Arc::as_ptr(self).cast())
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        if let Some(live) = &self.live {
            live.remove(self.content.index());
        }
    }
}

/// The object behind a borrowed handle; `None` for null.
///
/// # Safety
/// A handle that is not null must come from [`Object::into_handle`] or [`Object::lend`] and be alive for `'a`.
#[must_use]
pub(super) unsafe fn borrow<'a>(handle: Handle) -> Option<&'a Object> {
    // SAFETY: by the caller's promise it points to an `Object` inside an `Arc`.
    unsafe { handle.0.cast::<Object>().as_ref() }
}

/// One count more of a borrowed handle; `None` for null.
///
/// # Safety
/// As [`borrow`].
#[must_use]
pub(super) unsafe fn share(handle: Handle) -> Option<Arc<Object>> {
    if handle.is_null() {
        return None;
    }
    let pointer = handle.0.cast::<Object>();
    // SAFETY: by the caller's promise the pointer came from an `Arc` that is alive; the count taken here is owned below.
    unsafe {
        Arc::increment_strong_count(pointer);
        Some(Arc::from_raw(pointer))
    }
}

/// Takes over the count of an owned handle; `None` for null.
///
/// # Safety
/// As [`borrow`], and the count must belong to the caller, who must not use it again.
#[must_use]
pub(super) unsafe fn take(handle: Handle) -> Option<Arc<Object>> {
    if handle.is_null() {
        return None;
    }
    // SAFETY: by the caller's promise.
    Some(unsafe { Arc::from_raw(handle.0.cast::<Object>()) })
}
