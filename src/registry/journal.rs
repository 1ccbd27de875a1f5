//! What happened in a session, kept as it happens: `logs`, `events`, `wait` and `attach` read it, so that none of them has to become a
//! client of the session, which would bring an ended one back to life.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Registry, is_plain};
use crate::model::{Activity, Remote};
use crate::os::private_file::Private;
use crate::os::state_dir::{self, StateError};
use crate::sdk::{Field, Request, RequestKind, Tool, Warning};
use crate::text::line::{Line, Tone};

/// A longer file becomes the old one, in place of the one before: so a session that lives for weeks keeps no more than two.
const LONGEST: u64 = if cfg!(test) { 4 * 1024 } else { 16 * 1024 * 1024 };

/// No line is longer: what one tells of is cut long before that.
const LONGEST_LINE: u64 = if cfg!(test) { 64 * 1024 } else { 64 * 1024 * 1024 };

/// One line of a journal.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) time: Timestamp,
    /// What the session is at, from then on.
    pub(crate) activity: Activity,
    /// For people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) lines: Vec<Line>,
    /// For programs: one line of the JSON contract, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) event: Option<String>,
}

/// The journal of a session, as its host writes it.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    path: PathBuf,
    length: u64,
    activity: Activity,
    /// As the last record says.
    written: Activity,
    /// The last line may not be whole.
    broken: bool,
}

/// A journal, as others read it.
#[derive(Debug)]
pub(crate) struct Reader {
    file: BufReader<File>,
    /// Where the newest is: the one that is read may have become the old one.
    path: PathBuf,
    /// A line that is not whole yet.
    begun: Vec<u8>,
}

impl Registry {
    fn journal_file(&self, session: &str) -> PathBuf {
        debug_assert!(is_plain(session));
        self.folder.join("logs").join(format!("session-{session}.jsonl"))
    }

    /// Where the host of a session writes what is of no interest while all is well.
    pub(crate) fn host_log(&self, session: &str) -> PathBuf {
        self.folder.join("logs").join(format!("session-{session}.host.log"))
    }

    /// Removes it, if all was well.
    pub(crate) fn forget_host_log(&self, session: &str) {
        let log = self.host_log(session);
        if log.metadata().is_ok_and(|found| found.len() == 0) {
            super::remove(&log);
        }
    }

    /// Opens the journal of a session to go on with it.
    pub(crate) fn journal(&self, session: &str) -> anyhow::Result<Journal> {
        state_dir::log_dir()?;
        let path = self.journal_file(session);
        let file = open(&path).map_err(|source| StateError::Write { file: path.clone(), source })?;
        // The host before may not have got to the end of a line: an empty one more is skipped by readers.
        let broken = Private::reading().open(&path).is_ok_and(|file| !ends_a_line(file));
        let length = file.metadata().map_or(0, |found| found.len());
        Ok(Journal { file, path, length, activity: Activity::Idle, written: Activity::Idle, broken })
    }

