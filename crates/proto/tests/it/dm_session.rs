//! Both sides of a session against each other, by way of the wire, and against the oddities of other clients.

use laps::csp::{Effect, HResult, Options, Rights, Tree, Volatile};
use laps::time::Timestamp;
use proto::dm::client::{ClientSession, DeviceInfo, Event, Opening, Step};
use proto::dm::dispatch::Dispatcher;
use proto::dm::server::{Received, ServerSession};
use proto::dm::session::{SessionError, SessionLimits};
use proto::dm::{Command, Limits, Message, Mode, Verb, alert, code, policy, read, write};

const LAPS: &str = "./Device/Vendor/MSFT/LAPS";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_ms(1_790_000_000_000 + seconds * 1000)
}

fn opening() -> Opening {
    Opening {
        device_uri: "b1f0c1de-0000-4000-8000-00000000a001".into(),
        server_uri: "https://mdm.example.test/mdm".into(),
        session_id: "7".into(),
        is_server_initiated: false,
        login: "none",
        info: DeviceInfo {
            device_id: "b1f0c1de".into(),
            manufacturer: "Example Co".into(),
            model: "Model 1".into(),
            client_version: "1".into(),
            language: "en-US".into(),
        },
        events: vec![Event {
            source: format!("{LAPS}/Actions/ResetPasswordStatus"),
            kind: "Reversed-Domain-Name:test.example.lapwing".into(),
            format: "int".into(),
            data: "0".into(),
        }],
    }
}

/// Runs a whole session; the server queues `commands` at the end of package 1.
fn session(
    tree: &mut Tree,
    commands: Vec<Command<'static>>,
    server_limits: SessionLimits,
    client_limits: SessionLimits,
) -> (Received, Vec<Effect>, u32) {
    let mut effects = Vec::new();
    let mut all = Received::default();
    let (mut client, mut outgoing) = ClientSession::open(opening(), client_limits, at(0));
    let mut server: Option<ServerSession> = None;
    let mut commands = Some(commands);
    for round in 1.. {
        let text = write(&outgoing);
        assert!(text.len() <= server_limits.message_bytes, "round {round}: {} bytes", text.len());
        let message = read(text.as_bytes(), Mode::Wire, &Limits::default()).expect("the server reads the client");
        let server = server.get_or_insert_with(|| {
            ServerSession::open("https://mdm.example.test/mdm", &message.header, server_limits, at(0))
        });
        let received = server.receive(&message, at(round)).expect("taken");
        all.device_info.extend(received.device_info);
        all.notices.extend(received.notices);
        all.outcomes.extend(received.outcomes);
        all.readings.extend(received.readings);
        if received.is_final {
            commands.take().into_iter().flatten().for_each(|command| {
                server.queue(command);
            });
        }
        let text = write(&server.reply());
        assert!(text.len() <= client_limits.message_bytes, "round {round}: {} bytes", text.len());
        let message = read(text.as_bytes(), Mode::Wire, &Limits::default()).expect("the client reads the server");
        let mut store = Volatile;
        let mut dispatcher = Dispatcher::new(tree, &mut store, Rights::ALL);
        let step = client.receive(message, at(round), &mut dispatcher).expect("taken");
        effects.extend_from_slice(dispatcher.effects());
        match step {
            Step::Send(message) => outgoing = *message,
            Step::End { is_aborted } => {
                assert!(!is_aborted);
                assert!(server.is_ended());
                assert_eq!(server.unanswered().count(), 0);
                return (all, effects, u32::try_from(round).expect("few rounds"));
            }
        }
    }
    unreachable!()
}

fn small(message_bytes: usize) -> SessionLimits {
    SessionLimits { message_bytes, ..SessionLimits::default() }
}

