//! How the program speaks: answers on stdout, everything else on stderr.

use crate::args::Global;
use serde::Serialize;
use std::fmt::Display;
use std::io::{ErrorKind, IsTerminal, Write};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// Kept while the program runs: spans that were not sent yet are sent when it is dropped.
pub(crate) struct Logging {
    #[cfg(feature = "otel")]
    _traces: Option<twinset_traces::Traces>,
}

/// What the caller asked to hear.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ui {
    /// One JSON document on stdout.
    pub(crate) json: bool,
    /// No notes and no progress.
    pub(crate) quiet: bool,
    /// Stderr is a terminal: bars instead of lines.
    pub(crate) bars: bool,
    verbose: u8,
    colour_out: bool,
    colour_err: bool,
}

impl Ui {
    pub(crate) fn new(global: &Global) -> Self {
        // https://no-color.org: set to anything but nothing.
        let plain = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let (out, err) = (std::io::stdout().is_terminal(), std::io::stderr().is_terminal());
        Self {
            json: global.json,
            quiet: global.quiet,
            bars: err && !dumb && !global.quiet,
            verbose: global.verbose,
            colour_out: out && !plain && !dumb,
            colour_err: err && !plain && !dumb,
        }
    }

    /// Logs go to stderr, with `--json` as one object a line; `TWINSET_LOG` (such as `twinset_engine=debug`) wins over `-v`.
    pub(crate) fn start_logging(&self) -> Logging {
        let level = match (self.quiet, self.verbose) {
            (true, _) => "error",
            (false, 0) => "warn",
            (false, 1) => "info,twinset=debug",
            (false, _) => "debug",
        };
        let filter = tracing_subscriber::EnvFilter::try_from_env("TWINSET_LOG")
            .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
        let log = tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(self.colour_err)
            .with_target(self.verbose > 1);
        // Whoever reads answers by machine reads logs by machine.
        let log = match self.json {
            true => log.json().with_filter(filter).boxed(),
            false => log.with_filter(filter).boxed(),
        };
        let all = tracing_subscriber::registry().with(log);
        #[cfg(feature = "otel")]
        {
            let traces = twinset_traces::Traces::start().unwrap_or_else(|error| {
                self.note(format_args!("warning: {error}"));
                None
            });
            all.with(traces.as_ref().map(twinset_traces::Traces::layer)).init();
            Logging { _traces: traces }
        }
        #[cfg(not(feature = "otel"))]
        {
            all.init();
            Logging {}
        }
    }

    /// The answer: `value` as JSON, or what `human` writes.
    pub(crate) fn answer(
        &self,
        value: &impl Serialize,
        human: impl FnOnce() -> String,
    ) -> anyhow::Result<()> {
        let mut text = if !self.json {
            human()
        } else if std::io::stdout().is_terminal() {
            serde_json::to_string_pretty(value)?
        } else {
            serde_json::to_string(value)?
        };
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        let mut out = std::io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            // Whoever reads has seen enough (`| head`).
            Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
            other => Ok(other?),
        }
    }

    /// A remark for people, on stderr.
    pub(crate) fn note(&self, text: impl Display) {
        if !self.quiet {
            self.say(&text);
        }
    }

    /// Something that was left out: told even when quiet.
    pub(crate) fn rejected(&self, what: impl Display, reason: impl Display) {
        self.say(&format_args!("{} {what}: {reason}", self.paint_err("rejected:", "33")));
    }

    pub(crate) fn error(&self, text: impl Display) {
        self.say(&format_args!("{} {text}", self.paint_err("error:", "1;31")));
    }

    pub(crate) fn help(&self, text: impl Display) {
        self.say(&format_args!("{} {text}", self.paint_err("help:", "1;36")));
    }

    pub(crate) fn say(&self, text: &dyn Display) {
        // Nobody left to tell: not a reason to fail.
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }

    /// Bold on a terminal.
    pub(crate) fn strong(&self, text: &str) -> String {
        paint(text, "1", self.colour_out)
    }

    /// Faint on a terminal.
    pub(crate) fn faint(&self, text: &str) -> String {
        paint(text, "2", self.colour_out)
    }

    fn paint_err(&self, text: &str, code: &str) -> String {
        paint(text, code, self.colour_err)
    }
}

fn paint(text: &str, code: &str, colour: bool) -> String {
    if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

/// Columns as wide as their widest cell, two blanks between, the last one as it comes.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| rows.iter().filter_map(|r| r.get(c)).map(|t| width_of(t)).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line += cell;
            line.extend(std::iter::repeat_n(' ', width - width_of(cell) + 2));
        }
        line.truncate(line.trim_end().len());
        line + "\n"
    };
    rows.iter().map(line).collect()
}

/// Columns on a terminal: escapes count none, Hangul, kana and Han two.
fn width_of(text: &str) -> usize {
    let mut escape = false;
    let mut width = 0;
    for c in text.chars() {
        match c {
            '\x1b' => escape = true,
            'm' if escape => escape = false,
            _ if escape => {}
            '\u{1100}'..='\u{115f}'
            | '\u{2e80}'..='\u{a4cf}'
            | '\u{ac00}'..='\u{d7a3}'
            | '\u{f900}'..='\u{faff}'
            | '\u{fe30}'..='\u{fe6f}'
            | '\u{ff00}'..='\u{ff60}'
            | '\u{20000}'..='\u{3fffd}' => width += 2,
            _ => width += 1,
        }
    }
    width
}

/// Cut to at most `most` characters, with a sign that it was.
pub(crate) fn short(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        text.to_owned()
    } else {
        text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_whatever_they_hold() {
        let rows = [["1", "\x1b[1mred\x1b[0m", "x"], ["12", "드레스", "y"]];
        let text = table(&rows.map(|r| r.map(str::to_owned).to_vec()));
        assert_eq!(text, "1   \x1b[1mred\x1b[0m     x\n12  드레스  y\n");
        assert_eq!(short("abcdef", 4), "abc…");
    }
}
