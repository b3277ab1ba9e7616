//! Good and bad experiment files: every error code, its place and its help.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{MLM, TINY, load, refusal};
use experiment::{Data, Device, Error, Experiment, OptimizerKind, Precision, Schema, Source, Tokenizer, Trainer};

#[track_caller]
fn is(error: &Error, code: &str, line: usize) {
    assert_eq!((error.code(), error.place().and_then(Source::line)), (code, Some(line)), "{}", error.report());
}

#[test]
fn a_small_file_gets_every_default() {
    let experiment = load(TINY, &[]).unwrap();
    let run = &experiment.run;
    assert_eq!((run.name.as_str(), run.seed, run.steps, run.tokens), ("tiny", 0, Some(5), None));
    assert_eq!((run.batch_rows, run.accumulation, run.device, run.precision), (32, 1, Device::Cpu, Precision::F32));
    assert_eq!((run.data_threads, run.log_every_steps, run.allow_missing_gradient_steps), (1, 10, 100));
    let text = experiment.data.text().unwrap();
    assert_eq!((text.length, text.minimum, text.vocabulary_size), (128, 2, 8192));
    assert!(text.shuffle && text.add_special && !text.packing && !text.lowercase && text.cache.is_none());
    assert_eq!(text.tokenizer, Tokenizer::Bytes);
    assert!(text.files[0].is_absolute() && text.files[0].ends_with("Cargo.toml"));
    let optimizer = &experiment.optimizer;
    assert_eq!((optimizer.kind, optimizer.learning_rate, optimizer.beta1), (OptimizerKind::AdamW, 1e-3, 0.9));
    assert_eq!((optimizer.beta2, optimizer.epsilon, optimizer.weight_decay), (0.999, 1e-8, 0.01));
    assert_eq!((optimizer.clip_norm, optimizer.ema, optimizer.groups.len()), (1.0, None, 0));
    assert!(experiment.evaluate.is_empty() && experiment.checkpoint.best);
    assert_eq!(experiment.model("encoder").unwrap().family, "transformer");
}

#[test]
fn a_full_file_is_read() {
    let text = "
        [run]
        name = 'full run'
        steps = 9
        tokens = 100_000
        device = 'cuda:1'
        precision = 'bf16'
        [data.text]
        files = ['Cargo.toml', 'src/lib.rs']
        tokenizer = 'train:bpe'
        cache = 'not/there/yet'
        [model.student]
        family = 'transformer'
        weights = 'Cargo.toml'
        [model.teacher]
        family = 'transformer'
        frozen = true
        [objective]
        use = 'distil'
        [optimizer]
        use = 'sgd'
        learning_rate = 1
        [[optimizer.group]]
        match = ['*.bias', 'norm?.*']
        weight_decay = 0.0
        [[optimizer.group]]
        match = ['*']
        learning_rate_scale = 0.1
        [schedule]
        use = 'inverse_sqrt'
        [[evaluate]]
        every_steps = 3
        [[evaluate]]
        batches = 2";
    let experiment = load(text, &[]).unwrap();
    assert_eq!(experiment.run.device, Device::Cuda(1));
    assert_eq!(experiment.data.text().unwrap().tokenizer, Tokenizer::Train(Trainer::Bpe));
    assert!(experiment.data.text().unwrap().cache.as_ref().unwrap().ends_with("not/there/yet"));
    let roles: Vec<_> = experiment.models.iter().map(|model| (model.role.as_str(), model.frozen)).collect();
    assert_eq!(roles, [("student", false), ("teacher", true)]);
    assert!(experiment.models[0].weights.as_ref().unwrap().is_absolute());
    assert_eq!(experiment.optimizer.learning_rate, 1.0);
    let groups = &experiment.optimizer.groups;
    assert!(
        groups[0].matches("layer.0.bias") && groups[0].matches("norm1.weight") && !groups[0].matches("norm.weight")
    );
    assert_eq!((groups[0].weight_decay, groups[1].weight_decay, groups[1].learning_rate_scale), (Some(0.0), None, 0.1));
    assert_eq!((experiment.evaluate[0].every_steps, experiment.evaluate[1].batches), (3, Some(2)));
}

