//! What can be wrong with a contract: the rules by their numbers, and what was found where.

use std::fmt;
use xsd::tree::Place;

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Something cannot be used, or two toolkits would send different octets for it.
    Error,
    /// It departs from the standard, and what is meant is still clear.
    Warning,
    /// Worth knowing before traffic flows.
    Note,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

macro_rules! rules {
    ($($name:ident $severity:ident $sentence:literal)*) => {
        /// A rule that contracts are held against: `R…` of WS-I Basic Profile 1.1 by its number, `W…` where the profile has none.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Rule {
            $(#[doc = $sentence] $name,)*
        }

        impl Rule {
            /// Every rule, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The number, as `R2706`.
            #[must_use]
            pub fn id(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// What the rule asks, in one sentence.
            #[must_use]
            pub fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence,)* }
            }

            /// What breaking it weighs.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)* }
            }
        }
    };
}

rules! {
    R2001 Warning "wsdl:import brings WSDL documents only; schemas come by xs:import inside wsdl:types."
    R2004 Error "The schemaLocation of an xs:import leads to a document whose root is xs:schema."
    R2005 Warning "The targetNamespace of an imported WSDL is the namespace of its wsdl:import."
    R2007 Error "wsdl:import has a location."
    R2022 Warning "wsdl:import stands before all other elements of WSDL but wsdl:documentation."
    R2023 Warning "wsdl:types stands before all other elements of WSDL but wsdl:documentation and wsdl:import."
    R2026 Warning "No extension is wsdl:required: a caller that does not know it must refuse the contract."
    R2101 Error "Names refer to components of the document's own namespace or of an imported one."
    R2105 Warning "Every schema in wsdl:types has a targetNamespace, unless all it has is imports."
    R2110 Warning "No type extends or restricts soapenc:Array."
    R2201 Error "The soap:body of a document/literal message names at most one part."
    R2203 Error "The parts of an rpc/literal body are defined by type."
    R2204 Error "The parts of a document/literal body are defined by element."
    R2205 Warning "The parts of headers and faults are defined by element."
    R2206 Error "The element of a part is a global element of a schema."
    R2209 Warning "A binding binds every part of its messages."
    R2210 Error "A document/literal body without the attribute parts has a message of at most one part."
    R2303 Error "No operation is a notification or a solicit-response."
    R2304 Error "The operations of a port type have different names."
    R2306 Error "A part has an element or a type, and not both."
    R2401 Error "A binding is the SOAP binding of WSDL 1.1."
    R2701 Warning "soap:binding has the attribute transport."
    R2702 Error "The transport is http://schemas.xmlsoap.org/soap/http."
    R2705 Error "All operations of a binding have one style."
    R2706 Error "All uses are literal."
    R2710 Error "The operations of a binding differ in what stands in the Body."
    R2711 Warning "No two ports have one address."
    R2716 Warning "A document/literal binding has no namespace on soap:body, header and fault."
    R2717 Error "An rpc/literal binding has a namespace, an absolute URI, on soap:body."
    R2718 Error "A binding has the operations of its port type."
    R2721 Warning "soap:fault has a name."
    R2726 Warning "An rpc/literal binding has no namespace on soap:header and soap:fault."
    R2740 Warning "A binding has a soap:fault for each fault of the operation."
    R2754 Warning "The name of soap:fault is that of its wsdl:fault."
    R2803 Warning "No namespace is a relative URI."
    W001 Error "A contract is well-formed XML."
    W002 Error "The root of a contract is wsdl:definitions of WSDL 1.1."
    W003 Error "Every document that is imported is there."
    W004 Warning "A schema at an address on the network is given as a file: nothing is fetched, and what it declares stays opaque."
    W005 Error "A contract brings at most 256 documents."
    W010 Error "Names refer to components that are there."
    W011 Error "Components of one kind have different names."
    W020 Error "A service has a port that speaks SOAP."
    W021 Warning "A port has a soap:address."
    W022 Error "The address is of the SOAP version of the binding."
    W023 Warning "HTTP GET and POST bindings are not usable here: their messages are no envelopes."
    W024 Warning "A binding belongs to a port."
    W030 Error "The Body has a child: without parts nothing says which operation is called."
    W031 Warning "The binding says how each message of the operation is sent."
    W032 Error "The part that a body or a header names is a part of the message."
    W033 Error "The type of a part is a type of a schema."
    W034 Warning "An element or type of a schema that is not there cannot be checked."
    W035 Warning "Attachments beside the envelope do not travel through a mapping."
    W040 Note "soap:operation has a soapAction: without it SOAPAction is the empty string."
    W041 Note "The request's element is named as its operation: X-Road dispatches by that name."
    W042 Note "A chameleon include cannot be served inline."
}

/// A rule that a contract breaks, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// The document.
    pub file: String,
    /// Where in it.
    pub place: Place,
    /// What, in one sentence.
    pub what: String,
}

impl Finding {
    /// What it weighs: that of its rule.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.rule.severity()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}] {}:{}: {}", self.severity(), self.rule.id(), self.file, self.place, self.what)
    }
}

impl std::error::Error for Finding {}
