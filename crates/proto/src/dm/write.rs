//! The writer: always the strict form (element order of the DTD, namespaces, escaping).

use super::message::{Alert, Chal, Command, Cred, Group, Header, Item, Message, Meta, Request, Results, Status, Text};
use super::{NAMESPACE, NAMESPACE_METINF, NAMESPACE_MSFT};
use core::fmt::{Display, Write as _};

/// Writes one message as a UTF-8 document. Characters that XML cannot hold become U+FFFD.
pub fn write(message: &Message<'_>) -> String {
    let mut out = Out(String::with_capacity(1024 + 512 * message.commands.len()));
    out.0.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?><SyncML xmlns=\"");
    out.0.push_str(NAMESPACE);
    out.0.push_str("\">");
    out.header(&message.header);
    if message.commands.iter().any(has_original_error) {
        out.0.push_str("<SyncBody xmlns:msft=\"");
        out.0.push_str(NAMESPACE_MSFT);
        out.0.push_str("\">");
    } else {
        out.0.push_str("<SyncBody>");
    }
    message.commands.iter().for_each(|command| out.command(command));
    if message.is_final {
        out.0.push_str("<Final/>");
    }
    out.0.push_str("</SyncBody></SyncML>");
    out.0
}

/// Bytes that one command takes in a document.
pub(super) fn encoded_len(command: &Command<'_>) -> usize {
    let mut out = Out(String::new());
    out.command(command);
    out.0.len()
}

/// Bytes that one character of text takes in a document.
pub(super) const fn escaped_len(c: char) -> usize {
    match c {
        '&' | '\r' => 5,
        '<' | '>' => 4,
        '"' => 6,
        c => c.len_utf8(),
    }
}

fn has_original_error(command: &Command<'_>) -> bool {
    match command {
        Command::Status(status) => status.original_error.is_some(),
        Command::Group(group) => group.commands.iter().any(has_original_error),
        _ => false,
    }
}

struct Out(String);

impl Out {
    fn open(&mut self, name: &str) {
        self.0.push('<');
        self.0.push_str(name);
        self.0.push('>');
    }

    fn close(&mut self, name: &str) {
        self.0.push_str("</");
        self.0.push_str(name);
        self.0.push('>');
    }

    fn inside(&mut self, name: &str, content: impl FnOnce(&mut Self)) {
        self.open(name);
        content(self);
        self.close(name);
    }

    fn leaf(&mut self, name: &str, text: &str) {
        self.inside(name, |out| out.escaped(text));
    }

    fn number(&mut self, name: &str, n: impl Display) {
        self.inside(name, |out| {
            // Writing to a String cannot fail.
            let _ = write!(out.0, "{n}");
        });
    }

    fn id(&mut self, id: &str) {
        if !id.is_empty() {
            self.leaf("CmdID", id);
        }
    }

