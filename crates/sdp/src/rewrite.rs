//! Edits of a body: what is not edited stays byte for byte.

use std::fmt;
use std::net::IpAddr;
use std::ops::Range;

use zeroize::Zeroizing;

use crate::attribute::{Attribute, Name, Removal};
use crate::{Description, EditError, MAX_LEN, MAX_LINE_LEN, Media, Profile};

/// No port is longer, as text.
const MAX_PORT: usize = "65535".len();
/// No `c=` line with its end is longer.
const MAX_HOST_LINE: usize = "c=IN IP6 \r\n".len() + 45;

/// Edits that are collected and then written in one go.
pub struct Rewrite<'d, 'a> {
    description: &'d Description<'a>,
    strip_session: bool,
    strip_session_transport: bool,
    /// One for each m-line.
    edits: Vec<Edit>,
    /// Bytes put in so far.
    inserted: usize,
}

#[derive(Default)]
struct Edit {
    port: Option<u16>,
    profile: Option<Profile>,
    address: Option<IpAddr>,
    strip: bool,
    strip_transport: bool,
    /// Whole lines without line end.
    insert: Vec<Zeroizing<String>>,
}

impl<'d, 'a> Rewrite<'d, 'a> {
    /// No edits yet: [`finish`](Self::finish) would give the body as it came.
    pub fn new(description: &'d Description<'a>) -> Self {
        let edits = description.media().iter().map(|_| Edit::default()).collect();
        Self { description, strip_session: false, strip_session_transport: false, edits, inserted: 0 }
    }

    /// Takes the security attributes of the session's level out: `a=fingerprint`, `a=tls-id`, `a=crypto`, `a=zrtp-hash`,
    /// `a=key-mgmt` and `k=`, and where an m-line has DTLS-SRTP `a=setup` and `a=connection`. What an m-line that is left
    /// alone takes from there (`UDP/DTLS/SCTP`, `TCP/...`) stays. For RTP m-lines whose own lines stay this is a change:
    /// put their values in again.
    pub fn strip_session(&mut self) -> &mut Self {
        self.strip_session = true;
        self
    }

    /// Takes what the session's level says of ICE (RFC 8839) and `a=group:BUNDLE` (RFC 9143) out: nobody shares a transport, nor
    /// looks for another.
    pub fn strip_session_transport(&mut self) -> &mut Self {
        self.strip_session_transport = true;
        self
    }

    /// Declines an m-line of any transport (RFC 3264 section 6): port 0. No such m-line: nothing.
    pub fn decline(&mut self, index: usize) -> &mut Self {
        if let Some(edit) = self.edits.get_mut(index) {
            edit.port = Some(0);
        }
        self
    }

    /// The edits of an m-line; none if there is no such m-line or it is not RTP over UDP, which is left alone.
    pub fn line(&mut self, index: usize) -> Option<LineRewrite<'_>> {
        self.description.media().get(index).filter(|media| media.profile().is_rtp())?;
        Some(LineRewrite { edit: self.edits.get_mut(index)?, inserted: &mut self.inserted })
    }

    /// The body with all edits, of at most [`MAX_LEN`] bytes more than it had, and ports, profiles, addresses and a line end.
    pub fn finish(&self) -> Zeroizing<Vec<u8>> {
        let text = self.description.text;
        // Enough for all of it, so that no copy with keys is left behind by growing.
        let longer_lines = self.edits.len() * (MAX_PORT + "UDP/TLS/RTP/SAVPF".len() + MAX_HOST_LINE + 2);
        let lines = self.edits.iter().map(|edit| 2 * (edit.insert.len() + 1)).sum::<usize>();
        let capacity = text.len() + self.inserted + longer_lines + lines;
        let mut out = Output { text, done: 0, out: Zeroizing::new(Vec::with_capacity(capacity)) };
        for range in self.session_lines() {
            out.replace(range, b"");
        }
        for (media, edit) in self.description.media().iter().zip(&self.edits) {
            let line_end = match (media.line_end, self.description.line_end) {
                (b"\n", _) | (b"", b"\n") => &b"\n"[..],
                _ => b"\r\n",
            };
            if let Some(port) = edit.port {
                out.replace(&media.port_range, port.to_string().as_bytes());
            }
            if let Some(name) = edit.profile.and_then(Profile::name) {
                out.replace(&media.transport_range, name.as_bytes());
            }
            edit.attributes(media, line_end, &mut out);
            if edit.insert.is_empty() {
                continue;
            }
            out.replace(&(media.end..media.end), b"");
            for line in &edit.insert {
                out.line(line.as_bytes(), line_end);
            }
        }
        let out = out.finish();
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
        let security = move |attribute: &&Attribute<'_>| {
            self.strip_session && attribute.removal.is_security(dtls) && free(attribute)
        };
        let transport = move |attribute: &&Attribute<'_>| {
            self.strip_session_transport
                && (attribute.removal == Removal::WithTransport || attribute.is_bundle())
        };
        let goes = move |attribute: &&Attribute<'_>| security(attribute) || transport(attribute);
        level.attributes.iter().filter(goes).map(|attribute| &attribute.range)
    }
}

