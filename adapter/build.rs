//! How the program `waybill` is linked: OpenSSL and libgcc are part of it, because to open and bind shared ones was a third of a short run.

use std::env;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=WAYBILL_OPENSSL");
    let set = |name: &str| env::var_os(name).is_some();
    let native = env::var_os("HOST") == env::var_os("TARGET");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("linux") || !native {
        return;
    }
    // 52,000 addresses in the program's own tables are bits then, and no table of 24 octets each. glibc knows them since 2.36.
    if env::var("CARGO_CFG_TARGET_ENV").as_deref() == Ok("gnu") {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    let shared = env::var("WAYBILL_OPENSSL").as_deref() == Ok("shared") || set("OPENSSL_DIR") || set("OPENSSL_LIB_DIR");
    if let (false, Some(out)) = (shared, env::var_os("OUT_DIR")) {
        link(Path::new(&out));
    }
}

/// A folder that has the archives alone is searched before the system's, which has the shared libraries, too. So the program takes the
/// archives, and what else is built with the crate `openssl`, tests beside other users of libcrypto among it, the shared ones as ever.
fn link(out: &Path) {
    const LIBRARIES: [(&str, &str); 3] = [("libssl.a", "libssl.a"), ("libcrypto.a", "libcrypto.a"), ("libgcc_eh.a", "libgcc_s.a")];
    let found: Vec<(PathBuf, &str)> = LIBRARIES.iter().filter_map(|(name, shared)| Some((archive(name)?, *shared))).collect();
    let made = found.len() == LIBRARIES.len()
        && found.iter().all(|(archive, name)| {
            let here = out.join(name);
            (!here.exists() || std::fs::remove_file(&here).is_ok()) && symlink(archive, here).is_ok()
        });
    if made {
        println!("cargo::rustc-link-arg-bins=-L{}", out.display());
        println!("cargo::rustc-link-arg-bins=-Wl,--exclude-libs,ALL");
    } else {
        println!("cargo::warning=libssl.a, libcrypto.a and libgcc_eh.a are not where cc finds them: waybill takes the shared OpenSSL");
    }
}

/// Where the compiler finds a library.
fn archive(name: &str) -> Option<PathBuf> {
    let printed = Command::new("cc").arg(format!("-print-file-name={name}")).output().ok()?;
    let path = PathBuf::from(String::from_utf8(printed.stdout).ok()?.trim());
    path.is_absolute().then(|| path.canonicalize().ok()).flatten()
}