#[test]
fn a_policy_and_a_rotation_go_through_a_whole_session() {
    let wanted = policy::values(&policy::import(include_bytes!("../data/policy-entra.xml")).expect("a policy"));
    let mut tree = Tree::new(Options::default());
    let mut commands = vec![policy::delivery(&wanted, &Default::default()).expect("something")];
    commands.extend(policy::rotate_now());
    let (received, effects, rounds) = session(&mut tree, commands, SessionLimits::default(), SessionLimits::default());
    assert_eq!(rounds, 2);
    assert_eq!(*tree.values(), wanted);
    assert_eq!(effects, [Effect::PolicyChanged, Effect::ResetRequested { again: false }]);
    assert_eq!(received.device_info.len(), 5);
    assert_eq!(received.device_info[0], ("./DevInfo/DevId".into(), "b1f0c1de".into()));
    let notices: Vec<_> = received.notices.iter().map(|n| n.code).collect();
    assert_eq!(notices, [alert::CLIENT_INITIATED, alert::CLIENT_EVENT, alert::GENERIC]);
    // The Atomic, its seven settings, the Exec, the Get.
    let statuses: Vec<_> = received.outcomes.iter().map(|o| o.status).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 200, 200, 200, 202, 200]);
    assert_eq!(received.readings.len(), 1);
    assert_eq!(HResult::parse(&received.readings[0].data), Some(HResult::PENDING));
    assert_eq!(received.readings[0].uri, format!("{LAPS}/Actions/ResetPasswordStatus"));
}

#[test]
fn a_session_without_work_ends_after_one_round() {
    let mut tree = Tree::new(Options::default());
    let (received, effects, rounds) = session(&mut tree, vec![], SessionLimits::default(), SessionLimits::default());
    assert_eq!((rounds, effects, received.outcomes), (1, vec![], vec![]));
}

