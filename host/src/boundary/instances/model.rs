//! A model in a role: the instance of a family, run over rows.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use compute::layout::Layout;
use compute::weights::{Weight, Weights};
use lacuna_abi::{Axes, Bytes, Decode, Handle, HeadCall, HuggingFace, Model, ModelCall};

use super::head::HeadInstance;
use super::{Instance, called, called_for, callee, text_of};
use crate::boundary::batch::Batch;
use crate::boundary::call::{Call, CallOptions, Thread};
use crate::boundary::frame::{self, Callee};
use crate::boundary::guard;
use crate::boundary::object::{self, Content, Object, TensorState};
use crate::boundary::provider::{self, Provider};
use crate::boundary::scope::{Context, Scope};
use crate::error::{Error, Result};

/// What a model says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The last axis of its hidden rows.
    pub width: usize,
    /// Its layers.
    pub num_layers: usize,
    /// Whether a row sees only those before it.
    pub causal: bool,
    /// All of it, as JSON text.
    pub json: String,
}

/// A model of a family in a role of an experiment.
pub struct ModelInstance {
    role: Arc<str>,
    family: String,
    callee: Callee,
    table: &'static Model,
    pub(super) instance: Instance,
    description: Description,
    weights: Arc<Weights>,
    pub(super) decode: Option<&'static Decode>,
    axes: Option<&'static Axes>,
    pub(super) hugging_face: Option<&'static HuggingFace>,
    heads: Mutex<Vec<Weak<HeadInstance>>>,
}

/// One forward pass from the host's side.
pub struct ForwardRequest<'a> {
    /// `encode`, `decode`, …
    pub workflow: &'a str,
    /// A batch: `tokens` `[n]`, `embeddings` `[n, d]` or `hidden` `[n, d]`.
    pub inputs: &'a Arc<Object>,
    /// The layout of the rows.
    pub layout: &'a Layout,
    /// None (the family's own), one for all layers, or one for each.
    pub masks: &'a [Arc<Object>],
    /// The layers to run; the end may be `u32::MAX` for all.
    pub layers: std::ops::Range<u32>,
    /// Names of further outputs.
    pub wanted: &'a [&'a str],
}

impl ModelInstance {
    /// Builds the model of `role` with its weights below the path `role`. `settings` is a checked JSON object.
    ///
    /// # Errors
    /// When the plugin is no family, building fails, or the description lacks `width` or `num_layers`.
    pub fn build(family: &dyn Provider, role: &str, context: &Arc<Context>, settings: &str) -> Result<Arc<Self>> {
        let table = provider::required::<Model>(family)?;
        let callee = callee(family, role);
        let scope = Scope::new(context, role, &format!("model `{role}` ({})", family.name()));
        let lent = Object::lent_to(&callee.live, Content::Scope(scope.clone()));
        let call = context.creation();
        let mut pointer = std::ptr::null_mut();
        let built = called(&callee, "build", &call, || {
            // SAFETY: scope and settings are lent for the call; the place is writable.
            unsafe { (table.build)(lent.lend(), Bytes::text(settings), &raw mut pointer) }
        });
        scope.close();
        // Owned before the outcome is looked at, so that an instance made in a failed call is freed.
        let instance = (!pointer.is_null()).then(|| Instance { pointer, destroy: table.destroy });
        built?;
        let instance = instance
            .ok_or_else(|| Error::new("plugin/instance", format!("{} build gives no instance", callee.plugin)))?;
        let json = called_for(&callee, "describe", &call, |out| {
            // SAFETY: the instance is alive; the place is writable.
            unsafe { (table.describe)(instance.pointer, out) }
        })?;
        let description = description(&callee, text_of(&callee, "describe", json)?.unwrap_or_default())?;
        Ok(Arc::new(Self {
            role: role.into(),
            family: family.name().to_owned(),
            callee,
            table,
            instance,
            description,
            weights: context.weights.clone(),
            decode: provider::interface(family)?,
            axes: provider::interface(family)?,
            hugging_face: provider::interface(family)?,
            heads: Mutex::default(),
        }))
    }

    /// The role.
    #[must_use]
    pub fn role(&self) -> &str {
        &self.role
    }

    /// The family's plugin.
    #[must_use]
    pub fn family(&self) -> &str {
        &self.family
    }

    /// What it says of itself.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Its weight `name`, as the family called it below its scope.
    ///
    /// # Errors
    /// When it has none of that name.
    pub fn weight(&self, name: &str) -> Result<Arc<Weight>> {
        let below = format!("{}.", self.role);
        self.weights.get(&format!("{below}{name}")).ok_or_else(|| {
            let all = self.weights.all();
            let mut names: Vec<&str> = all.iter().filter_map(|weight| weight.name().strip_prefix(&below)).collect();
            names.truncate(8);
            let text = format!("the model `{}` ({}) has no weight `{name}`", self.role, self.family);
            Error::new("plugin/weight", text).with_help(format!("it begins with {}", names.join(", ")))
        })
    }

