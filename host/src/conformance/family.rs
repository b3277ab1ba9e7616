//! What a model family has to hold.

use std::sync::Arc;

use compute::weights::Weights;
use compute::{Device, Gradients, Tensor, ops};
use philox::Key;
use serde_json::Value as Json;

use super::objective::{Outcome, SEED, listed};
use super::report::Report;
use super::samples::{self, Text};
use super::world::{self, numbers};
use super::{Options, gradients, training};
use crate::boundary::{
    Call, Content, Context, ForwardRequest, HeadInstance, ModelInstance, Object, Outcomes, Scope, TensorState,
    batch_object,
};
use crate::error::{Error, Result};
use crate::loader::{Catalogue, Found, Plugin};

const SUBJECT: &str = "model";
/// All layers.
const ALL: std::ops::Range<u32> = 0..u32::MAX;

/// A family built as an encoder, with its head for tokens where it has one.
struct Built {
    context: Arc<Context>,
    model: Arc<ModelInstance>,
    tokens: Option<Arc<HeadInstance>>,
    scope: Scope,
}

pub(super) fn check(catalogue: &Catalogue, found: &Found, options: &Options, report: &mut Report) -> Result<()> {
    let settings = world::settings(catalogue, None, found, options)?;
    let plugin = Plugin::open(&found.path, &found.manifest)?;
    let threads_before = training::warm_thread_count();
    let built = match Built::new(plugin, &settings) {
        Ok(built) => built,
        Err(error) => {
            report.add(SUBJECT, "builds", Err(error.to_string()));
            return Ok(());
        }
    };
    let description = built.model.description();
    let size = format!(
        "{} layers of width {}, {} numbers",
        description.num_layers,
        description.width,
        built.context.weights.parameters()
    );
    report.add(SUBJECT, "builds", Ok(size));
    let mut add = |check: &'static str, outcome: Outcome| {
        let outcome = outcome.unwrap_or_else(|error| Err(error.to_string()));
        let held = outcome.is_ok();
        report.add(SUBJECT, check, outcome);
        held
    };
    if !add("shapes", built.shapes()) {
        return Ok(());
    }
    add("heads", built.heads());
    add("reached", built.reached());
    add("gradients", built.finite_differences());
    add("evaluation", built.evaluation());
    add("training", built.training());
    add("company", built.company());
    add("packing", built.packing());
    add("causal", built.causal());
    add("layers", built.layers());
    add("threads", no_threads(threads_before));
    add("objects", built.objects(plugin));
    Ok(())
}

fn no_threads(before: Option<usize>) -> Outcome {
    Ok(training::none_since(before))
}

impl Built {
    fn new(plugin: &'static Plugin, settings: &world::Settings) -> Result<Self> {
        let context = world::context(plugin, settings);
        let model = context.roles.model(&context, "encoder", "conformance")?;
        let scope = Scope::new(&context, "heads", "conformance");
        let tokens = model.head(&scope, "tokens", 0).ok();
        Ok(Self { context, model, tokens, scope })
    }

    fn weights(&self) -> &Weights {
        &self.context.weights
    }

    fn run(&self, texts: &[Text], packed: bool, call: &Arc<Call>) -> Result<Tensor> {
        let (name, input) = self.input(texts)?;
        self.pass(name, input, texts, packed, ALL, call)
    }

    /// What the model begins from, by the `input` and `rows` of its description: tokens, pixels, codes or features.
    fn input(&self, texts: &[Text]) -> Result<(&'static str, Tensor)> {
        let stacked = |of: fn(&Text) -> Vec<f32>, dims: &[usize]| {
            let numbers: Vec<f32> = texts.iter().flat_map(of).collect();
            let dims: Vec<usize> = std::iter::once(texts.len()).chain(dims.iter().copied()).collect();
            Tensor::from_slice(&numbers, &dims, &Device::Cpu)
        };
        Ok(match self.described("input").as_ref().and_then(Json::as_str) {
            Some("pixels") => ("pixels", stacked(Text::pixels, &samples::PICTURE)?),
            Some("features") => ("features", features(texts)?),
            Some("codes") => ("codes", self.codes(texts)?),
            _ => {
                let ids: Vec<u32> = texts.iter().flat_map(|text| text.tokens().iter().copied()).collect();
                ("tokens", Tensor::from_slice(&ids, &[ids.len()], &Device::Cpu)?)
            }
        })
    }

