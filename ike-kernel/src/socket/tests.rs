use super::*;

fn open_on(plane: PlaneKind, port: u16) -> Option<Vec<(SocketRole, OwnedFd)>> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: marks and raw sockets need root");
        return None;
    }
    let config = SocketConfig {
        plane,
        port,
        natt_port: Some(port + 1),
        mark: Some(7),
    };
    Some(open(&config).unwrap())
}

fn recv_soon(socket: &IkeSocket, buf: &mut [u8]) -> Option<(usize, SocketAddr, SocketAddr)> {
    for _ in 0..200 {
        if let Some(got) = socket.recv(buf).unwrap() {
            return Some(got);
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    None
}

fn take(sockets: &mut Vec<(SocketRole, OwnedFd)>, role: SocketRole) -> IkeSocket {
    let at = sockets.iter().position(|(r, _)| *r == role).unwrap();
    let (role, fd) = sockets.remove(at);
    IkeSocket::new(role, fd).unwrap()
}

#[test]
fn port_4500_is_split_between_ike_and_esp_by_the_first_four_octets() {
    let Some(mut sockets) = open_on(PlaneKind::Userspace, 15500) else {
        return;
    };
    let families = [
        (SocketRole::NattV4, SocketRole::EspUdpV4, "127.0.0.1"),
        (SocketRole::NattV6, SocketRole::EspUdpV6, "::1"),
    ];
    for (natt, esp, host) in families {
        if !sockets.iter().any(|(r, _)| *r == natt) {
            eprintln!("skipped: no IPv6");
            continue;
        }
        let (natt, esp) = (take(&mut sockets, natt), take(&mut sockets, esp));
        let host: IpAddr = host.parse().unwrap();
        let sender = std::net::UdpSocket::bind((host, 0)).unwrap();
        let mut buf = [0; 2048];
        let cases: [(&[u8], &IkeSocket, &IkeSocket); 5] = [
            (&[0, 0, 0, 0, 1, 2, 3], &natt, &esp),
            (&[0, 0, 0, 1, 1, 2, 3], &esp, &natt),
            (&[0xff, 0, 0, 0, 0, 0, 0, 0], &esp, &natt),
            (&[0xff], &natt, &esp),
            (&[1, 2, 3], &natt, &esp),
        ];
        for (datagram, wanted, other) in cases {
            sender.send_to(datagram, (host, 15501)).unwrap();
            let (len, local, peer) = recv_soon(wanted, &mut buf).expect("the right socket gets it");
            assert_eq!(&buf[..len], datagram);
            assert_eq!(local, SocketAddr::new(host, 15501));
            assert_eq!(peer, sender.local_addr().unwrap());
            assert_eq!(other.recv(&mut buf).unwrap(), None);
        }
    }
}

#[test]
fn a_second_daemon_on_the_same_port_is_refused() {
    let Some(_sockets) = open_on(PlaneKind::Userspace, 15510) else {
        return;
    };
    let config = SocketConfig {
        plane: PlaneKind::Userspace,
        port: 15520,
        natt_port: Some(15511),
        mark: None,
    };
    let error = open(&config).unwrap_err();
    assert_eq!(error.errno, Some(libc::EADDRINUSE), "{error}");
}

#[test]
fn the_source_address_is_the_one_asked_for_and_reported() {
    let Some(mut sockets) = open_on(PlaneKind::None, 15530) else {
        return;
    };
    let ike = take(&mut sockets, SocketRole::IkeV4);
    let natt = take(&mut sockets, SocketRole::NattV4);
    let from: SocketAddr = "127.0.0.77:15530".parse().unwrap();
    let to: SocketAddr = "127.0.0.88:15531".parse().unwrap();
    ike.send(from, to, b"hello").unwrap();
    let mut buf = [0; 16];
    let (len, local, peer) = recv_soon(&natt, &mut buf).unwrap();
    assert_eq!((&buf[..len], local, peer), (&b"hello"[..], to, from));
}

#[test]
fn a_datagram_longer_than_the_buffer_is_skipped() {
    let Some(mut sockets) = open_on(PlaneKind::None, 15540) else {
        return;
    };
    let ike = take(&mut sockets, SocketRole::IkeV4);
    let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    sender.send_to(&[1; 100], "127.0.0.1:15540").unwrap();
    sender.send_to(&[2; 10], "127.0.0.1:15540").unwrap();
    let mut buf = [0; 32];
    let (len, ..) = recv_soon(&ike, &mut buf).unwrap();
    assert_eq!(&buf[..len], [2; 10]);
}

#[test]
fn the_source_address_towards_loopback_is_loopback() {
    for host in ["127.0.0.1", "::1"] {
        let host: IpAddr = host.parse().unwrap();
        assert_eq!(source_address(host).unwrap(), host);
    }
    let error = source_address("255.255.255.255".parse().unwrap());
    assert!(error.is_err() || error.is_ok_and(|local| !local.is_loopback()));
}