#[test]
fn large_objects_go_both_ways_in_chunks() {
    let name = "Administrator <of> & \"everything\" ".repeat(100);
    let node = format!("{LAPS}/Policies/AdministratorAccountName");
    let mut tree = Tree::new(Options { data_bytes_max: 10_000, ..Options::default() });
    // Too long for the setting: refused as a whole, after every chunk was taken.
    let (received, _, rounds) = session(
        &mut tree,
        vec![Command::set(Verb::Replace, node.clone(), "chr", name.clone())],
        SessionLimits::default(),
        small(2600),
    );
    assert!(rounds > 3, "{rounds}");
    assert_eq!(received.outcomes.iter().map(|o| o.status).collect::<Vec<_>>(), [500]);

    // A value that comes back in chunks, because the server takes small messages only.
    struct Long(String);
    impl proto::dm::dispatch::Executor for Long {
        fn execute<'c>(&mut self, commands: &'c [Command<'_>]) -> Vec<proto::dm::dispatch::Answer<'c>> {
            commands
                .iter()
                .map(|command| proto::dm::dispatch::Answer {
                    cmd_ref: command.id(),
                    cmd: command.name(),
                    target: None,
                    status: code::OK,
                    result: Some(proto::dm::Item {
                        source: Some("./a".into()),
                        data: Some(self.0.clone().into()),
                        ..Default::default()
                    }),
                })
                .collect()
        }
    }
    let limits = small(4000);
    let (mut client, first) = ClientSession::open(opening(), SessionLimits::default(), at(0));
    let mut server = ServerSession::open("s", &first.header, limits, at(0));
    server.receive(&first, at(0)).expect("taken");
    server.queue(Command::request(Verb::Get, "./a"));
    let mut readings = Vec::new();
    let mut rounds = 0;
    while let Step::Send(message) = client.receive(server.reply(), at(0), &mut Long(name.clone())).expect("taken") {
        assert!(write(&message).len() <= 4000);
        readings.extend(server.receive(&message, at(0)).expect("taken").readings);
        rounds += 1;
    }
    assert!(rounds > 2, "{rounds}");
    assert_eq!(readings.iter().map(|r| r.data.as_str()).collect::<Vec<_>>(), [name.as_str()]);
    assert!(server.is_ended());
}

#[test]
fn many_commands_go_in_messages_of_the_peers_size() {
    let mut tree = Tree::new(Options::default());
    let gets = (0..60).map(|_| Command::request(Verb::Get, format!("{LAPS}/Policies"))).collect();
    let (received, _, rounds) = session(&mut tree, gets, small(6000), small(6000));
    assert!(rounds > 3, "{rounds}");
    assert_eq!(received.readings.len(), 60);
    assert!(received.outcomes.iter().all(|o| o.status == 200));
}

// What other clients send (protocols.md 1.4), as text.

fn hdr(msg_id: u32) -> String {
    format!(
        "<SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>88888</SessionID><MsgID>{msg_id}</MsgID>\
         <Target><LocURI>https://s/mdm</LocURI></Target><Source><LocURI>dev</LocURI></Source></SyncHdr>"
    )
}

fn send(server: &mut Option<ServerSession>, msg_id: u32, body: &str) -> Result<Received, SessionError> {
    let text = format!("<SyncML xmlns='SYNCML:SYNCML1.2'>{}<SyncBody>{body}</SyncBody></SyncML>", hdr(msg_id));
    let message = read(text.as_bytes(), Mode::Wire, &Limits::default()).expect("readable");
    server
        .get_or_insert_with(|| ServerSession::open("https://s/mdm", &message.header, SessionLimits::default(), at(0)))
        .receive(&message, at(0))
}

fn statuses(message: &Message<'_>) -> Vec<(String, u16)> {
    message
        .commands
        .iter()
        .filter_map(|c| match c {
            Command::Status(s) => Some((s.cmd_ref.to_string(), s.code)),
            _ => None,
        })
        .collect()
}

#[test]
fn one_replace_per_leaf_odd_numbers_no_alert_and_status_for_status() {
    let mut server = None;
    let leaf = |id: u32, name: &str| {
        format!(
            "<Replace><CmdID>{id}</CmdID><Item><Source><LocURI>{name}</LocURI></Source><Meta><Format xmlns='syncml:metinf'>chr</Format></Meta><Data>x</Data></Item></Replace>"
        )
    };
    let body = leaf(17, "./DevInfo/DevId")
        + &leaf(40, "./DevInfo/Man")
        + &leaf(39, "./Vendor/MSFT/DMClient/HWDevID")
        + "<Replace><CmdID>41</CmdID><Item><Source><LocURI>./DevDetail</LocURI></Source><Meta><Format xmlns='syncml:metinf'>node</Format></Meta><Data>A/B</Data></Item></Replace>\
           <Status><CmdID>50</CmdID><MsgRef>0</MsgRef><CmdRef>1</CmdRef><Cmd>Status</Cmd><Data>200</Data></Status><Final/>";
    let received = send(&mut server, 1, &body).expect("taken");
    let names: Vec<_> = received.device_info.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["./DevInfo/DevId", "./DevInfo/Man", "./Vendor/MSFT/DMClient/HWDevID"]);
    assert_eq!(received.notices, []);
    let server = server.as_mut().expect("open");
    let reply = server.reply();
    let answered = [("0", 200), ("17", 200), ("40", 200), ("39", 200), ("41", 200)];
    assert_eq!(statuses(&reply), answered.map(|(id, code)| (id.to_owned(), code)));
    assert_eq!((reply.header.session_id.as_ref(), reply.header.msg_id), ("88888", 1));
    assert_eq!((reply.header.target.as_ref(), reply.header.source.as_ref()), ("dev", "https://s/mdm"));
    assert!(reply.is_final && server.is_ended());
}