    fn escaped(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                // A bare one would be read as a line feed (XML 1.0, 2.11).
                '\r' => self.0.push_str("&#13;"),
                '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                    self.0.push(char::REPLACEMENT_CHARACTER);
                }
                c => self.0.push(c),
            }
        }
    }

    fn header(&mut self, header: &Header<'_>) {
        self.inside("SyncHdr", |out| {
            out.leaf("VerDTD", &header.ver_dtd);
            out.leaf("VerProto", &header.ver_proto);
            out.leaf("SessionID", &header.session_id);
            out.number("MsgID", header.msg_id);
            out.address("Target", &header.target);
            out.address("Source", &header.source);
            if let Some(cred) = &header.cred {
                out.cred(cred);
            }
            out.meta(&header.meta);
        });
    }

    fn cred(&mut self, cred: &Cred<'_>) {
        self.inside("Cred", |out| {
            out.meta(&cred.meta);
            out.leaf("Data", &cred.data);
        });
    }

    fn chal(&mut self, chal: &Chal<'_>) {
        self.inside("Chal", |out| out.meta(&chal.meta));
    }

    fn address(&mut self, name: &str, uri: &str) {
        self.inside(name, |out| out.leaf("LocURI", uri));
    }

    fn meta_leaf(&mut self, name: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            let _ = write!(self.0, "<{name} xmlns=\"{NAMESPACE_METINF}\">");
            self.escaped(&value.to_string());
            self.close(name);
        }
    }

    fn meta_text(&mut self, name: &str, value: Option<&Text<'_>>) {
        if let Some(value) = value {
            let _ = write!(self.0, "<{name} xmlns=\"{NAMESPACE_METINF}\">");
            self.escaped(value);
            self.close(name);
        }
    }

    fn meta(&mut self, meta: &Meta<'_>) {
        if meta.is_empty() {
            return;
        }
        self.inside("Meta", |out| {
            out.meta_text("Format", meta.format.as_ref());
            out.meta_text("Type", meta.kind.as_ref());
            out.meta_text("Mark", meta.mark.as_ref());
            out.meta_leaf("Size", meta.size);
            out.meta_text("NextNonce", meta.next_nonce.as_ref());
            out.meta_leaf("MaxMsgSize", meta.max_msg_size);
            out.meta_leaf("MaxObjSize", meta.max_obj_size);
        });
    }

    fn item(&mut self, item: &Item<'_>) {
        self.inside("Item", |out| {
            if let Some(target) = &item.target {
                out.address("Target", target);
            }
            if let Some(source) = &item.source {
                out.address("Source", source);
            }
            out.meta(&item.meta);
            if let Some(data) = &item.data {
                out.leaf("Data", data);
            }
            if item.more_data {
                out.0.push_str("<MoreData/>");
            }
        });
    }

    fn command(&mut self, command: &Command<'_>) {
        let name = command.name();
        self.inside(name, |out| match command {
            Command::Request(request) => out.request(request),
            Command::Alert(alert) => out.alert(alert),
            Command::Group(group) => out.group(group),
            Command::Status(status) => out.status(status),
            Command::Results(results) => out.results(results),
            Command::Unknown { id, .. } => out.id(id),
        });
    }

    fn request(&mut self, request: &Request<'_>) {
        self.id(&request.id);
        self.meta(&request.meta);
        request.items.iter().for_each(|item| self.item(item));
    }

    fn alert(&mut self, alert: &Alert<'_>) {
        self.id(&alert.id);
        self.number("Data", alert.code);
        alert.items.iter().for_each(|item| self.item(item));
    }

    fn group(&mut self, group: &Group<'_>) {
        self.id(&group.id);
        self.meta(&group.meta);
        group.commands.iter().for_each(|command| self.command(command));
    }

    fn status(&mut self, status: &Status<'_>) {
        self.id(&status.id);
        self.number("MsgRef", status.msg_ref);
        self.leaf("CmdRef", &status.cmd_ref);
        self.leaf("Cmd", &status.cmd);
        status.target_refs.iter().for_each(|target| self.leaf("TargetRef", target));
        status.source_refs.iter().for_each(|source| self.leaf("SourceRef", source));
        if let Some(chal) = &status.chal {
            self.chal(chal);
        }
        match &status.original_error {
            None => self.number("Data", status.code),
            Some(error) => {
                self.0.push_str("<Data msft:originalerror=\"");
                self.escaped(error);
                let _ = write!(self.0, "\">{}</Data>", status.code);
            }
        }
        status.items.iter().for_each(|item| self.item(item));
    }

    fn results(&mut self, results: &Results<'_>) {
        self.id(&results.id);
        if let Some(msg_ref) = results.msg_ref {
            self.number("MsgRef", msg_ref);
        }
        self.leaf("CmdRef", &results.cmd_ref);
        self.meta(&results.meta);
        if let Some(target) = &results.target_ref {
            self.leaf("TargetRef", target);
        }
        if let Some(source) = &results.source_ref {
            self.leaf("SourceRef", source);
        }
        results.items.iter().for_each(|item| self.item(item));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dm::message::{GroupKind, Verb};
    use crate::dm::read::{Mode, read};
    use crate::dm::{Limits, ReadError};
    use proptest::prelude::*;
    use std::borrow::Cow;

    /// Any character that XML 1.0 allows.
    fn character() -> impl Strategy<Value = char> {
        prop_oneof![
            8 => prop::char::range(' ', '~'),
            2 => prop::sample::select(vec!['<', '>', '&', '"', '\'', '\r', '\n', '\t', ']', '\u{85}', '\u{2028}']),
            1 => any::<char>().prop_filter("allowed by XML", |c| !matches!(
                c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')),
        ]
    }

    fn data() -> impl Strategy<Value = Text<'static>> {
        prop::collection::vec(character(), 0..40).prop_map(|c| Cow::Owned(c.into_iter().collect()))
    }

    /// A text around which white space does not count.
    fn text() -> impl Strategy<Value = Text<'static>> {
        data().prop_map(|t| Cow::Owned(t.trim_ascii().to_owned()))
    }

    fn name() -> impl Strategy<Value = Text<'static>> {
        "[A-Za-z0-9./:]{1,20}".prop_map(Cow::Owned)
    }

    fn meta() -> impl Strategy<Value = Meta<'static>> {
        let o = prop::option::of::<BoxedStrategy<Text<'static>>>;
        let n = || prop::option::of(any::<u64>());
        (o(text().boxed()), o(text().boxed()), o(text().boxed()), n(), o(text().boxed()), n(), n()).prop_map(
            |(format, kind, mark, size, next_nonce, max_msg_size, max_obj_size)| Meta {
                format,
                kind,
                mark,
                size,
                next_nonce,
                max_msg_size,
                max_obj_size,
            },
        )
    }

    fn item() -> impl Strategy<Value = Item<'static>> {
        (prop::option::of(text()), prop::option::of(text()), meta(), prop::option::of(data()), any::<bool>())
            .prop_map(|(target, source, meta, data, more_data)| Item { target, source, meta, data, more_data })
    }

    fn items() -> impl Strategy<Value = Vec<Item<'static>>> {
        prop::collection::vec(item(), 0..3)
    }

    fn command() -> impl Strategy<Value = Command<'static>> {
        let verb = prop::sample::select(vec![Verb::Add, Verb::Replace, Verb::Delete, Verb::Get, Verb::Exec]);
        let refs = || prop::collection::vec(text(), 0..3);
        let leaf = prop_oneof![
            3 => (verb, text(), meta(), items())
                .prop_map(|(verb, id, meta, items)| Command::Request(Request { verb, id, meta, items })),
            1 => (text(), any::<u16>(), items()).prop_map(|(id, code, items)| Command::Alert(Alert { id, code, items })),
            1 => (text(), any::<u32>(), text(), text(), refs(), refs(), prop::option::of(meta()), any::<u16>(),
                prop::option::of("[0-9A-Fx]{0,10}"), items())
                .prop_map(|(id, msg_ref, cmd_ref, cmd, target_refs, source_refs, chal, code, error, items)| {
                    Command::Status(Status {
                        id, msg_ref, cmd_ref, cmd, target_refs, source_refs, code, items,
                        chal: chal.map(|meta| Box::new(Chal { meta })),
                        original_error: error.map(Cow::Owned),
                    })
                }),
            1 => (text(), prop::option::of(any::<u32>()), text(), meta(), prop::option::of(text()),
                prop::option::of(text()), items())
                .prop_map(|(id, msg_ref, cmd_ref, meta, target_ref, source_ref, items)| {
                    Command::Results(Results { id, msg_ref, cmd_ref, meta, target_ref, source_ref, items })
                }),
            1 => text().prop_map(|id| Command::Unknown { name: Cow::Borrowed("Copy"), id }),
        ];
        leaf.prop_recursive(2, 8, 4, |inner| {
            let kind = prop::sample::select(vec![GroupKind::Atomic, GroupKind::Sequence]);
            (kind, text(), meta(), prop::collection::vec(inner, 0..4))
                .prop_map(|(kind, id, meta, commands)| Command::Group(Group { kind, id, meta, commands }))
        })
    }

    fn header() -> impl Strategy<Value = Header<'static>> {
        let cred = prop::option::of((meta(), text()).prop_map(|(meta, data)| Box::new(Cred { meta, data })));
        (name(), name(), name(), 1..=u32::MAX, text(), text(), cred, meta()).prop_map(
            |(ver_dtd, ver_proto, session_id, msg_id, target, source, cred, meta)| Header {
                ver_dtd,
                ver_proto,
                session_id,
                msg_id,
                target,
                source,
                cred,
                meta,
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

        #[test]
        fn reading_undoes_writing(
            header in header(), commands in prop::collection::vec(command(), 0..6), is_final in any::<bool>(),
        ) {
            let message = Message { header, commands, is_final };
            let document = write(&message);
            prop_assert_eq!(read(document.as_bytes(), Mode::Wire, &Limits::default()), Ok(message));
        }

        #[test]
        fn any_bytes_are_read_or_refused_at_a_place_inside(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            if let Err(ReadError { offset, .. }) = read(&bytes, Mode::Import, &Limits::default()) {
                prop_assert!(usize::try_from(offset).is_ok_and(|at| at <= bytes.len()));
            }
        }
    }

    #[test]
    fn the_strict_form_is_written() {
        let set = Command::set(Verb::Replace, "./Device/Vendor/MSFT/LAPS/Policies/BackupDirectory", "int", "1");
        let message = Message { commands: vec![Command::atomic(vec![set])], is_final: true, header: Header::default() };
        assert_eq!(
            write(&message),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD>\
             <VerProto>DM/1.2</VerProto><SessionID>1</SessionID><MsgID>1</MsgID><Target><LocURI></LocURI></Target>\
             <Source><LocURI></LocURI></Source></SyncHdr><SyncBody><Atomic><Replace><Item><Target>\
             <LocURI>./Device/Vendor/MSFT/LAPS/Policies/BackupDirectory</LocURI></Target><Meta>\
             <Format xmlns=\"syncml:metinf\">int</Format><Type xmlns=\"syncml:metinf\">text/plain</Type></Meta>\
             <Data>1</Data></Item></Replace></Atomic><Final/></SyncBody></SyncML>"
        );
    }

    #[test]
    fn characters_that_xml_cannot_hold_are_replaced() {
        let message =
            Message { commands: vec![Command::set(Verb::Add, "./a", "chr", "a\u{1}b\u{ffff}")], ..Message::default() };
        assert!(write(&message).contains("<Data>a\u{fffd}b\u{fffd}</Data>"));
    }
}