    /// Codes of the patches of each sample's picture, which are its own.
    fn codes(&self, texts: &[Text]) -> Result<Tensor> {
        let number = |key| self.described(key).and_then(|number| number.as_u64()).unwrap_or(1);
        let class_rows = u64::from(self.described("class_token") == Some(Json::Bool(true)));
        let patches = number("rows").saturating_sub(class_rows);
        let of = |text: &Text| {
            let key = Key::root(0).stream("codes").at(text.id());
            (0..patches).map(move |patch| key.below(patch, number("input_codes")) as u32).collect::<Vec<_>>()
        };
        let codes: Vec<u32> = texts.iter().flat_map(of).collect();
        Ok(Tensor::from_slice(&codes, &[codes.len()], &Device::Cpu)?)
    }

    fn described(&self, key: &str) -> Option<Json> {
        let description: Json = serde_json::from_str(&self.model.description().json).ok()?;
        description.get(key).cloned()
    }

    fn pass(
        &self,
        name: &str,
        input: Tensor,
        texts: &[Text],
        packed: bool,
        layers: std::ops::Range<u32>,
        call: &Arc<Call>,
    ) -> Result<Tensor> {
        let inputs = batch_object([(name.to_owned(), Content::from(input))])?;
        let rows = self.described("rows").and_then(|rows| rows.as_u64());
        let layout = match rows {
            Some(_) if self.described("input").as_ref().and_then(Json::as_str) == Some("features") => {
                world::layout_of(texts, Text::labels, packed)?
            }
            Some(rows) => world::layout_of(texts, |_| rows as usize, packed)?,
            None => world::layout(texts, packed)?,
        };
        let request =
            ForwardRequest { workflow: "encode", inputs: &inputs, layout: &layout, masks: &[], layers, wanted: &[] };
        let outputs = self.model.forward(call, &request)?;
        match outputs.content() {
            Content::Batch(outputs) => outputs.tensor("hidden"),
            _ => Err(Error::new("host/outputs", "the outputs of a model are no batch")),
        }
    }

    /// Hidden rows of the decoder of an encoder–decoder, which reads the texts once more beside what the encoder made of them.
    fn answered(&self, texts: &[Text], memory_md: Tensor, call: &Arc<Call>) -> Result<Tensor> {
        let (name, input) = self.input(texts)?;
        let layout = world::layout(texts, false)?;
        let inputs = batch_object([
            (name.to_owned(), Content::from(input)),
            ("memory".to_owned(), Content::from(memory_md)),
            ("memory.layout".to_owned(), Content::Layout(layout.clone())),
        ])?;
        let request = ForwardRequest {
            workflow: "decode",
            inputs: &inputs,
            layout: &layout,
            masks: &[],
            layers: ALL,
            wanted: &[],
        };
        let outputs = self.model.forward(call, &request)?;
        match outputs.content() {
            Content::Batch(outputs) => outputs.tensor("hidden"),
            _ => Err(Error::new("host/outputs", "the outputs of a model are no batch")),
        }
    }

    /// Hidden rows of an evaluation, as numbers.
    fn evaluated(&self, texts: &[Text], packed: bool, seed: u64) -> Result<Vec<f64>> {
        numbers(self.run(texts, packed, &call(seed, false, false))?.value())
    }

    fn shapes(&self) -> Outcome {
        let texts = samples::all();
        let hidden_nd = self.run(&texts, false, &call(SEED, false, false))?;
        let finite = numbers(hidden_nd.value())?.iter().all(|number| number.is_finite());
        Ok(if finite {
            Ok(format!("hidden rows {:?}, finite", hidden_nd.dims()))
        } else {
            Err("hidden rows are not finite".into())
        })
    }

    fn heads(&self) -> Outcome {
        let hidden_nd = Object::new(self.run(&samples::all(), false, &call(SEED, false, false))?);
        let (mut has, mut lacks) = (Vec::new(), Vec::new());
        if let Some(head) = &self.tokens {
            let logits = tensor(&head.apply(&call(SEED, false, false), &hidden_nd)?)?;
            let (found, expected) = (logits.dims()[1], samples::VOCABULARY);
            if found != expected {
                return Ok(Err(format!("the head for tokens gives {found} logits for {expected} tokens")));
            }
            has.push("tokens".to_owned());
        } else {
            lacks.push("tokens");
        }
        for (kind, size) in [("classes", 3), ("scalar", 0), ("values", 4)] {
            match self.model.head(&self.scope, kind, size) {
                // Shapes are checked where a head is applied.
                Ok(head) => head.apply(&call(SEED, false, false), &hidden_nd).map(|_| has.push(kind.to_owned()))?,
                Err(error) if error.code() == "plugin/unsupported" => lacks.push(kind),
                Err(error) => return Err(error),
            }
        }
        let lacks = if lacks.is_empty() { String::new() } else { format!("; it has none for {}", lacks.join(", ")) };
        Ok(Ok(format!("{}{lacks}", has.join(", "))))
    }

