//! What a runtime runs under: only sessions with the same circumstances share one.
//!
//! What is stored are keyed hashes (HMAC-SHA256 under a random key of the user's), never values: an entry tells what differs, and
//! nothing about what it is.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};
use std::path::Path;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::{DRAFT, Registry};
use crate::os::private_file;
use crate::os::state_dir::StateError;

/// Bytes of the key.
const KEY: usize = 32;

/// One thing that has to be the same, with its value.
#[derive(Debug)]
pub(crate) struct Subject {
    /// In words, or the name of a variable.
    pub(crate) name: String,
    pub(crate) value: Vec<u8>,
}

/// The hash of each subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Circumstances(BTreeMap<String, String>);

impl Circumstances {
    /// The subjects in which they differ.
    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
        let names: BTreeSet<&String> = self.0.keys().chain(other.0.keys()).collect();
        names.into_iter().filter(|name| self.0.get(*name) != other.0.get(*name)).cloned().collect()
    }
}

impl Registry {
    /// Hashes the subjects.
    pub(crate) fn circumstances(&self, subjects: impl IntoIterator<Item = Subject>) -> anyhow::Result<Circumstances> {
        let key = self.key()?;
        let hash = |subject: Subject| {
            let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("a key of any length will do");
            // The name as well: equal values of two variables are nobody's business.
            mac.update(subject.name.as_bytes());
            mac.update(&[0]);
            mac.update(&subject.value);
            let hash = mac.finalize().into_bytes();
            let text = hash.iter().take(16).fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
            (subject.name, text)
        };
        Ok(Circumstances(subjects.into_iter().map(hash).collect()))
    }

    /// The user's key, made when it is first needed. Of several that start at once one makes it.
    fn key(&self) -> anyhow::Result<Vec<u8>> {
        let file = self.folder.join("key");
        if let Some(key) = read_key(&file) {
            return Ok(key);
        }
        let mut key = vec![0; KEY];
        getrandom::fill(&mut key).map_err(|error| io::Error::other(format!("no random numbers: {error}")))?;
        let unusable = |source| StateError::Write { file: file.clone(), source };
        let mut draft = tempfile::Builder::new().prefix(DRAFT).tempfile_in(&self.folder).map_err(unusable)?;
        draft.write_all(&key).map_err(unusable)?;
        match draft.persist_noclobber(&file) {
            Ok(_) => Ok(key),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                // Another start was faster.
                if let Some(key) = read_key(&file) {
                    return Ok(key);
                }
                // Broken: runtimes that were hashed with another key are not shared any more, that is all.
                error.file.persist(&file).map_err(|error| unusable(error.error))?;
                Ok(key)
            }
            Err(error) => Err(unusable(error.error).into()),
        }
    }
}

fn read_key(file: &Path) -> Option<Vec<u8>> {
    private_file::read(file, KEY as u64).ok().filter(|key| key.len() == KEY)
}

#[cfg(test)]
mod tests {
    use super::{Registry, Subject};

    #[test]
    fn differences_are_named_and_values_are_not_stored() {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry { folder: folder.path().to_owned() };
        let of = |pairs: &[(&str, &str)]| {
            let subject = |(name, value): &(&str, &str)| Subject { name: (*name).to_owned(), value: value.as_bytes().to_vec() };
            registry.circumstances(pairs.iter().map(subject)).unwrap()
        };
        let one = of(&[("PATH", "secret"), ("GH_TOKEN", "gho_x"), ("A", "1")]);
        assert_eq!(one.differences(&of(&[("PATH", "secret"), ("GH_TOKEN", "gho_x"), ("A", "1")])), Vec::<String>::new());
        assert_eq!(one.differences(&of(&[("PATH", "other"), ("GH_TOKEN", "gho_x"), ("B", "1")])), ["A", "B", "PATH"]);
        let stored = serde_json::to_string(&one).unwrap();
        assert!(!stored.contains("secret") && !stored.contains("gho_x"), "{stored}");
    }
}
