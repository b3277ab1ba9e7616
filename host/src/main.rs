//! The program `lacuna`.

use std::process::ExitCode;

/// Keeps the pages of freed tensors: a step allocates the same sizes again and again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many threads candle gives to its plain operations; read at the first of them. A user's own choice stays.
const CANDLE_THREADS: &str = "CANDLE_NUM_THREADS";

fn main() -> ExitCode {
    // candle's own threads spin while they wait for one another, on cores that the one pool of the fused kernels needs: on two
    // cores a step of the tiny experiment took 58 ms with them and 52 ms without, beside other work 130 ms and 73 ms.
    if std::env::var_os(CANDLE_THREADS).is_none() {
        // SAFETY: this is the program's first line, so no other thread can be reading the environment.
        unsafe { std::env::set_var(CANDLE_THREADS, "1") };
    }
    lacuna::cli::main()
}