    /// Opens the journal of a session to read it; None if there is none.
    pub(crate) fn read_journal(&self, session: &str) -> io::Result<Option<Reader>> {
        let path = self.journal_file(session);
        match Private::reading().open(&old(&path)).or_else(|_| Private::reading().open(&path)) {
            Ok(file) => Ok(Some(Reader { file: BufReader::new(file), path, begun: Vec::new() })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The sessions that have a journal, live or ended, whose id starts so.
    pub(crate) fn journals(&self, prefix: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.join("logs")).into_iter().flatten().flatten();
        let id = |name: String| Some(name.strip_prefix("session-")?.strip_suffix(".jsonl")?.to_owned());
        let mut ids: Vec<String> = entries.filter_map(|entry| id(entry.file_name().into_string().ok()?)).collect();
        if ids.iter().any(|id| id == prefix) {
            return vec![prefix.to_owned()];
        }
        ids.retain(|id| is_plain(id) && !prefix.is_empty() && id.starts_with(prefix));
        ids
    }
}

impl Journal {
    /// Whether others find it: somebody may have removed it.
    pub(crate) fn is_on_disk(&self) -> bool {
        self.path.exists()
    }

    /// Begins a new file where this one was removed.
    pub(crate) fn restore(&mut self) -> Result<(), StateError> {
        if self.is_on_disk() {
            return Ok(());
        }
        let failed = |source| StateError::Write { file: self.path.clone(), source };
        state_dir::log_dir().map_err(|error| failed(io::Error::other(error.to_string())))?;
        self.file = open(&self.path).map_err(failed)?;
        (self.length, self.broken) = (0, false);
        Ok(())
    }

    /// Removes it.
    pub(crate) fn remove(self) {
        super::remove(&self.path);
        super::remove(&old(&self.path));
    }

    /// From now on the session is at this; the next record says so.
    pub(crate) fn set_activity(&mut self, activity: Activity) {
        self.activity = activity;
    }

    /// Adds what was told, or only that the session is at something else; None: there was nothing to write.
    pub(crate) fn add(&mut self, lines: Vec<Line>, event: Option<&str>) -> Option<Result<(), StateError>> {
        if lines.is_empty() && event.is_none() && self.written == self.activity {
            return None;
        }
        self.written = self.activity;
        Some(self.write(lines, event.map(ToOwned::to_owned)))
    }

    /// One write a line, so that readers and the next host see whole lines.
    fn write(&mut self, lines: Vec<Line>, event: Option<String>) -> Result<(), StateError> {
        let record = Record { time: Timestamp::now(), activity: self.activity, lines, event };
        let written = to_line(record).map_err(io::Error::from).and_then(|mut line| {
            if self.broken {
                line.insert(0, b'\n');
            }
            line.push(b'\n');
            self.turn_over()?;
            self.length += line.len() as u64;
            self.file.write_all(&line)
        });
        self.broken = written.is_err();
        written.map_err(|source| StateError::Write { file: self.path.clone(), source })
    }
}

impl Journal {
    /// Begins a new file where this one is long. Readers notice, as the file is another one (on Windows they could not).
    fn turn_over(&mut self) -> io::Result<()> {
        if self.length < LONGEST || cfg!(windows) {
            return Ok(());
        }
        match std::fs::rename(&self.path, old(&self.path)) {
            // It was turned over, and the new one could not be opened.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            renamed => renamed?,
        }
        self.file = open(&self.path)?;
        self.length = 0;
        Ok(())
    }
}

/// A record as readers take it: of one that is too long only that it was there.
fn to_line(mut record: Record) -> serde_json::Result<Vec<u8>> {
    let line = serde_json::to_vec(&record)?;
    // With what is put around it.
    if (line.len() as u64) < LONGEST_LINE - 2 {
        return Ok(line);
    }
    record.event = None;
    record.lines = vec![Line::new(Tone::Attention, "something happened that is too long to be kept here")];
    serde_json::to_vec(&record)
}

/// Whether nothing is missing at the end of a file.
fn ends_a_line(mut file: File) -> bool {
    let mut last = [0];
    match file.seek(SeekFrom::End(-1)) {
        Ok(_) => file.read_exact(&mut last).is_ok() && last == *b"\n",
        // It is empty.
        Err(_) => true,
    }
}

/// Where the file before is.
fn old(path: &Path) -> PathBuf {
    path.with_extension("old")
}

fn open(path: &Path) -> io::Result<File> {
    let file = Private::appending().open(path)?;
    // As long as it is held, the journal is not removed as old. Where files cannot be locked, there is no session.
    let _ = file.try_lock_shared();
    Ok(file)
}

/// What is read of the events here; they are written for programs, see `output`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Told {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) id: String,
    pub(crate) text: String,
    pub(crate) message: String,
    pub(crate) what: String,
    #[serde(rename = "kind")]
    request_kind: Option<RequestKind>,
    detail: Vec<String>,
    choices: Vec<String>,
    for_session: bool,
    freeform: bool,
    fields: Vec<Field>,
    /// How it was shared from then on.
    pub(crate) remote: Option<Remote>,
    about: String,
    remediation: Option<String>,
}

impl Told {
    /// The request that it is, if it is one.
    pub(crate) fn request(self) -> Option<Request> {
        let Told { id, what, detail, choices, for_session, freeform, fields, .. } = self;
        let (retry_after, tool) = (None, Tool::Other);
        self.request_kind.map(|kind| Request {
            id,
            kind,
            what,
            detail,
            choices,
            for_session,
            freeform,
            fields,
            retry_after,
            tool,
        })
    }
}

impl Record {
    /// The event, in the parts that matter here.
    pub(crate) fn told(&self) -> Told {
        self.event.as_ref().and_then(|event| serde_json::from_str(event).ok()).unwrap_or_default()
    }

    /// The warning about remote that it is, if it is one.
    pub(crate) fn remote_warning(&self) -> Option<Warning> {
        let Told { kind, message, about, remediation, .. } = self.told();
        (kind == "warning" && about == "remote").then_some(Warning { message, kind: about, remediation })
    }
}

impl Reader {
    /// The file that came after the one that is read, if one did.
    #[cfg(unix)]
    fn newer(&self) -> io::Result<Option<File>> {
        use std::os::unix::fs::MetadataExt as _;
        let ours = self.file.get_ref().metadata()?.ino();
        let is_ours = |file: &File| file.metadata().is_ok_and(|found| found.ino() == ours);
        // Between the old one and the new one there is none for a moment.
        let Ok(newest) = Private::reading().open(&self.path) else { return Ok(None) };
        if is_ours(&newest) {
            return Ok(None);
        }
        // A reader that was slow goes on with the one in between.
        Ok(Some(Private::reading().open(&old(&self.path)).ok().filter(|between| !is_ours(between)).unwrap_or(newest)))
    }

