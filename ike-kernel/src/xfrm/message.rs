//! Octets of NETLINK_XFRM messages: the structures of `linux/xfrm.h` written field by field in the
//! machine's byte order (addresses, ports and SPIs in network order), and read back.
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ike_ts::Prefix;
use nix::libc;
use zeroize::Zeroizing;

use super::policy::{Action, Direction, Policy, Selector};
use crate::netlink::{attributes, half, word};

pub(super) const NEW_SA: u16 = 0x10;
pub(super) const DELETE_SA: u16 = 0x11;
pub(super) const GET_SA: u16 = 0x12;
pub(super) const DELETE_POLICY: u16 = 0x14;
pub(super) const GET_POLICY: u16 = 0x15;
pub(super) const ACQUIRE: u16 = 0x17;
pub(super) const EXPIRE: u16 = 0x18;
pub(super) const UPDATE_POLICY: u16 = 0x19;
pub(super) const MAPPING: u16 = 0x26;

/// What names an SA in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SaId {
    pub(super) dst: IpAddr,
    pub(super) spi: u32,
    pub(super) protocol: u8,
}

/// An SA to add.
#[derive(Debug)]
pub(super) struct Sa<'s> {
    pub(super) id: SaId,
    pub(super) src: IpAddr,
    pub(super) reqid: u32,
    pub(super) mode: u8,
    pub(super) esn: bool,
    pub(super) replay_window: u32,
    /// (source, destination) ports of ESP in UDP.
    pub(super) encap: Option<(u16, u16)>,
    /// For the SA that sends: packets after which the kernel tells, and stops.
    pub(super) packet_limits: Option<(u64, u64)>,
    pub(super) algorithms: &'s [Algorithm<'s>],
}

/// An algorithm attribute.
#[derive(Debug)]
pub(super) struct Algorithm<'s> {
    pub(super) attribute: u16,
    pub(super) name: &'static str,
    /// ICV or truncated length in bits, where the attribute has it.
    pub(super) icv_bits: Option<u32>,
    pub(super) key: &'s [u8],
}

pub(super) const ALG_CRYPT: u16 = 2;
pub(super) const ALG_AEAD: u16 = 18;
pub(super) const ALG_AUTH_TRUNC: u16 = 20;

/// Body of NEWSA; wiped on drop, since it holds keys.
pub(super) fn new_sa(sa: &Sa<'_>) -> Zeroizing<Vec<u8>> {
    let mut body = Zeroizing::new(Vec::with_capacity(640));
    let ipv6 = sa.id.dst.is_ipv6();
    // struct xfrm_usersa_info; an empty selector lets any inner packet pass, policies decide.
    body.extend([0; SELECTOR_LEN]);
    put_id(&mut body, &sa.id);
    put_address(&mut body, sa.src);
    let (soft, hard) = sa.packet_limits.unwrap_or((FOR_EVER, FOR_EVER));
    for limit in [FOR_EVER, FOR_EVER, soft, hard, 0, 0, 0, 0] {
        body.extend(limit.to_ne_bytes());
    }
    body.extend([0; 32 + 12 + 4]);
    body.extend(sa.reqid.to_ne_bytes());
    body.extend(family(ipv6).to_ne_bytes());
    let small_window = sa.replay_window.min(32) as u8;
    let esn = if sa.esn { STATE_ESN } else { 0 };
    let flags = if sa.mode == MODE_TUNNEL {
        esn | STATE_AF_UNSPEC
    } else {
        esn
    };
    let legacy_window = if sa.replay_window > 32 || sa.esn {
        0
    } else {
        small_window
    };
    body.extend([sa.mode, legacy_window, flags, 0, 0, 0, 0, 0, 0, 0]);
    for algorithm in sa.algorithms {
        let mut value = Zeroizing::new(vec![0; 64]);
        let name = algorithm.name.as_bytes();
        value[..name.len()].copy_from_slice(name);
        value.extend((algorithm.key.len() as u32 * 8).to_ne_bytes());
        if let Some(bits) = algorithm.icv_bits {
            value.extend(bits.to_ne_bytes());
        }
        value.extend_from_slice(algorithm.key);
        put_attribute(&mut body, algorithm.attribute, &value);
    }
    if legacy_window == 0 {
        // struct xfrm_replay_state_esn, also for windows beyond 32 without ESN.
        let words = sa.replay_window.div_ceil(32);
        let mut value = Vec::new();
        for field in [words, 0, 0, 0, 0, sa.replay_window] {
            value.extend(field.to_ne_bytes());
        }
        value.resize(24 + words as usize * 4, 0);
        put_attribute(&mut body, REPLAY_ESN_VAL, &value);
    }
    if let Some(ports) = sa.encap {
        put_attribute(&mut body, ENCAP, &encap(ports));
    }
    body
}

