//! Users, roles and grants over the wire: each by its own sector, effective at once, and provable.

use adapter::cli::session::{Failure, Session};
use adapter::fault::Reason;
use adapter::unified::authority::{
    AssignRole, AssignRoleResponse, CheckAuthority, CheckAuthorityResponse, Decision, DefineRole, DefineRoleResponse, GiveGrant,
    GiveGrantResponse, ListGrants, ListGrantsResponse, RevokeGrant, RevokeGrantResponse, WithdrawRole, WithdrawRoleResponse,
};
use adapter::unified::directory::{Search, SearchResponse, Show, ShowResponse, Withdraw, WithdrawResponse};
use adapter::unified::registry::{
    AddUser, AddUserResponse, DeleteUser, DeleteUserResponse, ListSectors, ListSectorsResponse, ModifyUser, ModifyUserResponse, QueryUser,
    QueryUserResponse, ViewRelationships, ViewRelationshipsResponse,
};
use adapter::unified::{Instant, Period, Permission, Principal};
use conformance::city::City;
use ledger::checkpoint::Policy;
use ledger::proof::Receipt;

const DAY: u64 = 86_400_000;

fn trainee() -> Principal {
    Principal { authority: String::from("civil"), name: String::from("trainee") }
}

async fn permitted(session: &Session, permission: Permission) -> CheckAuthorityResponse {
    let request = CheckAuthority {
        user: trainee(),
        object: String::from("transport/vehicle"),
        permission,
        purpose: String::from("inquiry"),
        at: None,
    };
    session.call("authority", &request).await.expect("an answer")
}

