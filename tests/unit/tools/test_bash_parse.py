"""What a command would run and touch, as the person's rules see it."""

import pytest

from remote_code.tools.arity import ARITY, prefix
from remote_code.tools.bash_parse import scan, unquote


@pytest.mark.parametrize(
    ("command", "patterns", "always"),
    [
        pytest.param("ls -la", ["ls -la"], ["ls *"], id="one"),
        pytest.param("git push origin main", ["git push origin main"], ["git push *"], id="two-words"),
        pytest.param("npm run build -- --x", ["npm run build -- --x"], ["npm run build *"], id="three-words"),
        pytest.param("unknown-tool a b", ["unknown-tool a b"], ["unknown-tool *"], id="unknown"),
        pytest.param("cd /srv && make all", ["make all"], ["make all *"], id="cd-asks-nothing"),
        pytest.param("cd sub", [], [], id="cd-alone"),
        pytest.param("a | b; c & d || e", ["a", "b", "c", "d", "e"], ["a *", "b *", "c *", "d *", "e *"], id="lists"),
        pytest.param(
            "echo $(git push) `git pull`",
            ["echo $(git push) `git pull`", "git push", "git pull"],
            ["echo *", "git push *", "git pull *"],
            id="substitutions",
        ),
        pytest.param("(git push)", ["git push"], ["git push *"], id="subshell"),
        pytest.param("{ git push; }", ["git push"], ["git push *"], id="group"),
        pytest.param("if true; then git push; fi", ["true", "git push"], ["true *", "git push *"], id="if"),
        pytest.param("for x in 1; do git push $x; done", ["git push $x"], ["git push *"], id="loop"),
        pytest.param("f() { git push; }; f", ["git push", "f"], ["git push *", "f *"], id="function"),
        pytest.param("git log >out.txt 2>&1", ["git log >out.txt 2>&1"], ["git log *"], id="redirection"),
        pytest.param(
            "cat <<EOF\n$(git push)\nEOF",
            ["cat <<EOF\n$(git push)\nEOF", "git push"],
            ["cat *", "git push *"],
            id="here-document",
        ),
        pytest.param(
            "diff <(git show a) b",
            ["diff <(git show a) b", "git show a"],
            ["diff *", "git show *"],
            id="process-substitution",
        ),
        pytest.param("ls; ls", ["ls"], ["ls *"], id="twice"),
        pytest.param("", [], [], id="empty"),
        pytest.param("# nothing", [], [], id="comment"),
        pytest.param('echo "hello world"', ['echo "hello world"'], ["echo *"], id="quoted-argument"),
    ],
)
def test_each_command_is_asked_for(command: str, patterns: list[str], always: list[str]) -> None:
    found = scan(command)
    assert (list(found.patterns), list(found.always)) == (patterns, always)


@pytest.mark.parametrize(
    "command",
    [
        "A=1 git push origin",
        '"git" push origin',
        "'git' push origin",
        "git  push origin",
        "\\git push origin",
        "git \\\n push origin",
        "g'i't push origin",
    ],
)
def test_rule_for_git_push_holds_however_it_is_spelled(command: str) -> None:
    """OC-5: the plain spelling is asked for too, so `"git push *": "deny"` is not passed by."""
    assert "git push origin" in scan(command).patterns


@pytest.mark.parametrize(
    ("command", "paths"),
    [
        pytest.param("cat /etc/passwd", ["/etc/passwd"], id="absolute"),
        pytest.param("rm -rf ../x 'a b' \"c\"", ["../x", "a b", "c"], id="quoted"),
        pytest.param("cp ~/a /tmp/b", ["~/a", "/tmp/b"], id="home"),
        pytest.param("rm /tmp/*.log", ["/tmp/"], id="glob"),
        pytest.param("rm *.log", [], id="glob-alone"),
        pytest.param("cat $HOME/x `pwd`/y", [], id="expansions"),
        pytest.param("chmod +x /usr/bin/a", ["/usr/bin/a"], id="chmod"),
        pytest.param("ls /etc", [], id="not-listed"),
        pytest.param("cd /srv/other && ls", ["/srv/other"], id="cd"),
    ],
)
def test_paths_of_file_commands_are_found(command: str, paths: list[str]) -> None:
    """PATH-1: what a command touches outside is asked for first."""
    assert list(scan(command).paths) == paths


def test_deeply_nested_command_is_scanned() -> None:
    text = "echo " + "$(" * 500 + "git push" + ")" * 500
    assert "git push" in scan(text).patterns


def test_bytes_that_are_not_utf8_are_scanned() -> None:
    assert scan("cat caf\udce9").patterns == ("cat caf\udce9",)


def test_arity_counts_the_words_that_say_what_is_done() -> None:
    assert len(ARITY) > 100
    assert prefix(["git", "remote", "add", "x"]) == ["git", "remote", "add"]
    assert prefix(["git"]) == ["git"]
    assert prefix(["aws", "s3", "ls", "b"]) == ["aws", "s3", "ls"]
    assert prefix([]) == []


@pytest.mark.parametrize(
    ("word", "plain"),
    [
        ("'a b'", "a b"),
        ('"a b"', "a b"),
        ("a\\ b", "a b"),
        ('"a\\"b"', 'a"b'),
        ('"a\\nb"', "a\\nb"),
        ("a'b'\"c\"d", "abcd"),
    ],
)
def test_quotes_are_taken_away(word: str, plain: str) -> None:
    assert unquote(word) == plain
