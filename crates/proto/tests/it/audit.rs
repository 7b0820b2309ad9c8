//! Exports of the audit log: what verification finds and where, and that no text breaks a line of CEF or OCSF.

use laps::{
    id::{DeviceId, TenantId, VersionId},
    time::Timestamp,
};
use proptest::prelude::*;
use proto::audit::{
    Actor, Disclosed, End, ExportVerifier, Fault, Head, Line, Part, RECOVER_PASSWORD, Record, Start, Target, cef,
    compare_with_head, ocsf,
};

const KEY: &[u8] = &[4; 4];
const OTHER_KEY: &[u8] = &[5; 4];

/// A signature for tests: whoever knows the key's bytes can make it.
fn sign(key: &[u8], statement: &[u8]) -> Vec<u8> {
    [key, &statement[20..64], &[statement.len() as u8]].concat()
}

fn head(key: &[u8], sequence: u64, hash: [u8; 32]) -> Head {
    let mut head = Head { chain: 1, sequence, hash, signed_at: Timestamp::from_unix_ms(5), signature: Vec::new() };
    head.signature = sign(key, &head.statement());
    head
}

fn record(sequence: u64, previous: [u8; 32], detail: &str) -> Record {
    let mut record = Record {
        chain: 1,
        sequence,
        id: [sequence as u8; 16],
        at: Timestamp::from_unix_ms(1_790_000_000_000 + sequence as i64),
        activity: RECOVER_PASSWORD.into(),
        category: "Device".into(),
        actor: Actor { kind: "user".into(), id: "u".into(), name: "ada".into() },
        target: Target { kind: "device".into(), id: "d".into(), name: "pc-1".into() },
        failure: None,
        request_id: "r".into(),
        client: r#"{"address":"192.0.2.7","userAgent":"x"}"#.into(),
        detail: detail.into(),
        disclosed: vec![Disclosed { device: DeviceId::from_bytes([1; 16]), version: VersionId::from_bytes([2; 16]) }],
        previous,
        hash: [0; 32],
    };
    record.hash = record.computed_hash();
    record
}

fn chain(count: u64, word: &str) -> Vec<Record> {
    let mut previous = [0; 32];
    (1..=count)
        .map(|sequence| {
            let record = record(sequence, previous, &format!("{{\"{word}\":{sequence}}}"));
            previous = record.hash;
            record
        })
        .collect()
}

fn export(records: &[Record]) -> Vec<Line> {
    let first = &records[0];
    let last = &records[records.len() - 1];
    let start = Start {
        format: 1,
        tenant: TenantId::from_bytes([7; 16]),
        public_key: "04040404".into(),
        after: head(KEY, first.sequence - 1, first.previous).to_string(),
        pruned: false,
        exported_at: Timestamp::from_unix_ms(9),
    };
    let end = End { head: head(KEY, last.sequence, last.hash).to_string() };
    let records = records.iter().cloned().map(|record| Line::Record(Box::new(record)));
    [Line::Start(start)].into_iter().chain(records).chain([Line::End(end)]).collect()
}

fn verify(lines: &[Line]) -> Result<Vec<Part>, Fault> {
    verify_with(lines, None)
}

fn verify_with(lines: &[Line], trusted: Option<&[u8]>) -> Result<Vec<Part>, Fault> {
    let mut verifier =
        ExportVerifier::new(trusted.map(<[u8]>::to_vec), |key: &[u8], statement: &[u8], found: &[u8]| {
            sign(key, statement) == found
        });
    for line in lines {
        verifier.take(&serde_json::to_string(line).unwrap())?;
    }
    verifier.finish()
}

fn of(line: &mut Line) -> &mut Record {
    match line {
        Line::Record(record) => record,
        other => panic!("no record: {other:?}"),
    }
}

#[test]
fn a_whole_log_verifies_and_a_part_of_it() {
    let records = chain(5, "n");
    let parts = verify(&export(&records)).unwrap();
    assert_eq!((parts.len(), parts[0].hashes.len(), parts[0].end.sequence), (1, 5, 5));
    let parts = verify(&export(&records[2..4])).unwrap();
    assert_eq!((parts[0].after.sequence, parts[0].end.sequence), (2, 4));
    // Two exports in one file.
    let both = [export(&records[..2]), export(&records[3..])].concat();
    assert_eq!(verify(&both).unwrap().len(), 2);
    assert_eq!(verify_with(&export(&records), Some(KEY)).unwrap().len(), 1);
}

