//! The protocol between `ikectl` and the `control` process, over a unix stream socket.
//!
//! A message is a postcard body in one or more frames; a frame is `version | flags | length |
//! body`: one octet each of version and flags, two of length in network order, and a body of at
//! most [`MAX_BODY`] octets, so that a whole frame has at most 64 KiB. The flag [`MORE`] says that the
//! message goes on in the next frame. `ikectl` sends one [`Request`] and reads [`Reply`]s until
//! [`Reply::is_last`]; then it may send the next.
//!
//! The codec does no I/O: bytes are fed to a [`Decoder`] in any pieces, so the blocking client and
//! the non-blocking server use the same one. It refuses unknown versions (naming both), unknown
//! flags, messages above [`Message::LIMIT`] and bodies with anything left over; it never panics on
//! input, and after an error it refuses everything that follows.
//!
//! postcard numbers variants and fields by order: append variants at the end, and raise
//! [`VERSION`] for any other change, including one of a type of `ike-sa` that is sent here.
use ike_sa::{Event, IkeSaSnapshot};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Version of this protocol, the first octet of every frame.
pub const VERSION: u8 = 1;
/// Frame flag: the message continues in the next frame.
pub const MORE: u8 = 1;
/// Octets of a frame before its body.
pub const HEADER_LEN: usize = 4;
/// Most octets of body in one frame.
pub const MAX_BODY: usize = 64 * 1024 - HEADER_LEN;
/// Where the daemon listens unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/var/run/iked.sock";

/// What `ikectl` asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Request {
    /// Who is there? [`Reply::Version`].
    Version,
    /// [`Reply::Daemon`], a [`Reply::Sa`] for each IKE SA, [`Reply::End`].
    ShowSa,
    /// A [`Reply::Stat`] for each counter, [`Reply::End`].
    ShowStats,
    /// A [`Reply::Failure`] for each of the last failures, newest last, [`Reply::End`].
    ShowFailures,
    /// Read the configuration again: [`Reply::Reloaded`] or [`Reply::Failed`] with the diagnostics.
    Reload,
    /// Log in detail, or briefly. [`Reply::Done`].
    LogVerbose(bool),
    /// Close all SAs; active policies start again. [`Reply::Done`].
    ResetSa,
    /// Establish a policy. [`Reply::Done`] once its children are installed, [`Reply::Failed`] with the reason.
    Up(String),
    /// Close all SAs of a policy and keep it closed. [`Reply::Done`].
    Down(String),
    /// Rekey what a policy has. [`Reply::Done`] when the new SA is in use.
    Rekey {
        /// Policy.
        name: String,
        /// Which of its SAs.
        what: Rekey,
    },
    /// Initiate (true), or only answer (false). [`Reply::Done`].
    Active(bool),
    /// Put SAs and flows into the data plane (true), or take them out (false). [`Reply::Done`].
    Couple(bool),
}

/// What to rekey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Rekey {
    /// The IKE SA.
    Ike,
    /// Every child SA.
    Child,
}

impl Request {
    /// Whether it changes nothing, so that it may be allowed to more users.
    pub fn is_read_only(&self) -> bool {
        matches!(
            self,
            Self::Version | Self::ShowSa | Self::ShowStats | Self::ShowFailures
        )
    }
    /// Whether the answer may take as long as an exchange with the peer takes.
    pub fn waits_for_peer(&self) -> bool {
        matches!(
            self,
            Self::Up(_) | Self::Down(_) | Self::Rekey { .. } | Self::ResetSa
        )
    }
}

/// What the daemon answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Reply {
    /// To [`Request::Version`].
    Version {
        /// The daemon's release.
        iked: String,
        /// Process id of its parent process.
        pid: u32,
    },
    /// The daemon as a whole; before the SAs.
    Daemon(Box<DaemonInfo>),
    /// One IKE SA with its children.
    Sa(Box<IkeSaSnapshot>),
    /// One counter.
    Stat(Stat),
    /// One thing that failed.
    Failure(Box<Failure>),
    /// The configuration was read again and is in force.
    Reloaded(ReloadReport),
    /// Done as asked.
    Done,
    /// Not done. May come instead of, or amid, any answer, and ends it.
    Failed(Failed),
    /// End of a list.
    End,
}

impl Reply {
    /// A failure with its class and reason.
    pub fn failed(code: FailCode, reason: impl Into<String>) -> Self {
        Self::Failed(Failed {
            code,
            reason: reason.into(),
        })
    }
    /// Whether this is the last one of an answer.
    pub fn is_last(&self) -> bool {
        match self {
            Self::Daemon(_) | Self::Sa(_) | Self::Stat(_) | Self::Failure(_) => false,
            Self::Version { .. } | Self::Reloaded(_) | Self::Done | Self::Failed(_) | Self::End => {
                true
            }
        }
    }
}