#[test]
fn answers_are_matched_by_reference_in_any_order() {
    let mut server = None;
    send(&mut server, 1, "<Final/>").expect("taken");
    let open = server.as_mut().expect("open");
    let atomic = open.queue(Command::atomic(vec![
        Command::set(Verb::Replace, "./a", "int", "1"),
        Command::set(Verb::Replace, "./b", "int", "2"),
    ]));
    let get = open.queue(Command::request(Verb::Get, "./c"));
    let sent = open.reply();
    // CmdID 1 is the header's status, 2 the Atomic, 3 and 4 its commands, 5 the Get.
    assert_eq!(sent.commands.iter().map(|c| c.id().to_owned()).collect::<Vec<_>>(), ["1", "2", "5"]);
    let status = |id: u32, cmd: &str, code: u16| {
        format!(
            "<Status><CmdID>{id}{id}</CmdID><MsgRef>1</MsgRef><CmdRef>{id}</CmdRef><Cmd>{cmd}</Cmd><Data>{code}</Data></Status>"
        )
    };
    // Inner ones first, another message's numbers, a stranger, a repeat; results without MsgRef and with Cmd.
    let body = status(4, "Replace", 404)
        + &status(5, "Get", 200)
        + &status(3, "Replace", 216)
        + &status(2, "Atomic", 507)
        + &status(2, "Atomic", 200)
        + &status(9, "Get", 500)
        + "<Status><CmdID>70</CmdID><MsgRef>4</MsgRef><CmdRef>3</CmdRef><Cmd>Get</Cmd><Data>500</Data></Status>"
        + "<Results><CmdID>71</CmdID><CmdRef>5</CmdRef><Cmd>Get</Cmd><Item><Source><LocURI>./c</LocURI></Source><Data>v</Data></Item></Results><Final/>";
    let received = send(&mut server, 2, &body).expect("taken");
    let outcomes: Vec<_> = received.outcomes.iter().map(|o| (o.ticket, o.status)).collect();
    assert_eq!(outcomes, [(atomic.plus(2), 404), (get, 200), (atomic.plus(1), 216), (atomic, 507)]);
    assert_eq!(received.readings.iter().map(|r| (r.ticket, r.data.as_str())).collect::<Vec<_>>(), [(get, "v")]);
    let server = server.as_mut().expect("open");
    let reply = server.reply();
    assert_eq!((reply.commands.len(), reply.is_final), (1, true));
    assert!(server.is_ended());
}

#[test]
fn a_repeated_message_has_the_same_answer_and_no_effect() {
    let mut server = None;
    send(&mut server, 1, "<Alert><CmdID>1</CmdID><Data>1201</Data></Alert><Final/>").expect("taken");
    server.as_mut().expect("open").queue(Command::request(Verb::Get, "./c"));
    let reply = server.as_ref().map(|_| ()).and_then(|()| server.as_mut().map(ServerSession::reply)).expect("a reply");
    let again = send(&mut server, 1, "<Alert><CmdID>1</CmdID><Data>1201</Data></Alert><Final/>").expect("taken");
    assert_eq!(again, Received { is_repeat: true, ..Received::default() });
    assert_eq!(server.as_mut().expect("open").reply(), reply);
}

#[test]
fn a_package_of_several_messages_is_asked_on() {
    let mut server = None;
    let received = send(&mut server, 1, "<Alert><CmdID>1</CmdID><Data>1201</Data></Alert>").expect("taken");
    assert!(!received.is_final);
    let open = server.as_mut().expect("open");
    open.queue(Command::request(Verb::Get, "./c"));
    let reply = open.reply();
    assert!(matches!(reply.commands.last(), Some(Command::Alert(a)) if a.code == alert::NEXT_MESSAGE));
    assert!(!open.is_ended());
    send(&mut server, 2, "<Final/>").expect("taken");
    let reply = server.as_mut().expect("open").reply();
    assert!(matches!(reply.commands.last(), Some(Command::Request(r)) if r.verb == Verb::Get));
}

