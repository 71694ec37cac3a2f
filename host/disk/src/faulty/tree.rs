//! Files and folders in memory: what processes see, and what a power failure leaves of it.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    io,
    path::{Component, Path, PathBuf},
    time::SystemTime,
};

use super::Dice;
use crate::Metadata;

/// Bytes that a disk writes as one.
const SECTOR: usize = 512;

const ROOT: u64 = 0;

#[derive(Debug)]
pub(super) struct Tree {
    nodes: BTreeMap<u64, Node>,
    pub now: SystemTime,
}

#[derive(Debug)]
enum Node {
    File(File),
    Folder(Folder),
}

#[derive(Debug)]
struct File {
    /// What a reader sees while the machine runs.
    cached: Vec<u8>,
    /// What is on stable storage.
    durable: Vec<u8>,
    /// What the system knows it has to write, in order.
    pending: Vec<Change>,
    modified: SystemTime,
}

#[derive(Debug)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Len(usize),
}

#[derive(Debug, Default)]
struct Folder {
    cached: BTreeMap<OsString, u64>,
    durable: BTreeMap<OsString, u64>,
    pending: Vec<Entry>,
}

#[derive(Debug)]
enum Entry {
    Put(OsString, u64),
    Remove(OsString),
    Move { from: OsString, to: OsString, node: u64 },
}

impl Entry {
    fn apply(self, names: &mut BTreeMap<OsString, u64>) {
        match self {
            Self::Put(name, node) => {
                names.insert(name, node);
            }
            Self::Remove(name) => {
                names.remove(&name);
            }
            Self::Move { from, to, node } => {
                names.remove(&from);
                names.insert(to, node);
            }
        }
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { at, bytes } => write(content, *at, bytes),
            Self::Len(len) => content.resize(*len, 0),
        }
    }

    /// Applies a random part.
    fn apply_some(&self, content: &mut Vec<u8>, dice: &mut Dice, per_mille: u64) {
        match self {
            Self::Len(_) if dice.per_mille(per_mille) => self.apply(content),
            Self::Len(_) => {}
            Self::Write { at, bytes } => {
                let mut done = 0;
                while done < bytes.len() {
                    let from = at + done;
                    let len = (SECTOR - from % SECTOR).min(bytes.len() - done);
                    if dice.per_mille(per_mille) {
                        write(content, from, &bytes[done..done + len]);
                    } else if content.len() < from + len && dice.per_mille(per_mille) {
                        // The length got there, and the bytes did not.
                        content.resize(from + len, 0);
                    }
                    done += len;
                }
            }
        }
    }
}

