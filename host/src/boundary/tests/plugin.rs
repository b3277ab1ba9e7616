//! A family and an objective in plain C functions, as `export_plugin!` would make them.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Mutex;

use lacuna_abi::{
    Attribute, Batches, Collate, CollateCall, Column, Gradients, HeadCall, Interface, Logs, LossCall, Model, ModelCall,
    Models, Objective, QueryFn, WeightRequest, Weights, attribute, init, op as number,
};

use super::*;
use crate::boundary::Provider;

pub(super) fn weights() -> &'static Weights {
    unsafe { lacuna_abi::fit(query(Bytes::text(name::WEIGHTS))) }.unwrap()
}

pub(super) fn models() -> &'static Models {
    unsafe { lacuna_abi::fit(query(Bytes::text(name::MODELS))) }.unwrap()
}

pub(super) fn batches() -> &'static Batches {
    unsafe { lacuna_abi::fit(query(Bytes::text(name::BATCHES))) }.unwrap()
}

pub(super) fn logs() -> &'static Logs {
    unsafe { lacuna_abi::fit(query(Bytes::text(name::LOGS))) }.unwrap()
}

pub(super) struct Plugin {
    pub(super) name: &'static str,
    pub(super) query: QueryFn,
    pub(super) live: Arc<Live>,
}

impl Plugin {
    pub(super) fn toy() -> Arc<Self> {
        Arc::new(Self { name: "toy", query: toy_query, live: Arc::default() })
    }

    pub(super) fn guess() -> Arc<Self> {
        Arc::new(Self { name: "guess", query: guess_query, live: Arc::default() })
    }
}

impl Provider for Plugin {
    fn name(&self) -> &str {
        self.name
    }
    fn version(&self) -> &str {
        "0.1.0"
    }
    fn query(&self) -> QueryFn {
        self.query
    }
    fn live(&self) -> &Arc<Live> {
        &self.live
    }
}

/// Makes a weight; the error goes on to the caller.
pub(super) fn make_weight(scope: Handle, name: &str, dims: &[usize], out: *mut Handle) -> Handle {
    let request = WeightRequest {
        name: Bytes::text(name),
        dims: dims.as_ptr(),
        rank: dims.len(),
        init: init::NORMAL,
        a: 0.5,
        dtype: dtype::F32,
        decay: 1,
        sometimes: 0,
        frozen: 0,
        axes: Bytes::EMPTY,
    };
    unsafe { (weights().weight)(scope, &raw const request, out) }
}

fn get(batch: Handle, name: &str) -> Handle {
    let mut column = Handle::NULL;
    succeed(unsafe { (batches().get)(batch, Bytes::text(name), &raw mut column) });
    column
}

fn put(batch: Handle, name: &str, column: Handle) {
    succeed(unsafe { (batches().put)(batch, Bytes::text(name), column) });
}

fn fail(code: &str, text: &str) -> Handle {
    unsafe { (errors().make)(Bytes::text(code), Bytes::text(text), Bytes::EMPTY, std::ptr::null()) }
}

/// An embedding of 10 tokens and nothing else; settings say how it breaks.
struct Toy {
    embedding: Handle,
    heads: Mutex<Vec<Handle>>,
    settings: String,
    scope: Handle,
}

unsafe extern "C" fn build(scope: Handle, settings: Bytes, instance: *mut *mut u8) -> Handle {
    let mut embedding = Handle::NULL;
    let error = make_weight(scope, "embedding", &[10, 4], &raw mut embedding);
    if !error.is_null() {
        return error;
    }
    let settings = unsafe { settings.as_text() }.unwrap().to_owned();
    if settings.contains("refuse") {
        release([embedding]);
        return fail("plugin/setting", "`width` is not a multiple of `heads`");
    }
    unsafe { (tensors().retain)(scope) };
    let toy = Box::new(Toy { embedding, heads: Mutex::default(), settings, scope });
    unsafe { instance.write(Box::into_raw(toy).cast()) };
    Handle::NULL
}

unsafe extern "C" fn destroy(instance: *mut u8) {
    let toy = unsafe { Box::from_raw(instance.cast::<Toy>()) };
    release([toy.embedding, toy.scope]);
    release(toy.heads.into_inner().unwrap());
}

