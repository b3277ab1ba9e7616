//! The plugin inside this test program, as the host sees a loaded one, and models made of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use compute::layout::Layout;
use compute::weights::Weights;
use compute::{Device, Tensor};
use lacuna::boundary::{
    Batch, Call, CallOptions, Content, Context, ForwardRequest, Live, ModelInstance, Object, Provider, RoleTable,
    Scope, batch_object,
};
use lacuna::error::Result;
use lacuna_abi::{QueryFn, Root};
// Links the plugin, whose root is known by its symbol alone.
use transformer as _;

unsafe extern "C" {
    static LACUNA_ROOT: Root;
}

fn root() -> &'static Root {
    // SAFETY: `export_plugin!` of the linked plugin defines it with this very type.
    unsafe { &LACUNA_ROOT }
}

/// The plugin that is linked into this program.
#[derive(Default)]
struct Linked(Arc<Live>);

impl Provider for Linked {
    fn name(&self) -> &str {
        "transformer"
    }
    fn version(&self) -> &str {
        env!("CARGO_PKG_VERSION")
    }
    fn query(&self) -> QueryFn {
        root().query
    }
    fn live(&self) -> &Arc<Live> {
        &self.0
    }
}

/// A model in the role `encoder` over a vocabulary of `vocabulary` ids.
pub(crate) struct Built {
    pub(crate) context: Arc<Context>,
    pub(crate) model: Arc<ModelInstance>,
}

/// Builds a model from settings given as JSON.
pub(crate) fn build(vocabulary: usize, settings: &str) -> Result<Built> {
    // SAFETY: the query function is the host's own, of this very build.
    let opened = unsafe { (root().open)(lacuna::boundary::query) };
    assert_eq!(opened, lacuna_abi::code::OK, "the plugin opens");
    let json =
        format!(r#"{{"size":{vocabulary},"pad":0,"begin":2,"end":3,"mask":4,"unknown":1,"special":[0,1,2,3,4]}}"#);
    let context = Arc::new(Context {
        weights: Arc::new(Weights::new(3, &Device::Cpu)),
        seed: 3,
        device: Device::Cpu,
        facts: BTreeMap::from([("text".to_owned(), json)]),
        roles: Arc::new(RoleTable::default()),
        log: None,
    });
    let model = ModelInstance::build(&Linked::default(), "encoder", &context, settings)?;
    Ok(Built { context, model })
}

/// A layout of segments of the given lengths, keyed by their numbers.
pub(crate) fn layout(lengths: &[usize]) -> Layout {
    let keys: Vec<u64> = (0..lengths.len() as u64).collect();
    Layout::new(lengths, &keys).expect("a layout")
}

impl Built {
    /// A forward pass without dropout from token ids; the outputs by name.
    pub(crate) fn run(&self, tokens: &[u32], lengths: &[usize], wanted: &[&str]) -> Result<BTreeMap<String, Tensor>> {
        let tokens_n = Tensor::from_slice(tokens, &[tokens.len()], &Device::Cpu)?;
        self.run_on("tokens", tokens_n, lengths, 0..u32::MAX, wanted, false)
    }

    /// A forward pass from an input, through some layers.
    pub(crate) fn run_on(
        &self,
        input: &str,
        value: Tensor,
        lengths: &[usize],
        layers: std::ops::Range<u32>,
        wanted: &[&str],
        training: bool,
    ) -> Result<BTreeMap<String, Tensor>> {
        let inputs = batch_object([(input.to_owned(), Content::from(value))])?;
        let layout = layout(lengths);
        let request =
            ForwardRequest { workflow: "encode", inputs: &inputs, layout: &layout, masks: &[], layers, wanted };
        let outputs = self.model.forward(&self.call(training), &request)?;
        let Content::Batch(outputs) = outputs.content() else { panic!("the outputs are a batch") };
        outputs.names().into_iter().map(|name| Ok((name.clone(), Batch::tensor(outputs, &name)?))).collect()
    }

    /// A call on the thread of the step.
    pub(crate) fn call(&self, training: bool) -> Arc<Call> {
        let device = Device::Cpu;
        Call::new(if training { CallOptions::training(3, 1, device) } else { CallOptions::evaluation(3, 1, device) })
    }

    /// What a head below `objective` makes of hidden rows.
    pub(crate) fn head(&self, kind: &str, size: u64) -> Result<impl Fn(&Tensor) -> Result<Tensor> + '_> {
        let head = self.model.head(&Scope::new(&self.context, "objective", "the test"), kind, size)?;
        Ok(move |hidden: &Tensor| {
            let logits = head.apply(&self.call(false), &Object::new(hidden.clone()))?;
            match logits.content() {
                Content::Tensor(lacuna::boundary::TensorState::Ready(tensor)) => Ok(tensor.clone()),
                _ => panic!("logits are a tensor"),
            }
        })
    }
}

/// The elements of a tensor.
pub(crate) fn numbers(tensor: &Tensor) -> Vec<f32> {
    tensor.value().flatten_all().and_then(|value| value.to_vec1::<f32>()).expect("numbers")
}

/// The largest difference of two tensors of one shape.
pub(crate) fn difference(a: &Tensor, b: &Tensor) -> f32 {
    assert_eq!(a.dims(), b.dims());
    numbers(a).iter().zip(numbers(b)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}