fn write(content: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if content.len() < at + bytes.len() {
        content.resize(at + bytes.len(), 0);
    }
    content[at..at + bytes.len()].copy_from_slice(bytes);
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Tree {
    pub(super) fn new() -> Self {
        let nodes = BTreeMap::from([(ROOT, Node::Folder(Folder::default()))]);
        Self { nodes, now: SystemTime::UNIX_EPOCH }
    }

    fn add(&mut self, node: Node) -> u64 {
        let number = self.nodes.last_key_value().map_or(ROOT, |(last, _)| *last) + 1;
        self.nodes.insert(number, node);
        number
    }

    fn find(&self, path: &Path) -> io::Result<u64> {
        let mut node = ROOT;
        for component in path.components() {
            match component {
                Component::RootDir | Component::CurDir => {}
                Component::Normal(name) => {
                    node = *self.folder(node)?.cached.get(name).ok_or_else(not_found)?;
                }
                Component::ParentDir | Component::Prefix(_) => return Err(io::ErrorKind::Unsupported.into()),
            }
        }
        Ok(node)
    }

    fn folder(&self, node: u64) -> io::Result<&Folder> {
        match &self.nodes[&node] {
            Node::Folder(folder) => Ok(folder),
            Node::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn folder_mut(&mut self, node: u64) -> io::Result<&mut Folder> {
        match self.nodes.get_mut(&node).expect("nodes are never removed") {
            Node::Folder(folder) => Ok(folder),
            Node::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn open(&self, file: u64) -> &File {
        match &self.nodes[&file] {
            Node::File(file) => file,
            Node::Folder(_) => unreachable!("only files are opened"),
        }
    }

    fn open_mut(&mut self, file: u64) -> &mut File {
        match self.nodes.get_mut(&file).expect("nodes are never removed") {
            Node::File(file) => file,
            Node::Folder(_) => unreachable!("only files are opened"),
        }
    }

    /// The file of this name.
    pub(super) fn file(&self, path: &Path) -> io::Result<u64> {
        let node = self.find(path)?;
        match &self.nodes[&node] {
            Node::File(_) => Ok(node),
            Node::Folder(_) => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    /// The folder that a path's last name stands in, and that name.
    fn place<'a>(&self, path: &'a Path) -> io::Result<(u64, &'a OsStr)> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let folder = self.find(path.parent().unwrap_or(Path::new("")))?;
        self.folder(folder)?;
        Ok((folder, name))
    }

    fn change(&mut self, folder: u64, entry: impl Fn() -> Entry) -> io::Result<()> {
        let folder = self.folder_mut(folder)?;
        entry().apply(&mut folder.cached);
        folder.pending.push(entry());
        Ok(())
    }

    pub(super) fn create(&mut self, path: &Path) -> io::Result<u64> {
        let (folder, name) = self.place(path)?;
        let file = File { cached: Vec::new(), durable: Vec::new(), pending: Vec::new(), modified: self.now };
        let node = self.add(Node::File(file));
        self.change(folder, || Entry::Put(name.to_owned(), node))?;
        Ok(node)
    }

    pub(super) fn create_dir(&mut self, path: &Path) -> io::Result<()> {
        let (folder, name) = self.place(path)?;
        if self.folder(folder)?.cached.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let node = self.add(Node::Folder(Folder::default()));
        self.change(folder, || Entry::Put(name.to_owned(), node))
    }

    pub(super) fn remove_file(&mut self, path: &Path) -> io::Result<()> {
        self.file(path)?;
        let (folder, name) = self.place(path)?;
        self.change(folder, || Entry::Remove(name.to_owned()))
    }

    pub(super) fn remove_dir_all(&mut self, path: &Path) -> io::Result<()> {
        let node = self.find(path)?;
        self.folder(node)?;
        let (folder, name) = self.place(path)?;
        self.change(folder, || Entry::Remove(name.to_owned()))
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let node = self.find(from)?;
        let ((folder, from), (other, to)) = (self.place(from)?, self.place(to)?);
        if folder != other {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "a rename from one folder to another"));
        }
        if let Some(replaced) = self.folder(folder)?.cached.get(to)
            && let Node::Folder(_) = &self.nodes[replaced]
        {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        self.change(folder, || Entry::Move { from: from.to_owned(), to: to.to_owned(), node })
    }

    pub(super) fn read_dir(&self, path: &Path) -> io::Result<Vec<OsString>> {
        Ok(self.folder(self.find(path)?)?.cached.keys().cloned().collect())
    }

    pub(super) fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        Ok(match &self.nodes[&self.find(path)?] {
            Node::File(file) => Metadata { len: file.cached.len() as u64, is_dir: false, modified: file.modified },
            Node::Folder(_) => Metadata { len: 0, is_dir: true, modified: SystemTime::UNIX_EPOCH },
        })
    }

    pub(super) fn content(&self, file: u64) -> &[u8] {
        &self.open(file).cached
    }

    pub(super) fn modified(&self, file: u64) -> SystemTime {
        self.open(file).modified
    }

    fn alter(&mut self, file: u64, change: Change) {
        let now = self.now;
        let file = self.open_mut(file);
        change.apply(&mut file.cached);
        file.pending.push(change);
        file.modified = now;
    }

    pub(super) fn write(&mut self, file: u64, at: u64, bytes: &[u8]) {
        self.alter(file, Change::Write { at: at as usize, bytes: bytes.to_vec() });
    }

    pub(super) fn set_len(&mut self, file: u64, len: u64) {
        self.alter(file, Change::Len(len as usize));
    }

    pub(super) fn sync(&mut self, file: u64) {
        let file = self.open_mut(file);
        for change in file.pending.drain(..) {
            change.apply(&mut file.durable);
        }
    }

    /// Some bytes get to stable storage; the rest is taken for written. Lengths are kept apart from what fails.
    pub(super) fn fail_sync(&mut self, file: u64, dice: &mut Dice) {
        let file = self.open_mut(file);
        for change in file.pending.drain(..) {
            match change {
                Change::Len(_) => change.apply(&mut file.durable),
                Change::Write { .. } => change.apply_some(&mut file.durable, dice, 500),
            }
        }
    }

    pub(super) fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        let node = self.find(path)?;
        let folder = self.folder_mut(node)?;
        for entry in folder.pending.drain(..) {
            entry.apply(&mut folder.durable);
        }
        Ok(())
    }

    /// Only what the system knows it has to write stays readable beyond what is on stable storage.
    pub(super) fn drop_caches(&mut self) {
        for node in self.nodes.values_mut() {
            if let Node::File(file) = node {
                file.cached.clone_from(&file.durable);
                for change in &file.pending {
                    change.apply(&mut file.cached);
                }
            }
        }
    }

    pub(super) fn lose_power(&mut self, dice: &mut Dice) {
        // From nearly nothing to nearly everything.
        let per_mille = [0, 100, 500, 900, 1000][dice.below(5) as usize];
        // Most file systems keep the order of changes to names, and not all do.
        let in_order = dice.per_mille(500);
        for node in self.nodes.values_mut() {
            match node {
                Node::File(file) => {
                    for change in file.pending.drain(..) {
                        change.apply_some(&mut file.durable, dice, per_mille);
                    }
                    file.cached.clone_from(&file.durable);
                }
                Node::Folder(folder) => {
                    let mut lost = false;
                    for entry in folder.pending.drain(..) {
                        lost = (in_order && lost) || !dice.per_mille(per_mille);
                        if !lost {
                            entry.apply(&mut folder.durable);
                        }
                    }
                    folder.cached.clone_from(&folder.durable);
                }
            }
        }
    }

    fn visit<'a>(&'a self, node: u64, path: PathBuf, found: &mut BTreeMap<PathBuf, &'a File>) {
        match &self.nodes[&node] {
            Node::File(file) => {
                found.insert(path, file);
            }
            Node::Folder(folder) => {
                for (name, node) in &folder.cached {
                    self.visit(*node, path.join(name), found);
                }
            }
        }
    }

    pub(super) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        self.visit(ROOT, PathBuf::from("/"), &mut found);
        found.into_iter().map(|(path, file)| (path, file.cached.clone())).collect()
    }

    /// Of all files that have a name.
    pub(super) fn bytes(&self) -> u64 {
        let mut found = BTreeMap::new();
        self.visit(ROOT, PathBuf::from("/"), &mut found);
        found.values().map(|file| file.cached.len() as u64).sum()
    }

    pub(super) fn put(&mut self, path: &Path, content: &[u8]) {
        let mut above = PathBuf::from("/");
        for component in path.parent().into_iter().flat_map(Path::components) {
            let Component::Normal(name) = component else { continue };
            let below = above.join(name);
            if self.find(&below).is_err() {
                self.create_dir(&below).expect("the folder above is there");
            }
            self.sync_dir(&above).expect("the folder is there");
            above = below;
        }
        let file = match self.file(path) {
            Ok(file) => file,
            Err(_) => self.create(path).expect("the folder is there"),
        };
        self.set_len(file, 0);
        self.write(file, 0, content);
        self.sync(file);
        self.sync_dir(&above).expect("the folder is there");
    }

    pub(super) fn take_away(&mut self, path: &Path) {
        if self.remove_file(path).is_ok() {
            self.sync_dir(path.parent().unwrap_or(Path::new("/"))).expect("the folder is there");
        }
    }

    pub(super) fn damage(&mut self, file: u64, at: u64, flip: u8) {
        let file = self.open_mut(file);
        let at = at as usize;
        file.cached[at] ^= flip;
        if let Some(byte) = file.durable.get_mut(at) {
            *byte ^= flip;
        }
        for change in &mut file.pending {
            if let Change::Write { at: from, bytes } = change
                && let Some(byte) = at.checked_sub(*from).and_then(|within| bytes.get_mut(within))
            {
                *byte ^= flip;
            }
        }
    }
}
