//! Which instructions packets go through: asked of the processor once, and fixed when a session's keys are made.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

/// Names a [`Path`] to take in place of the processor's best: for tests and for comparing.
pub const PATH_VARIABLE: &str = "SEALRTP_SRTP_PATH";

/// A set of instructions that packets go through. All give the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Path {
    /// None of this crate's: the caller's own way.
    Portable,
    /// x86-64 with AES-NI, PCLMULQDQ and SSE4.1, from Westmere on; SHA-1 without instructions for it.
    AesNiSse,
    /// [`AesNiSse`](Self::AesNiSse) with AVX2, BMI1 and BMI2, from Haswell on: an encoding that spares copies of registers, shorter rounds of SHA-1.
    AesNi,
    /// [`AesNiSse`](Self::AesNiSse) and SHA-NI: Goldmont and its successors, which have no AVX.
    ShaNiSse,
    /// [`AesNi`](Self::AesNi) and SHA-NI.
    ShaNi,
    /// [`ShaNi`](Self::ShaNi) with VAES, VPCLMULQDQ and AVX-512 (F, BW, DQ, VL, VBMI).
    Vaes512,
    /// aarch64 with AES, PMULL and SHA-1.
    Armv8,
}

/// A name in [`PATH_VARIABLE`] that cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathError {
    /// No path has this name.
    Unknown(String),
    /// The processor lacks instructions of this path.
    Unavailable(Path),
}

impl Path {
    /// Every path, slowest first.
    pub const ALL: [Self; 7] = [
        Self::Portable,
        Self::AesNiSse,
        Self::AesNi,
        Self::ShaNiSse,
        Self::ShaNi,
        Self::Vaes512,
        Self::Armv8,
    ];

    /// The name in [`PATH_VARIABLE`] and in what administrators read.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::AesNiSse => "aes-ni-sse",
            Self::AesNi => "aes-ni",
            Self::ShaNiSse => "sha-ni-sse",
            Self::ShaNi => "sha-ni",
            Self::Vaes512 => "vaes-512",
            Self::Armv8 => "armv8",
        }
    }

    /// Whether the processor has the instructions.
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::AesNiSse => {
                is_x86_feature_detected!("aes")
                    && is_x86_feature_detected!("pclmulqdq")
                    && is_x86_feature_detected!("sse4.1")
            }
            #[cfg(target_arch = "x86_64")]
            Self::AesNi => {
                Self::AesNiSse.is_available()
                    && is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("bmi1")
                    && is_x86_feature_detected!("bmi2")
            }
            #[cfg(target_arch = "x86_64")]
            Self::ShaNiSse => Self::AesNiSse.is_available() && is_x86_feature_detected!("sha"),
            #[cfg(target_arch = "x86_64")]
            Self::ShaNi => Self::AesNi.is_available() && Self::ShaNiSse.is_available(),
            #[cfg(target_arch = "x86_64")]
            Self::Vaes512 => {
                Self::ShaNi.is_available()
                    && is_x86_feature_detected!("vaes")
                    && is_x86_feature_detected!("vpclmulqdq")
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512vbmi")
            }
            #[cfg(target_arch = "aarch64")]
            Self::Armv8 => {
                cfg!(target_endian = "little")
                    && std::arch::is_aarch64_feature_detected!("aes")
                    && std::arch::is_aarch64_feature_detected!("pmull")
                    && std::arch::is_aarch64_feature_detected!("sha2")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Armv8 => false,
            #[cfg(target_arch = "aarch64")]
            Self::AesNiSse | Self::AesNi | Self::ShaNiSse | Self::ShaNi | Self::Vaes512 => false,
            #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
            Self::AesNiSse | Self::AesNi | Self::ShaNiSse | Self::ShaNi | Self::Vaes512 | Self::Armv8 => {
                false
            }
        }
    }

    /// The paths of this processor, slowest first; [`Portable`](Self::Portable) is always there.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|path| path.is_available())
    }

    /// The processor's best.
    pub fn best() -> Self {
        Self::available().last().unwrap_or(Self::Portable)
    }

    /// The path that [`PATH_VARIABLE`] names, or the best; read once in a process.
    ///
    /// # Errors
    /// What is wrong with the name. No path is weaker than another, so that the best may be taken then.
    pub fn requested() -> Result<Self, PathError> {
        static REQUESTED: OnceLock<Result<Path, PathError>> = OnceLock::new();
        REQUESTED
            .get_or_init(|| match std::env::var(PATH_VARIABLE) {
                Ok(name) => name.parse(),
                Err(_) => Ok(Self::best()),
            })
            .clone()
    }

    /// [`requested`](Self::requested), or the best where the name cannot be followed.
    pub fn chosen() -> Self {
        static CHOSEN: OnceLock<Path> = OnceLock::new();
        *CHOSEN.get_or_init(|| Self::requested().unwrap_or_else(|_| Self::best()))
    }

    /// [`chosen`](Self::chosen), for AES-CM with HMAC-SHA1: where [`PATH_VARIABLE`] names none, [`ShaNi`](Self::ShaNi) in place of
    /// [`Vaes512`](Self::Vaes512) on other processors than AMD's. Intel's take hundreds of cycles for each change between the
    /// encodings of SHA-NI and AVX-512, 22 microseconds for a packet of 160 bytes.
    pub fn chosen_for_cm() -> Self {
        static CHOSEN: OnceLock<Path> = OnceLock::new();
        *CHOSEN.get_or_init(|| {
            let named = std::env::var(PATH_VARIABLE).is_ok_and(|name| name.parse::<Self>().is_ok());
            if named { Self::chosen() } else { Self::chosen().for_cm(mixes_encodings()) }
        })
    }

    fn for_cm(self, mixes_encodings: bool) -> Self {
        if self == Self::Vaes512 && !mixes_encodings { Self::ShaNi } else { self }
    }
}

