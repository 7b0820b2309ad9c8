#!/usr/bin/env bash
# The three packages, made from the release build, and what must be in each: the binary, its manual pages (one for each
# command that is shown) and its completions, licences and changes. Nothing is installed.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

cargo xtask dist --no-build $(has_kerberos && echo --active-directory)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for package in lapwingd lapwing-agent lapwing; do
    tree=$scratch/$package
    dpkg-deb --extract "$(ls dist/"${package}"_*.deb)" "$tree"
    "$tree/usr/bin/$package" --version | grep -q "^$package "
    for file in "bash-completion/completions/$package" "zsh/vendor-completions/_$package" \
        "fish/vendor_completions.d/$package.fish" "doc/$package/copyright" "doc/$package/CHANGELOG.md"; do
        [ -s "$tree/usr/share/$file" ] || { echo "$package lacks /usr/share/$file"; exit 1; }
    done
    bash -n "$tree/usr/share/bash-completion/completions/$package"
    commands=$("$tree/usr/bin/$package" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z-]*\) .*/\1/p' | grep -v '^help$')
    [ -n "$commands" ]
    for page in "$package" $(sed "s/^/$package-/" <<<"$commands"); do
        grep -q '^\.SH NAME' "$tree/usr/share/man/man1/$page.1" || { echo "$package has no page $page(1)"; exit 1; }
    done
    for shell in bash-completion/completions/"$package" zsh/vendor-completions/_"$package" fish/vendor_completions.d/"$package".fish; do
        for command in $commands; do
            grep -qw -- "$command" "$tree/usr/share/$shell" || { echo "$package: $shell does not know $command"; exit 1; }
        done
    done
    echo "$package: $(ls "$tree"/usr/share/man/man1 | wc -l) manual pages, 3 completions"
done
