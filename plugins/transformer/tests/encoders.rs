//! BERT, RoBERTa, ELECTRA, DeBERTa-v2, ModernBERT, MosaicBERT and LTG-BERT give the hidden states and logits that they
//! give in transformers or by their definitions; see `fixtures/make_encoders.py`.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "support/published.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod published;
#[allow(dead_code, reason = "shared with other tests")]
mod support;

use std::collections::BTreeMap;

use compute::{Device, Tensor};
use lacuna::boundary::{Batch, Content, ForwardRequest, batch_object};
use plugin_api::HuggingFace;
use published::{Published, logits};
use serde_json::{Value as Json, json};
use support::{Built, difference, layout, numbers};
use transformer::Transformer;

const PUBLISHED: [&str; 18] = [
    "bert-a",
    "bert-b",
    "roberta-a",
    "roberta-b",
    "roberta-c",
    "electra-a",
    "electra-b",
    "electra-c",
    "electra-d",
    "deberta-a",
    "deberta-b",
    "deberta-c",
    "deberta-d",
    "modernbert-a",
    "modernbert-b",
    "modernbert-c",
    "mosaicbert-a",
    "mosaicbert-b",
];
const LTG: [&str; 2] = ["ltg-a", "ltg-b"];
const SIDES: [&str; 2] = ["left", "right"];
const TOLERANCE: f32 = 1e-4;

/// The head that an architecture's fixture has.
fn head_of(published: &Published) -> (&'static str, u64) {
    let classes = published.has("right.classes_logits");
    match () {
        () if classes => ("classes", published.expected("right.classes_logits").dims()[1] as u64),
        () if published.has("right.scalar_logits") => ("scalar", 0),
        () => ("tokens", 0),
    }
}

/// All outputs for the sequences of a side, which may have types and positions.
fn outputs(published: &Published, built: &Built, side: &str, wanted: &[&str]) -> BTreeMap<String, Tensor> {
    let given = |name: &str| published.tokens(&format!("{side}.{name}"));
    let mut inputs = vec![("tokens", given("tokens"))];
    for (own, theirs) in [("token_types", "types"), ("positions", "positions")] {
        if published.has(&format!("{side}.{theirs}")) {
            inputs.push((own, given(theirs)));
        }
    }
    let inputs = inputs.into_iter().map(|(name, numbers)| {
        (name.to_owned(), Content::from(Tensor::from_slice(&numbers, &[numbers.len()], &Device::Cpu).unwrap()))
    });
    let inputs = batch_object(inputs.collect::<Vec<_>>()).unwrap();
    let layout = layout(&published.lengths(&format!("{side}.lengths")));
    let layers = 0..u32::MAX;
    let request = ForwardRequest { workflow: "encode", inputs: &inputs, layout: &layout, masks: &[], layers, wanted };
    let outputs = built.model.forward(&built.call(false), &request).unwrap();
    let Content::Batch(outputs) = outputs.content() else { panic!("the outputs are a batch") };
    outputs.names().into_iter().map(|name| (name.clone(), Batch::tensor(outputs, &name).unwrap())).collect()
}

fn rows(tensor: &Tensor, rows: &[usize]) -> Tensor {
    let rows: Vec<u32> = rows.iter().map(|row| *row as u32).collect();
    let rows = compute::Value::from_slice(&rows, rows.len(), &Device::Cpu).unwrap();
    Tensor::constant(tensor.value().index_select(&rows, 0).unwrap())
}

