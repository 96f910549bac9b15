//! Which trades `trade history` lists, and finding one.

use crate::cli::session::{Failure, Session};
use crate::cli::verbs::{instant, principal, status};
use crate::unified::trading::{History, HistoryResponse, Trade};
use clap::Args;

/// Which trades: of every filter that is given, one of its values; several stand after each other with commas.
#[derive(Clone, Debug, Args)]
pub struct Asked {
    /// The sectors that gave the data.
    #[arg(long, value_delimiter = ',')]
    pub sender: Vec<String>,
    /// The sectors that asked.
    #[arg(long, value_delimiter = ',')]
    pub receiver: Vec<String>,
    /// The users, as civil:clerk.
    #[arg(long, value_delimiter = ',')]
    pub user: Vec<String>,
    /// The resources.
    #[arg(long, value_delimiter = ',')]
    pub what: Vec<String>,
    /// The grants they rest on.
    #[arg(long, value_delimiter = ',')]
    pub grant: Vec<String>,
    /// The servers, as transport.example:443.
    #[arg(long, value_delimiter = ',')]
    pub server: Vec<String>,
    /// The services.
    #[arg(long, value_delimiter = ',')]
    pub service: Vec<String>,
    /// The operations.
    #[arg(long, value_delimiter = ',')]
    pub operation: Vec<String>,
    /// delivered, denied, failed, not-found or timed-out.
    #[arg(long, value_delimiter = ',')]
    pub status: Vec<String>,
    /// The purposes.
    #[arg(long, value_delimiter = ',')]
    pub purpose: Vec<String>,
    /// The conversations.
    #[arg(long, value_delimiter = ',')]
    pub conversation: Vec<String>,
    /// Not before this instant of ledger time, as 2026-11-01T00:00:00Z.
    #[arg(long)]
    pub from: Option<String>,
    /// Before this instant.
    #[arg(long)]
    pub to: Option<String>,
    /// Where to go on: what the answer before says as next, or as previous to go back.
    #[arg(long)]
    pub cursor: Option<u64>,
    /// The latest first.
    #[arg(long)]
    pub latest_first: bool,
    /// How many at most.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=500))]
    pub limit: u64,
}

/// The request.
///
/// # Errors
/// A value is none of its field.
pub(super) fn request(asked: Asked) -> Result<History, Failure> {
    Ok(History {
        sender: asked.sender,
        receiver: asked.receiver,
        user: asked.user.iter().map(|user| principal("--user", user)).collect::<Result<_, _>>()?,
        resource: asked.what,
        grant: asked.grant,
        server: asked.server,
        service: asked.service,
        operation: asked.operation,
        from: asked.from.as_deref().map(|from| instant("--from", from)).transpose()?,
        to: asked.to.as_deref().map(|to| instant("--to", to)).transpose()?,
        status: asked.status.iter().map(|code| status(code)).collect::<Result<_, _>>()?,
        purpose: asked.purpose,
        conversation: asked.conversation,
        cursor: asked.cursor,
        latest_first: asked.latest_first.then_some(true),
        limit: Some(asked.limit),
    })
}

/// A trade record that the session may see.
///
/// # Errors
/// There is none, or the node cannot be reached.
pub async fn find(session: &Session, id: &str) -> Result<Trade, Failure> {
    let mut request = History { limit: Some(500), ..History::default() };
    loop {
        let page: HistoryResponse = session.call("trading", &request).await?;
        if let Some(entry) = page.entries.into_iter().find(|entry| entry.trade.id == id) {
            return Ok(entry.trade);
        }
        request.cursor = page.next;
        if request.cursor.is_none() {
            return Err(Failure::DoesNotHold(vec![format!("error[not-found]: no trade {id} that you may see")]));
        }
    }
}
