//! How far long work is: a bar on a terminal, plain lines elsewhere, on standard error.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Plain lines come at most this often.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows how far a run is.
pub struct Progress {
    bar: Option<ProgressBar>,
    last_line: Option<Instant>,
}

impl Progress {
    /// A bar of `total` steps, `done` of them done already.
    #[must_use]
    pub fn steps(total: u64, done: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total).with_position(done);
            let style = ProgressStyle::with_template("{bar:32} step {pos}/{len}  {msg}  {eta} left");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self { bar, last_line: None }
    }

    /// A spinner for work of unknown length.
    #[must_use]
    pub fn unknown() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self { bar, last_line: Some(Instant::now()) }
    }

    /// At step `position`, with `message`; a plain line says `step position/total  message`.
    pub fn at(&mut self, position: u64, total: u64, message: &str) {
        if let Some(bar) = &self.bar {
            bar.set_position(position);
            bar.set_message(message.to_owned());
        } else if self.line_is_due() || position == total {
            eprintln!("step {position}/{total}  {message}");
        }
    }

    /// Says what is going on.
    pub fn say(&mut self, message: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(message.to_owned());
        } else if self.line_is_due() {
            eprintln!("{message}");
        }
    }

    /// A line that stays, above the bar.
    pub fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn line_is_due(&mut self) -> bool {
        let now = Instant::now();
        let due = self.last_line.is_none_or(|last| now - last >= LINE_EVERY);
        if due {
            self.last_line = Some(now);
        }
        due
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}