/// The text that is being written: what was not replaced, and what stands for the rest. Places come in order.
struct Output<'a> {
    text: &'a [u8],
    done: usize,
    out: Zeroizing<Vec<u8>>,
}

impl Output<'_> {
    fn replace(&mut self, range: &Range<usize>, by: &[u8]) {
        self.out.extend_from_slice(&self.text[self.done..range.start]);
        self.out.extend_from_slice(by);
        self.done = range.end;
    }

    /// A line of its own; what stands before it gets a line end if it has none.
    fn line(&mut self, line: &[u8], line_end: &[u8]) {
        if !self.out.ends_with(b"\n") && !self.out.ends_with(b"\r") {
            self.out.extend_from_slice(line_end);
        }
        self.out.extend_from_slice(line);
        self.out.extend_from_slice(line_end);
    }

    fn finish(mut self) -> Zeroizing<Vec<u8>> {
        self.out.extend_from_slice(&self.text[self.done..]);
        self.out
    }
}

impl Edit {
    /// Writes an m-line's known lines: `c=` anew, and not those that are stripped.
    fn attributes(&self, media: &Media<'_>, line_end: &[u8], out: &mut Output<'_>) {
        let mut host = self.address.map(|address| {
            let family = if address.is_ipv4() { 4 } else { 6 };
            format!("c=IN IP{family} {address}")
        });
        if !media.level.has(Name::Host)
            && let Some(host) = host.take()
        {
            out.replace(&(media.host_place..media.host_place), b"");
            out.line(host.as_bytes(), line_end);
        }
        let dtls = media.is_dtls_srtp();
        for attribute in &media.level.attributes {
            let transport = self.strip_transport && attribute.removal == Removal::WithTransport;
            let security = self.strip && attribute.removal.is_security(dtls);
            if self.address.is_some() && attribute.name == Name::Host {
                // Of several, which multicast may have, the first one is the new one.
                let line = out.text.get(attribute.range.clone()).unwrap_or_default();
                let end = line.iter().rev().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
                match host.take() {
                    Some(host) => {
                        let range = attribute.range.start..attribute.range.end - end;
                        out.replace(&range, host.as_bytes());
                    }
                    None => out.replace(&attribute.range, b""),
                }
            } else if transport || security {
                out.replace(&attribute.range, b"");
            }
        }
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
    /// Gives the m-line another port, and takes a number of ports (`/2`) out. 0 declines it.
    pub fn port(&mut self, port: u16) -> &mut Self {
        self.edit.port = Some(port);
        self
    }

    /// Says in the m-line's own `c=` where media goes, whatever the session's says.
    pub fn address(&mut self, address: IpAddr) -> &mut Self {
        self.edit.address = Some(address);
        self
    }

    /// Takes `a=rtcp`, all of ICE (RFC 8839) and `a=bundle-only` (RFC 9143) out: RTCP is one port above RTP then, or where
    /// `a=rtcp-mux` stays with it.
    pub fn strip_transport(&mut self) -> &mut Self {
        self.edit.strip_transport = true;
        self
    }

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
