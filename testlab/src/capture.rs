//! The observer on the outer link: an AF_PACKET recorder that runs as a process
//! of its own inside a gateway's namespace (`testlab record`), the pcap file it
//! writes, and the reading of that file.
//!
//! It keeps what leaves the gateway, and IKE in both directions. What comes in
//! is left to the recorder at the other end: a kernel that does ESP shows every
//! decrypted packet once more on the interface it came from, where no observer
//! of the link would see it. ESP is cut short and only its beginning is kept
//! (an iperf run would fill the disk); everything else, so everything that
//! could be a leak, is kept whole.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use nix::sys::socket::{
    AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, recvfrom, setsockopt, socket,
    sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};
use rustix::process::Signal;

use crate::command::{Background, Hopeless, wait_for};
use crate::netns::Namespace;
use crate::packet::{self, Frame, Network, Seen};

/// PACKET_OUTGOING of `linux/if_packet.h`.
const OUTGOING: u8 = 4;
/// ESP frames kept in the file.
const ESP_KEPT: u32 = 4000;
/// Octets kept of each of them.
const ESP_LENGTH: usize = 128;

/// A running recorder.
#[derive(Debug)]
pub struct Capture {
    process: Background,
    file: PathBuf,
    ready: PathBuf,
}

impl Capture {
    /// Starts recording an interface of a namespace, and waits until it does.
    pub fn start(namespace: &Namespace, interface: &str, file: &Path) -> Result<Self> {
        let program = std::env::current_exe().context("where is testlab?")?;
        let ready = file.with_extension("ready");
        let mut command = namespace.command(program);
        command
            .arg("record")
            .args(["--interface", interface])
            .arg("--file")
            .arg(file)
            .arg("--ready")
            .arg(&ready);
        let log = file.with_extension("log");
        let mut process = Background::spawn("testlab record", &mut command, &log)?;
        wait_for("the recorder starts", Duration::from_secs(10), || {
            if let Some(status) = process.ended() {
                let text = format!("it ended ({status}); see {}", log.display());
                return Err(Hopeless(text).into());
            }
            ready.metadata().map(drop).context("not ready")
        })?;
        let _ = std::fs::remove_file(&log);
        Ok(Self {
            process,
            file: file.to_owned(),
            ready,
        })
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// What has been seen up to now.
    pub fn frames(&self) -> Result<Vec<Frame>> {
        // The recorder writes out what it has at least every 100 ms.
        std::thread::sleep(Duration::from_millis(250));
        frames(&self.file)
    }

    /// Stops the recorder and gives what it saw.
    pub fn stop(mut self) -> Result<Vec<Frame>> {
        self.process
            .end_with(Signal::TERM, Duration::from_secs(5))?;
        frames(&self.file)
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = self.process.end_with(Signal::TERM, Duration::from_secs(2));
        let _ = std::fs::remove_file(&self.ready);
    }
}

/// The traffic of a link in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// ESP frames (at most as many as are kept).
    pub esp: usize,
    /// Of these, those in UDP 4500.
    pub esp_in_udp: usize,
    /// IKE messages.
    pub ike: usize,
    /// Frames from or to the LANs that were not encrypted.
    pub clear: usize,
}

impl Summary {
    /// Counts `frames`; the LANs are what must not be seen.
    pub fn of(frames: &[Frame], lans: &[Network]) -> Self {
        let mut sum = Self::default();
        for frame in frames {
            if frame.touches(lans) {
                sum.clear += 1;
                continue;
            }
            match frame.seen {
                Seen::Esp(_) => sum.esp += 1,
                Seen::EspInUdp(_) => {
                    sum.esp += 1;
                    sum.esp_in_udp += 1;
                }
                Seen::Ike(_) => sum.ike += 1,
                Seen::Keepalive | Seen::Other(_) => {}
            }
        }
        sum
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} ESP ({} in UDP 4500), {} IKE, {} in clear",
            self.esp, self.esp_in_udp, self.ike, self.clear
        )
    }
}

/// Reads a capture file.
pub fn frames(file: &Path) -> Result<Vec<Frame>> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(records(&bytes)?
        .into_iter()
        .filter_map(packet::read)
        .collect())
}

/// Takes a pcap file apart. A last record that is still being written is left out.
pub fn records(bytes: &[u8]) -> Result<Vec<&[u8]>> {
    let magic = bytes.get(..4).context("shorter than a pcap header")?;
    if magic != 0xa1b2_c3d4_u32.to_le_bytes() {
        bail!("not a pcap file of ours");
    }
    let mut rest = bytes.get(24..).context("shorter than a pcap header")?;
    let mut found = Vec::new();
    while let Some(length) = rest
        .get(8..12)
        .and_then(|bytes| <[u8; 4]>::try_from(bytes).ok())
    {
        let end = 16 + u32::from_le_bytes(length) as usize;
        let Some(record) = rest.get(16..end) else {
            break;
        };
        found.push(record);
        rest = rest.get(end..).unwrap_or_default();
    }
    Ok(found)
}