    pub(super) fn callee(&self) -> &Callee {
        &self.callee
    }

    /// Runs the model; the outputs are a batch with `hidden` `[n, width]` and those wanted.
    ///
    /// # Errors
    /// The first fault of the pass, the plugin's error, or `plugin/shape` for outputs of another shape.
    pub fn forward(&self, call: &Arc<Call>, request: &ForwardRequest<'_>) -> Result<Arc<Object>> {
        // SAFETY: all that the request points to lives until the call returns.
        self.with_request(request, |raw| unsafe { self.forward_raw(call, raw) })
    }

    /// A request as it crosses, alive while `work` runs; the outputs.
    pub(super) fn with_request(
        &self,
        request: &ForwardRequest<'_>,
        work: impl FnOnce(&ModelCall) -> Result<()>,
    ) -> Result<Arc<Object>> {
        let layout = Object::lent_to(&self.callee.live, Content::Layout(request.layout.clone()));
        let masks: Vec<Handle> = request.masks.iter().map(Object::lend).collect();
        let wanted: Vec<Bytes> = request.wanted.iter().map(|name| Bytes::text(name)).collect();
        let outputs = Object::lent_to(&self.callee.live, Content::Batch(Batch::default()));
        let raw = ModelCall {
            workflow: Bytes::text(request.workflow),
            inputs: request.inputs.lend(),
            layout: layout.lend(),
            masks: masks.as_ptr(),
            masks_len: masks.len(),
            first_layer: request.layers.start,
            last_layer: request.layers.end,
            wanted: wanted.as_ptr(),
            wanted_len: wanted.len(),
            outputs: outputs.lend(),
        };
        work(&raw)?;
        Ok(outputs)
    }

    /// Runs the model on a request as it crosses, checks inputs before and outputs after.
    ///
    /// # Errors
    /// As [`ModelInstance::forward`].
    ///
    /// # Safety
    /// All handles and texts of `request` must be alive.
    pub(in crate::boundary) unsafe fn forward_raw(&self, call: &Arc<Call>, request: &ModelCall) -> Result<()> {
        // SAFETY: the instance is alive, the request by the caller's promise.
        let work = || unsafe { (self.table.forward)(self.instance.pointer, request) };
        // SAFETY: by the caller's promise.
        unsafe { self.run_raw(call, request, "forward", work) }
    }

    /// Checks a request, lets `work` run the model's `function` on it, and checks the outputs.
    ///
    /// # Errors
    /// As [`ModelInstance::forward`].
    ///
    /// # Safety
    /// As [`ModelInstance::forward_raw`].
    pub(super) unsafe fn run_raw(
        &self,
        call: &Arc<Call>,
        request: &ModelCall,
        function: &str,
        work: impl FnOnce() -> Handle,
    ) -> Result<()> {
        if call.options().thread == Thread::Data {
            return Err(Error::new("thread/data", format!("the model `{}` is run on a data thread", self.role))
                .with_help("what depends on a model belongs in `loss`"));
        }
        // SAFETY: by the caller's promise.
        let [layout, inputs, outputs] = unsafe {
            [
                guard::object("the layout", request.layout)?,
                guard::object("the inputs", request.inputs)?,
                guard::object("the outputs", request.outputs)?,
            ]
        };
        let Content::Layout(layout) = layout.content() else {
            return Err(guard::wrong_kind("the layout", "layout", layout));
        };
        let Content::Batch(inputs) = inputs.content() else {
            return Err(guard::wrong_kind("the inputs", "batch", inputs));
        };
        let Content::Batch(outputs) = outputs.content() else {
            return Err(guard::wrong_kind("the outputs", "batch", outputs));
        };
        // SAFETY: as above.
        for mask in unsafe { guard::slice("the masks", request.masks, request.masks_len)? } {
            // SAFETY: as above.
            if let Some(mask) = unsafe { object::borrow(*mask) }
                && !matches!(mask.content(), Content::Mask(_))
            {
                return Err(guard::wrong_kind("a mask of the model", "mask", mask));
            }
        }
        let rows = layout.tokens();
        for name in ["tokens", "embeddings", "hidden"] {
            if let Some(found) = inputs.get(name).as_deref().and_then(ready_dims)
                && found.first() != Some(&rows)
            {
                let text =
                    format!("the input `{name}` of the model `{}` is {found:?}, its layout has {rows} rows", self.role);
                return Err(Error::new("tensor/shape", text).with_help("give the layout that the rows belong to"));
            }
        }
        if frame::top().is_none_or(|caller| caller.callee().role.is_empty()) {
            call.count_pass();
        }
        called(&self.callee, function, call, work)?;
        let hidden = outputs.get("hidden").ok_or_else(|| self.lacks("hidden"))?;
        self.check_rows(&hidden, "hidden", rows, Some(self.description.width))?;
        // SAFETY: as above.
        for name in unsafe { guard::slice("the names wanted", request.wanted, request.wanted_len)? } {
            // SAFETY: as above.
            let name = unsafe { guard::text("the name of an output", *name)? };
            if outputs.get(name).is_none() {
                return Err(self.lacks(name));
            }
        }
        Ok(())
    }

