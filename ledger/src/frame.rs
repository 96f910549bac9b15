//! What nodes send each other, and what of it is looked at before Raft or protobuf see it.

use crate::checkpoint::Cosignature;
use crate::node::is_sound;
use crate::record::{BATCH_BYTES_MAX, Entry, Verdict};
use crate::tree::Hash;
use protobuf::Message as _;
use raft::eraftpb::{ConfChangeV2, Entry as RaftEntry, EntryType, Message, MessageType};

/// Octets of one frame between nodes; the transport refuses longer ones before reading them.
pub const FRAME_BYTES_MAX: usize = 4 << 20;
/// Terms and indexes beyond this are no work of ours, and adding to one cannot overflow.
const NUMBER_MAX: u64 = 1 << 48;
/// The entries of a message, and the changes of a change of members, by their protobuf numbers.
const ENTRIES: u64 = 7;
const CHANGES: u64 = 2;
/// Octets of a part of something that was asked for, and parts of one thing.
pub(crate) const PIECE_BYTES_MAX: usize = 256 << 10;
const PARTS_MAX: u32 = 16 << 10;
/// Octets of the name that a read goes by.
const CONTEXT_BYTES_MAX: usize = 64;

/// The first octet of an entry for the leader.
const FORWARD: u8 = 2;

/// One frame. Its first octet says which.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Frame {
    /// A message of Raft.
    Raft(Box<Message>),
    /// An entry for the leader to propose.
    Forward(Entry),
    /// A node's cosignature over a tree head.
    Head { size: u64, root: Hash, cosignature: Cosignature },
    /// A published checkpoint.
    Note(String),
    /// A wish for the latest published checkpoint.
    Ask,
    /// A wish to the leader that a node shall lead.
    Transfer(u64),
    /// A wish to the leader for a state root.
    Mark,
    /// A leader's log begins with this entry: who has none of those before it needs a snapshot.
    Behind(u64),
    /// A wish for a part of something.
    Want { item: Item, part: u32 },
    /// A part of so many; none of zero: it is not to be had here.
    Piece { item: Item, part: u32, parts: u32, octets: Vec<u8> },
    /// A node that has not been born asks whether it is known: its directory's life.
    Hello(u64),
    /// Whether that is the life that is known.
    Welcome { life: u64, same: bool },
}

/// What a node can ask another one for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Item {
    /// The newest snapshot: it comes as [`Item::Snapshot`] of its size.
    Newest,
    /// The snapshot of so many leaves, with a checkpoint and the path to it.
    Snapshot(u64),
    /// The roots of the bundles below so many leaves.
    Roots(u64),
    /// A bundle of 256 leaves, compressed.
    Bundle(u64),
}

impl Item {
    fn encode(self) -> Vec<u8> {
        let (kind, number) = match self {
            Self::Newest => (0, 0),
            Self::Snapshot(size) => (1, size),
            Self::Roots(size) => (2, size),
            Self::Bundle(number) => (3, number),
        };
        [[kind].as_slice(), &number.to_be_bytes()].concat()
    }

    fn decode(octets: &[u8]) -> Option<(Self, &[u8])> {
        let (kind, rest) = octets.split_first()?;
        let (number, rest) = rest.split_first_chunk::<8>()?;
        let number = Some(u64::from_be_bytes(*number)).filter(|number| *number < NUMBER_MAX)?;
        let item = match kind {
            0 if number == 0 => Self::Newest,
            1 => Self::Snapshot(number),
            2 => Self::Roots(number),
            3 => Self::Bundle(number),
            _ => return None,
        };
        Some((item, rest))
    }
}

/// The frame by which a node hands an entry to the leader.
#[must_use]
pub fn forwarded(entry: &Entry) -> Vec<u8> {
    Frame::Forward(entry.clone()).encode()
}

