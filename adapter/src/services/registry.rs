//! The registry: accounts of this sector (add, modify, delete, query, view relationships) and the members of the ledger.

use crate::fault::{Fault, Reason};
use crate::services::{id, put};
use crate::site::{Account, Site};
use crate::unified::authority::{Assignment, Role, User, UserAction};
use crate::unified::registry::{
    AddUser, AddUserResponse, DeleteUser, DeleteUserResponse, ListSectors, ListSectorsResponse, ModifyUser, ModifyUserResponse, QueryUser,
    QueryUserResponse, Sector, UserEntry, ViewRelationships, ViewRelationshipsResponse,
};
use crate::unified::{Document, Phrase};
use ledger::body::{Action, Member, Suffrage};
use ledger::record::Kind;
use ledger::state::Ending;
use xsd::time::Timestamp;

/// E-U1: adds a user.
///
/// # Errors
/// The ledger refuses: the account exists, or a certificate is another account's.
pub async fn add(site: &Site, _: &Account, request: AddUser, _: Timestamp) -> Result<AddUserResponse, Fault> {
    let user = account(site, UserAction::Add, request.user_id, request.class, request.certificates);
    let recorded = put(site, &user.id, &user).await?;
    Ok(AddUserResponse { record_id: recorded.id, leaf_index: recorded.index, receipt: recorded.receipt })
}

/// E-U3: replaces a user's class and certificates.
///
/// # Errors
/// The ledger refuses: there is no such account.
pub async fn modify(site: &Site, _: &Account, request: ModifyUser, _: Timestamp) -> Result<ModifyUserResponse, Fault> {
    let user = account(site, UserAction::Modify, request.user_id, request.class, request.certificates);
    let recorded = put(site, &user.id, &user).await?;
    Ok(ModifyUserResponse { record_id: recorded.id, leaf_index: recorded.index, receipt: recorded.receipt })
}

/// E-U2: ends an account.
///
/// # Errors
/// The ledger refuses: there is no such account.
pub async fn delete(site: &Site, _: &Account, request: DeleteUser, _: Timestamp) -> Result<DeleteUserResponse, Fault> {
    let who = ledger::body::Principal { authority: site.sector.clone(), name: request.user_id.clone() };
    let class = site.read(move |node| node.state().user(&who).map(|account| account.class.clone())).await?;
    let user = account(site, UserAction::Delete, request.user_id, class.unwrap_or_else(|| String::from("official")), Vec::new());
    let recorded = put(site, &user.id, &user).await?;
    Ok(DeleteUserResponse { record_id: recorded.id, leaf_index: recorded.index, receipt: recorded.receipt })
}

fn account(site: &Site, action: UserAction, user_id: String, class: String, certificates: Vec<String>) -> User {
    User { id: id(), ledger: site.ledger.clone(), issuer: site.sector.clone(), action, user_id, class, certificates }
}

/// E-U4: the record that opened or last changed an account.
///
/// # Errors
/// Busy.
pub async fn query(site: &Site, _: &Account, request: QueryUser, _: Timestamp) -> Result<QueryUserResponse, Fault> {
    let who = ledger::body::Principal { authority: request.user.authority, name: request.user.name };
    let found = site.read(move |node| node.state().user(&who).map(|account| (who, account.clone()))).await?;
    let Some((who, account)) = found else { return Ok(QueryUserResponse { entry: None }) };
    let (leaf, _) = site.leaf(account.index).await?;
    let user = record(site, &who, &account).await?;
    Ok(QueryUserResponse { entry: Some(UserEntry { index: account.index, time: leaf.time.into(), user }) })
}

/// The record of an account. A first administrator has none of its own: the genesis seats it, and this says so with the genesis' id.
async fn record(site: &Site, who: &ledger::body::Principal, account: &ledger::state::Account) -> Result<User, Fault> {
    let (leaf, _) = site.leaf(account.index).await?;
    if leaf.kind != Kind::Genesis {
        return Ok(site.leaf_as::<User>(account.index).await?.1);
    }
    Ok(User {
        id: leaf.client,
        ledger: site.ledger.clone(),
        issuer: who.authority.clone(),
        action: UserAction::Add,
        user_id: who.name.clone(),
        class: account.class.clone(),
        certificates: account.certificates.iter().map(ToString::to_string).collect(),
    })
}