/// Whether instructions of SSE's encoding may stand among those of AVX-512's for nothing. SSE4a is AMD's alone.
fn mixes_encodings() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("sse4a");
    #[cfg(not(target_arch = "x86_64"))]
    true
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(name: &str) -> Result<Self, PathError> {
        let path = Self::ALL.into_iter().find(|path| path.name() == name);
        let path = path.ok_or_else(|| PathError::Unknown(name.to_owned()))?;
        if path.is_available() { Ok(path) } else { Err(PathError::Unavailable(path)) }
    }
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => {
                write!(f, "{PATH_VARIABLE}={name:?} is no path of packets; there are")?;
                Path::ALL.iter().try_for_each(|path| write!(f, " {path}"))
            }
            Self::Unavailable(path) => {
                write!(f, "{PATH_VARIABLE}={path}: this processor lacks its instructions; it has")?;
                Path::available().try_for_each(|path| write!(f, " {path}"))
            }
        }
    }
}

impl std::error::Error for PathError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_known_by_its_name_where_the_processor_has_it() {
        for path in Path::ALL {
            let expected = if path.is_available() { Ok(path) } else { Err(PathError::Unavailable(path)) };
            assert_eq!(path.name().parse(), expected);
        }
        let error = "sse9".parse::<Path>().unwrap_err();
        assert!(error.to_string().contains("portable aes-ni-sse aes-ni"), "{error}");
    }

    #[test]
    fn aes_cm_keeps_to_one_encoding_where_the_processor_pays_for_changes() {
        assert_eq!(Path::Vaes512.for_cm(false), Path::ShaNi);
        assert_eq!(Path::Vaes512.for_cm(true), Path::Vaes512);
        for path in Path::ALL.into_iter().filter(|path| *path != Path::Vaes512) {
            assert_eq!(path.for_cm(false), path);
        }
        assert!(Path::chosen_for_cm().is_available());
    }

    #[test]
    fn the_best_path_is_available() {
        assert!(Path::best().is_available());
        assert!(Path::available().any(|path| path == Path::best()));
    }
}
