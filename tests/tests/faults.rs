//! Every fault of a plugin, through the real program: an error of a few lines that says what, where and how to mend it, and
//! never an end of the process.

use lacuna_tests::{Ran, Sandbox, patched, plugin_file};

/// Lines an error may have.
const MOST_LINES: usize = 6;

/// Runs the sandbox's experiment with these overrides and looks at the error.
#[track_caller]
fn fails(sandbox: &Sandbox, arguments: &[&str], expected: &[&str]) -> Ran {
    let ran = sandbox.run(arguments);
    let error = checked(&ran);
    for words in expected {
        assert!(error.contains(words), "{}\nno `{words}` in: {error}", ran.command);
    }
    ran
}

#[track_caller]
fn checked(ran: &Ran) -> String {
    assert!(matches!(ran.code, Some(1 | 2)), "{} ended with {:?}\n{}\n{}", ran.command, ran.code, ran.out, ran.err);
    let error = ran.error();
    assert!(error.lines().count() <= MOST_LINES, "{} lines: {error}", error.lines().count());
    assert!(!ran.err.contains("panicked at") || error.contains("panicked"), "a panic was printed: {}", ran.err);
    assert!(!ran.err.contains("host/panic"), "the host panicked: {}", ran.err);
    error
}

fn objective(how: &str, expected: &[&str]) {
    let sandbox = Sandbox::new("misbehaving");
    let how = format!("objective.how={how}");
    let _ = fails(&sandbox, &["run", "tiny.toml", "--out", "out", &how], expected);
}

fn model(how: &str, expected: &[&str]) {
    let sandbox = Sandbox::new("misbehaving");
    // Written anew: the transformer's settings are not this family's.
    let text = std::fs::read_to_string(sandbox.file("tiny.toml")).expect("the experiment is there");
    let text = text.replace(
        "family = \"transformer\"\nwidth = 16\nnum_layers = 1\nnum_heads = 2\n",
        &format!("family = \"misbehaving\"\nhow = \"{how}\"\n"),
    );
    sandbox.write("tiny.toml", text);
    if expected.is_empty() {
        let _ = sandbox.run(&["run", "tiny.toml", "--out", "out"]).ended(0);
    } else {
        let _ = fails(&sandbox, &["run", "tiny.toml", "--out", "out"], expected);
    }
}

#[test]
fn without_a_fault_it_trains() {
    let sandbox = Sandbox::new("misbehaving");
    let _ = sandbox.run(&["run", "tiny.toml", "--out", "out"]).ended(0);
    model("nothing", &[]);
}

#[test]
fn panics_come_back_as_errors() {
    objective(
        "panic_in_create",
        &["error[plugin/panic]", "misbehaving 0.1.0", "asked to panic in create", "objective.rs"],
    );
    objective("panic_in_loss", &["error[plugin/panic]", "misbehaving 0.1.0", "index out of bounds", "objective.rs"]);
    objective(
        "panic_in_collate",
        &["error[plugin/panic]", "misbehaving 0.1.0", "asked to panic in collate", "objective.rs"],
    );
    model("panic_in_build", &["error[plugin/panic]", "misbehaving 0.1.0", "asked to panic in build", "family.rs"]);
    model("panic_in_forward", &["error[plugin/panic]", "misbehaving 0.1.0", "asked to panic in forward", "family.rs"]);
}

#[test]
fn losses_that_cannot_be_used_are_told() {
    objective("nan_loss", &["error[train/not-finite]", "NaN", "step 0", "seed 3", "misbehaving", "help:"]);
    objective("no_parts", &["error[plugin/loss]", "misbehaving 0.1.0", "part", "help:"]);
    objective("all_ignored", &["error[train/no-labels]", "10 steps", "misbehaving", "help:"]);
    objective("never_trains", &["error[train/no-gradient]", "objective.unreached", "misbehaving", "help:"]);
}

#[test]
fn faulty_operations_name_their_place() {
    objective("wrong_shape", &["error[tensor/shape]", "misbehaving 0.1.0", "objective.rs", "help:"]);
    objective("wrong_dtype", &["error[tensor/dtype]", "misbehaving 0.1.0", "objective.rs"]);
    objective("poisoned_ignored", &["error[tensor/shape]", "reshape", "misbehaving 0.1.0", "objective.rs"]);
    objective("asks_for_column", &["error[batch/column]", "text.chosn", "misbehaving 0.1.0", "objective.rs", "help:"]);
    model("wrong_shape_out", &["error[plugin/shape]", "misbehaving 0.1.0", "`encoder`", "hidden", "help:"]);
}