#[test]
fn every_change_is_found_at_its_place() {
    let whole = export(&chain(5, "n"));
    let found = |lines: &[Line]| verify(lines).unwrap_err().to_string();
    // A tampered row, each of its fields.
    let fields: [fn(&mut Record); 12] = [
        |r| r.activity.push('x'),
        |r| r.category.clear(),
        |r| r.actor.name = "eve".into(),
        |r| r.actor.id = "e".into(),
        |r| r.target.name = "pc-2".into(),
        |r| r.failure = Some("x".into()),
        |r| r.detail = "{}".into(),
        |r| r.client = "{}".into(),
        |r| r.at = Timestamp::from_unix_ms(0),
        |r| r.request_id.clear(),
        |r| r.disclosed.clear(),
        |r| r.id[0] ^= 1,
    ];
    for change in fields {
        let mut lines = whole.clone();
        change(of(&mut lines[3]));
        assert_eq!(found(&lines), "record 3: its contents were changed");
    }
    // Tampered, and hashed again: the next one tells.
    let mut lines = whole.clone();
    let row = of(&mut lines[3]);
    row.actor.name = "eve".into();
    row.hash = row.computed_hash();
    assert_eq!(found(&lines), "record 4: it does not name the record before it");
    // The last one has no next: the signed end tells.
    let mut lines = whole.clone();
    let row = of(&mut lines[5]);
    row.actor.name = "eve".into();
    row.hash = row.computed_hash();
    assert_eq!(found(&lines), "record 5: it is not the record that the server signed");
    // A removed row, swapped rows, a doubled one.
    let mut lines = whole.clone();
    lines.remove(3);
    assert_eq!(found(&lines), "record 4: it follows record 2: one is missing, or they are out of order");
    let mut lines = whole.clone();
    lines.swap(3, 4);
    assert_eq!(found(&lines), "record 4: it follows record 2: one is missing, or they are out of order");
    let mut lines = whole.clone();
    lines.insert(3, whole[3].clone());
    assert_eq!(found(&lines), "record 3: it follows record 3: one is missing, or they are out of order");
    // The first one removed, the tail cut with the end kept, and the file broken off.
    let mut lines = whole.clone();
    lines.remove(1);
    assert_eq!(found(&lines), "record 2: it follows record 0: one is missing, or they are out of order");
    let mut lines = whole.clone();
    lines.remove(5);
    assert_eq!(found(&lines), "record 5: the export's signed end, but its last record is 4");
    let cut = &whole[..4];
    assert_eq!(found(cut), "record 3: the export breaks off behind it: its signed end is missing");
    assert_eq!(found(&[]), "the export: it is empty");
    assert_eq!(found(&whole[1..]), "line 1: it stands outside of a part");
}

#[test]
fn forged_heads_and_keys_are_found() {
    let records = chain(3, "n");
    let last = &records[2];
    let mut lines = export(&records);
    let forged = head(OTHER_KEY, 3, last.hash).to_string();
    *lines.last_mut().unwrap() = Line::End(End { head: forged });
    assert_eq!(
        verify(&lines).unwrap_err().to_string(),
        "record 3: the head that the export ends with is not signed by the server"
    );
    let mut lines = export(&records[1..]);
    if let Line::Start(start) = &mut lines[0] {
        start.after = head(OTHER_KEY, 1, records[0].hash).to_string();
    }
    assert_eq!(
        verify(&lines).unwrap_err().to_string(),
        "record 1: the head that the export begins behind is not signed by the server"
    );
    // All of it made with another key is found by the key that is trusted.
    let made = export(&records);
    assert_eq!(
        verify_with(&made, Some(OTHER_KEY)).unwrap_err().to_string(),
        "line 1: it was made with another key than the one that is trusted"
    );
}