    /// A random projection of hidden rows and token logits, in training with the keyed draws of one seed.
    fn projection(&self, call: Arc<Call>) -> Result<Tensor> {
        let texts = samples::all();
        let mut hidden_nd = self.run(&texts, false, &call)?;
        let mut total = projected(&hidden_nd, "hidden")?;
        if self.described("decoder_layers").and_then(|layers| layers.as_u64()).is_some_and(|layers| layers > 0) {
            hidden_nd = self.answered(&texts, hidden_nd, &call)?;
            total = ops::add(&total, &projected(&hidden_nd, "answered")?)?;
        }
        if let Some(head) = &self.tokens {
            let logits = tensor(&head.apply(&call, &Object::new(hidden_nd))?)?;
            total = ops::add(&total, &projected(&logits, "logits")?)?;
        }
        for auxiliary in call.take_auxiliaries() {
            total = ops::add(&total, &ops::reshape(&auxiliary.sum, &[])?)?;
        }
        Ok(total)
    }

    fn slopes(&self) -> Result<world::Slopes> {
        let mut gradients = Gradients::default();
        compute::backward(&self.projection(call(SEED, true, true))?, None, false, &mut gradients)?;
        world::slopes(self.weights(), &gradients)
    }

    fn reached(&self) -> Outcome {
        let slopes = self.slopes()?;
        let own = |name: &str| name.starts_with("encoder.") || name.starts_with("heads.encoder.tokens");
        let missing: Vec<String> = self
            .weights()
            .owners()
            .iter()
            .filter(|weight| weight.trainable() && !weight.sometimes() && own(weight.name()))
            .map(|weight| weight.name().to_owned())
            .filter(|name| !slopes.contains_key(name))
            .collect();
        Ok(if missing.is_empty() {
            Ok(format!("{} weights get a gradient", slopes.len()))
        } else {
            Err(format!("no gradient reaches {}; freeze such weights, or declare them `sometimes`", listed(&missing)))
        })
    }

    fn finite_differences(&self) -> Outcome {
        let slopes = self.slopes()?;
        let outcomes = Arc::new(Outcomes::default());
        let kept = || Call::new(world::with_outcomes(SEED, &outcomes));
        self.projection(kept())?;
        gradients::compare(self.weights(), &slopes, &mut || {
            outcomes.replay();
            Ok(self.projection(kept())?.item()?)
        })
    }

    fn evaluation(&self) -> Outcome {
        let texts = samples::all();
        let (first, second) = (self.evaluated(&texts, false, SEED)?, self.evaluated(&texts, false, SEED + 1)?);
        Ok(if same_bits(&first, &second) {
            Ok("the same bits twice, whatever the seed".into())
        } else {
            Err("evaluating twice gives other bits: it draws or keeps state outside of training".into())
        })
    }

    fn training(&self) -> Outcome {
        let run =
            |seed| -> Result<Vec<f64>> { numbers(self.run(&samples::all(), false, &call(seed, true, false))?.value()) };
        let (first, again, other) = (run(SEED)?, run(SEED)?, run(SEED + 1)?);
        if !same_bits(&first, &again) {
            return Ok(Err("the same seed gives other bits in training; draw from the host's streams only".into()));
        }
        Ok(Ok(if same_bits(&first, &other) {
            "it draws nothing at these settings".into()
        } else {
            "the same seed gives the same bits, another draws anew".into()
        }))
    }

    fn company(&self) -> Outcome {
        let texts = samples::all();
        let together = self.evaluated(&texts, false, SEED)?;
        let mut alone = Vec::new();
        for text in &texts {
            alone.extend(self.evaluated(std::slice::from_ref(text), false, SEED)?);
        }
        Ok(agree(&alone, &together, "samples alone and in a batch"))
    }

