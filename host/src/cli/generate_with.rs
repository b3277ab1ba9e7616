//! `lacuna generate RUN --decoder NAME key=value`: sequences made by a plugin's decoder.

use serde_json::json;

use super::generate::{GenerateArguments, prompt_ids, prompts};
use super::{Common, Outcome, print_json};
use crate::decode::{DecodeRequest, Decoded, PictureCodes, Trained, decode, plugin_decoder};
use crate::error::{Error, Result};
use crate::models::{Opened, Pick, Stored};

pub(super) fn run(common: &Common, arguments: &GenerateArguments, plugin: &str) -> Result<Outcome> {
    if arguments.samples == 0 || arguments.tokens == 0 {
        return Err(Error::new("config/generate", "there is nothing to make: no sequence, or no token in one")
            .with_help("give --samples and --length at least 1"));
    }
    let given = arguments.prompt_ids.as_deref().map(prompt_ids).transpose()?;
    let catalogue = common.catalogue();
    let pick = Pick {
        role: arguments.role.clone(),
        checkpoint: arguments.checkpoint.clone(),
        averaged: !arguments.no_averages,
    };
    let stored = Stored::all(&arguments.run, &pick)?;
    let opened = stored.into_iter().map(|stored| Opened::build(stored, &catalogue)).collect::<Result<Vec<_>>>()?;
    let first = opened.first().ok_or_else(|| Error::new("config/role", "there is no model to decode with"))?;
    let trained = Trained {
        models: opened.iter().map(|opened| (opened.stored.role.clone(), opened.model.clone())).collect(),
        weights: first.context.weights.clone(),
        facts: first.context.facts.clone(),
        options: first.evaluation(),
    };
    let decoder = plugin_decoder(&catalogue, plugin, &arguments.settings, &trained)?;
    if let Some(codes) = PictureCodes::find(&opened) {
        return super::generate_pictures::run(common, arguments, &decoder, &trained, &codes);
    }
    let (tokenizer, prompts) = prompts(first, arguments, given)?;
    let (samples, length, seed) = (arguments.samples, arguments.tokens, arguments.seed);
    let request = DecodeRequest { prompts: &prompts, samples, length, seed, batch: arguments.batch as usize };
    let decoded = decode(&decoder, &trained.options, request)?;
    let Decoded { sequences, network_calls, seconds, entropy } = &decoded;
    let prompt_of = |number: usize| &prompts[number / samples];
    let calls: u64 = network_calls.iter().sum();
    if common.json {
        let text =
            |tokens: &Vec<u32>| tokenizer.as_ref().map(|tokenizer| Ok(tokenizer.decode(tokens, true)?)).transpose();
        let texts = sequences.iter().map(text).collect::<Result<Vec<Option<String>>>>()?;
        print_json(&json!({
            "run": arguments.run,
            "checkpoint": arguments.checkpoint,
            "decoder": plugin,
            "seed": arguments.seed,
            "prompt_ids": (0..sequences.len()).map(prompt_of).collect::<Vec<_>>(),
            "tokens": sequences,
            "texts": texts,
            "network_calls": calls,
            "network_calls_by_batch": network_calls,
            "seconds": seconds,
            "unigram_entropy": entropy.unigram,
            "sentence_entropy": entropy.sentence,
        }));
        return Ok(Outcome::Done);
    }
    for (number, tokens) in sequences.iter().enumerate() {
        let whole = [prompt_of(number), tokens].map(Vec::as_slice).concat();
        match &tokenizer {
            Some(tokenizer) => println!("{}", tokenizer.decode(&whole, true)?),
            None => println!("{}", whole.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")),
        }
    }
    let sentence = entropy.sentence;
    eprintln!(
        "{} sequences, {calls} network calls in {} batches, {seconds:.2} s; entropy of tokens {:.3} nats, of a sequence {sentence:.3}",
        sequences.len(),
        network_calls.len(),
        entropy.unigram,
    );
    Ok(Outcome::Done)
}