    fn lacks(&self, output: &str) -> Error {
        Error::new(
            "plugin/output",
            format!("{} gives no output `{output}` in the role `{}`", self.callee.plugin, self.role),
        )
        .with_help("ask for another name, or let the family put it into its outputs")
    }

    /// Checks an output of `rows` rows; poisoned ones pass as their fault.
    pub(super) fn check_rows(&self, output: &Object, name: &str, rows: usize, width: Option<usize>) -> Result<()> {
        if let Content::Tensor(TensorState::Poisoned(fault)) = output.content() {
            return Err(fault.error());
        }
        let Some(found) = ready_dims(output) else {
            return Err(guard::wrong_kind(&format!("the output `{name}` of {}", self.callee.plugin), "tensor", output));
        };
        let fits = found.len() == 2 && found[0] == rows && width.is_none_or(|width| found[1] == width);
        if fits {
            return Ok(());
        }
        let width = width.map_or("any".to_owned(), |width| width.to_string());
        let text = format!(
            "{} in the role `{}` gives `{name}` of shape {found:?}, not [{rows}, {width}]",
            self.callee.plugin, self.role
        );
        Err(Error::new("plugin/shape", text).with_help("a family keeps one row for each row of the layout"))
    }

    /// Builds a head below `scope`: `tokens`, `classes`, `scalar` or `values`.
    ///
    /// # Errors
    /// The plugin's error, or a head of that name in this scope.
    pub fn head(self: &Arc<Self>, scope: &Scope, kind: &str, size: u64) -> Result<Arc<HeadInstance>> {
        let scope = scope.at(&self.role).at(kind);
        let lent = Object::lent_to(&self.callee.live, Content::Scope(scope.clone()));
        let head_call = HeadCall { kind: Bytes::text(kind), size };
        let mut number = 0;
        called(&self.callee, &format!("head `{kind}`"), &scope.context().creation(), || {
            // SAFETY: all is lent for the call; the place is writable.
            unsafe { (self.table.head)(self.instance.pointer, lent.lend(), &raw const head_call, &raw mut number) }
        })?;
        let head = Arc::new(HeadInstance::new(self.clone(), kind, size, number));
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&head));
        Ok(head)
    }

    /// The heads of that kind that were asked for and are still held.
    #[must_use]
    pub fn heads(&self, kind: &str) -> Vec<Arc<HeadInstance>> {
        let heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        heads.iter().filter_map(Weak::upgrade).filter(|head| head.kind() == kind).collect()
    }

    /// Applies head `number`; the caller checks the result.
    pub(super) fn apply(
        &self,
        call: &Arc<Call>,
        number: u64,
        kind: &str,
        hidden: &Arc<Object>,
    ) -> Result<Option<Arc<Object>>> {
        called_for(&self.callee, &format!("head `{kind}`"), call, |out| {
            // SAFETY: the instance is alive, the rows are lent, the place is writable.
            unsafe { (self.table.apply)(self.instance.pointer, number, hidden.lend(), out) }
        })
    }

    /// Axis names for surgery, as JSON text; `None` where the family does not tell.
    ///
    /// # Errors
    /// The plugin's error.
    pub fn axes(&self) -> Result<Option<String>> {
        let Some(table) = self.axes else { return Ok(None) };
        // SAFETY: the instance is alive, the place is writable.
        self.json("axes", |out| unsafe { (table.axes)(self.instance.pointer, out) })
    }

    pub(super) fn json(&self, function: &str, work: impl FnOnce(*mut Handle) -> Handle) -> Result<Option<String>> {
        let call = Call::new(CallOptions::data(0));
        text_of(&self.callee, function, called_for(&self.callee, function, &call, work)?)
    }
}

fn ready_dims(object: &Object) -> Option<&[usize]> {
    match object.content() {
        Content::Tensor(TensorState::Ready(tensor)) => Some(tensor.dims()),
        _ => None,
    }
}

fn description(callee: &Callee, json: String) -> Result<Description> {
    let value: serde_json::Value = serde_json::from_str(&json).map_err(|error| {
        Error::new("plugin/description", format!("{} describes itself in broken JSON: {error}", callee.plugin))
    })?;
    let number = |key: &str| {
        value.get(key).and_then(serde_json::Value::as_u64).map(|number| number as usize).ok_or_else(|| {
            Error::new(
                "plugin/description",
                format!("{} describes itself without a whole number `{key}`", callee.plugin),
            )
        })
    };
    let causal = value.get("causal").and_then(serde_json::Value::as_bool).unwrap_or(false);
    Ok(Description { width: number("width")?, num_layers: number("num_layers")?, causal, json })
}
