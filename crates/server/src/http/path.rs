//! Paths as callers write them, made into the one form that is routed.

use std::borrow::Cow;

/// The routed form of a path: lower case (paths match without case, protocols.md 0; nothing in a path
/// depends on it: identifiers are GUIDs), doubled slashes made one, and OData's key form
/// `name(key='value')` or `name('value')` made `name/key=value` or `name/value`.
pub(crate) fn routed(path: &str) -> Cow<'_, str> {
    let plain =
        !path.bytes().any(|byte| byte.is_ascii_uppercase() || matches!(byte, b'(' | b'%')) && !path.contains("//");
    if plain {
        return Cow::Borrowed(path);
    }
    let mut out = String::with_capacity(path.len());
    for step in path.split('/').filter(|step| !step.is_empty()) {
        let step = step
            .replace("%27", "'")
            .replace("%28", "(")
            .replace("%29", ")")
            .replace("%3D", "=")
            .replace("%3d", "=")
            .to_ascii_lowercase();
        out.push('/');
        match step.split_once('(').and_then(|(name, key)| Some((name, key.strip_suffix(')')?))) {
            Some((name, key)) if !name.is_empty() && !key.is_empty() => {
                out.push_str(name);
                out.push('/');
                out.push_str(&key.replace('\'', ""));
            }
            _ => out.push_str(&step),
        }
    }
    if out.is_empty() {
        out.push('/');
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_one_path() {
        for (written, expected) in [
            ("/healthz", "/healthz"),
            ("/", "/"),
            ("//", "/"),
            ("/v1.0/Devices", "/v1.0/devices"),
            ("/v1.0//devices/", "/v1.0/devices"),
            ("/beta/devices(deviceId='AB-12')", "/beta/devices/deviceid=ab-12"),
            ("/v1.0/devices%28deviceId%3D%27ab-12%27%29", "/v1.0/devices/deviceid=ab-12"),
            ("/v1.0/directory/deviceLocalCredentials('AB')", "/v1.0/directory/devicelocalcredentials/ab"),
            ("/x/()", "/x/()"),
            ("/x/a(b", "/x/a(b"),
        ] {
            assert_eq!(routed(written), expected, "{written}");
        }
    }
}
