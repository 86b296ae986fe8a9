"""GLOB-1, GREP-1: ripgrep and the POSIX fallback find the same, order included; with GNU and with BusyBox tools.

No ignore file is in force in the tree: the fallback does not read them, and says so in the result.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from remote_code.errors import SearchFailed
from remote_code.paths import RemotePath
from remote_code.remote.state import Kind
from remote_code.search import glob, grep
from remote_code.search.command import Answer, read_answer
from remote_code.search.walk import WalkPattern
from remote_code.shell.job import Command

MODE_HIDDEN = ".github/workflows/ci.yml", ".env", ".config/.deep/x.ts"

FILES = (
    "a.ts",
    "b.tsx",
    "c.js",
    "README.md",
    "src/a.ts",
    "src/b.tsx",
    "src/deep/er/a.ts",
    "src/deep/er/z.TS",
    "src-x/a.ts",
    "src/index.test.ts",
    "dist/long.js",
    "dist/long-latin.js",
    "lib/{odd}.ts",
    "lib/[odd].ts",
    "lib/a b.ts",
    "lib/-dash.ts",
    "lib/it's.ts",
    "lib/$HOME.ts",
    "lib/back\\slash.ts",
    "lib/star*.ts",
    "lib/q?.ts",
    "lib/new\nline.ts",
    "lib/caf\udce9.ts",
    "lib/café.ts",
    "x-y/z",
    "x/y",
    "x.y",
    "node_modules/m/index.js",
    *MODE_HIDDEN,
    ".git/config",
    ".git/objects/aa.ts",
    "sub/.git/HEAD.ts",
    "1/2/3/4/5.txt",
)

CONTENTS = {
    "a.ts": b"import x from 'y'\nconst a = 1\nfunction foo() {}\n\tindented\n",
    "b.tsx": b"const B = <div>a.b</div>\nconst b2 = 22\n",
    "c.js": b"var x = foo(1)\r\nvar y = foo(22)\r\n",
    "README.md": "Grüße, 世界 und café\nA line\n\nfoo bar foobar\n".encode(),
    "src/a.ts": b"foo\n" * 3 + b"last foo without newline",
    "src/b.tsx": b"caf\xe9 latin\nfoo \xff bar\n",
    "src/deep/er/a.ts": b"x" * 3_000 + b"foo" + b"y" * 500 + b"\nshort foo\n",
    "dist/long.js": b"var foo=" + b"x=1; " * 14_000 + b"foo;\nfoo behind\n" + b"y, " * 24_000 + b"foo\nlast foo",
    "dist/long-latin.js": b"caf\xe9 " * 14_000 + b"foo\n" + "界 foo ".encode() * 9_000 + b"\nfoo \xe9\n",
    "lib/a b.ts": b"key: value\nkey2 = 'value2'\n",
    "lib/new\nline.ts": b"foo in a strange file\n",
    "lib/caf\udce9.ts": b"foo in a file of bytes\n",
    "lib/-dash.ts": b"-foo --bar\n(foo) [foo] {foo} foo* foo+ foo? ^foo$ foo|bar \\foo .foo\n",
    "x-y/z": b"foo\n",
    "x/y": b"foo\n",
    "x.y": b"foo\n",
    ".env": b"SECRET=foo\n",
    ".github/workflows/ci.yml": b"name: foo\non: [push]\n",
    ".git/config": b"foo\n",
    "sub/.git/HEAD.ts": b"foo\n",
    "1/2/3/4/5.txt": b"2024-01-02 ERROR something failed: 404\n2024-01-03 INFO ok\nemail: a.b+c@example.org\n",
    "node_modules/m/index.js": b"module.exports = foo\n",
}

GLOBS = (
    "*.ts", "**/*.ts", "**/*", "*", "*.{ts,tsx}", "**/*.{ts,tsx,js}", "src/*.ts", "src/**", "src/**/*.ts",
    "src/**/a.ts", "/a.ts", "/src/a.ts", "src/", "src", "/src", "src/*", "*/*", "*/*.ts", "*/*/*", "**/a.ts",
    "/**/a.ts", "**/src/**", "**/er/*", "src/deep/**", "{a,b}.ts", "{a,b}.{ts,tsx}", "{src,lib}/*.ts",
    "{src,lib}/**/*.ts", "[ab].ts", "[a-c].*", "[!a].ts", "[^a].*", "[!a-b].tsx", "?.ts", "??.ts", "?.t*",
    "*.[tT][sS]", "a*.ts", "*a*", "**a**", "src**", "src/***", "*.test.ts", "**/*.test.*", "README*", "readme*",
    "*.MD", "node_modules/**", "**/node_modules/**", ".env", ".*", "**/.*", ".github/**", "**/.github/**", "**/*.yml",
    "*.yml", ".config/**/*.ts", "**/.deep/*", "!*.ts", "!src", "!src/", "!src/**", "!**/*.ts", "!lib/*", "!*",
    "lib/a b.ts", "*b.ts", "lib/\\{odd\\}.ts", "lib/\\[odd\\].ts", "lib/[[]odd].ts", "lib/[{]*", "lib/-*",
    "lib/it's.ts", "lib/$HOME.ts", "lib/*\\\\*", "lib/star\\*.ts", "lib/q\\?.ts", "lib/q[?].ts", "lib/*line.ts",
    "lib/new?line.ts", "lib/caf*.ts", "lib/caf?.ts", "lib/caf??.ts", "lib/café.ts", "x?y", "x*y", "x/y", "x[/]y",
    "x-y/*", "[x]*", "{x,x-y}/*", "**/{a,z}.{ts,TS}", "{**/a,b}.ts", "a{.ts,.js}", "{a.ts}", "a.ts{,x}", "", "#x",
    "a.ts ", "nothing", "*.nothing", "**/nothing/**", "1/**", "1/*/3/**", "1/**/5.txt", "**/3/**/5.txt",
    "**/[0-9].txt", "[0-9]/**", "*.t[!x]", "[]a].ts", "[a-].ts", "[-a].ts", "\\a.ts", "**/**/a.ts", "src/**/**",
    "./a.ts", "../a.ts",
)  # fmt: skip
"""Patterns that both must parse; in brackets, ASCII only (ripgrep matches other characters there byte by byte)."""

BAD_GLOBS = ("[", "[a", "a{b", "{a,b", "a\\", "[b-a]")

PATTERNS = (
    "foo", "^foo", "foo$", "^foo$", "FOO", "(?i)FOO", "f.o", "fo+", "fo*", "fo?b", "f(o|x)o", "(foo|bar)",
    "foo|value", r"foo\(", r"\(foo\)", r"\[foo\]", r"\{foo\}", r"foo\*", r"foo\+", r"foo\?", r"\^foo\$", r"foo\|bar",
    r"\\foo", r"\.foo", r"\d+", r"\d{3}", r"\d{4}-\d{2}-\d{2}", r"^\w+\s*=", r"\w+@\w+\.\w+", r"[\w.+-]+@[\w.]+",
    r"\bfoo\b", r"\bfoo", r"foo\b", r"\Bbar", r"\s+indented", r"^\tindented", r"^\s", r"\S+\s\S+\s\S+", r"[a-z]+\d",
    "[^a-z]foo", "[^ ]foo", "[0-9]+", "[A-Z]{3,}", "[[:alpha:]]+[[:digit:]]", "[[:space:]]foo", "[]x]", "[a-]",
    "[-a]foo", r"[\]x]", r"[\\]", r"[\d.]+", r"[^\d\s]foo", "fo{2}", "o{2,}", "o{1,2}b", "fo{2}?", "fo+?", "fo*?b",
    "fo??", "(?:foo)", "(?P<name>foo)", "((f)(o)(o))", "(foo)+", "(foo )?bar", "a|", "(|foo)bar", "()foo", "", ".",
    "^.$", "^$", "^.*$", "^.{3}$", "^.{9,}$", "caf.", "café", "Gr.{2}e", "Gr.ße", "世界", "世.", "[世]", "[ü]", "^.ey",
    "é|ü", "ü+", ".*foo.*", ".*.*.*foo", r"x{70}", "xfooy", r"'\w+'", '"', "'", r"\x66oo", r"\x{66}oo", r"\u0066oo",
    r"\t", r"\rx", r"foo\(1\)\r", r"\)\s$", "-foo", "--bar", r"\-\-bar", "<div>", "a.b", r"a\.b", r"(?s)foo",
    r"(?m)^foo", r"\Afoo", r"foo\z", r"ERROR.*\d{3}$", r"^(\d+)-(\d+)", "nothing at all", r"[\W_]foo", r"\D+$",
    r"[^\x00-\x7f]",
)  # fmt: skip

BAD_PATTERNS = ("(", ")", "[", "*", "a{", "(?=x)", "(?!x)", r"\1", r"\q", "a{2,1}", "[b-a]", r"\n", "+", "?")

CANNOT = ("[[:nope:]]", r"\p{L}", "[a&&b]", "a(?i)b", "(?x) a", "a{300}", "[a[bc]]", "[^ü]")
"""What ripgrep can and POSIX cannot: refused by name, never matched as something else."""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree") / "root"
    for number, name in enumerate(FILES):
        path = Path(os.fsdecode(os.fsencode(str(root / name))))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(CONTENTS.get(name, b""))
        # Pairs of equal times, so that the order of equal ones counts too.
        os.utime(path, (1_600_000_000 + number // 2 * 60, 1_600_000_000 + number // 2 * 60))
    (root / "binary.dat").write_bytes(b"foo\0foo\n")
    os.utime(root / "binary.dat", (1_500_000_000, 1_500_000_000))
    (root / "loop").symlink_to(root)
    (root / "link.ts").symlink_to("a.ts")
    (root / "dangling").symlink_to("nowhere")
    os.mkfifo(root / "fifo.ts")
    return root


@pytest.fixture(scope="module")
def busybox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = shutil.which("busybox")
    assert program, "this test needs BusyBox"
    folder = tmp_path_factory.mktemp("busybox")
    subprocess.run([program, "--install", "-s", str(folder)], check=True)
    return folder


@pytest.fixture(params=["gnu", "busybox"])
def posix(request: pytest.FixtureRequest, busybox: Path) -> Sequence[str]:
    """The words that start a shell of a machine without ripgrep."""
    if request.param == "gnu":
        return ["dash"]
    return ["env", f"PATH={busybox}", str(busybox / "ash")]


def on_machines(patterns: Sequence[str]) -> list[tuple[str, str]]:
    """Return all patterns for GNU tools, and every second one for BusyBox's; all of them in the long runs."""
    step = 1 if os.environ.get("REMOTE_CODE_TORTURE") else 2
    return [("gnu", pattern) for pattern in patterns] + [("busybox", pattern) for pattern in patterns[::step]]


