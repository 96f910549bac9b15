//! The log's files: CRC-framed records, appended to space written before. `ledger/FORMAT.md` is its contract.

use crate::medium::{Medium, StoreError};
use crate::tree::Hash;
use std::path::PathBuf;

/// A file is closed to further frames when the next one would pass this length.
pub(crate) const FILE_BYTES: u64 = 16 << 20;
/// Space is written ahead in steps of this length: a sync of octets that overwrite others need not wait for a new length.
pub(crate) const AHEAD_BYTES: u64 = ZEROS.len() as u64;
/// A frame's payload, at most.
const FRAME_BYTES_MAX: usize = 1 << 30;
const MAGIC: &[u8; 12] = b"WAYBILL2 wal";
const PREFIX: &str = "wal_";
const HEADER: u64 = 44;
const FRAME_HEAD: u64 = 16;
/// Room that a payload leaves before itself for the head of its frame.
pub(crate) const ROOM: [u8; 16] = [0; 16];
/// What a file is filled up with.
static ZEROS: [u8; 256 << 10] = [0; 256 << 10];

/// The end of an interrupted write, cut off when the file was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The file.
    pub path: PathBuf,
    /// Where it ends now.
    pub offset: u64,
    /// Octets cut off.
    pub octets: u64,
}

/// Where a frame lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The number of the first frame of its file: that is the file's name.
    file: u64,
    offset: u64,
    sequence: u64,
}

impl Place {
    /// Whether this is the very first frame of the log.
    pub(crate) fn opens_log(self) -> bool {
        self.sequence == 0
    }
}

/// Told of every frame when files are opened; its error is what is wrong with the frame.
pub(crate) type Visit<'v> = dyn FnMut(Place, &[u8]) -> Result<(), String> + 'v;

/// The files `wal_<number of the first frame>`.
#[derive(Debug)]
pub(crate) struct Frames<M> {
    medium: M,
    header: Vec<u8>,
    /// The first frames of the files, ascending.
    files: Vec<u64>,
    next: u64,
    /// Of the last file: octets in use, and octets there.
    used: u64,
    ahead: u64,
}

impl<M: Medium> Frames<M> {
    /// Opens the files, gives each frame to `visit`, and cuts off a torn end. Files before the first were removed once.
    ///
    /// # Errors
    /// A damaged frame that is no torn end, a file of another ledger, a gap, or the medium.
    pub(crate) fn open(medium: M, ledger: &Hash, visit: &mut Visit<'_>) -> Result<(Self, Option<Torn>), StoreError> {
        let header = [MAGIC.as_slice(), &ledger.0].concat();
        let mut opened = Self { medium, header, files: Vec::new(), next: 0, used: 0, ahead: 0 };
        let names: Vec<String> = opened.medium.list()?.into_iter().filter(|name| name.starts_with(PREFIX)).collect();
        let mut torn = None;
        for (at, found) in names.iter().enumerate() {
            if at == 0 {
                let first = found.strip_prefix(PREFIX).and_then(|digits| digits.parse().ok());
                opened.next = first.ok_or_else(|| StoreError::corrupt(opened.medium.path(found), 0, "its name holds no number"))?;
            }
            if *found != name(opened.next) {
                return Err(StoreError::corrupt(opened.medium.path(found), 0, format!("frame {} should come next", opened.next)));
            }
            torn = opened.open_file(found, at + 1 == names.len(), visit)?;
        }
        if opened.files.is_empty() {
            opened.create()?;
        }
        Ok((opened, torn))
    }

    /// Whether the next frame, with a payload of `length`, will be the first of a file.
    pub(crate) fn opens_file(&self, length: usize) -> bool {
        self.used == HEADER || self.used + FRAME_HEAD + length as u64 > FILE_BYTES
    }

    /// Writes one frame, a payload after its [`ROOM`]; [`Frames::sync`] makes it durable. A full file is synced before the next is begun.
    ///
    /// # Errors
    /// The medium. What was written of the frame is cut off when the directory is opened again.
    pub(crate) fn append(&mut self, frame: &mut [u8]) -> Result<Place, StoreError> {
        let length = frame.len() - ROOM.len();
        assert!(length <= FRAME_BYTES_MAX, "a batch is smaller than a frame");
        if self.opens_file(length) && self.used > HEADER {
            self.sync()?;
            self.create()?;
        }
        let file = self.files.last().copied().ok_or(StoreError::Stopped)?;
        put_head(frame, self.next);
        let end = self.used + frame.len() as u64;
        if end > self.ahead {
            let ahead = end.next_multiple_of(AHEAD_BYTES);
            let zeros = usize::try_from(ahead - end).ok().and_then(|length| ZEROS.get(..length)).unwrap_or(&ZEROS);
            self.medium.write(&name(file), end, zeros)?;
            self.ahead = ahead;
        }
        self.medium.write(&name(file), self.used, frame)?;
        let place = Place { file, offset: self.used, sequence: self.next };
        self.used = end;
        self.next += 1;
        Ok(place)
    }