/// E-U5: the users and roles of a sector, and who has which.
///
/// # Errors
/// Busy.
pub async fn relationships(site: &Site, _: &Account, request: ViewRelationships, _: Timestamp) -> Result<ViewRelationshipsResponse, Fault> {
    let ViewRelationships { sector, user_id } = request;
    let (users, roles, assignments) = site
        .read(move |node| {
            let state = node.state();
            let mine = |name: &str| user_id.as_deref().is_none_or(|id| id == name);
            let users: Vec<_> = state
                .users()
                .filter(|(who, _)| who.authority == sector && mine(&who.name))
                .map(|(who, account)| (who.clone(), account.clone()))
                .collect();
            let assigned: Vec<_> = state.assignments().filter(|(who, _, _)| who.authority == sector && mine(&who.name)).collect();
            let has = |role: &ledger::body::Principal| user_id.is_none() || assigned.iter().any(|(_, held, _)| *held == role);
            let roles: Vec<u64> = state.roles().filter(|(role, _)| role.authority == sector && has(role)).map(|(_, index)| index).collect();
            (users, roles, assigned.iter().map(|(_, _, assigned)| assigned.index).collect::<Vec<u64>>())
        })
        .await?;
    let mut accounts = Vec::with_capacity(users.len());
    for (who, account) in users {
        accounts.push(record(site, &who, &account).await?);
    }
    Ok(ViewRelationshipsResponse {
        users: accounts,
        roles: records::<Role>(site, roles).await?,
        assignments: records::<Assignment>(site, assignments).await?,
    })
}

async fn records<T: Document>(site: &Site, indexes: Vec<u64>) -> Result<Vec<T>, Fault> {
    let mut records = Vec::with_capacity(indexes.len());
    for index in indexes {
        records.push(site.leaf_as::<T>(index).await?.1);
    }
    Ok(records)
}

/// The members of now. Their names for people stand in the genesis, or in the proposal by which they came.
///
/// # Errors
/// Busy.
pub async fn sectors(site: &Site, _: &Account, _: ListSectors, _: Timestamp) -> Result<ListSectorsResponse, Fault> {
    let members = site
        .read(|node| {
            let state = node.state();
            let joined = |id: &str| {
                let came = state.motions().map(|(_, motion)| motion).filter(|motion| {
                    let adds = matches!(&motion.proposal.action, Action::AddMember(member) if member.id == id);
                    adds && motion.closed.is_some_and(|(ending, _)| ending == Ending::Accepted)
                });
                came.max_by_key(|motion| motion.index).map_or(0, |motion| motion.index)
            };
            let mut members: Vec<_> = state.members().map(|member| (member.clone(), joined(&member.id))).collect();
            members.sort_by_key(|(member, _)| member.node);
            members
        })
        .await?;
    let mut sectors = Vec::with_capacity(members.len());
    for (member, index) in members {
        let (leaf, _) = site.leaf(index).await?;
        let malformed = |malformed: xsd::read::Malformed| Fault::new(Reason::Internal, malformed.to_string());
        let body = xsd::read::read(leaf.entry.body(), None, &site.reader).map_err(malformed)?;
        sectors.push(sector(&member, &body));
    }
    Ok(ListSectorsResponse { sectors })
}

fn sector(member: &Member, body: &xsd::tree::Element) -> Sector {
    let said = body.elements().find(|element| element.attribute("", "id") == Some(&member.id));
    let name = |name: &xsd::tree::Element| Phrase { lang: name.attribute("", "lang").unwrap_or_default().to_owned(), text: name.string() };
    Sector {
        id: member.id.clone(),
        node: member.node,
        role: String::from(if member.bureau { "bureau" } else { "sector" }),
        suffrage: String::from(if member.suffrage == Suffrage::Voter { "voter" } else { "learner" }),
        names: said.into_iter().flat_map(|said| said.all(crate::founding::NAMESPACE, "Name")).map(name).collect(),
        record_key: member.record_key.to_string(),
        node_key: member.node_key.to_string(),
        service: member.service.clone(),
    }
}
