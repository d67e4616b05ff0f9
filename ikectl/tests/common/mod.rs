//! A daemon that says what a test tells it to, and the real `ikectl` binary to ask it.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    missing_debug_implementations
)]

use ike_crypto::{ChildSuite, Cipher, Integ};
use ike_sa::{ChildSaSnapshot, Counters, Id, IkeSaSnapshot, Mode};
use ike_wire::{ChildSpi, EncrId, IdType, IntegId, KeMethod, PrfId, ProtocolId, Spi};
use iked::control::proto::{DaemonInfo, Decoder, Reply, Request, encode};
use std::{
    io::{Read as _, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    process::{Command, Output},
    sync::mpsc,
    thread::JoinHandle,
};

pub struct Daemon {
    dir: tempfile::TempDir,
    asked: mpsc::Receiver<Request>,
    thread: Option<JoinHandle<()>>,
}

/// What the daemon does with one connection.
pub enum Act {
    /// Answers the request.
    Say(Vec<Reply>),
    /// Sends these octets after the request.
    Raw(Vec<u8>),
    /// Closes without a word after the request.
    Close,
    /// Answers without reading a request, and closes.
    Dismiss(Vec<Reply>),
    /// Keeps the connection and says nothing more after these replies.
    Hang(Vec<Reply>),
}

impl Daemon {
    /// Serves one connection.
    pub fn start(act: Act) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("sock")).unwrap();
        let (tell, asked) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            if let Act::Dismiss(replies) = &act {
                send(&mut stream, replies);
                tell.send(Request::Version).unwrap();
                return;
            }
            let request = read_request(&mut stream);
            tell.send(request).unwrap();
            match act {
                Act::Say(replies) => send(&mut stream, &replies),
                Act::Raw(octets) => stream.write_all(&octets).unwrap(),
                Act::Close | Act::Dismiss(_) => {}
                Act::Hang(replies) => {
                    send(&mut stream, &replies);
                    // Until the client goes.
                    let _ = stream.read(&mut [0]);
                }
            }
        });
        Self {
            dir,
            asked,
            thread: Some(thread),
        }
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("sock")
    }

    /// Runs `ikectl -s SOCKET words…`; the socket's path is printed as `SOCKET`.
    pub fn ikectl(mut self, words: &str) -> (Request, Ran) {
        let ran = ikectl(&self.socket(), words);
        let request = self.asked.recv().unwrap();
        self.thread.take().unwrap().join().unwrap();
        (request, ran)
    }
}

fn read_request(stream: &mut UnixStream) -> Request {
    let mut decoder = Decoder::<Request>::new();
    let mut piece = [0; 1024];
    loop {
        if let Some(request) = decoder.next_message().unwrap() {
            return request;
        }
        let n = stream.read(&mut piece).unwrap();
        assert_ne!(n, 0, "no request");
        decoder.feed(&piece[..n]);
    }
}

fn send(stream: &mut UnixStream, replies: &[Reply]) {
    for reply in replies {
        stream.write_all(&encode(reply).unwrap()).unwrap();
    }
}

/// What a run left.
#[derive(Debug)]
pub struct Ran {
    pub status: i32,
    pub out: String,
    pub err: String,
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "exit status {}", self.status)?;
        if !self.out.is_empty() {
            write!(f, "--- standard output\n{}", self.out)?;
        }
        if !self.err.is_empty() {
            write!(f, "--- standard error\n{}", self.err)?;
        }
        Ok(())
    }
}

pub fn ikectl(socket: &std::path::Path, words: &str) -> Ran {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(env!("CARGO_BIN_EXE_ikectl"))
        .arg("-s")
        .arg(socket)
        .args(words.split_whitespace())
        .output()
        .unwrap();
    let text = |octets: Vec<u8>| {
        String::from_utf8(octets)
            .unwrap()
            .replace(socket.to_str().unwrap(), "SOCKET")
    };
    Ran {
        status: status.code().unwrap(),
        out: text(stdout),
        err: text(stderr),
    }
}