@cache
def run_ripgrep(command: Command) -> Answer:
    """Run a search with ripgrep; the same one is asked for by several tests."""
    return run(["bash"], command)


def run(shell: Sequence[str], command: Command) -> Answer:
    done = subprocess.run(
        [*shell, "-c", os.fsencode(command.text)], cwd=command.workdir, stdin=subprocess.DEVNULL, capture_output=True
    )
    return read_answer(done.stdout, done.stderr)


def place(tree: Path) -> tuple[RemotePath, list[RemotePath]]:
    return RemotePath(str(tree)), [RemotePath(str(tree))]


@pytest.mark.parametrize(("posix", "pattern"), on_machines(GLOBS), indirect=["posix"])
def test_glob_finds_the_same_files(tree: Path, posix: Sequence[str], pattern: str) -> None:
    where, roots = place(tree)
    expected = glob.read_found(run_ripgrep(glob.ripgrep_command(pattern, place=where, roots=roots)))
    found = glob.read_found(run(posix, glob.posix_command(pattern, place=where, roots=roots)))
    assert found == expected


@pytest.mark.parametrize("pattern", GLOBS)
def test_walk_by_listings_finds_the_same_files(tree: Path, pattern: str) -> None:
    """SSH-10: where there is no shell."""
    where, roots = place(tree)
    expected = glob.read_found(run_ripgrep(glob.ripgrep_command(pattern, place=where, roots=roots)))
    walk = WalkPattern(pattern)
    names = []
    for directory, directories, files in os.walk(tree):
        above = "" if directory == str(tree) else os.path.relpath(directory, tree) + "/"
        directories[:] = [name for name in directories if walk.enters(above + name)]
        paths = [above + name for name in files if (Path(directory) / name).lstat().st_mode & 0o170000 == 0o100000]
        names += [path for path in paths if walk.takes(path)]
    assert sorted(names) == sorted(expected.names)


