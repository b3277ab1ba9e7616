//! GPT-2, Llama, Mistral and T5 give the hidden states, logits and texts that they give in transformers; see
//! `fixtures/make_decoders.py`. Decoding in steps gives what the whole gives.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "support/published.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod published;
#[allow(dead_code, reason = "shared with other tests")]
mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use compute::{Device, Tensor};
use lacuna::boundary::{Batch, CallOptions, Content, ForwardRequest, State, batch_object};
use lacuna::decode::{Beams, Decoder, Limits, Sampling, Written, generate, search};
use published::{Published, logits};
use support::{Built, difference, layout, numbers};

const CAUSAL: [&str; 5] = ["gpt2-a", "gpt2-b", "llama-a", "llama-b", "mistral-a"];
const ENCODER_DECODERS: [&str; 2] = ["t5-a", "t5-b"];
const TOLERANCE: f32 = 1e-4;

/// A pass of the decoder over whole sequences, or a step of it where there is a state.
fn decode(
    built: &Built,
    tokens: &[u32],
    lengths: &[usize],
    memory: Option<(&Tensor, &[usize])>,
    state: Option<&Arc<State>>,
    wanted: &[&str],
) -> BTreeMap<String, Tensor> {
    let tokens_n = Tensor::from_slice(tokens, &[tokens.len()], &Device::Cpu).unwrap();
    let mut inputs = vec![("tokens".to_owned(), Content::from(tokens_n))];
    if let Some((rows, lengths)) = memory {
        inputs.push(("memory".to_owned(), Content::from(rows.clone())));
        inputs.push(("memory.layout".to_owned(), Content::Layout(layout(lengths))));
    }
    let inputs = batch_object(inputs).unwrap();
    let keys: Vec<u64> = (0..lengths.len() as u64).collect();
    let layout = state.map_or_else(|| layout(lengths), |state| state.layout(lengths, &keys).unwrap());
    let layers = 0..u32::MAX;
    let request = ForwardRequest { workflow: "decode", inputs: &inputs, layout: &layout, masks: &[], layers, wanted };
    let outputs = match state {
        Some(state) => built.model.step(&built.call(false), state, &request).unwrap(),
        None => built.model.forward(&built.call(false), &request).unwrap(),
    };
    let Content::Batch(outputs) = outputs.content() else { panic!("the outputs are a batch") };
    outputs.names().into_iter().map(|name| (name.clone(), Batch::tensor(outputs, &name).unwrap())).collect()
}

/// Holds the outputs of a stack of `layers` blocks against what is expected under `prefix`.
fn hold(published: &Published, outputs: &BTreeMap<String, Tensor>, own: &str, prefix: &str, layers: usize) {
    let mut pairs = vec![("embeddings".to_owned(), "embeddings".to_owned()), ("hidden".into(), "hidden".into())];
    pairs.extend((0..layers - 1).map(|layer| (format!("{own}layers.{layer}.output"), format!("layers.{layer}"))));
    for (own, theirs) in pairs {
        let difference = difference(&outputs[&own], &published.expected(&format!("{prefix}{theirs}")));
        assert!(difference < TOLERANCE, "{prefix}{theirs} is off by {difference}");
    }
}

fn wanted(prefix: &str, layers: usize) -> Vec<String> {
    let outputs = (0..layers).map(|layer| format!("{prefix}layers.{layer}.output"));
    std::iter::once("embeddings".to_owned()).chain(outputs).collect()
}

fn count(published: &Published, key: &str) -> usize {
    published.settings()[key].as_u64().unwrap() as usize
}