impl Frame {
    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Raft(message) => [[1].as_slice(), &message.write_to_bytes().unwrap_or_default()].concat(),
            Self::Forward(entry) => [[FORWARD].as_slice(), &entry.encode()].concat(),
            Self::Head { size, root, cosignature } => {
                [[3].as_slice(), &size.to_be_bytes(), &root.0, &cosignature.seconds.to_be_bytes(), &cosignature.value].concat()
            }
            Self::Note(text) => [[4].as_slice(), text.as_bytes()].concat(),
            Self::Ask => vec![5],
            Self::Transfer(to) => [[6].as_slice(), &to.to_be_bytes()].concat(),
            Self::Mark => vec![7],
            Self::Behind(first) => [[8].as_slice(), &first.to_be_bytes()].concat(),
            Self::Want { item, part } => [[9].as_slice(), &item.encode(), &part.to_be_bytes()].concat(),
            Self::Hello(life) => [[11].as_slice(), &life.to_be_bytes()].concat(),
            Self::Welcome { life, same } => [[12].as_slice(), &life.to_be_bytes(), &[u8::from(*same)]].concat(),
            Self::Piece { item, part, parts, octets } => {
                [[10].as_slice(), &item.encode(), &part.to_be_bytes(), &parts.to_be_bytes(), octets].concat()
            }
        }
    }

    /// Of a frame that should be an entry for the leader and is none: why not, and the digest of what is there instead.
    pub(crate) fn no_entry(octets: &[u8]) -> Option<(Verdict, Hash)> {
        let (_, entry) = octets.split_first().filter(|(tag, _)| **tag == FORWARD)?;
        Some((Entry::decode(entry).err()?, Hash::of(entry)))
    }

    pub(crate) fn decode(octets: &[u8]) -> Option<Self> {
        let (tag, rest) = octets.split_first()?;
        if octets.len() > FRAME_BYTES_MAX {
            return None;
        }
        match tag {
            1 => {
                let message = without_groups(rest, Some(ENTRIES)).then(|| Message::parse_from_bytes(rest).ok())??;
                sound(&message).then(|| Self::Raft(Box::new(message)))
            }
            &FORWARD => Entry::decode(rest).ok().map(Self::Forward),
            3 => {
                let (size, rest) = rest.split_first_chunk::<8>()?;
                let (root, rest) = rest.split_first_chunk::<32>()?;
                Some(Self::Head { size: u64::from_be_bytes(*size), root: Hash(*root), cosignature: Cosignature::read(rest)? })
            }
            4 => Some(Self::Note(String::from_utf8(rest.to_vec()).ok()?)),
            5 => rest.is_empty().then_some(Self::Ask),
            6 => Some(Self::Transfer(u64::from_be_bytes(rest.try_into().ok()?))),
            7 => rest.is_empty().then_some(Self::Mark),
            8 => Some(Self::Behind(u64::from_be_bytes(rest.try_into().ok()?))),
            9 => {
                let (item, rest) = Item::decode(rest)?;
                Some(Self::Want { item, part: u32::from_be_bytes(rest.try_into().ok()?) })
            }
            11 => Some(Self::Hello(u64::from_be_bytes(rest.try_into().ok()?))),
            12 => {
                let (life, rest) = rest.split_first_chunk::<8>()?;
                let same = <[u8; 1]>::try_from(rest).ok().filter(|same| same[0] < 2)? == [1];
                Some(Self::Welcome { life: u64::from_be_bytes(*life), same })
            }
            10 => {
                let (item, rest) = Item::decode(rest)?;
                let (part, rest) = rest.split_first_chunk::<4>()?;
                let (parts, octets) = rest.split_first_chunk::<4>()?;
                let (part, parts) = (u32::from_be_bytes(*part), u32::from_be_bytes(*parts));
                let fits = parts <= PARTS_MAX && octets.len() <= PIECE_BYTES_MAX && (part < parts || parts == 0 && octets.is_empty());
                fits.then(|| Self::Piece { item, part, parts, octets: octets.to_vec() })
            }
            _ => None,
        }
    }
}

