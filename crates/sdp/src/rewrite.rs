//! Edits of a body: what is not edited stays byte for byte.

use std::fmt;
use std::ops::Range;

use zeroize::Zeroizing;

use crate::attribute::{Attribute, Name};
use crate::{Description, EditError, MAX_LEN, MAX_LINE_LEN, Profile};

/// Edits that are collected and then written in one go.
pub struct Rewrite<'d, 'a> {
    description: &'d Description<'a>,
    strip_session: bool,
    /// One for each m-line.
    edits: Vec<Edit>,
    /// Bytes put in so far.
    inserted: usize,
}

#[derive(Default)]
struct Edit {
    profile: Option<Profile>,
    strip: bool,
    /// Whole lines without line end.
    insert: Vec<Zeroizing<String>>,
}

impl<'d, 'a> Rewrite<'d, 'a> {
    /// No edits yet: [`finish`](Self::finish) would give the body as it came.
    pub fn new(description: &'d Description<'a>) -> Self {
        let edits = description.media().iter().map(|_| Edit::default()).collect();
        Self { description, strip_session: false, edits, inserted: 0 }
    }

    /// Takes the security attributes of the session's level out: `a=fingerprint`, `a=tls-id`, `a=crypto`, `a=zrtp-hash`,
    /// `a=key-mgmt` and `k=`, and where an m-line has DTLS-SRTP `a=setup` and `a=connection`. What an m-line that is left
    /// alone takes from there (`UDP/DTLS/SCTP`, `TCP/...`) stays. For RTP m-lines whose own lines stay this is a change:
    /// put their values in again.
    pub fn strip_session(&mut self) -> &mut Self {
        self.strip_session = true;
        self
    }

    /// The edits of an m-line; none if there is no such m-line or it is not RTP over UDP, which is left alone.
    pub fn line(&mut self, index: usize) -> Option<LineRewrite<'_>> {
        self.description.media().get(index).filter(|media| media.profile().is_rtp())?;
        Some(LineRewrite { edit: self.edits.get_mut(index)?, inserted: &mut self.inserted })
    }

    /// The body with all edits, of at most [`MAX_LEN`] bytes more than it had, and a line end.
    pub fn finish(&self) -> Zeroizing<Vec<u8>> {
        let text = self.description.text;
        // Enough for all of it, so that no copy with keys is left behind by growing.
        let longer_profiles = self.edits.len() * "UDP/TLS/RTP/SAVPF".len();
        let lines = self.edits.iter().map(|edit| 2 * (edit.insert.len() + 1)).sum::<usize>();
        let capacity = text.len() + self.inserted + longer_profiles + lines;
        let mut out = Zeroizing::new(Vec::with_capacity(capacity));
        let mut done = 0;
        // `range` of the text is replaced; ranges come in order.
        let mut replace = |out: &mut Vec<u8>, range: &Range<usize>, by: &[u8]| {
            out.extend_from_slice(&text[done..range.start]);
            out.extend_from_slice(by);
            done = range.end;
        };
        for range in self.session_lines() {
            replace(&mut out, range, b"");
        }
        for (media, edit) in self.description.media().iter().zip(&self.edits) {
            if let Some(name) = edit.profile.and_then(Profile::name) {
                replace(&mut out, &media.transport_range, name.as_bytes());
            }
            if edit.strip {
                for attribute in media.level.removable(media.is_dtls_srtp()) {
                    replace(&mut out, &attribute.range, b"");
                }
            }
            if edit.insert.is_empty() {
                continue;
            }
            replace(&mut out, &(media.end..media.end), b"");
            let line_end = match (media.line_end, self.description.line_end) {
                (b"\n", _) | (b"", b"\n") => &b"\n"[..],
                _ => b"\r\n",
            };
            if !out.ends_with(b"\n") && !out.ends_with(b"\r") {
                out.extend_from_slice(line_end);
            }
            for line in &edit.insert {
                out.extend_from_slice(line.as_bytes());
                out.extend_from_slice(line_end);
            }
        }
        out.extend_from_slice(&text[done..]);
        debug_assert!(out.len() <= capacity);
        out
    }

    /// Where the lines are that go from the session's level.
    fn session_lines(&self) -> impl Iterator<Item = &Range<usize>> {
        let media = self.description.media();
        let level = &self.description.session.level;
        let dtls = level.has(Name::Fingerprint) || media.iter().any(|media| media.is_dtls_srtp());
        let free =
            move |attribute: &&Attribute<'_>| !media.iter().any(|media| media.inherits(attribute.name));
        let stripped = self.strip_session.then(|| level.removable(dtls).filter(free));
        stripped.into_iter().flatten().map(|attribute| &attribute.range)
    }
}

/// How many edits, not what they put in.
impl fmt::Debug for Rewrite<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rewrite").field("inserted", &self.inserted).finish_non_exhaustive()
    }
}

/// The edits of one m-line.
pub struct LineRewrite<'r> {
    edit: &'r mut Edit,
    inserted: &'r mut usize,
}

impl LineRewrite<'_> {
    /// Gives the m-line another profile; [`Profile::Other`] leaves it as it is.
    pub fn profile(&mut self, profile: Profile) -> &mut Self {
        self.edit.profile = profile.is_rtp().then_some(profile);
        self
    }

    /// Takes all attributes of media security out: `a=crypto`, `a=fingerprint`, `a=tls-id`, `a=zrtp-hash`, `a=key-mgmt` and
    /// `k=`, and `a=setup` and `a=connection` if the profile is DTLS's or there is a fingerprint. What
    /// [`insert`](Self::insert) puts in stays, whichever was called first.
    pub fn strip(&mut self) -> &mut Self {
        self.edit.strip = true;
        self
    }

    /// Puts `a=<attribute>` behind the m-line's last line, such as `crypto:1 AES_CM_128_HMAC_SHA1_80 inline:...`, with the
    /// m-line's own line end. A last line of the body that has no end gets one.
    ///
    /// # Errors
    /// [`EditError`]; nothing is put in then.
    pub fn insert(&mut self, attribute: &str) -> Result<&mut Self, EditError> {
        if attribute.is_empty()
            || attribute.len() > MAX_LINE_LEN - 2
            || !attribute.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_control())
        {
            return Err(EditError::Text);
        }
        let inserted = *self.inserted + attribute.len() + "a=\r\n".len();
        if inserted > MAX_LEN {
            return Err(EditError::TooLong);
        }
        *self.inserted = inserted;
        let mut line = Zeroizing::new(String::with_capacity(2 + attribute.len()));
        line.push_str("a=");
        line.push_str(attribute);
        self.edit.insert.push(line);
        Ok(self)
    }
}

/// No text: it may hold keys.
impl fmt::Debug for LineRewrite<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LineRewrite").field("inserted", &self.edit.insert.len()).finish_non_exhaustive()
    }
}
