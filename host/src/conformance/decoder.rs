//! What a decoder has to hold.

use super::objective::{Outcome, SEED};
use super::report::Report;
use super::{Options, samples, schema, world};
use crate::boundary::{Call, DecoderInstance, Scope};
use crate::decode::prompts_object;
use crate::error::{Error, Result};
use crate::loader::{Catalogue, Found, Plugin};
use lacuna_abi::name;
use serde_json::Value as Json;

const SUBJECT: &str = "decoder";
/// New tokens of each sequence.
const LENGTH: usize = 6;
/// Prompts of different lengths, one of them empty, with the numbers that draws go by.
const PROMPTS: [(u32, &[u32]); 4] = [(3, &[116, 104, 101]), (8, &[]), (11, &[32]), (12, &[110, 111])];

pub(super) fn check(catalogue: &Catalogue, found: &Found, options: &Options, report: &mut Report) -> Result<()> {
    let made = match Made::new(catalogue, found, options) {
        Ok(made) => made,
        Err(error) if error.code().starts_with("config/") && error.frames.is_empty() => return Err(error),
        Err(error) => {
            report.add(SUBJECT, "creates", Err(error.to_string()));
            return Ok(());
        }
    };
    report.add(SUBJECT, "creates", Ok(format!("over an untrained {}", options.family)));
    let mut add = |check: &'static str, outcome: Outcome| {
        let outcome = outcome.unwrap_or_else(|error| Err(error.to_string()));
        let held = outcome.is_ok();
        report.add(SUBJECT, check, outcome);
        held
    };
    if add("tokens", made.tokens()) {
        add("same-seed", made.same_seed());
        add("company", made.company());
    }
    Ok(())
}

struct Made(DecoderInstance);

impl Made {
    fn new(catalogue: &Catalogue, found: &Found, options: &Options) -> Result<Self> {
        let family = catalogue.find(&options.family)?;
        let (of_decoder, others): (Vec<String>, Vec<String>) =
            options.overrides.iter().cloned().partition(|text| text.starts_with("decoder."));
        let others = others.into_iter().filter(|text| text.starts_with("model.")).collect();
        let family_settings =
            world::settings(catalogue, None, &family, &Options { overrides: others, ..options.clone() })?;
        let given = experiment::Table::of_arguments("decoder", &of_decoder)?;
        let settings = schema(found, name::DECODER).check(&format!("decoder `{}`", found.manifest.name), &given)?;
        let context = world::context(Plugin::open(&family.path, &family.manifest)?, &family_settings);
        // An untrained model has no heads to lend: the scope makes them.
        let scope = Scope::new(&context, "decoder", &format!("decoder `{}`", found.manifest.name));
        let plugin = Plugin::open(&found.path, &found.manifest)?;
        Ok(Self(DecoderInstance::create(&plugin, &scope, &Json::Object(settings).to_string())?))
    }

    fn decode(&self, prompts: &[(u32, &[u32])], seed: u64) -> Result<(Vec<Vec<u32>>, u64)> {
        let options = world::options(seed, false, false);
        let call = Call::new(options.clone());
        let sequences = self.0.decode(&call, &prompts_object(prompts, &options)?, prompts.len(), LENGTH)?;
        Ok((sequences, call.passes()))
    }

    fn tokens(&self) -> Outcome {
        let (sequences, calls) = self.decode(&PROMPTS, SEED)?;
        let vocabulary: Json = serde_json::from_str(&samples::facts()["text"])
            .map_err(|error| Error::new("host/facts", error.to_string()))?;
        let (size, mask) = (vocabulary["size"].as_u64(), vocabulary["mask"].as_u64());
        for token in sequences.iter().flatten().map(|token| u64::from(*token)) {
            if Some(token) >= size || Some(token) == mask {
                return Ok(Err(format!("it writes the token {token}, which is no token of a text")));
            }
        }
        let made: usize = sequences.iter().map(Vec::len).sum();
        Ok(if made == 0 {
            Err("it writes nothing".into())
        } else {
            Ok(format!("{made} tokens for {} prompts in {calls} network calls", PROMPTS.len()))
        })
    }

    fn same_seed(&self) -> Outcome {
        let (first, second) = (self.decode(&PROMPTS, SEED)?.0, self.decode(&PROMPTS, SEED)?.0);
        if first != second {
            return Ok(Err(format!(
                "seed {SEED} gave {first:?} and then {second:?}; draw from the host's streams only"
            )));
        }
        let other = self.decode(&PROMPTS, SEED + 1)?.0 == first;
        Ok(Ok(format!("the same tokens twice; another seed gives {} ones", if other { "the same" } else { "other" })))
    }

    /// A sequence becomes the same whatever it is decoded with.
    fn company(&self) -> Outcome {
        let together = self.decode(&PROMPTS, SEED)?.0;
        for (prompt, expected) in PROMPTS.iter().zip(&together) {
            let alone = self.decode(std::slice::from_ref(prompt), SEED)?.0;
            if alone.first() != Some(expected) {
                return Ok(Err(format!("alone {alone:?} is written where it was {expected:?} in company")));
            }
        }
        Ok(Ok(format!("{} sequences, the same alone and together", PROMPTS.len())))
    }
}
