//! What a valid request means: which operation it calls, who may call it, and the reply. Every operation of the contracts is here.

use crate::fault::{Fault, Reason};
use crate::security::{Caller, Signed};
use crate::services::{audit, authority, directory, governance, registry, trading};
use crate::site::{Account, Site};
use crate::unified::{self, Document};
use std::sync::Arc;
use xsd::time::Timestamp;
use xsd::tree::Element;
use xsd::validate::Valid;

macro_rules! operations {
    ($($service:ident { $($operation:ident $who:ident => $serve:path,)* })*) => {
        /// A request of one of the services.
        #[derive(Debug)]
        pub enum Call {
            $($(
                #[doc = concat!("`", stringify!($operation), "` of the ", stringify!($service), " service.")]
                $operation(unified::$service::$operation),
            )*)*
        }

        /// (service, operation, who may call it), in the order of the contracts.
        pub const OPERATIONS: &[(&str, &str, Who)] = &[$($((stringify!($service), stringify!($operation), Who::$who),)*)*];

        /// Reads a request of `service`.
        ///
        /// # Errors
        /// The body is of no operation, or holds what its type would lose.
        pub fn decode(service: &str, body: &Valid) -> Result<Call, Fault> {
            let element = body.element();
            match (service, element.name().local()) {
                $($((stringify!($service), stringify!($operation)) => document(element).map(Call::$operation),)*)*
                (_, other) => {
                    let sentence = format!("{other} is no operation of the {service} service");
                    Err(Fault::new(Reason::UnknownOperation, sentence).xpath("/Envelope/Body/*").at(element.place()))
                }
            }
        }

        /// Serves one request: the reply's body.
        ///
        /// # Errors
        /// The caller may not, or what the operation fails with.
        pub async fn serve(site: &Arc<Site>, call: Signed<Call>, now: Timestamp) -> Result<Element, Fault> {
            let (caller, call) = call.into_parts();
            match call {
                $($(Call::$operation(request) => {
                    let account = admit(site, caller, Who::$who).await?;
                    Ok($serve(site, &account, request, now).await?.element())
                })*)*
            }
        }
    };
}

operations! {
    trading {
        Locate User => trading::locate_all,
        Fetch User => trading::fetch,
        PlaceOrder Adapter => trading::place_order,
        AcceptOffer Adapter => trading::accept_offer,
        TradeStatus Anyone => trading::status,
        History Anyone => trading::history,
    }
    directory {
        Publish Administrator => directory::publish,
        Search Anyone => directory::search,
        Show Anyone => directory::show,
        Withdraw Administrator => directory::withdraw,
    }
    authority {
        GiveGrant Administrator => authority::give,
        RevokeGrant Administrator => authority::revoke,
        ListGrants Anyone => authority::list,
        CheckAuthority Anyone => authority::check,
        DefineRole Administrator => authority::define_role,
        RetireRole Administrator => authority::retire_role,
        AssignRole Administrator => authority::assign_role,
        WithdrawRole Administrator => authority::withdraw_role,
    }
    registry {
        AddUser Administrator => registry::add,
        ModifyUser Administrator => registry::modify,
        DeleteUser Administrator => registry::delete,
        QueryUser Anyone => registry::query,
        ViewRelationships Anyone => registry::relationships,
        ListSectors Anyone => registry::sectors,
    }
    audit {
        GetCheckpoint Anyone => audit::checkpoint,
        GetEntry Auditor => audit::entry,
        GetProof Anyone => audit::proof,
        GetConsistency Anyone => audit::consistency,
        ListEntries Auditor => audit::list,
        Pull Auditor => audit::pull,
    }
    governance {
        Propose Administrator => governance::propose,
        Vote Administrator => governance::vote,
        ListProposals Anyone => governance::list,
        ShowGovernance Anyone => governance::show,
        PrepareKey Administrator => governance::prepare_key,
        RotateKey Administrator => governance::rotate_key,
        ListKeys Anyone => governance::list_keys,
    }
}

/// Who may call an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Whoever has an account on the ledger, of any sector.
    Anyone,
    /// A user of this adapter's own sector.
    User,
    /// An administrator of this adapter's own sector.
    Administrator,
    /// An auditor of any sector, or an administrator of this adapter's own.
    Auditor,
    /// Another sector's adapter, by TLS and by a signed message.
    Adapter,
}

async fn admit(site: &Site, caller: Caller, who: Who) -> Result<Account, Fault> {
    let account = site.account(caller).await?;
    let own = account.sector() == site.sector;
    let class = match &account {
        Account::User { class, .. } => class.as_str(),
        Account::Adapter { .. } => "",
    };
    let admitted = match who {
        Who::Anyone => !class.is_empty() || caller.message.is_some(),
        Who::User => own && !matches!(class, "" | "auditor"),
        Who::Administrator => own && class == "administrator",
        Who::Auditor => class == "auditor" || own && class == "administrator",
        Who::Adapter => class.is_empty() && caller.message.is_some() && !own,
    };
    if admitted {
        return Ok(account);
    }
    let needed = match who {
        Who::Anyone => "an account on the ledger",
        Who::User => "an account of this sector",
        Who::Administrator => "an administrator of this sector",
        Who::Auditor => "an auditor, or an administrator of this sector",
        Who::Adapter => "another sector's adapter, with a signed message",
    };
    Err(Fault::new(Reason::NotPermitted, format!("this operation needs {needed}")))
}

fn document<T: Document>(element: &Element) -> Result<T, Fault> {
    T::of(element).map_err(|unreadable| Fault::new(Reason::Invalid, unreadable.to_string()).xpath("/Envelope/Body/*").at(element.place()))
}
