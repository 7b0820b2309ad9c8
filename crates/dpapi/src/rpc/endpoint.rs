//! Asking the endpoint mapper, port 135, where an interface listens: `ept_map` (C706 appendix O, MS-RPCE 2.2.1.2).

use super::{
    Interface, Syntax,
    ndr::{NdrReader, NdrWriter},
};
use crate::reader::{FormatError, Reader, length_u32};

/// The number of the operation.
pub const OPERATION: u16 = 3;
/// The layout of arguments, the one that every endpoint mapper takes.
pub const SYNTAX: Syntax = Syntax::Ndr;
/// As many towers as are asked for.
const TOWERS_MAX: u32 = 4;
/// EPT_S_NOT_REGISTERED.
const NOT_REGISTERED: u32 = 0x16c9_a0d6;

/// Protocol identifiers of floors.
const UUID_FLOOR: u8 = 0x0d;
const CONNECTION_FLOOR: u8 = 0x0b;
const TCP_FLOOR: u8 = 0x07;
const IP_FLOOR: u8 = 0x09;

/// Why there is no port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Not the answer.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The interface is not there.
    #[error("the server does not offer the interface over TCP: it has no group key service, or it is not running")]
    NotRegistered,
    /// Another status.
    #[error("the endpoint mapper answered with status {0:#010x}")]
    Status(u32),
}

/// The stub that asks for an interface over TCP.
pub fn request_stub(interface: Interface) -> Vec<u8> {
    let tower = tower(interface);
    let mut writer = NdrWriter::new(SYNTAX);
    // No object: a pointer to the nil UUID, as Windows sends.
    writer.long(1);
    writer.raw(4, &[0; 16]);
    writer.long(2);
    writer.long(length_u32(&tower));
    writer.u32(length_u32(&tower));
    writer.raw(1, &tower);
    // No entry handle.
    writer.raw(4, &[0; 20]);
    writer.u32(TOWERS_MAX);
    writer.finish()
}

/// Interface, layout, connection-oriented, TCP, IP: five floors.
fn tower(interface: Interface) -> Vec<u8> {
    let mut bytes = 5_u16.to_le_bytes().to_vec();
    for syntax in [interface.to_bytes(), SYNTAX.to_bytes()] {
        // Identifier and major version on the left, minor version on the right.
        let (left, right) = syntax.split_at(18);
        floor(&mut bytes, &[&[UUID_FLOOR], left].concat(), right);
    }
    floor(&mut bytes, &[CONNECTION_FLOOR], &[0; 2]);
    floor(&mut bytes, &[TCP_FLOOR], &[0; 2]);
    floor(&mut bytes, &[IP_FLOOR], &[0; 4]);
    bytes
}

fn floor(to: &mut Vec<u8>, left: &[u8], right: &[u8]) {
    for side in [left, right] {
        to.extend_from_slice(&(side.len() as u16).to_le_bytes());
        to.extend_from_slice(side);
    }
}

/// The TCP port in an answer's stub.
///
/// # Errors
/// [`EndpointError`].
pub fn port(interface: Interface, stub: &[u8]) -> Result<u16, EndpointError> {
    let mut ndr = NdrReader::new("answer of the endpoint mapper", SYNTAX, stub);
    ndr.reader.take(20, "an entry handle")?;
    ndr.u32("the number of towers")?;
    ndr.long("the largest number of towers")?;
    ndr.long("the offset of the towers")?;
    let at = ndr.reader.at();
    let count = ndr.long("the number of towers sent")?;
    if count > u64::from(TOWERS_MAX) {
        return Err(ndr.reader.error(at, "at most as many towers as were asked for").into());
    }
    let mut present = 0_u64;
    for _ in 0..count {
        present = present.saturating_add(u64::from(ndr.long("the pointer to a tower")? != 0));
    }
    let mut found = None;
    for _ in 0..present {
        let at = ndr.reader.at();
        let size = ndr.long("the size of a tower")?;
        let length = ndr.u32("the length of a tower")?;
        if size != u64::from(length) {
            return Err(ndr.reader.error(at, "a size that is the length").into());
        }
        let start = ndr.reader.at();
        let tower = ndr.reader.take(length as usize, "a tower")?;
        let port = port_of(interface, tower).map_err(|error| error.inside(start))?;
        found = found.or(port);
        // The last tower may end the stub but for the status.
        ndr.reader.align(4, "padding to four bytes")?;
    }
    match (ndr.u32("a status")?, found) {
        (0, Some(port)) => Ok(port),
        (0 | NOT_REGISTERED, _) => Err(EndpointError::NotRegistered),
        (status, _) => Err(EndpointError::Status(status)),
    }
}