/// Whether the message is of a kind that nodes send, its numbers are small enough to count on, and its entries follow one
/// another. Proposals do not travel this way.
fn sound(message: &Message) -> bool {
    let numbers = [message.term, message.log_term, message.index, message.commit, message.reject_hint];
    let small = numbers.iter().all(|number| *number < NUMBER_MAX) && message.context.len() <= CONTEXT_BYTES_MAX;
    let entries = message.get_entries();
    let right = match message.get_msg_type() {
        MessageType::MsgAppend => entries.iter().zip(1..).all(|(entry, offset)| {
            let fits = entry.data.len() <= BATCH_BYTES_MAX + 8;
            fits && sound_entry(entry) && entry.index == message.index + offset && entry.term > 0 && entry.term <= message.term
        }),
        // Raft takes the one entry of these two for the read's name, without looking whether there is one.
        MessageType::MsgReadIndex | MessageType::MsgReadIndexResp => {
            matches!(entries, [entry] if entry.data.len() <= CONTEXT_BYTES_MAX && entry.get_entry_type() == EntryType::EntryNormal)
        }
        MessageType::MsgAppendResponse
        | MessageType::MsgRequestVote
        | MessageType::MsgRequestVoteResponse
        | MessageType::MsgRequestPreVote
        | MessageType::MsgRequestPreVoteResponse
        | MessageType::MsgHeartbeat
        | MessageType::MsgHeartbeatResponse
        | MessageType::MsgTimeoutNow => entries.is_empty(),
        _ => false,
    };
    let termless = message.get_msg_type() == MessageType::MsgReadIndex;
    small && right && (message.term == 0) == termless && message.request_snapshot == 0
}

fn sound_entry(entry: &RaftEntry) -> bool {
    match entry.get_entry_type() {
        EntryType::EntryNormal => true,
        EntryType::EntryConfChangeV2 => change_of_members(&entry.data).is_some(),
        EntryType::EntryConfChange => false,
    }
}

/// Reads a change of Raft's members; `None` for what Raft or protobuf must not see.
pub(crate) fn change_of_members(octets: &[u8]) -> Option<ConfChangeV2> {
    let change = without_groups(octets, Some(CHANGES)).then(|| ConfChangeV2::parse_from_bytes(octets).ok())??;
    is_sound(&change).then_some(change)
}

/// Walks protobuf's wire format and refuses groups, in a message and in the parts of it with the number `parts`: protobuf 2.28
/// skips unknown groups by recursion without a bound (RUSTSEC-2024-0437), and nothing of ours has any.
fn without_groups(mut octets: &[u8], parts: Option<u64>) -> bool {
    while !octets.is_empty() {
        let Some((key, rest)) = varint(octets) else { return false };
        let skipped = match key & 7 {
            0 => varint(rest).map(|(_, rest)| rest),
            1 => rest.get(8..),
            5 => rest.get(4..),
            2 => {
                let Some((length, rest)) = varint(rest) else { return false };
                let split = usize::try_from(length).ok().and_then(|length| rest.split_at_checked(length));
                let Some((inner, rest)) = split else { return false };
                if parts == Some(key >> 3) && !without_groups(inner, None) {
                    return false;
                }
                Some(rest)
            }
            _ => None,
        };
        let Some(rest) = skipped else { return false };
        octets = rest;
    }
    true
}

