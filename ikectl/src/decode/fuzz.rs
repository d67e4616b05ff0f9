//! Body of the fuzz target, here so that `cargo test` replays its corpus on stable.
use super::{Decoder, Form, capture::Capture, keys::Keys};

/// Reads `data` as a capture and decodes it with keys, as text and as JSON lines.
pub fn decode_capture(data: &[u8]) {
    let (keys, errors) = Keys::parse(KEYS);
    assert_eq!(errors, []);
    let mut text = Decoder::new(Form::Text, Some(keys));
    let mut json = Decoder::new(Form::Json, None);
    let Ok(capture) = Capture::open(data) else {
        return;
    };
    let (mut lines, mut out) = (String::new(), String::new());
    for frame in capture {
        let Ok(frame) = frame else { break };
        text.frame(&frame, &mut out);
        assert!(
            out.chars().all(|c| c == '\n' || !c.is_control()),
            "nothing steers a terminal"
        );
        out.clear();
        json.frame(&frame, &mut lines);
        assert!(
            lines
                .lines()
                .all(|line| line.starts_with('{') && line.ends_with('}'))
        );
        lines.clear();
    }
    let (text, json) = (text.summary(), json.summary());
    assert_eq!(
        (text.frames, text.messages, text.encrypted, text.other),
        (json.frames, json.messages, json.encrypted, json.other)
    );
    assert_eq!(text.encrypted, text.opened + text.failed + text.without_key);
    assert!(text.messages <= text.frames && json.opened == 0);
}

/// Keys of the messages in the corpus, which were made for it.
const KEYS: &str = include_str!("../../tests/captures/own-keys");
