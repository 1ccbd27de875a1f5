//! Link health, from the runtime's own log. Nothing else tells of it: no event comes when uploads stop, and `enable` claims
//! success (docs/copilot-cli.md, mission-control-failures). The conformance tests hold the form of the log's lines
//! (docs/copilot-cli.md, log-link).

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::os::private_file::Private;
use crate::text::redact::redacted;

/// So much is read at once; a flood is read over some looks.
const MOST: u64 = 1024 * 1024;

/// A line of the log that tells of trouble with the link of some session in the runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sign {
    pub(crate) trouble: Trouble,
    /// What GitHub or the network said.
    pub(crate) why: String,
    /// The session's id at Mission Control. Only a line that names an unreachable address has it.
    pub(crate) control_id: Option<String>,
    /// How many events were not uploaded.
    pub(crate) events: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// An upload failed. The runtime tries again, up to five times (docs/copilot-cli.md, mission-control-failures).
    UploadFailed,
    /// The runtime gave up uploading until something new happens in the session.
    UploadsStopped,
    /// Mission Control refused the session's events for good: nothing is uploaded until remote is switched off and on
    /// (docs/copilot-cli.md, mission-control-404).
    Refused,
    /// Commands could not be fetched. The runtime asks again by itself.
    PollFailed,
}

/// The log files of one runtime, read as they grow.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LinkLog {
    folder: PathBuf,
    /// How far each file was read.
    read: BTreeMap<PathBuf, u64>,
}

impl LinkLog {
    /// Begins at the present end of the log, so that old trouble is not reported.
    pub(crate) fn new(folder: &Path) -> Self {
        let length = |file: &PathBuf| file.metadata().map_or(0, |found| found.len());
        let read = files(folder).map(|file| (file.clone(), length(&file))).collect();
        Self { folder: folder.to_owned(), read }
    }

    /// Whether there is a log. Without one, link health is unknown.
    pub(crate) fn is_there(&self) -> bool {
        files(&self.folder).next().is_some()
    }

    /// The signs of trouble since the last look. A log that cannot be read gives none.
    pub(crate) fn signs(&mut self) -> Vec<Sign> {
        let mut signs = Vec::new();
        for file in files(&self.folder) {
            let from = self.read.entry(file.clone()).or_insert(0);
            let Some(text) = new_lines(&file, from) else { continue };
            signs.extend(text.lines().filter_map(Sign::parse));
        }
        signs
    }
}

fn files(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with("process-"))).map(|entry| entry.path())
}

/// The whole lines after `from`, which is moved behind them.
fn new_lines(file: &Path, from: &mut u64) -> Option<String> {
    let mut file = Private::reading().open(file).ok()?;
    if file.metadata().ok()?.len() < *from {
        // The file became shorter: it was cut, so reading begins anew.
        *from = 0;
    }
    file.seek(SeekFrom::Start(*from)).ok()?;
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes).ok()?;
    let whole = match bytes.iter().rposition(|byte| *byte == b'\n') {
        Some(end) => end + 1,
        // No line of interest is this long.
        None if bytes.len() as u64 == MOST => bytes.len(),
        None => return None,
    };
    *from += whole as u64;
    Some(String::from_utf8_lossy(&bytes[..whole]).into_owned())
}

