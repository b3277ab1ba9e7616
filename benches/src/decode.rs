//! The case decode: `lacuna generate` on a trained model against PyTorch with a cache, greedy, one text and eight.

use std::fmt::Write;

use records::TensorFile;
use serde_json::{Value as Json, json};

use crate::error::{Error, Result};
use crate::measure::median;
use crate::products::Products;
use crate::program::{Work, lacuna, number};
use crate::python::{Python, Script};
use crate::report::Line;
use crate::training::Effort;

const EXPERIMENT: &str = "benches/cases/clm-step.toml";
/// Steps that the model learns first, faster than in its case: logits of an untrained one lie too close together to tell a
/// mistake from rounding.
const TRAINED_STEPS: usize = 120;
/// Tokens of a prompt.
const PROMPT: usize = 32;
/// New tokens of each text.
const TOKENS: usize = 256;
/// Tokens at the beginning of each text that must be the same on both sides. Later ones may part where two logits are equal but
/// for rounding.
const AGREEING: usize = 32;
/// What the other side may be: PyTorch with its own cache, the same compiled, transformers' `generate`.
const OTHERS: [&str; 3] = ["eager", "compile", "transformers"];
const PRODUCT_ROUNDS: usize = 15;

/// Measures the case: a line each for 1 and 8 texts, in milliseconds per token of each text, the prompt's share included.
///
/// # Errors
/// When a side fails or they do not write the same.
pub fn measure(python: &Python, effort: Effort) -> Result<Vec<Line>> {
    let work = Work::new("decode")?;
    let steps = format!("run.steps={}", TRAINED_STEPS / effort.thinned);
    let (run, batches) = (work.path("run").display().to_string(), work.path("batches.safetensors"));
    lacuna(&["run", EXPERIMENT, &steps, "optimizer.learning_rate=0.002", "--out", &run, "--json"], &work, "run")?;
    let output = batches.display().to_string();
    lacuna(&["data", "inspect", EXPERIMENT, "--batches", "1", "--output", &output, "--json"], &work, "batches")?;
    let prompts = prompts(&TensorFile::open(&batches)?)?;

    let mut command = python.script("decode.py");
    command.arg(work.folder());
    let (mut script, _) = Script::start(&mut command, "benches/python/decode.py", &work.path("torch.log"))?;
    [1, 8].into_iter().map(|texts| measure_one(texts, &prompts, &work, &mut script, effort)).collect()
}

fn measure_one(texts: usize, prompts: &[Vec<u32>], work: &Work, script: &mut Script, effort: Effort) -> Result<Line> {
    let case = format!("decode-{texts}");
    let file = work.path(&format!("prompts-{texts}.jsonl"));
    let mut lines = String::new();
    for prompt in prompts.iter().take(texts) {
        // Writing to a String never fails.
        let _ = writeln!(lines, "{}", json!({ "input_ids": prompt }));
    }
    std::fs::write(&file, lines).map_err(Error::io("write", &file))?;
    let mut other = |how: &str| -> Result<Json> {
        script.ask("generate", json!({ "how": how, "prompts": prompts[..texts], "tokens": TOKENS }))
    };
    let own = || -> Result<(Json, f64)> {
        let (run, file, tokens) =
            (work.path("run").display().to_string(), file.display().to_string(), TOKENS.to_string());
        let arguments =
            ["generate", &run, "--prompt-ids", &file, "--tokens", &tokens, "--greedy", "--ignore-end", "--json"];
        let said = lacuna(&arguments, work, &format!("generate-{texts}"))?;
        Ok((said.json, said.mib))
    };

    let wanted = own()?.0["tokens"].clone();
    let mut fastest: Option<(f64, &str)> = None;
    for how in OTHERS {
        // The first answer warms up, or compiles.
        let answer = other(how).and_then(|_| other(how));
        let answer = match answer {
            Ok(answer) if answer["error"].is_null() => answer,
            Ok(answer) => {
                eprintln!("{case}: {how} fails: {}", answer["error"]);
                continue;
            }
            Err(error) => return Err(error),
        };
        agree(&case, &wanted, &answer["tokens"])?;
        let seconds = number(&answer, "seconds");
        eprintln!("{case}: {how} {:.3} ms a token", seconds * 1e3 / TOKENS as f64);
        if fastest.is_none_or(|(least, _)| seconds < least) {
            fastest = Some((seconds, how));
        }
    }
    let Some((_, how)) = fastest else {
        return Err(Error::Case { case, reason: "no way of generating works in PyTorch".into() });
    };

    let (mut ours, mut theirs, mut mib) = (Vec::new(), Vec::new(), (0.0_f64, 0.0_f64));
    for _ in 0..effort.pairs {
        let (said, memory) = own()?;
        ours.push(number(&said, "seconds") * 1e3 / TOKENS as f64);
        mib.0 = mib.0.max(memory);
        let answer = other(how)?;
        theirs.push(number(&answer, "seconds") * 1e3 / TOKENS as f64);
        mib.1 = number(&answer, "mib");
    }
    let products = products(texts);
    let asked = json!({ "products": products.to_json(), "rounds": PRODUCT_ROUNDS });
    let mkl = number(&script.ask("products", asked)?, "milliseconds");
    let own = products.milliseconds(PRODUCT_ROUNDS)?;
    Ok(Line::versus(&case, (median(ours), median(theirs)), Some(mkl.min(own)), mib)
        .with("torch", how)
        .with("products_ms", format!("{own:.3}"))
        .with("mkl_ms", format!("{mkl:.3}")))
}

