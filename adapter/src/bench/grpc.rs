//! The client for etcd: gRPC over HTTP/2 without TLS, with constant header blocks and no compression, so that it costs next to nothing.

use super::load::{Reply, Wire};
use std::collections::{BTreeMap, VecDeque};

const FRAME_BYTES_MAX: usize = 16_384;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// What a receiver lets a sender send at first (RFC 9113, 6.9.2).
const WINDOW: i64 = 65_535;
/// What we let the server send: more than it ever will.
const OPEN: u32 = 0x3fff_0000;

/// One method of a gRPC service on one connection (RFC 9113 and gRPC over HTTP/2). Bodies have at most 64 KiB, the stream's window.
pub(super) struct Grpc {
    headers: Vec<u8>,
    stream: u32,
    window: i64,
    kept: VecDeque<(u32, Vec<u8>)>,
    answers: BTreeMap<u32, Vec<u8>>,
}

impl Grpc {
    /// A method, as `/etcdserverpb.KV/Put`.
    pub(super) fn new(method: &str) -> Self {
        // RFC 7541: :method POST and :scheme http from the static table, the rest literal and without indexing.
        let mut headers = vec![0x83, 0x86];
        let mut literal = |name: &[u8], value: &str| {
            headers.extend_from_slice(name);
            headers.push(u8::try_from(value.len()).unwrap_or(0));
            headers.extend_from_slice(value.as_bytes());
        };
        literal(&[0x04], method);
        literal(&[0x01], "localhost");
        literal(&[0x0f, 0x10], "application/grpc");
        literal(&[0x00, 0x02, b't', b'e'], "trailers");
        Self { headers, stream: 1, window: WINDOW, kept: VecDeque::new(), answers: BTreeMap::new() }
    }

    /// What a connection opens with.
    pub(super) fn greeting() -> Vec<u8> {
        let mut octets = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        // SETTINGS_INITIAL_WINDOW_SIZE, and SETTINGS_HEADER_TABLE_SIZE 0: we read no header of the server.
        let settings = [[0, 4].as_slice(), &OPEN.to_be_bytes(), &[0, 1, 0, 0, 0, 0]].concat();
        frame(&mut octets, SETTINGS, 0, 0, &settings);
        frame(&mut octets, WINDOW_UPDATE, 0, 0, &OPEN.to_be_bytes());
        octets
    }

    fn flush(&mut self, out: &mut Vec<u8>) {
        while let Some((stream, message)) = self.kept.pop_front() {
            let size = i64::try_from(message.len()).unwrap_or(i64::MAX);
            if size > self.window {
                self.kept.push_front((stream, message));
                return;
            }
            self.window -= size;
            frame(out, HEADERS, END_HEADERS, stream, &self.headers);
            let mut rest = message.as_slice();
            while let Some((piece, after)) = rest.split_at_checked(FRAME_BYTES_MAX) {
                frame(out, DATA, 0, stream, piece);
                rest = after;
            }
            frame(out, DATA, END_STREAM, stream, rest);
        }
    }
}

impl Wire for Grpc {
    fn put(&mut self, request: &[u8], out: &mut Vec<u8>) {
        let length = u32::try_from(request.len()).unwrap_or(u32::MAX);
        self.kept.push_back((self.stream, [[0].as_slice(), &length.to_be_bytes(), request].concat()));
        self.stream += 2;
        self.flush(out);
    }

