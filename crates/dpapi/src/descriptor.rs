//! The security descriptor that a group key is bound to (laps-behaviour.md 7.7).

use crate::{Sid, reader::length_u32};

/// Local system, S-1-5-18: owner and group.
const LOCAL_SYSTEM: [u8; 12] = [1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0];
/// Everyone, S-1-1-0.
const EVERYONE: [u8; 12] = [1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
const HEADER_BYTES: usize = 20;
/// May have the key.
const READ_AND_WRITE: u32 = 3;
/// May have the public key.
const WRITE: u32 = 2;

/// The self-relative security descriptor of the protector `SID=principal`, to the byte: header, DACL (all rights to
/// the principal, encryption to everyone), owner, group. Group keys depend on these bytes.
pub fn target_descriptor(principal: &Sid) -> Vec<u8> {
    let aces = [ace(READ_AND_WRITE, &principal.to_bytes()), ace(WRITE, &EVERYONE)].concat();
    let mut dacl = vec![2, 0];
    // A SID has at most 68 bytes, so the sizes fit.
    dacl.extend_from_slice(&u16::try_from(aces.len().saturating_add(8)).unwrap_or_default().to_le_bytes());
    dacl.extend_from_slice(&[2, 0, 0, 0]);
    dacl.extend_from_slice(&aces);

    // Revision 1, self-relative, DACL present.
    let mut descriptor = vec![1, 0, 4, 0x80];
    let owner = (HEADER_BYTES as u32).saturating_add(length_u32(&dacl));
    let group = owner.saturating_add(length_u32(&LOCAL_SYSTEM));
    for offset in [owner, group, 0, HEADER_BYTES as u32] {
        descriptor.extend_from_slice(&offset.to_le_bytes());
    }
    descriptor.extend_from_slice(&dacl);
    descriptor.extend_from_slice(&LOCAL_SYSTEM);
    descriptor.extend_from_slice(&LOCAL_SYSTEM);
    descriptor
}

/// ACCESS_ALLOWED_ACE (MS-DTYP 2.4.4.2).
fn ace(mask: u32, sid: &[u8]) -> Vec<u8> {
    let mut ace = vec![0, 0];
    ace.extend_from_slice(&u16::try_from(sid.len().saturating_add(8)).unwrap_or_default().to_le_bytes());
    ace.extend_from_slice(&mask.to_le_bytes());
    ace.extend_from_slice(sid);
    ace
}