/// The daemon as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DaemonInfo {
    /// Release.
    pub iked: String,
    /// Seconds since it started.
    pub uptime_s: u64,
    /// Data plane asked for: `auto`, `userspace`, `xfrm`, `none`.
    pub dataplane_configured: String,
    /// Data plane in use.
    pub dataplane: String,
    /// Why this one, for people: "no ESP in this kernel". May be empty.
    pub dataplane_note: String,
    /// Whether it initiates (`active`, `passive`).
    pub active: bool,
    /// Whether SAs reach the data plane (`couple`, `decouple`).
    pub coupled: bool,
    /// Names of all policies in the order of the configuration.
    pub policies: Vec<String>,
}

/// A named counter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stat {
    /// Where it is counted: "ikev2", "esp", "kernel"…
    pub section: String,
    /// What is counted.
    pub name: String,
    /// How often.
    pub value: u64,
}

/// Something that failed, some time ago.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Failure {
    /// Seconds ago.
    pub age_s: u64,
    /// What; never a key log row.
    pub event: Event,
}

/// What a reload did, by names of policies.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReloadReport {
    /// As before; their SAs go on untouched.
    pub kept: Vec<String>,
    /// There before and after, but not the same: their SAs were closed and start anew.
    pub changed: Vec<String>,
    /// Gone; their SAs were closed.
    pub closed: Vec<String>,
    /// New.
    pub new: Vec<String>,
    /// Warnings about the configuration, ready to print.
    pub warnings: String,
}

/// Why a request was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// Class.
    pub code: FailCode,
    /// One line for people; for [`FailCode::Config`] the rendered diagnostics, several lines.
    pub reason: String,
}

/// Classes of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum FailCode {
    /// Tried, and it did not work: the engine's or the peer's reason.
    Failed,
    /// No policy, or no SA, of that name.
    NotFound,
    /// The configuration has errors; the old one stays in force.
    Config,
    /// The caller may not do this.
    Denied,
    /// This daemon does not do this.
    Unsupported,
    /// Something inside took too long.
    Timeout,
    /// Too many clients.
    Busy,
    /// The daemon could not understand the request: other release, or not ikectl.
    Protocol,
}

/// A type that is sent as a message.
pub trait Message: Serialize + DeserializeOwned {
    /// Most octets of an encoded message.
    const LIMIT: usize;
}
impl Message for Request {
    const LIMIT: usize = 64 * 1024;
}
impl Message for Reply {
    const LIMIT: usize = 16 * 1024 * 1024;
}

/// What can be wrong with received bytes, or with a message to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProtoError {
    /// Another version.
    #[error(
        "the other side speaks version {0} of the control protocol, this one version {VERSION}: \
         use ikectl and iked of the same release"
    )]
    Version(u8),
    /// Flags that this version does not have.
    #[error("unknown flags {0:#04x} in a control message")]
    Flags(u8),
    /// Nothing in a frame that should be continued.
    #[error("empty frame in a control message")]
    Empty,
    /// More than is allowed.
    #[error("control message longer than {0} octets")]
    TooLong(usize),
    /// Not a message.
    #[error("undecodable control message")]
    Body,
    /// Not a message that can be sent.
    #[error("unencodable control message")]
    Encode,
}

/// A message as the octets to send, in as many frames as it takes.
pub fn encode<M: Message>(message: &M) -> Result<Vec<u8>, ProtoError> {
    let body = postcard::to_allocvec(message).map_err(|_| ProtoError::Encode)?;
    if body.len() > M::LIMIT {
        return Err(ProtoError::TooLong(M::LIMIT));
    }
    let mut out = Vec::with_capacity(body.len() + HEADER_LEN);
    let mut rest = body.as_slice();
    loop {
        let (part, after) = rest.split_at(rest.len().min(MAX_BODY));
        let len = u16::try_from(part.len()).map_err(|_| ProtoError::Encode)?;
        out.push(VERSION);
        out.push(if after.is_empty() { 0 } else { MORE });
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(part);
        rest = after;
        if rest.is_empty() {
            return Ok(out);
        }
    }
}

