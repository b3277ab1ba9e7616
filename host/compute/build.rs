//! Compiles the kernels of `src/cuda`: to PTX with nvcc (feature `cuda`), to a library for the CPU with a C++ compiler (feature
//! `cuda-emulation`, for tests). Without these features there is nothing to do.

use std::path::{Path, PathBuf};
use std::process::{Command, exit};

/// The types of elements that each file is compiled for, as the end of file names and as the files know them.
const TYPES: [(&str, &str); 4] =
    [("f32", "LACUNA_F32"), ("f64", "LACUNA_F64"), ("bf16", "LACUNA_BF16"), ("f16", "LACUNA_F16")];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let (cuda, emulation) = (has_feature("CUDA"), has_feature("CUDA_EMULATION"));
    if !cuda && !emulation {
        return;
    }
    println!("cargo::rerun-if-changed=src/cuda");
    let out = PathBuf::from(variable("OUT_DIR").unwrap_or_else(|| fail("OUT_DIR is not set: run this through cargo")));
    let files = kernel_files(Path::new("src/cuda"));
    if cuda {
        compile_ptx(&files, &out);
    }
    if emulation {
        compile_emulation(&files, &out);
    }
}

fn has_feature(name: &str) -> bool {
    std::env::var_os(format!("CARGO_FEATURE_{name}")).is_some()
}

/// An environment variable on which the build depends.
fn variable(name: &str) -> Option<String> {
    println!("cargo::rerun-if-env-changed={name}");
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn fail(text: &str) -> ! {
    println!("cargo::error={text}");
    exit(1)
}

fn kernel_files(folder: &Path) -> Vec<PathBuf> {
    let entries =
        std::fs::read_dir(folder).unwrap_or_else(|error| fail(&format!("can't list {}: {error}", folder.display())));
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "cu"))
        .collect();
    files.sort();
    files
}

fn stem(file: &Path) -> String {
    file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

fn run(command: &mut Command, help: &str) {
    match command.status() {
        Ok(status) if status.success() => {}
        Ok(status) => fail(&format!("{command:?} ended with {status}")),
        Err(error) => fail(&format!("{command:?} can't be started: {error}; {help}")),
    }
}

fn compile_ptx(files: &[PathBuf], out: &Path) {
    let home = variable("CUDA_HOME").or_else(|| variable("CUDA_PATH")).or_else(|| variable("CUDA_ROOT"));
    let nvcc = home.map_or_else(|| PathBuf::from("nvcc"), |home| Path::new(&home).join("bin/nvcc"));
    let capability = variable("CUDA_COMPUTE_CAP").or_else(own_capability).unwrap_or_else(|| {
        fail("set CUDA_COMPUTE_CAP to the device's compute capability without its dot (H100: 90, A100: 80); there is no device here to ask")
    });
    for file in files {
        for (name, define) in TYPES {
            let target = out.join(format!("{}_{name}.ptx", stem(file)));
            let mut command = Command::new(&nvcc);
            command.args(["-ptx", "-O3", "-std=c++17"]).arg(format!("-arch=compute_{capability}"));
            command.arg(format!("-D{define}")).arg(file).arg("-o").arg(&target);
            run(&mut command, "set CUDA_HOME to a CUDA toolkit, or use `make cuda`, which fetches one");
        }
    }
}

/// The compute capability of the first device, without its dot.
fn own_capability() -> Option<String> {
    let output = Command::new("nvidia-smi").args(["--query-gpu=compute_cap", "--format=csv,noheader"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.lines().next()?.trim().replace('.', "")).filter(|digits| !digits.is_empty())
}

fn compile_emulation(files: &[PathBuf], out: &Path) {
    let compiler = variable("CXX").unwrap_or_else(|| "c++".to_owned());
    let mut objects = Vec::new();
    let mut compile = |file: &Path, object: PathBuf, define: &str| {
        let mut command = Command::new(&compiler);
        command.args(["-std=c++17", "-O2", "-fPIC", "-ffp-contract=off", "-Wall", "-Wno-unused-function"]);
        command.args(["-DLACUNA_EMULATION", define, "-x", "c++", "-c"]).arg(file).arg("-o").arg(&object);
        run(&mut command, "the emulation needs a C++ compiler; set CXX to one");
        objects.push(object);
    };
    for name in ["device", "faults"] {
        let file = PathBuf::from(format!("src/cuda/emulation/{name}.cpp"));
        compile(&file, out.join(format!("{name}.o")), "-DLACUNA_F32");
    }
    for file in files {
        for (name, define) in TYPES {
            compile(file, out.join(format!("{}_{name}.o", stem(file))), &format!("-D{define}"));
        }
    }
    let library = out.join("liblacuna_emulation.a");
    // An archive is added to, so an old one must go.
    std::fs::remove_file(&library).ok();
    run(Command::new("ar").arg("crs").arg(&library).args(&objects), "the emulation needs `ar`");
    println!("cargo::rustc-link-search=native={}", out.display());
    // Kernels make themselves known as the program starts, so that none may be left out as unused.
    println!("cargo::rustc-link-lib=static:+whole-archive=lacuna_emulation");
    println!("cargo::rustc-link-lib=dylib=stdc++");
}
