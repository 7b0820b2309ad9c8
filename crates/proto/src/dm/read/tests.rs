use super::*;
use crate::dm::{Command, Verb, alert};

const HEADER: &str = "<SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>2F</SessionID>\
    <MsgID>1</MsgID><Target><LocURI>https://mdm.example.test/omadm</LocURI></Target>\
    <Source><LocURI>device</LocURI></Source></SyncHdr>";

fn wire(text: &str) -> Result<Message<'_>, ReadError> {
    read(text.as_bytes(), Mode::Wire, &Limits::default())
}

fn with_body(body: &str) -> String {
    format!("<SyncML xmlns='SYNCML:SYNCML1.2'>{HEADER}<SyncBody>{body}<Final/></SyncBody></SyncML>")
}

fn fault(text: &str) -> Fault {
    wire(text).expect_err("must be refused").fault
}

fn with_first<T>(body: &str, look: impl FnOnce(&Command<'_>) -> T) -> T {
    let document = with_body(body);
    look(wire(&document).expect("readable").commands.first().expect("one command"))
}

fn data_of(body: &str) -> String {
    with_first(body, |command| {
        let Command::Request(request) = command else { panic!("a request") };
        request.items.first().and_then(|i| i.data.as_deref()).expect("data").to_owned()
    })
}

#[test]
fn package_one_of_windows_is_read() {
    let document = with_body(
        "<Alert><CmdID>2</CmdID><Data>1201</Data></Alert>\
         <Alert><CmdID>3</CmdID><Data>1224</Data><Item><Meta>\
         <Type xmlns=\"syncml:metinf\">com.microsoft/MDM/LoginStatus</Type></Meta><Data>none</Data></Item></Alert>\
         <Replace><CmdID>4</CmdID><Item><Source><LocURI>./DevInfo/DevId</LocURI></Source><Data>b1</Data></Item></Replace>",
    );
    let message = wire(&document).expect("readable");
    assert_eq!(message.header.session_id, "2F");
    assert_eq!(message.header.source, "device");
    assert!(message.is_final);
    let names: Vec<_> = message.commands.iter().map(|c| (c.name(), c.id())).collect();
    assert_eq!(names, [("Alert", "2"), ("Alert", "3"), ("Replace", "4")]);
    let Some(Command::Alert(login)) = message.commands.get(1) else { panic!("an alert") };
    assert_eq!(login.code, alert::CLIENT_EVENT);
    assert_eq!(login.items[0].meta.kind.as_deref(), Some("com.microsoft/MDM/LoginStatus"));
}

#[test]
fn the_oddities_of_real_peers_are_taken() {
    // Version 1.1, CRLF, white space around texts, comments, processing instructions, a long Final.
    let odd = format!(
        "<?xml version='1.0' encoding='utf-8'?>\r\n<!-- c --><?p i?>\r\n<SyncML xmlns='SYNCML:SYNCML1.1'>{HEADER}\r\n<SyncBody>\r\n\
         <Get>\r\n<CmdID> 7 </CmdID>\r\n<Item><Target><LocURI>\r\n ./DevInfo \r\n</LocURI></Target></Item></Get>\
         <Final></Final>\r\n</SyncBody></SyncML>\r\n"
    );
    let message = wire(&odd).expect("readable");
    assert!(message.is_final);
    let Some(Command::Request(get)) = message.commands.first() else { panic!("a request") };
    assert_eq!((get.verb, get.id.as_ref(), get.items[0].target.as_deref()), (Verb::Get, "7", Some("./DevInfo")));

    // No namespace on Type; Type beside Meta; elements that nobody knows.
    let synctype = "<Alert><CmdID>1</CmdID><Data>1224</Data><Odd><Deep/></Odd><Item><Meta><Odd/></Meta>\
        <Type>com.microsoft.mdm.synctype</Type><Data>device</Data></Item></Alert>";
    let kind = with_first(synctype, |command| {
        let Command::Alert(alert) = command else { panic!("an alert") };
        alert.items.first().and_then(|i| i.meta.kind.as_deref()).map(str::to_owned)
    });
    assert_eq!(kind.as_deref(), Some("com.microsoft.mdm.synctype"));

    // A prefix for SyncML and one for the meta information.
    let prefixed = format!(
        "<s:SyncML xmlns:s='SYNCML:SYNCML1.2' xmlns:m='syncml:metinf'>{}<s:SyncBody><s:Final/></s:SyncBody></s:SyncML>",
        HEADER.replace("</", "</s:").replace('<', "<s:").replace("<s:/s:", "</s:")
    );
    assert!(wire(&prefixed).expect("readable").is_final);
}

#[test]
fn every_way_to_write_data_is_read() {
    let data = |inner: &str| data_of(&format!("<Replace><CmdID>1</CmdID><Item>{inner}</Item></Replace>"));
    assert_eq!(data("<Data>1</Data>"), "1");
    assert_eq!(data("<Data/>"), "");
    assert_eq!(data("<Data> a b </Data>"), " a b ");
    assert_eq!(data("<Data>a &amp; b</Data>"), "a & b");
    assert_eq!(data("<Data>&lt;a/&gt; &#x41;&#66;</Data>"), "<a/> AB");
    assert_eq!(data("<Data><![CDATA[<a b='c'/> & d]]></Data>"), "<a b='c'/> & d");
    assert_eq!(data("<Data>x<![CDATA[<]]>&gt;y</Data>"), "x<>y");
    assert_eq!(data("<Data>a\r\nb\rc</Data>"), "a\nb\nc");
    assert_eq!(data("<Data>a&#13;b</Data>"), "a\rb");
    assert_eq!(data("<Data xmlns='urn:x'>1</Data>"), "1");
    assert_eq!(data("<Data><a>1<b/></a> t</Data>"), "<a>1<b/></a> t");
}

#[test]
fn document_types_and_entities_are_refused() {
    let laughs = "<!DOCTYPE SyncML [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;'>]>";
    assert_eq!(fault(&format!("{laughs}{}", with_body(""))), Fault::Dtd);
    assert_eq!(fault("<!DOCTYPE SyncML SYSTEM 'file:///etc/passwd'><SyncML/>"), Fault::Dtd);
    assert_eq!(fault("<!DOCTYPE SyncML ["), Fault::Dtd);
    assert_eq!(fault(&with_body("<Replace><Item><Data>&xxe;</Data></Item></Replace>")), Fault::Entity);
    assert_eq!(fault(&with_body("<Odd>&xxe;</Odd>")), Fault::Entity);
    assert_eq!(fault(&with_body("<Replace><Item><Odd>&xxe;</Odd></Item></Replace>")), Fault::Entity);
    for bad in ["&#0;", "&#1;", "&#xFFFE;", "&#xD800;", "&#x110000;", "\u{1}"] {
        let fault = fault(&with_body(&format!("<Replace><Item><Data>{bad}</Data></Item></Replace>")));
        assert_eq!(fault.code(), "syncml_not_xml", "{bad:?}");
    }
}

#[test]
fn each_limit_is_named_with_the_place() {
    let limits = Limits { message_bytes: 4000, depth: 9, commands: 3, items: 4, text_bytes: 80, data_bytes: 100 };
    let limit = |document: &str| match read(document.as_bytes(), Mode::Wire, &limits) {
        Err(ReadError { offset, fault: Fault::Limit { limit, .. } }) => {
            assert!(usize::try_from(offset).expect("an offset") <= document.len());
            limit
        }
        other => panic!("not a limit: {other:?}"),
    };
    let item = "<Item><Target><LocURI>./a</LocURI></Target></Item>";
    assert_eq!(limit(&with_body(&format!("<Get>{}</Get>", item.repeat(5)))), "items");
    assert_eq!(limit(&with_body(&"<Get/>".repeat(4))), "commands");
    assert_eq!(limit(&with_body(&format!("<Atomic>{}</Atomic>", "<Get/>".repeat(3)))), "commands");
    assert_eq!(limit(&with_body(&format!("<Get><CmdID>{}</CmdID></Get>", "1".repeat(81)))), "text_bytes");
    assert_eq!(limit(&with_body(&format!("<Get><Item><Data>{}</Data></Item></Get>", "1".repeat(101)))), "data_bytes");
    assert_eq!(limit(&with_body(&"<Sequence>".repeat(3000))), "message_bytes");
    let deep = Limits { commands: 100, ..limits };
    let document = with_body(&"<Sequence>".repeat(20));
    let error = read(document.as_bytes(), Mode::Wire, &deep).expect_err("too deep");
    assert_eq!(error.fault, Fault::Limit { limit: "depth", max: 9 });
    assert_eq!(fault(&with_body(&format!("<Odd>{}", "<a>".repeat(10_000)))), Fault::Limit { limit: "depth", max: 32 });
    assert_eq!(
        fault(&with_body(&format!("<Get><Item><Data>{}", "<a>".repeat(10_000)))),
        Fault::Limit { limit: "depth", max: 32 }
    );
}

#[test]
fn what_is_not_syncml_is_refused_with_its_code() {
    let code = |text: &str| wire(text).expect_err("must be refused").code();
    assert_eq!(code(""), "syncml_not_syncml");
    assert_eq!(code("policy"), "syncml_not_syncml");
    assert_eq!(code("{\"a\":1}"), "syncml_not_syncml");
    assert_eq!(code("<html/>"), "syncml_not_syncml");
    assert_eq!(code("<SyncML xmlns='urn:other'/>"), "syncml_not_syncml");
    assert_eq!(code("<SyncML>"), "syncml_not_xml");
    assert_eq!(code("<SyncML><SyncBody></SyncML>"), "syncml_not_xml");
    assert_eq!(code("<SyncML/>"), "syncml_element_missing");
    assert_eq!(code("<?xml version='1.0' encoding='utf-16'?><SyncML/>"), "syncml_not_utf8");
    assert_eq!(code(&with_body("text")), "syncml_not_xml");
    assert_eq!(code(&with_body("&lt;Final/&gt;")), "syncml_not_xml");
    assert_eq!(code(&format!("{}<again/>", with_body(""))), "syncml_not_xml");
    assert_eq!(code(&with_body("").replace("<MsgID>1", "<MsgID>x")), "syncml_value_unusable");
    assert_eq!(code(&with_body("").replace("<MsgID>1", "<MsgID>0")), "syncml_value_unusable");
    assert_eq!(code(&with_body("").replace("2F", &"2".repeat(65))), "syncml_value_unusable");
    assert_eq!(code(&with_body("").replace("SyncML", "SyncMl")), "syncml_not_syncml");
    let error = read(b"<SyncML>\xff", Mode::Wire, &Limits::default()).expect_err("not UTF-8");
    assert_eq!((error.code(), error.offset), ("syncml_not_utf8", 8));
}

#[test]
fn what_only_a_command_lacks_is_left_for_its_status() {
    let document = with_body(
        "<Get/><Copy><CmdID>9</CmdID><Item/></Copy><Alert><CmdID>3</CmdID></Alert><Put-x><CmdID>4</CmdID></Put-x>",
    );
    let message = wire(&document).expect("readable");
    let names: Vec<_> = message.commands.iter().map(|c| (c.name(), c.id())).collect();
    assert_eq!(names, [("Get", ""), ("Copy", "9"), ("Alert", "3"), ("Unknown", "4")]);
    assert!(message.commands.iter().skip(1).all(|c| matches!(c, Command::Unknown { .. })));
}

#[test]
fn errors_never_repeat_the_content() {
    for hostile in [
        "<SyncML><canary></SyncML>",
        "<canary/>",
        "<SyncML>&canary;</SyncML>",
        "canary",
        "<SyncML><SyncHdr><MsgID>canary</MsgID></SyncHdr></SyncML>",
    ] {
        let error = wire(hostile).expect_err("must be refused");
        assert!(!format!("{error} {error:?} {}", error.fault.next_step()).contains("canary"), "{error}");
    }
}