#[test]
fn errors_of_plugins_arrive_with_their_help() {
    objective(
        "error_with_help",
        &["asked to fail", "misbehaving 0.1.0", "objective.rs", "help: ask for `nothing` instead"],
    );
    objective("unknown_role", &["error[config/role]", "`critic`", "misbehaving", "help: add a section [model.critic]"]);
}

#[test]
fn a_fault_in_a_later_step_leaves_the_checkpoint_of_before() {
    let sandbox = Sandbox::new("misbehaving");
    let arguments = ["run", "tiny.toml", "--out", "out", "objective.how=panic_in_loss", "objective.from_call=6"];
    let _ = fails(&sandbox, &arguments, &["error[plugin/panic]"]);
    assert!(sandbox.file("out/checkpoints/last/model.safetensors").is_file());
}

#[test]
fn settings_are_checked_before_anything_is_touched() {
    let sandbox = Sandbox::new("misbehaving");
    let with = |setting: &str, expected: &[&str]| {
        let ran = fails(&sandbox, &["run", "tiny.toml", "--out", "out", setting], expected);
        assert_eq!(ran.code, Some(2), "{}", ran.err);
    };
    with("objective.hw=nothing", &["error[config/unknown-setting]", "`misbehaving`", "`hw`", "did you mean `how`"]);
    with("objective.how=nothng", &["error[config/choice]", "`how`", "nothng", "nothing"]);
    with("objective.from_call=-1", &["error[config/range]", "from_call", "-1"]);
    with("objective.from_call=soon", &["error[config/type]", "from_call", "a whole number"]);
    with("model.encoder.widht=3", &["error[config/unknown-setting]", "did you mean `width`"]);
    assert!(!sandbox.file("out").exists(), "nothing is written for a request that is wrong");
}

#[test]
fn plugins_that_are_not_there() {
    let sandbox = Sandbox::new("misbehaving");
    let with = |name: &str, expected: &[&str]| {
        let setting = format!("objective.use={name}");
        let ran = fails(&sandbox, &["run", "tiny.toml", "--out", "out", &setting], expected);
        assert_eq!(ran.code, Some(2), "{}", ran.err);
    };
    with("misbehavin", &["error[plugin/unknown]", "`misbehavin`", "did you mean `misbehaving`"]);
    with("\"./nothing.so\"", &["error[plugin/missing-file]", "nothing.so", "help:"]);
    // A family where an objective belongs.
    with(
        "transformer",
        &["error[plugin/interface]", "`transformer`", "0.1.0", "lacuna.objective/0", "lacuna.model/0", "help:"],
    );
}

#[test]
fn files_that_are_no_plugins() {
    let sandbox = Sandbox::new("misbehaving");
    let with = |file: &str, data: &[u8], expected: &[&str]| {
        sandbox.write(file, data);
        let setting = format!("objective.use=\"./{file}\"");
        let ran = fails(&sandbox, &["run", "tiny.toml", "--out", "out", &setting], expected);
        assert_eq!(ran.code, Some(2), "{}", ran.err);
        assert!(ran.error().contains(file), "{}", ran.error());
    };
    let good = std::fs::read(plugin_file("misbehaving")).expect("the plugin can be read");
    with("text.so", b"# not a library\n", &["error[plugin/not-a-library]", "it looks like text", "help:"]);
    with("empty.so", b"", &["error[plugin/not-a-library]", "it is empty"]);
    with("cut.so", &good[..good.len() / 2], &["error[plugin/", "help:"]);
    with("header.so", &good[..48], &["error[plugin/not-a-library]", "cut off"]);
    let program = std::fs::read(lacuna_tests::program()).expect("the program can be read");
    with("other.so", &program, &["error[plugin/not-a-plugin]", "LACUNA_MANIFEST", "help:"]);
    with(
        "old.so",
        &patched("misbehaving", "\"boundary\":1", "\"boundary\":0"),
        &["error[plugin/boundary]", "boundary 0", "boundary 1", "older", "rebuild"],
    );
    with(
        "new.so",
        &patched("misbehaving", "\"boundary\":1", "\"boundary\":9"),
        &["error[plugin/boundary]", "boundary 9", "boundary 1", "newer"],
    );
    with("manifest.so", &patched("misbehaving", "{\"name\"", "[\"name\""), &["error[plugin/manifest]", "help:"]);
    with("elsewhere.so", &patched("misbehaving", "x86_64", "mips99"), &["error[plugin/target]", "mips99", "help:"]);
    // The manifest promises an interface that the library does not have.
    let promised = patched("misbehaving", "lacuna.objective/0", "lacuna.objective/7");
    with("promised.so", &promised, &["error[plugin/interface]", "lacuna.objective/0", "0.1.0", "help:"]);
}

