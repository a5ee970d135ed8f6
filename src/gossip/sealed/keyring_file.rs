//! The keyring on disk: a rotated key survives a restart, whatever `encrypt` says.
//!
//! A JSON list of base64, the key that seals first, as Serf writes it. For the owner's eyes only.

use super::super::error::Error;
use super::keys::{Key, Keyring};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The ring in the file; none if there is no file.
pub(in crate::gossip) fn load(path: &Path) -> Result<Option<Keyring>, Error> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(path, "cannot be read", error)),
    };
    let mode =
        fs::metadata(path).map_err(|error| failed(path, "cannot be read", error))?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!(path = %path.display(), mode = format!("{:o}", mode & 0o777), "others can read the keyring");
    }
    let wrong = |problem: String| Error::KeyringFile { path: path.to_owned(), problem, source: None };
    // The reader's own words would quote what it read, which are keys.
    let list: Vec<String> =
        serde_json::from_str(&text).map_err(|_| wrong("not a JSON list of keys in base64".to_owned()))?;
    let keys = list.iter().map(|key| Key::parse(key)).collect::<Result<Vec<_>, _>>();
    let ring = keys.and_then(Keyring::new).map_err(|error| wrong(error.to_string()))?;
    if ring.is_empty() {
        return Err(wrong("holds no key; remove the file to go without".to_owned()));
    }
    Ok(Some(ring))
}

/// Puts the ring into the file, all of it or nothing.
pub(in crate::gossip) fn store(path: &Path, ring: &Keyring) -> Result<(), Error> {
    write(path, ring).map_err(|error| failed(path, "cannot be written", error))
}

fn write(path: &Path, ring: &Keyring) -> io::Result<()> {
    let keys: Vec<String> = ring.keys().iter().map(Key::secret).collect();
    let fresh = fresh(path);
    let mut file = create(&fresh)?;
    file.write_all(serde_json::to_string_pretty(&keys)?.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn create(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn fresh(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

fn failed(path: &Path, problem: &str, source: io::Error) -> Error {
    Error::KeyringFile { path: path.to_owned(), problem: problem.to_owned(), source: Some(source) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(keys: &[u8]) -> Keyring {
        let keys = keys.iter().map(|byte| Key::new(&[*byte; 32]).expect("a key"));
        Keyring::new(keys.collect()).expect("a ring")
    }

    #[test]
    fn a_ring_survives_its_file_which_only_the_owner_reads() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keyring.json");
        assert_eq!(load(&path).expect("none"), None);
        for keys in [&[1, 2][..], &[2]] {
            store(&path, &ring(keys)).expect("written");
            assert_eq!(load(&path).expect("read"), Some(ring(keys)));
            let mode = fs::metadata(&path).expect("a file").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn a_broken_ring_is_refused_and_its_keys_are_not_shown() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keyring.json");
        for text in ["", "[]", "{\"c2VjcmV0\": 1}", "[\"c2VjcmV0\"]", "[\"c2VjcmV0\", 7]", "c2VjcmV0"] {
            fs::write(&path, text).expect("written");
            let refusal = load(&path).expect_err("refused").to_string();
            assert!(refusal.contains("keyring.json") && !refusal.contains("c2VjcmV0"), "{refusal}");
        }
    }
}
