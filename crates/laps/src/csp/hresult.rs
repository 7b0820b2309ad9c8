//! HRESULTs of ResetPasswordStatus.

use core::fmt;

/// A Windows HRESULT, as node Actions/ResetPasswordStatus returns it (laps-behaviour.md 1.5).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct HResult(pub u32);

impl HResult {
    /// The last reset succeeded, or there was none.
    pub const OK: Self = Self(0);
    /// E_PENDING: the last reset still runs.
    pub const PENDING: Self = Self(0x8000_000A);
    /// E_FAIL: failed for a reason without a code of its own.
    pub const FAIL: Self = Self(0x8000_4005);
    /// ERROR_NOT_SUPPORTED: no effective policy manages an account.
    pub const NOT_SUPPORTED: Self = Self::from_win32(50);
    /// ERROR_OPERATION_ABORTED: the machine restarted before the reset was done.
    pub const ABORTED: Self = Self::from_win32(995);

    /// HRESULT_FROM_WIN32.
    pub const fn from_win32(code: u16) -> Self {
        Self(0x8007_0000 | code as u32)
    }
    /// Whether a reset still runs.
    pub const fn is_pending(self) -> bool {
        self.0 == Self::PENDING.0
    }
    /// Reads signed decimal, unsigned decimal and `0x` forms; `0x8000000`, as the published page prints
    /// E_PENDING, counts as pending (laps-behaviour.md 1.9).
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let code = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(hex) if hex.starts_with(|c: char| c.is_ascii_hexdigit()) => u32::from_str_radix(hex, 16).ok()?,
            Some(_) => return None,
            None => match text.parse::<i64>().ok()? {
                signed @ -0x8000_0000..0 => signed as i32 as u32,
                unsigned => u32::try_from(unsigned).ok()?,
            },
        };
        Some(if code == 0x0800_0000 { Self::PENDING } else { Self(code) })
    }
}

/// Signed decimal, as SyncML `int`.
impl fmt::Display for HResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0 as i32)
    }
}
impl fmt::Debug for HResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:08X}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pending_is_signed_decimal_and_read_in_every_form() {
        assert_eq!(HResult::PENDING.to_string(), "-2147483638");
        for text in ["-2147483638", "2147483658", "0x8000000A", "0x8000000", "134217728"] {
            assert_eq!(HResult::parse(text), Some(HResult::PENDING), "{text}");
        }
        for text in ["", "0x", "0x-1", "0x+1", "-2147483649", "4294967296", "pending"] {
            assert_eq!(HResult::parse(text), None, "{text}");
        }
    }

    #[test]
    fn known_codes() {
        assert_eq!(HResult::NOT_SUPPORTED.0, 0x8007_0032);
        assert_eq!(HResult::ABORTED.0, 0x8007_03E3);
        assert_eq!(HResult::from_win32(1355).0, 0x8007_054B);
    }
}