pub fn daemon_info() -> DaemonInfo {
    DaemonInfo {
        iked: "0.1.0".into(),
        uptime_s: 4000,
        dataplane_configured: "auto".into(),
        dataplane: "userspace".into(),
        dataplane_note: "auto: this kernel has no ESP".into(),
        active: true,
        coupled: true,
        policies: vec!["office".into(), "warehouse".into()],
    }
}

fn fqdn(name: &str) -> Option<Id> {
    Some(Id {
        kind: IdType::FQDN,
        data: name.into(),
    })
}

/// An SA with a NAT before the peer and two children.
pub fn office() -> IkeSaSnapshot {
    IkeSaSnapshot {
        id: 1,
        name: "office".into(),
        state: "ESTABLISHED".into(),
        initiator: true,
        spi_i: Spi([1; 8]),
        spi_r: Spi([2; 8]),
        local: (fqdn("gw1.example.com"), "192.0.2.1:4500".parse().unwrap()),
        peer: (
            fqdn("gw2.example.com"),
            "203.0.113.7:61022".parse().unwrap(),
        ),
        ike: Some((
            EncrId::AES_GCM_16,
            Some(256),
            IntegId::NONE,
            PrfId::HMAC_SHA2_256,
            KeMethod::CURVE25519,
        )),
        established_s: Some(192),
        rekey_in_s: Some(9_660),
        nat: (false, true),
        children: vec![
            ChildSaSnapshot {
                name: "office".into(),
                state: "INSTALLED".into(),
                mode: Mode::Tunnel,
                udp_encap: true,
                spi_in: ChildSpi(0xc0ff_ee01),
                spi_out: ChildSpi(0x0012_ab34),
                suite: ChildSuite {
                    protocol: ProtocolId::ESP,
                    cipher: Cipher::AesGcm16 { key_bits: 256 },
                    esn: true,
                },
                ke: None,
                ts_local: vec!["10.1.0.0/24".parse().unwrap()],
                ts_peer: vec!["10.2.0.0/24".parse().unwrap()],
                counters: Counters {
                    bytes_in: 1_234_567,
                    bytes_out: 84,
                    packets_in: 910,
                    packets_out: 1,
                },
                rekey_in_s: Some(2_650),
            },
            ChildSaSnapshot {
                name: "office-voice".into(),
                state: "REKEYING".into(),
                mode: Mode::Transport,
                udp_encap: false,
                spi_in: ChildSpi(0xc0ff_ee02),
                spi_out: ChildSpi(0xc0ff_ee03),
                suite: ChildSuite {
                    protocol: ProtocolId::ESP,
                    cipher: Cipher::AesCbc {
                        key_bits: 128,
                        integ: Integ::HmacSha2_256_128,
                    },
                    esn: false,
                },
                ke: Some(KeMethod::ECP256),
                ts_local: vec![
                    "10.1.5.0/24[udp/5060]".parse().unwrap(),
                    "10.1.6.1-10.1.6.9".parse().unwrap(),
                    "fd00:1::/64".parse().unwrap(),
                    "10.1.7.0/24".parse().unwrap(),
                ],
                ts_peer: vec!["10.2.5.0/24[udp/5060]".parse().unwrap()],
                counters: Counters {
                    bytes_in: u64::MAX,
                    bytes_out: 999,
                    packets_in: u64::MAX,
                    packets_out: 12,
                },
                rekey_in_s: None,
            },
        ],
    }
}

/// An SA that is being made, with long IPv6 addresses and a long name.
pub fn warehouse() -> IkeSaSnapshot {
    IkeSaSnapshot {
        id: 2,
        name: "warehouse in the north of the country".into(),
        state: "CONNECTING".into(),
        initiator: false,
        spi_i: Spi([3; 8]),
        spi_r: Spi::ZERO,
        local: (
            None,
            "[2001:db8:aaaa:bbbb:cccc:dddd:eeee:1]:500".parse().unwrap(),
        ),
        peer: (
            None,
            "[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:500"
                .parse()
                .unwrap(),
        ),
        ike: None,
        established_s: None,
        rekey_in_s: None,
        nat: (false, false),
        children: vec![],
    }
}