@pytest.mark.parametrize("pattern", BAD_GLOBS)
def test_glob_that_cannot_be_parsed_is_refused_by_both(tree: Path, pattern: str) -> None:
    where, roots = place(tree)
    answer = run_ripgrep(glob.ripgrep_command(pattern, place=where, roots=roots))
    assert (answer.program_status, answer.body) == (2, b"")
    with pytest.raises(SearchFailed) as caught:
        glob.posix_command(pattern, place=where, roots=roots)
    assert caught.value.message == answer.complaint


@pytest.mark.timeout(20)
@pytest.mark.parametrize(("posix", "pattern"), on_machines(PATTERNS), indirect=["posix"])
def test_grep_finds_the_same_lines(tree: Path, posix: Sequence[str], pattern: str) -> None:
    where, roots = place(tree)
    expected = grep.read_hits(run_ripgrep(grep.ripgrep_command(pattern, None, place=where, roots=roots)))
    found = grep.read_blocks(run(posix, grep.posix_command(pattern, None, place=where, roots=roots)))
    assert [(hit.name, hit.line, hit.text[:2001]) for hit in found.hits] == [
        (hit.name, hit.line, hit.text[:2001]) for hit in expected.hits
    ]
    assert found.has_more == expected.has_more


@pytest.mark.parametrize(
    "include", ["*.ts", "*.{ts,tsx}", "src/**", "!*.ts", "!src/", ".env", "*.yml", "**/*", "", "src/"]
)
def test_grep_includes_the_same_files(tree: Path, posix: Sequence[str], include: str) -> None:
    where, roots = place(tree)
    expected = grep.read_hits(run_ripgrep(grep.ripgrep_command("foo", include, place=where, roots=roots)))
    found = grep.read_blocks(run(posix, grep.posix_command("foo", include, place=where, roots=roots)))
    assert [(hit.name, hit.line) for hit in found.hits] == [(hit.name, hit.line) for hit in expected.hits]


