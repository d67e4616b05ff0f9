//! `ikectl decode`: the IKE messages of a capture, opened with keys if there are some, for people
//! or as JSON lines.
//!
//! Nothing in a capture ends the run: what is wrong with a message is said with it. It refuses to
//! judge whether what the peers say makes sense, and to decrypt ESP.
pub mod capture;
#[doc(hidden)]
pub mod fuzz;
pub mod ip_fragments;
pub mod keys;
pub mod packet;
mod report;
pub mod sealed;
#[cfg(test)]
mod tests;

use capture::Frame;
use ike_wire::{Datagram, HEADER_LEN, Header, Message, classify};
use keys::Keys;
use packet::{Packet, Packets, Udp};
use sealed::{Assembled, Opener, Sealed};
use serde::Serialize;

/// How messages are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Text,
    /// One JSON object on each line.
    Json,
}

/// Takes frames, gives text.
#[derive(Debug)]
pub struct Decoder {
    form: Form,
    keys: Option<Keys>,
    packets: Packets,
    opener: Opener,
    summary: Summary,
}

/// What was seen, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Frames of the capture.
    pub frames: u64,
    /// IKE messages, fragments of messages among them.
    pub messages: u64,
    /// Those that could not be decoded, on the outside or on the inside.
    pub malformed: u64,
    /// Those with an encrypted payload.
    pub encrypted: u64,
    /// Of these: opened, integrity verified.
    pub opened: u64,
    /// Of these: integrity check failed.
    pub failed: u64,
    /// Of these: no key, or only of algorithms that are not supported.
    pub without_key: u64,
    /// Messages put together from IKE fragments.
    pub reassembled: u64,
    /// Messages of which IKE fragments are missing.
    pub incomplete: u64,
    /// IP packets of which fragments are missing.
    pub ip_incomplete: u64,
    /// ESP in UDP.
    pub esp_in_udp: u64,
    /// ESP right over IP.
    pub esp: u64,
    /// AH.
    pub ah: u64,
    /// NAT keepalives.
    pub keepalives: u64,
    /// Datagrams on the ports of IKE that are nothing known.
    pub junk: u64,
    /// Frames that could not be taken apart.
    pub bad_frames: u64,
    /// Anything else, fragments of IP packets among it.
    pub other: u64,
}

impl Decoder {
    /// With keys, or without.
    pub fn new(form: Form, keys: Option<Keys>) -> Self {
        Self {
            form,
            keys,
            packets: Packets::default(),
            opener: Opener::default(),
            summary: Summary::default(),
        }
    }

    /// Appends what there is to say about a frame, which may be nothing.
    pub fn frame(&mut self, frame: &Frame, out: &mut String) {
        let summary = &mut self.summary;
        summary.frames += 1;
        let original = usize::try_from(frame.original).unwrap_or(usize::MAX);
        let packet = self
            .packets
            .packet(frame.number, frame.link, original, &frame.data);
        match packet {
            Packet::Udp(udp) => self.udp(frame, &udp, out),
            Packet::Esp => summary.esp += 1,
            Packet::Ah => summary.ah += 1,
            Packet::Fragment | Packet::Other => summary.other += 1,
            Packet::Malformed(why) => {
                summary.bad_frames += 1;
                report::bad_frame(self.form, frame, why, out);
            }
        }
    }

    /// What was seen so far.
    pub fn summary(&self) -> Summary {
        Summary {
            incomplete: self.opener.incomplete(),
            ip_incomplete: self.packets.incomplete(),
            ..self.summary
        }
    }

    /// Appends the closing summary.
    pub fn finish(&self, out: &mut String) {
        report::summary(self.form, &self.summary(), out);
    }

    fn udp(&mut self, frame: &Frame, udp: &Udp, out: &mut String) {
        let ports = [udp.source.port(), udp.destination.port()];
        let encapsulated = ports.contains(&4500);
        let summary = &mut self.summary;
        if !encapsulated && !ports.contains(&500) {
            summary.other += 1;
            return;
        }
        match classify(&udp.data, encapsulated) {
            Datagram::Ike(octets) => self.ike(frame, udp, octets, out),
            Datagram::Esp(..) => summary.esp_in_udp += 1,
            Datagram::Keepalive => summary.keepalives += 1,
            Datagram::Junk => summary.junk += 1,
        }
    }

    fn ike(&mut self, frame: &Frame, udp: &Udp, octets: &[u8], out: &mut String) {
        self.summary.messages += 1;
        let decoded = if udp.missing > 0 {
            Err(report::Trouble::Cut(udp.missing))
        } else {
            Message::decode(octets).map_err(report::Trouble::Decode)
        };
        let (decoded, sealed) = match decoded {
            Ok(message) => {
                let keys = self.keys.as_ref();
                let sealed = self.opener.open(keys, frame.number, &message, octets);
                count(&mut self.summary, &sealed);
                (Ok(message), sealed)
            }
            Err(trouble) => {
                self.summary.malformed += 1;
                (Err((trouble, header(octets))), Sealed::Clear)
            }
        };
        let inside = report::Inside::new(&sealed);
        if inside.as_ref().is_some_and(report::Inside::is_malformed) {
            self.summary.malformed += 1;
        }
        let shown = report::Shown {
            frame,
            udp,
            decoded: &decoded,
            sealed: &sealed,
            inside: inside.as_ref(),
        };
        report::message(self.form, &shown, out);
    }
}

fn count(summary: &mut Summary, sealed: &Sealed<'_>) {
    summary.encrypted += 1;
    match sealed {
        Sealed::Clear => summary.encrypted -= 1,
        Sealed::NoKeys | Sealed::NoRow | Sealed::Unsupported(_) => summary.without_key += 1,
        Sealed::Failed(_) => summary.failed += 1,
        Sealed::Opened(..) => summary.opened += 1,
        Sealed::Fragment(_, assembled) => {
            summary.opened += 1;
            if let Assembled::Whole { .. } = assembled {
                summary.reassembled += 1;
            }
        }
    }
}

/// The header of a message that is not decoded as a whole, if it is there.
fn header(octets: &[u8]) -> Option<Header> {
    let mut alone: [u8; HEADER_LEN] = *octets.first_chunk()?;
    let [.., l0, l1, l2, l3] = &mut alone;
    let length = u32::from_be_bytes([*l0, *l1, *l2, *l3]);
    let own = [0, 0, 0, HEADER_LEN as u8];
    [*l0, *l1, *l2, *l3] = own;
    let header = Header::decode(&alone).ok()?;
    Some(Header { length, ..header })
}
