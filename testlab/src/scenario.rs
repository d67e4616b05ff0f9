//! The vocabulary of scenarios: a network, two peers, and steps with what is
//! expected of them. Everything here is plain data that can be read from a file.

use serde::{Deserialize, Serialize};

pub use crate::topology::{Family, Path, Plan, Side};

/// One test of two daemons.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Scenario {
    /// `WHAT.LEFT-RIGHT`.
    pub name: String,
    /// One line for people.
    pub about: String,
    /// Where it can run.
    #[serde(default)]
    pub kernel: Kernel,
    /// The network.
    #[serde(default)]
    pub plan: Plan,
    /// The left gateway.
    pub left: Peer,
    /// The right gateway.
    pub right: Peer,
    /// What happens, in order.
    pub steps: Vec<Step>,
    /// About how long it takes, so that the longest can begin first.
    #[serde(default)]
    pub seconds: u32,
}

impl Scenario {
    /// A peer.
    pub fn peer(&self, side: Side) -> &Peer {
        match side {
            Side::Left => &self.left,
            Side::Right => &self.right,
        }
    }

    /// A peer, to be changed.
    pub fn peer_mut(&mut self, side: Side) -> &mut Peer {
        match side {
            Side::Left => &mut self.left,
            Side::Right => &mut self.right,
        }
    }
}

/// The kernel that a scenario needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kernel {
    /// The running one; no kernel ESP is expected.
    #[default]
    Host,
    /// User-Mode Linux with real IPsec.
    Uml,
}

/// An implementation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Implementation {
    /// This project's.
    Iked,
    /// Debian's strongSwan.
    Strongswan,
}

impl Implementation {
    /// Its name in scenario names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Iked => "iked",
            Self::Strongswan => "strongswan",
        }
    }
}

/// Who begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Waits for the peer or for a command.
    #[default]
    Passive,
    /// Brings the tunnel up and keeps it up.
    Active,
}

/// Where ESP is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dataplane {
    /// In the daemon, over a TUN device (strongSwan: kernel-libipsec).
    #[default]
    Userspace,
    /// In the kernel.
    Xfrm,
    /// As the daemon finds best.
    Auto,
}

impl Dataplane {
    /// Its word in iked.conf.
    pub fn name(self) -> &'static str {
        match self {
            Self::Userspace => "userspace",
            Self::Xfrm => "xfrm",
            Self::Auto => "auto",
        }
    }
}

/// The configuration of one end. Addresses and selectors follow from the network.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Peer {
    /// Which daemon.
    pub daemon: Implementation,
    /// Who begins.
    pub mode: Mode,
    /// Its identity.
    pub id: String,
    /// The pre-shared key.
    pub psk: String,
    /// Transforms of the IKE SA.
    pub ike: Suite,
    /// Transforms of the child SA; a group means PFS.
    pub esp: Suite,
    /// Seconds between rekeys of the IKE SA; 0 for none during a test.
    pub ike_lifetime: u32,
    /// Seconds between rekeys of the child SA; 0 for none during a test.
    pub child_lifetime: u32,
    /// Seconds between liveness checks; 0 for the daemon's default.
    pub dpd: u32,
    /// Where ESP is done.
    pub dataplane: Dataplane,
    /// More lines of iked.conf before the policy (`set leak`).
    pub extra: Vec<String>,
    /// Write a key log.
    pub keylog: bool,
}

impl Default for Peer {
    fn default() -> Self {
        Self {
            daemon: Implementation::Iked,
            mode: Mode::Passive,
            id: String::new(),
            psk: "correct horse battery staple".into(),
            ike: Suite::gcm(&["curve25519"]),
            esp: Suite::gcm(&[]),
            ike_lifetime: 0,
            child_lifetime: 0,
            dpd: 0,
            dataplane: Dataplane::Userspace,
            extra: Vec::new(),
            keylog: false,
        }
    }
}

