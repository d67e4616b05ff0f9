//! The only unsafe code: ioctls, socket options and batched datagram calls that nix and rustix do not
//! offer, or not without an allocation per packet. Every function is safe to call.
#![allow(unsafe_code)]

use std::io;
use std::mem::{self, size_of};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::libc;

nix::ioctl_write_ptr_bad!(
    tun_set_iff,
    nix::request_code_write!(b'T', 202, size_of::<libc::c_int>()),
    libc::ifreq
);

nix::ioctl_write_int_bad!(
    tun_set_offload,
    nix::request_code_write!(b'T', 208, size_of::<libc::c_uint>())
);
nix::ioctl_read_bad!(
    tun_get_iff,
    nix::request_code_read!(b'T', 210, size_of::<libc::c_uint>()),
    libc::ifreq
);

/// TUNSETIFF with these `IFF_*` flags.
pub(crate) fn tun_create(fd: BorrowedFd<'_>, name: &str, flags: libc::c_int) -> io::Result<()> {
    if name.is_empty() || name.len() >= libc::IFNAMSIZ || name.bytes().any(|b| b == 0 || b == b'%')
    {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: ifreq is a plain C structure for which all zero octets are valid.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_flags = flags as libc::c_short;
    // SAFETY: the request is a valid ifreq that lives over the call; TUNSETIFF reads and writes it only.
    unsafe { tun_set_iff(fd.as_raw_fd(), &raw const request) }?;
    Ok(())
}

/// TUNGETIFF: the `IFF_*` flags of a TUN descriptor.
pub(crate) fn tun_flags(fd: BorrowedFd<'_>) -> io::Result<libc::c_int> {
    // SAFETY: as above.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    // SAFETY: the kernel writes one ifreq into memory we own.
    unsafe { tun_get_iff(fd.as_raw_fd(), &raw mut request) }?;
    // SAFETY: TUNGETIFF fills the flags member of the union.
    Ok(libc::c_int::from(unsafe { request.ifr_ifru.ifru_flags }))
}

/// TUNSETOFFLOAD with these `TUN_F_*` flags.
pub(crate) fn tun_offload(fd: BorrowedFd<'_>, flags: libc::c_int) -> io::Result<()> {
    // SAFETY: the argument is passed by value.
    unsafe { tun_set_offload(fd.as_raw_fd(), flags) }?;
    Ok(())
}

/// setsockopt with any plain octets.
fn set_option(fd: BorrowedFd<'_>, level: i32, name: i32, value: &[u8]) -> io::Result<()> {
    // SAFETY: pointer and length describe a live slice, which the kernel only reads.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            name,
            value.as_ptr().cast(),
            value.len() as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// setsockopt with an int.
pub(crate) fn set_int(fd: BorrowedFd<'_>, level: i32, name: i32, value: i32) -> io::Result<()> {
    set_option(fd, level, name, &value.to_ne_bytes())
}

/// A per-socket XFRM policy "allow" for one direction, so that this socket's packets bypass IPsec.
pub(crate) fn xfrm_bypass(fd: BorrowedFd<'_>, ipv6: bool, outbound: bool) -> io::Result<()> {
    // struct xfrm_userpolicy_info: selector (family at 40), lifetimes, priority, index, dir, action.
    let mut info = [0; 168];
    let family = if ipv6 { libc::AF_INET6 } else { libc::AF_INET } as u16;
    info[40..42].copy_from_slice(&family.to_ne_bytes());
    info[160] = u8::from(outbound);
    if ipv6 {
        set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_XFRM_POLICY, &info)
    } else {
        set_option(fd, libc::IPPROTO_IP, libc::IP_XFRM_POLICY, &info)
    }
}

/// Attaches a classic BPF program (code, jump if true, jump if false, operand) to a reuseport group.
pub(crate) fn reuseport_program(fd: BorrowedFd<'_>, code: &[(u16, u8, u8, u32)]) -> io::Result<()> {
    let mut filter: Vec<libc::sock_filter> = code
        .iter()
        .map(|&(code, jt, jf, k)| libc::sock_filter { code, jt, jf, k })
        .collect();
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: the program points to `filter`, which lives over the call; the kernel copies it.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_REUSEPORT_CBPF,
            (&raw const program).cast(),
            size_of::<libc::sock_fprog>() as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// What is known of a datagram besides its octets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meta {
    /// Octets, all segments together.
    pub(crate) len: usize,
    /// Sender.
    pub(crate) peer: SocketAddr,
    /// Address it was sent to, if the kernel told.
    pub(crate) local: Option<IpAddr>,
    /// With UDP GRO: length of each segment but the last; otherwise 0.
    pub(crate) segment: usize,
    /// Traffic class octet.
    pub(crate) tos: u8,
    /// Whether the buffer was too short.
    pub(crate) truncated: bool,
}

impl Meta {
    pub(crate) const EMPTY: Self = Self {
        len: 0,
        peer: SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0)),
        local: None,
        segment: 0,
        tos: 0,
        truncated: false,
    };
}

