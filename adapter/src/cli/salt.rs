//! The verbs of `salt`: comparing a value with its commitment on the ledger, and erasing what makes that possible.

use crate::cli::session::Failure;
use crate::cli::{Salt, print, verbs};
use crate::config::Config;
use crate::salts::Salts;
use std::path::Path;

fn store(config: &Path) -> Result<Salts, Failure> {
    Ok(Salts::open(&Config::load(config)?.salts())?)
}

/// `waybill salt …`.
///
/// # Errors
/// See [`Failure`].
pub async fn run(verb: Salt) -> Result<(), Failure> {
    match verb {
        Salt::List { config, subject } => {
            let subject = subject.as_ref().map(|(field, value)| (field.as_str(), value.as_str()));
            store(&config)?.trades(subject)?.iter().for_each(|trade| print::out(trade));
            Ok(())
        }
        Salt::Confirm { config, caller, trade, record } => {
            let not = |what: String| Failure::DoesNotHold(vec![what]);
            let kept = store(&config)?.of(&trade)?.and_then(|kept| kept.content);
            let salt =
                kept.ok_or_else(|| not(format!("error[no-salt]: the salt of {trade} is not here: its values can no longer be confirmed")))?;
            let found = crate::cli::history::find(&verbs::open(&caller)?, &trade).await?;
            if !found.what.records.contains(&crate::trade::commitment(&salt, record.as_bytes())) {
                return Err(not(format!("error[other]: {trade} was not of that record")));
            }
            print::out(&format!("{trade} was of that record"));
            Ok(())
        }
        Salt::Erase { config, trade, subject } => {
            let salts = store(&config)?;
            let trades = match (trade, &subject) {
                (Some(trade), _) => vec![trade],
                (None, Some((field, value))) => salts.trades(Some((field, value)))?,
                (None, None) => return Err(Failure::Usage(String::from("say which: a trade's id, or --subject field=value"))),
            };
            let mut erased = 0;
            for trade in &trades {
                erased += u64::from(salts.erase(trade)?);
            }
            print::out(&format!(
                "erased the salts of {erased} trade(s); their records stay on the ledger and say no more whom they were of"
            ));
            Ok(())
        }
    }
}
