//! The program on its embedded stand-in runtime, playing a script.

use serde_json::Value;

use super::sandbox::{BINARY, Sandbox};

impl Sandbox {
    /// Makes `--demo`, and [`Sandbox::stand_in_cli`], play this script.
    pub fn play(&mut self, script: &Value) -> &mut Self {
        let file = self.path("script.json");
        std::fs::write(&file, script.to_string()).unwrap();
        self.set("COPILOT_REMOTE_DEMO_SCRIPT", file.to_str().unwrap())
    }

    /// The stand-in as a CLI that `--copilot` takes: the run is then no demo.
    pub fn stand_in_cli(&self) -> String {
        self.script("stand-in", &format!("exec {BINARY} demo-runtime \"$@\"")).to_str().unwrap().to_owned()
    }
}
