//! `waybill`.
fn main() {}
