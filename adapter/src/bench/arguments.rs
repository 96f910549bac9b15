//! What `waybill bench` can be told.

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Verbs of `bench`.
#[derive(Debug, Subcommand)]
pub enum Bench {
    /// Three processes of this program and three of etcd on the loopback, in turn. Ends 1 when a figure misses its floor.
    Ledger(BenchLedger),
    /// Parse and validate, beside libxml2 in process and Xerces in a warm JVM, in turn. Ends 1 when a figure misses its floor.
    Xsd(BenchXsd),
    /// Mapping, beside libxslt in process and Saxon in a warm JVM, which run the stylesheet that `map export` writes, in turn. Ends 1 when a
    /// figure misses its floor.
    Map(BenchMap),
    /// The physical limit: an append that a majority of three has with fdatasync.
    Sol3(Sol3),
}

/// Arguments of `bench ledger`.
#[derive(Debug, Args)]
pub struct BenchLedger {
    /// The system to compare with.
    #[arg(long, value_enum, default_value_t = Peer::Etcd)]
    pub peer: Peer,
    /// Its program.
    #[arg(long, env = "WAYBILL_ETCD", default_value = "etcd")]
    pub etcd: PathBuf,
    /// Where the data goes, on the disk that is to be measured; must not exist, and is removed at the end.
    #[arg(long, default_value = "bench-data")]
    pub dir: PathBuf,
    /// Print one JSON object a line and figure.
    #[arg(long)]
    pub json: bool,
    /// Fewer and shorter bursts.
    #[arg(long)]
    pub quick: bool,
    /// Only these figures: P1, P2 …, sweep.
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<String>,
    /// Records on the ledger when sizes, the restart and a new node are measured.
    #[arg(long, default_value_t = 100_000)]
    pub scale: u64,
}

/// Systems to compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Peer {
    /// etcd.
    Etcd,
}

/// Arguments of `bench xsd`.
#[derive(Debug, Args)]
pub struct BenchXsd {
    /// Whom to measure beside.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "libxml2,xerces")]
    pub peer: Vec<XsdPeer>,
    /// Where the peers' sources are.
    #[arg(long, default_value = "conformance/peers/xsd")]
    pub peers: PathBuf,
    /// Where the documents and schemas go; must not exist, and is removed at the end.
    #[arg(long, default_value = "bench-data")]
    pub dir: PathBuf,
    /// Print one JSON object a line and figure.
    #[arg(long)]
    pub json: bool,
    /// Fewer and shorter rounds.
    #[arg(long)]
    pub quick: bool,
}

/// Validators to compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum XsdPeer {
    /// libxml2, through a small C program that is compiled here.
    Libxml2,
    /// The JDK's Xerces.
    Xerces,
}

/// Arguments of `bench map`.
#[derive(Debug, Args)]
pub struct BenchMap {
    /// Whom to measure beside.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "libxslt")]
    pub peer: Vec<MapPeer>,
    /// Where the peers' sources are, and the mapping that is measured.
    #[arg(long, default_value = "conformance/peers/map")]
    pub peers: PathBuf,
    /// Saxon-HE 10's jar, which needs no other (net.sf.saxon:Saxon-HE:10.9).
    #[arg(long, default_value = "saxon-he.jar")]
    pub saxon: PathBuf,
    /// Where the documents and the stylesheet go; must not exist, and is removed at the end.
    #[arg(long, default_value = "bench-data")]
    pub dir: PathBuf,
    /// Print one JSON object a line and figure.
    #[arg(long)]
    pub json: bool,
    /// Fewer and shorter rounds.
    #[arg(long)]
    pub quick: bool,
}

/// Processors of XSLT to compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MapPeer {
    /// libxslt, through a small C program that is compiled here.
    Libxslt,
    /// Saxon-HE, through a small Java program.
    Saxon,
}

/// Arguments of `bench sol3`.
#[derive(Debug, Args)]
pub struct Sol3 {
    /// Where the files go, on the disk that is to be measured.
    #[arg(long, default_value = "bench-data")]
    pub dir: PathBuf,
    /// Print one JSON object a line and figure.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of the hidden `ledger-node`.
#[derive(Debug, Args)]
pub struct LedgerNode {
    /// What `bench` has put there: genesis, keys, certificates.
    #[arg(long)]
    pub dir: PathBuf,
}