/// Where a datagram in a buffer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Item {
    /// First octet in the buffer.
    pub(crate) start: usize,
    /// One after the last.
    pub(crate) end: usize,
    /// Source address; unspecified lets the kernel choose.
    pub(crate) local: IpAddr,
    /// Destination.
    pub(crate) peer: SocketAddr,
    /// Octets per datagram if these are several (UDP GSO).
    pub(crate) segment: usize,
    /// Traffic class octet.
    pub(crate) tos: u8,
}

/// Most datagrams one call moves.
pub(crate) const BATCH: usize = 64;
const CONTROL: usize = 16;

/// Control messages, aligned.
type Control = [u64; CONTROL];

/// Receives up to `metas.len()` datagrams, the n-th into the n-th chunk of `buf`. Never waits.
pub(crate) fn recv_batch(
    fd: BorrowedFd<'_>,
    buf: &mut [u8],
    chunk: usize,
    metas: &mut [Meta],
) -> io::Result<usize> {
    let count = metas.len().min(BATCH).min(buf.len() / chunk.max(1));
    // SAFETY: these C structures are plain data for which all zero octets are valid.
    let (mut headers, mut iovs, mut names) = unsafe {
        (
            mem::zeroed::<[libc::mmsghdr; BATCH]>(),
            mem::zeroed::<[libc::iovec; BATCH]>(),
            mem::zeroed::<[libc::sockaddr_in6; BATCH]>(),
        )
    };
    let mut controls: [Control; BATCH] = [[0; CONTROL]; BATCH];
    for (i, piece) in buf.chunks_exact_mut(chunk).take(count).enumerate() {
        iovs[i].iov_base = piece.as_mut_ptr().cast();
        iovs[i].iov_len = piece.len();
        let header = &mut headers[i].msg_hdr;
        header.msg_iov = &raw mut iovs[i];
        header.msg_iovlen = 1;
        header.msg_name = (&raw mut names[i]).cast();
        header.msg_namelen = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
        header.msg_control = (&raw mut controls[i]).cast();
        header.msg_controllen = size_of::<Control>() as _;
    }
    // SAFETY: `count` headers are initialised; names, controls and chunks they point to are distinct, live
    // over the call and have the lengths stated.
    let received = unsafe {
        libc::recvmmsg(
            fd.as_raw_fd(),
            headers.as_mut_ptr(),
            count as libc::c_uint,
            libc::MSG_DONTWAIT as _,
            std::ptr::null_mut(),
        )
    };
    let Ok(received) = usize::try_from(received) else {
        return Err(io::Error::last_os_error());
    };
    for i in 0..received {
        let header = &headers[i];
        metas[i] = Meta {
            len: header.msg_len as usize,
            peer: from_sockaddr(&names[i]),
            truncated: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
            ..Meta::EMPTY
        };
        read_control(&header.msg_hdr, &mut metas[i]);
    }
    Ok(received)
}

