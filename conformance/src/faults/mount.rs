//! A faulty disk under a real process: the forgetful volume mounted as a file system, with traps at its operations.

use super::disk::{Dice, Kind, ROOT, Volume};
use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, LockOwner, MountOption,
    OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyWrite, Request, TimeOrNow,
    WriteFlags,
};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// How long the kernel may remember what it was told: nobody else changes the volume.
const REMEMBER: Duration = Duration::from_secs(60);

/// What a process does to its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Op {
    /// Octets into a file.
    Write,
    /// fsync or fdatasync of a file.
    Sync,
    /// A new file.
    Create,
    /// fsync of a folder.
    SyncNames,
}

/// What a trap does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// kill -9 before the operation has any effect.
    KillBefore,
    /// kill -9 when half of the octets are written.
    KillHalfway,
    /// kill -9 when it took effect, before the process knows.
    KillAfter,
    /// EIO.
    Fail,
    /// ENOSPC.
    Full,
    /// It takes this long.
    Slow(Duration),
}

/// A fault that waits for its operation.
#[derive(Clone, Debug)]
pub struct Trap {
    /// The operation.
    pub op: Op,
    /// Files whose name begins with this.
    pub name: &'static str,
    /// How many operations pass first.
    pub pass: u32,
    /// How many it then hits.
    pub hits: u32,
    /// What happens.
    pub deed: Deed,
}

#[derive(Debug, Default)]
struct Shared {
    volume: Volume,
    names: BTreeMap<u64, String>,
    trap: Option<Trap>,
    sprung: u32,
    pid: Option<u32>,
}

/// A disk of a node. It outlives the process, and its mounts.
#[derive(Debug)]
pub struct Disk {
    shared: Arc<Mutex<Shared>>,
    place: PathBuf,
    session: Option<BackgroundSession>,
}

#[derive(Debug)]
struct Mounted(Arc<Mutex<Shared>>);

impl Disk {
    /// An empty disk, mounted at `place`.
    ///
    /// # Errors
    /// The kernel does not allow it: no /dev/fuse, or no right to mount.
    pub fn mount(place: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(place)?;
        let mut disk = Self { shared: Arc::default(), place: place.to_owned(), session: None };
        disk.attach()?;
        Ok(disk)
    }

    fn attach(&mut self) -> std::io::Result<()> {
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName(String::from("waybill-faults"))];
        self.session = Some(fuser::spawn_mount(Mounted(Arc::clone(&self.shared)), &self.place, &config)?);
        Ok(())
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The power goes while nobody has a file open, and comes again.
    ///
    /// # Errors
    /// It cannot be mounted again.
    pub fn lose_power(&mut self, dice: &mut Dice, keep: bool) -> std::io::Result<()> {
        self.detach();
        self.shared().volume.lose_power(dice, keep);
        self.attach()
    }

    fn detach(&mut self) {
        if let Some(session) = self.session.take()
            && session.umount_and_join().is_err()
        {
            drop(Command::new("umount").arg("-l").arg(&self.place).status());
        }
    }

    /// From now on syncing is a lie, or no longer.
    pub fn lie(&self, lying: bool) {
        self.shared().volume.lying = lying;
    }

    /// Sets a trap for the process; an earlier one is gone.
    pub fn set(&self, trap: Trap, pid: u32) {
        let mut shared = self.shared();
        (shared.trap, shared.sprung, shared.pid) = (Some(trap), 0, Some(pid));
    }

    /// Takes the trap away, and tells how often it sprang.
    pub fn clear(&self) -> u32 {
        let mut shared = self.shared();
        shared.trap = None;
        std::mem::take(&mut shared.sprung)
    }

    /// How often the trap sprang so far.
    #[must_use]
    pub fn sprung(&self) -> u32 {
        self.shared().sprung
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.detach();
    }
}

impl Shared {
    fn sprung(&mut self, op: Op, number: u64) -> Option<Deed> {
        let name = self.names.get(&number).map_or("", String::as_str);
        let trap = self.trap.as_mut().filter(|trap| trap.op == op && name.starts_with(trap.name) && trap.hits > 0)?;
        if trap.pass > 0 {
            trap.pass -= 1;
            return None;
        }
        trap.hits -= 1;
        self.sprung += 1;
        Some(trap.deed)
    }

    fn attributes(&self, number: u64) -> Option<FileAttr> {
        let (kind, size) = match self.volume.kind(number)? {
            Kind::File(size) => (FileType::RegularFile, size),
            Kind::Folder => (FileType::Directory, 0),
        };
        let time = SystemTime::UNIX_EPOCH;
        let perm = if kind == FileType::Directory { 0o755 } else { 0o644 };
        let nlink = if kind == FileType::Directory { 2 } else { 1 };
        Some(FileAttr {
            ino: INodeNo(number),
            size,
            blocks: size.div_ceil(512),
            atime: time,
            mtime: time,
            ctime: time,
            crtime: time,
            kind,
            perm,
            nlink,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        })
    }
}