#[test]
fn the_report_of_a_misspelt_setting() {
    let text = format!("{TINY}mask_rat = 0.3\n");
    let schema = Schema::from_json(
        r#"[{"name":"mask_rate","type":"float","default":0.15},{"name":"masked_share","type":"float","default":0.8},
            {"name":"random_share","type":"float","default":0.1}]"#,
    )
    .unwrap();
    let error = load(&text, &[]).unwrap().objective.settings(&schema).unwrap_err();
    assert_eq!(
        error.report(),
        "error[config/unknown-setting]: objective `mlm` has no setting `mask_rat`\n  tiny.toml, line 10\n  help: did you mean \
         `mask_rate`? it also knows `masked_share`, `random_share`"
    );
}

#[test]
fn unknown_keys_and_sections() {
    let error = refusal(&TINY.replace("steps", "step"), &[]);
    is(&error, "config/unknown-setting", 2);
    assert!(error.help().unwrap().starts_with("did you mean `steps`?"), "{}", error.report());
    is(&refusal(&format!("{TINY}[optimiser]\nuse = 'sgd'\n"), &[]), "config/unknown-setting", 10);
    is(&refusal(&format!("steps = 3\n{TINY}"), &[]), "config/unknown-setting", 1);
    is(&refusal(&TINY.replace("[data.text]", "[data]"), &[]), "config/unknown-setting", 4);
    is(&refusal(&format!("{TINY}[[optimizer.group]]\nmatch = ['*']\nlr = 3\n"), &[]), "config/unknown-setting", 12);
    is(&refusal(&format!("{TINY}[[evaluate]]\n'' = 3\n"), &[]), "config/unknown-setting", 11);
}

#[test]
fn wrong_types() {
    for (key, value) in [
        ("seed", "'0'"),
        ("seed", "0.0"),
        ("seed", "true"),
        ("name", "3"),
        ("seed", "[1]"),
        ("seed", "{ a = 1 }"),
        ("name", "2020-01-01"),
    ] {
        is(&refusal(&TINY.replace("steps = 5", &format!("steps = 5\n{key} = {value}")), &[]), "config/type", 3);
    }
    let listed = refusal(&TINY.replace("['Cargo.toml']", "'Cargo.toml'"), &[]);
    is(&listed, "config/type", 4);
    assert_eq!(listed.help().unwrap(), "put the value in square brackets");
    is(&refusal(&TINY.replace("['Cargo.toml']", "[\n'Cargo.toml',\n3]"), &[]), "config/type", 6);
    is(&refusal(&TINY.replace("steps = 5", "steps = 5\nname = '../up'"), &[]), "config/type", 3);
}

#[test]
fn wrong_nesting() {
    is(&refusal("run = 3", &[]), "config/type", 1);
    is(&refusal("[[run]]\nsteps = 3", &[]), "config/type", 1);
    is(&refusal(&format!("{TINY}[evaluate]\nevery_steps = 1"), &[]), "config/type", 10);
    is(&refusal(&format!("{TINY}[optimizer]\ngroup = 3"), &[]), "config/type", 11);
    is(&refusal(&format!("{TINY}[optimizer]\ngroup = [3]"), &[]), "config/type", 11);
    is(&refusal("data = 3\n[run]\nsteps = 1", &[]), "config/type", 1);
    is(&refusal("[run]\nsteps = 1\n[data]\ntext = 3", &[]), "config/type", 4);
    let role = refusal(&TINY.replace("[model.encoder]", "[model]"), &[]);
    is(&role, "config/type", 6);
    assert!(role.help().unwrap().contains("[model.encoder]"));
    is(&refusal(&TINY.replace("model.encoder", "model.'a/../b'"), &[]), "config/type", 5);
}

#[test]
fn numbers_out_of_range() {
    for value in
        ["-1", "9223372036854775808", "99999999999999999999999999", "-9223372036854775809", "0xffffffffffffffffff"]
    {
        is(&refusal(&TINY.replace("steps = 5", &format!("steps = {value}")), &[]), "config/range", 2);
    }
    for value in ["nan", "-nan", "inf", "-inf", "1e999", "-0.1", "99999999999999999999999999"] {
        is(&refusal(&format!("{TINY}[optimizer]\nlearning_rate = {value}"), &[]), "config/range", 11);
    }
    for (key, value) in [("beta1", "1"), ("beta1", "1.0"), ("epsilon", "0"), ("ema", "0"), ("ema", "1.0")] {
        is(&refusal(&format!("{TINY}[optimizer]\n{key} = {value}"), &[]), "config/range", 11);
    }
    for (rule, key, value) in
        [("sgd", "momentum", "1"), ("muon", "newton_schulz_steps", "0"), ("lamb", "trust_clip", "-1")]
    {
        let text = format!("{TINY}[optimizer]\nuse = '{rule}'\n{key} = {value}");
        is(&refusal(&text, &[]), "config/range", 12);
    }
    is(&refusal(&TINY.replace("steps = 5", "steps = 5\nbatch_rows = 4\naccumulation = 5"), &[]), "config/range", 4);
    is(&refusal(&TINY.replace("[model", "minimum = 129\n[model"), &[]), "config/range", 5);
    assert_eq!(load(TINY, &["run.seed=9223372036854775807"]).unwrap().run.seed, i64::MAX as u64);
}