fn refused(failure: Failure, expected: Reason) {
    let Failure::Fault(received) = failure else { unreachable!("a fault: {failure}") };
    assert_eq!(received.stable(), Some(expected), "{}", received.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authority_over_the_wire() {
    let city = City::start("authority");
    let (civil, transport) = (city.session("civil", "admin"), city.session("transport", "admin"));
    let now = adapter::replica::now();
    let period = Period { not_before: Instant(now), not_after: Instant(now.plus_ms(DAY)) };

    users(&city, &civil).await;

    // A role counts from the moment it is assigned to the moment it is withdrawn; the grant too.
    assert_eq!(permitted(&transport, Permission::Read).await.decision, Decision::Deny);
    let _: DefineRoleResponse = civil.call("authority", &DefineRole { role_name: String::from("helper") }).await.expect("defined");
    let assign = AssignRole { user_id: String::from("trainee"), role_name: String::from("helper"), period: period.clone() };
    let _: AssignRoleResponse = civil.call("authority", &assign).await.expect("assigned");
    let give = GiveGrant {
        role: Principal { authority: String::from("civil"), name: String::from("helper") },
        object: String::from("transport/vehicle"),
        permissions: vec![Permission::Read],
        period: period.clone(),
        purposes: vec![],
        supersedes: None,
    };
    let given: GiveGrantResponse = transport.call("authority", &give).await.expect("given");
    let permit = permitted(&transport, Permission::Read).await;
    assert_eq!((permit.decision, permit.grant_id.as_deref()), (Decision::Permit, Some(given.grant_id.as_str())));
    assert_eq!(permit.period, Some(period.clone()), "the user can Read Only in Tstart-Tend");
    assert_eq!(permit.leaf_index, Some(given.leaf_index));
    proven(&city, &permit).await;
    assert_eq!(permitted(&transport, Permission::Write).await.decision, Decision::Deny, "Read Only");
    let withdraw = WithdrawRole { user_id: String::from("trainee"), role_name: String::from("helper") };
    let _: WithdrawRoleResponse = civil.call("authority", &withdraw).await.expect("withdrawn");
    assert_eq!(permitted(&transport, Permission::Read).await.decision, Decision::Deny, "at once");
    let _: AssignRoleResponse = civil.call("authority", &assign).await.expect("assigned again");
    assert_eq!(permitted(&transport, Permission::Read).await.decision, Decision::Permit);
    let revoke = RevokeGrant { grant_id: given.grant_id.clone(), reason: String::from("test") };
    let _: RevokeGrantResponse = transport.call("authority", &revoke).await.expect("revoked");
    assert_eq!(permitted(&transport, Permission::Read).await.decision, Decision::Deny);
    let list =
        ListGrants { object: Some(String::from("transport/vehicle")), role: None, issuer: None, at: None, cursor: None, limit: None };
    let listed: ListGrantsResponse = transport.call("authority", &list).await.expect("a list");
    let ended = listed.entries.iter().find(|entry| entry.grant.id == given.grant_id).expect("revoked grants stay listed");
    assert!(ended.ended.is_some_and(|leaf| leaf > given.leaf_index));

    // Nobody grants what is another's, the Bureau least of all; nobody but an administrator grants.
    let bureau: Result<GiveGrantResponse, Failure> = city.session("bureau", "admin").call("authority", &give).await;
    refused(bureau.expect_err("not the Bureau's object"), Reason::Refused);
    let clerk: Result<GiveGrantResponse, Failure> = city.session("civil", "clerk").call("authority", &give).await;
    refused(clerk.expect_err("no administrator"), Reason::NotPermitted);
    exit_status_of_a_denial(&city);
    let again = city.run(&["demo", "--exit", "--mappings", "/nowhere", "--dir", &city.dir().display().to_string()]);
    assert!(
        again.status.code() == Some(3) && String::from_utf8_lossy(&again.stderr).contains("is running"),
        "a city is not removed under its nodes"
    );
    let elsewhere: Result<GiveGrantResponse, Failure> = civil.call("authority", &give).await;
    refused(elsewhere.expect_err("not the civil sector's object"), Reason::Refused);

    directory(&city, &transport).await;
}

/// 5 is "denied", whoever denies: the adapter's own rule or the owner of the data.
fn exit_status_of_a_denial(city: &City) {
    let profile = |user: &str| city.profile("civil", user).display().to_string();
    let publish = ["directory", "withdraw", "--profile", &profile("clerk"), "civil/household"];
    assert_eq!(city.run(&publish).status.code(), Some(5));
    let request = ["trade", "request", "--profile", &profile("trainee"), "health/visit", "patient-id=310101199001010010"];
    assert_eq!(city.run(&request).status.code(), Some(5));
}

/// Add, query, modify, view relationships, delete.
async fn users(city: &City, civil: &Session) {
    let id = String::from("temp");
    let certificate = "ab".repeat(32);
    let add = AddUser { user_id: id.clone(), class: String::from("official"), certificates: vec![certificate.clone()] };
    let added: AddUserResponse = civil.call("registry", &add).await.expect("added");
    let twice: Result<AddUserResponse, Failure> = civil.call("registry", &add).await;
    refused(twice.expect_err("an account is added once"), Reason::Refused);
    let query = QueryUser { user: Principal { authority: String::from("civil"), name: id.clone() } };
    let found: QueryUserResponse = city.session("health", "admin").call("registry", &query).await.expect("an answer from any node");
    let entry = found.entry.expect("the account");
    assert_eq!((entry.index, entry.user.certificates), (added.leaf_index, vec![certificate]));
    let modify = ModifyUser { user_id: id.clone(), class: String::from("developer"), certificates: vec!["cd".repeat(32)] };
    let _: ModifyUserResponse = civil.call("registry", &modify).await.expect("modified");
    let view = ViewRelationships { sector: String::from("civil"), user_id: None };
    let seen: ViewRelationshipsResponse = civil.call("registry", &view).await.expect("relationships");
    assert!(seen.users.iter().any(|user| user.user_id == "temp" && user.class == "developer"));
    assert!(seen.roles.iter().any(|role| role.role_name == "clerk"));
    assert!(seen.assignments.iter().any(|assignment| assignment.user_id == "clerk" && assignment.role_name == "clerk"));
    let _: DeleteUserResponse = civil.call("registry", &DeleteUser { user_id: id }).await.expect("deleted");
    let gone: QueryUserResponse = civil.call("registry", &query).await.expect("an answer");
    assert!(gone.entry.is_none());
    let sectors: ListSectorsResponse = civil.call("registry", &ListSectors {}).await.expect("the members");
    assert_eq!(sectors.sectors.iter().map(|sector| sector.id.as_str()).collect::<Vec<_>>(), conformance::city::SECTORS);
}

/// The answer's receipt holds for the grant's leaf as another node serves it.
async fn proven(city: &City, permit: &CheckAuthorityResponse) {
    let receipt = Receipt::parse(&permit.receipt.as_ref().expect("a receipt").proof).expect("a proof");
    let request = adapter::unified::audit::GetEntry { index: receipt.index };
    let entry: adapter::unified::audit::GetEntryResponse = city.session("bureau", "auditor").call("audit", &request).await.expect("a leaf");
    let leaf = data_encoding::BASE64.decode(entry.leaf.as_bytes()).expect("base64");
    let policy = Policy::parse(&std::fs::read_to_string(city.dir().join("policy")).expect("the policy")).expect("a policy");
    receipt.verify(&leaf, &policy).expect("the sector need not trust Authority Management");
}

/// Found by title, keyword and branch; withdrawn by its own sector alone; gone from the search, kept on the ledger.
async fn directory(city: &City, transport: &Session) {
    let search = |text: &str| Search { text: Some(text.to_owned()), producer: None, catalog: None, cursor: None, limit: None };
    let found: SearchResponse = transport.call("directory", &search("vehicle")).await.expect("an answer");
    assert_eq!(found.found.iter().map(|found| found.entry.resource.as_str()).collect::<Vec<_>>(), ["transport/vehicle"]);
    let none: SearchResponse = transport.call("directory", &search("no such thing")).await.expect("nothing found is an answer");
    assert!(none.found.is_empty());
    let withdraw = Withdraw { resource: String::from("transport/vehicle") };
    let foreign: Result<WithdrawResponse, Failure> = city.session("health", "admin").call("directory", &withdraw).await;
    refused(foreign.expect_err("another sector's resource"), Reason::BadRecord);
    let _: WithdrawResponse = transport.call("directory", &withdraw).await.expect("withdrawn");
    let shown: ShowResponse = transport.call("directory", &Show { resource: String::from("transport/vehicle") }).await.expect("an answer");
    assert!(shown.found.is_none());
}