/// The body of `testlab record`: records until told to stop.
pub fn record(interface: &str, file: &Path, ready: &Path) -> Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let index = nix::net::if_::if_nametoindex(interface)
        .with_context(|| format!("no interface {interface}"))? as usize;
    let packets = socket(
        AddressFamily::Packet,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::EthAll,
    )
    .context("cannot open a packet socket")?;
    // Generous where we may; a user namespace has to live with the system's limit.
    if setsockopt(&packets, sockopt::RcvBufForce, &(32 << 20)).is_err() {
        let _ = setsockopt(&packets, sockopt::RcvBuf, &(4 << 20));
    }
    setsockopt(
        &packets,
        sockopt::ReceiveTimeout,
        &TimeVal::milliseconds(100),
    )?;
    let mut out = BufWriter::new(
        File::create(file).with_context(|| format!("cannot write {}", file.display()))?,
    );
    out.write_all(&file_header())?;
    out.flush()?;
    File::create(ready)?;
    let mut esp_left = ESP_KEPT;
    let mut buffer = vec![0; 65536];
    let mut flushed = SystemTime::now();
    while !stop.load(Ordering::Relaxed) {
        if flushed.elapsed().unwrap_or_default() > Duration::from_millis(100) {
            out.flush()?;
            flushed = SystemTime::now();
        }
        let Ok((length, from)) = recvfrom::<LinkAddr>(packets.as_raw_fd(), &mut buffer) else {
            continue;
        };
        let Some(from) = from.filter(|from| from.ifindex() == index) else {
            continue;
        };
        let frame = buffer.get(..length).unwrap_or_default();
        let seen = packet::read(frame).map(|frame| frame.seen);
        if from.pkttype() != OUTGOING && !matches!(seen, Some(Seen::Ike(_))) {
            continue;
        }
        let kept = match seen {
            Some(Seen::Esp(_) | Seen::EspInUdp(_)) => {
                if esp_left == 0 {
                    continue;
                }
                esp_left -= 1;
                length.min(ESP_LENGTH)
            }
            _ => length,
        };
        out.write_all(&record_header(kept, length))?;
        out.write_all(frame.get(..kept).unwrap_or_default())?;
    }
    out.flush()?;
    Ok(())
}

fn file_header() -> Vec<u8> {
    let mut header = Vec::new();
    header.extend(0xa1b2_c3d4_u32.to_le_bytes());
    header.extend(2_u16.to_le_bytes());
    header.extend(4_u16.to_le_bytes());
    header.extend([0; 8]);
    header.extend(65536_u32.to_le_bytes());
    header.extend(1_u32.to_le_bytes()); // Ethernet
    header
}

fn record_header(kept: usize, length: usize) -> Vec<u8> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let mut header = Vec::new();
    header.extend(u32::try_from(now.as_secs()).unwrap_or(0).to_le_bytes());
    header.extend(now.subsec_micros().to_le_bytes());
    for length in [kept, length] {
        header.extend(u32::try_from(length).unwrap_or(0).to_le_bytes());
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::tests::frame;

    fn file_of(frames: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = file_header();
        for frame in frames {
            bytes.extend(record_header(frame.len(), frame.len()));
            bytes.extend(frame);
        }
        bytes
    }

    #[test]
    fn what_is_written_reads_back_and_a_cut_end_is_left_out() {
        let frames = [vec![1; 60], vec![2; 70]];
        let bytes = file_of(&frames);
        assert_eq!(records(&bytes).unwrap(), [&frames[0][..], &frames[1][..]]);
        assert_eq!(records(&bytes[..bytes.len() - 1]).unwrap().len(), 1);
        assert!(records(b"something else entirely, no pcap").is_err());
    }

    #[test]
    fn a_summary_counts_a_lan_packet_as_clear_whatever_it_carries() {
        let lans = [Network::parse("10.1.0.0/24").unwrap()];
        let frames: Vec<Frame> = [
            frame(50, [192, 0, 2, 1], [192, 0, 2, 2], &[0, 0, 1, 1]),
            frame(50, [10, 1, 0, 10], [192, 0, 2, 2], &[0, 0, 1, 1]),
            frame(1, [10, 1, 0, 10], [10, 2, 0, 10], &[8, 0]),
        ]
        .iter()
        .filter_map(|bytes| packet::read(bytes))
        .collect();
        let sum = Summary::of(&frames, &lans);
        assert_eq!((sum.esp, sum.clear), (1, 2));
    }
}
