//! The gateway of one sector: one message in, one message out.

pub mod addressing;
pub mod client;
pub mod config;
pub mod fault;
pub mod http;
pub mod legacy_system;
pub mod limits;
pub mod pki;
pub mod security;
pub mod soap;
pub mod tls;
pub mod unified;
