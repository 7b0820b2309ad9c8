//! The files of the pages: one stylesheet, one script of our own, htmx, the icon. They are part of the
//! program, and their names hold their digest, so that browsers keep them for good.

use super::super::context::Shared;
use crate::app::Error;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderValue, header};
use sha2::{Digest, Sha256, Sha384};
use std::sync::LazyLock;

/// Where they are served.
const FOLDER: &str = "/admin/assets";

/// One file.
pub(crate) struct Asset {
    /// Its path, with its digest.
    pub(crate) path: String,
    /// Its digest as an `integrity` attribute has it.
    pub(crate) integrity: String,
    file: String,
    kind: &'static str,
    bytes: &'static [u8],
}

/// All of them.
pub(crate) struct Assets {
    /// The stylesheet.
    pub(crate) style: Asset,
    /// htmx.
    pub(crate) htmx: Asset,
    /// The script of our own.
    pub(crate) script: Asset,
    /// The icon.
    pub(crate) icon: Asset,
}

/// The files, with their digests worked out once.
pub(crate) static ASSETS: LazyLock<Assets> = LazyLock::new(|| Assets {
    style: asset("admin", "css", "text/css; charset=utf-8", include_bytes!("../../../assets/admin.css")),
    htmx: asset("htmx", "js", "text/javascript; charset=utf-8", include_bytes!("../../../assets/htmx.min.js")),
    script: asset("admin", "js", "text/javascript; charset=utf-8", include_bytes!("../../../assets/admin.js")),
    icon: asset("icon", "svg", "image/svg+xml", include_bytes!("../../../assets/icon.svg")),
});

fn asset(name: &str, ending: &str, kind: &'static str, bytes: &'static [u8]) -> Asset {
    let digest: String = Sha256::digest(bytes).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let file = format!("{name}.{digest}.{ending}");
    Asset {
        path: format!("{FOLDER}/{file}"),
        integrity: format!("sha384-{}", STANDARD.encode(Sha384::digest(bytes))),
        file,
        kind,
        bytes,
    }
}

/// A file by its name.
pub(crate) async fn asset_file(State(_): State<Shared>, Path(file): Path<String>) -> Result<Response, Error> {
    let all = &*ASSETS;
    let found = [&all.style, &all.htmx, &all.script, &all.icon].into_iter().find(|asset| asset.file == file);
    let Some(asset) = found else {
        return Err(Error::not_found("no_such_file", "there is no such file; reload the page that asked for it"));
    };
    let mut response = asset.bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    const STYLE: &str = include_str!("../../../assets/admin.css");

    /// The colours of a `:root` block.
    fn colours(block: &str) -> BTreeMap<String, [f64; 3]> {
        let inside = block.split_once('{').unwrap().1.split('}').next().unwrap();
        inside
            .split(';')
            .filter_map(|line| line.trim().strip_prefix("--")?.split_once(": #"))
            .map(|(name, hex)| {
                let part = |from| {
                    let byte = u8::from_str_radix(&hex[from..from + 2], 16).unwrap();
                    let share = f64::from(byte) / 255.0;
                    if share <= 0.040_45 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
                };
                (name.to_owned(), [part(0), part(2), part(4)])
            })
            .collect()
    }

    /// WCAG 2.2, "contrast ratio".
    fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
        let light = |c: [f64; 3]| 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2] + 0.05;
        let (one, other) = (light(one), light(other));
        one.max(other) / one.min(other)
    }

    #[test]
    fn the_palette_has_the_contrast_of_wcag_aa_in_light_and_dark() {
        let light = colours(STYLE.split_once(":root").unwrap().1);
        let dark_block = STYLE.split_once("prefers-color-scheme: dark").unwrap().1.split_once(":root").unwrap().1;
        let mut dark = light.clone();
        dark.extend(colours(dark_block));
        assert_ne!(light, dark);
        // Text on what it stands on: 4.5. What is not text (borders of fields, the focus): 3.
        let text: &[(&str, &[&str])] = &[
            ("ink", &["ground", "surface", "raised", "info-soft", "good-soft", "warn-soft", "bad-soft", "plain-soft"]),
            ("dim", &["ground", "surface", "raised"]),
            ("accent-text", &["ground", "surface", "raised"]),
            ("accent-ink", &["accent"]),
            ("good", &["good-soft"]),
            ("warn", &["warn-soft"]),
            ("bad", &["bad-soft", "surface"]),
            ("info", &["info-soft"]),
            ("plain", &["plain-soft"]),
            ("upper", &["raised"]),
            ("lower", &["raised"]),
            ("digit", &["raised"]),
            ("sign", &["raised"]),
            ("side-ink", &["side", "side-here"]),
            ("side-dim", &["side", "side-here"]),
        ];
        let shapes: &[(&str, &[&str])] = &[("edge", &["surface", "ground"]), ("accent", &["surface", "ground"])];
        for (palette, which) in [(&light, "light"), (&dark, "dark")] {
            for (pairs, least) in [(text, 4.5), (shapes, 3.0)] {
                for (front, backs) in pairs {
                    for back in *backs {
                        let found = contrast(palette[*front], palette[*back]);
                        assert!(found >= least, "{front} on {back} in {which}: {found:.2}");
                    }
                }
            }
        }
    }
}
