//! The physical limit: an append that a majority of three has with fdatasync, and nothing else around it.

use super::wrong;
use crate::config::Misconfigured;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// Two followers and a leader, one thread each.
pub(super) struct Sol3 {
    file: File,
    followers: Vec<TcpStream>,
    acknowledged: Receiver<u64>,
    round: u64,
    octets: usize,
}

impl Sol3 {
    /// Starts them with files under `dir`; an append has `octets`.
    pub(super) fn start(dir: &Path, octets: usize) -> Result<Self, Misconfigured> {
        let failed = |error: std::io::Error| wrong("majority-fdatasync", &error);
        std::fs::create_dir_all(dir).map_err(failed)?;
        let (acknowledge, acknowledged) = channel();
        let mut followers = Vec::new();
        for follower in 1..3 {
            let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(failed)?;
            let leader = TcpStream::connect(listener.local_addr().map_err(failed)?).map_err(failed)?;
            let (stream, _) = listener.accept().map_err(failed)?;
            leader.set_nodelay(true).and_then(|()| stream.set_nodelay(true)).map_err(failed)?;
            let file = File::create(dir.join(format!("sol3-{octets}-{follower}"))).map_err(failed)?;
            let answers = leader.try_clone().map_err(failed)?;
            let acknowledge = acknowledge.clone();
            // Both end when the leader's half of the connection is dropped.
            std::thread::spawn(move || follow(stream, file, octets));
            std::thread::spawn(move || listen(answers, &acknowledge));
            followers.push(leader);
        }
        let file = File::create(dir.join(format!("sol3-{octets}-0"))).map_err(failed)?;
        Ok(Self { file, followers, acknowledged, round: 0, octets })
    }

    /// Appends one after the other for `limit`: the mean time of one.
    pub(super) fn measure(&mut self, limit: Duration) -> Result<Duration, Misconfigured> {
        let (since, first) = (Instant::now(), self.round);
        let block = vec![0x5a; self.octets];
        while since.elapsed() < limit {
            self.round += 1;
            self.append(&block).map_err(|error| wrong("majority-fdatasync", &error))?;
        }
        let rounds = u32::try_from(self.round - first).unwrap_or(u32::MAX).max(1);
        Ok(since.elapsed() / rounds)
    }

    fn append(&mut self, block: &[u8]) -> std::io::Result<()> {
        for follower in &mut self.followers {
            follower.write_all(&[self.round.to_be_bytes().as_slice(), block].concat())?;
        }
        self.file.write_all(block)?;
        self.file.sync_data()?;
        while self.acknowledged.recv().map_err(std::io::Error::other)? < self.round {}
        Ok(())
    }
}

impl Drop for Sol3 {
    fn drop(&mut self) {
        for follower in &self.followers {
            // One that is closed already has ended its thread.
            drop(follower.shutdown(std::net::Shutdown::Both));
        }
    }
}

fn follow(mut stream: TcpStream, mut file: File, octets: usize) {
    let mut block = vec![0; 8 + octets];
    while stream.read_exact(&mut block).is_ok() {
        let (round, content) = block.split_at(8);
        let durable = file.write_all(content).and_then(|()| file.sync_data());
        if durable.and_then(|()| stream.write_all(round)).is_err() {
            return;
        }
    }
}

fn listen(mut stream: TcpStream, acknowledge: &Sender<u64>) {
    let mut round = [0; 8];
    while stream.read_exact(&mut round).is_ok() && acknowledge.send(u64::from_be_bytes(round)).is_ok() {}
}