    fn packing(&self) -> Outcome {
        let texts = samples::all();
        Ok(agree(
            &self.evaluated(&texts, false, SEED)?,
            &self.evaluated(&texts, true, SEED)?,
            "samples apart and packed into one sequence",
        ))
    }

    /// A family that says it is causal must not see what comes after a row.
    fn causal(&self) -> Outcome {
        if !self.model.description().causal {
            return Ok(Ok("it says that rows see both sides".into()));
        }
        let text = samples::all()[0].clone();
        let changed = text.with_last_token(65);
        let width = self.model.description().width;
        let rows = (text.len() - 1) * width;
        let (one, other) = (self.evaluated(&[text], false, SEED)?, self.evaluated(&[changed], false, SEED)?);
        Ok(agree(&one[..rows], &other[..rows], "rows before a changed last token"))
    }

    fn layers(&self) -> Outcome {
        let total = self.model.description().num_layers as u32;
        if total < 2 {
            return Ok(Ok(format!("{total} layers have no parts")));
        }
        let texts = samples::all();
        let (name, input) = self.input(&texts)?;
        let whole = self.evaluated(&texts, false, SEED)?;
        let evaluate = call(SEED, false, false);
        let parts = self
            .pass(name, input, &texts, false, 0..1, &evaluate)
            .and_then(|hidden_nd| self.pass("hidden", hidden_nd, &texts, false, 1..u32::MAX, &evaluate));
        match parts {
            Ok(parts) => Ok(agree(&whole, &numbers(parts.value())?, "all layers at once and in two parts")),
            Err(error) if error.code() == "plugin/unsupported" => {
                Ok(Ok(format!("it does not run in parts: {}", error.text)))
            }
            Err(error) => Err(error),
        }
    }

    fn objects(&self, plugin: &'static Plugin) -> Outcome {
        use crate::boundary::Provider;
        let run = || -> Result<()> {
            let mut gradients = Gradients::default();
            Ok(compute::backward(&self.projection(call(SEED, true, true))?, None, false, &mut gradients)?)
        };
        run()?;
        let before = plugin.live().total();
        for _ in 0..50 {
            run()?;
        }
        let after = plugin.live().total();
        Ok(if after > before {
            Err(format!("it holds {before} objects, and {after} after 50 more passes"))
        } else {
            Ok(format!("{after} held, no more after 50 passes"))
        })
    }
}

fn call(seed: u64, training: bool, gradients: bool) -> Arc<Call> {
    Call::new(world::options(seed, training, gradients))
}

fn tensor(object: &Arc<Object>) -> Result<Tensor> {
    match object.content() {
        Content::Tensor(TensorState::Ready(tensor)) => Ok(tensor.clone()),
        _ => Err(Error::new("plugin/kind", format!("a head gives a {}, not a tensor", object.describe()))),
    }
}

/// Σ x · r with fixed random numbers r.
fn projected(x: &Tensor, stream: &str) -> Result<Tensor> {
    let key = Key::root(0).stream(stream);
    let factors: Vec<f64> = (0..x.elements() as u64).map(|number| 2.0 * key.uniform(number) - 1.0).collect();
    let factors = Tensor::from_slice(&factors, x.dims(), &Device::Cpu)?;
    Ok(ops::sum_all(&ops::mul(x, &factors)?)?)
}

fn same_bits(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
}

/// The sounds of samples `[b, f, m]`, zeros behind the shorter.
fn features(texts: &[Text]) -> Result<Tensor> {
    let bins = samples::SOUND[1];
    let sounds: Vec<Vec<f32>> = texts.iter().map(Text::features).collect();
    let most = sounds.iter().map(Vec::len).max().unwrap_or(0);
    let padded: Vec<f32> =
        sounds.into_iter().flat_map(|sound| sound.into_iter().chain(std::iter::repeat(0.0)).take(most)).collect();
    Ok(Tensor::from_slice(&padded, &[texts.len(), most / bins, bins], &Device::Cpu)?)
}

fn agree(a: &[f64], b: &[f64], what: &str) -> std::result::Result<String, String> {
    let size = a.iter().fold(1e-12_f64, |most, number| most.max(number.abs()));
    let off = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0_f64, f64::max);
    if a.len() == b.len() && off <= 1e-9 * size {
        return Ok(format!("{what} agree"));
    }
    Err(format!("{what} differ by {off:.3e} where numbers reach {size:.3e}"))
}
