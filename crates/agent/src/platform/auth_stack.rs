//! The hook in the system's PAM stack: one line of `pam_exec` that runs after the password was found right.
//!
//! On Debian every service that asks for a password reads `/etc/pam.d/common-auth`, which pam-auth-update(8)
//! writes: first the modules of which one must say yes, then `requisite pam_deny.so`, which ends the stack when
//! none did. A line behind that runs after a success only. The package brings a profile for pam-auth-update; this
//! module puts the line behind the generated part, where pam-auth-update leaves it alone.

use super::tree::Tree;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown},
    path::Path,
};

/// The stack that every service reads.
const COMMON_AUTH: &str = "etc/pam.d/common-auth";
/// Services that let people sign in and so should read it.
const SERVICES: [&str; 4] = ["login", "sshd", "su", "sudo"];
/// The words by which our line is known.
const MARK: &str = "lapwing-agent pam notify";
/// The program, where the package puts it.
pub const HOOK_PROGRAM: &str = "/usr/bin/lapwing-agent";

/// The stack was not changed.
#[derive(Debug, thiserror::Error)]
pub enum AuthStackError {
    /// It has another layout than pam-auth-update's.
    #[error(
        "/etc/pam.d/common-auth has no line `auth requisite pam_deny.so` behind pam_unix, so that no place in it is known to be reached only after a right password; \
         put this line there yourself, behind every module that may refuse: {line}"
    )]
    Layout {
        /// The line.
        line: String,
    },
    /// The line comes from the package's profile.
    #[error("the line comes from the profile of the package; run: pam-auth-update --package --remove lapwing")]
    Profile,
    /// It cannot be read or written.
    #[error("/etc/pam.d/common-auth: {0}")]
    Io(#[from] io::Error),
}

impl AuthStackError {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Layout { .. } => "pam_layout_unknown",
            Self::Profile => "pam_profile",
            Self::Io(_) => "pam_io",
        }
    }
}

/// How the hook stands in the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookLine {
    /// It is not there.
    Absent,
    /// It runs after a right password, and a failure of it changes nothing.
    Right,
    /// It is there more than once: each sign-in would count so often.
    Twice,
    /// It is there, but where a wrong password reaches it too, or so that it can refuse a sign-in.
    Wrong,
}

/// The line of the hook. `optional`: whatever it answers, the sign-in goes on. `seteuid`: su and sudo are asked
/// by people who are not root.
pub fn hook_line(program: &str, state: Option<&Path>) -> String {
    let state = state.map(|state| format!(" --state {}", state.display())).unwrap_or_default();
    format!("auth\toptional\tpam_exec.so seteuid quiet {program} pam notify{state}")
}

/// The control word and the rest of an `auth` line; `None` for other lines and comments.
fn auth(line: &str) -> Option<(String, String)> {
    let line = line.trim().strip_prefix('-').unwrap_or(line.trim());
    let rest = line.strip_prefix("auth")?;
    let rest = rest.strip_prefix(char::is_whitespace)?.trim_start();
    let end = if rest.starts_with('[') { rest.find(']')? + 1 } else { rest.find(char::is_whitespace)? };
    let (control, module) = rest.split_at(end);
    Some((control.to_owned(), module.split_whitespace().collect::<Vec<_>>().join(" ")))
}

/// Index of the line that ends the stack when no module said yes.
fn gate(text: &str) -> Option<usize> {
    let lines: Vec<_> = text.lines().map(auth).collect();
    let unix =
        lines.iter().position(|line| line.as_ref().is_some_and(|(_, module)| module.starts_with("pam_unix.so")))?;
    let deny = |(control, module): &(String, String)| control == "requisite" && module.starts_with("pam_deny.so");
    let gate = lines.iter().position(|line| line.as_ref().is_some_and(deny))?;
    (gate > unix).then_some(gate)
}

/// A line of ours: where it is, whether it can harm no sign-in, and whether pam-auth-update wrote it.
struct Hook {
    at: usize,
    harmless: bool,
    generated: bool,
}

fn hooks(text: &str) -> Vec<Hook> {
    let begin = text.lines().position(|line| line.starts_with("# here are the per-package modules"));
    let end = text.lines().position(|line| line.starts_with("# end of pam-auth-update config"));
    let ours = text.lines().enumerate().filter_map(|(at, line)| {
        let (control, module) = auth(line).filter(|(_, module)| module.contains(MARK))?;
        let harmless = control == "optional" && module.starts_with("pam_exec.so ") && module.contains(" seteuid ");
        Some(Hook { at, harmless, generated: begin.is_some_and(|begin| at > begin) && end.is_some_and(|end| at < end) })
    });
    ours.collect()
}