/// Sends datagrams out of `buf`, up to [`BATCH`] of them: how many went. Never waits.
pub(crate) fn send_batch(fd: BorrowedFd<'_>, buf: &[u8], items: &[Item]) -> io::Result<usize> {
    // SAFETY: these C structures are plain data for which all zero octets are valid.
    let (mut headers, mut iovs, mut names) = unsafe {
        (
            mem::zeroed::<[libc::mmsghdr; BATCH]>(),
            mem::zeroed::<[libc::iovec; BATCH]>(),
            mem::zeroed::<[libc::sockaddr_in6; BATCH]>(),
        )
    };
    let mut controls: [Control; BATCH] = [[0; CONTROL]; BATCH];
    let count = items.len().min(BATCH);
    for (i, item) in items.iter().take(count).enumerate() {
        let piece = buf
            .get(item.start..item.end)
            .ok_or(io::ErrorKind::InvalidInput)?;
        iovs[i].iov_base = piece.as_ptr().cast_mut().cast();
        iovs[i].iov_len = piece.len();
        let name_len = to_sockaddr(item.peer, &mut names[i]);
        let header = &mut headers[i].msg_hdr;
        header.msg_iov = &raw mut iovs[i];
        header.msg_iovlen = 1;
        header.msg_name = (&raw mut names[i]).cast();
        header.msg_namelen = name_len;
        let used = write_control(item, &mut controls[i]);
        if used > 0 {
            header.msg_control = (&raw mut controls[i]).cast();
            header.msg_controllen = used as _;
        }
    }
    // SAFETY: `count` headers are initialised and what they point to lives over the call; the kernel only
    // reads through them.
    let sent = unsafe {
        libc::sendmmsg(
            fd.as_raw_fd(),
            headers.as_mut_ptr(),
            count as libc::c_uint,
            libc::MSG_DONTWAIT as _,
        )
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

fn from_sockaddr(name: &libc::sockaddr_in6) -> SocketAddr {
    if libc::c_int::from(name.sin6_family) == libc::AF_INET6 {
        SocketAddr::V6(SocketAddrV6::new(
            Ipv6Addr::from(name.sin6_addr.s6_addr),
            u16::from_be(name.sin6_port),
            0,
            name.sin6_scope_id,
        ))
    } else {
        // SAFETY: sockaddr_in is smaller, less aligned and valid for any octets.
        let name = unsafe { *(&raw const *name).cast::<libc::sockaddr_in>() };
        SocketAddr::V4(SocketAddrV4::new(
            Ipv4Addr::from(u32::from_be(name.sin_addr.s_addr)),
            u16::from_be(name.sin_port),
        ))
    }
}

fn to_sockaddr(addr: SocketAddr, name: &mut libc::sockaddr_in6) -> libc::socklen_t {
    match addr {
        SocketAddr::V6(addr) => {
            name.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            name.sin6_port = addr.port().to_be();
            name.sin6_addr.s6_addr = addr.ip().octets();
            name.sin6_scope_id = addr.scope_id();
            size_of::<libc::sockaddr_in6>() as libc::socklen_t
        }
        SocketAddr::V4(addr) => {
            let value = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: addr.port().to_be(),
                sin_addr: libc::in_addr {
                    s_addr: u32::from(*addr.ip()).to_be(),
                },
                sin_zero: [0; 8],
            };
            // SAFETY: sockaddr_in is smaller and less aligned than the place, which is ours alone.
            unsafe { (&raw mut *name).cast::<libc::sockaddr_in>().write(value) };
            size_of::<libc::sockaddr_in>() as libc::socklen_t
        }
    }
}

fn read_control(header: &libc::msghdr, meta: &mut Meta) {
    // SAFETY: the kernel has just filled header and control buffer consistently; the CMSG functions stay
    // inside msg_controllen.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(header) };
    while !next.is_null() {
        // SAFETY: not null, so a whole, aligned cmsghdr inside the control buffer.
        let cmsg = unsafe { *next };
        // SAFETY: CMSG_LEN is arithmetic.
        let len = (cmsg.cmsg_len as usize).saturating_sub(unsafe { libc::CMSG_LEN(0) } as usize);
        // SAFETY: the data of this control message is `len` octets inside the control buffer.
        let data = unsafe { std::slice::from_raw_parts(libc::CMSG_DATA(next), len) };
        match (cmsg.cmsg_level, cmsg.cmsg_type) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                // struct in_pktinfo: ifindex, spec_dst (the local address), addr (of the header).
                if let Some(addr) = data.get(8..12).and_then(|d| <[u8; 4]>::try_from(d).ok()) {
                    meta.local = Some(IpAddr::from(addr));
                }
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                if let Some(addr) = data.get(..16).and_then(|d| <[u8; 16]>::try_from(d).ok()) {
                    meta.local = Some(IpAddr::from(addr));
                }
            }
            (libc::IPPROTO_IP, libc::IP_TOS) => meta.tos = data.first().copied().unwrap_or(0),
            (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => meta.tos = int(data) as u8,
            (libc::SOL_UDP, libc::UDP_GRO) => {
                meta.segment = usize::try_from(int(data)).unwrap_or(0)
            }
            _ => {}
        }
        // SAFETY: as for the first.
        next = unsafe { libc::CMSG_NXTHDR(header, next) };
    }
}

