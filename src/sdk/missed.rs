//! Counts events that the SDK dropped. In a burst the SDK's queue for incoming events overflows, of which the SDK only writes a
//! line to its log.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// Counts for all connections of this process together; a host has one.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// A layer of the log that reads the SDK's line about dropped events.
#[derive(Debug)]
pub(crate) struct Missed;

/// How many events were dropped since the last call.
pub(super) fn take() -> u64 {
    COUNT.swap(0, Ordering::Relaxed)
}

impl<S: Subscriber> Layer<S> for Missed {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        event.record(&mut Count);
    }
}

struct Count;

impl Visit for Count {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "missed" {
            COUNT.fetch_add(value, Ordering::Relaxed);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}
