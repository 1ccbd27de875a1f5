//! A session of ours next to `copilot` in a terminal: the same person, the same repository, the same model. On the real Copilot CLI.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::real_cli_or_return;
use crate::support::github::{GitHub, Reply, Request};
use crate::support::pty::Pty;
use crate::support::sandbox::{PATIENCE, Sandbox, files_below};
use crate::support::together::wait_for;

/// What the agent does, one after the other; the last one is asked for.
fn script(sandbox: &Sandbox) -> [Reply; 4] {
    [
        Reply::bash("git status"),
        Reply::tool("view", json!({"path": sandbox.repo().join("README.md")})),
        Reply::bash("ls && cat README.md"),
        Reply::bash("npm run build"),
    ]
}

/// A person and a repository that have something of everything.
fn world(github: &GitHub, cli: &Path) -> Sandbox {
    let mut sandbox = Sandbox::on(github);
    sandbox.set("COPILOT_CLI_PATH", cli.to_str().unwrap());
    std::fs::create_dir(sandbox.path("marks")).unwrap();
    sandbox.write("repo/README.md", "# Hello World\n");
    sandbox.write("repo/AGENTS.md", "The repository says: mind the gap.\n");
    sandbox.write("copilot/copilot-instructions.md", "The person says: be brief.\n");
    let server = sandbox.write("server.js", include_str!("support/form-server.js"));
    for (whose, agents, skills, hooks, servers) in [
        ("person", "copilot/agents", "copilot/skills", "copilot/hooks/h.json", "copilot/mcp-config.json"),
        ("repository", "repo/.github/agents", "repo/.github/skills", "repo/.github/hooks/h.json", "repo/.mcp.json"),
    ] {
        sandbox.write(
            &format!("{agents}/{whose}-agent.agent.md"),
            format!("---\nname: {whose}-agent\ndescription: The agent of the {whose}\n---\nYou are it.\n"),
        );
        sandbox.write(
            &format!("{skills}/{whose}-skill/SKILL.md"),
            format!("---\nname: {whose}-skill\ndescription: The skill of the {whose}\n---\nDo it.\n"),
        );
        let hook = |event: &str| {
            let mark = sandbox.path("marks").join(format!("{whose}-{event}"));
            json!([{"type": "command", "bash": format!("touch {}", mark.display()), "timeoutSec": 10}])
        };
        let events = ["sessionStart", "userPromptSubmitted", "preToolUse", "postToolUse"];
        let events: serde_json::Map<_, _> = events.iter().map(|event| ((*event).to_owned(), hook(event))).collect();
        sandbox.write(hooks, json!({"version": 1, "hooks": events}));
        let config = json!({"type": "local", "command": "node", "args": [server], "tools": ["*"]});
        sandbox.write(servers, json!({"mcpServers": {whose: config}}));
    }
    // A plugin, installed as people do.
    sandbox.write("plugin/plugin.json", json!({"name": "desk", "version": "1.0.0", "description": "A plugin"}));
    sandbox.write(
        "plugin/skills/plugin-skill/SKILL.md",
        "---\nname: plugin-skill\ndescription: The skill of the plugin\n---\nDo it.\n",
    );
    let mut install = Command::new(cli);
    install.args(["plugin", "install"]).arg(sandbox.path("plugin")).env_clear().envs(&sandbox.env).current_dir(sandbox.repo());
    let installed = install.output().expect("copilot");
    assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
    let settings = json!({
        "model": "gpt-5-mini", "effortLevel": "low", "includeCoAuthoredBy": false, "deniedUrls": ["https://denied.example.com"],
        "defaultMode": "interactive",
    });
    sandbox.write("copilot/settings.json", settings);
    sandbox
}

/// What a session is to its model and to those around it.
#[derive(Debug, PartialEq)]
struct Session {
    model: Value,
    effort: Value,
    tools: BTreeSet<String>,
    /// The tools as they are described to the model.
    described: Vec<Value>,
    system: Vec<String>,
    hooks: BTreeSet<String>,
    /// How often the model was called until somebody was asked.
    calls: usize,
}

