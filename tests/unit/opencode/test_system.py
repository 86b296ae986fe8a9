from remote_code.opencode.system import Environment, Instruction, LocalSide, environment_block, rewrite

PROMPT = """You are opencode.

You are powered by the model named agent-1.
Here is some useful information about the environment you are running in:
<env>
  Working directory: /home/me/project
  Workspace root folder: /home/me/project
  Is directory a git repo: no
  Platform: darwin
  Today's date: Tue Nov 24 2026
</env>
"""
SKILLS = "Skills provide specialized instructions and workflows for specific tasks.\n<available_skills>\n"
REMOTE = Environment(
    host="web",
    workdir="/srv/app",
    platform="linux",
    shell="bash",
    is_git_repo=True,
    branch="main",
    instructions=[Instruction("/srv/app/AGENTS.md", "Remote rules.\n")],
)
BLOCK = """Here is some useful information about the environment you are running in:
<env>
  Remote machine: web (every tool acts there over SSH; all paths are paths there)
  Working directory: /srv/app
  Workspace root folder: /srv/app
  Is directory a git repo: yes
  Git branch: main
  Platform: linux
  Shell: bash
  Today's date: Tue Nov 24 2026
</env>"""


def local(files: dict[str, str] | None = None, *, worktree: str = "/") -> LocalSide:
    return LocalSide("/home/me/project", worktree, {"/home/me/.config/opencode/AGENTS.md"}, (files or {}).get)


def test_the_remote_environment_and_instructions_stand_in_place_of_the_local_ones() -> None:
    """OC-3."""
    files = {"/home/me/project/AGENTS.md": "Local rules.\n"}
    system = PROMPT + "Instructions from: /home/me/project/AGENTS.md\nLocal rules.\n\n" + SKILLS
    [rewritten] = rewrite([system], environment=REMOTE, local=local(files))
    expected = "You are opencode.\n\nYou are powered by the model named agent-1.\n" + BLOCK
    assert rewritten == f"{expected}\nInstructions from: /srv/app/AGENTS.md\nRemote rules.\n\n{SKILLS}"


def test_the_users_global_instructions_and_those_from_an_address_stay() -> None:
    """OC-3."""
    kept = (
        "Instructions from: /home/me/.config/opencode/AGENTS.md\nMy way.\nInstructions from: https://x.org/a\nTheirs."
    )
    [rewritten] = rewrite([PROMPT + kept], environment=REMOTE, local=local())
    assert rewritten.endswith("Remote rules.\n\n" + kept)


def test_instructions_of_a_folder_above_the_project_are_the_local_sides_too() -> None:
    [rewritten] = rewrite(
        [PROMPT + "Instructions from: /home/me/CLAUDE.md\nSecret plan."], environment=REMOTE, local=local()
    )
    assert "Secret plan" not in rewritten


def test_an_instructions_file_that_quotes_another_heading_is_cut_whole() -> None:
    text = "First.\nInstructions from: /elsewhere/notes.md\nStill the same file.\n"
    files = {"/home/me/project/AGENTS.md": text}
    system = PROMPT + f"Instructions from: /home/me/project/AGENTS.md\n{text}\n{SKILLS}"
    [rewritten] = rewrite([system], environment=REMOTE, local=local(files))
    assert "Still the same file" not in rewritten
    assert rewritten.endswith(SKILLS)


def test_instructions_that_changed_since_are_cut_up_to_the_next_block() -> None:
    system = PROMPT + f"Instructions from: /home/me/project/rules/style.md\nOld text.\n{SKILLS}"
    [rewritten] = rewrite([system], environment=REMOTE, local=local({"/home/me/project/rules/style.md": "New text."}))
    assert "Old text" not in rewritten
    assert rewritten.endswith(SKILLS)


def test_a_prompt_without_an_environment_stays_as_it_is() -> None:
    assert rewrite(["You write titles."], environment=REMOTE, local=local()) == ["You write titles."]


def test_a_remote_that_cannot_be_reached_is_told_and_nothing_local_passes() -> None:
    """OC-2, OC-3."""
    broken = Environment(host="web", workdir=None, problem='cannot connect to "web": refused')
    [rewritten] = rewrite([PROMPT], environment=broken, local=local())
    assert "/home/me" not in rewritten
    assert "darwin" not in rewritten
    assert environment_block(broken) == (
        "Here is some useful information about the environment you are running in:\n<env>\n"
        "  Remote machine: web (every tool acts there over SSH; all paths are paths there)\n"
        '  The remote machine cannot be used now: cannot connect to "web": refused\n</env>'
    )


def test_the_place_of_a_skill_of_opencode_itself_names_no_local_directory() -> None:
    """OC-3: OpenCode 1.15 resolves it against the project."""
    own = "<location>file:///home/me/project/%3Cbuilt-in%3E</location>"
    mine = "<location>file:///home/me/.claude/skills/a/SKILL.md</location>"
    [rewritten] = rewrite([PROMPT + SKILLS + own + mine], environment=REMOTE, local=local())
    assert rewritten.endswith(SKILLS + "<location>built-in</location>" + mine)
