"""Writes letters from the templates in podd/letters: a paragraph for each notice, as plain text and HTML."""

from collections.abc import Sequence
from datetime import UTC, datetime

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from podd.domain import notice as rules
from podd.ports import Message
from podd.store.notices import Letter, Notice

_templates = Environment(
    loader=PackageLoader("podd", "letters"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def write(letter: Letter, notices: Sequence[Notice], *, most: int, url: str, machine: str) -> Message:
    """The letter with its first `most` notices; how many more there are it says."""
    titles = [_title(notice) for notice in notices]
    items = [
        {
            "title": title,
            "at": f"{datetime.fromtimestamp(notice.at / 1000, UTC):%Y-%m-%d %H:%M} UTC",
            "text": notice.text,
            "subject": notice.subject,
            "advice": _advice(notice, url),
        }
        for title, notice in zip(titles[:most], notices, strict=False)
    ]
    facts = {"items": items, "more": len(notices) - len(items), "url": url, "machine": machine}
    return Message(
        id=f"podd-notice-{letter.number}-{letter.made_at}",
        address=letter.address,
        title=f"[{machine}] {rules.title(titles)}",
        text=_templates.get_template("letter.txt").render(facts),
        html=_templates.get_template("letter.html").render(facts),
    )


# Private


def _title(notice: Notice) -> str:
    return rules.RULES[notice.what, notice.kind].title.format(name=notice.name)


def _advice(notice: Notice, url: str) -> str:
    """What to do about it, on one line."""
    template = _templates.get_template(f"{rules.RULES[notice.what, notice.kind].template}.txt")
    text = template.render(subject=notice.subject, name=notice.name, kind=notice.kind, url=url)
    return " ".join(text.split())
