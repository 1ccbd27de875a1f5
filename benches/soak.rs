//! 10,000 turns of one session in the background, on the stand-in: what its host takes at the beginning and at the end.
//!
//! `cargo bench --bench soak` prints memory, open files and the size of the journal after a tenth of the turns and after all of them; memory
//! (budget: a tenth more) and files (budget: none more) are to stay as they are. Arguments: the number of turns (default 10,000).

#[expect(dead_code, unreachable_pub, reason = "the tests use the rest of it")]
#[path = "../tests/it/support"]
mod support {
    pub mod github;
    pub mod rpc;
}
#[expect(dead_code, unreachable_pub, reason = "shared by the benchmarks")]
mod world;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, ExitCode};
use std::time::Instant;

use serde_json::{Value, json};

use world::World;

fn say(line: &str) {
    let _ = std::io::stdout().write_all(format!("{line}\n").as_bytes());
}

/// What a process takes: kilobytes of memory, open files.
fn taken(pid: u64) -> (u64, usize) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
    (line.trim().trim_end_matches(" kB").parse().unwrap_or_default(), files)
}

fn main() -> ExitCode {
    let turns: usize = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(10_000);
    let world = World::new();
    let turn = |number: usize| {
        [
            json!({"prompt": format!("prompt {number}")}),
            json!({"tool": {"name": "bash", "arguments": {"command": "cargo test"}, "seconds": 0}}),
            json!({"message": "done"}),
            json!({"wait": 0.5}),
            json!("idle"),
        ]
    };
    let mut timeline: Vec<Value> = vec![json!({"wait": 100})];
    timeline.extend((0..turns).flat_map(turn));
    timeline.push(json!({"wait": 1e9}));
    let script = world.home.path().join("soak.json");
    std::fs::write(&script, json!({"speed": 100, "timeline": timeline}).to_string()).expect("a script");
    let command = |arguments: &[&str]| -> Command {
        let mut command = world.command(arguments);
        command.env("COPILOT_REMOTE_DEMO_SCRIPT", &script);
        command
    };
    let started = command(&["start", "--demo", "--detach"]).output().expect("the program runs");
    assert!(started.status.success(), "start failed");
    let entry = world.entries("sessions").remove(0);
    let host = entry["host"]["pid"].as_u64().expect("the host");
    let begun = Instant::now();
    let mut events = command(&["events", "--follow"]).spawn().expect("the program runs");
    let lines = BufReader::new(events.stdout.take().expect("its events")).lines();
    let (mut idle, mut missed) = (0, 0);
    let mut samples = Vec::new();
    for line in lines.map_while(Result::ok) {
        let event: Value = serde_json::from_str(&line).unwrap_or_default();
        missed += event["count"].as_u64().unwrap_or_default();
        if event["type"] == "idle" {
            idle += 1;
            if idle == turns / 10 || idle == turns {
                let (memory, files) = taken(host);
                let journal: u64 = std::fs::read_dir(world.state("logs"))
                    .expect("logs")
                    .flatten()
                    .filter(|file| file.file_name().to_string_lossy().starts_with("session-"))
                    .map(|file| file.metadata().map_or(0, |found| found.len()))
                    .sum();
                say(&format!("after {idle} turns: host {memory} kB, {files} files, journal {} kB", journal / 1024));
                samples.push((memory, files));
            }
            if idle == turns {
                break;
            }
        }
    }
    say(&format!("{turns} turns in {:.1} s, {missed} events missed", begun.elapsed().as_secs_f64()));
    let _ = events.kill();
    let _ = events.wait();
    let _ = command(&["stop", "--all"]).output();
    let [(first, files), (last, more)] = samples[..] else { panic!("the session ended early") };
    let good = last * 10 <= first * 11 && more <= files && missed == 0;
    say(if good { "memory and files stay as they are" } else { "OVER BUDGET: memory or files grow, or events are missed" });
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