#[test]
fn other_versions_are_answered_with_505_and_513() {
    for (from, to, code) in [("1.2</VerDTD>", "1.3</VerDTD>", 505), ("DM/1.2", "DM/2.0", 513)] {
        let text = format!("<SyncML>{}<SyncBody><Get><CmdID>1</CmdID></Get><Final/></SyncBody></SyncML>", hdr(1))
            .replace(from, to);
        let message = read(text.as_bytes(), Mode::Wire, &Limits::default()).expect("readable");
        let mut server = ServerSession::open("s", &message.header, SessionLimits::default(), at(0));
        server.receive(&message, at(0)).expect("taken");
        assert_eq!(statuses(&server.reply()), [("0".to_owned(), code)]);
        assert!(server.is_ended());
    }
}

#[test]
fn requests_of_a_device_and_strange_commands_are_refused() {
    let mut server = None;
    send(
        &mut server,
        1,
        "<Get><CmdID>1</CmdID></Get><Copy><CmdID>2</CmdID></Copy><Replace><Item/></Replace><Atomic><CmdID>4</CmdID></Atomic><Status><CmdID>5</CmdID></Status><Final/>",
    )
    .expect("taken");
    let answered = [("0", 200), ("1", 501), ("2", 400), ("", 400), ("4", 501)];
    assert_eq!(statuses(&server.as_mut().expect("open").reply()), answered.map(|(id, code)| (id.to_owned(), code)));
}

#[test]
fn a_session_has_bounds() {
    let mut server = None;
    send(&mut server, 3, "<Final/>").expect("taken");
    assert_eq!(send(&mut server, 2, "<Final/>"), Err(SessionError::OutOfOrder));
    let mut server = server.expect("open");
    server.reply();
    assert!(server.is_ended());
    let message = |id: u32, session: &str| {
        let header = proto::dm::Header { msg_id: id, session_id: session.to_owned().into(), ..Default::default() };
        Message { header, commands: vec![], is_final: false }
    };
    assert_eq!(server.receive(&message(4, "88888"), at(0)), Err(SessionError::Ended));

    let mut server = ServerSession::open("s", &message(1, "a").header, SessionLimits::default(), at(0));
    assert_eq!(server.receive(&message(1, "b"), at(0)), Err(SessionError::OtherSession));
    assert_eq!(server.receive(&message(1, "a"), at(601)), Err(SessionError::TooLong { max_s: 600 }));
    for id in 1..=50 {
        server.receive(&message(id, "a"), at(600)).expect("taken");
    }
    assert_eq!(server.receive(&message(51, "a"), at(0)), Err(SessionError::TooManyMessages { max: 50 }));
}

#[test]
fn an_abort_ends_either_side() {
    let mut server = None;
    send(&mut server, 1, "<Alert><CmdID>1</CmdID><Data>1223</Data></Alert><Final/>").expect("taken");
    let server = server.as_mut().expect("open");
    server.queue(Command::request(Verb::Get, "./c"));
    assert_eq!(server.reply().commands.len(), 2);
    assert!(server.is_ended());

    let answer = |body: &str| {
        let (mut client, _) = ClientSession::open(opening(), SessionLimits::default(), at(0));
        let text = format!("<SyncML>{}<SyncBody>{body}<Final/></SyncBody></SyncML>", hdr(1)).replace("88888", "7");
        let message = read(text.as_bytes(), Mode::Wire, &Limits::default()).expect("readable");
        let mut tree = Tree::new(Options::default());
        client.receive(message, at(0), &mut Dispatcher::new(&mut tree, &mut Volatile, Rights::ALL))
    };
    assert_eq!(answer("<Alert><CmdID>1</CmdID><Data>1223</Data></Alert>"), Ok(Step::End { is_aborted: true }));
    let refused =
        "<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><Data>401</Data></Status>";
    assert_eq!(answer(refused), Err(SessionError::Refused { status: 401 }));
    let Ok(Step::Send(reply)) = answer("<Alert><CmdID>1</CmdID><Data>1100</Data></Alert><Get><Item/></Get>") else {
        panic!("an answer")
    };
    assert_eq!(statuses(&reply), [("0".to_owned(), 200), ("1".to_owned(), 406), (String::new(), 400)]);
}