/// Body of NEWSA made of what GETSA answered, with other addresses.
pub(super) fn moved_sa(
    answer: &[u8],
    src: IpAddr,
    dst: IpAddr,
    ports: Option<(u16, u16)>,
) -> Option<Zeroizing<Vec<u8>>> {
    let mut body = Zeroizing::new(answer.get(..SA_LEN)?.to_vec());
    write_address(&mut body, 56, dst);
    write_address(&mut body, 80, src);
    body.get_mut(212..214)?
        .copy_from_slice(&family(dst.is_ipv6()).to_ne_bytes());
    for (kind, value) in attributes(answer.get(SA_LEN..)?) {
        if KEPT.contains(&kind) {
            put_attribute(&mut body, kind, value);
        }
    }
    if let Some(ports) = ports {
        put_attribute(&mut body, ENCAP, &encap(ports));
    }
    Some(body)
}

/// Body of DELSA and GETSA.
pub(super) fn sa_id(id: &SaId) -> Vec<u8> {
    let mut body = Vec::new();
    put_address(&mut body, id.dst);
    body.extend(id.spi.to_be_bytes());
    body.extend(family(id.dst.is_ipv6()).to_ne_bytes());
    body.extend([id.protocol, 0]);
    body
}

/// What matters of an answer to GETSA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SaState {
    pub(super) id: SaId,
    pub(super) reqid: u32,
    pub(super) bytes: u64,
    pub(super) packets: u64,
}

/// Reads struct xfrm_usersa_info.
pub(super) fn read_sa(body: &[u8]) -> Option<SaState> {
    let body = body.get(..SA_LEN)?;
    let ipv6 = i32::from(half(body, 212)) == libc::AF_INET6;
    Some(SaState {
        id: SaId {
            dst: read_address(body, 56, ipv6)?,
            spi: u32::from_be(word(body, 72)),
            protocol: body[76],
        },
        reqid: word(body, 208),
        bytes: long(body, 160),
        packets: long(body, 168),
    })
}

/// Body of NEWPOLICY and UPDPOLICY.
pub(super) fn new_policy(direction: Direction, selector: &Selector, policy: &Policy) -> Vec<u8> {
    let mut body = Vec::with_capacity(256);
    put_selector(&mut body, selector);
    for limit in [FOR_EVER, FOR_EVER, FOR_EVER, FOR_EVER, 0, 0, 0, 0] {
        body.extend(limit.to_ne_bytes());
    }
    body.extend([0; 32]);
    body.extend(policy.priority.to_ne_bytes());
    body.extend(0_u32.to_ne_bytes());
    let action = u8::from(policy.action == Action::Block);
    body.extend([direction as u8, action, 0, 0, 0, 0, 0, 0]);
    if let Action::Protect(template) = &policy.action {
        let mut value = Vec::with_capacity(64);
        put_id(
            &mut value,
            &SaId {
                dst: template.dst,
                spi: template.spi,
                protocol: template.protocol,
            },
        );
        value.extend(family(template.dst.is_ipv6()).to_ne_bytes());
        value.extend([0; 2]);
        put_address(&mut value, template.src);
        value.extend(template.reqid.to_ne_bytes());
        value.extend([template.mode, 0, 0, 0]);
        for any_algorithm in [u32::MAX; 3] {
            value.extend(any_algorithm.to_ne_bytes());
        }
        put_attribute(&mut body, TMPL, &value);
    }
    body
}

/// Body of DELPOLICY.
pub(super) fn policy_id(direction: Direction, selector: &Selector) -> Vec<u8> {
    let mut body = Vec::new();
    put_selector(&mut body, selector);
    body.extend(0_u32.to_ne_bytes());
    body.extend([direction as u8, 0, 0, 0]);
    body
}

/// Direction, selector and priority of an answer to GETPOLICY; `None` for what we cannot have made.
pub(super) fn read_policy(body: &[u8]) -> Option<(Direction, Selector, u32)> {
    let body = body.get(..POLICY_LEN)?;
    let direction = match body[160] {
        0 => Direction::In,
        1 => Direction::Out,
        2 => Direction::Forward,
        _ => return None,
    };
    Some((direction, read_selector(body)?, word(body, 152)))
}

/// What an event of the kernel says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Notice {
    /// No SA for a packet with this selector.
    Acquire(Selector),
    /// A lifetime ended.
    Expire { spi: u32, hard: bool },
    /// ESP in UDP came from a new address.
    Mapping { spi: u32, peer: SocketAddr },
}

