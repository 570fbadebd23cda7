//! The m-lines of the PBX's description in the places that they have in the call (RFC 3264 sections 6 and 8).
//!
//! A PBX may write the lines that it has in an order of its own, and leave out those that it knows nothing of.

use sealrtp_sdp::{Description, Slot};

use crate::text::Side;

/// What stands where. In an answer each line of the offer has its place, and only those; in an offer of the PBX's lines that
/// are new come behind, or in the place of one that it has given up.
pub(crate) fn slots(description: &Description<'_>, places: &[Side], answer: bool) -> Vec<Slot> {
    let kinds: Vec<&str> = description.media().iter().map(|media| media.kind()).collect();
    let mut left: Vec<bool> = vec![true; kinds.len()];
    let mut slots: Vec<Option<usize>> = vec![None; places.len()];
    // Those that the offer has declined come last: the PBX has answered the others.
    for open in [true, false] {
        for (slot, place) in slots.iter_mut().zip(places) {
            if slot.is_none() && place.open == open {
                let fits = |index: &usize| left[*index] && kinds[*index].eq_ignore_ascii_case(&place.media);
                *slot = (0..kinds.len()).find(fits);
                slot.iter().for_each(|index| left[*index] = false);
            }
        }
    }
    if !answer {
        for (index, slot) in slots.iter_mut().enumerate().filter(|(_, slot)| slot.is_none()) {
            if left.get(index) == Some(&true) {
                *slot = Some(index);
                left[index] = false;
            }
        }
        slots.extend((0..kinds.len()).filter(|index| left[*index]).map(Some));
    }
    let declined = |index: usize| match places.get(index) {
        Some(place) => Slot::Other(format!("{} 0 {} {}", place.media, place.transport, place.formats)),
        None => Slot::Other("audio 0 RTP/AVP 0".into()),
    };
    slots
        .into_iter()
        .enumerate()
        .map(|(index, slot)| slot.map_or_else(|| declined(index), Slot::Line))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(media: &str, open: bool) -> Side {
        let (media, transport, formats) = (media.to_owned(), "RTP/AVP".to_owned(), "0".to_owned());
        Side { media, transport, formats, open, ..Side::default() }
    }

    fn aligned(text: &str, places: &[(&str, bool)], answer: bool) -> String {
        let places: Vec<Side> = places.iter().map(|(media, open)| place(media, *open)).collect();
        let description = Description::parse(text.as_bytes()).unwrap();
        let text = description.arranged(&slots(&description, &places, answer)).to_vec();
        String::from_utf8(text).unwrap()
    }

    const AUDIO: &str = "m=audio 10 RTP/AVP 0\r\n";
    const VIDEO: &str = "m=video 20 RTP/AVP 96\r\n";
    const IMAGE: &str = "m=image 30 udptl t38\r\n";
    const NO_AUDIO: &str = "m=audio 0 RTP/AVP 0\r\n";
    const NO_IMAGE: &str = "m=image 0 RTP/AVP 0\r\n";
    const NO_VIDEO: &str = "m=video 0 RTP/AVP 0\r\n";

    #[test]
    fn an_answer_has_the_lines_of_the_offer() {
        for (text, places, expected) in [
            (AUDIO.to_owned(), &[("audio", true)][..], AUDIO.to_owned()),
            (AUDIO.to_owned(), &[("audio", true), ("image", true)], format!("{AUDIO}{NO_IMAGE}")),
            (AUDIO.to_owned(), &[("image", true), ("audio", true)], format!("{NO_IMAGE}{AUDIO}")),
            (format!("{AUDIO}{VIDEO}"), &[("video", true), ("audio", true)], format!("{VIDEO}{AUDIO}")),
            (AUDIO.to_owned(), &[("audio", true), ("audio", true)], format!("{AUDIO}{NO_AUDIO}")),
            (AUDIO.to_owned(), &[("audio", false), ("audio", true)], format!("{NO_AUDIO}{AUDIO}")),
            (format!("{AUDIO}{VIDEO}"), &[("AUDIO", true)], AUDIO.to_owned()),
            (String::new(), &[("video", true)], NO_VIDEO.to_owned()),
        ] {
            assert_eq!(aligned(&text, places, true), expected);
        }
    }

    #[test]
    fn an_offer_keeps_the_places_and_new_lines_come_behind() {
        for (text, places, expected) in [
            (format!("{AUDIO}{VIDEO}"), &[][..], format!("{AUDIO}{VIDEO}")),
            (format!("{VIDEO}{AUDIO}"), &[("audio", true)], format!("{AUDIO}{VIDEO}")),
            (AUDIO.to_owned(), &[("video", true), ("audio", true)], format!("{NO_VIDEO}{AUDIO}")),
            // T.38 takes the place of the audio that it is instead of.
            (IMAGE.to_owned(), &[("audio", true)], IMAGE.to_owned()),
            (format!("{AUDIO}{IMAGE}"), &[("audio", true), ("video", true)], format!("{AUDIO}{IMAGE}")),
        ] {
            assert_eq!(aligned(&text, places, false), expected);
        }
    }
}