unsafe extern "C" fn forward(instance: *const u8, call: *const ModelCall) -> Handle {
    let (toy, call) = unsafe { (&*instance.cast::<Toy>(), &*call) };
    let tokens = get(call.inputs, "tokens");
    let hidden = op(number::EMBEDDING, &[toy.embedding, tokens], &[]);
    let site = "layers.0.output";
    let seen = unsafe { (models().site)(Bytes::text(site), hidden) };
    release([tokens, hidden]);
    if toy.settings.contains("fault") {
        release([op(number::MATMUL, &[seen, seen], &[])]);
    }
    if toy.settings.contains("late") {
        let mut weight = Handle::NULL;
        let error = make_weight(toy.scope, "late", &[1], &raw mut weight);
        release([seen]);
        return error;
    }
    let auxiliary = op(number::SUM, &[seen], &[]);
    succeed(unsafe { (models().auxiliary)(Bytes::text("balance"), 0.1, auxiliary, auxiliary) });
    release([auxiliary]);
    let out = if toy.settings.contains("shape") {
        let shape = [Attribute::integers(attribute::SHAPE, &[-1, 2])];
        let out = op(number::RESHAPE, &[seen], &shape);
        release([seen]);
        out
    } else {
        seen
    };
    put(call.outputs, "hidden", out);
    release([out]);
    Handle::NULL
}

unsafe extern "C" fn head(instance: *const u8, scope: Handle, _: *const HeadCall, head: *mut u64) -> Handle {
    let toy = unsafe { &*instance.cast::<Toy>() };
    let mut weight = Handle::NULL;
    let error = make_weight(scope, "weight", &[10, 4], &raw mut weight);
    if error.is_null() {
        let mut heads = toy.heads.lock().unwrap();
        heads.push(weight);
        unsafe { head.write(heads.len() as u64 - 1) };
    }
    error
}

unsafe extern "C" fn apply(instance: *const u8, head: u64, hidden: Handle, logits: *mut Handle) -> Handle {
    let weight = unsafe { &*instance.cast::<Toy>() }.heads.lock().unwrap()[head as usize];
    unsafe { logits.write(op(number::LINEAR, &[hidden, weight], &[])) };
    Handle::NULL
}

unsafe extern "C" fn describe(_: *const u8, json: *mut Handle) -> Handle {
    let text = r#"{"width":4,"num_layers":1,"causal":false}"#;
    unsafe { json.write((batches().text)(Bytes::text(text))) };
    Handle::NULL
}

static MODEL: Model = Model { build, destroy, forward, head, apply, describe };

unsafe extern "C" fn toy_query(asked: Bytes) -> Interface {
    match unsafe { asked.as_text() } {
        Some(name::MODEL) => Interface::of(&MODEL),
        _ => Interface::NONE,
    }
}

/// Predicts each token from its own embedding.
struct Guess {
    model: Handle,
    head: Handle,
    own: Handle,
}

unsafe extern "C" fn create(scope: Handle, settings: Bytes, instance: *mut *mut u8) -> Handle {
    let role = if unsafe { settings.as_text() }.unwrap().contains("teacher") { "teacher" } else { "encoder" };
    let mut guess = Guess { model: Handle::NULL, head: Handle::NULL, own: Handle::NULL };
    let error = unsafe { (models().role)(scope, Bytes::text(role), &raw mut guess.model) };
    if !error.is_null() {
        return error;
    }
    if let Some(name) = unsafe { settings.as_text() }.unwrap().strip_prefix("weight ") {
        let mut weight = Handle::NULL;
        let error = unsafe { (models().weight)(guess.model, Bytes::text(name), &raw mut weight) };
        if !error.is_null() {
            release([guess.model]);
            return error;
        }
        let mut delta = Handle::NULL;
        succeed(make_weight(scope, "delta", &[10, 4], &raw mut delta));
        succeed(unsafe { (weights().view)(delta, 4, &raw const weight, 1, 0.0) });
        release([weight, delta]);
    }
    succeed(unsafe { (models().head)(scope, guess.model, Bytes::text("tokens"), 0, &raw mut guess.head) });
    succeed(make_weight(scope, "scale", &[1], &raw mut guess.own));
    unsafe { instance.write(Box::into_raw(Box::new(guess)).cast()) };
    Handle::NULL
}

unsafe extern "C" fn destroy_guess(instance: *mut u8) {
    let guess = unsafe { Box::from_raw(instance.cast::<Guess>()) };
    release([guess.model, guess.head, guess.own]);
}

