"""A month of an account's credit, as people and spreadsheets read it. Pure."""

import csv
import html
import io
from dataclasses import dataclass

from podd.domain.account import Account
from podd.domain.money import exact, prose_time

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Moved:
    """Credit that came, or was taken (below zero)."""

    at: int
    amount: int
    text: str


@dataclass(frozen=True, slots=True)
class Charged:
    """What one resource was charged for one item: `amount` nano-dollars for `lasted` milliseconds."""

    item: str
    resource: str
    group: str
    gpu_type_id: str
    amount: int
    lasted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """`begin` up to `end` (epoch milliseconds). `opening` is the balance before, in nano-dollars."""

    account: Account
    month: str
    begin: int
    end: int
    opening: int
    moved: tuple[Moved, ...]
    charged: tuple[Charged, ...]

    @property
    def came(self) -> int:
        return sum(one.amount for one in self.moved)

    @property
    def spent(self) -> int:
        return sum(one.amount for one in self.charged)

    @property
    def closing(self) -> int:
        return self.opening + self.came - self.spent


COLUMNS = ("time (UTC)", "what", "resource", "of", "GPU type", "hours", "dollars")


def rows(statement: Statement) -> list[tuple[str, ...]]:
    """The statement line by line, in the order of COLUMNS. The dollars of all lines but the last come to the
    last one's, which is the closing balance."""
    return [
        (prose_time(statement.begin), "opening balance", "", "", "", "", exact(statement.opening)),
        *((prose_time(one.at), one.text, "", "", "", "", exact(one.amount)) for one in statement.moved),
        *(
            ("", one.item, one.resource, one.group, one.gpu_type_id, _hours(one.lasted), exact(-one.amount))
            for one in statement.charged
        ),
        (prose_time(statement.end), "closing balance", "", "", "", "", exact(statement.closing)),
    ]


def as_csv(statement: Statement) -> str:
    """For spreadsheets, which take what begins with some characters for a formula."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for *cells, dollars in rows(statement):
        writer.writerow([*map(_no_formula, cells), dollars])
    return text.getvalue()


def as_html(statement: Statement) -> str:
    """A page that stands by itself."""
    who = f"{statement.account.name} <{statement.account.email}>, {statement.account.id}"
    title = f"Statement {statement.month}"
    head = "".join(f"<th>{html.escape(name)}</th>" for name in COLUMNS)
    body = "\n".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows(statement)
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>
<style>
body {{ font: 14px/1.4 sans-serif; margin: 2em }}
th, td {{ padding: .2em 1em .2em 0; text-align: left }}
th:nth-child(n+6), td:nth-child(n+6) {{ text-align: right; font-variant-numeric: tabular-nums }}
</style></head><body>
<h1>{html.escape(title)}</h1>
<p>{html.escape(who)}</p>
<table><thead><tr>{head}</tr></thead><tbody>
{body}
</tbody></table>
</body></html>
"""


# Private


def _hours(lasted: int) -> str:
    return f"{lasted / HOUR_MS:.4f}" if lasted else ""


def _no_formula(cell: str) -> str:
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