#[test]
fn causal_models_give_the_hidden_states_and_logits_of_transformers() {
    for name in CAUSAL {
        let published = Published::read(name);
        let ((built, head), layers) = (published.build(), count(&published, "num_layers"));
        let wanted = wanted("", layers);
        for side in ["left", "right"] {
            let (tokens, lengths) = (published.tokens(&format!("{side}.tokens")), format!("{side}.lengths"));
            let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
            let outputs = built.run(&tokens, &published.lengths(&lengths), &wanted).unwrap();
            hold(&published, &outputs, "", &format!("{side}."), layers);
            let expected = published.expected(&format!("{side}.logits"));
            let difference = difference(&logits(&built, &head, &outputs["hidden"]), &expected);
            assert!(difference < TOLERANCE, "{name}, {side}: logits are off by {difference}");
        }
    }
}

#[test]
fn encoder_decoders_give_the_hidden_states_and_logits_of_transformers() {
    for name in ENCODER_DECODERS {
        let published = Published::read(name);
        let (built, head) = published.build();
        let (layers, decoder_layers) = (count(&published, "num_layers"), count(&published, "decoder_layers"));
        for side in ["left", "right"] {
            let tokens = published.tokens(&format!("{side}.tokens"));
            let lengths = published.lengths(&format!("{side}.lengths"));
            let of_encoder = wanted("", layers);
            let of_encoder: Vec<&str> = of_encoder.iter().map(String::as_str).collect();
            let encoded = built.run(&tokens, &lengths, &of_encoder).unwrap();
            hold(&published, &encoded, "", &format!("{side}."), layers);
            let of_decoder = wanted("decoder.", decoder_layers);
            let of_decoder: Vec<&str> = of_decoder.iter().map(String::as_str).collect();
            let (targets, target_lengths) = (published.tokens("decoder.tokens"), published.lengths("decoder.lengths"));
            let memory = Some((&encoded["hidden"], lengths.as_slice()));
            let decoded = decode(&built, &targets, &target_lengths, memory, None, &of_decoder);
            hold(&published, &decoded, "decoder.", &format!("{side}.decoder."), decoder_layers);
            let expected = published.expected(&format!("{side}.decoder.logits"));
            let difference = difference(&logits(&built, &head, &decoded["hidden"]), &expected);
            assert!(difference < TOLERANCE, "{name}, {side}: logits are off by {difference}");
        }
    }
}

/// Feeds the sequences in steps of so many tokens each, and holds each row against that of the whole pass.
fn in_steps(name: &str, built: &Built, tokens: &[u32], lengths: &[usize], memory: Option<(&Tensor, &[usize])>) {
    let workflow_needs_memory = memory.is_some();
    let whole = if workflow_needs_memory {
        decode(built, tokens, lengths, memory, None, &[])["hidden"].clone()
    } else {
        built.run(tokens, lengths, &[]).unwrap()["hidden"].clone()
    };
    let width = whole.dims()[1];
    let whole = numbers(&whole);
    let starts: Vec<usize> = (0..lengths.len()).map(|of| lengths[..of].iter().sum()).collect();
    for most in [1, 3, 100] {
        let state = built.model.begin_decoding(&built.call(false), lengths.len(), 2).unwrap();
        while state.lengths() != lengths {
            let past = state.lengths();
            // Sequences advance by different numbers of tokens, and some rest once they are through.
            let new: Vec<usize> =
                (0..lengths.len()).map(|of| (lengths[of] - past[of]).min(most + usize::from(most > 1) * of)).collect();
            let fed: Vec<u32> =
                (0..new.len()).flat_map(|of| tokens[starts[of] + past[of]..][..new[of]].to_vec()).collect();
            let first = past.iter().all(|length| *length == 0);
            let outputs = decode(built, &fed, &new, memory.filter(|_| first), Some(&state), &[]);
            let found = numbers(&outputs["hidden"]);
            let mut row = 0;
            for of in 0..new.len() {
                for place in past[of]..past[of] + new[of] {
                    let expected = &whole[(starts[of] + place) * width..][..width];
                    let off = found[row * width..][..width].iter().zip(expected).map(|(a, b)| (a - b).abs());
                    let off = off.fold(0.0, f32::max);
                    assert!(off < 2e-5, "{name}, steps of {most}, row {place} of sequence {of} is off by {off}");
                    row += 1;
                }
            }
        }
    }
}

