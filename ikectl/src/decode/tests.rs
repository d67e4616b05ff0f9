//! A capture of our own making, in all wrappings, with all that can be wrong; files of others;
//! random and mutated octets.
mod build;
mod files;
mod random;
mod wrappings;

use super::*;
use capture::Capture;

/// Decodes a capture; what was printed, and an error that ended it.
fn decode(form: Form, keys: Option<&str>, file: &[u8]) -> (String, Option<String>) {
    let keys = keys.map(|text| {
        let (keys, errors) = Keys::parse(text);
        assert_eq!(errors, []);
        keys
    });
    let mut decoder = Decoder::new(form, keys);
    let mut out = String::new();
    let mut error = None;
    match Capture::open(file) {
        Err(wrong) => error = Some(wrong.to_string()),
        Ok(capture) => {
            for frame in capture {
                match frame {
                    Ok(frame) => decoder.frame(&frame, &mut out),
                    Err(wrong) => error = Some(wrong.to_string()),
                }
            }
        }
    }
    decoder.finish(&mut out);
    (out, error)
}

fn text(keys: Option<&str>, file: &[u8]) -> String {
    let (out, error) = decode(Form::Text, keys, file);
    assert_eq!(error, None);
    out
}
