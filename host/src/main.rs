//! The program `lacuna`.

use std::process::ExitCode;

/// Keeps the pages of freed tensors: a step allocates the same sizes again and again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    lacuna::cli::main()
}
