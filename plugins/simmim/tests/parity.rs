//! The loss on given masks is that of transformers' `ViTForMaskedImageModeling`; see `plugins/vit/tests/fixtures/make.py`.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::Path;

use compute::{Device, Tensor, Value};
use lacuna::boundary::{Call, Content, batch_object};
use lacuna::conformance::beside_the_test;
use lacuna::huggingface::{ImportOptions, import};
use lacuna::train::Session;
use records::{TensorBytes, TensorFile};
use simmim::masking::append_patch;

const PICTURE: [usize; 3] = [3, 15, 15];
const PATCH: usize = 5;
const PATCHES: usize = 9;
const ROWS: usize = PATCHES + 1;

fn tensors(file: &Path) -> BTreeMap<String, TensorBytes> {
    let tensors = TensorFile::open(file).unwrap().tensors().unwrap();
    tensors.into_iter().map(|tensor| (tensor.name.clone(), tensor)).collect()
}

fn floats(tensor: &TensorBytes) -> Vec<f32> {
    tensor.bytes.as_chunks().0.iter().map(|word| f32::from_le_bytes(*word)).collect()
}

/// The loss where the encoder sees `seen` and `pixels` are to be predicted, at the patches that `masked` says.
fn loss(session: &Session, seen: &[f32], pixels: &[f32], masked: &[bool]) -> f32 {
    let count = masked.len() / PATCHES;
    let (mut predicted, mut targets) = (Vec::<i64>::new(), Vec::new());
    for at in (0..masked.len()).filter(|at| masked[*at]) {
        let (picture, patch) = (at / PATCHES, at % PATCHES);
        predicted.push((picture * ROWS + 1 + patch) as i64);
        let own = &pixels[picture * PICTURE.iter().product::<usize>()..];
        append_patch(own, PICTURE, PATCH, patch, &mut targets);
    }
    let tensor = |made: compute::Result<Tensor>| Content::from(made.unwrap());
    let flags: Vec<u8> = masked.iter().map(|masked| u8::from(*masked)).collect();
    let flags = Tensor::from_slice(&flags, &[flags.len()], &Device::Cpu).unwrap();
    let [channels, height, width] = PICTURE;
    let batch = batch_object([
        ("image.pixels".to_owned(), tensor(Tensor::from_slice(seen, &[count, channels, height, width], &Device::Cpu))),
        ("simmim.masked".to_owned(), tensor(compute::ops::cast(&flags, compute::DType::Bool))),
        ("simmim.predicted".to_owned(), tensor(Tensor::from_slice(&predicted, &[predicted.len()], &Device::Cpu))),
        (
            "simmim.targets".to_owned(),
            tensor(Tensor::from_slice(&targets, &[predicted.len(), channels * PATCH * PATCH], &Device::Cpu)),
        ),
        ("simmim.keys".to_owned(), tensor(Tensor::from_slice(&vec![0_i64; count], &[count], &Device::Cpu))),
        ("simmim.rows".to_owned(), tensor(Tensor::from_slice(&vec![ROWS as u32; count], &[count], &Device::Cpu))),
    ])
    .unwrap();
    let call = Call::new(session.evaluation());
    let result = session.stepper.objective.loss(&call, &batch).unwrap_or_else(|error| panic!("{error}"));
    let number = |tensor: &Tensor| tensor.value().flatten_all().unwrap().to_vec1::<f32>().unwrap()[0];
    number(&result.parts[0].sum) / number(&result.parts[0].count)
}

#[test]
fn the_loss_is_that_of_the_original_and_blind_to_hidden_pixels() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vit/tests/fixtures/vit-b");
    let catalogue = beside_the_test();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("model");
    import(&ImportOptions { folder: fixture.clone(), out: out.clone(), family: None }, &catalogue, &mut |_, _| {})
        .unwrap_or_else(|error| panic!("{error}"));
    let text = format!(
        "[run]\nsteps = 1\nbatch_rows = 3\n[data.image]\nheight = 15\nwidth = 15\nsamples = 3\nvalid_samples = 0\n\
         [model.encoder]\nfamily = 'vit'\nweights = {out:?}\n[objective]\nuse = 'simmim'\nmask_size = 5\n"
    );
    let experiment = experiment::Experiment::from_text(&text, Path::new("parity.toml"), &[]).unwrap();
    let session = Session::open(experiment, &catalogue, &mut |_, _, _| {}).unwrap_or_else(|error| panic!("{error}"));
    let imported = tensors(&out.join("model.safetensors"));
    let mut given = 0;
    for weight in session.stepper.weights.all() {
        let Some(own) = weight.name().find("values.").map(|at| &weight.name()[at..]) else { continue };
        let value = Value::from_slice(&floats(&imported[own]), weight.shape(), &Device::Cpu).unwrap();
        weight.set_value(&value).unwrap();
        given += 1;
    }
    assert_eq!(given, 2, "the head has a weight and a bias");

    let expected = tensors(&fixture.join("expected.safetensors"));
    let pixels = floats(&expected["pixels"]);
    let masked: Vec<bool> = expected["masked"].bytes.as_chunks::<8>().0.iter().map(|word| word[0] == 1).collect();
    let (found, expected) = (loss(&session, &pixels, &pixels, &masked), floats(&expected["loss"])[0]);
    assert!((found - expected).abs() < 1e-5 * expected.max(1.0), "{found} is not {expected}");

    // What lies under a mask changes nothing, what lies beside it does.
    let change = |wanted: bool| {
        let mut seen = pixels.clone();
        let [_, height, width] = PICTURE;
        for (at, pixel) in seen.iter_mut().enumerate() {
            let (picture, row, column) = (at / (3 * height * width), at / width % height, at % width);
            let patch = row / PATCH * (width / PATCH) + column / PATCH;
            if masked[picture * PATCHES + patch] == wanted {
                *pixel += 1.0 + at as f32 * 0.01;
            }
        }
        loss(&session, &seen, &pixels, &masked)
    };
    assert_eq!(change(true), found);
    assert!((change(false) - found).abs() > 1e-3);
}
