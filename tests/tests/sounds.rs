//! Runs on real sound files: read, joined, given units, learned from, and told apart from what is no sound.

use lacuna_tests::Sandbox;

/// A WAV file, 16 bits, mono.
fn wav(rate: u32, samples: impl Iterator<Item = f64>) -> Vec<u8> {
    let data: Vec<u8> = samples.flat_map(|sample| ((sample * 32767.0) as i16).to_le_bytes()).collect();
    let mut file = b"RIFF".to_vec();
    file.extend((36 + data.len() as u32).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend(rate.to_le_bytes());
    file.extend((rate * 2).to_le_bytes());
    file.extend(b"\x02\0\x10\0data");
    file.extend((data.len() as u32).to_le_bytes());
    file.extend(data);
    file
}

/// A word: two tones after each other, which depend on the label, at a pitch of the speaker.
fn word(label: usize, speaker: usize, take: usize) -> Vec<u8> {
    let rate = 8000;
    let length = 1600 + 160 * take + 40 * label;
    wav(
        rate,
        (0..length).map(|sample| {
            let part = if 2 * sample < length { label + 2 } else { 7 - label };
            let hertz = (200 + 40 * speaker) as f64 * part as f64;
            let time = sample as f64 / f64::from(rate);
            0.3 * (std::f64::consts::TAU * hertz * time).sin()
                + 0.05 * (std::f64::consts::TAU * 97.3 * time * time).sin()
        }),
    )
}

/// A sandbox with words of three labels and two speakers, and an experiment on them.
fn spoken() -> Sandbox {
    let sandbox = Sandbox::new("hubert");
    for (speaker, name) in ["ann", "bob"].iter().enumerate() {
        for label in 0..3 {
            for take in 0..8 {
                let folder = if take < 2 { "valid" } else { "train" };
                sandbox.write(&format!("{folder}/{label}_{name}_{take}.wav"), word(label, speaker, take));
            }
        }
    }
    sandbox.write(
        "sounds.toml",
        "[run]\nseed = 1\nsteps = 10\nbatch_rows = 3\nlog_every_steps = 1\n\n\
         [data.audio]\nsource = \"files\"\nfiles = [\"train\"]\nvalid_files = [\"valid\"]\n\
         pattern = \"{label}_{speaker}_*\"\nrate = 8000\nbins = 20\nframes = 200\nunits = 6\nunit_restarts = 2\n\
         unit_iterations = 10\nnoise_decibels = [10, 20]\npitch_semitones = 1\ntime_masks = 1\ntime_mask_frames = 8\n\n\
         [model.encoder]\nfamily = \"conformer\"\nwidth = 16\nnum_layers = 1\nnum_heads = 2\nkernel = 5\nchannels = 4\n\n\
         [objective]\nuse = \"hubert\"\nspan = 2\nstart_probability = 0.3\nunit_width = 8\n\n\
         [optimizer]\nlearning_rate = 0.01\n\n[[evaluate]]\nuse = \"loss\"\nevery_steps = 5\n",
    );
    sandbox
}

fn metrics(sandbox: &Sandbox, run: &str) -> String {
    std::fs::read_to_string(sandbox.file(run).join("metrics.jsonl")).expect("metrics")
}

#[test]
fn a_run_on_sounds_is_the_same_for_any_number_of_threads() {
    let sandbox = spoken();
    let run = |out: &str, changes: &[&str]| {
        let _ = sandbox.run(&[&["run", "sounds.toml", "--out", out][..], changes].concat()).ended(0);
        metrics(&sandbox, out)
    };
    let one = run("one", &["run.data_threads=1"]);
    assert_eq!(one, run("three", &["run.data_threads=3"]));
    // The cache of units aside, from nothing.
    std::fs::remove_dir_all(sandbox.file("cache/units")).expect("units were kept");
    assert_eq!(one, run("anew", &[]));
    assert_ne!(one, run("quiet", &["data.audio.noise_decibels=[]"]));
    // Rows divided among micro-batches are padded otherwise, and that changes rounding alone.
    let last = |metrics: &str| -> f64 {
        let lines = metrics.lines().rev();
        let mut losses = lines.filter_map(|line| {
            let json: serde_json::Value = serde_json::from_str(line).ok()?;
            json.pointer("/loss").or(json.pointer("/metrics/loss")).and_then(serde_json::Value::as_f64)
        });
        losses.next().unwrap_or_else(|| panic!("no loss in {metrics}"))
    };
    let divided = run("divided", &["run.accumulation=3"]);
    assert!((last(&one) - last(&divided)).abs() < 1e-3, "{} {}", last(&one), last(&divided));
    let verified = sandbox.run(&["verify", "one"]).ended(0);
    assert!(!verified.out.is_empty());
}

#[test]
fn joined_packed_and_other_features_run_too() {
    let sandbox = spoken();
    for (out, changes) in [
        ("joined", &["data.audio.join=[2, 3]", "data.audio.silence_milliseconds=[50, 60]"][..]),
        ("packed", &["data.audio.packing=true"]),
        ("near", &["data.audio.by_length=true"]),
        ("fbank", &["data.audio.features=fbank", "data.audio.rate=11025", "data.audio.normalise=false"]),
    ] {
        let _ = sandbox.run(&[&["run", "sounds.toml", "--out", out][..], changes].concat()).ended(0);
    }
    let both = ["run", "sounds.toml", "data.audio.packing=true", "data.audio.by_length=true", "--out", "no"];
    let error = sandbox.run(&both).ended(2).error();
    assert!(error.contains("by_length"), "{error}");
    let joined = ["data", "prepare", "sounds.toml", "data.audio.join=[2, 3]", "--json"];
    let prepared = sandbox.run(&joined).ended(0).json();
    assert_eq!(prepared["labels"], serde_json::json!(["0", "1", "2"]));
    let train = &prepared["parts"]["train"];
    assert_eq!(train["sounds"], 36);
    assert!((12..=20).contains(&train["samples"].as_u64().unwrap_or(0)), "{prepared}");
    // Objectives that predict units need some.
    let error = sandbox.run(&["run", "sounds.toml", "data.audio.units=0", "--out", "no"]).ended(1).error();
    assert!(error.contains("units"), "{error}");
}

/// The figures of a run that measures.
fn figures(sandbox: &Sandbox, run: &str) -> serde_json::Value {
    let line = metrics(sandbox, run);
    serde_json::from_str(line.lines().next().expect("a row")).expect("JSON")
}

#[test]
fn waves_are_learnt_from_as_they_are() {
    let sandbox = spoken();
    sandbox.write(
        "waves.toml",
        "[run]\nseed = 1\nsteps = 6\nbatch_rows = 3\nlog_every_steps = 1\n\n\
         [data.audio]\nsource = \"files\"\nfiles = [\"train\"]\nvalid_files = [\"valid\"]\n\
         pattern = \"{label}_{speaker}_*\"\nrate = 8000\nfeatures = \"waveform\"\nbins = 1\nframes = 3200\n\
         frames_per_unit = 160\nunits = 6\nunit_restarts = 2\nunit_iterations = 10\n\n\
         [model.encoder]\nfamily = \"wav2vec\"\nwidth = 16\nnum_layers = 1\nnum_heads = 2\nchannels = 8\n\
         kernels = [10, 8, 4]\nstrides = [5, 8, 4]\nposition_kernel = 4\nposition_groups = 4\n\n\
         [objective]\nuse = \"hubert\"\nspan = 2\nstart_probability = 0.3\nunit_width = 8\n\n\
         [optimizer]\nlearning_rate = 0.01\n\n[[evaluate]]\nuse = \"loss\"\nevery_steps = 3\n",
    );
    let run = |out: &str, changes: &[&str]| {
        let _ = sandbox.run(&[&["run", "waves.toml", "--out", out][..], changes].concat()).ended(0);
        metrics(&sandbox, out)
    };
    let one = run("one", &["run.data_threads=1"]);
    assert_eq!(one, run("two", &["run.data_threads=2"]));
    assert_ne!(one, run("large", &["model.encoder.conv_norm=layer", "model.encoder.pre_norm=true"]));
    let strides = "model.encoder.strides=[5, 4, 4]";
    let error = sandbox.run(&["run", "waves.toml", strides, "--out", "no"]).ended(2).error();
    assert!(error.contains("frames_per_unit = 80"), "{error}");
}

#[test]
fn units_of_a_model_are_learnt_from_measured_and_made_robust() {
    let sandbox = spoken();
    let _ = sandbox.run(&["run", "sounds.toml", "--out", "one"]).ended(0);
    // A later iteration: the targets are units of the first block.
    let told = ["data.audio.unit_model=one", "data.audio.unit_layer=1"];
    let run = |out: &str, file: &str, changes: &[&str]| {
        let _ = sandbox.run(&[&["run", file, "--out", out][..], changes].concat()).ended(0);
    };
    run("two", "sounds.toml", &told);
    // The same without what is kept.
    std::fs::remove_dir_all(sandbox.file("cache/units")).expect("units were kept");
    run("anew", "sounds.toml", &told);
    assert_eq!(metrics(&sandbox, "two"), metrics(&sandbox, "anew"));
    assert_ne!(metrics(&sandbox, "two"), metrics(&sandbox, "one"));

    let data = "[data.audio]\nsource = \"files\"\nfiles = [\"train\"]\nvalid_files = [\"valid\"]\n\
                pattern = \"{label}_{speaker}_*\"\njoin = [2, 3]\nrate = 8000\nbins = 20\nframes = 200\nunits = 6\n\
                unit_restarts = 2\nunit_iterations = 10\nnoise_decibels = [10, 20]\npitch_semitones = 1\n";
    sandbox.write("measure.toml", format!("[run]\nbatch_rows = 3\n\n{data}\n[evaluator]\nuse = \"units\"\n"));
    let measured = |out: &str, changes: &[&str]| {
        run(out, "measure.toml", changes);
        figures(&sandbox, out)
    };
    let number = |figures: &serde_json::Value, name: &str| -> f64 {
        let found = figures.pointer(&format!("/{name}")).or(figures.pointer(&format!("/metrics/{name}")));
        found.and_then(serde_json::Value::as_f64).unwrap_or_else(|| panic!("no {name} in {figures}"))
    };
    for (out, changes) in [("mfcc", &[][..]), ("frames", &["data.audio.unit_features=frames"]), ("layer", &told)] {
        let figures = measured(out, changes);
        let (purity, majority) = (number(&figures, "purity"), number(&figures, "majority"));
        assert!(purity >= majority && purity <= 1.0 && number(&figures, "entropy") > 0.1, "{out}: {figures}");
    }
    for change in ["stretch", "noise", "pitch", "reverberation"] {
        let changes = format!("data.audio.changes=['{change}']");
        for (kind, told) in [("mfcc", &[][..]), ("model", &told)] {
            let figures = measured(&format!("{change}-{kind}"), &[told, &[&changes]].concat());
            let ued = number(&figures, "ued");
            assert!((0.0..3.0).contains(&ued), "{change}: {figures}");
        }
    }

    // A student of those units, which then tells units itself, and so teaches the next.
    sandbox.write(
        "robust.toml",
        format!(
            "[run]\nseed = 1\nsteps = 12\nbatch_rows = 3\n\n{data}changes = [\"stretch\", \"noise\", \"pitch\", \
             \"reverberation\"]\n\n[model.encoder]\nfrozen = true\n\n[model.student]\nfamily = \"aug-invariant-units\"\n\
             layer = 1\nwidth = 16\n\n[objective]\nuse = \"aug-invariant-units\"\n\n[optimizer]\nlearning_rate = 0.01\n"
        ),
    );
    run("student", "robust.toml", &[&told[..], &["model.encoder.weights=one"]].concat());
    let by_student = ["data.audio.unit_model=student", "data.audio.unit_role=student"];
    let from_student = ["model.encoder.weights=student", "model.student.weights=student"];
    run("promoted", "robust.toml", &[&by_student[..], &from_student].concat());
    let _ = measured("robust", &[&by_student[..], &["evaluator.bags=false"]].concat());

    for (changes, reason) in [
        (&["data.audio.unit_layer=1"][..], "unit_model"),
        (&["data.audio.changes=['echo']"], "reverberation"),
        (&["data.audio.changes=['noise']", "data.audio.noise_decibels=[]"], "noise_decibels"),
        (&["data.audio.unit_model=one", "data.audio.bins=21"], "made for `bins` = 20"),
        (&["data.audio.unit_model=one", "data.audio.unit_layer=9"], "no layer 9"),
        (&["data.audio.unit_model=student"], "several models"),
        (&["data.audio.unit_model=student", "data.audio.unit_role=student", "data.audio.units=7"], "gives 6 units"),
    ] {
        let error = sandbox.run(&[&["run", "measure.toml", "--out", "no"][..], changes].concat()).ended(2).error();
        assert!(error.contains(reason), "{changes:?}: {error} lacks {reason}");
    }
}

#[test]
fn what_is_no_sound_is_named_or_skipped() {
    let sandbox = spoken();
    let whole = std::fs::read(sandbox.file("train/0_ann_3.wav")).expect("a word");
    sandbox.write("train/1_ann_90.wav", &whole[..whole.len() - 100]);
    sandbox.write("train/1_ann_91.wav", b"");
    sandbox.write("train/1_ann_92.flac", b"this is a text");
    let error = sandbox.run(&["run", "sounds.toml", "--out", "no"]).ended(2).error();
    assert!(error.contains("1_ann_90.wav") && error.contains("cut off") && error.contains("skip"), "{error}");
    assert!(!sandbox.file("no").exists());
    let _ = sandbox.run(&["run", "sounds.toml", "data.audio.damaged=skip", "--out", "run"]).ended(0);

    let inspected =
        sandbox.run(&["data", "inspect", "train", "--sounds", "--pattern", "{label}_{speaker}_*", "--json"]);
    let json = inspected.ended(0).json();
    assert_eq!((&json["sounds"], &json["rates"]["8000"], &json["labels"]["2"]), (&36.into(), &36.into(), &12.into()));
    let skipped = json["skipped"].as_array().expect("a list");
    assert!(
        skipped.len() == 3 && skipped.iter().all(|reason| reason.as_str().is_some_and(|text| text.contains("1_ann_9")))
    );

    for (change, reason) in [
        ("data.audio.pattern='{speaker}-*.wav'", "does not fit the pattern"),
        ("data.audio.files=[\"nowhere\"]", "no such file"),
        ("data.audio.units=100000", "from 0 to 65536"),
        ("data.audio.units=5000", "fewer units"),
        ("data.audio.samples=5", "source"),
        ("data.audio.frames=202", "a multiple of 4"),
        ("data.audio.join=[3]", "two numbers"),
        ("data.audio.features=waveform", "bins"),
    ] {
        let skip = "data.audio.damaged=skip";
        let error = sandbox.run(&["run", "sounds.toml", skip, change, "--out", "no"]).ended(2).error();
        assert!(error.contains(reason), "{change}: {error} lacks {reason}");
    }
}
