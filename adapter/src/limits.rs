//! What an HTTP exchange may cost, checked at the edge before any parser.

/// Bounds of the server and of the client. Milliseconds, octets and counts, as the names say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// Connections open at once; one more is closed at once.
    pub connections_max: usize,
    /// Calls being answered at once; one more is told 503.
    pub calls_max: usize,
    /// Octets of a request's or reply's start line and headers.
    pub header_bytes_max: usize,
    /// Header fields of a request or reply.
    pub headers_max: usize,
    /// For the TLS handshake, and from the first octet of a request to the end of its headers.
    pub header_timeout_ms: u64,
    /// Octets of a body, before and after decompression.
    pub body_bytes_max: usize,
    /// Grace for a body, to which its octets at the least rate are added.
    pub body_timeout_ms: u64,
    /// The least rate at which a body must come, in octets a second.
    pub body_rate_min: u64,
    /// How many times larger than its compressed form a body may be.
    pub gzip_ratio_max: usize,
    /// How long a peer may refuse to take octets that are ready for it.
    pub write_timeout_ms: u64,
    /// How long calls in flight may take once the server is told to stop.
    pub drain_timeout_ms: u64,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connections_max: 2_048,
            calls_max: 256,
            header_bytes_max: 32 << 10,
            headers_max: 100,
            header_timeout_ms: 10_000,
            body_bytes_max: 10 << 20,
            body_timeout_ms: 10_000,
            body_rate_min: 1 << 10,
            gzip_ratio_max: 100,
            write_timeout_ms: 30_000,
            drain_timeout_ms: 10_000,
        }
    }
}
