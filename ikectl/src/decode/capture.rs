//! Reads capture files, pcap and pcapng, as a stream of frames.
//!
//! Bounded: a record or block that claims more than [`LARGEST`] octets ends the reading with an
//! error, as does a file that is cut; what came before it is good. Options and blocks that say
//! nothing about frames (names, statistics, secrets) are skipped. Compressed files are refused.
use std::io::{self, Read};

/// Octets that one record or block may have.
pub const LARGEST: u32 = 16 << 20;
/// Interfaces that one pcapng section may describe.
const MOST_INTERFACES: usize = 4096;

/// One captured frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its number in the file, from 1.
    pub number: u64,
    /// When, if the file says.
    pub time: Option<Time>,
    /// Link type (LINKTYPE_ registry).
    pub link: u16,
    /// Octets it had on the wire; more than there are if the capture cut it.
    pub original: u32,
    /// What was captured.
    pub data: Vec<u8>,
}

/// Seconds and nanoseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Whole seconds.
    pub seconds: u64,
    /// Nanoseconds, below a thousand million.
    pub nanos: u32,
}

/// Why a file could not be read, or not further.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// Neither format.
    #[error("not a capture: neither pcap nor pcapng")]
    NotACapture,
    /// The file ends amid a record.
    #[error("the file is cut after frame {0}")]
    Cut(u64),
    /// A length that cannot be.
    #[error("a length behind frame {0} cannot be right")]
    Length(u64),
    /// A packet of an interface that was not described.
    #[error("the record behind frame {0} is of an interface that is not described")]
    Interface(u64),
    /// From the operating system.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// A capture being read.
#[derive(Debug)]
pub struct Capture<R> {
    from: R,
    format: Format,
    big: bool,
    frames: u64,
    ended: bool,
}

#[derive(Debug)]
enum Format {
    Pcap { link: u16, nanos: bool },
    PcapNg { interfaces: Vec<Interface> },
}

#[derive(Debug, Clone, Copy)]
struct Interface {
    link: u16,
    snaplen: u32,
    /// Units of the time stamps, as if_tsresol has it.
    resolution: u8,
    /// Seconds to add.
    offset: u64,
}

impl<R: Read> Capture<R> {
    /// Reads the beginning, to find out the format.
    pub fn open(mut from: R) -> Result<Self, CaptureError> {
        let mut magic = [0; 4];
        if fill(&mut from, &mut magic)? < magic.len() {
            return Err(CaptureError::NotACapture);
        }
        let (big, nanos) = match magic {
            [0xa1, 0xb2, 0xc3, 0xd4] => (true, false),
            [0xd4, 0xc3, 0xb2, 0xa1] => (false, false),
            [0xa1, 0xb2, 0x3c, 0x4d] => (true, true),
            [0x4d, 0x3c, 0xb2, 0xa1] => (false, true),
            SECTION_HEADER => {
                let mut capture = Self {
                    from,
                    format: Format::PcapNg { interfaces: vec![] },
                    big: false,
                    frames: 0,
                    ended: false,
                };
                capture.section()?;
                return Ok(capture);
            }
            _ => return Err(CaptureError::NotACapture),
        };
        let mut rest = [0; 20];
        if fill(&mut from, &mut rest)? < rest.len() {
            return Err(CaptureError::NotACapture);
        }
        // The upper half of the link type may tell about the frame check sequence.
        let link = Fields { rest: &rest, big }
            .skip(16)
            .and_then(|mut fields| fields.u32())
            .map_or(0, |link| (link & 0xffff) as u16);
        Ok(Self {
            from,
            format: Format::Pcap { link, nanos },
            big,
            frames: 0,
            ended: false,
        })
    }

    fn record(&mut self) -> Result<Option<Frame>, CaptureError> {
        match self.format {
            Format::Pcap { link, nanos } => self.pcap(link, nanos),
            Format::PcapNg { .. } => self.pcapng(),
        }
    }

    fn pcap(&mut self, link: u16, nanos: bool) -> Result<Option<Frame>, CaptureError> {
        let mut header = [0; 16];
        match fill(&mut self.from, &mut header)? {
            0 => return Ok(None),
            16 => {}
            _ => return Err(CaptureError::Cut(self.frames)),
        }
        let mut fields = self.fields(&header);
        let mut next = || fields.u32().ok_or(CaptureError::Length(0));
        let (seconds, fraction, captured, original) = (next()?, next()?, next()?, next()?);
        let scale = if nanos { 1 } else { 1000 };
        let time = Time {
            seconds: seconds.into(),
            nanos: fraction.saturating_mul(scale).min(999_999_999),
        };
        let data = self.take(captured)?;
        Ok(Some(self.frame(Some(time), link, original, data)))
    }

