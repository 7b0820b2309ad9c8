//! Effects and outcomes in the words of a trace.

use laps::cycle::{Effect, Outcome};

/// One word for an effect.
pub(super) fn word(effect: &Effect) -> String {
    match effect {
        Effect::Rotation(effect) => {
            let text = format!("{effect:?}");
            text.split([' ', '(', '{']).next().unwrap_or_default().to_lowercase()
        }
        effect => {
            let text = format!("{effect:?}");
            text.split([' ', '(', '{']).next().unwrap_or_default().to_lowercase()
        }
    }
}

/// What an effect came to, for a reader.
pub(super) fn said(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Rotation(outcome) => match outcome {
            laps::rotation::Outcome::Refused(failure) => format!("refused, {}", failure.code),
            laps::rotation::Outcome::Unknown(failure) => format!("unknown, {}", failure.code),
            laps::rotation::Outcome::Compared(comparison) => format!("{comparison:?}"),
            laps::rotation::Outcome::Generated { account, fingerprint } => format!("{} {fingerprint}", account.name),
            other => format!("{other:?}"),
        },
        Outcome::Reported(Ok(view)) => format!(
            "current {:?}, unresolved {:?}, asked {}, refused {:?}",
            view.current,
            view.unresolved.iter().map(|intent| intent.version).collect::<Vec<_>>(),
            view.rotate_requested,
            view.store_refused
        ),
        Outcome::Reported(Err(failure)) => failure.code.clone(),
        Outcome::Inspected(Ok(facts)) => format!("{} {:?}", facts.account.name, facts.installed),
        Outcome::Inspected(Err(failure)) => failure.code.clone(),
        Outcome::CheckedIn(checked) => format!("{:?}", checked.plan),
        Outcome::Done => "done".into(),
        other => format!("{other:?}"),
    }
}