#[test]
fn steps_give_what_the_whole_gives() {
    for name in CAUSAL {
        let published = Published::read(name);
        let (tokens, lengths) = (published.tokens("right.tokens"), published.lengths("right.lengths"));
        in_steps(name, &published.build().0, &tokens, &lengths, None);
    }
    for name in ENCODER_DECODERS {
        let published = Published::read(name);
        let (built, _) = published.build();
        let lengths = published.lengths("right.lengths");
        let encoded = built.run(&published.tokens("right.tokens"), &lengths, &[]).unwrap();
        let (tokens, target_lengths) = (published.tokens("decoder.tokens"), published.lengths("decoder.lengths"));
        in_steps(name, &built, &tokens, &target_lengths, Some((&encoded["hidden"], &lengths)));
    }
}

#[test]
fn texts_are_those_that_transformers_generates() {
    for name in CAUSAL.into_iter().chain(ENCODER_DECODERS) {
        let published = Published::read(name);
        let (built, head) = published.build();
        let decoder = Decoder::new(built.model.clone(), head, CallOptions::evaluation(3, 1, Device::Cpu));
        let (ids, mut start) = (published.tokens("generate.prompts"), 0);
        let prompts: Vec<Vec<u32>> = published
            .lengths("generate.prompt_lengths")
            .into_iter()
            .map(|length| {
                start += length;
                ids[start - length..start].to_vec()
            })
            .collect();
        let (end, tokens) = (published.tokens("generate.end")[0], published.lengths("generate.tokens")[0]);
        let tokens_of = |sequences: &[Written]| -> Vec<Vec<u32>> {
            sequences.iter().map(|written| written.tokens.clone()).collect()
        };
        for batch in [1, 3, 8] {
            let limits = Limits { tokens, end: Some(end), batch };
            let greedy = generate(&decoder, &prompts, Sampling::Greedy, 0, limits, &mut |_, _| ()).unwrap();
            assert_eq!(tokens_of(&greedy.sequences), published.rows("generate.greedy"), "{name}, greedy");
            let one = search(&decoder, &prompts, Beams::new(1, 1.0).unwrap(), limits).unwrap();
            assert_eq!(tokens_of(&one.sequences), tokens_of(&greedy.sequences), "{name}, one beam");
            for (kind, penalty) in [("beam", 1.0), ("long", 2.0), ("short", -1.0)] {
                let found = search(&decoder, &prompts, Beams::new(3, penalty).unwrap(), limits).unwrap().sequences;
                assert_eq!(tokens_of(&found), published.rows(&format!("generate.{kind}")), "{name}, {kind}");
                let expected = numbers(&published.expected(&format!("generate.{kind}_scores")));
                for (found, expected) in found.iter().zip(expected) {
                    let score = found.score.unwrap() as f32;
                    assert!((score - expected).abs() < 1e-4 * expected.abs(), "{name}, {kind}: {score}, {expected}");
                }
            }
        }
    }
}

#[test]
fn a_config_comes_back_as_it_was_read() {
    for name in CAUSAL.into_iter().chain(ENCODER_DECODERS) {
        let published = Published::read(name);
        let (built, _) = published.build();
        let written = built.model.hugging_face_config().unwrap().unwrap();
        let written: serde_json::Value = serde_json::from_str(&written).unwrap();
        let again = <transformer::Transformer as plugin_api::HuggingFace>::settings_of(&written).unwrap().unwrap();
        let (mut first, mut again) = (published.settings(), again);
        for settings in [&mut first, &mut again] {
            // Whether it was left out or given in full.
            for derived in ["head_dim", "ffn_width"] {
                settings.as_object_mut().unwrap().remove(derived);
            }
        }
        assert_eq!(first, again, "{name}");
        assert_eq!(written["model_type"], published.config["model_type"]);
        let architecture = &published.config["architectures"][0];
        assert_eq!(&written["architectures_by_head"]["tokens"], architecture, "{name}");
        assert!(published.has("right.hidden"));
    }
}

