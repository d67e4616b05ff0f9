//! The control socket from outside: hostile and slow clients, and one that waits for a peer.
#![allow(clippy::unwrap_used)]
mod common;

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use common::{Daemon, Netns, is_root, wait_for};
use iked::control::proto::{Decoder, FailCode, Reply, Request, encode};

/// A policy whose peer never answers.
const LONELY: &str = "set dataplane none\n\
    ikev2 \"gw\" passive esp from 10.1.0.0/24 to 10.2.0.0/24 local 192.0.2.1 peer 192.0.2.9 \
    srcid a.example dstid b.example psk \"a long random text, the same on both sides\"\n";

/// A namespace where what is sent to the peer is lost without a word.
fn netns(name: &str) -> Netns {
    let netns = Netns::new(name);
    netns.must("ip addr add 192.0.2.1/32 dev lo");
    netns.must("ip route add 192.0.2.9/32 dev lo");
    netns
}

struct Client(UnixStream, Decoder<Reply>);

impl Client {
    fn new(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(common::PATIENCE)).unwrap();
        Self(stream, Decoder::new())
    }

    fn ask(&mut self, request: &Request) {
        self.0.write_all(&encode(request).unwrap()).unwrap();
    }

    /// The next reply; `None` at the end of the connection.
    fn reply(&mut self) -> Option<Reply> {
        let mut buffer = [0; 4096];
        loop {
            if let Some(reply) = self.1.next_message().unwrap() {
                return Some(reply);
            }
            match self.0.read(&mut buffer).unwrap() {
                0 => return None,
                got => self.1.feed(&buffer[..got]),
            }
        }
    }

    /// All replies to a request.
    fn answer(&mut self, request: &Request) -> Vec<Reply> {
        self.ask(request);
        let mut replies = Vec::new();
        loop {
            let reply = self.reply().expect("an answer");
            let last = reply.is_last();
            replies.push(reply);
            if last {
                return replies;
            }
        }
    }
}

fn code(reply: Option<Reply>) -> FailCode {
    match reply {
        Some(Reply::Failed(failed)) => failed.code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_client_that_waits_for_a_peer_stands_in_nobodys_way() {
    if !is_root() {
        return;
    }
    let netns = netns("wait");
    let daemon = Daemon::ready(&netns, LONELY, &[]);
    let socket = daemon.path("sock");
    let mut waiting = Client::new(&socket);
    waiting.ask(&Request::Up("gw".into()));
    let mut other = Client::new(&socket);
    wait_for("the attempt", || {
        let replies = other.answer(&Request::ShowSa);
        replies.iter().any(|r| matches!(r, Reply::Sa(_)))
    });
    let start = Instant::now();
    for _ in 0..50 {
        other.answer(&Request::ShowSa);
        other.answer(&Request::ShowStats);
    }
    assert!(start.elapsed() < Duration::from_secs(2));
    // Taken back by somebody else: whoever waits is told.
    assert!(matches!(
        other.answer(&Request::Down("gw".into())).as_slice(),
        [Reply::Done]
    ));
    assert_eq!(code(waiting.reply()), FailCode::Failed);
}

#[test]
fn there_is_a_limit_to_clients_and_it_is_said() {
    if !is_root() {
        return;
    }
    let netns = netns("busy");
    let daemon = Daemon::ready(&netns, LONELY, &[]);
    let socket = daemon.path("sock");
    let mut clients: Vec<Client> = (0..8).map(|_| Client::new(&socket)).collect();
    for client in &mut clients {
        client.answer(&Request::Version);
    }
    let mut ninth = Client::new(&socket);
    assert_eq!(code(ninth.reply()), FailCode::Busy);
    assert!(ninth.reply().is_none());
    clients.pop();
    wait_for("a place", || {
        let mut next = Client::new(&socket);
        next.ask(&Request::Version);
        matches!(next.reply(), Some(Reply::Version { .. }))
    });
}

#[test]
fn silent_and_wrong_clients_are_cut_off_and_harm_nothing() {
    if !is_root() {
        return;
    }
    let netns = netns("wrong");
    let daemon = Daemon::ready(&netns, LONELY, &[]);
    let socket = daemon.path("sock");
    let mut half = Client::new(&socket);
    half.0.write_all(&[1, 0, 0]).unwrap();
    let start = Instant::now();
    assert!(half.reply().is_none());
    let took = start.elapsed();
    assert!(
        took > Duration::from_secs(1) && took < Duration::from_secs(5),
        "{took:?}"
    );
    for garbage in [
        &[9u8, 0, 0, 1, 0][..],
        &[1, 0xf0, 0, 0],
        &[1, 0, 0, 1, 200],
        b"GET / HTTP/1.1\r\n",
    ] {
        let mut client = Client::new(&socket);
        client.0.write_all(garbage).unwrap();
        assert_eq!(code(client.reply()), FailCode::Protocol, "{garbage:?}");
        assert!(client.reply().is_none());
    }
    let mut client = Client::new(&socket);
    assert!(matches!(
        client.answer(&Request::Version).as_slice(),
        [Reply::Version { pid, .. }] if *pid == daemon.pid()
    ));
    assert_eq!(
        code(client.answer(&Request::Up("nobody".into())).pop()),
        FailCode::NotFound
    );
}

#[test]
fn another_user_is_refused_even_if_the_file_lets_him_in() {
    if !is_root() {
        return;
    }
    let netns = netns("user");
    let daemon = Daemon::ready(&netns, LONELY, &[]);
    let socket = daemon.path("sock");
    for (path, mode) in [(socket.as_path(), 0o666), (socket.parent().unwrap(), 0o755)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    // Ids belong to threads here, and end with this one.
    let told = std::thread::spawn(move || {
        let uid = rustix::thread::Uid::from_raw(12345);
        rustix::thread::set_thread_res_uid(uid, uid, uid).unwrap();
        code(Client::new(&socket).reply())
    });
    assert_eq!(told.join().unwrap(), FailCode::Denied);
}

#[test]
fn the_log_level_changes_in_every_process() {
    if !is_root() {
        return;
    }
    let netns = netns("level");
    let mut daemon = Daemon::ready(&netns, LONELY, &[]);
    let mut client = Client::new(&daemon.path("sock"));
    client.answer(&Request::LogVerbose(false));
    client.ask(&Request::Up("gw".into()));
    // The first retransmission comes after about two seconds and is a line at debug level.
    std::thread::sleep(Duration::from_secs(3));
    assert!(!daemon.log().contains("retransmit"));
    let mut other = Client::new(&daemon.path("sock"));
    other.answer(&Request::LogVerbose(true));
    daemon.wait_for_line("retransmit");
}
