//! A wish to stop, from SIGINT or SIGTERM: the step under way is finished and saved first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Says whether the run was asked to stop.
#[derive(Clone, Default)]
pub struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// A flag that the two signals raise. A second one while the first is being honoured ends the program at once.
    ///
    /// # Errors
    /// When the system refuses the handlers.
    pub fn on_signals() -> std::io::Result<Self> {
        let flag = Self::default();
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            // Registered first, so it looks at the flag before this very signal raises it.
            signal_hook::flag::register_conditional_shutdown(signal, 130, flag.0.clone())?;
            signal_hook::flag::register(signal, flag.0.clone())?;
        }
        Ok(flag)
    }

    /// Whether to stop after this step.
    #[must_use]
    pub fn raised(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Raises the flag when standard input ends: when the process that holds its other end closes it or is gone.
    pub fn raise_when_input_ends(&self) {
        let flag = self.clone();
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
            flag.raise();
        });
    }

    /// Asks to stop.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Release);
    }
}