#[test]
fn each_rule_of_the_optimizer_has_its_own_keys() {
    for (rule, key) in [("adamw", "momentum"), ("sgd", "beta1"), ("lion", "epsilon"), ("muon", "trust_clip")] {
        let error = refusal(&format!("{TINY}[optimizer]\nuse = '{rule}'\n{key} = 0.5"), &[]);
        is(&error, "config/unknown-setting", 12);
        assert!(error.to_string().contains(&format!("use = \"{rule}\"")), "{error}");
    }
    let read = |text: &str| load(&format!("{TINY}[optimizer]\n{text}"), &[]).unwrap().optimizer;
    let lamb = read("use = 'lamb'\ntrust_clip = 1");
    assert_eq!((lamb.kind, lamb.epsilon, lamb.trust_clip), (OptimizerKind::Lamb, 1e-6, 1.0));
    let muon = read("use = 'muon'");
    assert_eq!((muon.momentum, muon.nesterov, muon.newton_schulz_steps, &*muon.adjust), (0.95, true, 5, "match_rms"));
    let adafactor = read("use = 'adafactor'\nrelative_step = true");
    assert!(adafactor.relative_step && adafactor.scale_parameter && !adafactor.warmup_init && adafactor.beta1 == 0.0);
    let lion = load(&format!("{TINY}[optimizer]\nbeta2 = 0.95"), &["optimizer.use=lion"]).unwrap().optimizer;
    assert_eq!((lion.kind, lion.beta1, lion.beta2), (OptimizerKind::Lion, 0.9, 0.95));
}

#[test]
fn words_that_are_no_choice() {
    for (key, value) in [("device", "gpu"), ("device", "cuda:-1"), ("precision", "f16"), ("precision", "")] {
        is(&refusal(&TINY.replace("steps = 5", &format!("steps = 5\n{key} = '{value}'")), &[]), "config/choice", 3);
    }
    is(&refusal(&format!("{TINY}[schedule]\nuse = 'cosin'"), &[]), "config/choice", 11);
    is(&refusal(&TINY.replace("[model", "tokenizer = 'train:worpiece'\n[model"), &[]), "config/choice", 5);
    let error = refusal(&format!("{TINY}[[evaluate]]\nuse = 'los'"), &[]);
    assert_eq!(error.help().unwrap(), "did you mean `loss`?");
}

#[test]
fn missing_keys() {
    is(&refusal(&TINY.replace("steps = 5", "seed = 5"), &[]), "config/missing", 1);
    is(&refusal(&TINY.replace("use = 'mlm'", "mask_rate = 0.3"), &[]), "config/missing", 8);
    is(&refusal(&TINY.replace("family = 'transformer'", ""), &[]), "config/missing", 5);
    is(&refusal(&TINY.replace("'Cargo.toml'", ""), &[]), "config/missing", 4);
    is(&refusal(&format!("{TINY}[[optimizer.group]]"), &[]), "config/missing", 10);
    load(&TINY.replace("steps = 5", "tokens = 5"), &[]).unwrap();

    let empty = refusal("", &[]);
    assert_eq!((empty.code(), empty.place().unwrap().to_string().as_str()), ("config/missing", "tiny.toml"));
    let role = load(TINY, &[]).unwrap().model("encodr").unwrap_err();
    assert_eq!(role.code(), "config/missing");
    assert!(role.help().unwrap().contains("[model.encoder]"), "{}", role.report());
}