    fn take(&mut self, input: &mut Vec<u8>, out: &mut Vec<u8>) -> std::io::Result<Vec<Reply>> {
        let (mut replies, mut used) = (Vec::new(), 0);
        while let Some((kind, flags, stream, payload)) = split(input.get(used..).unwrap_or_default()) {
            used += 9 + payload.len();
            match kind {
                SETTINGS if flags & ACK == 0 => frame(out, SETTINGS, ACK, 0, &[]),
                PING if flags & ACK == 0 => frame(out, PING, ACK, 0, payload),
                WINDOW_UPDATE if stream == 0 => {
                    self.window += i64::from(<[u8; 4]>::try_from(payload).map_or(0, u32::from_be_bytes));
                    self.flush(out);
                }
                // Nobody sends a message of gRPC without its five octets of head: what has one is an answer.
                DATA => self.answers.entry(stream).or_default().extend_from_slice(payload),
                GOAWAY => return Err(std::io::Error::new(std::io::ErrorKind::ConnectionAborted, "GOAWAY")),
                _ => {}
            }
            if kind == RST_STREAM || (matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0) {
                let octets = self.answers.remove(&stream).unwrap_or_default();
                let octets = octets.get(5..).map(<[u8]>::to_vec);
                replies.push(Reply { good: octets.is_some(), octets: octets.unwrap_or_default() });
            }
        }
        input.drain(..used);
        Ok(replies)
    }
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    out.extend_from_slice(length.get(1..).unwrap_or_default());
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

fn split(input: &[u8]) -> Option<(u8, u8, u32, &[u8])> {
    let (&[a, b, c, kind, flags, s, t, u, v], rest) = input.split_first_chunk::<9>()?;
    let payload = rest.get(..usize::try_from(u32::from_be_bytes([0, a, b, c])).ok()?)?;
    Some((kind, flags, u32::from_be_bytes([s & 0x7f, t, u, v]), payload))
}

/// A field of a protobuf message with octets in it.
pub(super) fn field(number: u8, octets: &[u8]) -> Vec<u8> {
    let mut message = vec![number << 3 | 2];
    let mut length = octets.len();
    while length > 0x7f {
        message.push(u8::try_from(length & 0x7f).unwrap_or(0) | 0x80);
        length >>= 7;
    }
    message.push(u8::try_from(length).unwrap_or(0));
    message.extend_from_slice(octets);
    message
}

/// The number in field `wanted` of a protobuf message; a path leads through messages in messages.
pub(super) fn number(message: &[u8], path: &[u8]) -> Option<u64> {
    let (wanted, deeper) = path.split_first()?;
    let mut rest = message;
    while !rest.is_empty() {
        let (tag, after) = varint(rest)?;
        let (value, after) = varint(after)?;
        let inside = tag & 7 == 2;
        let (octets, after) = if inside { after.split_at_checked(usize::try_from(value).ok()?)? } else { (after, after) };
        rest = after;
        if tag >> 3 == u64::from(*wanted) {
            return if deeper.is_empty() { Some(value) } else { number(octets, deeper) };
        }
    }
    None
}

fn varint(octets: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (at, octet) in octets.iter().enumerate().take(10) {
        value |= u64::from(octet & 0x7f) << (7 * at);
        if octet & 0x80 == 0 {
            return Some((value, octets.get(at + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_back_through_messages() {
        let message = [field(1, &[0x10, 0x96, 0x01]), vec![0x20, 0x07]].concat();
        assert_eq!((number(&message, &[1, 2]), number(&message, &[4]), number(&message, &[5])), (Some(150), Some(7), None));
        assert_eq!(field(2, &[7; 300]).get(..3), Some([0x12, 0xac, 0x02].as_slice()));
    }

    #[test]
    fn a_message_waits_for_the_window_and_an_answer_without_data_is_a_failure() {
        let (mut grpc, mut out) = (Grpc::new("/a/B"), Vec::new());
        grpc.put(&[1; 60_000], &mut out);
        let sent = out.len();
        grpc.put(&[2; 60_000], &mut out);
        assert_eq!(out.len(), sent, "the second waits");
        let mut input = Vec::new();
        frame(&mut input, WINDOW_UPDATE, 0, 0, &65_535_u32.to_be_bytes());
        frame(&mut input, DATA, 0, 1, &[0, 0, 0, 0, 1, 9]);
        frame(&mut input, HEADERS, END_STREAM | END_HEADERS, 1, &[]);
        frame(&mut input, HEADERS, END_STREAM | END_HEADERS, 3, &[]);
        input.push(0);
        let replies = grpc.take(&mut input, &mut out).unwrap();
        assert_eq!(replies, [Reply { good: true, octets: vec![9] }, Reply { good: false, octets: Vec::new() }]);
        assert!(out.len() > sent + 60_000 && input == [0], "sent now, and half a frame is kept");
    }
}
