//! Append-only files of CRC-framed records: the only place that knows how frames lie in them. `ledger/FORMAT.md` is its contract.

use crate::medium::Medium;
use crate::tree::Hash;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A file is closed to further frames when the next one would pass this length.
pub const SEGMENT_BYTES: u64 = 64 << 20;
const HEADER: u64 = 44;
const FRAME_HEAD: u64 = 16;
const FRAME_BYTES_MAX: u64 = 32 << 20;

/// The medium failed or holds something else than was written. The node must stop; nothing is tried again.
#[derive(Debug)]
pub enum StoreError {
    /// The operating system refused.
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// Its answer.
        error: io::Error,
    },
    /// A frame does not hold what was written, and it is not the end of an interrupted write.
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where the frame starts, in octets.
        offset: u64,
        /// What is wrong.
        what: String,
    },
    /// Another process has the directory open.
    Locked(PathBuf),
    /// The directory belongs to another ledger, or the leaves to another history.
    Diverged(String),
    /// An earlier call failed.
    Stopped,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { what, path, error } => write!(f, "{}: cannot {what}: {error}", path.display()),
            Self::Corrupt { path, offset, what } => write!(f, "{} is damaged at octet {offset}: {what}", path.display()),
            Self::Locked(path) => write!(f, "{} is in use by another process", path.display()),
            Self::Diverged(what) => f.write_str(what),
            Self::Stopped => f.write_str("the store stopped after an earlier error"),
        }
    }
}

impl std::error::Error for StoreError {}

/// The end of an interrupted write, cut off when the file was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The file.
    pub path: PathBuf,
    /// Its length now.
    pub offset: u64,
    /// Octets cut off.
    pub octets: u64,
}

/// Where a frame lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    segment: usize,
    offset: u64,
    sequence: u64,
}

#[derive(Debug)]
struct Segment {
    name: String,
    length: u64,
}

/// Told of every frame when files are opened; its error is what is wrong with the frame.
pub(crate) type Visit<'v> = dyn FnMut(Place, &[u8]) -> Result<(), String> + 'v;

/// All files of one kind on a medium.
#[derive(Debug)]
pub(crate) struct Segments<M> {
    medium: M,
    prefix: &'static str,
    header: [u8; 44],
    segments: Vec<Segment>,
    next: u64,
}

impl<M: Medium> Segments<M> {
    /// Opens the files `<prefix>_<sequence of the first frame>`, gives each frame to `visit`, and cuts off a torn end.
    /// With `durable` the frames can be derived again: those below it were synced and must be there, the others may have been
    /// written in any order when power was lost, and are cut off from the first broken one on.
    ///
    /// # Errors
    /// A damaged frame that is no torn end, a file of another ledger, a gap, or the medium.
    pub(crate) fn open(
        medium: M,
        prefix: &'static str,
        ledger: &Hash,
        durable: Option<u64>,
        visit: &mut Visit<'_>,
    ) -> Result<(Self, Option<Torn>), StoreError> {
        let mut header = [0; 44];
        let parts = [b"WAYBILL1".as_slice(), format!("{prefix:>4}").as_bytes(), &ledger.0].concat();
        header.copy_from_slice(&parts);
        let mut opened = Self { medium, prefix, header, segments: Vec::new(), next: 0 };
        let mut torn = None;
        let names = opened.names()?;
        for (at, name) in names.iter().enumerate() {
            let last = at + 1 == names.len();
            torn = opened.open_segment(name, last, durable, visit)?;
        }
        if let Some(durable) = durable.filter(|durable| opened.next < *durable) {
            let what = format!("frames {} to {durable} are missing", opened.next);
            return Err(StoreError::Corrupt { path: opened.medium.path(prefix), offset: 0, what });
        }
        if opened.segments.is_empty() {
            opened.create()?;
        }
        Ok((opened, torn))
    }

    /// The sequence of the next frame.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Writes one frame; [`Segments::sync`] makes it durable. A full file is synced before the next is begun.
    ///
    /// # Errors
    /// The medium. What was written of the frame is cut off when the files are opened again.
    pub(crate) fn append(&mut self, payload: &[u8]) -> Result<Place, StoreError> {
        let mut frame = Vec::with_capacity(payload.len() + 16);
        let length = u32::try_from(payload.len()).map_err(|_overflow| self.too_long())?;
        frame.extend_from_slice(&length.to_be_bytes());
        frame.extend_from_slice(&checksum(self.next, payload).to_be_bytes());
        frame.extend_from_slice(&self.next.to_be_bytes());
        frame.extend_from_slice(payload);
        let full =
            self.segments.last().is_none_or(|segment| segment.length + frame.len() as u64 > SEGMENT_BYTES && segment.length > HEADER);
        if full {
            self.sync()?;
            self.create()?;
        }
        let index = self.segments.len() - 1;
        let Some(segment) = self.segments.last_mut() else { return Err(StoreError::Stopped) };
        let place = Place { segment: index, offset: segment.length, sequence: self.next };
        self.medium.write(&segment.name, segment.length, &frame)?;
        segment.length += frame.len() as u64;
        self.next += 1;
        Ok(place)
    }

    /// Returns when everything written is on the medium (`fdatasync`).
    ///
    /// # Errors
    /// The medium. The call is not tried again: after a failed sync the kernel may have dropped what it could not write.
    pub(crate) fn sync(&mut self) -> Result<(), StoreError> {
        let Some(segment) = self.segments.last() else { return Ok(()) };
        self.medium.sync(&segment.name)
    }