/// Fails with all that is wrong.
fn nothing_is_wrong(wrong: &[String]) {
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn hidden_states_and_logits_are_those_of_the_originals() {
    let mut wrong = Vec::new();
    for name in PUBLISHED.into_iter().chain(LTG) {
        let published = Published::read(name);
        let (kind, size) = head_of(&published);
        let (built, head) = published.build_with(&[], kind, size);
        let layers = published.settings()["num_layers"].as_u64().unwrap();
        let mut pairs = vec![("embeddings".to_owned(), "embeddings".to_owned()), ("hidden".into(), "hidden".into())];
        pairs.extend((0..layers).map(|layer| (format!("layers.{layer}.output"), format!("layers.{layer}"))));
        let wanted: Vec<&str> = pairs.iter().map(|(own, _)| own.as_str()).filter(|own| *own != "hidden").collect();
        for side in SIDES {
            let outputs = outputs(&published, &built, side, &wanted);
            let mut hold = |what: &str, found: &Tensor, expected: &str| {
                let off = difference(found, &published.expected(&format!("{side}.{expected}")));
                if off.is_nan() || off >= TOLERANCE {
                    wrong.push(format!("{name}, {side}: {what} is off by {off}"));
                }
            };
            for (own, theirs) in &pairs {
                hold(own, &outputs[own], theirs);
            }
            let expected = format!("{kind}_logits");
            if !published.has(&format!("{side}.{expected}")) {
                continue;
            }
            let hidden_nd = match kind {
                "classes" => {
                    let lengths = published.lengths(&format!("{side}.lengths"));
                    let first: Vec<usize> = (0..lengths.len()).map(|of| lengths[..of].iter().sum()).collect();
                    rows(&outputs["hidden"], &first)
                }
                _ => outputs["hidden"].clone(),
            };
            hold(kind, &logits(&built, &head, &hidden_nd), &expected);
        }
    }
    nothing_is_wrong(&wrong);
}

/// What a `config.json` says survives the way to settings and back.
#[test]
fn a_config_is_written_as_it_was_read() {
    let mut wrong = Vec::new();
    for name in PUBLISHED {
        let published = Published::read(name);
        let (kind, size) = head_of(&published);
        let (built, _) = published.build_with(&[], kind, size);
        let written: Json = match built.model.hugging_face_config() {
            Ok(written) => serde_json::from_str(&written.unwrap()).unwrap(),
            Err(error) => {
                wrong.push(format!("{name}: {}", error.text));
                continue;
            }
        };
        let mut again = written.clone();
        again["architectures"] = json!([written["architectures_by_head"][kind]]);
        let mut hold = |what: &str, found: &Json, expected: &Json| {
            if found != expected {
                wrong.push(format!("{name}: {what} is {found}, not {expected}"));
            }
        };
        hold("what it means", &Transformer::settings_of(&again).unwrap().unwrap(), &published.settings());
        for key in
            ["model_type", "architectures", "hidden_size", "vocab_size", "max_position_embeddings", "type_vocab_size"]
        {
            if let (Some(written), Some(read)) = (again.get(key), published.config.get(key)) {
                hold(key, written, read);
            }
        }
    }
    nothing_is_wrong(&wrong);
}

#[test]
fn settings_of_no_architecture_have_no_config() {
    let published = Published::read("deberta-a");
    for (setting, value) in [
        ("attention_gate", json!(true)),
        ("causal", json!(true)),
        ("mlp_norm", json!(true)),
        ("window", json!(4)),
        ("positions", json!("rotary")),
    ] {
        let mut settings = published.settings();
        settings[setting] = value;
        if setting == "positions" {
            settings["num_heads"] = json!(1);
            settings["width"] = json!(16);
        }
        let built = support::build(61, &settings.to_string()).unwrap();
        let error = built.model.hugging_face_config().unwrap_err();
        assert_eq!(error.text, "no published architecture has these settings", "{setting}");
    }
}

#[test]
fn low_rank_changes_have_no_config() {
    let (built, _) = Published::read("bert-a").build_with(&[("lora_rank", json!(2))], "tokens", 0);
    let error = built.model.hugging_face_config().unwrap_err();
    assert_eq!(error.text, "low-rank changes have no place in a published folder");
}

#[test]
fn what_a_config_asks_for_in_vain_is_named() {
    let mut deberta = Published::read("deberta-a").config;
    deberta["conv_kernel_size"] = json!(3);
    let error = Transformer::settings_of(&deberta).unwrap_err();
    assert_eq!(error.text(), "config.json says `conv_kernel_size`: 3, which this family cannot do");
    let mut modern = Published::read("modernbert-a").config;
    modern["layer_types"] = json!(["full_attention", "full_attention", "sliding_attention", "full_attention"]);
    assert!(Transformer::settings_of(&modern).unwrap_err().text().contains("`layer_types`"));
    let mut roberta = Published::read("roberta-a").config;
    roberta["pad_token_id"] = json!(100);
    assert!(Transformer::settings_of(&roberta).unwrap_err().text().contains("`pad_token_id`: 100"));
}

/// A causal LTG-BERT in steps gives what it gives at once.
#[test]
fn relative_positions_are_decoded_in_steps() {
    let published = Published::read("ltg-b");
    let (built, _) = published.build();
    let (tokens, lengths) = (published.tokens("right.tokens"), published.lengths("right.lengths"));
    let whole = numbers(&built.run(&tokens, &lengths, &[]).unwrap()["hidden"]);
    let starts: Vec<usize> = (0..lengths.len()).map(|of| lengths[..of].iter().sum()).collect();
    let width = whole.len() / tokens.len();
    for most in [1, 3, 100] {
        let state = built.model.begin_decoding(&built.call(false), lengths.len(), 2).unwrap();
        while state.lengths() != lengths {
            let past = state.lengths();
            let new: Vec<usize> =
                (0..lengths.len()).map(|of| (lengths[of] - past[of]).min(most + usize::from(most > 1) * of)).collect();
            let fed: Vec<u32> =
                (0..new.len()).flat_map(|of| tokens[starts[of] + past[of]..][..new[of]].to_vec()).collect();
            let layout = state.layout(&new, &[0, 1, 2]).unwrap();
            let fed = Tensor::from_slice(&fed, &[fed.len()], &Device::Cpu).unwrap();
            let inputs = batch_object([("tokens".to_owned(), Content::from(fed))]).unwrap();
            let layers = 0..u32::MAX;
            let request = ForwardRequest {
                workflow: "decode",
                inputs: &inputs,
                layout: &layout,
                masks: &[],
                layers,
                wanted: &[],
            };
            let outputs = built.model.step(&built.call(false), &state, &request).unwrap();
            let Content::Batch(outputs) = outputs.content() else { panic!("the outputs are a batch") };
            let found = numbers(&outputs.tensor("hidden").unwrap());
            let places = (0..new.len()).flat_map(|of| (past[of]..past[of] + new[of]).map(move |place| (of, place)));
            for (row, (of, place)) in places.enumerate() {
                let expected = &whole[(starts[of] + place) * width..][..width];
                let off = found[row * width..][..width].iter().zip(expected).map(|(a, b)| (a - b).abs());
                let off = off.fold(0.0, f32::max);
                assert!(off < 2e-5, "steps of {most}, row {place} of sequence {of} is off by {off}");
            }
        }
    }
}
