//! Hidden states and logits equal those of transformers' `BertForMaskedLM`; see `data/make_bert_tiny.py`.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::HashMap;

use compute::{Device, Value};
use safetensors::{Dtype, SafeTensors};

const SETTINGS: &str = r#"{"width":32,"num_layers":2,"num_heads":4,"ffn_width":72,"causal":false,"positions":"learned",
    "maximum_length":19,"rotary_base":10000.0,"norm":"layer","pre_norm":false,"norm_epsilon":1e-12,"activation":"gelu",
    "glu":false,"bias":true,"dropout":0.1,"attention_dropout":0.1,"token_types":2,"tied_head":true,"pooler":false,
    "initial_std":0.02}"#;
const TOLERANCE: f32 = 1e-4;

struct Fixture(HashMap<String, Value>);

impl Fixture {
    fn read() -> Self {
        let bytes = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/bert-tiny.safetensors")).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let values = file.tensors().into_iter().map(|(name, view)| {
            let value = match view.dtype() {
                Dtype::F32 => {
                    let data: Vec<f32> =
                        view.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
                    Value::from_vec(data, view.shape(), &Device::Cpu)
                }
                _ => {
                    let data: Vec<i64> =
                        view.data().as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect();
                    Value::from_vec(data, view.shape(), &Device::Cpu)
                }
            };
            (name, value.unwrap())
        });
        Self(values.collect())
    }

    fn get(&self, name: &str) -> &Value {
        self.0.get(name).unwrap_or_else(|| panic!("the fixture has no {name}"))
    }

    fn ids(&self, name: &str) -> Vec<i64> {
        self.get(name).to_vec1().unwrap()
    }

    fn tensor(&self, name: &str) -> compute::Tensor {
        compute::Tensor::constant(self.get(name).clone())
    }
}

#[test]
fn hidden_states_and_logits_are_those_of_transformers() {
    let fixture = Fixture::read();
    let built = support::build(97, SETTINGS).unwrap();
    let logits = built.head("tokens", 0).unwrap();

    // Every weight finds its value under BERT's name, and every value its weight.
    let mut left: Vec<&String> =
        fixture.0.keys().filter(|name| name.contains("bert.") || name.contains("cls.")).collect();
    for weight in built.context.weights.all() {
        let name = match (weight.name().strip_prefix("encoder."), weight.name().find("cls.")) {
            (Some(name), None) => format!("bert.{name}"),
            (_, Some(start)) => weight.name()[start..].to_owned(),
            _ => panic!("a weight of nobody: {}", weight.name()),
        };
        weight.set_value(fixture.get(&name)).unwrap();
        left.retain(|known| **known != name);
    }
    assert!(left.is_empty(), "no weight for {left:?}");

    let tokens: Vec<u32> = fixture.ids("input.tokens").into_iter().map(|id| id as u32).collect();
    let lengths: Vec<usize> = fixture.ids("input.lengths").into_iter().map(|length| length as usize).collect();
    let outputs = built.run(&tokens, &lengths, &["embeddings", "layers.0.output"]).unwrap();
    for (own, theirs) in
        [("embeddings", "output.embeddings"), ("layers.0.output", "output.layers.0"), ("hidden", "output.layers.1")]
    {
        let difference = support::difference(&outputs[own], &fixture.tensor(theirs));
        assert!(difference < TOLERANCE, "{own} is off by {difference}");
    }
    let difference = support::difference(&logits(&outputs["hidden"]).unwrap(), &fixture.tensor("output.logits"));
    assert!(difference < TOLERANCE, "logits are off by {difference}");
}

#[test]
fn the_table_of_names_covers_the_weights_of_a_bert() {
    let fixture = Fixture::read();
    let built = support::build(97, SETTINGS).unwrap();
    let table = built.model.hugging_face().unwrap().unwrap();
    for name in fixture.0.keys().filter(|name| name.starts_with("bert.") || name.starts_with("cls.")) {
        assert!(table.contains(&format!("\"{name}\"")), "{name} is missing in {table}");
    }
    let config = built.model.hugging_face_config().unwrap().unwrap();
    assert!(config.contains("\"hidden_size\":32") && config.contains("\"model_type\":\"bert\""), "{config}");
    let decoder = support::build(97, &SETTINGS.replace("\"causal\":false", "\"causal\":true")).unwrap();
    let error = decoder.model.hugging_face_config().unwrap_err();
    assert_eq!(error.code, "plugin/unsupported");
}
