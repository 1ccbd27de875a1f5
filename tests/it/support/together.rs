//! Waiting for something, and running the rows of a table, several at a time, as most of each is waiting.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

/// Whether it came true in time. What takes long is looked at less often: most looks run the program, and others need the machine too.
pub fn until(limit: Duration, done: impl Fn() -> bool) -> bool {
    let begun = Instant::now();
    while !done() {
        let waited = begun.elapsed();
        if waited >= limit {
            return false;
        }
        std::thread::sleep((waited / 8).clamp(Duration::from_millis(10), Duration::from_millis(300)));
    }
    true
}

/// Fails if it does not come true in time.
pub fn wait_for(what: &str, limit: Duration, done: impl Fn() -> bool) {
    assert!(until(limit, done), "not done in {limit:?}: {what}");
}

/// Rows that run at once, over all tables: each is mostly waiting, and together they are to leave the machine fast enough for deadlines.
const ROWS: usize = 6;

/// A place among the rows that run.
struct Place;

static TAKEN: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

impl Place {
    fn take() -> Self {
        let taken = TAKEN.0.lock().unwrap();
        *TAKEN.1.wait_while(taken, |taken| *taken >= ROWS).unwrap() += 1;
        Self
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *TAKEN.0.lock().unwrap() -= 1;
        TAKEN.1.notify_one();
    }
}

/// Runs every row, whatever becomes of the others, and fails with what those said that failed.
pub fn run_all<T: Sync>(rows: &[T], run: impl Fn(&T) + Sync) {
    let said = |panic: Box<dyn Any + Send>| match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic.downcast_ref::<&str>().copied().unwrap_or_default().to_owned(),
    };
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..rows.len().min(ROWS) {
            scope.spawn(|| {
                while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let _place = Place::take();
                    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(row))) {
                        failed.lock().unwrap().push(said(panic));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}