impl Sign {
    fn parse(line: &str) -> Option<Self> {
        let (head, said) = line.split_once("[rust:remote::api_")?;
        // The time and the level have to stand before it. Anywhere else the same words are text of a session.
        let [time, level] = head.split_whitespace().collect::<Vec<_>>()[..] else { return None };
        if time.parse::<Timestamp>().is_err() || !level.starts_with('[') {
            return None;
        }
        let (_, said) = said.split_once("] ")?;
        let details = said.find('{').and_then(|at| serde_json::from_str::<Value>(&said[at..]).ok()).unwrap_or_default();
        let trouble = if said.starts_with("remote session batch flush failed") {
            Trouble::UploadFailed
        } else if said.starts_with("remote session exporter circuit opened") {
            Trouble::UploadsStopped
        } else if said.contains("disabling further event submission") {
            Trouble::Refused
        } else if said.starts_with("CommandPoller: failed to list") {
            Trouble::PollFailed
        } else {
            return None;
        };
        let word = |name: &str| details[name].as_str().map(ToOwned::to_owned);
        // The status reads "Some(404)".
        let status = word("status").and_then(|status| Some(format!("HTTP {}", status.strip_prefix("Some(")?.strip_suffix(')')?)));
        let why = redacted(&word("error").or(status).unwrap_or_default());
        let control_id = why.split_once("/agents/sessions/").and_then(|(_, rest)| rest.split('/').next()).map(ToOwned::to_owned);
        let events = details["event_count"].as_u64().or_else(|| details["dropped_events"].as_u64());
        Some(Self { trouble, why, control_id, events })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::{LinkLog, Sign, Trouble};

    const LINES: [(&str, Trouble); 4] = [
        (
            r#"2026-01-01T00:00:00.000Z [WARNING] [rust:remote::api_session_exporter] remote session batch flush failed {"error":"error sending request for url (https://api.githubcopilot.com/agents/sessions/mc-1/events)","event_count":3,"completed_command_id_count":0}"#,
            Trouble::UploadFailed,
        ),
        (
            "2026-01-01T00:00:00.000Z [WARNING] [rust:remote::api_session_exporter] remote session exporter circuit opened after batch flush failure",
            Trouble::UploadsStopped,
        ),
        (
            r#"2026-01-01T00:00:00.000Z [WARNING] [rust:remote::api_session_exporter] Mission Control rejected events with a permanent client error; disabling further event submission for this session {"status":"Some(404)","dropped_events":1,"dropped_command_ids":0}"#,
            Trouble::Refused,
        ),
        (
            r#"2026-01-01T00:00:00.000Z [WARNING] [rust:remote::api_command_poller] CommandPoller: failed to list session commands {"error":"x"}"#,
            Trouble::PollFailed,
        ),
    ];

    #[test]
    fn lines_are_read_once_and_whole() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = std::fs::File::create(folder.path().join("process-1.log")).unwrap();
        writeln!(file, "{}", LINES[0].0).unwrap();
        let mut log = LinkLog::new(folder.path());
        assert_eq!(log.signs(), [], "what was there before counts for nothing");
        for (line, trouble) in LINES {
            let (head, tail) = line.split_at(40);
            write!(file, "noise\n{head}").unwrap();
            assert_eq!(log.signs(), []);
            writeln!(file, "{tail}").unwrap();
            let signs = log.signs();
            assert_eq!(signs.iter().map(|sign| sign.trouble).collect::<Vec<_>>(), [trouble]);
        }
        let other = folder.path().join("process-2.log");
        std::fs::write(&other, format!("{}\n", LINES[3].0)).unwrap();
        assert_eq!(log.signs().len(), 1);
        std::fs::write(&other, "[rust:remote::api_x] \u{0}{\n").unwrap();
        assert_eq!(log.signs(), []);
    }

    #[test]
    fn whose_and_why() {
        let sign = Sign::parse(LINES[0].0).unwrap();
        assert_eq!((sign.control_id.as_deref(), sign.events), (Some("mc-1"), Some(3)));
        let sign = Sign::parse(LINES[2].0).unwrap();
        assert_eq!((sign.why.as_str(), sign.events, sign.control_id), ("HTTP 404", Some(1), None));
        let echoed = LINES[3].0.replace("\"x\"", "\"Authorization: Bearer gho_5ecret0f7he7est5\"");
        assert_eq!(Sign::parse(&echoed).unwrap().why, "Authorization: …");
        // Somebody's words.
        for words in ["", "x ", "2026-01-01T00:00:00.000Z [INFO] said: ", "yesterday [WARNING] "] {
            let at = LINES[2].0.find("[rust").unwrap();
            assert_eq!(Sign::parse(&format!("{words}{}", &LINES[2].0[at..])), None, "{words}");
        }
    }
}
