//! The message model: what one SyncML document holds, borrowed from its text where that is possible.

use std::borrow::Cow;

/// A text that is borrowed from the document or owned.
pub type Text<'a> = Cow<'a, str>;

/// One message: header, commands in document order, and whether it ends the package.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message<'a> {
    /// `SyncHdr`; the default one when an imported document has none.
    pub header: Header<'a>,
    /// The children of `SyncBody` but `Final`, in document order.
    pub commands: Vec<Command<'a>>,
    /// `Final` was there: the package ends with this message.
    pub is_final: bool,
}

/// `SyncHdr` (protocols.md 1.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header<'a> {
    /// `VerDTD`, `1.2` is the only one understood.
    pub ver_dtd: Text<'a>,
    /// `VerProto`, `DM/1.2` is the only one understood.
    pub ver_proto: Text<'a>,
    /// `SessionID`: opaque, at most 64 characters, compared as text.
    pub session_id: Text<'a>,
    /// `MsgID`: from 1, rising by one per sender.
    pub msg_id: u32,
    /// `Target/LocURI`.
    pub target: Text<'a>,
    /// `Source/LocURI`.
    pub source: Text<'a>,
    /// Application-layer credentials; Lapwing authenticates by TLS and does not need them.
    pub cred: Option<Box<Cred<'a>>>,
    /// `MaxMsgSize` and `MaxObjSize` of the sender.
    pub meta: Meta<'a>,
}

impl Default for Header<'_> {
    fn default() -> Self {
        Self {
            ver_dtd: Cow::Borrowed(Self::VER_DTD),
            ver_proto: Cow::Borrowed(Self::VER_PROTO),
            session_id: Cow::Borrowed("1"),
            msg_id: 1,
            target: Cow::Borrowed(""),
            source: Cow::Borrowed(""),
            cred: None,
            meta: Meta::default(),
        }
    }
}

impl Header<'_> {
    /// The document type version that is written and understood.
    pub const VER_DTD: &'static str = "1.2";
    /// The protocol version that is written and understood.
    pub const VER_PROTO: &'static str = "DM/1.2";
}

/// `Cred`: credentials of the sender.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cred<'a> {
    /// `Type` names the scheme, `Format` the encoding.
    pub meta: Meta<'a>,
    /// The credential in that encoding.
    pub data: Text<'a>,
}

/// `Chal`: what the receiver wants to see; `Type`, `Format` and `NextNonce` are in the `Meta`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chal<'a> {
    /// Scheme, encoding, nonce.
    pub meta: Meta<'a>,
}

/// `Meta`: the parts of the meta information that device management uses. An empty one is not written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Meta<'a> {
    /// `Format`: `int`, `bool`, `chr`, `node`, `null`, `b64`, `xml`, …
    pub format: Option<Text<'a>>,
    /// `Type`: a media type, or the type of an alert.
    pub kind: Option<Text<'a>>,
    /// `Mark`: how urgent an alert is.
    pub mark: Option<Text<'a>>,
    /// `Size`: bytes of the whole object, beside its first chunk.
    pub size: Option<u64>,
    /// `NextNonce` of a challenge, base64.
    pub next_nonce: Option<Text<'a>>,
    /// `MaxMsgSize`: the largest message that the sender takes, in bytes.
    pub max_msg_size: Option<u64>,
    /// `MaxObjSize`: the largest object that the sender takes, in bytes.
    pub max_obj_size: Option<u64>,
}

impl Meta<'_> {
    /// Nothing in it.
    pub fn is_empty(&self) -> bool {
        self.format.is_none()
            && self.kind.is_none()
            && self.mark.is_none()
            && self.size.is_none()
            && self.next_nonce.is_none()
            && self.max_msg_size.is_none()
            && self.max_obj_size.is_none()
    }
}

/// `Item`: one node with its value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Item<'a> {
    /// `Target/LocURI`: the node that a command works on.
    pub target: Option<Text<'a>>,
    /// `Source/LocURI`: the node that a result or a client's `Replace` speaks of.
    pub source: Option<Text<'a>>,
    /// Format, type, size.
    pub meta: Meta<'a>,
    /// `Data`, white space kept. Unescaped elements inside are kept as their text.
    pub data: Option<Text<'a>>,
    /// `MoreData`: this is a chunk and not the last.
    pub more_data: bool,
}

/// What a [`Request`] asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Make a node that is not there.
    Add,
    /// Set a node; makes it where the tree allows that.
    Replace,
    /// Remove a node and what is below it.
    Delete,
    /// Read a node.
    Get,
    /// Start an action.
    Exec,
}

impl Verb {
    /// The element name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Add => "Add",
            Self::Replace => "Replace",
            Self::Delete => "Delete",
            Self::Get => "Get",
            Self::Exec => "Exec",
        }
    }
}

/// `Add`, `Replace`, `Delete`, `Get` or `Exec`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    /// Which of the five.
    pub verb: Verb,
    /// `CmdID`; empty when it was missing (status 400).
    pub id: Text<'a>,
    /// `Meta` of the command: what its items do not say themselves.
    pub meta: Meta<'a>,
    /// At least one in a well-formed command; exactly one for `Exec`.
    pub items: Vec<Item<'a>>,
}

impl Request<'_> {
    /// The format of an item of this command: its own, else the command's.
    pub fn format_of<'i>(&'i self, item: &'i Item<'_>) -> Option<&'i str> {
        item.meta.format.as_deref().or(self.meta.format.as_deref())
    }
    /// The type of an item of this command: its own, else the command's.
    pub fn kind_of<'i>(&'i self, item: &'i Item<'_>) -> Option<&'i str> {
        item.meta.kind.as_deref().or(self.meta.kind.as_deref())
    }
}