/// How the hook stands in a stack.
fn find(text: &str) -> HookLine {
    match (hooks(text).as_slice(), gate(text)) {
        ([], _) => HookLine::Absent,
        ([hook], Some(gate)) if hook.harmless && hook.at > gate => HookLine::Right,
        ([_], _) => HookLine::Wrong,
        ([_, _, ..], _) => HookLine::Twice,
    }
}

/// The stack with the line at its end; `None` when it has no place for it.
fn with_hook(text: &str, line: &str) -> Option<String> {
    let mut text = without_hook(text);
    gate(&text)?;
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(line);
    text.push('\n');
    Some(text)
}

/// The stack without our lines, but for those that pam-auth-update wrote.
fn without_hook(text: &str) -> String {
    let ours: Vec<usize> = hooks(text).iter().filter(|hook| !hook.generated).map(|hook| hook.at).collect();
    let lines = text.split_inclusive('\n').enumerate();
    lines.filter(|(at, _)| !ours.contains(at)).map(|(_, line)| line).collect()
}

/// The system's stack of authentication.
#[derive(Debug, Clone)]
pub struct AuthStack {
    tree: Tree,
}

impl AuthStack {
    /// Of a tree.
    pub const fn of(tree: Tree) -> Self {
        Self { tree }
    }

    fn text(&self) -> io::Result<String> {
        Ok(String::from_utf8_lossy(&self.tree.read(COMMON_AUTH)?).into_owned())
    }

    /// How the hook stands.
    ///
    /// # Errors
    /// [`AuthStackError::Io`].
    pub fn check(&self) -> Result<HookLine, AuthStackError> {
        Ok(find(&self.text()?))
    }

