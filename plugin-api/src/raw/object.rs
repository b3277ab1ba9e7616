//! A counted object of the host.

use lacuna_abi::{Handle, kind};

use super::host::{host, try_host};

/// An owned handle: cloning adds a holder, dropping takes one away.
pub struct Object(Handle);

// SAFETY: `retain`, `release` and `kind` may be called on any thread; whatever else a handle is used for, the host
// checks the thread and answers with a fault.
unsafe impl Send for Object {}
// SAFETY: as above; the plugin never reads behind the pointer.
unsafe impl Sync for Object {}

impl Object {
    /// Takes over a handle that a function of the host returned or wrote.
    pub(crate) fn owned(handle: Handle) -> Self {
        Self(handle)
    }

    /// Takes over a handle, `None` where it is null.
    pub(crate) fn owned_or_none(handle: Handle) -> Option<Self> {
        (!handle.is_null()).then(|| Self(handle))
    }

    /// Holds a handle that was given for the call as well.
    ///
    /// # Safety
    /// `handle` is null or alive.
    pub(crate) unsafe fn borrowed(handle: Handle) -> Self {
        if !handle.is_null() {
            // SAFETY: alive, by the caller's promise.
            unsafe { (host().tensors.retain)(handle) };
        }
        Self(handle)
    }

    /// The handle, lent.
    pub(crate) fn handle(&self) -> Handle {
        self.0
    }

    /// The handle, given away.
    pub(crate) fn into_handle(self) -> Handle {
        let handle = self.0;
        std::mem::forget(self);
        handle
    }

    /// One of `lacuna_abi::kind`; 0 for none.
    pub(crate) fn kind(&self) -> u32 {
        // SAFETY: this object holds the handle.
        unsafe { (host().tensors.kind)(self.0) }
    }

    /// The kind in words, for errors.
    pub(crate) fn kind_name(&self) -> &'static str {
        match self.kind() {
            kind::TENSOR => "a tensor",
            kind::WEIGHT => "a weight",
            kind::BUFFER => "a buffer",
            kind::LAYOUT => "a layout",
            kind::MASK => "a mask",
            kind::TEXT => "a text",
            kind::BATCH => "a batch",
            kind::MODEL => "a model",
            kind::HEAD => "a head",
            kind::ERROR => "an error",
            kind::STATE => "a state",
            _ => "something this plugin does not know",
        }
    }
}

impl Clone for Object {
    fn clone(&self) -> Self {
        // SAFETY: this object holds the handle.
        unsafe { Self::borrowed(self.0) }
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        if self.0.is_null() {
            return;
        }
        if let Some(host) = try_host() {
            // SAFETY: this object holds the handle, and nobody releases it again.
            unsafe { (host.tensors.release)(self.0) };
        }
    }
}

/// What the host holds for a plugin: tensors, weights, buffers, layouts, masks. Sealed.
pub trait HostObject {
    #[doc(hidden)]
    fn object(&self) -> &Object;
}

impl<T: HostObject + ?Sized> HostObject for &T {
    fn object(&self) -> &Object {
        (**self).object()
    }
}
