//! The program `lacuna`.

use std::ffi::{c_int, c_long};
use std::process::ExitCode;

/// Keeps the pages of freed tensors: a step allocates the same sizes again and again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many threads candle gives to its plain operations; read at the first of them. A user's own choice stays.
const CANDLE_THREADS: &str = "CANDLE_NUM_THREADS";

/// `mi_option_purge_delay` of mimalloc.h: after how many milliseconds freed pages go back to the system; -1 for never.
const PURGE_DELAY: c_int = 15;

unsafe extern "C" {
    /// Sets an option of the allocator unless its environment variable does (mimalloc.h).
    fn mi_option_set_default(option: c_int, value: c_long);
}

fn main() -> ExitCode {
    // candle's own threads spin while they wait for one another, on cores that the one pool of the fused kernels needs: on two
    // cores a step of the tiny experiment took 58 ms with them and 52 ms without, beside other work 130 ms and 73 ms.
    if std::env::var_os(CANDLE_THREADS).is_none() {
        // SAFETY: this is the program's first line, so no other thread can be reading the environment.
        unsafe { std::env::set_var(CANDLE_THREADS, "1") };
    }
    // Otherwise 2,600 pages a step of 350 ms go back and are cleared again when they come: 7 % of its time.
    // SAFETY: a plain setting of the allocator that this program links.
    unsafe { mi_option_set_default(PURGE_DELAY, -1) };
    lacuna::cli::main()
}
