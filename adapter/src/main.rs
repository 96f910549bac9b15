//! `waybill`: the gateway of a government sector.

use std::process::ExitCode;

fn main() -> ExitCode {
    adapter::cli::main()
}
