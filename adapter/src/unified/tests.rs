//! Byte-for-byte round trips of every document, with everything in it and with nothing optional, and what must not be read.

use super::audit::*;
use super::authority::*;
use super::business::*;
use super::directory::*;
use super::governance::*;
use super::metadata::*;
use super::registry::*;
use super::trading::*;
use super::*;
use std::collections::BTreeSet;
use std::sync::LazyLock;
use xsd::read::Limits;
use xsd::schema::Schemas;

mod decisions;

/// The text as a document in canonical form, with the house's prefixes declared on its root.
fn tree(text: &str) -> Element {
    let root_end = text.find([' ', '>', '/']).unwrap();
    let declarations: String = ["a", "b", "d", "f", "l", "m", "r", "sa", "sd", "sg", "sr", "st", "su", "t", "xsi"]
        .iter()
        .map(|prefix| [" xmlns:", prefix, "=\"", namespace(prefix), "\""].concat())
        .collect();
    let (root, rest) = text.split_at(root_end);
    let text = [root, &declarations, rest].concat();
    xsd::read::read(text.as_bytes(), None, &Limits::default()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn canon(text: &str) -> Vec<u8> {
    canonical(&tree(text), &[], &[])
}

/// What the schemas say against the text.
fn invalid(text: &str) -> Option<String> {
    static SCHEMAS: LazyLock<Schemas> = LazyLock::new(|| wsdl::schemas().expect("schemas without defects"));
    SCHEMAS.validate(tree(text)).err().map(|invalid| invalid.to_string())
}

/// Reads the valid `text` as a `T` and writes it back: the same octets, or the error says why not.
fn check<T: Document>(text: &str) {
    let octets = canon(text);
    assert_eq!(invalid(text), None, "{text}");
    let document = T::read(&octets).unwrap_or_else(|error| panic!("{error}\n{}", String::from_utf8_lossy(&octets)));
    assert_eq!(String::from_utf8(document.octets()).unwrap(), String::from_utf8(octets).unwrap());
    assert_eq!(document.element().name(), &T::name());
}

fn refuse<T: Document + fmt::Debug>(text: &str) -> Unreadable {
    assert!(invalid(text).is_some() || text.contains("Index>01") || text.contains("Status> <"), "the schemas refuse it too: {text}");
    T::read(&canon(text)).expect_err(text)
}

const ID: &str = "id=\"0b9f2c5e-0000-4000-8000-000000000001\" ledger=\"city.example/main/1\"";
const U: &str = "0b9f2c5e-0000-4000-8000-000000000002";
const H: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const AT: &str = "2026-11-21T02:32:00.123Z";

fn fill(text: &str) -> String {
    text.replace("@ID", ID).replace("$U", U).replace("$H", H).replace("$AT", AT)
}

fn order() -> String {
    fill(
        "<t:Order @ID><t:ConversationId>$U</t:ConversationId><t:Sender>transport</t:Sender><t:Receiver>civil</t:Receiver>\
         <t:User authority=\"civil\">li.na</t:User><t:Resource>transport/vehicle</t:Resource><t:Selection>$H</t:Selection>\
         <t:Purpose>household-check</t:Purpose><t:Requested>$AT</t:Requested></t:Order>",
    )
}

fn signature(prefix: &str, account: &str) -> String {
    ["<", prefix, ":Signature account=\"", account, "\" algorithm=\"Ed25519\">MEUCIQ==</", prefix, ":Signature>"].concat()
}

fn trade(full: bool) -> String {
    let optional = |text: &str| if full { fill(text) } else { String::new() };
    let evidence = if full { ["<t:Evidence>", &order(), &signature("t", "civil"), "</t:Evidence>"].concat() } else { String::new() };
    [
        &fill("<t:Trade @ID><t:ConversationId>$U</t:ConversationId><t:Who><t:Sender>transport</t:Sender><t:Receiver>civil</t:Receiver>"),
        "<t:User authority=\"civil\">li.na</t:User></t:Who><t:What><t:Resource>transport/vehicle</t:Resource>",
        &optional("<t:Record>$H</t:Record><t:Record>$H</t:Record><t:Digest>$H</t:Digest>"),
        "<t:Size>1024</t:Size>",
        &optional("<t:Mapping id=\"traffic.vehicle\" version=\"1.0\" sha256=\"$H\"></t:Mapping>"),
        "</t:What><t:Where><t:Server>gateway.transport.city:7101</t:Server><t:Service>trading</t:Service>",
        &fill("<t:Operation>Fetch</t:Operation></t:Where><t:When><t:Requested>$AT</t:Requested>"),
        &optional("<t:Authorised>$AT</t:Authorised><t:Packed>$AT</t:Packed>"),
        "</t:When><t:How><t:Status>not-found</t:Status>",
        &optional("<t:Token id=\"$U\" digest=\"$H\" state=\"used\"></t:Token><t:GrantRef>$U</t:GrantRef><t:Fault>no-grant</t:Fault>"),
        "<t:Purpose>household-check</t:Purpose></t:How>",
        &evidence,
        "</t:Trade>",
    ]
    .concat()
}

fn resource(full: bool) -> String {
    let optional = |text: &str| if full { fill(text) } else { String::new() };
    let agent = |name: &str| {
        ["<m:", name, "><m:Identifier>transport</m:Identifier><m:Name lang=\"zh-CN\"> 交通局 &amp; 车管所\n</m:Name></m:", name, ">"]
            .concat()
    };
    let optional_agent = |name: &str| if full { agent(name) } else { String::new() };
    [
        "<m:Resource><m:ResourceId>transport/vehicle</m:ResourceId><m:Name lang=\"zh\">机动车登记</m:Name><m:Name lang=\"en\">Vehicles</m:Name>",
        "<m:Overview lang=\"zh\">登记信息：&lt;号牌&gt;</m:Overview>",
        &agent("Producer"),
        "<m:StorageLocation>urn:x</m:StorageLocation><m:MediaType>application/xml</m:MediaType>",
        &optional("<m:Backup><m:Location>urn:y</m:Location><m:Digest alg=\"sm3\">$H</m:Digest><m:At>$AT</m:At></m:Backup>"),
        "<m:Structure id=\"transport/vehicle\" version=\"1.0\"></m:Structure>",
        &optional("<m:Term><m:Name>plate</m:Name><m:Definition lang=\"zh\">号牌</m:Definition><m:Modifier> a </m:Modifier></m:Term>"),
        "<m:TypeCode>V1</m:TypeCode><m:Classification scheme=\"urn:cn:gb:21063.4\">A01</m:Classification>",
        &optional("<m:Keyword>车</m:Keyword><m:Keyword>car</m:Keyword>"),
        "<m:ShareType>conditional</m:ShareType>",
        &optional("<m:ShareCondition>  需要授权</m:ShareCondition>"),
        "<m:ShareMode>service</m:ShareMode>",
        &optional("<m:UpdateCycle>daily</m:UpdateCycle>"),
        &fill("<m:Published>$AT</m:Published>"),
        &optional("<m:Modified>$AT</m:Modified><m:Validity><NotBefore>$AT</NotBefore><NotAfter>$AT</NotAfter></m:Validity>"),
        &optional("<m:RecordCount>1000</m:RecordCount><m:PayloadDigest alg=\"sha256\">$H</m:PayloadDigest>"),
        &agent("Manager"),
        &optional_agent("Owner"),
        "<m:PolicyModified>false</m:PolicyModified>",
        &optional("<m:PolicyComplement>none</m:PolicyComplement>"),
        "<m:MetadataVersion>1.0</m:MetadataVersion>",
        &optional_agent("Maintainer"),
        "</m:Resource>",
    ]
    .concat()
}

fn record(full: bool) -> String {
    let optional = |text: &str| if full { fill(text) } else { String::new() };
    [
        "<b:Record><b:RecordId scheme=\"urn:iso:std:iso:3779\">LSVAU2180N2183294</b:RecordId>",
        "<b:DefinitionRef id=\"transport/vehicle\" version=\"1.0\"></b:DefinitionRef>",
        "<b:SourceSector scheme=\"urn:cn:gb:32100\">11310000MB2F30176U</b:SourceSector><b:OccurredAt>2020-02-29</b:OccurredAt>",
        &optional(
            "<b:Subject role=\"owner\"><b:Person><b:Name> 欧阳 &#xD;娜娜\t</b:Name><b:Identifier scheme=\"urn:cn:gb:11643\">11010519491231002X\
             </b:Identifier><b:BirthDate>1949-12-31</b:BirthDate><b:Sex>F</b:Sex><b:Address>上海市</b:Address></b:Person></b:Subject>\
             <b:Subject role=\"dealer\"><b:LegalEntity><b:Name>上海 𠮷野家</b:Name><b:Identifier scheme=\"urn:cn:gb:32100\">9131</b:Identifier>\
             <b:Address>x</b:Address></b:LegalEntity></b:Subject><b:Subject role=\"thing\"><b:Thing><b:Name>y</b:Name>\
             <b:Identifier scheme=\"urn:z\">1</b:Identifier></b:Thing></b:Subject>\
             <b:Value field=\"plate\" code=\"02\" unit=\"kg\">沪A12345</b:Value><b:Value field=\"empty\"> </b:Value>\
             <b:Attachment><b:MediaType>image/jpeg</b:MediaType><b:Size>0</b:Size><b:Digest alg=\"sha256\">$H</b:Digest><b:Href>urn:h</b:Href>\
             </b:Attachment><b:Validity><b:From>2020-01-01</b:From><b:Until>2021-01-01</b:Until></b:Validity>",
        ),
        "</b:Record>",
    ]
    .concat()
}

#[test]
fn records_of_the_ledger_come_back_byte_for_byte() {
    check::<Order>(&order());
    check::<Trade>(&trade(false));
    check::<Trade>(&trade(true));
    for text in [
        "<a:Grant @ID><a:Issuer>transport</a:Issuer><a:Role authority=\"civil\">clerk</a:Role><a:Object>transport/vehicle</a:Object>\
         <a:Permission>read</a:Permission><a:Period><NotBefore>$AT</NotBefore><NotAfter>$AT</NotAfter></a:Period></a:Grant>",
        "<a:Grant @ID><a:Issuer>transport</a:Issuer><a:Role authority=\"civil\">clerk</a:Role><a:Object>transport/vehicle</a:Object>\
         <a:Permission>read</a:Permission><a:Permission>subscribe</a:Permission><a:Period><NotBefore>$AT</NotBefore>\
         <NotAfter>$AT</NotAfter></a:Period><a:Purpose>aid</a:Purpose><a:Purpose>tax</a:Purpose><a:Supersedes>$U</a:Supersedes></a:Grant>",
    ] {
        check::<Grant>(&fill(text));
    }
    check::<Revocation>(&fill(
        "<a:Revocation @ID><a:Issuer>t</a:Issuer><a:GrantRef>$U</a:GrantRef><a:Reason>misuse</a:Reason></a:Revocation>",
    ));
    check::<User>(&fill(
        "<a:User @ID><a:Issuer>t</a:Issuer><a:Action>delete</a:Action><a:UserId>li.na</a:UserId><a:Class>official</a:Class></a:User>",
    ));
    check::<User>(&fill(
        "<a:User @ID><a:Issuer>t</a:Issuer><a:Action>add</a:Action><a:UserId>li.na</a:UserId><a:Class>auditor</a:Class>\
         <a:Certificate>$H</a:Certificate><a:Certificate>$H</a:Certificate></a:User>",
    ));
    check::<Role>(&fill("<a:Role @ID><a:Issuer>t</a:Issuer><a:Action>define</a:Action><a:RoleName>clerk</a:RoleName></a:Role>"));
    check::<Assignment>(&fill(
        "<a:Assignment @ID><a:Issuer>t</a:Issuer><a:Action>withdraw</a:Action><a:UserId>u</a:UserId><a:RoleName>r</a:RoleName>\
         <a:Period><NotBefore>$AT</NotBefore><NotAfter>$AT</NotAfter></a:Period></a:Assignment>",
    ));
    check::<Inquiry>(&fill(
        "<d:Inquiry @ID><d:Sector>civil</d:Sector><d:User authority=\"civil\">li.na</d:User><d:Resource>transport/vehicle</d:Resource>\
         <d:Resource>health/visit</d:Resource><d:Asked>$AT</d:Asked></d:Inquiry>",
    ));
    check::<Entry>(&entry(""));
    check::<Entry>(&entry(&fill("<d:Supersedes>$U</d:Supersedes>")));
}

fn entry(supersedes: &str) -> String {
    [
        &fill("<d:Entry @ID><d:Resource>transport/vehicle</d:Resource><d:Metadata>$H</d:Metadata><d:Producer>transport</d:Producer>"),
        &fill("<d:Timestamp>$AT</d:Timestamp><d:Format>application/xml</d:Format><d:Content><d:Title lang=\"zh\"></d:Title>"),
        "<d:Title lang=\"en\"> Vehicles</d:Title><d:Keyword>车</d:Keyword></d:Content><d:AccessPath><d:Service>trading</d:Service>",
        "<d:Operation>Fetch</d:Operation><d:Endpoint>https://g/ws/trading</d:Endpoint><d:Version>1</d:Version></d:AccessPath>",
        "<d:Server>g:7101</d:Server><d:Catalog>transport/vehicle</d:Catalog><d:Status>suspended</d:Status>",
        supersedes,
        "</d:Entry>",
    ]
    .concat()
}

#[test]
fn business_and_metadata_come_back_byte_for_byte() {
    check::<Resource>(&resource(false));
    check::<Resource>(&resource(true));
    check::<Record>(&record(false));
    check::<Record>(&record(true));
    check::<Records>("<b:Records></b:Records>");
    check::<Records>(&["<b:Records>", &record(true), &record(false), "</b:Records>"].concat());
    check::<Selection>("<b:Selection resource=\"transport/vehicle\"></b:Selection>");
    check::<Selection>("<b:Selection resource=\"a/b\"><b:Criterion field=\"plate\">  沪A &quot;1\"</b:Criterion></b:Selection>");
    check::<Definition>(
        "<b:Definition id=\"a/b\" version=\"1\"><b:Title lang=\"zh\">车</b:Title><b:Kind>unstructured</b:Kind><b:Unstructured>\
         <b:Format>video/mp4</b:Format><b:Coding>h264</b:Coding><b:Resolution width=\"1\" height=\"2\" dpi=\"3\"></b:Resolution>\
         <b:FrameRate>29.97</b:FrameRate></b:Unstructured></b:Definition>",
    );
    check::<Definition>(
        "<b:Definition id=\"a/b\" version=\"1\"><b:Title lang=\"zh\">车</b:Title><b:Kind>structured</b:Kind><b:Field><b:Name>plate</b:Name>\
         <b:Type>string</b:Type><b:Length max=\"8\" digits=\"1\" scale=\"0\"></b:Length><b:Content codeList=\"urn:c\" pattern=\" [A-Z]&#xA;\" unit=\"kg\">\
         </b:Content><b:Description lang=\"zh\">号牌</b:Description><b:Sensitivity>internal</b:Sensitivity><b:ModelReference>urn:m</b:ModelReference>\
         </b:Field><b:Field><b:Name>x</b:Name><b:Type>date</b:Type><b:Length></b:Length><b:Description lang=\"en\">d</b:Description>\
         <b:Sensitivity>public</b:Sensitivity></b:Field></b:Definition>",
    );
}

#[test]
fn trading_messages_come_back_byte_for_byte() {
    let receipt = "<r:Receipt><r:LeafIndex>18446744073709551615</r:LeafIndex><r:Proof>c2sp.org/tlog-proof@v1\nindex 3\n\n— 城 x\n</r:Proof></r:Receipt>";
    let packet = [
        "<st:Packet><st:Salt>000102030405060708090a0b0c0d0e0f</st:Salt><b:Records>",
        &record(true),
        "</b:Records>",
        &resource(true),
        &trade(true),
        &signature("st", "transport"),
        &signature("st", "civil"),
        "</st:Packet>",
    ]
    .concat();
    check::<Receipt>(receipt);
    check::<Locate>("<st:Locate><st:Resource>transport/vehicle</st:Resource></st:Locate>");
    check::<Locate>(&fill(
        "<st:Locate><st:ConversationId>$U</st:ConversationId><st:Resource>a/b</st:Resource><st:Resource>c/d</st:Resource></st:Locate>",
    ));
    check::<LocateResponse>(&fill(
        "<st:LocateResponse><st:ConversationId>$U</st:ConversationId><st:Location resource=\"a/b\"><st:Sector>a</st:Sector>\
         <st:Server>g:1</st:Server><st:EntryIndex>7</st:EntryIndex><st:Title>车</st:Title></st:Location>\
         <st:Location resource=\"c/d\" xsi:nil=\"true\"></st:Location><st:Location resource=\"e/f\"><st:Sector>a</st:Sector>\
         <st:Server>g:1</st:Server><st:EntryIndex>8</st:EntryIndex><st:Title></st:Title></st:Location></st:LocateResponse>",
    ));
    check::<Fetch>("<st:Fetch><st:Purpose>p</st:Purpose><st:Item><st:Resource>a/b</st:Resource></st:Item></st:Fetch>");
    check::<Fetch>(&fill(
        "<st:Fetch><st:ConversationId>$U</st:ConversationId><st:Purpose>p</st:Purpose><st:Item><st:Resource>a/b</st:Resource>\
         <st:Criterion field=\"plate\"> 沪A</st:Criterion><st:Criterion field=\"vin\">1</st:Criterion></st:Item><st:Item>\
         <st:Resource>c/d</st:Resource></st:Item></st:Fetch>",
    ));
    let refusal = "<st:Fault><st:Code>no-grant</st:Code><st:Reason>拒绝</st:Reason><st:Retry>false</st:Retry><st:MendedBy>provider</st:MendedBy></st:Fault>";
    check::<FetchResponse>(
        &[
            &fill("<st:FetchResponse><st:ConversationId>$U</st:ConversationId><st:Result><st:Resource>a/b</st:Resource>"),
            &fill("<st:TradeId>$U</st:TradeId><st:Status>delivered</st:Status>"),
            &packet,
            receipt,
            "</st:Result><st:Result><st:Resource>c/d</st:Resource><st:Status>timed-out</st:Status>",
            refusal,
            "</st:Result></st:FetchResponse>",
        ]
        .concat(),
    );
    let criterion = "<st:Salt>000102030405060708090a0b0c0d0e0f</st:Salt><st:Criterion field=\"plate\">沪A12345</st:Criterion>";
    check::<PlaceOrder>(&["<st:PlaceOrder>", &order(), &signature("st", "civil"), criterion, "</st:PlaceOrder>"].concat());
    check::<PlaceOrderResponse>(
        &["<st:PlaceOrderResponse>", &trade(true), &signature("st", "transport"), "</st:PlaceOrderResponse>"].concat(),
    );
    check::<AcceptOffer>(&fill(&["<st:AcceptOffer><st:TradeId>$U</st:TradeId>", &signature("st", "civil"), "</st:AcceptOffer>"].concat()));
    check::<AcceptOfferResponse>(&["<st:AcceptOfferResponse>", &packet, receipt, "</st:AcceptOfferResponse>"].concat());
    check::<TradeStatus>(&fill("<st:TradeStatus><st:TradeId>$U</st:TradeId></st:TradeStatus>"));
    check::<TradeStatusResponse>("<st:TradeStatusResponse><st:State>UNKNOWN</st:State></st:TradeStatusResponse>");
    check::<TradeStatusResponse>(
        "<st:TradeStatusResponse><st:State>COMMITTED</st:State><st:LeafIndex>0</st:LeafIndex><st:Status>failed</st:Status></st:TradeStatusResponse>",
    );
    check::<History>("<st:History></st:History>");
    check::<History>(&fill(
        "<st:History><st:Sender>a</st:Sender><st:Receiver>b</st:Receiver><st:User authority=\"b\">u</st:User><st:Resource>a/b</st:Resource>\
         <st:Resource>c/d</st:Resource><st:Grant>$U</st:Grant><st:Server>g:1</st:Server><st:Service>s</st:Service><st:Operation>o</st:Operation>\
         <st:From>$AT</st:From><st:To>$AT</st:To><st:Status>denied</st:Status><st:Status>failed</st:Status><st:Purpose>p</st:Purpose>\
         <st:Conversation>$U</st:Conversation><st:Cursor>9</st:Cursor><st:LatestFirst>true</st:LatestFirst><st:Limit>50</st:Limit></st:History>",
    ));
    check::<HistoryResponse>("<st:HistoryResponse></st:HistoryResponse>");
    let time = fill("<st:Entry index=\"5\" time=\"$AT\">");
    check::<HistoryResponse>(
        &["<st:HistoryResponse>", &time, &trade(false), "</st:Entry><st:Next>6</st:Next><st:Previous>2</st:Previous></st:HistoryResponse>"]
            .concat(),
    );
}

#[test]
fn directory_messages_come_back_byte_for_byte() {
    let receipt = "<r:Receipt><r:LeafIndex>3</r:LeafIndex><r:Proof>x</r:Proof></r:Receipt>";
    check::<Publish>(&["<sd:Publish>", &resource(false), "<sd:Catalog>x/y</sd:Catalog><sd:Catalog>z</sd:Catalog></sd:Publish>"].concat());
    let recorded = fill("<sd:EntryId>$U</sd:EntryId><sd:LeafIndex>3</sd:LeafIndex>");
    check::<PublishResponse>(&["<sd:PublishResponse>", &recorded, "</sd:PublishResponse>"].concat());
    check::<WithdrawResponse>(&["<sd:WithdrawResponse>", &recorded, receipt, "</sd:WithdrawResponse>"].concat());
    check::<Withdraw>("<sd:Withdraw><sd:Resource>a/b</sd:Resource></sd:Withdraw>");
    check::<Search>("<sd:Search></sd:Search>");
    check::<Search>(
        "<sd:Search><sd:Text> 车 </sd:Text><sd:Producer>a</sd:Producer><sd:Catalog>x</sd:Catalog><sd:Cursor>1</sd:Cursor><sd:Limit>2</sd:Limit></sd:Search>",
    );
    let found = fill("<sd:Found index=\"5\" time=\"$AT\">");
    check::<SearchResponse>(&["<sd:SearchResponse>", &found, &entry(""), "</sd:Found><sd:Next>1</sd:Next></sd:SearchResponse>"].concat());
    check::<SearchResponse>("<sd:SearchResponse></sd:SearchResponse>");
    check::<Show>("<sd:Show><sd:Resource>a/b</sd:Resource></sd:Show>");
    check::<ShowResponse>("<sd:ShowResponse></sd:ShowResponse>");
    check::<ShowResponse>(&["<sd:ShowResponse>", &found, &entry(""), &resource(true), "</sd:Found></sd:ShowResponse>"].concat());
}

#[test]
fn authority_messages_come_back_byte_for_byte() {
    let receipt = "<r:Receipt><r:LeafIndex>3</r:LeafIndex><r:Proof>x</r:Proof></r:Receipt>";
    let tuple = fill(
        "<sa:Role authority=\"civil\">clerk</sa:Role><sa:Object>a/b</sa:Object><sa:Permission>read</sa:Permission>\
         <sa:Period><NotBefore>$AT</NotBefore><NotAfter>$AT</NotAfter></sa:Period>",
    );
    check::<GiveGrant>(&["<sa:GiveGrant>", &tuple, "</sa:GiveGrant>"].concat());
    let more = fill("<sa:Purpose>p</sa:Purpose><sa:Supersedes>$U</sa:Supersedes>");
    check::<GiveGrant>(&["<sa:GiveGrant>", &tuple, &more, "</sa:GiveGrant>"].concat());
    let granted = fill("<sa:GrantId>$U</sa:GrantId><sa:LeafIndex>3</sa:LeafIndex>");
    check::<GiveGrantResponse>(&["<sa:GiveGrantResponse>", &granted, receipt, "</sa:GiveGrantResponse>"].concat());
    check::<RevokeGrant>(&fill("<sa:RevokeGrant><sa:GrantId>$U</sa:GrantId><sa:Reason>misuse</sa:Reason></sa:RevokeGrant>"));
    check::<ListGrants>("<sa:ListGrants></sa:ListGrants>");
    check::<ListGrants>(&fill(
        "<sa:ListGrants><sa:Object>a/b</sa:Object><sa:Role authority=\"c\">r</sa:Role><sa:Issuer>a</sa:Issuer><sa:At>$AT</sa:At>\
         <sa:Cursor>1</sa:Cursor><sa:Limit>2</sa:Limit></sa:ListGrants>",
    ));
    let grant = fill(
        "<a:Grant @ID><a:Issuer>transport</a:Issuer><a:Role authority=\"civil\">clerk</a:Role><a:Object>transport/vehicle</a:Object>\
         <a:Permission>read</a:Permission><a:Period><NotBefore>$AT</NotBefore><NotAfter>$AT</NotAfter></a:Period></a:Grant>",
    );
    check::<ListGrantsResponse>(
        &[
            &fill("<sa:ListGrantsResponse><sa:Entry index=\"1\" time=\"$AT\" ended=\"2\">"),
            &grant,
            &fill("</sa:Entry><sa:Entry index=\"3\" time=\"$AT\">"),
            &grant,
            "</sa:Entry><sa:Next>4</sa:Next></sa:ListGrantsResponse>",
        ]
        .concat(),
    );
    check::<CheckAuthority>(&fill(
        "<sa:CheckAuthority><sa:User authority=\"c\">u</sa:User><sa:Object>a/b</sa:Object><sa:Permission>transfer</sa:Permission>\
         <sa:Purpose>p</sa:Purpose><sa:At>$AT</sa:At></sa:CheckAuthority>",
    ));
    check::<CheckAuthorityResponse>(
        "<sa:CheckAuthorityResponse><sa:Decision>deny</sa:Decision><sa:Reason>no-grant</sa:Reason></sa:CheckAuthorityResponse>",
    );
    check::<CheckAuthorityResponse>(
        &[
            &fill("<sa:CheckAuthorityResponse><sa:Decision>permit</sa:Decision><sa:GrantId>$U</sa:GrantId><sa:Period><NotBefore>$AT</NotBefore>"),
            &fill("<NotAfter>$AT</NotAfter></sa:Period><sa:LeafIndex>1</sa:LeafIndex>"),
            receipt,
            "</sa:CheckAuthorityResponse>",
        ]
        .concat(),
    );
    let role = "<sa:RoleName>clerk</sa:RoleName>";
    check::<DefineRole>(&["<sa:DefineRole>", role, "</sa:DefineRole>"].concat());
    check::<RetireRole>(&["<sa:RetireRole>", role, "</sa:RetireRole>"].concat());
    check::<WithdrawRole>(&["<sa:WithdrawRole><sa:UserId>u</sa:UserId>", role, "</sa:WithdrawRole>"].concat());
    let period = fill("<sa:Period><NotBefore>$AT</NotBefore><NotAfter>$AT</NotAfter></sa:Period>");
    check::<AssignRole>(&["<sa:AssignRole><sa:UserId>u</sa:UserId>", role, &period, "</sa:AssignRole>"].concat());
    let recorded = fill("<sa:RecordId>$U</sa:RecordId><sa:LeafIndex>3</sa:LeafIndex>");
    check::<DefineRoleResponse>(&["<sa:DefineRoleResponse>", &recorded, receipt, "</sa:DefineRoleResponse>"].concat());
    check::<RetireRoleResponse>(&["<sa:RetireRoleResponse>", &recorded, "</sa:RetireRoleResponse>"].concat());
    check::<AssignRoleResponse>(&["<sa:AssignRoleResponse>", &recorded, "</sa:AssignRoleResponse>"].concat());
    check::<WithdrawRoleResponse>(&["<sa:WithdrawRoleResponse>", &recorded, "</sa:WithdrawRoleResponse>"].concat());
    check::<RevokeGrantResponse>(&["<sa:RevokeGrantResponse>", &recorded, "</sa:RevokeGrantResponse>"].concat());
}

#[test]
fn registry_audit_and_fault_come_back_byte_for_byte() {
    let account = fill("<sr:UserId>u</sr:UserId><sr:Class>official</sr:Class><sr:Certificate>$H</sr:Certificate>");
    check::<AddUser>(&["<sr:AddUser>", &account, "</sr:AddUser>"].concat());
    check::<ModifyUser>("<sr:ModifyUser><sr:UserId>u</sr:UserId><sr:Class>public</sr:Class></sr:ModifyUser>");
    check::<DeleteUser>("<sr:DeleteUser><sr:UserId>u</sr:UserId></sr:DeleteUser>");
    let recorded = fill("<sr:RecordId>$U</sr:RecordId><sr:LeafIndex>3</sr:LeafIndex>");
    let receipt = "<r:Receipt><r:LeafIndex>3</r:LeafIndex><r:Proof>x</r:Proof></r:Receipt>";
    check::<AddUserResponse>(&["<sr:AddUserResponse>", &recorded, receipt, "</sr:AddUserResponse>"].concat());
    check::<ModifyUserResponse>(&["<sr:ModifyUserResponse>", &recorded, "</sr:ModifyUserResponse>"].concat());
    check::<DeleteUserResponse>(&["<sr:DeleteUserResponse>", &recorded, "</sr:DeleteUserResponse>"].concat());
    check::<QueryUser>("<sr:QueryUser><sr:User authority=\"c\">u</sr:User></sr:QueryUser>");
    check::<QueryUserResponse>("<sr:QueryUserResponse></sr:QueryUserResponse>");
    let user = fill("<a:User @ID><a:Issuer>t</a:Issuer><a:Action>add</a:Action><a:UserId>u</a:UserId><a:Class>official</a:Class></a:User>");
    let role = fill("<a:Role @ID><a:Issuer>t</a:Issuer><a:Action>retire</a:Action><a:RoleName>clerk</a:RoleName></a:Role>");
    let at = fill("<sr:Entry index=\"1\" time=\"$AT\">");
    check::<QueryUserResponse>(&["<sr:QueryUserResponse>", &at, &user, "</sr:Entry></sr:QueryUserResponse>"].concat());
    check::<ViewRelationships>("<sr:ViewRelationships><sr:Sector>t</sr:Sector><sr:UserId>u</sr:UserId></sr:ViewRelationships>");
    check::<ViewRelationshipsResponse>("<sr:ViewRelationshipsResponse></sr:ViewRelationshipsResponse>");
    check::<ViewRelationshipsResponse>(
        &["<sr:ViewRelationshipsResponse>", &user, &user, &role, "</sr:ViewRelationshipsResponse>"].concat(),
    );
    check::<ListSectors>("<sr:ListSectors></sr:ListSectors>");
    check::<ListSectorsResponse>(&fill(
        "<sr:ListSectorsResponse><sr:Sector id=\"civil\" node=\"3\" role=\"sector\" suffrage=\"voter\"><sr:Name lang=\"zh\">民政</sr:Name>\
         <sr:RecordKey>$H</sr:RecordKey><sr:NodeKey>$H</sr:NodeKey><sr:Service>g:1</sr:Service></sr:Sector></sr:ListSectorsResponse>",
    ));

    check::<GetCheckpoint>("<su:GetCheckpoint></su:GetCheckpoint>");
    check::<GetCheckpointResponse>(
        "<su:GetCheckpointResponse><su:Checkpoint>a/b/1\n3\nx=\n\n— y z\n</su:Checkpoint></su:GetCheckpointResponse>",
    );
    check::<GetEntry>("<su:GetEntry><su:Index>0</su:Index></su:GetEntry>");
    check::<GetEntryResponse>("<su:GetEntryResponse><su:Leaf>PGE+</su:Leaf></su:GetEntryResponse>");
    check::<GetProof>("<su:GetProof><su:Index>0</su:Index></su:GetProof>");
    check::<GetProof>("<su:GetProof><su:Index>0</su:Index><su:Size>9</su:Size></su:GetProof>");
    check::<GetProofResponse>(&fill(
        "<su:GetProofResponse><su:Size>9</su:Size><su:Hash>$H</su:Hash><su:Proof>p\n</su:Proof></su:GetProofResponse>",
    ));
    check::<GetConsistency>("<su:GetConsistency><su:From>1</su:From><su:To>9</su:To></su:GetConsistency>");
    check::<GetConsistencyResponse>(&fill(
        "<su:GetConsistencyResponse><su:Hash>$H</su:Hash><su:Hash>$H</su:Hash></su:GetConsistencyResponse>",
    ));
    check::<ListEntries>("<su:ListEntries></su:ListEntries>");
    check::<ListEntries>(&fill(
        "<su:ListEntries><su:Kind>Trade</su:Kind><su:Sector>c</su:Sector><su:From>$AT</su:From><su:To>$AT</su:To><su:Cursor>1</su:Cursor>\
         <su:Limit>2</su:Limit></su:ListEntries>",
    ));
    check::<Pull>("<su:Pull></su:Pull>");
    check::<Pull>(&fill(
        "<su:Pull><su:Sector>civil</su:Sector><su:Sender>transport</su:Sender><su:Receiver>civil</su:Receiver>\
         <su:Resource>transport/vehicle</su:Resource><su:Status>denied</su:Status><su:From>$AT</su:From><su:To>$AT</su:To>\
         <su:Limit>1000</su:Limit></su:Pull>",
    ));
    check::<PullResponse>(&fill(
        "<su:PullResponse><su:File name=\"entries/0000000000.xml\">PHg+PC94Pg==</su:File><su:Until>$AT</su:Until></su:PullResponse>",
    ));
    check::<ListEntriesResponse>(&fill(
        "<su:ListEntriesResponse><su:Entry index=\"1\" kind=\"Trade\" time=\"$AT\" client=\"$U\" outcome=\"done\"></su:Entry><su:Next>2</su:Next>\
         </su:ListEntriesResponse>",
    ));
    check::<FaultDetail>(
        "<f:Detail><f:Code>no-grant</f:Code><f:Sentence>s</f:Sentence><f:Retry>true</f:Retry><f:MendedBy>operator</f:MendedBy></f:Detail>",
    );
    check::<FaultDetail>(&fill(
        "<f:Detail><f:Code>c</f:Code><f:Sentence> 不 </f:Sentence><f:XPath>/a[1]</f:XPath><f:Line>1</f:Line><f:Column>2</f:Column>\
         <f:TradeId>$U</f:TradeId><f:Retry>false</f:Retry><f:MendedBy>caller</f:MendedBy></f:Detail>",
    ));
}

#[test]
fn what_yaserde_overlooks_is_refused() {
    let parts = |text: &str| matches!(refuse::<TradeStatus>(&fill(text)), Unreadable::NotCanonical(_));
    assert!(parts("<st:TradeStatus><st:TradeId>$U</st:TradeId><st:More>x</st:More></st:TradeStatus>"), "an unknown element");
    assert!(parts("<st:TradeStatus><st:TradeId>x</st:TradeId><st:TradeId>$U</st:TradeId></st:TradeStatus>"), "a second value");
    assert!(parts("<st:TradeStatus a=\"1\"><st:TradeId>$U</st:TradeId></st:TradeStatus>"), "an attribute");
    assert!(parts("<st:Other><st:TradeId>$U</st:TradeId></st:Other>"), "another root");
    assert!(parts("<st:TradeStatus> <st:TradeId>$U</st:TradeId></st:TradeStatus>"), "layout");
    assert!(parts("<st:TradeStatus><st:TradeId>$U</st:TradeId>text</st:TradeStatus>"), "text beside elements");
    assert!(matches!(refuse::<TradeStatus>("<t:TradeStatus></t:TradeStatus>"), Unreadable::NotThis(_)), "nothing of it");
    assert!(matches!(refuse::<GetEntry>("<su:GetEntry><su:Index>01</su:Index></su:GetEntry>"), Unreadable::NotCanonical(_)));
    assert!(matches!(refuse::<GetEntry>("<su:GetEntry><su:Index>-1</su:Index></su:GetEntry>"), Unreadable::NotThis(_)));
    assert!(matches!(
        refuse::<TradeStatusResponse>("<st:TradeStatusResponse><st:State>known</st:State></st:TradeStatusResponse>"),
        Unreadable::NotThis(_)
    ));
    let utc = fill("<su:ListEntries><su:From>2026-11-21T02:32:00Z</su:From></su:ListEntries>");
    assert!(matches!(refuse::<ListEntries>(&utc), Unreadable::NotCanonical(_)));
    assert!(TradeStatus::read(b"").is_err() && TradeStatus::read(b"<a").is_err() && TradeStatus::read(&[0xff, 0xfe]).is_err());
}

#[test]
fn prefixes_and_layout_of_others_do_not_matter() {
    let text = "<ns0:Fetch xmlns:ns0=\"urn:waybill:ws:trading:1\" xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\" i:type=\"ns0:Fetch\">\n  \
                <!-- c --><ns0:Purpose>p</ns0:Purpose>\n  <Item xmlns=\"urn:waybill:ws:trading:1\"><Resource>a/b</Resource>\
                <Criterion field=\"plate\">  沪A<![CDATA[<1>]]>&#65;</Criterion></Item></ns0:Fetch>";
    let element = xsd::read::read(text.as_bytes(), None, &Limits::default()).unwrap();
    let fetch = Fetch::of(&element).unwrap();
    assert_eq!(fetch.items[0].criteria[0].value, "  沪A<1>A");
    check::<Fetch>(
        "<st:Fetch><st:Purpose>p</st:Purpose><st:Item><st:Resource>a/b</st:Resource><st:Criterion field=\"plate\">  沪A&lt;1&gt;A</st:Criterion></st:Item></st:Fetch>",
    );
}

#[test]
fn a_period_holds_its_start_and_not_its_end() {
    let period = Period { not_before: Timestamp(10).into(), not_after: Timestamp(20).into() };
    assert_eq!([9, 10, 19, 20].map(|ms| period.contains(Timestamp(ms))), [false, true, true, false]);
    let signature = PartySignature::ed25519("civil", &[1, 2, 250]);
    assert_eq!((signature.base64.as_str(), signature.raw()), ("AQL6", Some(vec![1, 2, 250])));
}

/// The documents that a request or reply of a contract can be.
macro_rules! names {
    ($($document:ty),* $(,)?) => { [$(<$document>::name()),*] };
}

#[test]
#[expect(clippy::too_many_lines, reason = "a list of names")]
fn every_message_of_every_contract_has_a_type() {
    let trading = names![
        Locate,
        LocateResponse,
        Fetch,
        FetchResponse,
        PlaceOrder,
        PlaceOrderResponse,
        AcceptOffer,
        AcceptOfferResponse,
        TradeStatus,
        TradeStatusResponse,
        History,
        HistoryResponse,
    ];
    let directory = names![Publish, PublishResponse, Search, SearchResponse, Show, ShowResponse, Withdraw, WithdrawResponse];
    let authority = names![
        GiveGrant,
        GiveGrantResponse,
        RevokeGrant,
        RevokeGrantResponse,
        ListGrants,
        ListGrantsResponse,
        CheckAuthority,
        CheckAuthorityResponse,
        DefineRole,
        DefineRoleResponse,
        RetireRole,
        RetireRoleResponse,
        AssignRole,
        AssignRoleResponse,
        WithdrawRole,
        WithdrawRoleResponse,
    ];
    let registry = names![
        AddUser,
        AddUserResponse,
        ModifyUser,
        ModifyUserResponse,
        DeleteUser,
        DeleteUserResponse,
        QueryUser,
        QueryUserResponse,
        ViewRelationships,
        ViewRelationshipsResponse,
        ListSectors,
        ListSectorsResponse,
    ];
    let audit = names![
        GetCheckpoint,
        GetCheckpointResponse,
        GetEntry,
        GetEntryResponse,
        GetProof,
        GetProofResponse,
        GetConsistency,
        GetConsistencyResponse,
        ListEntries,
        ListEntriesResponse,
        Pull,
        PullResponse,
    ];
    let governance = names![
        Propose,
        ProposeResponse,
        Vote,
        VoteResponse,
        ListProposals,
        ListProposalsResponse,
        ShowGovernance,
        ShowGovernanceResponse,
        PrepareKey,
        PrepareKeyResponse,
        RotateKey,
        RotateKeyResponse,
        ListKeys,
        ListKeysResponse,
    ];
    let typed: BTreeSet<QName> = [&trading[..], &directory, &authority, &registry, &audit, &governance].concat().into_iter().collect();
    let mut spoken = BTreeSet::new();
    for service in wsdl::SERVICES {
        let contract = wsdl::contract(service).unwrap();
        for operation in contract.ports().flat_map(|port| &port.operations) {
            spoken.insert(operation.input.clone());
            spoken.extend(operation.output.clone());
            assert!(operation.faults.iter().all(|fault| fault.element == FaultDetail::name()));
        }
    }
    assert_eq!(typed, spoken);
}
