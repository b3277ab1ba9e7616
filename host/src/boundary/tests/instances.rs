//! Instances of a family and an objective: building, running, checking, what they leave behind.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use compute::layout::Layout;
use compute::weights::Weights;
use compute::{Device, Tensor};

use super::plugin::Plugin;
use super::*;
use crate::boundary::{
    AddedColumn, Collation, ColumnData, Context, Listener, Listeners, ObjectiveInstance, RoleEntry, RoleTable, Sample,
    batch_on_device, time_in_plugins,
};
use crate::error::Result;

struct Run {
    context: Arc<Context>,
    toy: Arc<Plugin>,
    guess: Arc<Plugin>,
}

fn run(family_settings: &str) -> Run {
    let (toy, guess) = (Plugin::toy(), Plugin::guess());
    let entry = RoleEntry { family: toy.clone(), settings: family_settings.into(), frozen: false };
    let context = Context {
        weights: Arc::new(Weights::new(1, &Device::Cpu)),
        seed: 1,
        device: Device::Cpu,
        facts: BTreeMap::new(),
        roles: Arc::new(RoleTable::new([("encoder".to_owned(), entry)].into())),
        log: None,
    };
    Run { context: Arc::new(context), toy, guess }
}

impl Run {
    fn objective(&self, settings: &str) -> Result<Arc<ObjectiveInstance>> {
        ObjectiveInstance::create(&*self.guess, "objective", &self.context, settings)
    }
}

fn batch() -> Arc<Object> {
    let data: Vec<u8> = [1_u32, 2, 3].iter().flat_map(|token| token.to_ne_bytes()).collect();
    let tokens = AddedColumn { dtype: compute::DType::U32, dims: vec![3], data };
    let layout = Layout::new(&[2, 1], &[0, 1]).unwrap();
    batch_on_device([("text.tokens".into(), tokens)].into(), [("text.layout".into(), layout)], &Device::Cpu).unwrap()
}

#[test]
fn an_objective_builds_its_model_and_computes_a_loss() {
    let run = run("{}");
    let objective = run.objective("{}").unwrap();
    let names: Vec<String> = run.context.weights.all().iter().map(|weight| weight.name().to_owned()).collect();
    assert_eq!(names, ["encoder.embedding", "objective.encoder.tokens.weight", "objective.scale"]);
    let batch = batch();
    let before = (run.toy.live.counts(), run.guess.live.counts());
    for _ in 0..3 {
        let (result, spent) = time_in_plugins(|| objective.loss(&Call::new(step()), &batch).unwrap());
        assert!(!spent.is_zero());
        assert_eq!((result.parts.len(), result.metrics.len(), result.auxiliaries.len()), (1, 1, 1));
        assert_eq!((result.auxiliaries[0].role.as_str(), result.auxiliaries[0].name.as_str()), ("encoder", "balance"));
        assert!(
            result.targets.is_some() && result.parts[0].sum.needs_gradient() && !result.metrics[0].sum.needs_gradient()
        );
    }
    assert_eq!((run.toy.live.counts(), run.guess.live.counts()), before, "a step leaves no handle behind");
    drop(objective);
    assert_eq!(run.guess.live.total(), 0);
}

#[test]
fn evaluation_gives_no_gradient_and_no_auxiliary() {
    let objective = run("{}").objective("{}").unwrap();
    let result = objective.loss(&Call::new(CallOptions::evaluation(7, 3, Device::Cpu)), &batch()).unwrap();
    assert!(result.auxiliaries.is_empty() && !result.parts[0].sum.needs_gradient());
}

#[test]
fn a_missing_role_says_which_section_to_add() {
    let error = run("{}").objective("teacher").err().unwrap();
    assert_eq!(
        (error.code.as_str(), error.text.as_str()),
        ("config/role", "objective `guess` needs a model for the role `teacher`")
    );
    assert!(error.help.unwrap().starts_with("add a section [model.teacher]"));
}

#[test]
fn a_family_s_refusal_names_both_frames() {
    let error = run("refuse").objective("{}").err().unwrap();
    assert_eq!(error.text, "`width` is not a multiple of `heads`");
    assert_eq!(error.frames, ["guess 0.1.0 new", "toy 0.1.0 build"]);
}

#[test]
fn wrong_hidden_rows_name_family_and_shape() {
    let objective = run("shape").objective("{}").unwrap();
    let error = objective.loss(&Call::new(step()), &batch()).err().unwrap();
    assert_eq!(error.code, "plugin/shape");
    assert_eq!(error.text, "toy 0.1.0 in the role `encoder` gives `hidden` of shape [6, 2], not [3, 4]");
}

#[test]
fn a_fault_inside_a_model_fails_it_and_names_the_layer() {
    let objective = run("fault").objective("{}").unwrap();
    let error = objective.loss(&Call::new(step()), &batch()).err().unwrap();
    assert_eq!(error.code, "tensor/shape");
    assert_eq!(error.frames, ["guess 0.1.0 loss", "toy 0.1.0 forward, layers.0"]);
    assert_eq!(frame::depth(), 0);
}

#[test]
fn weights_are_made_only_during_construction() {
    let objective = run("late").objective("{}").unwrap();
    let error = objective.loss(&Call::new(step()), &batch()).err().unwrap();
    assert_eq!(
        (error.code.as_str(), error.text.as_str()),
        ("plugin/scope", "model `encoder` (toy) asks for the weight `late` after it was made")
    );
}