@pytest.mark.parametrize("name", ["a.ts", "lib/new\nline.ts", "src/deep/er/a.ts", "link.ts", "lib/it's.ts"])
def test_grep_of_one_file_searches_it_alone(tree: Path, posix: Sequence[str], name: str) -> None:
    where, roots = RemotePath(str(tree / name)), [RemotePath(str(tree))]
    expected = run_ripgrep(grep.ripgrep_command("foo", None, place=where, roots=roots))
    found = run(posix, grep.posix_command("foo", None, place=where, roots=roots))
    assert found.kind is expected.kind is Kind.FILE
    assert found.real_path == expected.real_path == str((tree / name).resolve())
    lines = [hit.line for hit in grep.read_blocks(found).hits]
    assert lines == [hit.line for hit in grep.read_hits(expected).hits]


@pytest.mark.parametrize("pattern", BAD_PATTERNS)
def test_pattern_that_does_not_compile_is_refused_by_both(tree: Path, pattern: str) -> None:
    where, roots = place(tree)
    answer = run_ripgrep(grep.ripgrep_command(pattern, None, place=where, roots=roots))
    assert (answer.program_status, answer.body) == (2, b"")
    with pytest.raises(SearchFailed, match="regex parse error"):
        grep.posix_command(pattern, None, place=where, roots=roots)


