//! Looks for passwords, in every form that they could leak in, in files.
//!
//! The passwords come one a line on standard input: an argument would itself be a leak.

use anyhow::{Context as _, Result, bail};
use std::fs;
use std::io::BufRead as _;
use std::path::{Path, PathBuf};

/// Scans every file below `places`; the error names each file and form that was found, never the password.
pub(crate) fn scan(places: &[&str]) -> Result<()> {
    let mut passwords = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        if line.len() < SHORTEST_BYTES {
            bail!("a canary of {} bytes would be found by chance; {SHORTEST_BYTES} are needed", line.len());
        }
        passwords.push(line);
    }
    if passwords.is_empty() {
        bail!("no canary on standard input");
    }
    let forms: Vec<Form> = passwords.iter().flat_map(|password| forms(password)).collect();
    let (mut files, mut bytes, mut leaks) = (0_usize, 0_usize, Vec::new());
    for place in places {
        for file in below(Path::new(place))? {
            let content = fs::read(&file).with_context(|| format!("read {}", file.display()))?;
            files += 1;
            bytes += content.len();
            leaks.extend(found(&content, &forms).into_iter().map(|form| format!("{}: {form}", file.display())));
        }
    }
    if files == 0 {
        bail!("nothing to scan");
    }
    println!("scanned {files} files, {bytes} bytes, for {} passwords in {} forms", passwords.len(), forms.len());
    if !leaks.is_empty() {
        bail!("a password leaked:\n  {}", leaks.join("\n  "));
    }
    Ok(())
}

/// Shorter ones could stand in a file by chance.
const SHORTEST_BYTES: usize = 8;

struct Form {
    name: &'static str,
    bytes: Vec<u8>,
}

/// How a password could stand in a file.
fn forms(password: &str) -> Vec<Form> {
    let plain = password.as_bytes();
    let hex: String = plain.iter().map(|byte| format!("{byte:02x}")).collect();
    let wide: Vec<u8> = password.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let percent: String = plain
        .iter()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(*byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    let xml = password.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let json = password.replace('\\', "\\\\").replace('"', "\\\"");
    let reversed: Vec<u8> = plain.iter().rev().copied().collect();
    let mut forms = vec![
        Form { name: "plain", bytes: plain.to_vec() },
        Form { name: "base16", bytes: hex.clone().into_bytes() },
        Form { name: "base16 upper", bytes: hex.to_uppercase().into_bytes() },
        Form { name: "UTF-16", bytes: wide },
        Form { name: "percent-encoded", bytes: percent.into_bytes() },
        Form { name: "XML", bytes: xml.into_bytes() },
        Form { name: "JSON", bytes: json.into_bytes() },
        Form { name: "reversed", bytes: reversed },
    ];
    for skipped in 0..3 {
        let inner = base64_inner(plain, skipped);
        let url: Vec<u8> = inner
            .iter()
            .map(|c| match c {
                b'+' => b'-',
                b'/' => b'_',
                other => *other,
            })
            .collect();
        forms.push(Form { name: "base64", bytes: inner });
        forms.push(Form { name: "base64url", bytes: url });
    }
    forms
}

/// The characters of base64 (RFC 4648) that whole groups of `text` give when `before` bytes stand before it: those
/// at the edges depend on the neighbours and are left out.
fn base64_inner(text: &[u8], before: usize) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let whole = text.get((3 - before) % 3..).unwrap_or_default();
    let character = |bits: u32| ALPHABET.get((bits & 63) as usize).copied().unwrap_or_default();
    let (groups, _) = whole.as_chunks::<3>();
    groups
        .iter()
        .flat_map(|[a, b, c]| {
            let bits = u32::from(*a) << 16 | u32::from(*b) << 8 | u32::from(*c);
            [character(bits >> 18), character(bits >> 12), character(bits >> 6), character(bits)]
        })
        .collect()
}

fn found(content: &[u8], forms: &[Form]) -> Vec<&'static str> {
    let holds = |form: &&Form| {
        let first = form.bytes.first().copied().unwrap_or_default();
        let starts = content.iter().enumerate().filter(|(_, byte)| **byte == first);
        starts.into_iter().any(|(at, _)| content.get(at..).is_some_and(|rest| rest.starts_with(&form.bytes)))
    };
    forms.iter().filter(|form| !form.bytes.is_empty()).filter(holds).map(|form| form.name).collect()
}

/// Every ordinary file at or below `place`.
fn below(place: &Path) -> Result<Vec<PathBuf>> {
    let (mut files, mut open) = (Vec::new(), vec![place.to_path_buf()]);
    while let Some(next) = open.pop() {
        let about = fs::symlink_metadata(&next).with_context(|| format!("look at {}", next.display()))?;
        if about.is_dir() {
            for entry in fs::read_dir(&next)? {
                open.push(entry?.path());
            }
        } else if about.is_file() {
            files.push(next);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: &str = "Kite&7\"wren<Owl9";

    fn leaks(content: &str) -> Vec<&'static str> {
        found(content.as_bytes(), &forms(CANARY))
    }

    #[test]
    fn each_form_is_found() {
        assert!(leaks(&format!("x{CANARY}y")).contains(&"plain"));
        assert!(leaks("4b6974652637227772656e3c4f776c39").contains(&"base16"));
        assert!(leaks("<Data>Kite&amp;7\"wren&lt;Owl9</Data>").contains(&"XML"));
        assert!(leaks(r#"{"password":"Kite&7\"wren<Owl9"}"#).contains(&"JSON"));
        assert!(leaks("secret=Kite%267%22wren%3COwl9").contains(&"percent-encoded"));
        assert!(leaks("9lwO<nerw\"7&etiK").contains(&"reversed"));
        let wide: Vec<u8> = CANARY.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(found(&wide, &forms(CANARY)).contains(&"UTF-16"));
    }

    #[test]
    fn base64_is_found_at_every_alignment() {
        // base64 of CANARY after 0, 1 and 2 other bytes, by coreutils
        for text in ["S2l0ZSY3IndyZW48T3dsOQ==", "YUtpdGUmNyJ3cmVuPE93bDk=", "YWFLaXRlJjcid3JlbjxPd2w5"] {
            assert!(leaks(text).contains(&"base64"), "{text}");
        }
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        assert!(leaks("Kite&7 wren<Owl9 and S2l0ZSY3").is_empty());
    }
}