fn int(data: &[u8]) -> i32 {
    data.get(..4)
        .and_then(|d| <[u8; 4]>::try_from(d).ok())
        .map_or(0, i32::from_ne_bytes)
}

/// Puts source address, traffic class and segment size into a control buffer; returns the octets used.
fn write_control(item: &Item, control: &mut Control) -> usize {
    let mut used = 0;
    match item.local {
        IpAddr::V4(addr) if !addr.is_unspecified() => {
            let mut info = [0; 12];
            info[4..8].copy_from_slice(&addr.octets());
            used = push_control(control, used, libc::IPPROTO_IP, libc::IP_PKTINFO, &info);
        }
        IpAddr::V6(addr) if !addr.is_unspecified() => {
            let mut info = [0; 20];
            info[..16].copy_from_slice(&addr.octets());
            used = push_control(control, used, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &info);
        }
        _ => {}
    }
    if item.tos != 0 {
        let tos = i32::from(item.tos).to_ne_bytes();
        let (level, kind) = if item.peer.is_ipv6() {
            (libc::IPPROTO_IPV6, libc::IPV6_TCLASS)
        } else {
            (libc::IPPROTO_IP, libc::IP_TOS)
        };
        used = push_control(control, used, level, kind, &tos);
    }
    if item.segment != 0 && item.end - item.start > item.segment {
        let segment = (item.segment as u16).to_ne_bytes();
        used = push_control(control, used, libc::SOL_UDP, libc::UDP_SEGMENT, &segment);
    }
    used
}

/// Appends one control message by its layout: length, level, type, data padded to eight octets.
fn push_control(control: &mut Control, at: usize, level: i32, kind: i32, data: &[u8]) -> usize {
    const HEADER: usize = size_of::<libc::cmsghdr>();
    let mut octets = [0_u8; size_of::<Control>()];
    let len = HEADER + data.len();
    let size = size_of::<usize>();
    octets[..size].copy_from_slice(&len.to_ne_bytes());
    octets[size..size + 4].copy_from_slice(&level.to_ne_bytes());
    octets[size + 4..size + 8].copy_from_slice(&kind.to_ne_bytes());
    octets[HEADER..len].copy_from_slice(data);
    let space = len.next_multiple_of(8);
    for (word, from) in control[at / 8..]
        .iter_mut()
        .zip(octets[..space].as_chunks::<8>().0)
    {
        *word = u64::from_ne_bytes(*from);
    }
    at + space
}

/// Waits a little until a socket takes more.
pub(crate) fn wait_writable(fd: BorrowedFd<'_>, millis: u16) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let timeout = Timespec {
        tv_sec: 0,
        tv_nsec: i64::from(millis) * 1_000_000,
    };
    // A failure or timeout shows at the next send.
    let _ = poll(
        &mut [PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::OUT)],
        Some(&timeout),
    );
}