#[test]
fn the_head_of_a_device_finds_a_rewritten_and_a_cut_log() {
    let records = chain(5, "n");
    let kept = head(KEY, 4, records[3].hash);
    let whole = verify(&export(&records)).unwrap();
    assert_eq!(compare_with_head(&whole, &kept), Ok(()));
    // Rewritten from its start, hashes and signatures and all.
    let rewritten = verify(&export(&chain(5, "other"))).unwrap();
    let text = |parts: &[Part], head: &Head| compare_with_head(parts, head).unwrap_err().to_string();
    assert_eq!(text(&rewritten, &kept), "record 4: it is not the one that was kept: the log was rewritten");
    let cut = verify(&export(&records[..3])).unwrap();
    assert_eq!(
        text(&cut, &kept),
        "record 4: it was kept, but the export ends at record 3: the log was cut, or not all of it exported"
    );
    let part = verify(&export(&records[4..])).unwrap();
    assert_eq!(compare_with_head(&part, &kept), Ok(()), "the record before the first is known by its hash");
    let old = head(KEY, 2, records[1].hash);
    assert!(text(&part, &old).contains("does not reach so far back"));
    let elsewhere = Head { chain: 2, ..kept };
    assert!(text(&whole, &elsewhere).contains("no chain 2"));
}

#[test]
fn heads_are_read_as_they_are_written() {
    let one = head(KEY, 7, [9; 32]);
    assert_eq!(Head::parse(&one.to_string()), Ok(one.clone()));
    let text = one.to_string();
    for bad in
        ["", "1", "1:2:3:4:5", &text[..text.len() - 1], &format!("{text}:"), &text.replace(':', ";"), "1:-2:00:0:00"]
    {
        assert!(Head::parse(bad).is_err(), "{bad}");
    }
}

/// What CEF's grammar gives back: header fields and extension.
fn parse_cef(line: &str) -> (Vec<String>, Vec<(String, String)>) {
    let mut header = vec![String::new()];
    let mut chars = line.chars();
    while header.len() < 8 {
        match chars.next().expect("eight fields") {
            '\\' => header.last_mut().unwrap().push(chars.next().unwrap()),
            '|' => header.push(String::new()),
            c => header.last_mut().unwrap().push(c),
        }
    }
    header.pop();
    let rest: Vec<char> = chars.collect();
    // A key is a run of letters and digits before an `=` that is not escaped, at the start or behind a space.
    let mut starts = Vec::new();
    for (at, c) in rest.iter().enumerate() {
        if *c != '=' {
            continue;
        }
        let escapes = rest[..at].iter().rev().take_while(|c| **c == '\\').count();
        if escapes % 2 == 1 {
            continue;
        }
        let length = rest[..at].iter().rev().take_while(|c| c.is_ascii_alphanumeric()).count();
        let from = at - length;
        assert!(length > 0 && (from == 0 || rest[from - 1] == ' '), "a key before every `=`: {line}");
        starts.push((from, at));
    }
    let mut pairs = Vec::new();
    for (index, (from, at)) in starts.iter().enumerate() {
        let end = starts.get(index + 1).map_or(rest.len(), |(next, _)| next - 1);
        let mut value = String::new();
        let mut chars = rest[at + 1..end].iter();
        while let Some(c) = chars.next() {
            match (*c, c) {
                ('\\', _) => match chars.next().expect("something is escaped") {
                    'n' => value.push('\n'),
                    'r' => value.push('\r'),
                    other => value.push(*other),
                },
                (c, _) => value.push(c),
            }
        }
        pairs.push((rest[*from..*at].iter().collect(), value));
    }
    (header, pairs)
}

