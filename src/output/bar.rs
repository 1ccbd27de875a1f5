//! A progress bar as text. indicatif draws it, and `terminal`, the one writer, shows it.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

/// The progress bar of a list of tasks.
pub(crate) struct Bar {
    bar: ProgressBar,
    paper: Paper,
}

impl Bar {
    pub(crate) fn new(all: usize) -> Self {
        let paper = Paper::default();
        let target = ProgressDrawTarget::term_like(Box::new(paper.clone()));
        let bar = ProgressBar::with_draw_target(u64::try_from(all).ok(), target);
        Self { bar, paper }
    }

    /// The bar with `done` tasks done, on a screen of this many columns. It is ASCII, as not every terminal has block characters.
    pub(crate) fn text(&self, done: usize, message: &str, columns: u16) -> String {
        let template = match columns {
            0..60 => "{pos}/{len} {msg}",
            60.. => "[{bar:24}] {pos}/{len} {msg}",
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        self.paper.0.lock().unwrap_or_else(PoisonError::into_inner).columns = columns;
        self.bar.set_style(style.progress_chars("=> "));
        self.bar.set_message(message.to_owned());
        self.bar.set_position(u64::try_from(done).unwrap_or(u64::MAX));
        // indicatif drew on every change above. Only the last drawing counts.
        self.paper.0.lock().unwrap_or_else(PoisonError::into_inner).text.clear();
        self.bar.force_draw();
        self.paper.0.lock().unwrap_or_else(PoisonError::into_inner).text.trim().to_owned()
    }
}

/// The terminal that indicatif draws on: a text.
#[derive(Debug, Default, Clone)]
struct Paper(Arc<Mutex<Sheet>>);

#[derive(Debug, Default)]
struct Sheet {
    columns: u16,
    text: String,
}

impl TermLike for Paper {
    fn width(&self) -> u16 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).columns
    }

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).text.push_str(text);
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).text.clear();
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Bar;

    #[test]
    fn it_fits_and_counts() {
        let bar = Bar::new(200);
        for (done, columns, wanted) in [
            (0, 80, "[                        ] 0/200 8 at work"),
            (1, 40, "1/200 8 at work"),
            (100, 80, "[============>           ] 100/200 8 at work"),
            (100, 80, "[============>           ] 100/200 8 at work"),
            (200, 200, "[========================] 200/200 8 at work"),
        ] {
            assert_eq!(bar.text(done, "8 at work", columns), wanted);
        }
    }
}