    #[cfg(windows)]
    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "the same signature as on Unix")]
    fn newer(&self) -> io::Result<Option<File>> {
        Ok(None)
    }

    /// Leaves out what was written so far.
    pub(crate) fn skip_to_end(&mut self) -> io::Result<()> {
        match Private::reading().open(&self.path) {
            Ok(newest) => self.file = BufReader::new(newest),
            // Between the old one and the new one there is none for a moment.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        self.begun.clear();
        self.file.seek(SeekFrom::End(0)).map(drop)
    }

    /// Reads to the end of a line, or of what there is; how much that was. What no host has written is not read to its end.
    fn read_on(&mut self) -> io::Result<usize> {
        let room = LONGEST_LINE.saturating_sub(self.begun.len() as u64);
        let read = self.file.by_ref().take(room).read_until(b'\n', &mut self.begun)?;
        if self.begun.len() as u64 == LONGEST_LINE && !self.begun.ends_with(b"\n") {
            let why = format!("{}: a line has more than {LONGEST_LINE} bytes", self.path.display());
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
        }
        Ok(read)
    }

    /// The next record; None: there is none yet. What is no record (a full disk broke it off) is left out.
    pub(crate) fn next(&mut self) -> io::Result<Option<Record>> {
        loop {
            if self.read_on()? == 0 {
                let Some(newer) = self.newer()? else { return Ok(None) };
                // The last line may have come before it was turned over, and after it was read.
                if self.read_on()? == 0 {
                    self.file = BufReader::new(newer);
                    // What comes to the old one's end without one is not whole.
                    self.begun.clear();
                    continue;
                }
            }
            if self.begun.ends_with(b"\n") {
                let record = serde_json::from_slice(&self.begun);
                self.begun.clear();
                if let Ok(record) = record {
                    return Ok(Some(record));
                }
            }
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::{LONGEST, Registry};
    use crate::text::line::{Line, Tone};

    /// Two readers, one from the start and one that comes later, while the file turns over again and again: neither misses a line, but for
    /// what is older than the old one.
    #[test]
    fn a_long_journal_turns_over_and_nobody_misses_a_line() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("logs")).unwrap();
        let registry = Registry { folder: folder.path().to_owned() };
        let path = registry.journal_file("a");
        let mut journal = super::Journal {
            file: super::open(&path).unwrap(),
            path: path.clone(),
            length: 0,
            activity: super::Activity::Idle,
            written: super::Activity::Idle,
            broken: false,
        };
        let mut reader = registry.read_journal("a").unwrap().unwrap();
        let mut read = 0;
        for number in 0..500 {
            journal.add(vec![Line::new(Tone::Plain, format!("line {number}"))], None).unwrap().unwrap();
            while let Some(record) = reader.next().unwrap() {
                assert_eq!(record.lines[0].text, format!("line {read}"));
                read += 1;
            }
        }
        assert_eq!(read, 500);
        for file in [path.clone(), path.with_extension("old")] {
            assert!(file.metadata().unwrap().len() <= LONGEST + 200, "{}", file.display());
        }
        let mut late = registry.read_journal("a").unwrap().unwrap();
        let mut lines = Vec::new();
        while let Some(record) = late.next().unwrap() {
            lines.push(record.lines[0].text.trim_start_matches("line ").parse::<usize>().unwrap());
        }
        assert_eq!(lines.last(), Some(&499));
        assert!(lines.windows(2).all(|pair| pair[1] == pair[0] + 1) && lines.len() > 30, "{lines:?}");
        journal.remove();
        assert_eq!(std::fs::read_dir(folder.path().join("logs")).unwrap().count(), 0);
    }

    #[test]
    fn a_record_that_is_too_long_leaves_the_journal_readable() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("logs")).unwrap();
        let registry = Registry { folder: folder.path().to_owned() };
        let path = registry.journal_file("a");
        let file = super::open(&path).unwrap();
        let (activity, written) = (super::Activity::Idle, super::Activity::Idle);
        let mut journal = super::Journal { file, path, length: 0, activity, written, broken: false };
        for text in ["x".repeat(100_000), "after".to_owned()] {
            journal.add(vec![Line::new(Tone::Plain, text)], None).unwrap().unwrap();
        }
        let mut reader = registry.read_journal("a").unwrap().unwrap();
        let mut next = || reader.next().unwrap().unwrap().lines.remove(0).text;
        assert_eq!((next().as_str(), next().as_str()), ("something happened that is too long to be kept here", "after"));
    }

    /// What lies in the place of a journal, and is none, holds nobody up.
    #[test]
    fn no_pipe_and_no_giant_is_read_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("logs")).unwrap();
        let registry = Registry { folder: folder.path().to_owned() };
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mkfifoat(rustix::fs::CWD, registry.journal_file("fifo"), mode).unwrap();
        std::fs::File::create(registry.journal_file("giant")).unwrap().set_len(1 << 40).unwrap();
        assert!(registry.read_journal("fifo").is_err());
        let why = registry.read_journal("giant").unwrap().unwrap().next().unwrap_err().to_string();
        assert!(why.ends_with("session-giant.jsonl: a line has more than 65536 bytes"), "{why}");
        std::fs::write(registry.journal_file("empty"), "").unwrap();
        assert!(super::ends_a_line(std::fs::File::open(registry.journal_file("empty")).unwrap()));
        std::fs::write(registry.journal_file("half"), "{}\n{").unwrap();
        assert!(!super::ends_a_line(std::fs::File::open(registry.journal_file("half")).unwrap()));
    }
}
