//! Why a document was refused, and the limits that refuse it.

/// Bounds on what one document may hold. Each refusal names the bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole document.
    pub message_bytes: usize,
    /// Open elements at one time.
    pub depth: usize,
    /// Commands, those inside `Atomic` and `Sequence` included.
    pub commands: usize,
    /// Items of all commands together.
    pub items: usize,
    /// Bytes of one text that is not `Data`: names, addresses, numbers.
    pub text_bytes: usize,
    /// Bytes of one `Data`.
    pub data_bytes: usize,
}

impl Default for Limits {
    /// The limits of protocols.md 1.7: 1 MiB a message, 500 commands.
    fn default() -> Self {
        Self { message_bytes: 1 << 20, depth: 32, commands: 500, items: 500, text_bytes: 4096, data_bytes: 1 << 20 }
    }
}

/// A document that was refused: what is wrong and at which byte. The content is never repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault} (at byte {offset})")]
pub struct ReadError {
    /// Offset into the document, in bytes from 0, of the place where reading stopped.
    pub offset: u64,
    /// What is wrong.
    pub fault: Fault,
}

impl ReadError {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        self.fault.code()
    }
}

/// What is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Bytes that are not UTF-8, or a declaration that names another encoding.
    #[error("the document is not in UTF-8; expected UTF-8")]
    Encoding,
    /// The document breaks a rule of XML 1.0.
    #[error("the document is not well-formed XML; expected {expected}")]
    Xml {
        /// What XML wants there.
        expected: &'static str,
    },
    /// A document type definition; they are refused whole, and entities with them.
    #[error("the document has a DOCTYPE; expected a document without one")]
    Dtd,
    /// A reference to an entity that XML itself does not define.
    #[error("the document uses an entity; expected only &lt; &gt; &amp; &apos; &quot; and character references")]
    Entity,
    /// A bound of [`Limits`] was passed.
    #[error("the document is over the limit {limit}; expected at most {max}")]
    Limit {
        /// The name of the field of [`Limits`].
        limit: &'static str,
        /// The bound.
        max: usize,
    },
    /// Another kind of document.
    #[error("the document is not SyncML; expected {expected}")]
    NotSyncMl {
        /// What SyncML wants there.
        expected: &'static str,
    },
    /// An element that must be there is not.
    #[error("{parent} has no {element}; expected one")]
    Missing {
        /// The missing element.
        element: &'static str,
        /// Where it belongs.
        parent: &'static str,
    },
    /// The text of an element cannot be used.
    #[error("{element} cannot be used; expected {expected}")]
    Value {
        /// The element.
        element: &'static str,
        /// What it must hold.
        expected: &'static str,
    },
}

impl Fault {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Encoding => "syncml_not_utf8",
            Self::Xml { .. } => "syncml_not_xml",
            Self::Dtd => "syncml_dtd_refused",
            Self::Entity => "syncml_entity_refused",
            Self::Limit { .. } => "syncml_limit",
            Self::NotSyncMl { .. } => "syncml_not_syncml",
            Self::Missing { .. } => "syncml_element_missing",
            Self::Value { .. } => "syncml_value_unusable",
        }
    }

    /// What the author of the document does next.
    pub const fn next_step(&self) -> &'static str {
        match self {
            Self::Encoding => "save the document as UTF-8 and try again",
            Self::Xml { .. } => "correct the XML at the given byte and try again",
            Self::Dtd => "remove the DOCTYPE and try again",
            Self::Entity => "write the text itself in place of the entity and try again",
            Self::Limit { .. } => "split the document into smaller ones",
            Self::NotSyncMl { .. } => "give a SyncML document: SyncML, SyncBody, then Add, Replace or Delete commands",
            Self::Missing { .. } | Self::Value { .. } => "correct the element at the given byte and try again",
        }
    }
}
