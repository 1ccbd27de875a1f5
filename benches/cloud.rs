//! How fast a list of tasks is launched, against a bare protocol client that makes the same calls, as many at once, on the same runtime.
//!
//! `cargo bench --bench cloud` prints tasks a second and the ratio run by run; the budget is a ratio of 0.9. Real Copilot CLI, loopback GitHub.
//! Arguments: the number of pairs (default 7), each of 200 tasks, 8 at once.

#[expect(dead_code, unreachable_pub, reason = "the tests use the rest of it")]
#[path = "../tests/it/support"]
mod support {
    pub mod github;
    pub mod rpc;
}
#[expect(dead_code, unreachable_pub, reason = "shared by the benchmarks")]
mod world;

use std::io::Write as _;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use support::github::{worker_link, worker_starts};
use support::rpc::Rpc;
use world::{World, pairs};

const TASKS: usize = 200;
const JOBS: usize = 8;

/// From the start of the program to its end.
fn ours(world: &World) -> Duration {
    let list = (0..TASKS).map(|number| format!("octocat/repo-{number}")).collect::<Vec<_>>().join("\n");
    let begun = Instant::now();
    let mut child =
        world.command(&["cloud", "--repos-from", "-", "-p", "go"]).stdin(Stdio::piped()).spawn().expect("the program starts");
    child.stdin.take().expect("piped").write_all(list.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let took = begun.elapsed();
    assert!(output.status.success(), "{}", output.status);
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), TASKS);
    took
}

/// The same calls, with nothing around them: a thread for each that is under way.
fn bare(world: &World, address: &str, token: &str) -> Duration {
    let next = AtomicUsize::new(0);
    let begun = Instant::now();
    let rpc = Rpc::connect(address).expect("it listens");
    let call = |method: &str, params| rpc.call(method, params).unwrap_or_else(|error| panic!("{method}: {error}"));
    call("connect", json!({ "token": token }));
    call("account.getCurrentAuth", json!({}));
    std::thread::scope(|scope| {
        for _ in 0..JOBS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= TASKS {
                        return;
                    }
                    let repository = json!({"owner": "octocat", "name": format!("repo-{number}")});
                    let create =
                        json!({"workingDirectory": world.repo(), "streaming": true, "cloud": {"repository": repository}});
                    let session = call("session.create", create)["sessionId"].clone();
                    let about = json!({ "sessionId": session });
                    call("session.metadata.snapshot", about.clone());
                    call("session.getMessages", about.clone());
                    call("session.send", json!({"sessionId": session, "prompt": "go"}));
                    call("sessions.close", about);
                }
            });
        }
    });
    begun.elapsed()
}

fn main() {
    let count: usize = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(7);
    let world = World::new();
    world.github.worker_begins([
        ("session.requested", json!({})),
        ("session.start", worker_starts()),
        ("session.info", worker_link()),
    ]);
    let kept = world.command(&["on-demand", "--detach"]).output().expect("the program runs");
    assert!(kept.status.success(), "{}", kept.status);
    let (address, token) = world.live_runtime();
    ours(&world);
    let (ours, bare, ratio) = pairs(count, || ours(&world), || bare(&world, &address, &token));
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let a_second = |milliseconds: f64| TASKS as f64 / milliseconds * 1000.0;
    let report = format!(
        "{TASKS} tasks, {JOBS} at once, {count} pairs: copilot-remote {:.0} a second, bare client {:.0} (medians); throughput ratio pair by pair {:.3} (median), budget 0.9\n",
        a_second(ours),
        a_second(bare),
        1.0 / ratio
    );
    let _ = std::io::stdout().write_all(report.as_bytes());
    let _ = world.command(&["stop", "--all"]).output();
}