/// Transforms, by their names in iked.conf.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suite {
    /// Encryption.
    pub enc: String,
    /// Integrity; none for an AEAD.
    pub auth: Option<String>,
    /// Pseudorandom function (IKE only).
    pub prf: String,
    /// Key exchange methods in order of preference.
    pub groups: Vec<String>,
}

impl Suite {
    /// AES-256-GCM and SHA2-256.
    pub fn gcm(groups: &[&str]) -> Self {
        Self {
            enc: "aes-256-gcm".into(),
            auth: None,
            prf: "hmac-sha2-256".into(),
            groups: groups.iter().map(|&group| group.to_owned()).collect(),
        }
    }

    /// AES-256-CBC with HMAC-SHA2-256.
    pub fn cbc(groups: &[&str]) -> Self {
        Self {
            enc: "aes-256".into(),
            auth: Some("hmac-sha2-256".into()),
            ..Self::gcm(groups)
        }
    }
}

/// What to rekey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The IKE SA.
    Ike,
    /// Its child SA.
    Child,
}

/// One thing to do or to expect.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Start a daemon and wait until it answers.
    Start(Side),
    /// Stop a daemon in an orderly way (SIGTERM).
    Stop(Side),
    /// Kill a daemon with all its processes, as a power cut would.
    Kill(Side),
    /// Kill one process of iked by its role; the rest has to notice.
    KillProcess(Side, String),
    /// A control command of iked (`ikectl decouple`).
    Control(Side, Vec<String>),
    /// Put a line before the policy of iked.conf, and reload.
    Reload(Side, String),
    /// Bring the tunnel up by command.
    Up(Side),
    /// Bring the tunnel up by command, which has to fail.
    UpFails(Side),
    /// Take the tunnel down by command.
    Down(Side),
    /// Rekey by command, and wait until both ends use the new SA.
    Rekey(Side, What),
    /// Within so many seconds both ends have one IKE SA with one child, and the SPIs agree.
    Established(u32),
    /// Within so many seconds neither end has any SA.
    NoSa(u32),
    /// As many echo requests from the LAN of a side to the other; all must come back.
    Ping(Side, u32),
    /// Echo requests from the LAN of a side, none of which may come back.
    NoPing(Side),
    /// Within so many seconds a ping from the LAN of a side comes back.
    PingWithin(Side, u32),
    /// Ping ten times a second in the background from the LAN of a side.
    KeepPinging(Side),
    /// Stop the background ping; at most so many may be lost.
    PingsLost(u32),
    /// TCP from the LAN of a side to the other and back, so many seconds each.
    Iperf(Side, u32),
    /// TCP one way for so many seconds; nothing may stall for more than two.
    SteadyIperf(Side, u32),
    /// On the outer links: ESP was seen and nothing of the LANs in clear.
    OnlyEsp,
    /// On the outer links: the ESP was in UDP 4500.
    EspInUdp,
    /// On the outer links: ESP was IP protocol 50 and never in UDP.
    RawEsp,
    /// On the outer links nothing of the LANs has been seen in clear (ESP or not).
    NothingClear,
    /// On the outer links packets of the LANs have been seen in clear.
    SomethingClear,
    /// So many IKE_SA_INIT responses said INVALID_KE_PAYLOAD.
    InvalidKeRounds(usize),
    /// So many IKE_SA_INIT responses asked for a cookie.
    CookieRounds(usize),
    /// At least so many CREATE_CHILD_SA requests were seen.
    Rekeys(usize),
    /// Nothing of a daemon is left in the kernel of a side: no device, route, rule, SA or policy.
    NothingLeft(Side),
    /// The log of a side has a line with one of these texts (in lower case).
    Log(Side, Vec<String>),
    /// Wait so many seconds.
    Pause(u32),
    /// Damaged and random datagrams to a side: how many of each.
    BadInput(Side, u32),
    /// tshark decrypts IKE_AUTH with the key log of a side and finds nothing malformed.
    Wireshark(Side),
    /// `ikectl show stats` of a side: this counter, or one of these, has counted something.
    Counted(Side, Vec<String>),
}
