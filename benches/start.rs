//! How long it takes from nothing to the link, against a bare protocol client that makes the same calls on the same CLI.
//!
//! `cargo bench --bench start` prints medians and the ratio pair by pair; the budget is a ratio of 1.05. Both run in turn, in one warm
//! home, on the real Copilot CLI and the loopback GitHub of the tests. Arguments: the number of pairs (default 15).

#[expect(dead_code, unreachable_pub, reason = "the tests use the rest of it")]
#[path = "../tests/it/support"]
mod support {
    pub mod github;
    pub mod rpc;
}
#[expect(dead_code, unreachable_pub, reason = "shared by the benchmarks")]
mod world;

use std::io::Write as _;
use std::time::{Duration, Instant};

use serde_json::json;

use support::rpc::{Rpc, spawn_server};
use world::{World, pairs};

fn bare(world: &World) -> Duration {
    let begun = Instant::now();
    let server = spawn_server(&world.cli, &[], &world.env(), world.home.path(), &world.repo());
    let rpc = Rpc::connect(("127.0.0.1", server.port)).expect("it listens");
    world.create(&rpc, server.token);
    let took = begun.elapsed();
    let _ = rpc.call("runtime.shutdown", json!({}));
    took
}

fn main() {
    let count: usize = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(15);
    let world = World::new();
    // The CLI fills its caches.
    bare(&world);
    world.start();
    let (ours, bare, ratio) = pairs(count, || world.start(), || bare(&world));
    let report = format!(
        "cold start to link, {count} pairs: copilot-remote {ours:.0} ms, bare client {bare:.0} ms (medians); ratio pair by pair {ratio:.3} (median), budget 1.05\n"
    );
    let _ = std::io::stdout().write_all(report.as_bytes());
}
