//! The m-lines of a body in another order.

use zeroize::Zeroizing;

use crate::Description;

/// What stands in a place of an arranged body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The m-line of this index, with all that belongs to it.
    Line(usize),
    /// `m=<this>`: a line of nobody's, such as `image 0 udptl t38`.
    Other(String),
}

impl Description<'_> {
    /// The body with these m-lines, in this order; the session's level and each m-line's own lines stay as they are. What no slot
    /// names goes. With all m-lines in their order it is the body as it came.
    pub fn arranged(&self, slots: &[Slot]) -> Zeroizing<Vec<u8>> {
        let starts: Vec<usize> = self.media().iter().map(|media| media.start).collect();
        let line_end = if self.line_end == b"\n" { &b"\n"[..] } else { b"\r\n" };
        let others: usize =
            slots.iter().map(|slot| if let Slot::Other(line) = slot { line.len() } else { 0 }).sum();
        let capacity =
            self.text.len() + others + slots.len() * ("m=\r\n".len() + line_end.len()) + line_end.len();
        let mut out = Zeroizing::new(Vec::with_capacity(capacity));
        out.extend_from_slice(&self.text[..starts.first().copied().unwrap_or(self.text.len())]);
        let exists = |slot: &&Slot| !matches!(slot, Slot::Line(index) if *index >= starts.len());
        for slot in slots.iter().filter(exists) {
            // What is not the first line begins on one of its own.
            if !out.is_empty() && !out.ends_with(b"\n") && !out.ends_with(b"\r") {
                out.extend_from_slice(line_end);
            }
            match slot {
                Slot::Other(line) => {
                    out.extend_from_slice(b"m=");
                    out.extend_from_slice(line.as_bytes());
                    out.extend_from_slice(line_end);
                }
                Slot::Line(index) => {
                    let end = starts.get(index + 1).copied().unwrap_or(self.text.len());
                    out.extend_from_slice(&self.text[starts[*index]..end]);
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arranged(text: &str, slots: &[Slot]) -> String {
        let description = Description::parse(text.as_bytes()).unwrap();
        String::from_utf8(description.arranged(slots).to_vec()).unwrap()
    }

    #[test]
    fn lines_come_in_the_order_that_is_asked_for_and_others_between_them() {
        use Slot::{Line, Other};
        let text = "v=0\r\ns=-\r\nm=audio 1 RTP/AVP 0\r\na=x\r\n\r\nm=video 2 RTP/AVP 96\r\na=y";
        assert_eq!(arranged(text, &[Line(0), Line(1)]), text);
        assert_eq!(
            arranged(text, &[Other("image 0 udptl t38".into()), Line(1), Line(0)]),
            "v=0\r\ns=-\r\nm=image 0 udptl t38\r\nm=video 2 RTP/AVP 96\r\na=y\r\nm=audio 1 RTP/AVP 0\r\na=x\r\n\r\n"
        );
        assert_eq!(arranged(text, &[Line(1), Line(7)]), "v=0\r\ns=-\r\nm=video 2 RTP/AVP 96\r\na=y");
        assert_eq!(arranged("v=0", &[Other("audio 0 RTP/AVP 0".into())]), "v=0\r\nm=audio 0 RTP/AVP 0\r\n");
        assert_eq!(arranged("m=audio 1 RTP/AVP 0\n", &[]), "");
    }
}
