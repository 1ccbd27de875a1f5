//! A progress bar as text: what indicatif would draw, for the one writer to the terminal to show.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

/// The bar of a list of tasks.
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

    /// How it looks with so many done, on a screen of so many columns. ASCII: not every terminal has block characters.
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
        // What was drawn on the way here is not the whole picture.
        self.paper.0.lock().unwrap_or_else(PoisonError::into_inner).text.clear();
        self.bar.force_draw();
        self.paper.0.lock().unwrap_or_else(PoisonError::into_inner).text.trim().to_owned()
    }
}

/// What is drawn on.
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