    /// Services that people sign in through and that do not read the common stack: a sign-in there is not
    /// noticed.
    pub fn deaf_services(&self) -> Vec<&'static str> {
        let deaf = |service: &&str| {
            let text = self.tree.read(&format!("etc/pam.d/{service}"));
            text.is_ok_and(|text| {
                let text = String::from_utf8_lossy(&text).into_owned();
                let reads = |line: &str| {
                    let words: Vec<&str> = line.split_whitespace().collect();
                    words.starts_with(&["@include", "common-auth"])
                        || auth(line).is_some_and(|(_, module)| module.contains("common-auth") || module.contains(MARK))
                };
                !text.lines().any(reads)
            })
        };
        SERVICES.into_iter().filter(deaf).collect()
    }

    /// Puts the line there; answers whether anything was changed. A line in the wrong place is moved.
    ///
    /// # Errors
    /// [`AuthStackError`]; the stack is as it was.
    pub fn install(&self, line: &str) -> Result<bool, AuthStackError> {
        let text = self.text()?;
        let right = find(&text) == HookLine::Right;
        if right && (hooks(&text).iter().any(|hook| hook.generated) || text.lines().any(|found| found == line)) {
            return Ok(false);
        }
        let new = with_hook(&text, line).ok_or_else(|| AuthStackError::Layout { line: line.to_owned() })?;
        self.write(&new)?;
        Ok(true)
    }

    /// Takes the line away; answers whether anything was changed.
    ///
    /// # Errors
    /// [`AuthStackError`]; the stack is as it was.
    pub fn remove(&self) -> Result<bool, AuthStackError> {
        let text = self.text()?;
        let hooks = hooks(&text);
        match (hooks.is_empty(), hooks.iter().all(|hook| hook.generated)) {
            (true, _) => return Ok(false),
            (false, true) => return Err(AuthStackError::Profile),
            (false, false) => {}
        }
        self.write(&without_hook(&text))?;
        Ok(true)
    }

    /// The whole file or nothing: a stack that is half written would lock everybody out.
    fn write(&self, text: &str) -> Result<(), AuthStackError> {
        let path = self.tree.resolve(COMMON_AUTH)?;
        let found = fs::metadata(&path)?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        let new = folder.join(".common-auth.lapwing");
        drop(fs::remove_file(&new));
        let written = (|| {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
            file.write_all(text.as_bytes())?;
            fchown(&file, Some(found.uid()), Some(found.gid()))?;
            file.set_permissions(fs::Permissions::from_mode(found.mode() & 0o7777))?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            File::open(folder)?.sync_all()
        })();
        if written.is_err() {
            drop(fs::remove_file(&new));
        }
        Ok(written?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEBIAN: &str = "# here are the per-package modules (the \"Primary\" block)\n\
        auth\t[success=1 default=ignore]\tpam_unix.so nullok\n\
        # here's the fallback if no module succeeds\n\
        auth\trequisite\t\t\tpam_deny.so\n\
        auth\trequired\t\t\tpam_permit.so\n\
        auth\toptional\t\t\tpam_cap.so \n\
        # end of pam-auth-update config\n";

    fn line() -> String {
        hook_line(HOOK_PROGRAM, None)
    }

    #[test]
    fn the_line_comes_last_and_goes_without_a_trace() {
        let new = with_hook(DEBIAN, &line()).unwrap();
        assert_eq!(new, format!("{DEBIAN}{}\n", line()));
        assert_eq!(find(DEBIAN), HookLine::Absent);
        assert_eq!(find(&new), HookLine::Right);
        assert_eq!(with_hook(&new, &line()).unwrap(), new, "again is the same");
        assert_eq!(without_hook(&new), DEBIAN);
        assert!(!hooks(&new)[0].generated);
    }

    /// Only after the password was found right, and never so that it can refuse.
    #[test]
    fn a_line_in_the_wrong_place_is_found() {
        let before = format!("{}\n{DEBIAN}", line());
        assert_eq!(find(&before), HookLine::Wrong);
        let required =
            with_hook(DEBIAN, &line()).unwrap().replace("auth\toptional\tpam_exec", "auth\trequired\tpam_exec");
        assert_eq!(find(&required), HookLine::Wrong);
        let as_caller = with_hook(DEBIAN, &line()).unwrap().replace("seteuid ", "");
        assert_eq!(find(&as_caller), HookLine::Wrong);
        assert_eq!(with_hook(&before, &line()).unwrap(), format!("{DEBIAN}{}\n", line()), "it is moved");
    }

    #[test]
    fn an_unknown_layout_is_left_alone() {
        let red_hat = "auth required pam_env.so\nauth sufficient pam_unix.so nullok\nauth required pam_deny.so\n";
        let reversed = "auth requisite pam_deny.so\nauth required pam_unix.so\n";
        for text in [red_hat, reversed, "", "# auth requisite pam_deny.so\n"] {
            assert_eq!(with_hook(text, &line()), None, "{text}");
        }
    }

    #[test]
    fn a_file_is_replaced_with_its_mode_and_a_generated_line_is_not_ours_to_remove() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("etc/pam.d")).unwrap();
        let path = dir.path().join(COMMON_AUTH);
        fs::write(&path, DEBIAN).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(dir.path().join("etc/pam.d/su"), "auth sufficient pam_rootok.so\n@include common-auth\n").unwrap();
        fs::write(dir.path().join("etc/pam.d/sshd"), "auth required pam_unix.so\n").unwrap();
        let stack = AuthStack::of(Tree::below(dir.path()).unwrap());
        assert_eq!(stack.check().unwrap(), HookLine::Absent);
        assert!(stack.install(&line()).unwrap());
        assert!(!stack.install(&line()).unwrap());
        assert_eq!(stack.check().unwrap(), HookLine::Right);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o644);
        assert_eq!(stack.deaf_services(), ["sshd"]);
        assert!(stack.remove().unwrap());
        assert!(!stack.remove().unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), DEBIAN);

        let generated = DEBIAN.replace("# end", &format!("{}\n# end", line()));
        fs::write(&path, &generated).unwrap();
        assert_eq!(stack.check().unwrap(), HookLine::Right);
        assert!(!stack.install(&line()).unwrap());
        assert!(matches!(stack.remove(), Err(AuthStackError::Profile)));
        // The package came after `pam install`: there are two lines, and ours can go.
        fs::write(&path, format!("{generated}{}\n", line())).unwrap();
        assert_eq!(stack.check().unwrap(), HookLine::Twice);
        assert!(stack.remove().unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), generated);
        fs::write(&path, "auth sufficient pam_unix.so\n").unwrap();
        assert!(matches!(stack.install(&line()), Err(AuthStackError::Layout { .. })));
        assert_eq!(fs::read_dir(dir.path().join("etc/pam.d")).unwrap().count(), 3);
    }
}