#[test]
fn two_plugins_of_one_name() {
    let sandbox = Sandbox::new("misbehaving");
    sandbox.write("both/liba.so", std::fs::read(plugin_file("misbehaving")).expect("the plugin can be read"));
    sandbox.write("both/libb.so", patched("misbehaving", "\"version\":\"0.1.0\"", "\"version\":\"0.1.9\""));
    let arguments = ["--plugin-dir", "both", "run", "tiny.toml", "--out", "out"];
    let ran = fails(&sandbox, &arguments, &["error[plugin/two-of-one-name]", "liba.so", "libb.so", "help:"]);
    assert_eq!(ran.code, Some(2));
    // One of the two by its path is no riddle.
    let _ = sandbox
        .run(&["--plugin-dir", "both", "run", "tiny.toml", "--out", "out", "objective.use=\"both/liba.so\""])
        .ended(0);
}

#[test]
fn a_broken_file_under_the_plugin_s_name_is_told() {
    let sandbox = Sandbox::new("misbehaving");
    let name =
        plugin_file("misbehaving").file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    sandbox.write(&format!("broken/{}", name.replace("misbehaving", "garbled")), "text");
    let _ = fails(
        &sandbox,
        &["--plugin-dir", "broken", "run", "tiny.toml", "objective.use=garbled"],
        &["error[plugin/unknown]", "garbled", "looks like text"],
    );
    let listed = sandbox.run(&["--plugin-dir", "broken", "plugins"]).ended(0);
    assert!(
        listed.out.contains("broken:") && listed.out.contains("looks like text") && listed.out.contains("misbehaving"),
        "{}",
        listed.out
    );
}

#[test]
fn the_conformance_suite_finds_what_is_wrong() {
    let sandbox = Sandbox::new("misbehaving");
    let verdict = |arguments: &[&str], subject: &str, check: &str| {
        let mut all = vec!["--json", "plugins", "check", "misbehaving"];
        all.extend(arguments);
        let ran = sandbox.run(&all);
        let report = ran.json();
        let found = report["findings"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|found| found["subject"] == subject && found["check"] == check);
        let verdict = found.and_then(|found| found["verdict"].as_str()).unwrap_or("missing").to_owned();
        assert_eq!(ran.code, Some(i32::from(report["holds"] == false)), "{}\n{}", ran.command, ran.out);
        assert!(verdict == "ok" || report["holds"] == false, "{}", ran.out);
        (verdict, ran.out)
    };
    let (fine, out) = verdict(&[], "objective", "gradients");
    assert!(fine == "ok" && out.contains("\"holds\":true"), "{out}");
    for (how, check) in [
        ("panic_in_create", "creates"),
        ("panic_in_loss", "finite"),
        ("nan_loss", "finite"),
        ("never_trains", "reached"),
        ("impure_collate", "collate"),
        ("starts_thread", "threads"),
        ("leaks", "overfits"),
    ] {
        let (found, out) = verdict(&[&format!("objective.how={how}")], "objective", check);
        assert_eq!(found, "failed", "{how}: {out}");
    }
    for (how, check) in [
        ("wrong_shape_out", "shapes"),
        ("wrong_gradient", "gradients"),
        ("mixes_samples", "company"),
        ("panic_in_build", "builds"),
    ] {
        let (found, out) = verdict(&["--model", "misbehaving", &format!("model.how={how}")], "model", check);
        assert_eq!(found, "failed", "{how}: {out}");
    }
    // A straight-through gradient is none: outcomes of rounding are held while weights are displaced.
    let (found, out) = verdict(&["--model", "misbehaving", "model.how=rounds"], "model", "gradients");
    assert!(found == "ok" && out.contains("\"holds\":true"), "{out}");
}