#[test]
fn a_weight_of_a_model_is_found_by_its_name_and_shown_as_a_difference() {
    let run = run("{}");
    let _objective = run.objective("weight embedding").unwrap();
    let weights = &run.context.weights;
    let numbers = |value: compute::Value| value.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let (delta, base) = (weights.get("objective.delta").unwrap(), weights.get("encoder.embedding").unwrap());
    assert!(numbers(delta.value()).iter().all(|number| *number == 0.0), "a difference begins at none");
    assert_eq!(numbers(delta.materialise().unwrap()), numbers(base.value()));
    assert!(base.trainable() && delta.trainable());

    let error = self::run("{}").objective("weight embeding").err().unwrap();
    assert_eq!(
        (error.code.as_str(), error.text.as_str()),
        ("plugin/weight", "the model `encoder` (toy) has no weight `embeding`")
    );
    assert_eq!(error.help.as_deref(), Some("it begins with embedding"));
}

#[test]
fn a_listener_reads_and_replaces_at_a_site() {
    struct Zero;
    impl Listener for Zero {
        fn at(&self, role: &str, site: &str, tensor: &Tensor) -> Result<Option<Tensor>> {
            assert_eq!((role, site, tensor.dims()), ("encoder", "layers.0.output", &[3, 4][..]));
            Ok(Some(compute::ops::mul_scalar(tensor, 0.0)?))
        }
    }
    let objective = run("{}").objective("{}").unwrap();
    let mut listeners = Listeners::default();
    listeners.add("encoder", "layers.0.output", Arc::new(Zero));
    let result =
        objective.loss(&Call::new(CallOptions { listeners: Arc::new(listeners), ..step() }), &batch()).unwrap();
    let uniform = result.parts[0].sum.value().to_scalar::<f32>().unwrap() / 3.0;
    assert!((f64::from(uniform) - 10.0_f64.ln()).abs() < 1e-6, "all logits are 0");
}

#[test]
fn collation_draws_by_sample_whatever_the_batch() {
    let objective = run("{}").objective("{}").unwrap();
    let sample = |id: u64, first: usize| Sample {
        id,
        columns: [("text.tokens".to_owned(), ColumnData::U32(vec![1, 2, 3, 4, 5, 6, 7, 8].into()))].into(),
        first_rows: [("text".to_owned(), first)].into(),
    };
    let shown = |samples: Vec<Sample>, epoch: u64| {
        let collation = Collation::new(samples, 1, "guess", epoch);
        objective.collate(&Call::new(CallOptions::data(1)), &collation).unwrap();
        assert_eq!(collation.concatenated("text.tokens").unwrap().dims.len(), 1);
        collation.into_added().remove("text.shown").unwrap().data
    };
    let both = shown(vec![sample(4, 0), sample(9, 8)], 0);
    assert_eq!(both[..32], shown(vec![sample(4, 0)], 0));
    assert_eq!(both[32..], shown(vec![sample(9, 0)], 0));
    assert_ne!(both[..32], both[32..]);
    assert_ne!(both[..32], shown(vec![sample(4, 0)], 1));
}

#[test]
fn a_column_is_not_added_twice() {
    let column = || AddedColumn { dtype: compute::DType::Bool, dims: vec![1], data: vec![1] };
    let collation = Collation::new(Vec::new(), 1, "guess", 0);
    collation.add("chosen", column()).unwrap();
    assert_eq!(collation.add("chosen", column()).err().unwrap().code, "batch/column");
    assert!(
        collation
            .add("other", AddedColumn { dims: vec![2], ..column() })
            .err()
            .unwrap()
            .text
            .contains("column `other`")
    );
    assert!(
        collation.add("truth", AddedColumn { data: vec![2], ..column() }).err().unwrap().text.contains("not 0 or 1")
    );
}

#[test]
fn gradients_are_read_and_replaced() {
    let run = run("{}");
    let objective = run.objective("{}").unwrap();
    let own = run.context.weights.get("objective.scale").unwrap();
    let mut gradients = compute::Gradients::default();
    gradients.set(&own.leaf(), own.value().ones_like().unwrap());
    let gradients = objective.gradients(&Call::new(step()), gradients).unwrap();
    assert_eq!(gradients.get(&own.leaf()).unwrap().to_vec1::<f32>().unwrap(), [2.0]);
}

#[test]
fn state_goes_out_and_back() {
    let objective = run("{}").objective("{}").unwrap();
    let call = Call::new(step());
    assert_eq!(objective.save(&call).unwrap().as_deref(), Some("step 5"));
    objective.restore(&call, "step 5").unwrap();
    let error = objective.restore(&call, "step 6").err().unwrap();
    assert_eq!((error.code.as_str(), error.frames), ("plugin/state", vec!["guess 0.1.0 restore".to_owned()]));
}

#[test]
fn an_objective_that_does_not_predict_says_so() {
    let objective = run("{}").objective("{}").unwrap();
    let error =
        objective.predict(&Call::new(step()), &batch(), &Tensor::from_slice(&[0_i64], &[1], &Device::Cpu).unwrap());
    assert!(error.err().unwrap().text.contains("does not provide `lacuna.objective.evaluate/0`"));
}
