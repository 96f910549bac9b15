//! Authority Management: roles, assignments and grants of this sector, and the answer to "may this user?" (W9 to W12).

use crate::fault::Fault;
use crate::services::{Recorded, id, put};
use crate::site::{Account, Site, Standing};
use crate::unified::authority::{
    AssignRole, AssignRoleResponse, Assignment, AssignmentAction, CheckAuthority, CheckAuthorityResponse, Decision, DefineRole,
    DefineRoleResponse, GiveGrant, GiveGrantResponse, Grant, GrantEntry, ListGrants, ListGrantsResponse, RetireRole, RetireRoleResponse,
    Revocation, RevokeGrant, RevokeGrantResponse, Role, RoleAction, WithdrawRole, WithdrawRoleResponse,
};
use crate::unified::{Instant, Period};
use xsd::time::Timestamp;

/// Grants that one answer holds at most.
const PAGE: u64 = 100;

/// E-R2: sets the permission of a role on an object of this sector.
///
/// # Errors
/// The ledger refuses: not this sector's object, or not in the directory.
pub async fn give(site: &Site, _: &Account, request: GiveGrant, _: Timestamp) -> Result<GiveGrantResponse, Fault> {
    let grant = Grant {
        id: id(),
        ledger: site.ledger.clone(),
        issuer: site.sector.clone(),
        role: request.role,
        object: request.object,
        permissions: request.permissions,
        period: request.period,
        purposes: request.purposes,
        supersedes: request.supersedes,
    };
    let recorded = put(site, &grant.id, &grant).await?;
    Ok(GiveGrantResponse { grant_id: recorded.id, leaf_index: recorded.index, receipt: recorded.receipt })
}

/// Ends a grant at once.
///
/// # Errors
/// The ledger refuses: no such grant, or not this sector's.
pub async fn revoke(site: &Site, _: &Account, request: RevokeGrant, _: Timestamp) -> Result<RevokeGrantResponse, Fault> {
    let (id, ledger, issuer) = (id(), site.ledger.clone(), site.sector.clone());
    let revocation = Revocation { id, ledger, issuer, grant_ref: request.grant_id, reason: request.reason };
    let Recorded { id, index, receipt } = put(site, &revocation.id, &revocation).await?;
    Ok(RevokeGrantResponse { record_id: id, leaf_index: index, receipt })
}

/// The grants that fit, oldest first.
///
/// # Errors
/// Busy.
pub async fn list(site: &Site, _: &Account, request: ListGrants, _: Timestamp) -> Result<ListGrantsResponse, Fault> {
    let limit = usize::try_from(request.limit.unwrap_or(PAGE)).unwrap_or(usize::MAX);
    let from = request.cursor.unwrap_or(0);
    let found: Vec<(u64, Option<u64>)> = site
        .read(move |node| {
            let fits = |granted: &ledger::state::Granted| {
                let grant = &granted.grant;
                let role = |role: &crate::unified::Principal| grant.role.authority == role.authority && grant.role.name == role.name;
                request.object.as_ref().is_none_or(|object| grant.object == *object)
                    && request.role.as_ref().is_none_or(role)
                    && request.issuer.as_ref().is_none_or(|issuer| grant.issuer == *issuer)
                    && request.at.is_none_or(|at| granted.ended.is_none() && grant.period.contains(at.0))
                    && granted.index >= from
            };
            let mut found: Vec<_> =
                node.state().grants().filter(|(_, granted)| fits(granted)).map(|(_, granted)| (granted.index, granted.ended)).collect();
            found.sort_unstable();
            found
        })
        .await?;
    let next = found.get(limit).map(|(index, _)| *index);
    let mut entries = Vec::new();
    for (index, ended) in found.into_iter().take(limit) {
        let (leaf, grant) = site.leaf_as::<Grant>(index).await?;
        entries.push(GrantEntry { index, time: leaf.time.into(), ended, grant });
    }
    Ok(ListGrantsResponse { entries, next })
}

/// W9 to W12: "the user can Read Only the info X in Tstart-Tend", with the grant that says so and its proof.
///
/// # Errors
/// Busy.
pub async fn check(site: &Site, _: &Account, request: CheckAuthority, now: Timestamp) -> Result<CheckAuthorityResponse, Fault> {
    let at = request.at.map_or(now, |at| at.0);
    let standing = site.authority(&request.user, &request.object, request.permission, &request.purpose, at).await?;
    Ok(match standing {
        Standing::Permitted { grant, period, index } => CheckAuthorityResponse {
            decision: Decision::Permit,
            reason: None,
            grant_id: Some(grant),
            period: Some(Period { not_before: Instant(period.start), not_after: Instant(period.end) }),
            leaf_index: Some(index),
            receipt: site.receipt(index).await,
        },
        Standing::Denied => CheckAuthorityResponse {
            decision: Decision::Deny,
            reason: Some(String::from("no-grant")),
            grant_id: None,
            period: None,
            leaf_index: None,
            receipt: None,
        },
    })
}

/// E-R1: a role of this sector exists from here on.
///
/// # Errors
/// The ledger refuses: it exists.
pub async fn define_role(site: &Site, _: &Account, request: DefineRole, _: Timestamp) -> Result<DefineRoleResponse, Fault> {
    let Recorded { id, index, receipt } = role(site, RoleAction::Define, request.role_name).await?;
    Ok(DefineRoleResponse { record_id: id, leaf_index: index, receipt })
}

/// A role gives nobody anything from here on.
///
/// # Errors
/// The ledger refuses: there is none.
pub async fn retire_role(site: &Site, _: &Account, request: RetireRole, _: Timestamp) -> Result<RetireRoleResponse, Fault> {
    let Recorded { id, index, receipt } = role(site, RoleAction::Retire, request.role_name).await?;
    Ok(RetireRoleResponse { record_id: id, leaf_index: index, receipt })
}

async fn role(site: &Site, action: RoleAction, role_name: String) -> Result<Recorded, Fault> {
    let role = Role { id: id(), ledger: site.ledger.clone(), issuer: site.sector.clone(), action, role_name };
    put(site, &role.id, &role).await
}

/// E-R1: gives a user a role for a period; it counts at once.
///
/// # Errors
/// The ledger refuses: no such user or role.
pub async fn assign_role(site: &Site, _: &Account, request: AssignRole, _: Timestamp) -> Result<AssignRoleResponse, Fault> {
    let recorded = assignment(site, AssignmentAction::Assign, request.user_id, request.role_name, request.period).await?;
    Ok(AssignRoleResponse { record_id: recorded.id, leaf_index: recorded.index, receipt: recorded.receipt })
}

/// Takes a role from a user at once.
///
/// # Errors
/// The ledger refuses: the user does not have it.
pub async fn withdraw_role(site: &Site, _: &Account, request: WithdrawRole, now: Timestamp) -> Result<WithdrawRoleResponse, Fault> {
    let period = Period { not_before: Instant(now), not_after: Instant(now.plus_ms(1)) };
    let recorded = assignment(site, AssignmentAction::Withdraw, request.user_id, request.role_name, period).await?;
    Ok(WithdrawRoleResponse { record_id: recorded.id, leaf_index: recorded.index, receipt: recorded.receipt })
}

async fn assignment(site: &Site, action: AssignmentAction, user_id: String, role_name: String, period: Period) -> Result<Recorded, Fault> {
    let assignment = Assignment { id: id(), ledger: site.ledger.clone(), issuer: site.sector.clone(), action, user_id, role_name, period };
    put(site, &assignment.id, &assignment).await
}