    fn pcapng(&mut self) -> Result<Option<Frame>, CaptureError> {
        loop {
            let mut kind = [0; 4];
            match fill(&mut self.from, &mut kind)? {
                0 => return Ok(None),
                4 => {}
                _ => return Err(CaptureError::Cut(self.frames)),
            }
            if kind == SECTION_HEADER {
                self.section()?;
                continue;
            }
            let kind = if self.big {
                u32::from_be_bytes(kind)
            } else {
                u32::from_le_bytes(kind)
            };
            let length = self.length()?;
            let body = self.body(length, 8)?;
            if let Some(frame) = self.block(kind, &body)? {
                return Ok(Some(frame));
            }
        }
    }

    /// A section header, after its type: byte order, then nothing that matters here.
    fn section(&mut self) -> Result<(), CaptureError> {
        let mut head = [0; 8];
        if fill(&mut self.from, &mut head)? < head.len() {
            return Err(CaptureError::Cut(self.frames));
        }
        let [l0, l1, l2, l3, magic @ ..] = head;
        let length = [l0, l1, l2, l3];
        let length = match magic {
            [0x1a, 0x2b, 0x3c, 0x4d] => {
                self.big = true;
                u32::from_be_bytes(length)
            }
            [0x4d, 0x3c, 0x2b, 0x1a] => {
                self.big = false;
                u32::from_le_bytes(length)
            }
            _ => return Err(CaptureError::NotACapture),
        };
        self.body(length, 12)?;
        self.format = Format::PcapNg { interfaces: vec![] };
        Ok(())
    }

    fn length(&mut self) -> Result<u32, CaptureError> {
        let mut length = [0; 4];
        if fill(&mut self.from, &mut length)? < length.len() {
            return Err(CaptureError::Cut(self.frames));
        }
        Ok(if self.big {
            u32::from_be_bytes(length)
        } else {
            u32::from_le_bytes(length)
        })
    }

    /// What is left of a block of `length` octets after its first `read` ones, without the
    /// length that is repeated at its end.
    fn body(&mut self, length: u32, read: u32) -> Result<Vec<u8>, CaptureError> {
        let left = length
            .checked_sub(read)
            .filter(|left| *left >= 4 && length.is_multiple_of(4))
            .ok_or(CaptureError::Length(self.frames))?;
        let mut body = self.take(left)?;
        body.truncate(body.len().saturating_sub(4));
        Ok(body)
    }

    fn block(&mut self, kind: u32, body: &[u8]) -> Result<Option<Frame>, CaptureError> {
        let cut = CaptureError::Length(self.frames);
        let frames = self.frames;
        let mut fields = self.fields(body);
        let Format::PcapNg { interfaces } = &mut self.format else {
            return Ok(None);
        };
        let known = |index: u32| {
            let index = usize::try_from(index).ok();
            let interface = index.and_then(|index| interfaces.get(index));
            interface.copied().ok_or(CaptureError::Interface(frames))
        };
        match kind {
            INTERFACE => {
                let Some(interface) = interface(fields) else {
                    return Err(cut);
                };
                if interfaces.len() >= MOST_INTERFACES {
                    return Err(cut);
                }
                interfaces.push(interface);
                Ok(None)
            }
            ENHANCED_PACKET | PACKET => {
                let mut header = || {
                    let index = if kind == PACKET {
                        let index = fields.u16()?;
                        fields.u16()?;
                        index.into()
                    } else {
                        fields.u32()?
                    };
                    let (high, low) = (fields.u32()?, fields.u32()?);
                    let (captured, original) = (fields.u32()?, fields.u32()?);
                    let data = fields.bytes(captured)?;
                    Some((
                        index,
                        u64::from(high) << 32 | u64::from(low),
                        original,
                        data,
                    ))
                };
                let (index, ticks, original, data) = header().ok_or(cut)?;
                let interface = known(index)?;
                let data = data.to_vec();
                Ok(Some(self.frame(
                    interface.time(ticks),
                    interface.link,
                    original,
                    data,
                )))
            }
            SIMPLE_PACKET => {
                let interface = known(0)?;
                let original = fields.u32().ok_or(cut)?;
                // The captured length is not there: it is the least of these.
                let mut captured = original.min(u32::try_from(fields.rest.len()).unwrap_or(0));
                if interface.snaplen != 0 {
                    captured = captured.min(interface.snaplen);
                }
                let data = fields.bytes(captured).unwrap_or_default().to_vec();
                Ok(Some(self.frame(None, interface.link, original, data)))
            }
            _ => Ok(None),
        }
    }