impl Mounted {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does `work` unless a trap springs at this operation.
    fn through(&self, op: Op, number: u64, work: impl Fn(&mut Volume, bool) -> Option<()>) -> Result<(), Errno> {
        let (deed, pid) = {
            let mut shared = self.shared();
            (shared.sprung(op, number), shared.pid)
        };
        let done = |whole: bool| work(&mut self.shared().volume, whole).ok_or(Errno::ENOENT);
        let kill = || {
            if let Some(pid) = pid {
                drop(Command::new("kill").args(["-9", &pid.to_string()]).status());
            }
        };
        match deed {
            None => done(true),
            Some(Deed::KillBefore) => {
                kill();
                Err(Errno::EIO)
            }
            Some(Deed::KillHalfway) => {
                kill();
                done(false)
            }
            Some(Deed::KillAfter) => {
                let did = done(true);
                kill();
                did
            }
            Some(Deed::Fail) => Err(Errno::EIO),
            Some(Deed::Full) => Err(Errno::ENOSPC),
            Some(Deed::Slow(time)) => {
                std::thread::sleep(time);
                done(true)
            }
        }
    }

    fn make(&self, parent: INodeNo, name: &OsStr, folder: bool) -> Result<FileAttr, Errno> {
        let name = name.to_str().ok_or(Errno::EINVAL)?;
        let mut shared = self.shared();
        let number = shared.volume.make(parent.0, name, folder).ok_or(Errno::EEXIST)?;
        shared.names.insert(number, name.to_owned());
        shared.attributes(number).ok_or(Errno::ENOENT)
    }

    fn remove(&self, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let name = name.to_string_lossy();
        match self.shared().volume.take(parent.0, &name) {
            Some(()) => reply.ok(),
            None => reply.error(Errno::ENOENT),
        }
    }
}

fn answer(reply: ReplyEmpty, done: Result<(), Errno>) {
    match done {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

impl Filesystem for Mounted {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let mut shared = self.shared();
        let found = shared.volume.find(parent.0, &name.to_string_lossy()).and_then(|number| shared.attributes(number));
        match found {
            Some(attributes) => reply.entry(&REMEMBER, &attributes, Generation(0)),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, number: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.shared().attributes(number.0) {
            Some(attributes) => reply.attr(&REMEMBER, &attributes),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        number: INodeNo,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<fuser::BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let mut shared = self.shared();
        let done = size.is_none_or(|size| shared.volume.resize(number.0, size).is_some());
        match shared.attributes(number.0).filter(|_| done) {
            Some(attributes) => reply.attr(&REMEMBER, &attributes),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, _: u32, _: u32, reply: ReplyEntry) {
        match self.make(parent, name, true) {
            Ok(attributes) => reply.entry(&REMEMBER, &attributes, Generation(0)),
            Err(error) => reply.error(error),
        }
    }

    fn create(&self, _: &Request, parent: INodeNo, name: &OsStr, _: u32, _: u32, _: i32, reply: ReplyCreate) {
        let told = match self.through(Op::Create, 0, |_, _| Some(())) {
            Ok(()) => self.make(parent, name, false),
            Err(error) => Err(error),
        };
        match told {
            Ok(attributes) => reply.created(&REMEMBER, &attributes, Generation(0), FileHandle(0), FopenFlags::empty()),
            Err(error) => reply.error(error),
        }
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.remove(parent, name, reply);
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.remove(parent, name, reply);
    }

    fn rename(&self, _: &Request, parent: INodeNo, name: &OsStr, to_parent: INodeNo, to: &OsStr, _: RenameFlags, reply: ReplyEmpty) {
        let (name, to) = (name.to_string_lossy().into_owned(), to.to_string_lossy().into_owned());
        let mut shared = self.shared();
        match shared.volume.rename(parent.0, &name, to_parent.0, &to) {
            Some(()) => {
                if let Some(number) = shared.volume.find(to_parent.0, &to) {
                    shared.names.insert(number, to);
                }
                reply.ok();
            }
            None => reply.error(Errno::ENOENT),
        }
    }

    fn read(
        &self,
        _: &Request,
        number: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.shared().volume.read(number.0, offset, usize::try_from(size).unwrap_or(0)) {
            Some(octets) => reply.data(&octets),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn write(
        &self,
        _: &Request,
        number: INodeNo,
        _: FileHandle,
        offset: u64,
        octets: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let half = octets.get(..octets.len() / 2).unwrap_or_default();
        let done = self.through(Op::Write, number.0, |volume, whole| volume.write(number.0, offset, if whole { octets } else { half }));
        match done {
            Ok(()) => reply.written(u32::try_from(octets.len()).unwrap_or(u32::MAX)),
            Err(error) => reply.error(error),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _: &Request, number: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let done = self.through(Op::Sync, number.0, |volume, _| {
            volume.sync(number.0);
            Some(())
        });
        answer(reply, done);
    }

    fn fsyncdir(&self, _: &Request, number: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let done = self.through(Op::SyncNames, number.0, |volume, _| {
            volume.sync(number.0);
            Some(())
        });
        answer(reply, done);
    }

    fn readdir(&self, _: &Request, number: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let mut shared = self.shared();
        let mut listed = vec![(String::from("."), number.0), (String::from(".."), ROOT)];
        listed.extend(shared.volume.names(number.0));
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        for ((name, number), next) in listed.into_iter().zip(1..).skip(from) {
            let kind = match shared.volume.kind(number) {
                Some(Kind::File(_)) => FileType::RegularFile,
                _ => FileType::Directory,
            };
            if reply.add(INodeNo(number), next, kind, name) {
                break;
            }
        }
        reply.ok();
    }
}
