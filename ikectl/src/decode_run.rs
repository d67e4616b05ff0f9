//! `ikectl decode`: files in, standard output, exit status; the work is the library's.
use crate::{output, run::Status};
use ::ikectl::decode::{Decoder, Form, capture::Capture, keys::Keys};
use ike_crypto::Secret;
use std::{
    fs::File,
    io::{self, BufReader, Read, Write as _},
    path::Path,
};

/// Octets that a file of keys may have.
const LARGEST_KEYS: u64 = 16 << 20;

/// Decodes `file` (`-` is standard input) with the keys of another one.
pub(crate) fn run(file: &Path, keys: Option<&Path>, json: bool) -> Status {
    let keys = match keys.map(read_keys).transpose() {
        Ok(keys) => keys,
        Err(complaint) => return failed(&complaint),
    };
    // Standard input may be a capture in the making: then nothing is held back.
    let mut hold = 1 << 16;
    let from: Box<dyn Read> = if file == Path::new("-") {
        hold = 0;
        Box::new(io::stdin().lock())
    } else {
        match File::open(file) {
            Ok(file) => Box::new(BufReader::new(file)),
            Err(error) => return failed(&format!("{}: {error}", file.display())),
        }
    };
    let form = if json { Form::Json } else { Form::Text };
    let mut decoder = Decoder::new(form, keys);
    let mut wrong = None;
    let mut out = String::new();
    let capture = match Capture::open(from) {
        Ok(capture) => capture,
        Err(error) => return failed(&format!("{}: {error}", file.display())),
    };
    for frame in capture {
        match frame {
            Ok(frame) => decoder.frame(&frame, &mut out),
            Err(error) => wrong = Some(error),
        }
        if out.len() > hold
            && let Some(status) = print(&mut out)
        {
            return status;
        }
    }
    decoder.finish(&mut out);
    if let Some(status) = print(&mut out) {
        return status;
    }
    match wrong {
        Some(error) => failed(&format!("{}: {error}", file.display())),
        None => Status::Done,
    }
}

fn read_keys(file: &Path) -> Result<Keys, String> {
    let name = file.display();
    let read = File::open(file).and_then(|from| {
        let mut text = Vec::new();
        from.take(LARGEST_KEYS + 1).read_to_end(&mut text)?;
        Ok(text)
    });
    let text = Secret::new(read.map_err(|error| format!("{name}: {error}"))?);
    if text.len() as u64 > LARGEST_KEYS {
        return Err(format!("{name}: larger than a file of keys may be"));
    }
    let text = std::str::from_utf8(text.expose()).map_err(|error| format!("{name}: {error}"))?;
    let (keys, errors) = Keys::parse(text);
    for error in errors {
        output::complain(&format!("{name}: {error}"));
    }
    Ok(keys)
}

/// Prints and empties; if that ends the run, how. A reader that has seen enough is no error.
fn print(out: &mut String) -> Option<Status> {
    let mut to = io::stdout().lock();
    let written = to.write_all(out.as_bytes()).and_then(|()| to.flush());
    out.clear();
    match written {
        Ok(()) => None,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Some(Status::Done),
        Err(error) => Some(failed(&format!("standard output: {error}"))),
    }
}

fn failed(complaint: &str) -> Status {
    output::complain(complaint);
    Status::Failed
}
