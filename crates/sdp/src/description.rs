//! A body: the session's level and its m-lines.

use std::fmt;

use crate::attribute::{Attribute, Name};
use crate::lines::Lines;
use crate::media::{Inherited, Level};
use crate::{Fault, MAX_ATTRIBUTES, MAX_LEN, MAX_MEDIA, Media, SdpError};

/// What stands before the first m-line and holds for all of them.
#[derive(Clone, Debug, Default)]
pub struct SessionLevel<'a> {
    pub(crate) level: Level<'a>,
}

impl<'a> SessionLevel<'a> {
    /// Values of `a=fingerprint`.
    pub fn fingerprints(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.level.all(Name::Fingerprint)
    }

    /// `a=setup`.
    pub fn setup(&self) -> Option<&'a str> {
        self.level.first(Name::Setup)
    }

    /// `a=connection`.
    pub fn connection(&self) -> Option<&'a str> {
        self.level.first(Name::Connection)
    }

    /// `a=tls-id`.
    pub fn tls_id(&self) -> Option<&'a str> {
        self.level.first(Name::TlsId)
    }

    /// Whether there is `a=key-mgmt` (RFC 4567).
    pub fn has_key_mgmt(&self) -> bool {
        self.level.has(Name::KeyMgmt)
    }

    /// The `a=mid` values of each `a=group:BUNDLE` (RFC 9143).
    pub fn bundles(&self) -> impl Iterator<Item = impl Iterator<Item = &'a str> + use<'a>> + '_ {
        self.level.all(Name::Group).filter_map(|value| {
            let mut words = value.split([' ', '\t']).filter(|word| !word.is_empty());
            words.next().filter(|semantics| semantics.eq_ignore_ascii_case("BUNDLE")).map(|_| words)
        })
    }

    fn inherited(&self) -> Inherited<'a> {
        Inherited {
            fingerprints: self.fingerprints().collect(),
            setup: self.setup(),
            connection: self.connection(),
            tls_id: self.tls_id(),
            direction: self.level.direction(),
            host: self.level.first(Name::Host),
        }
    }
}

/// A body that was read; borrows its text.
#[derive(Clone)]
pub struct Description<'a> {
    pub(crate) text: &'a [u8],
    pub(crate) session: SessionLevel<'a>,
    media: Vec<Media<'a>>,
    /// Line end of the first line that has one.
    pub(crate) line_end: &'a [u8],
}

impl<'a> Description<'a> {
    /// Reads a body. It need not be whole: what comes before the first m-line is the session's, what comes after that
    /// m-line's, whatever is missing.
    ///
    /// # Errors
    /// [`SdpError`] with the line number: a line that is not `<letter>=<value>`, holds a byte of value 0 or is too long; an
    /// m-line that cannot be read; a known attribute that is not ASCII; too many of either; a body that is too long.
    pub fn parse(text: &'a [u8]) -> Result<Self, SdpError> {
        if text.len() > MAX_LEN {
            return Err(SdpError::TooLong(text.len()));
        }
        let mut session = SessionLevel::default();
        let mut media: Vec<Media<'a>> = Vec::new();
        let mut line_end: &[u8] = b"";
        for line in Lines::new(text) {
            let line = line?;
            let refuse = |fault| Err(SdpError::Line { number: line.number, fault });
            if line_end.is_empty() {
                line_end = line.end;
            }
            if line.kind.eq_ignore_ascii_case(&b'm') {
                if media.len() == MAX_MEDIA {
                    return refuse(Fault::TooManyMedia);
                }
                media.push(Media::read(&line)?);
                continue;
            }
            if let Some(last) = media.last_mut() {
                if line.kind.eq_ignore_ascii_case(&b'i') && last.host_place == last.end {
                    last.host_place = line.range.end;
                }
                last.end = line.range.end;
            }
            if let Some(attribute) = Attribute::read(&line)? {
                let level = media.last_mut().map_or(&mut session.level, |media| &mut media.level);
                if level.attributes.len() == MAX_ATTRIBUTES {
                    return refuse(Fault::TooManyAttributes);
                }
                level.attributes.push(attribute);
            }
        }
        let inherited = session.inherited();
        for media in &mut media {
            media.inherited = inherited.clone();
        }
        Ok(Self { text, session, media, line_end })
    }

    /// The body as it came.
    pub fn text(&self) -> &'a [u8] {
        self.text
    }

    /// What holds for all m-lines.
    pub fn session(&self) -> &SessionLevel<'a> {
        &self.session
    }

    /// The m-lines, in order; a stream's index is its place here.
    pub fn media(&self) -> &[Media<'a>] {
        &self.media
    }

    /// Values of an attribute of an m-line by its name, in order, whatever it is about: `rtpmap`, `ptime`. Read from the text
    /// with each call; an attribute without a colon has the value "", one that is not UTF-8 is passed over.
    pub fn values<'n>(&self, index: usize, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        let section = self.media.get(index).map_or(0..0, |media| media.host_place..media.end);
        let lines =
            Lines::new(&self.text[section]).flatten().filter(|line| line.kind.eq_ignore_ascii_case(&b'a'));
        lines.filter_map(move |line| {
            let value = str::from_utf8(line.value).ok()?;
            let (found, value) = value.split_once(':').unwrap_or((value, ""));
            found.trim().eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    /// The m-line whose transport, and so whose keys, the m-line `index` shares: the first of its `a=group:BUNDLE`
    /// (RFC 9143 section 7.2). Itself if it is that first or in no group; none if there is no such m-line.
    pub fn transport_of(&self, index: usize) -> Option<usize> {
        let mid = self.media.get(index)?.mid();
        let Some(mid) = mid else { return Some(index) };
        let first = self.session.bundles().find_map(|mut mids| {
            let first = mids.next()?;
            (first == mid || mids.any(|other| other == mid)).then_some(first)
        });
        let place = first.and_then(|first| self.media.iter().position(|media| media.mid() == Some(first)));
        Some(place.unwrap_or(index))
    }
}

/// No text: it may hold keys.
impl fmt::Debug for Description<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Description")
            .field("len", &self.text.len())
            .field("session", &self.session)
            .field("media", &self.media)
            .finish_non_exhaustive()
    }
}
