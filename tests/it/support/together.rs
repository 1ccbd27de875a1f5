//! Waiting for something, and running the rows of a table, several at a time, as most of each is waiting.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// Whether it came true in time.
pub fn until(limit: Duration, done: impl Fn() -> bool) -> bool {
    let until = Instant::now() + limit;
    while !done() {
        if Instant::now() >= until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

/// Fails if it does not come true in time.
pub fn wait_for(what: &str, limit: Duration, done: impl Fn() -> bool) {
    assert!(until(limit, done), "not done in {limit:?}: {what}");
}

/// Runs every row, whatever becomes of the others, and fails with what those said that failed.
pub fn run_all<T: Sync>(rows: &[T], run: impl Fn(&T) + Sync) {
    const WORKERS: usize = 4;
    let said = |panic: Box<dyn Any + Send>| match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic.downcast_ref::<&str>().copied().unwrap_or_default().to_owned(),
    };
    let failed: Vec<String> = std::thread::scope(|scope| {
        let (run, said) = (&run, &said);
        let workers: Vec<_> = (0..WORKERS)
            .map(|worker| {
                let rows = rows.iter().skip(worker).step_by(WORKERS);
                let run = move |row| catch_unwind(AssertUnwindSafe(|| run(row))).map_err(said);
                scope.spawn(move || rows.filter_map(|row| run(row).err()).collect::<Vec<_>>())
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}
