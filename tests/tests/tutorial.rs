//! The way of a new author: write a plugin with the program, build it, check it, train it; and plugins built otherwise than
//! the program load all the same.

use std::path::{Path, PathBuf};
use std::process::Command;

use lacuna_tests::{Ran, Sandbox, program, release_folder, repository};

/// Builds of these tests, kept between runs: below the target folder of the program.
fn shared(name: &str) -> PathBuf {
    let folder = release_folder().parent().map(|target| target.join(name)).unwrap_or_default();
    std::fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    folder
}

/// A line of a tutorial, typed into a shell that finds the program.
fn typed(line: &str, folder: &Path, sandbox: &Sandbox) -> Ran {
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!(
        "{}:{path}",
        program().parent().map(Path::display).map(|folder| folder.to_string()).unwrap_or_default()
    );
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(line).current_dir(folder).env("PATH", path).env("LACUNA_CACHE", sandbox.file("cache"));
    // Nothing is fetched: the crates are those that the program was built from.
    shell.env("CARGO_NET_OFFLINE", "true").env_remove("CARGO_TARGET_DIR").env_remove("LACUNA_PLUGIN_PATH");
    Ran::of(&mut shell)
}

/// Types the commands that `plugins new` prints, in the folder where each finds itself.
fn follow(sandbox: &Sandbox, name: &str, kind: &str) {
    let made = sandbox.run(&["--json", "plugins", "new", name, kind]).ended(0).json();
    let folder = PathBuf::from(made["folder"].as_str().expect("the folder is told"));
    assert_eq!(folder.file_name().and_then(|own| own.to_str()), Some(name));
    std::fs::copy(repository().join("Cargo.lock"), folder.join("Cargo.lock")).expect("the lock file can be copied");
    #[cfg(unix)]
    std::os::unix::fs::symlink(shared("tutorial"), folder.join("target")).expect("a link can be made");
    let commands: Vec<&str> =
        made["commands"].as_array().into_iter().flatten().filter_map(|command| command.as_str()).collect();
    assert_eq!(commands.len(), 3, "{made}");
    assert!(commands[0].starts_with("cd ") && commands[0].contains("cargo build --release"), "{commands:?}");
    let _ = typed(commands[0], sandbox.path(), sandbox).ended(0);
    // What follows is typed in the plugin's folder, where the first command led.
    let checked = typed(commands[1], &folder, sandbox).ended(0);
    assert!(checked.out.contains("none failed"), "{}", checked.out);
    let trained = typed(&format!("{} run.steps=60", commands[2]), &folder, sandbox).ended(0);
    assert!(trained.out.contains("held-out loss"), "{}", trained.out);
    let readme = std::fs::read_to_string(folder.join("README.md")).expect("there is a README");
    assert!(commands.iter().all(|command| readme.contains(command)), "the README has the same commands: {readme}");
}

/// The commands of the README's tutorial.
fn tutorial() -> String {
    let readme = std::fs::read_to_string(repository().join("README.md")).expect("there is a README");
    let section = readme.split("## Write a plugin").nth(1).expect("the README has a tutorial");
    let block = section.split("```").nth(1).expect("the tutorial has commands");
    block.strip_prefix("sh\n").expect("the commands are for a shell").to_owned()
}

#[test]
fn the_tutorial_of_the_readme() {
    let sandbox = Sandbox::new("mlm");
    let mut shell = Command::new("sh");
    shell.arg("-ec").arg(tutorial()).current_dir(repository());
    // Everything happens below the sandbox, offline; only what is compiled on the way is shared with later runs.
    shell.env("TMPDIR", sandbox.path()).env("LACUNA_CACHE", sandbox.file("cache")).env("CARGO_NET_OFFLINE", "true");
    shell
        .env("CARGO_BUILD_BUILD_DIR", shared("tutorial"))
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("LACUNA_PLUGIN_PATH");
    let done = Ran::of(&mut shell).ended(0);
    for expected in ["wrote ", "none failed", "done at step", "held-out loss"] {
        assert!(done.out.contains(expected), "`{expected}` is missing in {}", done.out);
    }
}

