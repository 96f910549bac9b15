//! The round trips of proposals, ballots, key records and the messages of the governance service.

use super::*;

#[test]
fn governance_comes_back_byte_for_byte() {
    let member = fill(
        "<l:AddMember id=\"police\" node=\"5\" role=\"sector\" suffrage=\"voter\"><l:Name lang=\"zh\">公安</l:Name><l:RecordKey>$H</l:RecordKey>\
         <l:NodeKey>$H</l:NodeKey><l:TlsCertificate>$H</l:TlsCertificate><l:MessageCertificate>$H</l:MessageCertificate>\
         <l:Administrator>$H</l:Administrator><l:Service>g:1</l:Service><l:Peer>g:2</l:Peer></l:AddMember>",
    );
    let node = fill(
        "<l:ReplaceNode id=\"civil\" node=\"6\"><l:NodeKey>$H</l:NodeKey><l:TlsCertificate>$H</l:TlsCertificate><l:Service>g:1</l:Service>\
         <l:Peer>g:2</l:Peer></l:ReplaceNode>",
    );
    let actions = [
        member.as_str(),
        "<l:RemoveMember id=\"civil\"></l:RemoveMember>",
        &node,
        "<l:Suffrage id=\"civil\">learner</l:Suffrage>",
        "<l:Quorum>3</l:Quorum>",
        "<l:Rules><l:Rule threshold=\"2/3\"></l:Rule><l:Rule role=\"sector\" threshold=\"ANY\"><l:Organization>civil</l:Organization>\
         <l:Organization>health</l:Organization></l:Rule></l:Rules>",
        &fill("<l:RevokeKey id=\"civil\"><l:Revoked>$H</l:Revoked></l:RevokeKey>"),
        &fill("<l:RevokeKey id=\"civil\"><l:Revoked>$H</l:Revoked><l:Successor>$H</l:Successor></l:RevokeKey>"),
        "<l:Stop></l:Stop>",
        "<l:Resume></l:Resume>",
        "<l:Epoch>2</l:Epoch>",
    ];
    let voices = "<sg:Voice member=\"civil\">yes</sg:Voice><sg:Voice member=\"health\">no</sg:Voice>";
    for action in actions {
        let proposal =
            [&fill("<l:Proposal @ID><l:Proposer>civil</l:Proposer><l:Reason>agreed</l:Reason>"), action, "</l:Proposal>"].concat();
        check::<Proposal>(&proposal);
        check::<Propose>(&["<sg:Propose>", &proposal, "</sg:Propose>"].concat());
        let open = [&fill("<sg:Entry index=\"1\" time=\"$AT\">"), proposal.as_str(), "</sg:Entry>"].concat();
        let head = fill("<sg:Entry decided=\"7\" ending=\"void\" index=\"1\" time=\"$AT\">");
        let closed = [&head, proposal.as_str(), voices, "</sg:Entry>"].concat();
        let all = ["<sg:ListProposalsResponse>", &open, &closed, "<sg:Next>9</sg:Next></sg:ListProposalsResponse>"].concat();
        check::<ListProposalsResponse>(&all);
    }
    let ballot = fill("<l:Ballot @ID><l:Voter>civil</l:Voter><l:Proposal>$U</l:Proposal><l:Vote>no</l:Vote></l:Ballot>");
    check::<Vote>(&["<sg:Vote>", &ballot, "</sg:Vote>"].concat());
    let decided = fill("<sg:RecordId>$U</sg:RecordId><sg:LeafIndex>3</sg:LeafIndex><sg:Ending>accepted</sg:Ending>");
    check::<ProposeResponse>(&["<sg:ProposeResponse>", &decided, "</sg:ProposeResponse>"].concat());
    check::<VoteResponse>(&["<sg:VoteResponse>", &decided, "</sg:VoteResponse>"].concat());
    check::<ListProposals>("<sg:ListProposals></sg:ListProposals>");
    check::<ListProposals>(&fill(
        "<sg:ListProposals><sg:ProposalId>$U</sg:ProposalId><sg:Open>true</sg:Open><sg:Cursor>1</sg:Cursor><sg:Limit>2</sg:Limit></sg:ListProposals>",
    ));
    check::<ShowGovernance>("<sg:ShowGovernance></sg:ShowGovernance>");
    check::<ShowGovernanceResponse>(&fill(
        "<sg:ShowGovernanceResponse><sg:Origin>a/b/1</sg:Origin><sg:Stopped>false</sg:Stopped><sg:Quorum>2</sg:Quorum>\
         <sg:HighestNode>4</sg:HighestNode><sg:Changed>0</sg:Changed><sg:Rule role=\"sector\" threshold=\"MAJORITY\"></sg:Rule>\
         <sg:Member id=\"civil\" node=\"3\" role=\"sector\" suffrage=\"voter\"><sg:Service>g:1</sg:Service><sg:Peer>g:2</sg:Peer>\
         <sg:TlsCertificate>$H</sg:TlsCertificate><sg:MessageCertificate>$H</sg:MessageCertificate></sg:Member></sg:ShowGovernanceResponse>",
    ));
    check::<PrepareKey>("<sg:PrepareKey></sg:PrepareKey>");
    check::<PrepareKeyResponse>(&fill("<sg:PrepareKeyResponse><sg:RecordKey>$H</sg:RecordKey></sg:PrepareKeyResponse>"));
    check::<RotateKey>("<sg:RotateKey></sg:RotateKey>");
    check::<RotateKeyResponse>(&fill(
        "<sg:RotateKeyResponse><sg:RecordId>$U</sg:RecordId><sg:LeafIndex>3</sg:LeafIndex><sg:RecordKey>$H</sg:RecordKey></sg:RotateKeyResponse>",
    ));
    check::<Key>(&fill("<l:Key @ID><l:Member>civil</l:Member><l:RecordKey proof=\"MEUCIQ==\">$H</l:RecordKey></l:Key>"));
    check::<RefusalRecord>(&fill(
        "<l:Refusal @ID><l:Sector>civil</l:Sector><l:Account>health</l:Account><l:Verdict>bad-signature</l:Verdict><l:Digest>$H</l:Digest></l:Refusal>",
    ));
    check::<ListKeys>("<sg:ListKeys><sg:Member>civil</sg:Member></sg:ListKeys>");
    check::<ListKeysResponse>(&fill(
        "<sg:ListKeysResponse><sg:Held from=\"0\" member=\"civil\" until=\"9\"><sg:RecordKey>$H</sg:RecordKey><sg:NodeKey>$H</sg:NodeKey></sg:Held>\
         <sg:Held from=\"9\" member=\"civil\"><sg:NodeKey>$H</sg:NodeKey></sg:Held></sg:ListKeysResponse>",
    ));
}
