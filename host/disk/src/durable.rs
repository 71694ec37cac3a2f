//! What is built of the basic operations: above all, replacing a small file so that no crash can tear it.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{Disk, Metadata, Open};

/// Suffix of the file that a replacement is written to first. One that is found was left by a crash, and means nothing.
pub const TEMPORARY: &str = ".tmp";

impl dyn Disk + '_ {
    /// Replaces a file, or makes it, so that after a crash at any moment it has either its old or its new content;
    /// durable on return.
    ///
    /// # Errors
    ///
    /// The file has its old content, or the new one if only the last step, the sync of its folder, failed.
    pub fn replace(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        self.replace_as(Open::Truncate, path, content)
    }

    /// As [`Self::replace`], and nobody but its owner may read the file.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn replace_private(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        self.replace_as(Open::Private, path, content)
    }

    fn replace_as(&self, how: Open, path: &Path, content: &[u8]) -> io::Result<()> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(TEMPORARY);
        let temporary = PathBuf::from(temporary);
        let written = self.write_durably(how, &temporary, content).and_then(|()| self.rename(&temporary, path));
        if let Err(error) = written {
            // On a full disk it would take the place that the next try needs; the first error is the one to report.
            let _ = self.remove_file(&temporary);
            return Err(error);
        }
        self.sync_dir(parent(path))
    }

    fn write_durably(&self, how: Open, path: &Path, content: &[u8]) -> io::Result<()> {
        let file = self.open(path, how)?;
        file.write_all_at(content, 0)?;
        file.sync_all()
    }

    /// Writes a file as a whole, neither atomically nor durably: for what can be made anew.
    ///
    /// # Errors
    ///
    /// The file may have any part of the content.
    pub fn write(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        self.open(path, Open::Truncate)?.write_all_at(content, 0)
    }

    /// The whole content of a file.
    ///
    /// # Errors
    ///
    /// `NotFound` where there is none, and whatever else the operating system says.
    pub fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let file = self.open(path, Open::Read)?;
        let len = usize::try_from(file.len()?).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let mut content = vec![0; len];
        file.read_exact_at(&mut content, 0)?;
        Ok(content)
    }

    /// The whole content of a file, `None` where there is none.
    ///
    /// # Errors
    ///
    /// Anything but absence.
    pub fn read_if_present(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        absent_is_none(self.read(path))
    }

    /// What is known of a file or folder, `None` where nothing has this name.
    ///
    /// # Errors
    ///
    /// Anything but absence.
    pub fn metadata_if_present(&self, path: &Path) -> io::Result<Option<Metadata>> {
        absent_is_none(self.metadata(path))
    }

    /// Removes a file, and says whether there was one. Durable after a sync of its folder.
    ///
    /// # Errors
    ///
    /// Anything but absence.
    pub fn remove_if_present(&self, path: &Path) -> io::Result<bool> {
        absent_is_none(self.remove_file(path)).map(|removed| removed.is_some())
    }

    /// Makes a folder with all folders above it that are missing; durable on return, also where it was made before by
    /// a process that did not live to say so.
    ///
    /// # Errors
    ///
    /// Some of the folders may have been made.
    pub fn create_dirs(&self, path: &Path) -> io::Result<()> {
        let above = parent(path);
        if self.metadata_if_present(path)?.is_some_and(|found| found.is_dir) {
            // Whoever made it may have died before this.
            return match self.sync_dir(above) {
                // Then it was somebody else's to make.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
                synced => synced,
            };
        }
        if above != path {
            self.create_dirs(above)?;
        }
        match self.create_dir(path) {
            Ok(()) => self.sync_dir(above),
            // Somebody else made it in this moment.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && self.metadata(path)?.is_dir => {
                self.sync_dir(above)
            }
            Err(error) => Err(error),
        }
    }

    /// Makes creation, renaming and removal of a file durable.
    ///
    /// # Errors
    ///
    /// Nothing is known of them.
    pub fn sync_parent(&self, path: &Path) -> io::Result<()> {
        self.sync_dir(parent(path))
    }
}

/// The folder that a path's last name stands in.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(above) if above.as_os_str().is_empty() => Path::new("."),
        Some(above) => above,
        None => path,
    }
}

fn absent_is_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faulty::{FaultyDisk, Operation, Trigger};

    #[test]
    fn after_a_crash_at_any_step_a_replaced_file_is_old_or_new() {
        let path = Path::new("/data/file");
        let (mut old, mut new) = (0, 0);
        for seed in 0..40 {
            for step in 0.. {
                let disk = FaultyDisk::new(seed);
                disk.put(path, b"old");
                disk.die_after(step);
                let done = disk.process().replace(path, &[b'n'; 2000]).is_ok();
                disk.lose_power();
                match disk.content(path).as_deref() {
                    Some(b"old") => {
                        assert!(!done, "seed {seed}, step {step}");
                        old += 1;
                    }
                    Some(content) => {
                        assert_eq!(content, [b'n'; 2000], "seed {seed}, step {step}");
                        new += 1;
                    }
                    None => panic!("seed {seed}, step {step}: the file is gone"),
                }
                if done {
                    break;
                }
            }
        }
        assert!(40 < old && 40 < new, "{old} {new}");
    }

    #[test]
    fn a_replacement_that_fails_leaves_the_old_content_and_no_second_file() {
        for operation in [Operation::Open, Operation::Write, Operation::Sync, Operation::Rename] {
            let disk = FaultyDisk::new(1);
            disk.put(Path::new("/data/file"), b"old");
            disk.fail(Trigger::on(operation), io::ErrorKind::Other);
            let process = disk.process();
            assert!(process.replace(Path::new("/data/file"), b"new").is_err(), "{operation:?}");
            assert_eq!(process.read(Path::new("/data/file")).unwrap(), b"old");
            assert_eq!(process.read_dir(Path::new("/data")).unwrap(), ["file"], "{operation:?}");
        }
    }

    #[test]
    fn folders_are_made_with_their_parents_and_survive() {
        let disk = FaultyDisk::new(1);
        disk.process().create_dirs(Path::new("/a/b/c")).unwrap();
        disk.lose_power();
        let process = disk.process();
        assert!(process.metadata(Path::new("/a/b/c")).unwrap().is_dir);
        process.create_dirs(Path::new("/a/b/c")).unwrap();
        // Made by a process that died before it could make it durable.
        process.create_dir(Path::new("/made")).unwrap();
        disk.kill();
        disk.process().create_dirs(Path::new("/made")).unwrap();
        disk.lose_power();
        let process = disk.process();
        assert!(process.metadata(Path::new("/made")).unwrap().is_dir);
        process.write(Path::new("/a/file"), b"x").unwrap();
        assert!(process.create_dirs(Path::new("/a/file")).is_err());
        assert!(process.create_dirs(Path::new("/a/file/d")).is_err());
    }

    #[test]
    fn what_is_missing_is_none_and_what_fails_is_an_error() {
        let disk = FaultyDisk::new(1);
        disk.put(Path::new("/data/file"), b"x");
        let process = disk.process();
        let absent = Path::new("/data/absent");
        assert_eq!(process.read_if_present(absent).unwrap(), None);
        assert!(!process.remove_if_present(absent).unwrap());
        assert!(process.remove_if_present(Path::new("/data/file")).unwrap());
        disk.fail(Trigger::on(Operation::Open), io::ErrorKind::PermissionDenied);
        assert!(process.read_if_present(absent).is_err());
    }
}