#[test]
fn a_family_outside_the_workspace() {
    follow(&Sandbox::new("mlm"), "mean_mixer", "--model");
}

/// Copies the manifests and sources of the workspace, without data and builds.
fn copy_workspace(to: &Path) {
    let mut open = vec![PathBuf::new()];
    while let Some(relative) = open.pop() {
        let folder = repository().join(&relative);
        std::fs::create_dir_all(to.join(&relative)).expect("folders can be made");
        for entry in std::fs::read_dir(&folder).expect("the repository can be read").filter_map(Result::ok) {
            let name = entry.file_name().to_string_lossy().into_owned();
            let inner = relative.join(&name);
            if entry.path().is_dir() {
                let top = relative.as_os_str().is_empty();
                let skipped = name == ".git"
                    || top && matches!(name.as_str(), "target" | "runs" | "shared")
                    || inner.starts_with("tests/data");
                if !skipped {
                    open.push(inner);
                }
            } else {
                std::fs::copy(entry.path(), to.join(&inner)).expect("files can be copied");
            }
        }
    }
}

fn trains_with(sandbox: &Sandbox, plugins: &Path, objective: &str) {
    let plugins = plugins.display().to_string();
    let setting = format!("objective.use={objective}");
    let _ = sandbox.run(&["--plugin-dir", &plugins, "run", "tiny.toml", "--out", objective, &setting]).ended(0);
}

/// Every crate but the one of the boundary's types at another version, and a plugin written inside that workspace.
#[test]
fn plugins_of_another_version_load() {
    let sandbox = Sandbox::new("mlm");
    let copy = sandbox.file("workspace");
    copy_workspace(&copy);
    let made = Ran::of(sandbox.command(&["--json", "plugins", "new", "inside", "--objective"]).current_dir(&copy))
        .ended(0)
        .json();
    assert!(made["folder"].as_str().is_some_and(|folder| folder.ends_with("plugins/inside")), "{made}");
    let manifest = copy.join("Cargo.toml");
    let text = std::fs::read_to_string(&manifest).expect("the manifest can be read");
    assert!(text.contains("\"plugins/inside\""), "the new plugin is a member: {text}");
    let bumped = text.replacen("version = \"0.1.0\"", "version = \"0.7.3\"", 1);
    assert_ne!(text, bumped, "the workspace has its version elsewhere by now");
    std::fs::write(&manifest, bumped).expect("the manifest can be written");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target = shared("another-version");
    let mut build = Command::new(cargo);
    build
        .args(["build", "--release", "--offline", "-p", "mlm", "-p", "inside"])
        .current_dir(&copy)
        .env("CARGO_TARGET_DIR", &target);
    let _ = Ran::of(&mut build).ended(0);
    let plugins = target.join("release");
    let info = sandbox.run(&["--plugin-dir", &plugins.display().to_string(), "plugins", "info", "mlm"]).ended(0);
    assert!(info.out.contains("mlm 0.7.3"), "{}", info.out);
    trains_with(&sandbox, &plugins, "mlm");
    trains_with(&sandbox, &plugins, "inside");
}

/// A plugin that another compiler built.
#[test]
fn plugins_of_another_compiler_load() {
    let other = Command::new("cargo").args(["+nightly", "--version"]).output();
    let Some(version) = other
        .ok()
        .filter(|output| output.status.success())
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
    else {
        println!("skipped: there is no second compiler; `rustup toolchain install nightly` brings one");
        return;
    };
    let target = shared("other-rustc");
    let mut build = Command::new("cargo");
    build.args(["+nightly", "build", "--release", "--offline", "-p", "mlm"]).current_dir(repository());
    build.env("CARGO_TARGET_DIR", &target).env_remove("CARGO").env_remove("RUSTC").env_remove("RUSTUP_TOOLCHAIN");
    let _ = Ran::of(&mut build).ended(0);
    println!("built with {}", version.trim());
    trains_with(&Sandbox::new("mlm"), &target.join("release"), "mlm");
}