unsafe extern "C" fn loss(instance: *const u8, call: *const LossCall) -> Handle {
    let (guess, call) = unsafe { (&*instance.cast::<Guess>(), &*call) };
    let (tokens, layout) = (get(call.batch, "text.tokens"), get(call.batch, "text.layout"));
    let (inputs, outputs) = unsafe { ((batches().new)(), (batches().new)()) };
    put(inputs, "tokens", tokens);
    let model_call = ModelCall {
        workflow: Bytes::text("encode"),
        inputs,
        layout,
        masks: std::ptr::null(),
        masks_len: 0,
        first_layer: 0,
        last_layer: u32::MAX,
        wanted: std::ptr::null(),
        wanted_len: 0,
        outputs,
    };
    let error = unsafe { (models().forward)(guess.model, &raw const model_call) };
    if !error.is_null() {
        release([tokens, layout, inputs, outputs]);
        return error;
    }
    let hidden = get(outputs, "hidden");
    let mut logits = Handle::NULL;
    let error = unsafe { (models().apply)(guess.head, hidden, &raw mut logits) };
    let each = op(number::CROSS_ENTROPY, &[logits, tokens], &[]);
    let sum = op(number::SUM, &[each], &[]);
    let count = full(&[], 3.0);
    let answer = unsafe { (logs().part)(call.loss, Bytes::text("tokens"), 1.0, sum, count) };
    succeed(unsafe { (logs().metric)(call.loss, Bytes::text("loss"), sum, count) });
    succeed(unsafe { (logs().targets)(call.loss, tokens) });
    release([tokens, layout, inputs, outputs, hidden, logits, each, sum, count, error]);
    answer
}

unsafe extern "C" fn couples(_: *const u8) -> u32 {
    0
}

unsafe extern "C" fn save(_: *const u8, state: *mut Handle) -> Handle {
    unsafe { state.write((batches().text)(Bytes::text("step 5"))) };
    Handle::NULL
}

unsafe extern "C" fn restore(_: *const u8, state: Bytes) -> Handle {
    match unsafe { state.as_text() } {
        Some("step 5") => Handle::NULL,
        _ => fail("plugin/state", "the state is of another objective"),
    }
}

unsafe extern "C" fn collate(_: *const u8, call: *const CollateCall) -> Handle {
    let count = unsafe { (batches().samples)(call) };
    let (mut epoch, mut training, mut progress) = (0, 0, 0.0);
    succeed(unsafe { (batches().when)(call, &raw mut epoch, &raw mut training, &raw mut progress) });
    assert_eq!((training, progress), (0, 1.0), "measured, not trained");
    let mut shown: Vec<u8> = Vec::new();
    for index in 0..count {
        let mut column = Column { dtype: 0, ptr: std::ptr::null(), len: 0 };
        succeed(unsafe { (batches().sample)(call, index, Bytes::text("text.tokens"), &raw mut column) });
        let tokens: &[u32] = unsafe { std::slice::from_raw_parts(column.ptr.cast(), column.len) };
        let mut draws = vec![0.0; column.len];
        succeed(unsafe {
            (batches().draw)(call, index, Bytes::text("mask"), epoch, 0, draws.as_mut_ptr(), draws.len())
        });
        for (token, draw) in tokens.iter().zip(draws) {
            shown.extend((if draw < 0.5 { 9 } else { *token }).to_ne_bytes());
        }
    }
    let rows = shown.len() / 4;
    unsafe { (batches().add)(call, Bytes::text("text.shown"), dtype::U32, &raw const rows, 1, Bytes::slice(&shown)) }
}

unsafe extern "C" fn gradients(instance: *const u8, access: Handle) -> Handle {
    let guess = unsafe { &*instance.cast::<Guess>() };
    let mut gradient = Handle::NULL;
    succeed(unsafe { (weights().gradient)(access, guess.own, &raw mut gradient) });
    let doubled = op(number::MUL_SCALAR, &[gradient], &[Attribute::float(attribute::VALUE, 2.0)]);
    let error = unsafe { (weights().set_gradient)(access, guess.own, doubled) };
    release([gradient, doubled]);
    error
}

static OBJECTIVE: Objective = Objective { create, destroy: destroy_guess, loss, couples, save, restore };
static COLLATE: Collate = Collate { collate };
static GRADIENTS: Gradients = Gradients { gradients };

unsafe extern "C" fn guess_query(asked: Bytes) -> Interface {
    match unsafe { asked.as_text() } {
        Some(name::OBJECTIVE) => Interface::of(&OBJECTIVE),
        Some(name::COLLATE) => Interface::of(&COLLATE),
        Some(name::GRADIENTS) => Interface::of(&GRADIENTS),
        _ => Interface::NONE,
    }
}
