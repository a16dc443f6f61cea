//! Paths as nginx matches them: percent-decoded, with single slashes and without dot segments.

/// Decodes and normalises a path the way nginx does with a request's; the error says why it cannot be matched.
pub(super) fn normalise(path: &str) -> Result<Vec<u8>, String> {
    let decoded = decode(path)?;
    if decoded.first() != Some(&b'/') {
        return Err("it does not begin with `/`".to_owned());
    }
    let mut segments: Vec<&[u8]> = Vec::new();
    let mut all = decoded.split(|&byte| byte == b'/').skip(1).peekable();
    while let Some(segment) = all.next() {
        let is_last = all.peek().is_none();
        match segment {
            // A slash at the end is kept.
            b"" | b"." if is_last => segments.push(b""),
            b"" | b"." => {}
            b".." => {
                segments.pop().ok_or_else(|| "it leads above the root".to_owned())?;
                if is_last {
                    segments.push(b"");
                }
            }
            segment => segments.push(segment),
        }
    }
    let mut normal = Vec::with_capacity(decoded.len());
    for segment in segments {
        normal.push(b'/');
        normal.extend_from_slice(segment);
    }
    Ok(normal)
}

/// The element that a prefix match ends with: no slash at the end, and nothing for the root.
pub(super) fn prefix(mut path: Vec<u8>) -> Vec<u8> {
    while path.last() == Some(&b'/') {
        path.pop();
    }
    path
}

fn decode(path: &str) -> Result<Vec<u8>, String> {
    let bytes = path.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut position = 0;
    while position < bytes.len() {
        let byte = match bytes[position] {
            b'%' => {
                let byte = bytes.get(position + 1..position + 3).and_then(hexadecimal);
                position += 2;
                byte.ok_or_else(|| "a `%` is not followed by two hexadecimal digits".to_owned())?
            }
            byte => byte,
        };
        if byte.is_ascii_control() {
            return Err("it holds a control character".to_owned());
        }
        decoded.push(byte);
        position += 1;
    }
    Ok(decoded)
}

fn hexadecimal(digits: &[u8]) -> Option<u8> {
    let mut byte = [0];
    hex::decode_to_slice(digits, &mut byte).ok()?;
    Some(byte[0])
}

#[cfg(test)]
mod tests;