#[test]
fn text_that_is_not_toml() {
    is(&refusal("[run]\nsteps = \n", &[]), "config/syntax", 2);
    is(&refusal("[run]\nsteps = 1\nsteps = 2\n", &[]), "config/syntax", 3);
    is(&refusal("[run]\nsteps = 1\n[run]\n", &[]), "config/syntax", 3);
    is(&refusal("[run]\nname = \"open\n\n", &[]), "config/syntax", 2);
    let twice = refusal("[run]\nsteps = 1\nsteps = 2\n", &[]);
    assert!(twice.help().unwrap().contains("keep one of the two"), "{}", twice.report());
    let deep = format!("{TINY}x = {}{}", "[".repeat(100_000), "]".repeat(100_000));
    is(&refusal(&deep, &[]), "config/syntax", 10);
    assert_eq!(refusal(&format!("[{}]", vec!["a"; 100_000].join(".")), &[]).code(), "config/syntax");
}

#[test]
fn parts_of_the_format_for_later() {
    is(&refusal(&format!("{TINY}[sweep]\nseeds = 3"), &[]), "config/not-yet", 10);
    is(&refusal("[[stage]]\nname = 'pretrain'", &[]), "config/not-yet", 1);
    is(&refusal(&TINY.replace("[objective]", "[[objective]]"), &[]), "config/not-yet", 8);
    let documents = refusal(&format!("{TINY}[data.documents]\nfiles = []"), &[]);
    is(&documents, "config/not-yet", 10);
    assert_eq!(documents.to_string(), "`[data.documents]` is not in this host yet");
    let both = refusal(&format!("{TINY}[data.image]\n"), &[]);
    is(&both, "config/not-yet", 10);
    assert_eq!(both.to_string(), "learning from `[data.text]` and `[data.image]` at once is not in this host yet");
}

#[test]
fn pictures_and_sounds_are_data_as_text_is() {
    let of = |data: &str, overrides: &[&str]| {
        let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
        let text = format!("[run]\nsteps = 1\n{data}[objective]\nuse = 'mae'\n");
        Experiment::from_text(&text, "tiny.toml".as_ref(), &overrides)
    };
    let image = of("[data.image]\nsource = 'synthetic'\nheight = 48\n", &["data.image.channels=1"]).unwrap();
    let Data::Image(settings) = &image.data else { panic!("{:?}", image.data) };
    assert_eq!((settings.height, settings.width, settings.channels), (48, 32, 1));
    assert!(image.resolved().contains("[data.image]") && !image.resolved().contains("[data.text]"));
    assert_eq!(image.fingerprint()["data"]["image"]["height"], 48);
    assert!(image.data.text().is_none());
    assert_eq!(of("[data.audio]\n", &[]).unwrap().data.modality(), "audio");
    let files = "[data.image]\nsource = 'files'\nfiles = ['Cargo.toml']\n";
    let of_files = of(files, &[]).unwrap();
    let Data::Image(settings) = &of_files.data else { panic!("{:?}", of_files.data) };
    assert!(settings.files[0].is_absolute() && settings.labelled.is_none());
    assert_eq!(of_files.fingerprint()["data"]["image"]["files"][0]["name"], "Cargo.toml");
    // What a run keeps is read again as it is.
    assert!(Experiment::from_text(&of_files.resolved(), "tiny.toml".as_ref(), &[]).is_ok());
    for wrong in [
        "files=[]",
        "source=synthetic",
        "seed=3",
        "samples=5",
        "channels=4",
        "mean=[0.1, 0.2]",
        "scale=[0.5, 0.2]",
        "ratio=[1.0]",
        "background=[0, 0]",
        "background=[0, 0, 256]",
        "jitter=[0.1, 0.1, 0.1, 0.6]",
        "jitter=[0.1]",
        "labels=['a', 'a']",
        "files=['nowhere.tar']",
        "held_out_crop=random",
    ] {
        let error = of(files, &[&format!("data.image.{wrong}")]).unwrap_err();
        assert!(error.code().starts_with("config/"), "{wrong}: {error}");
    }
    let error = of("[data.audio]\nframes = 401\n", &[]).unwrap_err();
    is(&error, "config/range", 4);
    assert!(error.help().unwrap().contains("a multiple of 4"), "{}", error.report());
}

