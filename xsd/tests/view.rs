//! The view of the schema graph that mappings compile against.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at what it did not expect")]

use xsd::Primitive;
use xsd::schema::{Schemas, TypeDef};
use xsd::tree::QName;

const SHOP: &str = "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' xmlns:s='urn:s' xmlns:sawsdl='http://www.w3.org/ns/sawsdl' targetNamespace='urn:s' elementFormDefault='qualified'>
  <xs:element name='order' type='s:Order' sawsdl:modelReference='urn:m:1 urn:m:2'><xs:annotation><xs:documentation> An order. </xs:documentation></xs:annotation></xs:element>
  <xs:complexType name='Order'><xs:sequence>
    <xs:element name='party' type='s:Party'/>
    <xs:sequence minOccurs='0' maxOccurs='4'><xs:element name='item' minOccurs='2' maxOccurs='3'/><xs:element name='note' type='xs:string' minOccurs='0'/></xs:sequence>
    <xs:choice><xs:element name='cash' type='xs:decimal'/><xs:element ref='s:card'/></xs:choice>
    <xs:any namespace='##other' minOccurs='0' processContents='lax'/>
  </xs:sequence><xs:attribute name='no' type='s:Number' use='required'/><xs:attribute name='state' type='s:State' default='open'/></xs:complexType>
  <xs:element name='card' type='s:Card'/><xs:element name='debit' type='s:Card' substitutionGroup='s:card'/>
  <xs:complexType name='Card'><xs:simpleContent><xs:extension base='s:Number'><xs:attribute name='issuer' type='xs:token' fixed='X'/></xs:extension></xs:simpleContent></xs:complexType>
  <xs:simpleType name='Number'><xs:restriction base='xs:token'><xs:pattern value='[0-9]+'/><xs:maxLength value='9'/></xs:restriction></xs:simpleType>
  <xs:simpleType name='State'><xs:restriction base='xs:token'><xs:enumeration value='open'/><xs:enumeration value='done'/></xs:restriction></xs:simpleType>
  <xs:complexType name='Party' abstract='true'><xs:sequence><xs:element name='name' type='xs:string'/></xs:sequence></xs:complexType>
  <xs:complexType name='Person'><xs:complexContent><xs:extension base='s:Party'><xs:sequence><xs:element name='born' type='xs:date' nillable='true'/></xs:sequence></xs:extension></xs:complexContent></xs:complexType>
  <xs:complexType name='Child'><xs:complexContent><xs:extension base='s:Person'/></xs:complexContent></xs:complexType>
  <xs:complexType name='Firm'><xs:complexContent><xs:extension base='s:Party'/></xs:complexContent></xs:complexType>
</xs:schema>";

fn schemas() -> Schemas {
    Schemas::load(&[("shop.xsd", SHOP.as_bytes())], &|_, _| None).unwrap()
}

fn names(types: &[TypeDef<'_>]) -> Vec<String> {
    types.iter().map(|known| known.name().unwrap().local().to_owned()).collect()
}

#[test]
fn elements_types_and_children() {
    let schemas = schemas();
    let order = schemas.element(&QName::new("urn:s", "order")).unwrap();
    assert_eq!(order.model_references(), ["urn:m:1", "urn:m:2"]);
    assert_eq!(order.documentation(), Some("An order."));
    assert_eq!(order.source().to_string(), "shop.xsd:2:3");
    let definition = order.type_definition();
    let children: Vec<String> = definition
        .children()
        .iter()
        .map(|child| format!("{} {} {:?} {} {}", child.element.name().local(), child.min, child.max, child.choice.is_some(), child.order))
        .collect();
    let expected =
        ["party 1 Some(1) false 0", "item 0 Some(12) false 1", "note 0 Some(4) false 2", "cash 0 Some(1) true 3", "card 0 Some(1) true 4"];
    assert_eq!(children, expected);
    assert!(definition.has_any() && !definition.has_any_attribute() && !definition.is_simple() && !definition.is_mixed());
    assert_eq!(definition.child(&QName::new("urn:s", "debit")).unwrap().element.name().local(), "card");
    assert!(definition.child(&QName::new("urn:s", "none")).is_none());
}

#[test]
fn derivation() {
    let schemas = schemas();
    let named = |local: &str| schemas.type_named(&QName::new("urn:s", local)).unwrap();
    let (party, child) = (named("Party"), named("Child"));
    assert!(party.is_abstract() && child.is_derived_from(party) && !party.is_derived_from(child));
    assert_eq!(names(&party.concrete_types()), ["Child", "Firm", "Person"]);
    assert_eq!(names(&child.ancestors().collect::<Vec<_>>()), ["Person", "Party", "anyType"]);
    let inherited: Vec<&str> = child.children().iter().map(|child| child.element.name().local()).collect();
    assert_eq!(inherited, ["name", "born"]);
    assert!(child.children().iter().any(|child| child.element.is_nillable()));
}

#[test]
fn simple_content_and_attributes() {
    let schemas = schemas();
    let named = |local: &str| schemas.type_named(&QName::new("urn:s", local)).unwrap();
    let number = named("Card").simple_content().unwrap();
    assert_eq!((number.primitive(), number.facets().max_length), (Some(Primitive::String), Some(9)));
    assert!(number.check(" 12 ").is_ok() && number.check("1234567890").is_err());
    assert!(named("Order").simple_content().is_none());
    let order = named("Order");
    let state = order.attribute("", "state").unwrap();
    assert_eq!((state.default(), state.fixed(), state.is_required()), (Some("open"), None, false));
    assert_eq!(state.type_definition().simple_content().unwrap().enumeration(), Some(vec!["open", "done"]));
    assert!(order.attribute("", "no").unwrap().is_required() && order.attribute("urn:s", "no").is_none());
    assert_eq!(named("Card").attribute("", "issuer").unwrap().fixed(), Some("X"));
}

#[test]
fn children_are_put_into_the_order_of_the_model() {
    let schemas = schemas();
    let order = schemas.type_named(&QName::new("urn:s", "Order")).unwrap();
    let check = |given: &str, expected: &str| {
        let names: Vec<QName> =
            given.split(' ').map(|local| QName::new(if local.starts_with('x') { "urn:x" } else { "urn:s" }, local)).collect();
        let references: Vec<&QName> = names.iter().collect();
        let arranged: Vec<&str> = order.arrange(&references).into_iter().map(|at| names[at].local()).collect();
        assert_eq!(arranged.join(" "), expected, "{given}");
    };
    check("cash party", "party cash");
    check("x1 debit note item item item party note item item", "party item item item note item item note debit x1");
    check("none cash party", "party cash none");
    check("party", "party");
}
