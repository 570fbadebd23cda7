//! `a=setup` (RFC 4145 section 4, RFC 5763 section 5): who sends the ClientHello.

use std::fmt;
use std::str::FromStr;

use crate::Role;

/// The value of `a=setup`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Setup {
    /// Sends the ClientHello.
    Active,
    /// Waits for it.
    Passive,
    /// Either, as the answer says.
    ActPass,
    /// No association for the time being.
    HoldConn,
}

/// What offer and answer together say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// Make an association, in this role.
    Wanted(Role),
    /// Make none for the time being.
    Held,
}

/// Why a pair of `a=setup` values cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// Not one of the four values.
    #[error("a=setup is active, passive, actpass or holdconn")]
    Unknown,
    /// RFC 4145 section 4.1 does not allow the answer.
    #[error("a=setup:{answer} does not answer a=setup:{offer}")]
    Answer {
        /// What was offered.
        offer: Setup,
        /// What was answered.
        answer: Setup,
    },
}

impl Setup {
    const ALL: [Self; 4] = [Self::Active, Self::Passive, Self::ActPass, Self::HoldConn];

    /// The value in SDP.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::ActPass => "actpass",
            Self::HoldConn => "holdconn",
        }
    }

    /// The answer to an offer of this value: `wanted` where the offer leaves the choice.
    pub const fn answer(self, wanted: Role) -> Self {
        match (self, wanted) {
            (Self::Active, _) | (Self::ActPass, Role::Server) => Self::Passive,
            (Self::Passive, _) | (Self::ActPass, Role::Client) => Self::Active,
            (Self::HoldConn, _) => Self::HoldConn,
        }
    }

    /// The role of the end that sent the answer; the end that offered has the other one.
    ///
    /// # Errors
    /// [`SetupError::Answer`] for a pair that RFC 4145 section 4.1 does not allow.
    pub const fn answerer(offer: Self, answer: Self) -> Result<Connection, SetupError> {
        match (offer, answer) {
            (_, Self::HoldConn) => Ok(Connection::Held),
            (Self::ActPass | Self::Passive, Self::Active) => Ok(Connection::Wanted(Role::Client)),
            (Self::ActPass | Self::Active, Self::Passive) => Ok(Connection::Wanted(Role::Server)),
            _ => Err(SetupError::Answer { offer, answer }),
        }
    }

    /// The role of the end that sent the offer.
    ///
    /// # Errors
    /// As [`Setup::answerer`].
    pub fn offerer(offer: Self, answer: Self) -> Result<Connection, SetupError> {
        Ok(match Self::answerer(offer, answer)? {
            Connection::Wanted(role) => Connection::Wanted(role.other()),
            Connection::Held => Connection::Held,
        })
    }
}

impl FromStr for Setup {
    type Err = SetupError;

    fn from_str(value: &str) -> Result<Self, SetupError> {
        let value = value.trim_matches([' ', '\r', '\n']);
        Self::ALL
            .into_iter()
            .find(|setup| setup.name().eq_ignore_ascii_case(value))
            .ok_or(SetupError::Unknown)
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_of_ours_is_one_that_the_rfc_allows_and_gives_the_ends_opposite_roles() {
        for offer in Setup::ALL {
            for wanted in [Role::Client, Role::Server] {
                let answer = offer.answer(wanted);
                match (Setup::answerer(offer, answer), Setup::offerer(offer, answer)) {
                    (Ok(Connection::Wanted(a)), Ok(Connection::Wanted(b))) => assert_eq!(a, b.other()),
                    (Ok(Connection::Held), Ok(Connection::Held)) => assert_eq!(offer, Setup::HoldConn),
                    other => panic!("{offer} {answer}: {other:?}"),
                }
            }
        }
    }

    #[test]
    fn pairs_that_would_leave_two_clients_or_two_servers_are_refused() {
        use Setup::*;
        for (offer, answer) in [
            (Active, Active),
            (Passive, Passive),
            (HoldConn, Active),
            (HoldConn, Passive),
            (ActPass, ActPass),
            (Active, ActPass),
            (Passive, ActPass),
        ] {
            assert_eq!(Setup::answerer(offer, answer), Err(SetupError::Answer { offer, answer }));
        }
    }

    #[test]
    fn letter_case_and_line_ends_do_not_matter() {
        assert_eq!(" ActPass\r\n".parse(), Ok(Setup::ActPass));
        assert_eq!("activepassive".parse::<Setup>(), Err(SetupError::Unknown));
        for setup in Setup::ALL {
            assert_eq!(setup.to_string().parse(), Ok(setup));
        }
    }
}
