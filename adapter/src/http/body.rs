//! Bodies on their way in: size, speed and decompression within bounds.

use crate::fault::{Fault, Reason};
use crate::limits::HttpLimits;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap};
use std::io::Read;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Compressed octets beyond this are decompressed beside the runtime, not in it.
const INLINE_BYTES_MAX: usize = 16 << 10;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
}

/// The whole body, decompressed.
pub(super) async fn read(headers: &HeaderMap, incoming: Incoming, limits: &HttpLimits) -> Result<Vec<u8>, Fault> {
    let coding = coding(headers)?;
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let too_large = || Fault::new(Reason::TooLarge, format!("a body has at most {} octets", limits.body_bytes_max));
    if announced.is_some_and(|length| usize::try_from(length).map_or(true, |length| length > limits.body_bytes_max)) {
        return Err(too_large());
    }
    // Asking for the first frame is what makes hyper answer `Expect: 100-continue`, so it comes after the checks above.
    let octets = collect(incoming, limits, too_large).await?;
    match coding {
        None => Ok(octets),
        Some(_) if octets.is_empty() => Ok(octets),
        Some(coding) if octets.len() <= INLINE_BYTES_MAX => decompress(coding, &octets, limits),
        Some(coding) => {
            let limits = *limits;
            let task = tokio::task::spawn_blocking(move || decompress(coding, &octets, &limits));
            task.await.map_err(|_failed| Fault::new(Reason::Internal, "decompression did not end"))?
        }
    }
}

fn coding(headers: &HeaderMap) -> Result<Option<Coding>, Fault> {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    let (first, second) = (codings.next(), codings.next());
    let name = first.map(|value| value.to_str().unwrap_or("?").trim().to_ascii_lowercase());
    match (name.as_deref(), second) {
        (None | Some("" | "identity"), None) => Ok(None),
        (Some("gzip" | "x-gzip"), None) => Ok(Some(Coding::Gzip)),
        (Some("deflate"), None) => Ok(Some(Coding::Deflate)),
        _ => Err(Fault::new(Reason::MediaType, "the content coding is not gzip, deflate or identity")),
    }
}

async fn collect(mut incoming: Incoming, limits: &HttpLimits, too_large: impl Fn() -> Fault) -> Result<Vec<u8>, Fault> {
    let mut octets: Vec<u8> = Vec::new();
    let begun = Instant::now();
    while !incoming.is_end_stream() {
        let earned_ms = u64::try_from(octets.len()).unwrap_or(u64::MAX).saturating_mul(1000) / limits.body_rate_min.max(1);
        let deadline = begun + Duration::from_millis(limits.body_timeout_ms.saturating_add(earned_ms).min(86_400_000));
        let late = |_elapsed| Fault::new(Reason::RequestTimeout, "the body comes too slowly");
        let Some(frame) = timeout_at(deadline, incoming.frame()).await.map_err(late)? else { break };
        let frame = frame.map_err(|_broken| Fault::new(Reason::BadRequest, "the body breaks off or is not framed as it says"))?;
        let Ok(data) = frame.into_data() else { continue };
        if octets.len() + data.len() > limits.body_bytes_max {
            return Err(too_large());
        }
        octets.extend_from_slice(&data);
    }
    Ok(octets)
}

fn decompress(coding: Coding, compressed: &[u8], limits: &HttpLimits) -> Result<Vec<u8>, Fault> {
    let ratio = compressed.len().saturating_mul(limits.gzip_ratio_max.max(1));
    let max = limits.body_bytes_max.min(ratio);
    let over = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    let mut octets = Vec::new();
    let result = match coding {
        Coding::Gzip => MultiGzDecoder::new(compressed).take(over).read_to_end(&mut octets),
        Coding::Deflate => ZlibDecoder::new(compressed).take(over).read_to_end(&mut octets),
    };
    result.map_err(|_broken| Fault::new(Reason::BadRequest, "the body is not compressed as its Content-Encoding says"))?;
    if octets.len() > max {
        let sentence =
            format!("a compressed body grows to at most {} octets and {} times its size", limits.body_bytes_max, limits.gzip_ratio_max);
        return Err(Fault::new(Reason::TooLarge, sentence));
    }
    Ok(octets)
}
