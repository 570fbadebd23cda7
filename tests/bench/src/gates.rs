//! What has to be reached: how many times faster than libsrtp on OpenSSL, in the same process, and what a stream may cost.

use sealrtp_srtp::Suite;
use sealrtp_srtp_accel::Path;

use crate::measured::Way;

/// Bytes of payload that have gates.
pub const PAYLOADS: [usize; 4] = [20, 80, 160, 1200];
/// Bytes of payload of a G.711 packet of 20 ms: what is measured with many streams.
pub const G711: usize = 160;
/// Streams that take turns in the gate of cold contexts.
pub const MANY: usize = 2_000;
/// Nanoseconds that making one direction of a stream stays below, keys of RTP and RTCP together.
pub const CREATION_NS: f64 = 1_000.0;
/// Bytes that one direction of a stream stays below, keys of RTP and RTCP together.
pub const STREAM_BYTES: usize = 1_536;

/// How many times faster than libsrtp a packet of RTCP is at least, on every path and in every suite.
pub const CONTROL_RATIO: f64 = 1.0;

/// Packets in one call that have a gate.
pub const BURST: usize = 8;

struct Row {
    paths: &'static [Path],
    suites: &'static [Suite],
    /// At each of [`PAYLOADS`], with one stream.
    ratios: [f64; 4],
}

const CM128: &[Suite] = &[Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_32];
const CM256: &[Suite] = &[Suite::AesCm256HmacSha1_80];
const GCM128: &[Suite] = &[Suite::AeadAes128Gcm];
const GCM256: &[Suite] = &[Suite::AeadAes256Gcm];

#[rustfmt::skip]
const TABLE: [Row; 9] = {
    use Path::{AesNi, AesNiSse, ShaNi, ShaNiSse, Vaes512};
    [
        // Without the encoding of AVX.
        Row { paths: &[ShaNiSse],       suites: CM128,  ratios: [3.3, 2.4, 2.1, 1.3] },
        Row { paths: &[ShaNiSse],       suites: CM256,  ratios: [3.1, 2.3, 2.0, 1.3] },
        Row { paths: &[ShaNi],          suites: CM128,  ratios: [3.5, 2.8, 2.4, 1.35] },
        Row { paths: &[Vaes512],        suites: CM128,  ratios: [3.5, 3.2, 2.7, 1.4] },
        Row { paths: &[ShaNi, Vaes512], suites: CM256,  ratios: [3.3, 2.7, 2.3, 1.3] },
        Row { paths: &[AesNiSse, AesNi, ShaNiSse, ShaNi], suites: GCM128, ratios: [4.5, 5.0, 3.5, 2.2] },
        Row { paths: &[Vaes512],        suites: GCM128, ratios: [7.0, 7.0, 6.0, 3.2] },
        Row { paths: &[Vaes512],        suites: GCM256, ratios: [5.5, 4.5, 4.5, 2.8] },
        Row { paths: &[AesNiSse, AesNi], suites: CM128,  ratios: [2.0, 1.8, 1.6, 1.1] },
    ]
};

/// How many times faster than libsrtp this has to be, if that is laid down. Many streams have a gate on the processor's best
/// path only.
pub fn ratio(path: Path, suite: Suite, streams: usize, payload: usize) -> Option<f64> {
    match streams {
        1 => {
            let row = TABLE.iter().find(|row| row.paths.contains(&path) && row.suites.contains(&suite))?;
            let column = PAYLOADS.iter().position(|known| *known == payload)?;
            Some(row.ratios[column])
        }
        MANY if payload == G711 && path == Path::best() => {
            if CM128.contains(&suite) {
                Some(4.0)
            } else if GCM128.contains(&suite) {
                Some(6.0)
            } else {
                None
            }
        }
        _ => None,
    }
}

/// How many times faster than one by one packets of a call have to be, where chains of SHA-1 go side by side.
pub fn batch_ratio(path: Path, suite: Suite, payload: usize, packets: usize, way: Way) -> Option<f64> {
    if payload != G711 || packets != BURST || !(CM128.contains(&suite) || CM256.contains(&suite)) {
        return None;
    }
    match (path, way) {
        (Path::Vaes512, Way::Protect) => Some(1.5),
        (Path::Vaes512, Way::Unprotect) | (Path::ShaNi, Way::Protect) => Some(1.3),
        (Path::ShaNi, Way::Unprotect) => Some(1.1),
        _ => None,
    }
}