    fn frame(&mut self, time: Option<Time>, link: u16, original: u32, data: Vec<u8>) -> Frame {
        self.frames += 1;
        Frame {
            number: self.frames,
            time,
            link,
            original,
            data,
        }
    }

    fn fields<'b>(&self, rest: &'b [u8]) -> Fields<'b> {
        Fields {
            rest,
            big: self.big,
        }
    }

    /// Memory grows with what is there, not with what a length claims.
    fn take(&mut self, length: u32) -> Result<Vec<u8>, CaptureError> {
        if length > LARGEST {
            return Err(CaptureError::Length(self.frames));
        }
        let mut data = Vec::new();
        let read = (&mut self.from)
            .take(length.into())
            .read_to_end(&mut data)?;
        if u32::try_from(read) != Ok(length) {
            return Err(CaptureError::Cut(self.frames));
        }
        Ok(data)
    }
}

impl<R: Read> Iterator for Capture<R> {
    type Item = Result<Frame, CaptureError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.record();
        self.ended = !matches!(next, Ok(Some(_)));
        next.transpose()
    }
}

impl Interface {
    fn time(self, ticks: u64) -> Option<Time> {
        let exponent = u32::from(self.resolution & 0x7f);
        let units = if self.resolution & 0x80 == 0 {
            10u128.checked_pow(exponent)
        } else {
            2u128.checked_pow(exponent)
        }?;
        let ticks = u128::from(ticks);
        let seconds = u64::try_from(ticks / units).ok()?;
        let nanos = (ticks % units).checked_mul(1_000_000_000)? / units;
        Some(Time {
            seconds: seconds.saturating_add(self.offset),
            nanos: u32::try_from(nanos).ok()?,
        })
    }
}

fn interface(mut fields: Fields<'_>) -> Option<Interface> {
    let link = fields.u16()?;
    fields.u16()?;
    let mut interface = Interface {
        link,
        snaplen: fields.u32()?,
        resolution: 6,
        offset: 0,
    };
    while let (Some(code), Some(length)) = (fields.u16(), fields.u16()) {
        let Some(value) = fields.bytes(length.into()) else {
            break;
        };
        match (code, value) {
            (0, _) => break,
            (IF_TSRESOL, [resolution]) => interface.resolution = *resolution,
            (IF_TSOFFSET, _) => {
                if let Ok(offset) = <[u8; 8]>::try_from(value) {
                    interface.offset = if fields.big {
                        u64::from_be_bytes(offset)
                    } else {
                        u64::from_le_bytes(offset)
                    };
                }
            }
            _ => {}
        }
        fields.bytes(u32::from(length.wrapping_neg() & 3));
    }
    Some(interface)
}

/// Numbers in the file's byte order.
#[derive(Clone, Copy)]
struct Fields<'b> {
    rest: &'b [u8],
    big: bool,
}

impl<'b> Fields<'b> {
    fn skip(mut self, octets: u32) -> Option<Self> {
        self.bytes(octets).map(|_| self)
    }
    fn bytes(&mut self, count: u32) -> Option<&'b [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(usize::try_from(count).ok()?)?;
        self.rest = rest;
        Some(bytes)
    }
    fn u16(&mut self) -> Option<u16> {
        let bytes = self.bytes(2)?.try_into().ok()?;
        Some(if self.big {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        })
    }
    fn u32(&mut self) -> Option<u32> {
        let bytes = self.bytes(4)?.try_into().ok()?;
        Some(if self.big {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        })
    }
}

/// Reads until the buffer is full or the file ends; returns how many octets there are.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(left) = buffer.get_mut(filled..).filter(|left| !left.is_empty()) {
        match from.read(left) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

const SECTION_HEADER: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
const INTERFACE: u32 = 1;
const PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
const IF_TSRESOL: u16 = 9;
const IF_TSOFFSET: u16 = 14;
