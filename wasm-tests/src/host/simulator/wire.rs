//! A response as a client of nginx gets it: written byte for byte as the host writes it, and read by a strict reader. Mistakes that a
//! lenient reader would put right make real clients hang, or take the rest of a body for the next response.

use crate::host::callout::Response;
use crate::host::headers::Headers;

/// The bytes of a response. `reason` is written into its status line as it is, even if it lacks the status.
pub(super) fn write(response: &Response, reason: Option<&str>, is_bodiless: bool) -> Vec<u8> {
    let status = response.status();
    let line = reason.map_or_else(|| format!("{status} {}", phrase(status)), str::to_owned);
    let mut bytes = format!("HTTP/1.1 {line}\r\n").into_bytes();
    for (name, value) in response.headers.iter().filter(|(name, _)| !name.starts_with(b":")) {
        bytes.extend([name, b": ", value, b"\r\n"].concat());
    }
    let has_length = response.headers.has("content-length") || matches!(status, 204 | 304);
    if has_length {
        bytes.extend(b"\r\n");
        bytes.extend(if is_bodiless { &[] } else { response.body.as_slice() });
    } else {
        bytes.extend(b"transfer-encoding: chunked\r\n\r\n");
        if !is_bodiless {
            if !response.body.is_empty() {
                bytes.extend(format!("{:x}\r\n", response.body.len()).into_bytes());
                bytes.extend([response.body.as_slice(), b"\r\n"].concat());
            }
            bytes.extend(b"0\r\n\r\n");
        }
    }
    bytes
}

/// Reads one response, which must be all that there is, unless it says that the connection ends with it (RFC 9112 §3 to §6,
/// §9.6). The error is a sentence.
pub(super) fn read(bytes: &[u8], is_bodiless: bool) -> Result<Response, String> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").ok_or("the head has no end")?;
    let (head, body) = (&bytes[..end], &bytes[end + 4..]);
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let line = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let status = line.strip_prefix("HTTP/1.1 ").and_then(|rest| Some((rest.get(..3)?, rest.as_bytes().get(3)?)));
    let status = match status {
        Some((status, b' ')) if status.bytes().all(|byte| byte.is_ascii_digit()) => status,
        _ => return Err(format!("the status line is {line:?}")),
    };
    let mut headers: Headers = [(":status", status)].into_iter().collect();
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':').ok_or("a header has no colon")?;
        headers.push(&line[..colon], line[colon + 1..].trim_ascii());
    }
    let is_bodiless = is_bodiless || matches!(status, "204" | "304");
    let is_final = headers.get("connection") == Some(b"close");
    let body = match (headers.all("content-length")[..].first(), headers.get("transfer-encoding")) {
        _ if is_bodiless => whole(body, 0, is_final)?,
        (Some(_), Some(_)) => return Err("it has a length and a transfer encoding".to_owned()),
        (Some(length), None) if headers.all("content-length").len() == 1 => {
            let length = std::str::from_utf8(length).ok().and_then(|length| length.parse().ok());
            whole(body, length.ok_or("its length is no number")?, is_final)?
        }
        (Some(_), None) => return Err("it has several lengths".to_owned()),
        (None, Some(b"chunked")) => unchunked(body)?,
        (None, _) => return Err("only the end of the connection ends it".to_owned()),
    };
    Ok(Response { headers, body })
}

fn whole(body: &[u8], length: usize, is_final: bool) -> Result<Vec<u8>, String> {
    let Some(whole) = body.get(..length) else {
        return Err(format!("the client waits for {} more bytes", length - body.len()));
    };
    match body.len() - length {
        more if more > 0 && !is_final => {
            Err(format!("{more} bytes too many, which the client takes for the next response"))
        }
        _ => Ok(whole.to_vec()),
    }
}

fn unchunked(mut rest: &[u8]) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n").ok_or("a chunk has no size")?;
        let size = std::str::from_utf8(&rest[..end]).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
        let size = size.ok_or("the size of a chunk is no number")?;
        let data = rest[end + 2..].get(..size + 2).ok_or("a chunk is cut short")?;
        body.extend(data.strip_suffix(b"\r\n").ok_or("a chunk has no end")?);
        rest = &rest[end + 2 + size + 2..];
        if size == 0 {
            return whole(rest, 0, false).map(|_| body);
        }
    }
}

/// The reason phrases of nginx, as far as tests meet them.
fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Temporarily Unavailable",
        504 => "Gateway Time-out",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(headers: &[(&str, &str)], body: &str) -> Response {
        Response { headers: headers.iter().copied().collect(), body: body.as_bytes().to_vec() }
    }

    #[test]
    fn what_is_right_is_read_as_it_was_written() {
        let with_length = response(&[(":status", "200"), ("content-length", "4"), ("x-a", "1")], "body");
        assert_eq!(read(&write(&with_length, None, false), false), Ok(with_length.clone()));
        let chunked = read(&write(&response(&[(":status", "401")], "body"), None, false), false).unwrap();
        assert_eq!((chunked.status(), chunked.body.as_slice()), (401, b"body".as_slice()));
        let head = read(&write(&with_length, None, true), true).unwrap();
        assert_eq!(head.body, b"");
        let empty = read(&write(&response(&[(":status", "304")], ""), None, false), false).unwrap();
        assert_eq!(empty.status(), 304);
    }

    #[test]
    fn nothing_is_forgiven() {
        let answer = |length: &str| response(&[(":status", "500"), ("content-length", length)], "body");
        let wrong = |bytes: &[u8]| read(bytes, false).unwrap_err();
        assert_eq!(
            wrong(&write(&answer("4"), Some("GenericError"), false)),
            "the status line is \"HTTP/1.1 GenericError\""
        );
        assert_eq!(wrong(&write(&answer("6"), None, false)), "the client waits for 2 more bytes");
        assert!(wrong(&write(&answer("3"), None, false)).starts_with("1 bytes too many"));
        let last = response(&[(":status", "500"), ("connection", "close"), ("content-length", "3")], "body");
        assert_eq!(read(&write(&last, None, false), false).unwrap().body, b"bod", "nothing comes after it");
        assert_eq!(wrong(&write(&answer("x"), None, false)), "its length is no number");
        let twice = response(&[(":status", "200"), ("content-length", "4"), ("content-length", "4")], "body");
        assert_eq!(wrong(&write(&twice, None, false)), "it has several lengths");
        assert_eq!(wrong(b"HTTP/1.1 200 OK\r\n\r\nbody"), "only the end of the connection ends it");
        assert_eq!(wrong(b"HTTP/1.1 200 OK\r\n"), "the head has no end");
        assert_eq!(wrong(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbo"), "a chunk is cut short");
    }
}
