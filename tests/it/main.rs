//! The one integration-test crate: the real binary, run as users run it, on Unix.
#![cfg(unix)]
#![expect(clippy::unwrap_used, unreachable_pub, reason = "a test fails by panicking, and exports nothing")]

mod answers;
mod cloud;
mod conformance;
mod contract;
mod control;
mod demo;
mod failures;
mod faults;
mod generated;
mod hard_places;
mod hooks;
mod link;
mod locate;
mod own;
mod parity;
mod policy;
mod real;
mod repository;
mod resume;
mod said;
mod shared;
mod signals;
mod state;
mod support;
mod tidy;
mod transcripts;
mod usage;
mod view;
mod work;
mod worktree;