/// What the model was told, when it was told how the tool call before the last went.
fn seen(sandbox: &Sandbox, github: &GitHub) -> Session {
    let is_turn = |request: &Request| request.path == "/chat/completions" && request.body["tools"].is_array();
    wait_for("the last tool call", PATIENCE, || github.requests().iter().filter(|request| is_turn(request)).count() >= 4);
    let calls: Vec<Request> = github.requests().into_iter().filter(is_turn).collect();
    let body = &calls[0].body;
    let tools = body["tools"].as_array().unwrap();
    let name = |tool: &Value| tool["function"]["name"].as_str().unwrap().to_owned();
    let described = tools.iter().filter(|tool| !MEANT_TOOLS.iter().any(|(meant, _)| *meant == name(tool))).cloned().collect();
    let mut system = body["messages"][0]["content"].as_str().unwrap().replace(sandbox.path("").to_str().unwrap(), "/SANDBOX/");
    for (tool, _) in MEANT_TOOLS {
        let (before, rest) = system.split_once(&format!("<{tool}>")).expect("the tool is described");
        let (_, after) = rest.split_once(&format!("</{tool}>")).expect("to its end");
        system = format!("{before}{after}");
    }
    let meant = |line: &&str| !MEANT_LINES.iter().any(|(words, _)| line.contains(words));
    let marks = files_below(&sandbox.path("marks"));
    Session {
        model: body["model"].clone(),
        effort: body["reasoning_effort"].clone(),
        tools: tools.iter().map(name).collect(),
        described,
        system: system.lines().filter(meant).map(ToOwned::to_owned).collect(),
        hooks: marks.iter().map(|file| file.file_name().unwrap().to_str().unwrap().to_owned()).collect(),
        calls: calls.len(),
    }
}

/// Lines of the system prompt that differ, by words in them, and why.
const MEANT_LINES: [(&str, &str); 2] = [
    ("You are ", "the runtime names a client's session otherwise than its own terminal's"),
    ("session-state/", "each session has a folder of its own"),
];
/// Tools that are described otherwise, and why.
const MEANT_TOOLS: [(&str, &str); 1] =
    [("ask_user", "Mission Control and the keys here know a question and its choices; the terminal has a form for it")];

#[test]
fn a_session_is_what_copilot_in_a_terminal_is() {
    let cli = real_cli_or_return!();
    let theirs = {
        let github = GitHub::start();
        let sandbox = world(&github, &cli);
        github.model(script(&sandbox));
        let mut pty = Pty::run(&sandbox, 120, 40, &format!("{} -i go", cli.display()));
        pty.shows("npm run build");
        let seen = seen(&sandbox, &github);
        pty.send("\u{1b}");
        drop(pty);
        for (pid, _) in sandbox.processes() {
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
        }
        seen
    };
    let ours = {
        let github = GitHub::start();
        let sandbox = world(&github, &cli);
        github.model(script(&sandbox));
        sandbox.run(&["start", "--detach"]).expect_code(0);
        sandbox.run(&["send", "-p", "go", "--wait"]).expect_code(9);
        let list = sandbox.run(&["answer"]).expect_code(0).stdout;
        assert!(list.contains("permission needed: npm run build"), "{list}");
        let seen = seen(&sandbox, &github);
        sandbox.stop_all();
        seen
    };
    assert_eq!(ours.tools, theirs.tools);
    let only = |these: &Session, those: &Session| -> Vec<String> {
        these.system.iter().filter(|line| !those.system.contains(line)).cloned().collect()
    };
    assert_eq!(only(&ours, &theirs), only(&theirs, &ours), "ours, and theirs");
    assert_eq!(ours, theirs);
    // It has all of it.
    let system = ours.system.join("\n") + &Value::from(ours.described.clone()).to_string();
    for words in
        ["mind the gap", "be brief", "person-agent", "repository-agent", "person-skill", "repository-skill", "plugin-skill"]
    {
        assert!(system.contains(words), "{words}");
    }
    assert!(ours.tools.contains("person-order") && ours.tools.contains("repository-order"), "{:?}", ours.tools);
    assert_eq!(ours.hooks.len(), 8, "{:?}", ours.hooks);
    assert_eq!((&ours.model, &ours.effort, ours.calls), (&json!("gpt-5-mini"), &json!("low"), 4));
}