/// Reads an event; `None` for others and for what is too short.
pub(super) fn read_event(kind: u16, body: &[u8]) -> Option<Notice> {
    match kind {
        ACQUIRE => Some(Notice::Acquire(read_selector(body.get(40..)?)?)),
        EXPIRE => Some(Notice::Expire {
            spi: read_sa(body)?.id.spi,
            hard: *body.get(SA_LEN)? != 0,
        }),
        MAPPING => {
            let ipv6 = i32::from(half(body, 20)) == libc::AF_INET6;
            let port = body.get(62..64)?;
            Some(Notice::Mapping {
                spi: u32::from_be(word(body, 16)),
                peer: SocketAddr::new(
                    read_address(body, 44, ipv6)?,
                    u16::from_be_bytes([port[0], port[1]]),
                ),
            })
        }
        _ => None,
    }
}

fn put_selector(body: &mut Vec<u8>, selector: &Selector) {
    put_address(body, selector.dst.addr);
    put_address(body, selector.src.addr);
    for ports in [selector.dst_port, selector.src_port] {
        body.extend(ports.0.to_be_bytes());
        body.extend(ports.1.to_be_bytes());
    }
    body.extend(family(selector.dst.addr.is_ipv6()).to_ne_bytes());
    body.extend([selector.dst.len, selector.src.len, selector.protocol]);
    body.extend([0; 3 + 4 + 4]);
}

fn read_selector(body: &[u8]) -> Option<Selector> {
    let body = body.get(..SELECTOR_LEN)?;
    let ipv6 = i32::from(half(body, 40)) == libc::AF_INET6;
    let prefix = |at, len| {
        Some(Prefix {
            addr: read_address(body, at, ipv6)?,
            len,
        })
    };
    let port = |at| u16::from_be(half(body, at));
    Some(Selector {
        dst: prefix(0, body[42])?,
        src: prefix(16, body[43])?,
        dst_port: (port(32), port(34)),
        src_port: (port(36), port(38)),
        protocol: body[44],
    })
}

fn put_id(body: &mut Vec<u8>, id: &SaId) {
    put_address(body, id.dst);
    body.extend(id.spi.to_be_bytes());
    body.extend([id.protocol, 0, 0, 0]);
}

fn put_address(body: &mut Vec<u8>, addr: IpAddr) {
    let at = body.len();
    body.extend([0; 16]);
    write_address(body, at, addr);
}

fn write_address(body: &mut [u8], at: usize, addr: IpAddr) {
    if let Some(place) = body.get_mut(at..at + 16) {
        place.fill(0);
        match addr {
            IpAddr::V4(addr) => place[..4].copy_from_slice(&addr.octets()),
            IpAddr::V6(addr) => place.copy_from_slice(&addr.octets()),
        }
    }
}

fn read_address(body: &[u8], at: usize, ipv6: bool) -> Option<IpAddr> {
    let octets: [u8; 16] = body.get(at..at + 16)?.try_into().ok()?;
    let [a, b, c, d, ..] = octets;
    Some(if ipv6 {
        Ipv6Addr::from(octets).into()
    } else {
        Ipv4Addr::new(a, b, c, d).into()
    })
}

fn put_attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    body.extend(((value.len() + 4) as u16).to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend_from_slice(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

/// struct xfrm_encap_tmpl.
fn encap((src, dst): (u16, u16)) -> [u8; 24] {
    let mut value = [0; 24];
    value[..2].copy_from_slice(&UDP_ENCAP_ESPINUDP.to_ne_bytes());
    value[2..4].copy_from_slice(&src.to_be_bytes());
    value[4..6].copy_from_slice(&dst.to_be_bytes());
    value
}

fn long(body: &[u8], at: usize) -> u64 {
    body.get(at..at + 8)
        .and_then(|o| <[u8; 8]>::try_from(o).ok())
        .map_or(0, u64::from_ne_bytes)
}

fn family(ipv6: bool) -> u16 {
    if ipv6 {
        libc::AF_INET6 as u16
    } else {
        libc::AF_INET as u16
    }
}

pub(super) const MODE_TRANSPORT: u8 = 0;
pub(super) const MODE_TUNNEL: u8 = 1;
const FOR_EVER: u64 = u64::MAX;
const SELECTOR_LEN: usize = 56;
const SA_LEN: usize = 224;
const POLICY_LEN: usize = 168;
const STATE_AF_UNSPEC: u8 = 32;
const STATE_ESN: u8 = 128;
const ENCAP: u16 = 4;
const TMPL: u16 = 5;
const REPLAY_ESN_VAL: u16 = 23;
const UDP_ENCAP_ESPINUDP: u16 = 2;
/// Attributes of an SA that it keeps when it moves: algorithms with keys, marks, replay state, if_id.
const KEPT: [u16; 9] = [
    1,
    ALG_CRYPT,
    10,
    ALG_AEAD,
    ALG_AUTH_TRUNC,
    21,
    REPLAY_ESN_VAL,
    24,
    31,
];

#[cfg(all(test, target_endian = "little"))]
mod tests;