    /// Removes the files before the one that holds `place`, or all but the last.
    ///
    /// # Errors
    /// The medium.
    pub(crate) fn remove_before(&mut self, place: Option<Place>) -> Result<(), StoreError> {
        let kept = place.map(|place| place.file).or_else(|| self.files.last().copied()).unwrap_or(0);
        // The oldest first, each for good before the next: what is left has no gap at any time.
        for file in self.files.extract_if(.., |file| *file < kept) {
            self.medium.remove(&name(file))?;
            self.medium.sync_names()?;
        }
        Ok(())
    }

    /// Returns when everything written is on the medium.
    ///
    /// # Errors
    /// The medium. The call is not tried again: after a failed sync the kernel may have dropped what it could not write.
    pub(crate) fn sync(&mut self) -> Result<(), StoreError> {
        self.files.last().map_or(Ok(()), |file| self.medium.sync(&name(*file)))
    }

    /// Reads a frame's payload back, checked.
    ///
    /// # Errors
    /// The medium, or the frame is damaged.
    pub(crate) fn read(&self, place: Place) -> Result<Vec<u8>, StoreError> {
        let file = name(place.file);
        let damaged =
            || StoreError::corrupt(self.medium.path(&file), place.offset, format!("frame {} does not match its checksum", place.sequence));
        let mut head = [0; 16];
        self.medium.read(&file, place.offset, &mut head)?;
        let (length, crc, sequence) = split_head(&head);
        let length = usize::try_from(length).ok().filter(|length| sequence == place.sequence && *length <= FRAME_BYTES_MAX);
        let mut payload = vec![0; length.ok_or_else(damaged)?];
        self.medium.read(&file, place.offset + FRAME_HEAD, &mut payload)?;
        if checksum(sequence, &payload) == crc { Ok(payload) } else { Err(damaged()) }
    }

    /// The files as they are now, to be read again on another thread.
    pub(crate) fn files(&self) -> Files<M> {
        Files { medium: self.medium.clone(), header: self.header.clone(), files: self.files.clone(), next: self.next, used: self.used }
    }

    /// Begins another file, whatever the last one holds, and returns where it begins.
    ///
    /// # Errors
    /// The medium.
    pub(crate) fn turn(&mut self) -> Result<Place, StoreError> {
        self.sync()?;
        if self.used > HEADER {
            self.create()?;
        }
        let file = self.files.last().copied().ok_or(StoreError::Stopped)?;
        Ok(Place { file, offset: HEADER, sequence: file })
    }

    fn create(&mut self) -> Result<(), StoreError> {
        let file = name(self.next);
        self.medium.create(&file)?;
        self.medium.write(&file, 0, &self.header)?;
        self.medium.sync(&file)?;
        self.medium.sync_names()?;
        self.files.push(self.next);
        (self.used, self.ahead) = (HEADER, HEADER);
        Ok(())
    }

    fn open_file(&mut self, name: &str, last: bool, visit: &mut Visit<'_>) -> Result<Option<Torn>, StoreError> {
        let octets = self.medium.read_all(name)?;
        let length = octets.len() as u64;
        self.files.push(self.next);
        let Some(mut rest) = octets.strip_prefix(self.header.as_slice()) else {
            // A crash between the file's creation and the sync of its header; frames come later.
            if !last || octets.len() > self.header.len() {
                return Err(StoreError::corrupt(self.medium.path(name), 0, "not a log file of this ledger, or of another version"));
            }
            self.medium.write(name, 0, &self.header)?;
            self.medium.sync(name)?;
            (self.used, self.ahead) = (HEADER, HEADER);
            return Ok(Some(Torn { path: self.medium.path(name), offset: 0, octets: length }));
        };
        let file = self.next;
        let mut offset = HEADER;
        while let Some((payload, tail)) = frame(rest, self.next) {
            visit(Place { file, offset, sequence: self.next }, payload)
                .map_err(|what| StoreError::corrupt(self.medium.path(name), offset, what))?;
            offset += FRAME_HEAD + payload.len() as u64;
            self.next += 1;
            rest = tail;
        }
        (self.used, self.ahead) = (offset, length);
        let left = rest.iter().rposition(|octet| *octet != 0).map_or(0, |at| at + 1);
        if left == 0 {
            return Ok(None);
        }
        if !last || (1..left).any(|at| later_frame(rest, at, self.next)) {
            return Err(StoreError::corrupt(self.medium.path(name), offset, format!("frame {} does not match its checksum", self.next)));
        }
        self.medium.write(name, offset, &vec![0; left])?;
        self.medium.sync(name)?;
        Ok(Some(Torn { path: self.medium.path(name), offset, octets: left as u64 }))
    }
}

