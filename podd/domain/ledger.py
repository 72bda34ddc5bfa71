"""The books: a posting moves an amount from one account of the ledger to another, so every posting balances
by its form, and all accounts together are always zero."""

from dataclasses import dataclass

DEPOSITS = "operator:deposits"
GRANTS = "operator:grants"
REFILLS = "operator:refills"
PLANS = "savings-plans"
CORRECTIONS = "operator:corrections"


def credit(account_id: str) -> str:
    """What an account of podd's has to spend."""
    return f"credit:{account_id}"


def revenue(item: str) -> str:
    return f"revenue:{item}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """`amount` (nano-dollars, above zero) moves from `source` to `target`. `key` can be posted once: saying
    it again changes nothing.

    A charge also says what for: `resource` (a pod, worker or volume), its `group` (the endpoint of a worker),
    `item`, `gpu_type_id`, `size` in GB, and the `lasted` milliseconds it is for, which ended at `at`.
    """

    key: str
    at: int
    source: str
    target: str
    amount: int
    text: str = ""
    account_id: str = ""
    resource: str = ""
    group: str = ""
    item: str = ""
    gpu_type_id: str = ""
    size: int = 0
    lasted: int = 0
