"""Every page: its links lead somewhere, its commands can be typed, its variables are read."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.cli.main import COMMANDS, EXAMPLES, main, parser
from proxy.config.load_settings import ignored_variables

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path.relative_to(ROOT)
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "bench").glob("*.md"))
)
NAMES = {name for name, _, _ in COMMANDS}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
# Read by the services of the demo, not by Figway.
OF_THE_DEMO = {"FIGWAY_DEMO_BUGS"}

each_page = pytest.mark.parametrize("page", PAGES, ids=str)


def commands(text: str) -> Iterator[str]:
    """Every line that begins with figway, without what the shell does with its output."""
    for line in text.replace("\\\n", " ").splitlines():
        typed = re.sub(r"^\s*(?:\$ )?(?:[A-Z_]+=\S+ +)*", "", line)
        if typed.startswith("figway ") and typed.split()[1] in NAMES:
            yield re.split(r"\s+#\s|\s+>>?\s|\s+\|\s", typed)[0].strip()


def typed_on_pages() -> list[object]:
    return [
        pytest.param(command, id=f"{page}: {command}")
        for page in PAGES
        for command in sorted(
            {
                command
                for language, block in FENCE.findall((ROOT / page).read_text())
                if language in ("", "sh", "bash")
                for command in commands(block)
            }
        )
    ]


def shown_by_help() -> list[object]:
    """The examples at the end of every --help."""
    texts = dict(pair for name in sorted(NAMES) for pair in epilogs(name))
    return [
        pytest.param(command, id=f"{prog} --help: {command}")
        for prog, text in {"figway": EXAMPLES, **texts}.items()
        for command in commands(text)
    ]


def epilogs(name: str) -> Iterator[tuple[str, str]]:
    """The ends of the help of a command and of those below it."""
    waiting = [parser(name)]
    while waiting:
        top = waiting.pop()
        yield top.prog, top.epilog or ""
        for action in top._actions:
            if isinstance(action.choices, dict):
                waiting += [each for each in action.choices.values() if hasattr(each, "prog")]


def can_be_typed(command: str, capsys: pytest.CaptureFixture[str]) -> bool:
    words = shlex.split(command)[1:]
    try:
        parser(words[0]).parse_args(words)
    except SystemExit as ended:
        print(capsys.readouterr().err)
        return ended.code == 0
    return True


@pytest.mark.parametrize("command", typed_on_pages())
def test_every_command_in_a_block_can_be_typed(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert can_be_typed(command, capsys)


@pytest.mark.parametrize("command", shown_by_help())
def test_every_example_of_a_help_can_be_typed(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert can_be_typed(command, capsys)


def options(name: str) -> set[str]:
    found: set[str] = set()
    waiting = [parser(name)]
    while waiting:
        for action in waiting.pop()._actions:
            found |= set(action.option_strings)
            if isinstance(action.choices, dict):
                waiting += [each for each in action.choices.values() if hasattr(each, "prog")]
    return found


@each_page
def test_every_command_in_a_sentence_is_one_and_has_the_options_that_it_shows(page: Path) -> None:
    prose = FENCE.sub("", (ROOT / page).read_text())
    for text in re.findall(r"`(?:[A-Z_]+=\S+ )*figway ([^`]+)`", prose, re.DOTALL):
        name = text.split()[0]
        if name.startswith("-") or not name.islower():
            continue
        assert name in NAMES, text
        shown = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))
        assert shown <= options(name), text


@each_page
def test_every_variable_is_read(page: Path) -> None:
    named = set(re.findall(r"FIGWAY_[A-Z_]*[A-Z]", (ROOT / page).read_text()))
    assert set(ignored_variables(dict.fromkeys(named, ""))) <= OF_THE_DEMO


@each_page
def test_every_target_of_make_is_one(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = (ROOT / page).read_text()
    named = set(re.findall(r"`(?:[A-Z_]+=\S* )*make ([a-z-]+)`", text))
    named |= set(re.findall(r"^make ([a-z-]+)", text, re.MULTILINE)) & targets | named
    assert named <= targets


def anchor(heading: str) -> str:
    """As GitHub makes it of a heading."""
    return re.sub(r"[^\w -]", "", heading.strip().lower()).replace(" ", "-")


@each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    text = FENCE.sub("", (ROOT / page).read_text())
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        name, _, heading = target.partition("#")
        there = (ROOT / page).parent / name if name else ROOT / page
        assert there.exists(), target
        if heading:
            headings = re.findall(r"^#+ (.+)$", FENCE.sub("", there.read_text()), re.MULTILINE)
            assert heading in {anchor(each) for each in headings}, target


@each_page
def test_every_file_that_is_named_is_there(page: Path) -> None:
    """Names with a folder of this repository in front."""
    folders = "|".join(path.name for path in ROOT.iterdir() if path.is_dir())
    text = FENCE.sub("", (ROOT / page).read_text())
    for name in re.findall(rf"(?<!not )`((?:{folders})/[\w./-]+\.(?:py|md|yaml|json))`", text):
        assert (ROOT / name).exists(), name


def test_the_pages_are_found() -> None:
    assert Path("README.md") in PAGES
    assert len(PAGES) > 20
    assert len(typed_on_pages()) > 40


def test_every_page_is_listed_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    for page in PAGES:
        if page.parts[0] == "docs" and len(page.parts) == 2:
            assert f"({page})" in readme, page


def test_every_option_is_told_somewhere() -> None:
    told = "".join((ROOT / page).read_text() for page in PAGES)
    for name in sorted(NAMES):
        long = {option for option in options(name) if option.startswith("--")}
        # An option of two spellings is told by the short one.
        untold = {option for option in long if option not in told} - {"--help", "--version"}
        assert untold <= {"--header"}, name


def test_every_decision_is_listed_with_its_title() -> None:
    listed = (ROOT / "docs" / "decisions" / "README.md").read_text()
    for page in sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md")):
        number, _, title = page.read_text().partition("\n")[0].removeprefix("# ").partition(": ")
        assert page.name.startswith(f"{number}-")
        assert f"| [{number}]({page.name}) | {title} |" in listed, page.name


def test_the_pages_that_the_help_names_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    named = re.findall(r"[\w-]+\.md", capsys.readouterr().out)
    assert named
    for name in named:
        assert (ROOT / "docs" / name).exists()
