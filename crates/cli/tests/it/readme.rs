//! The commands of README.md, in its order: what it says is what is run, in a scratch directory.

use crate::{
    program::Home,
    world::{account_tree, programs, run},
};
use std::{fs, net::TcpListener, path::Path, process::Command};
use tempfile::TempDir;

/// What stands in the fenced blocks.
fn commands() -> Vec<String> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().join("README.md");
    let text = fs::read_to_string(readme).unwrap();
    text.split("```sh\n")
        .skip(1)
        .flat_map(|block| block.split("```").next().unwrap().lines())
        .map(str::to_owned)
        .collect()
}

/// Processes that the commands started in the background, ended when this goes.
struct Started(Vec<String>);

impl Started {
    fn note(&mut self, said: &str) {
        let pid = said.split_once("process ").unwrap().1;
        self.0.push(pid.chars().take_while(char::is_ascii_digit).collect());
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        for pid in &self.0 {
            let _ = Command::new("kill").arg(pid).status();
        }
    }
}

/// The one line that begins so; a whole command as a person would copy it.
fn printed(text: &str, program: &str) -> Vec<String> {
    let line =
        text.lines().find(|line| line.starts_with(program)).unwrap_or_else(|| panic!("no {program} in:\n{text}"));
    line.split_whitespace().map(str::to_owned).collect()
}

/// Whether a printed command is README's, its words in capitals filled in.
fn fits(printed: &[String], written: &str) -> bool {
    let written: Vec<_> = written.split_whitespace().collect();
    let is_blank = |word: &str| word.chars().all(|c| c.is_ascii_uppercase());
    printed.len() == written.len() && printed.iter().zip(written).all(|(is, said)| is_blank(said) || is == said)
}

#[test]
fn three_commands_lead_to_a_password_and_each_prints_the_next() {
    let commands = commands();
    let [demo, test, init, join, get, join_domain, ad_get] = commands.as_slice() else { panic!("{commands:?}") };
    // These two have tests of their own, or are what runs this one.
    assert_eq!((demo.as_str(), test.as_str()), ("make demo", "make test"));
    // These two want a domain: ci/e2e-ad-agent.sh takes them from the page and runs them.
    assert_eq!((join_domain.as_str(), ad_get.as_str()), ("lapwing-agent join-domain", "lapwing ad get NAME"));

    let (place, mut started) = (TempDir::new().unwrap(), Started(Vec::new()));
    let at = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let words: Vec<_> = init.split_whitespace().collect();
    let scratch = ["--yes", "--data", &at("data"), "--hostname", &address, "--listen", &address];
    let made = run(&programs().join(words[0]), &[&words[1..], &scratch].concat(), "");
    assert_eq!(made.status, 0, "{made:?}");
    started.note(&made.err);
    let one_time = made.out.split_whitespace().find(|word| word.starts_with("lapwing-once.")).unwrap();

    let line = printed(&made.out, "lapwing-agent join ");
    assert!(fits(&line, join), "{line:?} is not {join:?}");
    account_tree(&place.path().join("tree"));
    let words: Vec<_> = line.iter().map(String::as_str).collect();
    let scratch = ["--state", &at("state"), "--prefix", &at("tree"), "--volatile-ok", "--name", "pc-1"];
    let joined = run(&programs().join(words[0]), &[&words[1..], &scratch].concat(), "");
    assert_eq!(joined.status, 0, "{joined:?}");
    started.note(&joined.err);

    let line = printed(&joined.out, "lapwing password get ");
    assert!(fits(&line, get), "{line:?} is not {get:?}");
    let words: Vec<_> = line.iter().map(String::as_str).collect();
    let home = Home::new();
    // Nobody is there to be asked: the refusal says how to sign in.
    let asked = home.run(&words[1..]);
    assert_eq!(asked.status, 3, "{asked:?}");
    assert!(asked.err.contains("next: lapwing login --server https://"), "{asked:?}");
    fs::write(at("new"), "correct horse battery staple\n").unwrap();
    let login = ["login", "--here", "--user", "admin", "--secret-file", "-", "--new-password-file", &at("new")];
    let signed_in = home.run_with(&[&login[..], &words[4..]].concat(), one_time);
    assert_eq!(signed_in.status, 0, "{signed_in:?}");
    let got = home.run(&words[1..]);
    assert_eq!((got.status, got.out.trim_end().chars().count()), (0, 20), "{got:?}");

    let check = ["check-password", "--state", &at("state")];
    assert_eq!(run(&programs().join("lapwing-agent"), &check, got.out.trim_end()).status, 0);
}
