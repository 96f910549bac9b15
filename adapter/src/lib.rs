//! The gateway of one sector: one message in, one message out.

pub mod addressing;
pub mod config;
pub mod fault;
pub mod pki;
pub mod security;
pub mod soap;
pub mod unified;