/// The port of a tower; `None` when it leads elsewhere than to the interface over TCP.
fn port_of(interface: Interface, tower: &[u8]) -> Result<Option<u16>, FormatError> {
    let mut reader = Reader::new("answer of the endpoint mapper", tower);
    let floors = reader.u16("the number of floors")?;
    let (mut of_interface, mut port) = (false, None);
    for number in 0..floors {
        let length = usize::from(reader.u16("the length of a floor's left side")?);
        let left = reader.take(length, "a floor's left side")?;
        let length = usize::from(reader.u16("the length of a floor's right side")?);
        let right = reader.take(length, "a floor's right side")?;
        match (left, right) {
            ([UUID_FLOOR, id @ ..], _) if number == 0 => {
                of_interface = interface.to_bytes().starts_with(id) && id.len() == 18
            }
            ([TCP_FLOOR], [high, low]) => port = Some(u16::from_be_bytes([*high, *low])).filter(|port| *port != 0),
            _ => {}
        }
    }
    Ok(port.filter(|_| of_interface))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer as a server sends it.
    fn answer(towers: &[Vec<u8>], status: u32) -> Vec<u8> {
        let mut writer = NdrWriter::new(SYNTAX);
        writer.raw(1, &[0; 20]);
        let count = towers.len() as u32;
        for number in [count, TOWERS_MAX, 0, count] {
            writer.u32(number);
        }
        for at in 0..count {
            writer.u32(at + 3);
        }
        for tower in towers {
            writer.u32(length_u32(tower));
            writer.u32(length_u32(tower));
            writer.raw(1, tower);
        }
        writer.u32(status);
        writer.finish()
    }

    fn with_port(interface: Interface, port: u16) -> Vec<u8> {
        let mut tower = tower(interface);
        let at = tower.len() - 9 - 2;
        tower[at..at + 2].copy_from_slice(&port.to_be_bytes());
        tower
    }

    #[test]
    fn the_port_of_the_asked_interface_is_found() {
        let ours = with_port(Interface::GROUP_KEYS, 49_664);
        assert_eq!(ours.len(), 75);
        let other = with_port(Interface::ENDPOINT_MAPPER, 135);
        let stub = answer(&[other.clone(), ours], 0);
        assert_eq!(port(Interface::GROUP_KEYS, &stub), Ok(49_664));
        for end in 0..stub.len() {
            assert!(port(Interface::GROUP_KEYS, &stub[..end]).is_err(), "cut to {end}");
        }
        assert_eq!(port(Interface::GROUP_KEYS, &answer(&[other], 0)), Err(EndpointError::NotRegistered));
        assert_eq!(port(Interface::GROUP_KEYS, &answer(&[], NOT_REGISTERED)), Err(EndpointError::NotRegistered));
        assert_eq!(port(Interface::GROUP_KEYS, &answer(&[], 5)), Err(EndpointError::Status(5)));
        let none = with_port(Interface::GROUP_KEYS, 0);
        assert_eq!(port(Interface::GROUP_KEYS, &answer(&[none], 0)), Err(EndpointError::NotRegistered));
    }

    #[test]
    fn the_question_names_interface_and_tcp() {
        let stub = request_stub(Interface::GROUP_KEYS);
        // Pointer and UUID, pointer, two lengths, the tower of 75 bytes, padding, handle, number.
        assert_eq!(stub.len(), 20 + 12 + 75 + 1 + 20 + 4);
        assert_eq!(stub[20..32], [2, 0, 0, 0, 75, 0, 0, 0, 75, 0, 0, 0]);
        assert_eq!(stub[stub.len() - 4..], [4, 0, 0, 0]);
    }
}