/// The log's files at one moment: what was written to them by then does not change any more.
#[derive(Debug)]
pub(crate) struct Files<M> {
    medium: M,
    header: Vec<u8>,
    files: Vec<u64>,
    next: u64,
    used: u64,
}

impl<M: Medium> Files<M> {
    pub(crate) fn count(&self) -> usize {
        self.files.len()
    }

    /// Reads a file again, by its place among them: its name and the first frame that is not what was written.
    ///
    /// # Errors
    /// It cannot be read: it was removed meanwhile, or the medium failed.
    pub(crate) fn check(&self, at: usize) -> Result<Option<(String, u64)>, StoreError> {
        let Some(first) = self.files.get(at) else { return Ok(None) };
        let file = name(*first);
        let (end, used) = match self.files.get(at + 1) {
            Some(end) => (*end, self.medium.length(&file)?),
            None => (self.next, self.used),
        };
        let mut window = Window { octets: Vec::new(), used: 0, next: 0, end: used };
        let read = |window: &mut Window, length: u64| -> Result<bool, StoreError> {
            let Some((at, octets)) = window.room(length) else { return Ok(window.rest().len() as u64 >= length) };
            self.medium.read(&file, at, octets)?;
            Ok(window.rest().len() as u64 >= length)
        };
        if !read(&mut window, HEADER)? || !window.rest().starts_with(&self.header) {
            return Ok(Some((file, 0)));
        }
        window.used += self.header.len();
        for sequence in *first..end {
            let offset = window.offset();
            let head = if read(&mut window, FRAME_HEAD)? { window.rest().first_chunk().map(split_head) } else { None };
            let whole = match head {
                Some((length, ..)) => read(&mut window, FRAME_HEAD + u64::from(length))?,
                None => false,
            };
            let Some((payload, _)) = frame(window.rest(), sequence).filter(|_| whole) else { return Ok(Some((file, offset))) };
            window.used += ROOM.len() + payload.len();
        }
        Ok(None)
    }
}

/// Octets that are read of a file at once.
const PART: u64 = 256 << 10;

/// The part of a file that is looked at.
struct Window {
    octets: Vec<u8>,
    /// So many of them are done with.
    used: usize,
    /// Where the file goes on behind them, and where it ends.
    next: u64,
    end: u64,
}

impl Window {
    fn rest(&self) -> &[u8] {
        self.octets.get(self.used..).unwrap_or_default()
    }

    /// Where [`Window::rest`] begins in the file.
    fn offset(&self) -> u64 {
        self.next - self.rest().len() as u64
    }

    /// What is to be read, and from where, so that the rest has a length; none if it has it, or the file ends before.
    fn room(&mut self, length: u64) -> Option<(u64, &mut [u8])> {
        let missing = length.saturating_sub(self.rest().len() as u64);
        let left = self.end - self.next;
        if missing == 0 || missing > left {
            return None;
        }
        self.octets.drain(..std::mem::take(&mut self.used));
        let (have, at) = (self.octets.len(), self.next);
        let more = missing.max(PART).min(left);
        self.octets.resize(have + usize::try_from(more).ok()?, 0);
        self.next += more;
        self.octets.get_mut(have..).map(|room| (at, room))
    }
}

fn name(first: u64) -> String {
    format!("{PREFIX}{first:020}")
}

fn put_head(frame: &mut [u8], sequence: u64) {
    let (head, payload) = frame.split_at_mut(ROOM.len());
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let numbers = [length, checksum(sequence, payload)].map(u32::to_be_bytes).concat();
    head.copy_from_slice(&[numbers.as_slice(), &sequence.to_be_bytes()].concat());
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
    // An empty payload is never written: zeros are no frame, not even frame 0.
    let (payload, tail) = rest.split_at_checked(usize::try_from(length).ok().filter(|length| *length > 0)?)?;
    (found == sequence && checksum(sequence, payload) == crc).then_some((payload, tail))
}

/// Whether a whole frame with a later number stands at `at`: then what stands before it was synced once, and is damaged.
fn later_frame(octets: &[u8], at: usize, sequence: u64) -> bool {
    let Some(octets) = octets.get(at..) else { return false };
    let Some(head) = octets.first_chunk::<16>() else { return false };
    let (_, _, found) = split_head(head);
    found > sequence && found - sequence < 1 << 32 && frame(octets, found).is_some()
}