@pytest.mark.parametrize("pattern", CANNOT)
def test_pattern_that_posix_cannot_say_is_refused_by_name(tree: Path, pattern: str) -> None:
    where, roots = place(tree)
    with pytest.raises(SearchFailed, match="without ripgrep on the remote machine grep cannot do"):
        grep.posix_command(pattern, None, place=where, roots=roots)


def test_results_are_cut_at_a_hundred(tmp_path: Path, posix: Sequence[str]) -> None:
    """GLOB-1, GREP-1: the newest hundred, the first hundred; exactly a hundred is not cut."""
    for number in range(130):
        path = tmp_path / f"{number:03}.txt"
        path.write_text("foo\nfoo\n" if number < 60 else "bar\n", encoding="utf-8")
        os.utime(path, (1_600_000_000 + number, 1_600_000_000 + number))
    where, roots = place(tmp_path)
    for pattern, n_found in (("*.txt", 100), ("0*.txt", 100), ("00*.txt", 10)):
        ours = glob.read_found(run(posix, glob.posix_command(pattern, place=where, roots=roots)))
        theirs = glob.read_found(run_ripgrep(glob.ripgrep_command(pattern, place=where, roots=roots)))
        assert ours == theirs
        assert (len(ours.names), ours.has_more) == (n_found, pattern == "*.txt")
    for regex, n_found in (("foo", 100), ("bar", 70)):
        hits = grep.read_blocks(run(posix, grep.posix_command(regex, None, place=where, roots=roots)))
        assert hits == grep.read_hits(run_ripgrep(grep.ripgrep_command(regex, None, place=where, roots=roots)))
        assert (len(hits.hits), hits.has_more) == (n_found, regex == "foo")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("none", Kind.ABSENT),
        ("dangling", Kind.ABSENT),
        ("fifo.ts", Kind.OTHER),
        ("src", Kind.DIRECTORY),
        ("out", Kind.OUTSIDE),
    ],
)
def test_place_is_told_by_its_kind(tree: Path, posix: Sequence[str], name: str, kind: Kind) -> None:
    """PATH-1: what lies outside answers its real path and nothing else."""
    if name == "out" and not (tree / "out").is_symlink():
        (tree / "out").symlink_to("/etc")
    _, roots = place(tree)
    where = RemotePath(str(tree / name))
    for shell, command in (
        (["bash"], grep.ripgrep_command("root", None, place=where, roots=roots)),
        (posix, grep.posix_command("root", None, place=where, roots=roots)),
    ):
        answer = run(shell, command)
        assert answer.kind is kind
        if kind is Kind.OUTSIDE:
            assert (answer.real_path, answer.body) == ("/etc", b"")
    if name == "out":
        (tree / "out").unlink()


def test_output_of_a_search_is_bounded_on_the_remote(tmp_path: Path, posix: Sequence[str]) -> None:
    """GREP-1: long lines are cut before they travel."""
    for number in range(120):
        (tmp_path / f"{number:03}").write_bytes(b"foo" * 100_000 + b"\n")
    where, roots = place(tmp_path)
    for shell, command in (
        (["bash"], grep.ripgrep_command("foo", None, place=where, roots=roots)),
        (posix, grep.posix_command("foo", None, place=where, roots=roots)),
    ):
        assert len(run(shell, command).body) < 1_000_000