/// `Alert`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Alert<'a> {
    /// `CmdID`; empty when it was missing.
    pub id: Text<'a>,
    /// `Data`: the alert code, see [`super::alert`].
    pub code: u16,
    /// What the alert speaks of.
    pub items: Vec<Item<'a>>,
}

/// How the commands of a [`Group`] hang together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupKind {
    /// All or nothing.
    Atomic,
    /// In this order.
    Sequence,
}

impl GroupKind {
    /// The element name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Atomic => "Atomic",
            Self::Sequence => "Sequence",
        }
    }
}

/// `Atomic` or `Sequence`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group<'a> {
    /// Which of the two.
    pub kind: GroupKind,
    /// `CmdID`; empty when it was missing.
    pub id: Text<'a>,
    /// `Meta` of the group.
    pub meta: Meta<'a>,
    /// What it holds, in document order.
    pub commands: Vec<Command<'a>>,
}

/// `Status`: how a command of the other side went.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status<'a> {
    /// `CmdID` of this element.
    pub id: Text<'a>,
    /// `MsgRef`: the message that the command was in.
    pub msg_ref: u32,
    /// `CmdRef`: the `CmdID` of the command; `0` for the header; empty when the command had none.
    pub cmd_ref: Text<'a>,
    /// `Cmd`: the element name of the command.
    pub cmd: Text<'a>,
    /// `TargetRef`: the items that this is about; none means all.
    pub target_refs: Vec<Text<'a>>,
    /// `SourceRef`: the same for items named by source.
    pub source_refs: Vec<Text<'a>>,
    /// `Chal`: authentication that is wanted.
    pub chal: Option<Box<Chal<'a>>>,
    /// `Data`: the status code, see [`super::code`].
    pub code: u16,
    /// `msft:originalerror` of `Data`: the HRESULT behind the code, as text.
    pub original_error: Option<Text<'a>>,
    /// Items.
    pub items: Vec<Item<'a>>,
}

/// `Results`: what a `Get` read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Results<'a> {
    /// `CmdID` of this element.
    pub id: Text<'a>,
    /// `MsgRef`; absent means 1.
    pub msg_ref: Option<u32>,
    /// `CmdRef`: the `CmdID` of the `Get`.
    pub cmd_ref: Text<'a>,
    /// `Meta` of the command: what its items do not say themselves.
    pub meta: Meta<'a>,
    /// `TargetRef`.
    pub target_ref: Option<Text<'a>>,
    /// `SourceRef`.
    pub source_ref: Option<Text<'a>>,
    /// The nodes; each is named by `Source`.
    pub items: Vec<Item<'a>>,
}

/// One child of `SyncBody`, `Atomic` or `Sequence`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command<'a> {
    /// `Add`, `Replace`, `Delete`, `Get`, `Exec`.
    Request(Request<'a>),
    /// `Alert`.
    Alert(Alert<'a>),
    /// `Atomic`, `Sequence`.
    Group(Group<'a>),
    /// `Status`.
    Status(Status<'a>),
    /// `Results`.
    Results(Results<'a>),
    /// An element that no command is called, or a command whose content cannot be understood: status 400.
    Unknown {
        /// The element name.
        name: Text<'a>,
        /// `CmdID`; empty when there was none.
        id: Text<'a>,
    },
}

impl<'a> Command<'a> {
    /// The element name.
    pub fn name(&self) -> &str {
        match self {
            Self::Request(request) => request.verb.name(),
            Self::Alert(_) => "Alert",
            Self::Group(group) => group.kind.name(),
            Self::Status(_) => "Status",
            Self::Results(_) => "Results",
            Self::Unknown { name, .. } => name,
        }
    }

    /// The `CmdID`; empty when it was missing.
    pub fn id(&self) -> &str {
        match self {
            Self::Request(request) => &request.id,
            Self::Alert(alert) => &alert.id,
            Self::Group(group) => &group.id,
            Self::Status(status) => &status.id,
            Self::Results(results) => &results.id,
            Self::Unknown { id, .. } => id,
        }
    }

    /// Gives it another `CmdID`.
    pub fn set_id(&mut self, new: Text<'a>) {
        match self {
            Self::Request(request) => request.id = new,
            Self::Alert(alert) => alert.id = new,
            Self::Group(group) => group.id = new,
            Self::Status(status) => status.id = new,
            Self::Results(results) => results.id = new,
            Self::Unknown { id, .. } => *id = new,
        }
    }

    /// A request for one node, `CmdID` still to be given by the session.
    pub fn request(verb: Verb, target: impl Into<Text<'a>>) -> Self {
        let item = Item { target: Some(target.into()), ..Item::default() };
        Self::Request(Request { verb, id: Cow::Borrowed(""), meta: Meta::default(), items: vec![item] })
    }

    /// A `Replace` or `Add` of one leaf with format and value, type `text/plain`.
    pub fn set(
        verb: Verb,
        target: impl Into<Text<'a>>,
        format: impl Into<Text<'a>>,
        data: impl Into<Text<'a>>,
    ) -> Self {
        let meta = Meta { format: Some(format.into()), kind: Some(Cow::Borrowed("text/plain")), ..Meta::default() };
        let item = Item { target: Some(target.into()), meta, data: Some(data.into()), ..Item::default() };
        Self::Request(Request { verb, id: Cow::Borrowed(""), meta: Meta::default(), items: vec![item] })
    }

    /// An `Atomic` around commands.
    pub fn atomic(commands: Vec<Command<'a>>) -> Self {
        Self::Group(Group { kind: GroupKind::Atomic, id: Cow::Borrowed(""), meta: Meta::default(), commands })
    }
}
