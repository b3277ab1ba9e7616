//! Runs on real picture files: learnt from, shown in the report, made anew from labels.

use lacuna_tests::Sandbox;

/// Numbers as MNIST's files hold them.
fn idx(dims: &[u32], numbers: impl Iterator<Item = u8>) -> Vec<u8> {
    let mut file = vec![0, 0, 8, dims.len() as u8];
    file.extend(dims.iter().flat_map(|dim| dim.to_be_bytes()));
    file.extend(numbers);
    file
}

/// A sandbox with 24 pictures of 8 × 8, every second one bright, and an experiment that learns their codes.
fn bright_and_dark() -> Sandbox {
    let sandbox = Sandbox::new("maskgit");
    let pixels = (0..24 * 64).map(|at: usize| (at / 64 % 2 * 150 + at % 64) as u8);
    sandbox.write("a-images-idx3-ubyte", idx(&[24, 8, 8], pixels));
    sandbox.write("a-labels-idx1-ubyte", idx(&[24], (0..24).map(|at| at % 2)));
    sandbox.write(
        "codes.toml",
        "[run]\nseed = 1\nsteps = 4\nbatch_rows = 4\n\n\
         [data.image]\nsource = \"files\"\nfiles = [\"a-images-idx3-ubyte\"]\nvalid_share = 0.25\n\
         height = 8\nwidth = 8\nchannels = 1\n\n\
         [model.encoder]\nfamily = \"vit\"\ncodes = 240\nlabels = 2\nmask_token = true\nwidth = 16\nnum_layers = 1\n\
         num_heads = 2\npatch_size = 4\n\n\
         [model.tokenizer]\nfamily = \"fsq\"\nlevels = [8, 6, 5]\npatch_size = 4\nwidth = 16\nnum_layers = 1\n\
         num_heads = 2\nfrozen = true\n\n\
         [objective]\nuse = \"maskgit\"\n\n[optimizer]\nlearning_rate = 0.01\n\n[[evaluate]]\nuse = \"loss\"\nevery_steps = 2\n",
    );
    sandbox
}

#[test]
fn pictures_are_made_for_labels_and_never_over_a_file() {
    let sandbox = bright_and_dark();
    let _ = sandbox.run(&["run", "codes.toml", "--out", "run"]).ended(0);
    let generate = |out: &str, more: &[&str]| {
        sandbox.run(&[&["generate", "run", "--decoder", "maskgit", "--out", out, "--json"][..], more].concat())
    };
    let labels = ["--label", "0", "--label", "1", "--samples", "3", "steps=2"];
    let told = generate("one.png", &labels).ended(0).json();
    assert_eq!(told["labels"], serde_json::json!(["0", "0", "0", "1", "1", "1"]));
    assert!(told["tokens"].as_array().is_some_and(|pictures| pictures.len() == 6));
    let _ = generate("two.png", &labels).ended(0);
    let [one, two] = ["one.png", "two.png"].map(|name| std::fs::read(sandbox.file(name)).expect("a sheet"));
    assert!(one.starts_with(b"\x89PNG") && one == two, "the same seed makes the same pictures");

    let error = generate("one.png", &["--seed", "9"]).ended(2).error();
    assert!(error.contains("`one.png` is there already"), "{error}");
    assert!(std::fs::read(sandbox.file("one.png")).expect("it is still there") == one);
    let error = generate("three.png", &["--label", "7"]).ended(2).error();
    assert!(error.contains("no label `7`") && !sandbox.file("three.png").exists(), "{error}");
}

#[test]
fn a_report_shows_what_was_hidden() {
    let sandbox = bright_and_dark();
    let changes = ["objective.use=mae", "model.encoder.codes=0", "model.encoder.labels=0"];
    let text = std::fs::read_to_string(sandbox.file("codes.toml")).expect("the experiment");
    let (before, after) = text.split_once("[model.tokenizer]").expect("a tokenizer");
    let objective = after.split_once("[objective]").expect("an objective").1;
    sandbox.write("mae.toml", format!("{before}[objective]{objective}"));
    let _ = sandbox.run(&[&["run", "mae.toml", "--out", "run"][..], &changes].concat()).ended(0);
    let sheets: Vec<_> = std::fs::read_dir(sandbox.file("run/pictures/valid")).expect("pictures").collect();
    assert_eq!(sheets.len(), 1);
    let report = std::fs::read_to_string(sandbox.file("run/report.html")).expect("a report");
    assert!(report.contains("data:image/png;base64,"), "the report embeds them");
}
