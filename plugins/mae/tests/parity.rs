//! The loss on given noise is that of transformers' `ViTMAEForPreTraining`; see `fixtures/make.py`.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::Path;

use compute::{Device, Tensor, Value};
use lacuna::boundary::{Call, Content, batch_object};
use lacuna::conformance::beside_the_test;
use lacuna::train::Session;
use mae::columns::Columns;
use mae::masking::{Grid, Shuffle};
use records::TensorFile;

/// Numbers and shapes of a fixture, by name.
fn fixture(name: &str) -> BTreeMap<String, (Vec<f32>, Vec<usize>)> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name).with_extension("safetensors");
    let tensors = TensorFile::open(&file).unwrap().tensors().unwrap();
    let numbers = |bytes: &[u8]| bytes.as_chunks().0.iter().map(|word| f32::from_le_bytes(*word)).collect();
    tensors.into_iter().map(|tensor| (tensor.name, (numbers(&tensor.bytes), tensor.shape))).collect()
}

fn session(settings: &str) -> Session {
    let catalogue = beside_the_test();
    let text = format!(
        "[run]\nsteps = 1\nbatch_rows = 3\n[data.image]\nsamples = 3\nvalid_samples = 0\n{settings}\
         decoder_width = 8\ndecoder_layers = 2\ndecoder_heads = 2\n"
    );
    let experiment = experiment::Experiment::from_text(&text, Path::new("parity.toml"), &[]).unwrap();
    Session::open(experiment, &catalogue, &mut |_, _, _| {}).unwrap_or_else(|error| panic!("{error}"))
}

/// The loss over the pictures of a fixture, by their noise.
fn loss(
    session: &Session,
    given: &BTreeMap<String, (Vec<f32>, Vec<usize>)>,
    grid: Grid,
    kept: usize,
    norm: bool,
) -> f32 {
    let (pixels, shape) = &given["pixels"];
    let pictures = shape[0];
    let mut columns = Columns::new(grid, kept, true, norm, pictures);
    for (pixels, noise) in pixels.chunks(shape[1..].iter().product()).zip(given["noise"].0.chunks(grid.patches())) {
        let draws: Vec<f64> = noise.iter().map(|draw| f64::from(*draw)).collect();
        columns.push(pixels, &Shuffle::new(&draws, kept));
    }
    let [shown_rows, all_rows] = columns.rows();
    let floats = |values: &[f32]| {
        let dims = [values.len() / grid.features(), grid.features()];
        Content::from(Tensor::from_slice(values, &dims, &Device::Cpu).unwrap())
    };
    let numbers = |values: &[i64]| Content::from(Tensor::from_slice(values, &[values.len()], &Device::Cpu).unwrap());
    let rows = |rows: usize| {
        Content::from(Tensor::from_slice(&vec![rows as u32; pictures], &[pictures], &Device::Cpu).unwrap())
    };
    let batch = batch_object([
        ("image.pixels".to_owned(), Content::from(Tensor::from_slice(pixels, shape, &Device::Cpu).unwrap())),
        ("mae.patches".to_owned(), floats(&columns.shown)),
        ("mae.positions".to_owned(), numbers(&columns.positions)),
        ("mae.targets".to_owned(), floats(&columns.targets)),
        ("mae.unshuffle".to_owned(), numbers(&columns.unshuffle)),
        ("mae.hidden".to_owned(), numbers(&columns.hidden)),
        ("mae.keys".to_owned(), numbers(&[0, 1, 2])),
        ("mae.shown_rows".to_owned(), rows(shown_rows)),
        ("mae.all_rows".to_owned(), rows(all_rows)),
    ])
    .unwrap();
    let call = Call::new(session.evaluation());
    let result = session.stepper.objective.loss(&call, &batch).unwrap_or_else(|error| panic!("{error}"));
    let number = |tensor: &Tensor| tensor.value().flatten_all().unwrap().to_vec1::<f32>().unwrap()[0];
    number(&result.parts[0].sum) / number(&result.parts[0].count)
}

#[test]
fn the_loss_is_that_of_the_original() {
    let cases = [
        (
            "loss-a",
            "height = 15\nwidth = 15\nchannels = 2\n",
            3,
            "mask_rate = 0.75\n",
            Grid { channels: 2, rows: 5, columns: 5, size: 3 },
            false,
        ),
        (
            "loss-b",
            "height = 12\nwidth = 12\nchannels = 3\n",
            4,
            "mask_rate = 0.5\nnorm_pix = true\n",
            Grid { channels: 3, rows: 3, columns: 3, size: 4 },
            true,
        ),
    ];
    for (name, pictures, patch, objective, grid, norm) in cases {
        let given = fixture(name);
        let session = session(&format!(
            "{pictures}[model.encoder]\nfamily = 'vit'\nwidth = 16\nnum_layers = 2\nnum_heads = 2\npatch_size = {patch}\n\
             positions = 'sincos'\n[objective]\nuse = 'mae'\n{objective}"
        ));
        for weight in session.stepper.weights.all() {
            let (values, shape) = given.get(weight.name()).unwrap_or_else(|| panic!("nothing for {}", weight.name()));
            weight.set_value(&Value::from_slice(values, shape.as_slice(), &Device::Cpu).unwrap()).unwrap();
        }
        let kept = grid.kept(if norm { 0.5 } else { 0.75 });
        let (found, expected) = (loss(&session, &given, grid, kept, norm), given["loss"].0[0]);
        assert!((found - expected).abs() < 1e-5 * expected.max(1.0), "{name}: {found} is not {expected}");

        // Pixels of hidden patches are targets and nothing else: the loss moves, what is shown does not.
        let draws: Vec<f64> = given["noise"].0[..grid.patches()].iter().map(|draw| f64::from(*draw)).collect();
        let hidden = Shuffle::new(&draws, kept).hidden()[0];
        let mut changed = given.clone();
        let width = grid.columns * grid.size;
        let at = hidden / grid.columns * grid.size * width + hidden % grid.columns * grid.size;
        changed.get_mut("pixels").unwrap().0[at] += 3.0;
        assert!((loss(&session, &changed, grid, kept, norm) - found).abs() > 1e-3, "{name}");
        let shown = |given: &BTreeMap<String, (Vec<f32>, Vec<usize>)>| {
            let mut columns = Columns::new(grid, kept, true, norm, 1);
            columns.push(&given["pixels"].0[..grid.patches() * grid.features()], &Shuffle::new(&draws, kept));
            (columns.shown, columns.positions)
        };
        assert!(shown(&changed) == shown(&given), "{name}");
    }
}