#[test]
fn files_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |path: &std::path::Path| Experiment::load(path, &[]).unwrap_err();
    let reason = |error: Error| {
        assert_eq!((error.code(), error.place()), ("config/file", None));
        error.report()
    };
    assert!(reason(refused(folder.path())).contains("it is a folder"));
    assert!(reason(refused(&folder.path().join("none.toml"))).contains("no such file"));
    let latin = folder.path().join("latin.toml");
    std::fs::write(&latin, b"[run]\nname = '\xe9'").unwrap();
    assert!(reason(refused(&latin)).contains("UTF-8"));
    let large = folder.path().join("large.toml");
    std::fs::write(&large, vec![b'#'; 5 << 20]).unwrap();
    assert!(reason(refused(&large)).contains("too large"));
    assert_eq!(refused(std::path::Path::new("a\0b")).code(), "config/file");
}

#[test]
fn data_is_found_beside_the_file_and_its_absence_is_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("corpus.txt"), "text").unwrap();
    let path = folder.path().join("near.toml");
    std::fs::write(&path, TINY.replace("Cargo.toml", "corpus.txt")).unwrap();
    let experiment = Experiment::load(&path, &[]).unwrap();
    assert_eq!(experiment.data.text().unwrap().files, [folder.path().join("corpus.txt")]);
    assert_eq!(experiment.run.name, "near");

    for (old, new, line) in [
        ("Cargo.toml", "none.txt", 4),
        ("width = 64", "weights = 'none'", 7),
        ("[model", "tokenizer = 'none.json'\n[model", 5),
    ] {
        let error = refusal(&TINY.replace(old, new), &[]);
        is(&error, "config/file", line);
        assert!(error.help().unwrap().starts_with("looked for `/"), "{}", error.report());
    }
}

#[test]
fn plugin_settings_follow_the_same_rules() {
    let schema = Schema::from_json(MLM).unwrap();
    let settings = |line: &str| load(&format!("{TINY}{line}\n"), &[]).unwrap().objective.settings(&schema);
    let all = settings("limit = 3\nrates = [1, 0.25]\nunit = 'span'").unwrap();
    let json = r#"{"mask_rate":0.15,"masked_share":0.8,"random_share":0.1,"unit":"span","limit":3,"sizes":[1,2],"rates":[1.0,0.25],"names":[],"dynamic":true}"#;
    assert_eq!(serde_json::to_string(&all).unwrap(), json);
    assert!(settings("").unwrap()["limit"].is_null());
    for (line, code) in [
        ("mask_rate = 0.95", "config/range"),
        ("mask_rate = nan", "config/range"),
        ("mask_rate = '0.3'", "config/type"),
        ("limit = 0", "config/range"),
        ("limit = 1.0", "config/type"),
        ("sizes = [1, 0]", "config/range"),
        ("sizes = [1, 2.5]", "config/type"),
        ("rates = [1.5]", "config/range"),
        ("names = [['a']]", "config/type"),
        ("unit = 'tokens'", "config/choice"),
        ("dynamic = 1", "config/type"),
        ("settings.mask_rate = 0.3", "config/unknown-setting"),
    ] {
        is(&settings(line).unwrap_err(), code, 10);
    }
}

#[test]
fn a_misspelt_key_of_the_host_beside_a_plugins_own() {
    let schema = Schema::from_json(r#"[{"name":"width","type":"integer","default":8}]"#).unwrap();
    let error = load(&TINY.replace("width = 64", "frozn = true"), &[])
        .unwrap()
        .model("encoder")
        .unwrap()
        .settings(&schema)
        .unwrap_err();
    is(&error, "config/unknown-setting", 7);
    assert_eq!(error.to_string(), "model `encoder` (family `transformer`) has no setting `frozn`");
    assert_eq!(error.help().unwrap(), "did you mean `frozen`? it also knows `width`");
}

#[test]
fn what_is_shown_of_odd_texts_stays_on_one_line() {
    let error = refusal("[run]\nsteps = 'é\u{2603}' 'two'\n", &[]);
    assert_eq!(error.help().unwrap(), "look at column 14: `steps = 'é\u{2603}' 'two'`");
    let error = refusal(TINY, &["data.text.files=['no\u{7}ne.txt']", "run.name='a\nb'"]);
    assert_eq!(error.code(), "config/override", "{}", error.report());
    let error = refusal(TINY, &["data.text.files=['none.txt']"]);
    assert!(error.report().contains("\n  command line, `data.text.files=['none.txt']`\n"), "{}", error.report());
    let long = refusal(&TINY.replace("steps = 5", &format!("device = \"{}\\n\"", "日".repeat(50))), &[]);
    assert_eq!(long.to_string(), format!("`[run]`: `device` cannot be `{}…`", "日".repeat(40)));
}