    /// Reads a frame's payload back, checked.
    ///
    /// # Errors
    /// The medium, or the frame is damaged.
    pub(crate) fn read(&self, place: Place) -> Result<Vec<u8>, StoreError> {
        let segment = self.segments.get(place.segment).ok_or(StoreError::Stopped)?;
        let mut head = [0; 16];
        self.medium.read(&segment.name, place.offset, &mut head)?;
        let path = || self.medium.path(&segment.name);
        let damaged = || StoreError::Corrupt { path: path(), offset: place.offset, what: format!("frame {}", place.sequence) };
        let (length, crc, sequence) = split_head(&head);
        if sequence != place.sequence || u64::from(length) > FRAME_BYTES_MAX {
            return Err(damaged());
        }
        let mut payload = vec![0; usize::try_from(length).map_err(|_overflow| damaged())?];
        self.medium.read(&segment.name, place.offset + FRAME_HEAD, &mut payload)?;
        if checksum(sequence, &payload) == crc { Ok(payload) } else { Err(damaged()) }
    }

    fn too_long(&self) -> StoreError {
        StoreError::Corrupt { path: self.medium.path(self.prefix), offset: 0, what: "a frame of more than 4 GiB".to_owned() }
    }

    fn names(&self) -> Result<Vec<String>, StoreError> {
        let ours = |name: &String| name.strip_prefix(self.prefix).is_some_and(|rest| rest.starts_with('_'));
        Ok(self.medium.list()?.into_iter().filter(ours).collect())
    }

    fn name(&self, first: u64) -> String {
        format!("{}_{first:020}", self.prefix)
    }

    fn create(&mut self) -> Result<(), StoreError> {
        let name = self.name(self.next);
        self.medium.create(&name)?;
        self.medium.write(&name, 0, &self.header)?;
        self.medium.sync(&name)?;
        self.medium.sync_names()?;
        self.segments.push(Segment { name, length: HEADER });
        Ok(())
    }

    fn open_segment(&mut self, name: &str, last: bool, durable: Option<u64>, visit: &mut Visit<'_>) -> Result<Option<Torn>, StoreError> {
        let path = self.medium.path(name);
        let corrupt = |offset: u64, what: &str| StoreError::Corrupt { path: path.clone(), offset, what: what.to_owned() };
        if name != self.name(self.next) {
            return Err(corrupt(0, &format!("frame {} should come next", self.next)));
        }
        let octets = self.medium.read_all(name)?;
        let index = self.segments.len();
        let Some(mut rest) = octets.strip_prefix(&self.header) else {
            return if last && octets.len() < self.header.len() {
                self.reopen_empty(name, octets.len())
            } else {
                Err(corrupt(0, "not a file of this ledger"))
            };
        };
        let mut offset = HEADER;
        let mut torn = None;
        while !rest.is_empty() {
            let Some((payload, tail)) = frame(rest, self.next) else {
                let derived = durable.is_some();
                if !last || self.next < durable.unwrap_or(0) || !derived && (1..rest.len()).any(|at| later_frame(rest, at, self.next)) {
                    return Err(corrupt(offset, &format!("frame {} does not match its checksum", self.next)));
                }
                self.medium.truncate(name, offset)?;
                self.medium.sync(name)?;
                torn = Some(Torn { path: path.clone(), offset, octets: rest.len() as u64 });
                break;
            };
            visit(Place { segment: index, offset, sequence: self.next }, payload).map_err(|what| corrupt(offset, &what))?;
            offset += FRAME_HEAD + payload.len() as u64;
            self.next += 1;
            rest = tail;
        }
        self.segments.push(Segment { name: name.to_owned(), length: offset });
        Ok(torn)
    }

    /// A crash came between the file's creation and its header.
    fn reopen_empty(&mut self, name: &str, octets: usize) -> Result<Option<Torn>, StoreError> {
        self.medium.write(name, 0, &self.header)?;
        self.medium.sync(name)?;
        self.segments.push(Segment { name: name.to_owned(), length: HEADER });
        Ok(Some(Torn { path: self.medium.path(name), offset: 0, octets: octets as u64 }))
    }
}

pub(crate) fn io_error(what: &'static str, path: &Path, error: io::Error) -> StoreError {
    StoreError::Io { what, path: path.to_owned(), error }
}

fn checksum(sequence: u64, payload: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&sequence.to_be_bytes());
    crc.update(payload);
    crc.finalize()
}

fn split_head(head: &[u8; 16]) -> (u32, u32, u64) {
    let [a, b, c, d, e, f, g, h, sequence @ ..] = *head;
    (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]), u64::from_be_bytes(sequence))
}

/// The payload of the frame that starts `octets`, if it is frame `sequence` and whole, and what follows it.
fn frame(octets: &[u8], sequence: u64) -> Option<(&[u8], &[u8])> {
    let (head, rest) = octets.split_first_chunk::<16>()?;
    let (length, crc, found) = split_head(head);
    let (payload, tail) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    (found == sequence && checksum(sequence, payload) == crc).then_some((payload, tail))
}

/// Whether a whole frame with a later number stands at `at`: then what stands before it was synced once, and is damaged.
fn later_frame(octets: &[u8], at: usize, sequence: u64) -> bool {
    let Some(octets) = octets.get(at..) else { return false };
    let Some(head) = octets.first_chunk::<16>() else { return false };
    let (_, _, found) = split_head(head);
    found > sequence && found - sequence < 1 << 32 && frame(octets, found).is_some()
}
