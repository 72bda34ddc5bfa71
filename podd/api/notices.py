"""The operator's API: notices to people, under /operator/v1/notices."""

from litestar import get, post
from litestar.params import FromQuery, JSONBody

from podd.api.context import AnyRequest, api_of, known_caller_of
from podd.services import notices
from podd.store.notices import Listed
from podd.wire.notice import NoticeList, NoticeStatus, TestWish

MOST = 1000


@get("/operator/v1/notices")
async def list_notices(
    request: AnyRequest, account: FromQuery[str] = "", limit: FromQuery[int] = 100
) -> NoticeList:
    """The last notices, of one account or of all, and what became of them."""
    caller, api = await known_caller_of(request), api_of(request)
    found = await api.podd.store.read(notices.listed, caller, account, max(1, min(limit, MOST)))
    return NoticeList(notices=[_status(one) for one in found])


@post("/operator/v1/notices/test", status_code=202)
async def send_test(request: AnyRequest, data: JSONBody[TestWish]) -> NoticeList:
    """Send one to see whether they arrive; what became of it, `list_notices` says."""
    caller, api = await known_caller_of(request), api_of(request)
    sent = await api.podd.store.write(notices.test, caller, data.account, api.now)
    return NoticeList(notices=[_status(sent)])


HANDLERS = [list_notices, send_test]


# Private


def _status(one: Listed) -> NoticeStatus:
    notice = one.notice
    return NoticeStatus(
        number=notice.number,
        at=notice.at,
        account=notice.account_id,
        subject=notice.subject,
        kind=notice.kind,
        text=notice.text,
        state=one.state,
        route=one.route,
        address=one.address,
        tries=one.tries,
        reason=one.reason,
    )