fn varint(octets: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (at, octet) in octets.iter().enumerate().take(10) {
        value |= u64::from(octet & 0x7f).checked_shl(u32::try_from(7 * at).ok()?)?;
        if octet & 0x80 == 0 {
            return Some((value, octets.get(at + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use raft::eraftpb::{ConfChangeSingle, ConfChangeTransition};

    fn append() -> Message {
        let mut message = Message { term: 3, index: 4, from: 1, to: 2, ..Message::default() };
        message.set_msg_type(MessageType::MsgAppend);
        let entry = RaftEntry { index: 5, term: 3, data: b"data".to_vec().into(), ..RaftEntry::default() };
        message.mut_entries().push(entry);
        message
    }

    #[test]
    fn frames_read_as_they_were_written() {
        let entry = Entry::new(b"body".to_vec(), vec![]).unwrap();
        let head = Frame::Head { size: 7, root: Hash::of(b"r"), cosignature: Cosignature { seconds: 9, value: [5; 64] } };
        for frame in
            [Frame::Raft(Box::new(append())), Frame::Forward(entry), head, Frame::Note("note".to_owned()), Frame::Ask, Frame::Transfer(3)]
                .into_iter()
                .chain([Item::Newest, Item::Snapshot(4096), Item::Roots(9), Item::Bundle(3)].map(|item| Frame::Want { item, part: 7 }))
                .chain([
                    Frame::Hello(9),
                    Frame::Welcome { life: 9, same: true },
                    Frame::Behind(4),
                    Frame::Piece { item: Item::Bundle(3), part: 1, parts: 2, octets: vec![7; 30] },
                ])
        {
            let octets = frame.encode();
            assert_eq!(Frame::decode(&octets), Some(frame));
            if ![2, 4, 10].contains(&octets[0]) {
                assert_eq!(Frame::decode(&[&octets, [0].as_slice()].concat()), None);
            }
        }
        let piece = |part, parts, octets| Frame::Piece { item: Item::Roots(1), part, parts, octets }.encode();
        assert!(Frame::decode(&piece(0, 0, vec![])).is_some(), "not to be had");
        for wrong in [piece(0, 0, vec![1]), piece(2, 2, vec![]), piece(0, PARTS_MAX + 1, vec![]), piece(0, 1, vec![0; PIECE_BYTES_MAX + 1])]
        {
            assert_eq!(Frame::decode(&wrong), None);
        }
        assert_eq!(Frame::decode(&[]), None);
        assert_eq!(Frame::decode(&[9]), None);
    }

    #[test]
    fn what_raft_must_not_see_is_refused() {
        let check = |change: &dyn Fn(&mut Message)| {
            let mut message = append();
            change(&mut message);
            assert_eq!(Frame::decode(&Frame::Raft(Box::new(message)).encode()), None);
        };
        check(&|message| message.set_msg_type(MessageType::MsgSnapshot));
        check(&|message| message.set_msg_type(MessageType::MsgHup));
        check(&|message| message.set_msg_type(MessageType::MsgPropose));
        check(&|message| message.set_msg_type(MessageType::MsgTransferLeader));
        check(&|message| message.set_msg_type(MessageType::MsgTimeoutNow));
        check(&|message| message.set_msg_type(MessageType::MsgReadIndex));
        check(&|message| {
            message.set_msg_type(MessageType::MsgReadIndexResp);
            message.mut_entries().clear();
        });
        check(&|message| message.context = vec![0; 65].into());
        check(&|message| message.term = 0);
        check(&|message| message.term = u64::MAX);
        check(&|message| message.commit = u64::MAX);
        check(&|message| message.index = 3);
        check(&|message| message.mut_entries()[0].set_entry_type(EntryType::EntryConfChange));
        check(&|message| message.mut_entries()[0].term = 4);
        check(&|message| message.mut_entries()[0].set_entry_type(EntryType::EntryConfChangeV2));
        let joint = |nodes: &[u64]| {
            let single = |node_id: &u64| ConfChangeSingle { node_id: *node_id, ..ConfChangeSingle::default() };
            let mut change = ConfChangeV2 { changes: nodes.iter().map(single).collect(), ..ConfChangeV2::default() };
            change.set_transition(ConfChangeTransition::Explicit);
            change.write_to_bytes().unwrap()
        };
        assert!(change_of_members(&joint(&[4, 5])).is_some());
        assert!(change_of_members(&[]).is_some(), "the end of a joint time");
        for wrong in [joint(&[4, 4]), joint(&[0]), joint(&(1..80).collect::<Vec<_>>()), b"\x0b".to_vec(), b"\x12\x01\x0b".to_vec()] {
            assert_eq!(change_of_members(&wrong), None);
        }
        let good = append().write_to_bytes().unwrap();
        let nested = [1, 0xa3, 0x06].iter().copied().chain(std::iter::repeat_n(0xa3, 100_000)).collect::<Vec<u8>>();
        assert_eq!(Frame::decode(&nested), None);
        assert_eq!(Frame::decode(&[[1].as_slice(), &good, &[0xa3, 0x06]].concat()), None);
    }
}