/// The error of a model of these settings, over a small vocabulary.
fn refusal(settings: &str) -> String {
    support::build(40, settings).err().expect("it is refused").text
}

#[test]
fn an_encoder_decoder_says_how_its_answers_begin() {
    let said = |settings: &str| -> serde_json::Value {
        serde_json::from_str(&support::build(40, settings).unwrap().model.description().json).unwrap()
    };
    let usual = r#""width":24,"num_heads":4,"num_layers":1"#;
    let padding = said(&format!("{{{usual},\"decoder_layers\":2}}"));
    assert_eq!((&padding["decoder_layers"], &padding["decoder_start_token"]), (&2.into(), &0.into()));
    assert_eq!(padding["causal"], false);
    let own = said(&format!("{{{usual},\"decoder_layers\":2,\"decoder_start\":7}}"));
    assert_eq!(own["decoder_start_token"], 7);
    assert!(said(&format!("{{{usual}}}")).get("decoder_layers").is_none());
    assert_eq!(
        refusal(&format!("{{{usual},\"decoder_layers\":2,\"decoder_start\":40}}")),
        "setting `decoder_start` is 40, and the vocabulary has 40 tokens"
    );
    assert_eq!(
        refusal(&format!("{{{usual},\"decoder_layers\":2,\"causal\":true}}")),
        "setting `decoder_layers` is given for a causal model"
    );
    assert_eq!(refusal(&format!("{{{usual},\"score_scale\":0.0}}")), "setting `score_scale` is not above 0");
    assert_eq!(
        refusal(&format!("{{{usual},\"positions\":\"relative\",\"bias_distance\":4}}")),
        "setting `bias_distance` is 4, and 8 buckets are for single distances already"
    );
    assert_eq!(
        refusal(r#"{"width":24,"num_heads":4,"head_dim":5,"positions":"rotary"}"#),
        "setting `positions` is `rotary`, which turns pairs, and a head is 5 wide"
    );
}

#[test]
fn a_decoder_without_anything_to_look_at_is_refused() {
    let built =
        support::build(40, r#"{"width":24,"num_heads":4,"num_layers":1,"decoder_layers":1,"dropout":0.0}"#).unwrap();
    let tokens_n = Tensor::from_slice(&[5_u32, 6], &[2], &Device::Cpu).unwrap();
    let inputs = batch_object([("tokens".to_owned(), Content::from(tokens_n))]).unwrap();
    let (layout, layers) = (layout(&[2]), 0..u32::MAX);
    let request =
        ForwardRequest { workflow: "decode", inputs: &inputs, layout: &layout, masks: &[], layers, wanted: &[] };
    let error = built.model.forward(&built.call(false), &request).err().expect("it is refused");
    assert_eq!(error.text, "the decoder has nothing to look at");
}

/// A model that is not one of ours, or asks for what we cannot do, is not taken for one.
#[test]
fn configs_that_cannot_be_met_are_refused_by_the_key() {
    let settings_of = <transformer::Transformer as plugin_api::HuggingFace>::settings_of;
    for (name, key, value) in [
        ("gpt2-a", "scale_attn_by_inverse_layer_idx", serde_json::json!(true)),
        (
            "llama-a",
            "rope_parameters",
            serde_json::json!({ "rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0 }),
        ),
        ("llama-a", "hidden_act", serde_json::json!("mish")),
        ("t5-a", "feed_forward_proj", serde_json::json!("gated-mish")),
        ("t5-a", "is_encoder_decoder", serde_json::json!(false)),
    ] {
        let mut config = Published::read(name).config;
        config[key] = value.clone();
        let error = settings_of(&config).unwrap_err();
        let expected = format!("config.json says `{key}`: {value}, which this family cannot do");
        assert_eq!(error.text(), expected, "{name}");
    }
    assert!(settings_of(&serde_json::json!({ "model_type": "mamba" })).unwrap().is_none());
}