#[test]
fn cef_is_exact() {
    let mut one = record(3, [0; 32], r#"{"reason":"a=b|c\\d\nnext","ticket":"INC1","breakGlass":true}"#);
    one.activity = r"Odd|name\here".into();
    one.actor.name = "eve=root|x".into();
    let line = cef(&one, "0.1.0");
    assert!(
        line.starts_with(
            r"CEF:0|Lapwing|lapwingd|0.1.0|odd-name-here|Odd\|name\\here|9|rt=1790000000003 externalId=0303"
        )
    );
    assert!(line.contains(r" suser=eve\=root|x src=192.0.2.7 "), "{line}");
    assert!(line.contains(r" cs1Label=justification cs1=a\=b|c\\d\nnext cs2Label=ticket cs2=INC1 cs3Label=breakGlass"));
    assert!(!line.contains('\n'));
}

#[test]
fn ocsf_names_classes() {
    let one = record(3, [0; 32], r#"{"reason":"disk"}"#);
    let event = ocsf(&one, "0.1.0");
    assert_eq!((&event["class_uid"], &event["type_uid"]), (&6003.into(), &600_302.into()));
    assert_eq!((&event["actor"]["user"]["name"], &event["unmapped"]["reason"]), (&"ada".into(), &"disk".into()));
    assert_eq!(event["status_id"], 1);
    let rotated = Record { activity: proto::audit::ROTATE_PASSWORD.into(), ..one.clone() };
    assert_eq!(ocsf(&rotated, "0")["class_uid"], 3001);
    let signed_in = Record { activity: proto::audit::SIGN_IN.into(), failure: Some("x".into()), ..one };
    let event = ocsf(&signed_in, "0");
    assert_eq!(
        (&event["class_uid"], &event["status_id"], &event["status_code"]),
        (&3002.into(), &2.into(), &"x".into())
    );
}

fn hostile() -> impl Strategy<Value = String> {
    let parts = prop_oneof![
        Just("\n".to_owned()),
        Just("\r\n".to_owned()),
        Just("=".to_owned()),
        Just("|".to_owned()),
        Just("\\".to_owned()),
        Just(" cs1=forged".to_owned()),
        Just("<script>".to_owned()),
        Just("\u{202e}".to_owned()),
        Just("\u{2028}".to_owned()),
        Just("\0\u{1b}[2J".to_owned()),
        Just("x".repeat(4_000)),
        any::<String>(),
    ];
    proptest::collection::vec(parts, 0..6).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn no_text_breaks_a_line(texts in proptest::collection::vec(hostile(), 9)) {
        let mut one = record(3, [0; 32], "{}");
        one.activity = texts[0].clone();
        one.category = texts[1].clone();
        one.actor = Actor { kind: texts[2].clone(), id: texts[2].clone(), name: texts[3].clone() };
        one.target = Target { kind: "device".into(), id: texts[4].clone(), name: texts[5].clone() };
        one.failure = Some(texts[6].clone()).filter(|text| !text.is_empty());
        one.request_id = texts[7].clone();
        one.detail = serde_json::json!({"reason": texts[8]}).to_string();
        one.hash = one.computed_hash();
        let line = cef(&one, "0.1.0");
        let breaks = line.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202e}'));
        prop_assert!(!breaks);
        let (header, pairs) = parse_cef(&line);
        prop_assert_eq!(header.len(), 7);
        let value = |key: &str| pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone());
        let keys: Vec<_> = pairs.iter().map(|(key, _)| key.clone()).collect();
        let mut once = keys.clone();
        once.sort();
        once.dedup();
        prop_assert_eq!(once.len(), keys.len(), "no forged key: {}", line);
        // What is harmless comes back as it was.
        let harmless = |text: &str| text.chars().count() <= 1_000
            && !text.chars().any(|c| (c.is_control() && c != '\n' && c != '\r') || matches!(c, '\u{200e}'..='\u{2069}' | '\u{61c}'));
        if harmless(&texts[3]) && !texts[3].is_empty() {
            // A value ends where the next key begins: a space at its end belongs to it.
            prop_assert_eq!(value("suser"), Some(texts[3].clone()));
        }
        let event = ocsf(&one, "0.1.0").to_string();
        prop_assert!(!event.chars().any(char::is_control));
        prop_assert!(serde_json::from_str::<serde_json::Value>(&event).is_ok());
        let text = serde_json::to_string(&Line::Record(Box::new(one.clone()))).unwrap();
        prop_assert!(!text.contains('\n'));
        let Line::Record(back) = serde_json::from_str(&text).unwrap() else { panic!() };
        prop_assert_eq!(back.computed_hash(), one.hash);
    }

    #[test]
    fn lines_that_are_not_ours_never_panic(text in any::<String>()) {
        let mut verifier = ExportVerifier::new(None, |_: &[u8], _: &[u8], _: &[u8]| true);
        let other = format!("x{text}");
        prop_assert!(verifier.take(&other).is_err());
        let _ = Head::parse(&text);
    }
}
