//! `waybill`: the gateway of a government sector.

use std::process::ExitCode;

/// A node's work is many small allocations on one thread, which the C library's allocator spends a tenth of its time on.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    adapter::cli::main()
}
