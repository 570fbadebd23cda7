//! An MKI between its decimal text and its bytes on the wire (RFC 4568 section 6.1).

/// Most digits read: 2^1024 has 309, the rest allows for leading zeros.
const MAX_DIGITS: usize = 320;

/// Writes the decimal number `digits` big-endian into the whole of `out`, zeros on the left.
/// False if it is no decimal number or does not fit.
pub(crate) fn from_decimal(digits: &str, out: &mut [u8]) -> bool {
    out.fill(0);
    if digits.is_empty() || digits.len() > MAX_DIGITS {
        return false;
    }
    for digit in digits.bytes() {
        if !digit.is_ascii_digit() {
            return false;
        }
        let mut carry = u32::from(digit - b'0');
        for byte in out.iter_mut().rev() {
            let v = u32::from(*byte) * 10 + carry;
            *byte = v as u8;
            carry = v >> 8;
        }
        if carry != 0 {
            return false;
        }
    }
    true
}

/// The decimal text of a big-endian number.
pub(crate) fn to_decimal(mki: &[u8]) -> String {
    let mut rest = mki.to_vec();
    let mut digits = Vec::new();
    while rest.iter().any(|b| *b != 0) {
        let mut remainder = 0u32;
        for byte in &mut rest {
            let v = remainder << 8 | u32::from(*byte);
            *byte = (v / 10) as u8;
            remainder = v % 10;
        }
        digits.push(char::from(b'0' + remainder as u8));
    }
    if digits.is_empty() {
        digits.push('0');
    }
    digits.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_is_padded_on_the_left() {
        let mut mki = [0xff; 32];
        assert!(from_decimal("1", &mut mki));
        assert_eq!(mki[..31], [0; 31]);
        assert_eq!(mki[31], 1);
        let mut mki = [0; 4];
        assert!(from_decimal("66051", &mut mki));
        assert_eq!(mki, [0, 1, 2, 3]);
        assert!(from_decimal("0000000000000000001", &mut mki));
        assert_eq!(mki, [0, 0, 0, 1]);
    }

    #[test]
    fn value_must_fit() {
        let mut mki = [0; 1];
        assert!(from_decimal("255", &mut mki));
        assert_eq!(mki, [255]);
        for bad in ["256", "999999999", "", "+1", "1a", "-1", " 1"] {
            assert!(!from_decimal(bad, &mut mki), "{bad}");
        }
        assert!(!from_decimal(&"0".repeat(MAX_DIGITS + 1), &mut mki));
    }

    #[test]
    fn decimal_is_the_inverse() {
        for len in [1, 2, 5, 8, 32, 128] {
            for fill in [0, 1, 0x80, 0xff] {
                let mki = vec![fill; len];
                let text = to_decimal(&mki);
                let mut back = vec![0x55; len];
                assert!(from_decimal(&text, &mut back), "{text}");
                assert_eq!(back, mki);
            }
        }
        assert_eq!(to_decimal(&[0xff; 128]).len(), 309);
    }
}
