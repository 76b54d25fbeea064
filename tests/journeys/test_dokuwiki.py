"""A real PHP application that nobody here wrote, behind an all-legacy table: nothing may change."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support import expected_conditions
from selenium.webdriver.support.wait import WebDriverWait

from tests.journeys.figway_process import FigwayProcess
from tests.rigs.browser import complaints, open_browser, responses
from tests.rigs.child import free_ports
from tests.rigs.dokuwiki import ACCOUNT, start_dokuwiki
from tests.rigs.shop import Answer, Visitor

HOST = "wiki.example"
ROUTES = """\
version: 1
upstreams:
  legacy: {{role: legacy, urls: ["http://127.0.0.1:{port}"]}}
routes:
  - {{id: monolith, match: {{path: {{prefix: /}}}}}}
"""
# What may differ, and why. Everything else is compared, values, case, order and all.
DECLARED = {
    "date",  # the clock went on
    "connection",  # hop-by-hop: PHP's own server closes, Figway keeps connections
    "transfer-encoding",  # hop-by-hop: a body that ended with the connection is chunked
}
# So often a page is asked for until it is the same before and after; one second is many of them.
ROUNDS = 100
# A page carries the second it was made in, for the request that runs DokuWiki's cron.
SECOND = re.compile(rb"(taskrunner\.php\?id=[^&\"]*&amp;)\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiki:
    """The wiki, directly and behind Figway."""

    folder: Path
    direct: int
    proxied: int

    def pair(self, cookies: dict[str, str] | None = None) -> tuple[Visitor, Visitor]:
        """One client on both ways, with the same cookies and the same name for the server."""
        return (
            Visitor(self.direct, dict(cookies or {}), host=HOST),
            Visitor(self.proxied, dict(cookies or {}), host=HOST),
        )

    def page(self, name: str) -> str:
        """What stands on disk, as the wiki wrote it."""
        return (self.folder / "data" / "pages" / f"{name}.txt").read_bytes().decode()


@pytest.fixture(scope="module")
def wiki(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wiki]:
    folder = tmp_path_factory.mktemp("wiki")
    [port] = free_ports(1)
    (folder / "routes.yaml").write_text(ROUTES.format(port=port))
    (folder / "flags.yaml").write_text("rollback: false\ngroups: {}\nroutes: {}\n")
    with start_dokuwiki(folder, port):
        figway = FigwayProcess(folder)
        try:
            listen = figway.serving().listen
            yield Wiki(folder=folder, direct=port, proxied=int(listen.rpartition(":")[2]))
        finally:
            figway.close()


def log_in(wiki: Wiki, port: int) -> Visitor:
    visitor = Visitor(port, host=HOST)
    visitor.get("/doku.php?id=start&do=login")
    name, password = ACCOUNT
    answer = visitor.post(
        "/doku.php?id=start&do=login", sectok="", id="start", do="login", u=name, p=password
    )
    assert answer.status == 302
    return visitor


def compared(answer: Answer, *, masked: tuple[str, ...] = ()) -> tuple[object, ...]:
    headers = [
        (name, "(masked)" if name in masked else value)
        for name, value in answer.headers
        if name not in DECLARED
    ]
    return answer.status, headers, SECOND.sub(rb"\1", answer.body)


def field_of(page: Answer, name: str) -> str:
    found = re.search(rf'name="{re.escape(name)}" value="([^"]*)"', page.text)
    assert found is not None, page.text
    return html.unescape(found[1])


def links(page: Answer) -> set[str]:
    """Every address of the same server that a page names."""
    found = {
        html.unescape(link) for link in re.findall(r'(?:href|src)="(/[^/"][^"#]*)"', page.text)
    }
    return {link for link in found if "do=logout" not in link}


def assert_same_on_both_ways(wiki: Wiki, target: str, cookies: dict[str, str]) -> None:
    direct, proxied = wiki.pair(cookies)
    # The first to ask makes DokuWiki fill its caches; the two that are compared find them filled.
    before = compared(direct.get(target))
    for _ in range(ROUNDS):
        through, after = compared(proxied.get(target)), compared(direct.get(target))
        # A page may carry the second it was made in: only what did not change around it tells.
        if before == after or through == after:
            break
        before = after
    assert through == after, target


def test_every_page_and_asset_is_the_same_for_a_stranger(wiki: Wiki) -> None:
    visitor = Visitor(wiki.direct, host=HOST)
    targets = {"/", "/doku.php", "/doku.php?id=no:such:page", "/no/such/file.png", "/inc/init.php"}
    targets |= {"/doku.php?id=start&do=search&q=wiki", "/doku.php?id=%C3%BCber&do=edit"}
    targets |= links(visitor.get("/doku.php"))
    assert len(targets) > 25
    assert any("css.php" in target for target in targets)
    for target in sorted(targets):
        assert_same_on_both_ways(wiki, target, visitor.cookies)


def test_every_page_is_the_same_for_somebody_logged_in(wiki: Wiki) -> None:
    visitor = log_in(wiki, wiki.proxied)
    page = visitor.get("/doku.php?id=start")
    assert "Grace Hopper" in page.text
    for target in sorted(links(page) | {"/doku.php?id=start&do=admin&page=config"}):
        assert_same_on_both_ways(wiki, target, visitor.cookies)


def test_a_login_is_the_same(wiki: Wiki) -> None:
    before = Visitor(wiki.direct, host=HOST)
    before.get("/doku.php?id=start&do=login")
    name, password = ACCOUNT
    direct, proxied = wiki.pair(before.cookies)
    answers = [
        visitor.post(
            "/doku.php?id=start&do=login", sectok="", id="start", do="login", u=name, p=password
        )
        for visitor in (direct, proxied)
    ]
    # The cookie holds the password, encrypted with a fresh initialisation vector.
    assert compared(answers[0], masked=("set-cookie",)) == compared(
        answers[1], masked=("set-cookie",)
    )
    assert answers[1].header("location") == f"http://{HOST}/doku.php?id=start"
    for visitor in (direct, proxied):
        assert "Grace Hopper" in visitor.get("/doku.php?id=start").text


def test_a_wrong_password_is_refused_the_same(wiki: Wiki) -> None:
    before = Visitor(wiki.direct, host=HOST)
    before.get("/doku.php?id=start&do=login")
    direct, proxied = wiki.pair(before.cookies)
    for_both = {"sectok": "", "id": "start", "do": "login", "u": ACCOUNT[0], "p": "wrong"}
    first = direct.post("/doku.php?id=start&do=login", **for_both)
    second = proxied.post("/doku.php?id=start&do=login", **for_both)
    assert compared(first) == compared(second)
    assert "Grace Hopper" not in second.text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("plain", "One line.", id="short"),
        pytest.param("awkward", 'ÄÖÜ 日本語 <b>&amp;</b> "quotes" \\ %41 + \t tabs', id="awkward"),
        pytest.param("long", "A line that is written many times.\n" * 10_000, id="350 KB"),
    ],
)
def test_an_edit_is_the_same(wiki: Wiki, name: str, text: str) -> None:
    answers = []
    for way, port in (("direct", wiki.direct), ("proxied", wiki.proxied)):
        visitor = log_in(wiki, port)
        page = f"{name}_{way}"
        form = visitor.get(f"/doku.php?id={page}&do=edit")
        hidden = {
            field: field_of(form, field) for field in ("sectok", "rev", "date", "changecheck")
        }
        saved = visitor.post(
            f"/doku.php?id={page}&do=edit",
            **hidden,
            **{"id": page, "prefix": ".", "suffix": "", "wikitext": text, "do[save]": "1"},
        )
        assert saved.status == 302
        answers.append((saved, visitor.get(f"/doku.php?id={page}&do=export_raw")))
        assert wiki.page(page).strip() == text.strip()
    (direct, direct_text), (proxied, proxied_text) = answers
    assert proxied.header("location") == f"http://{HOST}/doku.php?id={name}_proxied"
    assert [key for key, _ in compared(direct)[1]] == [key for key, _ in compared(proxied)[1]]  # type: ignore[attr-defined]  # a list of pairs
    assert direct_text.body == proxied_text.body
    assert_same_on_both_ways(
        wiki, f"/doku.php?id={name}_proxied", log_in(wiki, wiki.direct).cookies
    )


def test_an_uploaded_picture_comes_back_byte_for_byte(wiki: Wiki) -> None:
    visitor = log_in(wiki, wiki.proxied)
    manager = visitor.get("/lib/exe/mediamanager.php?ns=")
    picture = (
        b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00"
    )
    picture += b",\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;" + os.urandom(100_000)
    boundary = "figway7d1"
    parts = {"sectok": field_of(manager, "sectok"), "ns": "", "do": "upload", "mediaid": "dot.gif"}
    body = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in parts.items()
    )
    body += (
        f'--{boundary}\r\nContent-Disposition: form-data; name="upload"; filename="dot.gif"\r\n'
        "Content-Type: image/gif\r\n\r\n"
    ).encode()
    body += picture + f"\r\n--{boundary}--\r\n".encode()
    sent = visitor.send(
        "/lib/exe/mediamanager.php", body, f"multipart/form-data; boundary={boundary}"
    )
    assert sent.status == 200
    assert (wiki.folder / "data" / "media" / "dot.gif").read_bytes() == picture

    direct, proxied = wiki.pair(visitor.cookies)
    target = "/lib/exe/fetch.php?media=dot.gif"
    direct.get(target)
    whole = proxied.get(target)
    assert whole.body == picture
    assert compared(direct.get(target)) == compared(whole)
    part = {"Range": "bytes=100-299"}
    assert compared(direct.get(target, **part)) == compared(proxied.get(target, **part))
    assert proxied.get(target, **part).body == picture[100:300]
    known = {"If-None-Match": whole.header("etag") or ""}
    assert compared(direct.get(target, **known)) == compared(proxied.get(target, **known))
    assert proxied.get(target, **known).status == 304


# With a real browser


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    with open_browser(tmp_path) as chrome:
        yield chrome


def test_a_browser_reads_logs_in_and_writes(wiki: Wiki, browser: webdriver.Chrome) -> None:
    home = f"http://127.0.0.1:{wiki.proxied}"
    wait = WebDriverWait(browser, 30)
    browser.get(f"{home}/doku.php?id=start")
    assert "Ümläuts" in browser.find_element(By.ID, "dokuwiki__content").text

    browser.find_element(By.CSS_SELECTOR, "#dokuwiki__usertools a.login, .action.login a").click()
    wait.until(expected_conditions.presence_of_element_located((By.NAME, "u"))).send_keys(
        ACCOUNT[0]
    )
    browser.find_element(By.NAME, "p").send_keys(ACCOUNT[1])
    browser.find_element(By.CSS_SELECTOR, "#dw__login button[type=submit]").click()
    wait.until(
        expected_conditions.text_to_be_present_in_element((By.CLASS_NAME, "user"), "Grace Hopper")
    )

    browser.get(f"{home}/doku.php?id=browser&do=edit")
    area = wait.until(expected_conditions.element_to_be_clickable((By.ID, "wiki__text")))
    area.send_keys("====== Written ======\nBy a browser, through a proxy: äöü & <b>.")
    browser.find_element(By.ID, "edbtn__save").click()
    wait.until(
        expected_conditions.text_to_be_present_in_element(
            (By.ID, "dokuwiki__content"), "By a browser, through a proxy: äöü & <b>."
        )
    )
    assert "By a browser, through a proxy: äöü & <b>." in wiki.page("browser")

    seen = responses(browser)
    assert {urlsplit(url).port for url, _ in seen} == {wiki.proxied}
    assert [(url, status) for url, status in seen if status >= 400] == []
    assert any("css.php" in url for url, _ in seen)
    assert any("js.php" in url for url, _ in seen)
    assert complaints(browser, home) == []
