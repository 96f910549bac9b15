//! `audit pull` of any length: a bundle, or one after the other its parts, going on after the last whole one of a pull that was cut.

use crate::cli::audit::{Question, query, request, write_bundle};
use crate::cli::print;
use crate::cli::session::{Failure, Session};
use crate::cli::verbs::usage;
use crate::config::Misconfigured;
use crate::unified::audit::{Pull, PullResponse};
use ledger::audit::{Query, asked, part, parts};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What is written here is renamed when it is whole.
const DRAFT: &str = "draft";

/// What is pulled, and where to.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    pub(super) question: &'a Question,
    pub(super) dir: &'a Path,
    /// Records of a part.
    pub(super) limit: u64,
    /// Go on with what is there.
    pub(super) resume: bool,
    /// Say how far it is.
    pub(super) shown: bool,
}

impl Parts<'_> {
    /// Pulls until the question is answered. Returns how many parts there are; none when one bundle holds it all.
    ///
    /// # Errors
    /// What is there is of another question, a node gave another answer than was asked for, or see [`Failure`].
    pub(super) async fn run(&self, session: &Session) -> Result<u64, Failure> {
        let whole = query(self.question)?;
        let (mut number, mut rest) = match self.there(&whole)? {
            (number, None) => return Ok(number),
            (number, Some(rest)) => (number, rest),
        };
        let since = Instant::now();
        let mut files = 0;
        loop {
            let pull = Pull { from: rest.from.map(Into::into), limit: Some(self.limit), ..request(self.question)? };
            let answer: PullResponse = session.call("audit", &pull).await.inspect_err(|_| self.cut(number))?;
            files += answer.files.len();
            let until = answer.until.map(|until| until.0);
            let of = Query { to: until.or(whole.to), ..rest.clone() };
            if number == 0 && until.is_none() {
                self.put(answer, &of, &self.beside(), self.dir)?;
                return Ok(0);
            }
            std::fs::create_dir_all(self.dir).map_err(|error| failed(self.dir, error))?;
            number += 1;
            self.put(answer, &of, &self.dir.join(DRAFT), &self.dir.join(part(number)))?;
            let Some(until) = until else { return Ok(number) };
            if self.shown {
                print::err(&format!("{files} files in {number} parts, up to {until} after {} s", since.elapsed().as_secs()));
            }
            rest.from = Some(until);
        }
    }

    /// How many parts are there, and what is still to be asked; nothing if all is there.
    fn there(&self, whole: &Query) -> Result<(u64, Option<Query>), Failure> {
        if !self.dir.exists() {
            return Ok((0, Some(whole.clone())));
        }
        let shown = self.dir.display();
        if !self.resume {
            return Err(usage(format!("{shown} is there already; --resume goes on with a pull that was cut")));
        }
        let other = |dir: &Path| {
            usage(format!("{}: not evidence for this question; --resume takes the question that it was begun with", dir.display()))
        };
        let (folders, _) = parts(self.dir).map_err(|error| failed(self.dir, error))?;
        if folders.is_empty() && self.dir.join("manifest.xml").exists() {
            return if asked(self.dir).as_ref() == Some(whole) { Ok((0, None)) } else { Err(other(self.dir)) };
        }
        let mut rest = whole.clone();
        for folder in &folders {
            let of = asked(folder).filter(|of| *of == Query { to: of.to, ..rest.clone() }).ok_or_else(|| other(folder))?;
            if of.to == whole.to {
                return Ok((folders.len() as u64, None));
            }
            rest.from = of.to;
        }
        Ok((folders.len() as u64, Some(rest)))
    }

    /// Writes an answer, and gives it its name when it is whole and the one that was asked for.
    fn put(&self, answer: PullResponse, of: &Query, draft: &Path, dir: &Path) -> Result<(), Failure> {
        if draft.exists() {
            std::fs::remove_dir_all(draft).map_err(|error| failed(draft, error))?;
        }
        write_bundle(draft, answer)?;
        if asked(draft).as_ref() != Some(of) {
            return Err(Failure::Garbled(format!("{}: the node answered another question", draft.display())));
        }
        std::fs::rename(draft, dir).map_err(|error| failed(dir, error))
    }

    /// The draft of a bundle without parts.
    fn beside(&self) -> PathBuf {
        let mut name = self.dir.file_name().unwrap_or_default().to_owned();
        name.push(".draft");
        self.dir.with_file_name(name)
    }

    fn cut(&self, number: u64) {
        if number > 0 {
            print::err(&format!("{number} parts are whole: the same command with --resume goes on after them"));
        }
    }
}

fn failed(path: &Path, error: std::io::Error) -> Failure {
    Failure::Misconfigured(Misconfigured::File(path.to_owned(), error))
}
