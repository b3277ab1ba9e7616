//! Codes of given numbers, and numbers of given codes: the golden values of the definition.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

// Links the objective, which the session finds beside this program.
use autoencode as _;
use compute::layout::Layout;
use compute::{Device, Tensor};
use lacuna::boundary::{Batch, Call, Content, ForwardRequest, batch_object};
use lacuna::conformance::beside_the_test;
use lacuna::error::Result;
use lacuna::train::Session;

fn session(settings: &str) -> Result<Session> {
    let catalogue = beside_the_test();
    let text = format!(
        "[run]\nsteps = 1\nbatch_rows = 3\n[data.image]\nheight = 8\nwidth = 12\nchannels = 2\nsamples = 3\nvalid_samples = 0\n\
         [model.tokenizer]\nfamily = 'fsq'\npatch_size = 4\nwidth = 16\nnum_layers = 1\nnum_heads = 2\n{settings}\
         [objective]\nuse = 'autoencode'\n"
    );
    let experiment = experiment::Experiment::from_text(&text, Path::new("codes.toml"), &[]).unwrap();
    Session::open(experiment, &catalogue, &mut |_, _, _| {})
}

/// Hidden rows (the values of the codes) and codes of an input of `rows` rows.
fn codes(session: &Session, name: &str, input: Tensor, rows: usize) -> Result<(Vec<f32>, Vec<i64>)> {
    let inputs = batch_object([(name.to_owned(), Content::from(input))])?;
    let layout = Layout::new(&[rows], &[0])?;
    let (layers, wanted) = (0..u32::MAX, &["codes"][..]);
    let request = ForwardRequest { workflow: "tokenize", inputs: &inputs, layout: &layout, masks: &[], layers, wanted };
    let outputs = session.models["tokenizer"].forward(&Call::new(session.evaluation()), &request)?;
    let Content::Batch(outputs) = outputs.content() else { panic!("the outputs are a batch") };
    let flat = |name: &str| Batch::tensor(outputs, name).unwrap().value().flatten_all().unwrap();
    Ok((flat("hidden").to_vec1().unwrap(), flat("codes").to_vec1().unwrap()))
}

#[test]
fn codes_are_those_of_the_definition() {
    let session = session("").unwrap_or_else(|error| panic!("{error}"));
    let latents: Vec<f32> = [[0.0; 3], [10.0; 3], [-10.0; 3], [0.3, -0.4, 1.0]].concat();
    let latents = Tensor::from_slice(&latents, &[4, 3], &Device::Cpu).unwrap();
    let (values, found) = codes(&session, "latents", latents, 4).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(found, [124, 239, 0, 213]);
    // Levels 5, 2, 4 of 8, 6, 5: values (level − ⌊L/2⌋) / ⌊L/2⌋.
    for (found, expected) in values[9..].iter().zip([1.0 / 4.0, -1.0 / 3.0, 2.0 / 2.0]) {
        assert!((found - expected).abs() < 1e-6, "{values:?}");
    }
}

#[test]
fn every_code_comes_back_from_its_values() {
    let session = session("").unwrap_or_else(|error| panic!("{error}"));
    let all: Vec<i64> = (0..240).collect();
    let given = Tensor::from_slice(&all, &[240], &Device::Cpu).unwrap();
    let (values, _) = codes(&session, "codes", given, 240).unwrap_or_else(|error| panic!("{error}"));
    // The number that is rounded to a level is the inverse of the bound.
    let levels = [8.0_f64, 6.0, 5.0];
    let latents: Vec<f32> = values
        .iter()
        .enumerate()
        .map(|(at, value)| {
            let level = levels[at % 3];
            let (half, offset) = ((level - 1.0) * 0.999 / 2.0, if level % 2.0 == 0.0 { 0.5 } else { 0.0 });
            let bounded = (f64::from(*value) * (level / 2.0).floor() + offset).clamp(-0.999 * half, 0.999 * half);
            ((bounded / half).atanh() - (offset / half).tan()) as f32
        })
        .collect();
    let latents = Tensor::from_slice(&latents, &[240, 3], &Device::Cpu).unwrap();
    let (again, found) = codes(&session, "latents", latents, 240).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(found, all);
    assert!(again.iter().zip(&values).all(|(a, b)| (a - b).abs() < 1e-6));
    let none = Tensor::from_slice(&[240_i64], &[1], &Device::Cpu).unwrap();
    let error = codes(&session, "codes", none, 1).unwrap_err().to_string();
    assert!(error.contains("the code 240 is none of 0 to 239"), "{error}");
}

#[test]
fn levels_that_make_no_codes_are_refused() {
    for levels in ["[]", "[4096, 4096, 4096]"] {
        let error = session(&format!("levels = {levels}\n")).err().unwrap().to_string();
        assert!(error.contains("levels"), "{error}");
    }
}
