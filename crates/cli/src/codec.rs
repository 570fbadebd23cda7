//! G.711 (ITU-T G.711, RFC 3551 section 4.5.14).

use clap::ValueEnum;

/// Samples a second of G.711.
pub const RATE: u32 = 8000;

/// A codec of ours, with its static payload type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Codec {
    /// G.711 mu-law, payload type 0.
    Pcmu,
    /// G.711 A-law, payload type 8.
    Pcma,
}

/// Decoded octets, one row for each codec.
static LINEAR: [[i16; 256]; 2] = {
    let mut rows = [[0; 256]; 2];
    let mut octet = 0;
    while octet < 256 {
        rows[Codec::Pcmu as usize][octet] = mu_law(octet as u8);
        rows[Codec::Pcma as usize][octet] = a_law(octet as u8);
        octet += 1;
    }
    rows
};

/// What mu-law adds to a magnitude, in 16-bit steps.
const BIAS: i16 = 0x84;
/// The largest magnitude mu-law can say.
const CLIP: u16 = 32_635;
/// A-law has every second bit inverted.
const EVEN_BITS: u8 = 0x55;

const fn mu_law(octet: u8) -> i16 {
    let code = !octet;
    let magnitude = ((((code & 0x0f) as i16) << 3) + BIAS) << ((code & 0x70) >> 4);
    if code & 0x80 == 0 { magnitude - BIAS } else { BIAS - magnitude }
}

const fn a_law(octet: u8) -> i16 {
    let code = octet ^ EVEN_BITS;
    let step = ((code & 0x0f) as i16) << 4;
    let magnitude = match (code & 0x70) >> 4 {
        0 => step + 8,
        segment => (step + 0x108) << (segment - 1),
    };
    if code & 0x80 == 0 { -magnitude } else { magnitude }
}

impl Codec {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Pcmu, Self::Pcma];

    /// The encoding name in `a=rtpmap`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// The static payload type of RFC 3551 table 4.
    pub const fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
        }
    }

    /// The codec of a static payload type.
    pub fn from_payload_type(payload_type: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.payload_type() == payload_type)
    }

    /// One octet as a 16-bit linear sample.
    pub fn decode(self, octet: u8) -> i16 {
        LINEAR[self as usize][usize::from(octet)]
    }

    /// A 16-bit linear sample as one octet.
    pub fn encode(self, sample: i16) -> u8 {
        match self {
            Self::Pcmu => {
                let magnitude = sample.unsigned_abs().min(CLIP) + BIAS.unsigned_abs();
                let segment = 8 - magnitude.leading_zeros() as u8;
                let step = (magnitude >> (segment + 3)) as u8 & 0x0f;
                !(u8::from(sample < 0) << 7 | segment << 4 | step)
            }
            Self::Pcma => {
                // A negative sample counts from -1 down, so that both signs have a smallest interval.
                let magnitude = if sample < 0 { !sample } else { sample } as u16;
                let segment = (8 - magnitude.leading_zeros().min(8)) as u8;
                let step = (magnitude >> (segment.max(1) + 3)) as u8 & 0x0f;
                (u8::from(sample >= 0) << 7 | segment << 4 | step) ^ EVEN_BITS
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_the_recommendation() {
        for (octet, linear) in
            [(0x80, 32_124), (0x00, -32_124), (0xff, 0), (0xfe, 8), (0x7e, -8), (0xf0, 120)]
        {
            assert_eq!(Codec::Pcmu.decode(octet), linear, "mu-law {octet:#x}");
        }
        for (octet, linear) in
            [(0xaa, 32_256), (0x2a, -32_256), (0xd5, 8), (0x55, -8), (0xc5, 264), (0xda, 248)]
        {
            assert_eq!(Codec::Pcma.decode(octet), linear, "A-law {octet:#x}");
        }
    }

    #[test]
    fn an_octet_decoded_and_encoded_is_itself() {
        for codec in Codec::ALL {
            for octet in 0..=255 {
                // Mu-law has two zeros; the negative one is never made.
                let expected = if codec == Codec::Pcmu && octet == 0x7f { 0xff } else { octet };
                assert_eq!(codec.encode(codec.decode(octet)), expected, "{codec:?} {octet:#x}");
            }
        }
    }

    #[test]
    fn louder_samples_never_get_quieter_octets_and_none_is_off_by_more_than_its_quantum() {
        for codec in Codec::ALL {
            let mut before = i16::MIN;
            for sample in i16::MIN..=i16::MAX {
                let got = codec.decode(codec.encode(sample));
                assert!(got >= before, "{codec:?} {sample}");
                before = got;
                let off = (i32::from(got) - i32::from(sample)).abs();
                assert!(off <= i32::from(sample).abs() / 32 + 8, "{codec:?} {sample}: {got}");
            }
        }
    }
}