/// Puts messages together from octets as they come. Take messages out after every
/// [`Decoder::feed`], so that it holds no more than one unfinished message and one piece fed.
#[derive(Debug)]
pub struct Decoder<M> {
    buffer: Vec<u8>,
    message: Vec<u8>,
    broken: Option<ProtoError>,
    kind: core::marker::PhantomData<fn() -> M>,
}

impl<M: Message> Default for Decoder<M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M: Message> Decoder<M> {
    /// An empty one.
    pub fn new() -> Self {
        Self {
            buffer: Vec::new(),
            message: Vec::new(),
            broken: None,
            kind: core::marker::PhantomData,
        }
    }
    /// Octets arrived.
    pub fn feed(&mut self, octets: &[u8]) {
        if self.broken.is_none() {
            self.buffer.extend_from_slice(octets);
        }
    }
    /// Whether nothing unfinished is held: at the end of a stream, whether it ended between messages.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty() && self.message.is_empty()
    }
    /// The next whole message; `None` until more is fed. An error is final.
    pub fn next_message(&mut self) -> Result<Option<M>, ProtoError> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        let result = self.advance();
        if let Err(error) = result {
            *self = Self::new();
            self.broken = Some(error);
        }
        result
    }

    fn advance(&mut self) -> Result<Option<M>, ProtoError> {
        loop {
            // The version first and alone: another version may have another header.
            match self.buffer.first() {
                None => return Ok(None),
                Some(&VERSION) => {}
                Some(&other) => return Err(ProtoError::Version(other)),
            }
            let Some((&[_, flags, high, low], rest)) = self.buffer.split_first_chunk() else {
                return Ok(None);
            };
            let more = match flags {
                0 => false,
                MORE => true,
                other => return Err(ProtoError::Flags(other)),
            };
            let len = usize::from(u16::from_be_bytes([high, low]));
            if len == 0 && more {
                return Err(ProtoError::Empty);
            }
            if len > MAX_BODY {
                return Err(ProtoError::TooLong(MAX_BODY));
            }
            if self.message.len().saturating_add(len) > M::LIMIT {
                return Err(ProtoError::TooLong(M::LIMIT));
            }
            let Some(body) = rest.get(..len) else {
                return Ok(None);
            };
            self.message.extend_from_slice(body);
            self.buffer.drain(..HEADER_LEN.saturating_add(len));
            if more {
                continue;
            }
            let message = core::mem::take(&mut self.message);
            return match postcard::take_from_bytes(&message) {
                Ok((decoded, [])) => Ok(Some(decoded)),
                _ => Err(ProtoError::Body),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn requests() -> Vec<Request> {
        vec![
            Request::Version,
            Request::ShowSa,
            Request::ShowStats,
            Request::ShowFailures,
            Request::Reload,
            Request::LogVerbose(true),
            Request::ResetSa,
            Request::Up("gw".into()),
            Request::Down("gw".into()),
            Request::Rekey {
                name: "gw".into(),
                what: Rekey::Child,
            },
            Request::Active(false),
            Request::Couple(true),
        ]
    }

    #[test]
    fn every_request_survives_any_cut_of_the_stream() {
        let stream: Vec<u8> = requests().iter().flat_map(|r| encode(r).unwrap()).collect();
        for piece in 1..=stream.len() {
            let mut decoder = Decoder::<Request>::new();
            let mut got = Vec::new();
            for octets in stream.chunks(piece) {
                decoder.feed(octets);
                while let Some(request) = decoder.next_message().unwrap() {
                    got.push(request);
                }
            }
            assert_eq!(got, requests());
            assert!(decoder.is_empty());
        }
    }

    #[test]
    fn the_numbers_of_requests_do_not_move_within_a_version() {
        let firsts: Vec<u8> = requests()
            .iter()
            .map(|r| encode(r).unwrap()[HEADER_LEN])
            .collect();
        assert_eq!(VERSION, 1);
        assert_eq!(firsts, (0..12).collect::<Vec<u8>>());
    }

    #[test]
    fn a_long_reply_takes_several_frames_of_at_most_64_kib() {
        let reply = Reply::Daemon(Box::new(DaemonInfo {
            policies: (0..20_000).map(|n| format!("policy {n}")).collect(),
            ..DaemonInfo::default()
        }));
        let octets = encode(&reply).unwrap();
        let mut at = 0;
        let mut frames = 0;
        while at < octets.len() {
            let len = usize::from(u16::from_be_bytes([octets[at + 2], octets[at + 3]]));
            assert!(HEADER_LEN + len <= 64 * 1024);
            at += HEADER_LEN + len;
            frames += 1;
            assert_eq!(octets[at - len - 3], u8::from(at < octets.len()));
        }
        assert!(frames > 2, "{frames}");
        let mut decoder = Decoder::<Reply>::new();
        decoder.feed(&octets);
        let Some(Reply::Daemon(info)) = decoder.next_message().unwrap() else {
            panic!("no reply");
        };
        assert_eq!(info.policies.len(), 20_000);
    }

    #[test]
    fn another_version_is_refused_by_its_first_octet_and_named() {
        let mut decoder = Decoder::<Request>::new();
        decoder.feed(&[7]);
        let error = decoder.next_message().unwrap_err();
        assert_eq!(error, ProtoError::Version(7));
        let text = error.to_string();
        assert!(
            text.contains("version 7") && text.contains("version 1"),
            "{text}"
        );
        decoder.feed(&encode(&Request::ShowSa).unwrap());
        assert_eq!(decoder.next_message(), Err(ProtoError::Version(7)));
    }

    #[test]
    fn what_is_left_over_behind_a_message_is_an_error() {
        let mut octets = encode(&Request::ShowSa).unwrap();
        octets[3] += 1;
        octets.push(0);
        let mut decoder = Decoder::<Request>::new();
        decoder.feed(&octets);
        assert_eq!(decoder.next_message(), Err(ProtoError::Body));
    }

    #[test]
    fn a_request_cannot_grow_beyond_its_limit() {
        let name = "x".repeat(Request::LIMIT);
        assert_eq!(
            encode(&Request::Up(name)),
            Err(ProtoError::TooLong(Request::LIMIT))
        );
        let mut decoder = Decoder::<Request>::new();
        let mut frame = vec![VERSION, MORE, 0xff, 0xfc];
        frame.resize(HEADER_LEN + MAX_BODY, 0);
        decoder.feed(&frame);
        assert_eq!(decoder.next_message(), Ok(None));
        decoder.feed(&frame);
        assert_eq!(
            decoder.next_message(),
            Err(ProtoError::TooLong(Request::LIMIT))
        );
    }

    #[test]
    fn empty_frames_do_not_keep_a_message_open_for_ever() {
        let mut decoder = Decoder::<Request>::new();
        decoder.feed(&[VERSION, MORE, 0, 0]);
        assert_eq!(decoder.next_message(), Err(ProtoError::Empty));
    }

    proptest! {
        #[test]
        fn no_octets_make_the_decoders_panic(octets in proptest::collection::vec(any::<u8>(), 0..300), piece in 1usize..40) {
            let mut requests = Decoder::<Request>::new();
            let mut replies = Decoder::<Reply>::new();
            for part in octets.chunks(piece) {
                requests.feed(part);
                while let Ok(Some(_)) = requests.next_message() {}
                replies.feed(part);
                while let Ok(Some(_)) = replies.next_message() {}
            }
        }

        #[test]
        fn no_body_makes_the_decoders_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut frame = vec![VERSION, 0, 0, 0];
            frame[2..4].copy_from_slice(&u16::try_from(body.len()).unwrap().to_be_bytes());
            frame.extend_from_slice(&body);
            let mut replies = Decoder::<Reply>::new();
            replies.feed(&frame);
            if let Ok(Some(reply)) = replies.next_message() {
                // What was understood can be said again and understood the same way.
                let again = encode(&reply).unwrap();
                replies.feed(&again);
                let twice = replies.next_message().unwrap().unwrap();
                prop_assert_eq!(encode(&twice).unwrap(), again);
            }
            let mut requests = Decoder::<Request>::new();
            requests.feed(&frame);
            let _ = requests.next_message();
        }

        #[test]
        fn names_survive(name in "\\PC{0,80}", code in 0u8..8, reason in "\\PC{0,200}") {
            let mut decoder = Decoder::<Request>::new();
            decoder.feed(&encode(&Request::Up(name.clone())).unwrap());
            prop_assert_eq!(decoder.next_message(), Ok(Some(Request::Up(name))));
            let code = match code {
                0 => FailCode::Failed,
                1 => FailCode::NotFound,
                2 => FailCode::Config,
                3 => FailCode::Denied,
                4 => FailCode::Unsupported,
                5 => FailCode::Timeout,
                6 => FailCode::Busy,
                _ => FailCode::Protocol,
            };
            let mut decoder = Decoder::<Reply>::new();
            decoder.feed(&encode(&Reply::failed(code, reason.clone())).unwrap());
            let Ok(Some(Reply::Failed(failed))) = decoder.next_message() else {
                return Err(TestCaseError::fail("no failure"));
            };
            prop_assert_eq!(failed, Failed { code, reason });
        }
    }
}
