//! Keys out of text that is to be shown.

/// What stands before a key, in any letter case, and where it must stand.
const MARKS: [(&[u8], Place); 5] = [
    (b"inline:", Place::Anywhere),
    (b"inline%3a", Place::Anywhere),
    (b"key-mgmt:mikey ", Place::Anywhere),
    (b"ice-pwd:", Place::Anywhere),
    (b"k=", Place::LineStart),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Anywhere,
    /// The rest of the line is the key.
    LineStart,
}

/// Replaces each key by as many `*`: master key and salt of `a=crypto` (RFC 4568), `a=key-mgmt:mikey` (RFC 4567), `k=` and ICE's
/// password. Takes any text, whole descriptions, single lines and logs with either in them, and looks for the keys alone: what could not
/// be read as SDP is masked, too. Nothing else changes, and nothing moves.
///
/// ```
/// let mut line = *b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4";
/// sealrtp_sdp::mask(&mut line);
/// assert_eq!(&line[..], b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:****************************************|2^20|1:4");
/// ```
pub fn mask(text: &mut [u8]) {
    let mut at = 0;
    while at < text.len() {
        let line_start = at == 0 || is_line_end(text[at - 1]);
        let found = MARKS.iter().find(|(mark, place)| {
            (line_start || *place == Place::Anywhere)
                && text[at..].get(..mark.len()).is_some_and(|here| here.eq_ignore_ascii_case(mark))
        });
        let Some((mark, place)) = found else {
            at += 1;
            continue;
        };
        at += mark.len();
        while at < text.len() && !ends(text[at], *place) {
            text[at] = b'*';
            at += 1;
        }
    }
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

fn ends(byte: u8, place: Place) -> bool {
    match place {
        Place::LineStart => is_line_end(byte),
        // No character of base64, nor of what percent-encoding makes of it.
        Place::Anywhere => {
            !(byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'%' | b'-' | b'_'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(text: &str) -> String {
        let mut text = text.as_bytes().to_vec();
        mask(&mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn each_key_of_a_line_is_masked_and_nothing_else() {
        assert_eq!(
            masked("a=crypto:1 X inline:AB+/cd==|2^20|1:4;INLINE:ef KDR=1\r\na=ptime:20\r\n"),
            "a=crypto:1 X inline:********|2^20|1:4;INLINE:** KDR=1\r\na=ptime:20\r\n"
        );
        assert_eq!(masked("a=key-mgmt:mikey AQAF==\n"), "a=key-mgmt:mikey ******\n");
        assert_eq!(masked("v=0\r\nk=clear:top secret\rm=x"), "v=0\r\nk=****************\rm=x");
        assert_eq!(masked("a=ice-pwd:x9cml/Yz\r\n"), "a=ice-pwd:********\r\n");
    }

    #[test]
    fn keys_are_found_in_any_text() {
        assert_eq!(
            masked("2026-11-21 log: [crypto:1 X inline:AAAA]"),
            "2026-11-21 log: [crypto:1 X inline:****]"
        );
        assert_eq!(masked("ask=1 inline:"), "ask=1 inline:");
        assert_eq!(masked("inline:"), "inline:");
        assert_eq!(masked("inlineinline:abc"), "inlineinline:***");
        assert_eq!(masked(""), "");
    }
}