/// The products with weights that one token of each text takes: Llama 6 × 384, SwiGLU 1024, vocabulary 8192.
fn products(texts: usize) -> Products {
    let (layers, width, ffn, vocabulary) = (6.0, 384, 1024, 8192);
    let mut products = Products::default();
    products.forward(layers, texts, width, 3 * width);
    products.forward(layers, texts, width, width);
    products.forward(layers, texts, width, 2 * ffn);
    products.forward(layers, texts, ffn, width);
    products.forward(1.0, texts, width, vocabulary);
    products
}

/// The first tokens of each text of the first batch.
fn prompts(batches: &TensorFile) -> Result<Vec<Vec<u32>>> {
    let (_, shape, bytes) = batches.view("0/text.tokens")?;
    let tokens: Vec<u32> =
        bytes.chunks_exact(4).map(|four| u32::from_le_bytes(four.try_into().unwrap_or_default())).collect();
    let (_, texts, _) = batches.view("0/text.sequences")?;
    let length = shape[0] / texts[0].max(1);
    Ok(tokens.chunks(length.max(1)).map(|text| text[..PROMPT.min(text.len())].to_vec()).collect())
}

fn agree(case: &str, lacuna: &Json, torch: &Json) -> Result<()> {
    let texts = lacuna.as_array().map_or(0, Vec::len);
    if texts == 0 || torch.as_array().map_or(0, Vec::len) != texts {
        return Err(Error::Case {
            case: case.to_owned(),
            reason: format!("{texts} texts in Lacuna, {torch} in PyTorch"),
        });
    }
    for text in 0..texts {
        if let Some(token) = (0..AGREEING).find(|at| lacuna[text][at].is_null() || lacuna[text][at] != torch[text][at])
        {
            return Err(Error::Tokens { case: case.to_owned(), text, token, wanted: AGREEING });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn texts_agree_or_name_the_first_token_that_differs() {
        let text: Vec<usize> = (0..TOKENS).collect();
        let mut other = text.clone();
        other[AGREEING] = 0;
        assert!(agree("toy", &json!([text]), &json!([other])).is_ok());
        other[7] = 0;
        let error = agree("toy", &json!([text]), &json!([other])).unwrap_err();
        assert!(error.to_string().contains("token 7"), "{error}");
        assert!(agree("toy", &json!([text, text]), &json!([text])).is_err());
        assert!(agree("toy", &json!([[1, 2]]), &json!([[1, 2]])).is_err(), "both too short");
    }
}
