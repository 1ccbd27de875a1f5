//! What a runtime that lives already is worth, on the real Copilot CLI and the loopback GitHub of the tests.
//!
//! `cargo bench --bench live` prints, each against a bare protocol client that does the same there: start to link (budget 1.5 times),
//! `on`, `off` and `status` (budget: 15 ms more); the memory of the runtime and the hosts for 1, 5 and 10 sessions; `list` with 200 sessions.
//! Arguments: the number of pairs (default 15).

#[expect(dead_code, unreachable_pub, reason = "the tests use the rest of it")]
#[path = "../tests/it/support"]
mod support {
    pub mod github;
    pub mod rpc;
}
#[expect(unreachable_pub, reason = "shared by the benchmarks")]
mod world;

use std::fs;
use std::io::Write as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use support::rpc::Rpc;
use world::{World, median, milliseconds, pairs};

fn say(line: &str) {
    let _ = std::io::stdout().write_all(format!("{line}\n").as_bytes());
}

/// Runs the program to its end.
fn run(world: &World, arguments: &[&str]) -> (Duration, String) {
    let begun = Instant::now();
    let output = world.command(arguments).output().expect("the program runs");
    let took = begun.elapsed();
    assert!(output.status.success(), "{arguments:?}: {}", output.status);
    (took, String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A bare client of the live runtime, before the handshake, and its token.
fn reach(world: &World) -> (Rpc, String) {
    let (address, token) = world.live_runtime();
    (Rpc::connect(address).expect("it listens"), token)
}

fn bare_call(world: &World, method: &str, params: Value) -> Duration {
    let begun = Instant::now();
    let (rpc, token) = reach(world);
    rpc.call("connect", json!({ "token": token })).expect("the handshake");
    rpc.call(method, params).expect("an answer");
    begun.elapsed()
}

/// Megabytes of resident memory.
fn resident(pid: u64) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or_default() / 1024.0
}

/// The process and all below it: npm installs a launcher in front of the CLI.
fn resident_tree(pid: u64) -> f64 {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    resident(pid) + children.split_whitespace().filter_map(|child| child.parse().ok()).map(resident_tree).sum::<f64>()
}

fn main() {
    let count: usize = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(15);
    let world = World::new();
    run(&world, &["start", "--detach"]);
    let session = world.entries("sessions").remove(0)["sessionId"].clone();
    let about = json!({ "sessionId": session });

    let bare_start = || {
        let begun = Instant::now();
        let (rpc, token) = reach(&world);
        let session = world.create(&rpc, &token);
        let took = begun.elapsed();
        let _ = rpc.call("sessions.close", json!({ "sessionId": session }));
        took
    };
    world.start();
    bare_start();
    let (ours, bare, ratio) = pairs(count, || world.start(), bare_start);
    say(&format!(
        "start to link in a live runtime: copilot-remote {ours:.0} ms, bare client {bare:.0} ms; ratio pair by pair {ratio:.3}, budget 1.5"
    ));

    for (command, method, before) in
        [("off", "session.remote.disable", "on"), ("on", "session.remote.enable", "off"), ("status", "session.name.get", "on")]
    {
        let prepared = || {
            run(&world, &[before]);
        };
        let ours = || {
            prepared();
            run(&world, &[command]).0
        };
        let bare = || {
            prepared();
            bare_call(&world, method, about.clone())
        };
        let (ours, bare, _) = pairs(count, ours, bare);
        say(&format!("{command}: copilot-remote {ours:.1} ms, bare call {bare:.1} ms; {:.1} ms more, budget 15", ours - bare));
    }

    let mut sessions = 1;
    for wanted in [1, 5, 10] {
        while sessions < wanted {
            run(&world, &["start", "--detach"]);
            sessions += 1;
        }
        let entries = world.entries("sessions");
        let hosts: Vec<f64> = entries.iter().filter_map(|entry| entry["host"]["pid"].as_u64()).map(resident).collect();
        let runtime = resident_tree(entries[0]["copilotPid"].as_u64().expect("a pid"));
        say(&format!("{wanted} sessions: runtime {runtime:.0} MB, a host {:.1} MB (median)", median(hosts)));
    }
    run(&world, &["stop", "--all"]);

    // Live ones: their host is this process.
    run(&world, &["start", "--detach"]);
    let mut entry = world.entries("sessions").remove(0);
    run(&world, &["stop", "--all"]);
    let stat = fs::read_to_string("/proc/self/stat").expect("/proc");
    let started: u64 = stat
        .rsplit_once(')')
        .and_then(|(_, rest)| rest.split_whitespace().nth(19))
        .and_then(|text| text.parse().ok())
        .expect("a start");
    entry["host"] = json!({"pid": std::process::id(), "started": started});
    for number in 0..200 {
        let id = format!("00000000-0000-4000-8000-{number:012}");
        entry["sessionId"] = json!(id);
        fs::write(world.state("sessions").join(format!("{id}.json")), entry.to_string()).expect("an entry");
        fs::write(world.state("sessions").join(format!("{id}.lock")), "").expect("a lock");
    }
    let figures = (0..count).map(|_| {
        let (took, table) = run(&world, &["list"]);
        assert_eq!(table.lines().count(), 201);
        milliseconds(took)
    });
    say(&format!("list with 200 sessions: {:.1} ms", median(figures.collect())));
}
