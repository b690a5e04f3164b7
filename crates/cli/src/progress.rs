//! How far a long command is: a bar with rate and time left on a terminal, else a line now and then.

use crate::ui::Ui;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// One long piece of work.
pub(crate) struct Progress {
    bar: ProgressBar,
    lines: Option<Mutex<Lines>>,
    unit: &'static str,
}

struct Lines {
    label: String,
    started: Instant,
    told: Instant,
    done: u64,
    total: u64,
}

impl Progress {
    /// `total` 0: not known yet.
    pub(crate) fn new(ui: &Ui, label: &str, unit: &'static str, total: u64) -> Self {
        let target =
            if ui.bars { ProgressDrawTarget::stderr_with_hz(10) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(total), target);
        let template = format!("{{msg}} [{{bar:30}}] {{pos}}/{{len}} {unit}, {{per_sec:.0}}, {{eta}} left");
        // The template is ours and valid; were it not, the plain bar would do.
        bar.set_style(
            ProgressStyle::with_template(&template)
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .with_key("per_sec", |state: &indicatif::ProgressState, out: &mut dyn std::fmt::Write| {
                    let _ = write!(out, "{}/s", short_rate(state.per_sec()));
                })
                .progress_chars("=> "),
        );
        bar.set_message(label.to_owned());
        let now = Instant::now();
        let lines = (!ui.bars && !ui.quiet)
            .then(|| Mutex::new(Lines { label: label.to_owned(), started: now, told: now, done: 0, total }));
        Self { bar, lines, unit }
    }

    /// `done` of `total`.
    pub(crate) fn set(&self, done: u64, total: u64) {
        if self.bar.length() != Some(total) {
            self.bar.set_length(total);
        }
        self.bar.set_position(done);
        let Some(lines) = &self.lines else { return };
        // Whoever comes while another thread writes has nothing newer to say.
        let Ok(mut lines) = lines.try_lock() else { return };
        (lines.done, lines.total) = (done, total);
        if lines.told.elapsed() >= LINE_EVERY {
            lines.told = Instant::now();
            eprintln!("{}", lines.text(self.unit));
        }
    }

    /// What stands before the bar, while the work goes on.
    pub(crate) fn say(&self, message: &str) {
        self.bar.set_message(message.to_owned());
    }

    /// Another stage of the same work.
    pub(crate) fn stage(&self, label: &str) {
        if self.bar.message() == label {
            return;
        }
        self.bar.set_message(label.to_owned());
        self.bar.reset();
        if let Some(lines) = &self.lines
            && let Ok(mut lines) = lines.lock()
        {
            lines.label = label.to_owned();
            lines.started = Instant::now();
            lines.done = 0;
        }
    }

    /// The work is over; the bar goes.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Lines {
    fn text(&self, unit: &str) -> String {
        let rate = self.done as f64 / self.started.elapsed().as_secs_f64().max(1e-3);
        let mut text = format!("{}: {}", self.label, self.done);
        if self.total > 0 {
            text += &format!("/{}", self.total);
        }
        text += &format!(" {unit}, {}/s", short_rate(rate));
        if rate > 0.0 && self.total > self.done {
            let left = ((self.total - self.done) as f64 / rate).min(1e7);
            text += &format!(", {} left", indicatif::HumanDuration(Duration::from_secs(left as u64)));
        }
        text
    }
}

fn short_rate(rate: f64) -> String {
    if rate >= 10.0 { format!("{rate:.0}") } else { format!("{rate:.1}") }
}
