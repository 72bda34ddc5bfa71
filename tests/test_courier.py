"""Messages to strangers go where they may, and nowhere else."""

import ipaddress
import socket
from collections.abc import AsyncIterator, Iterator

import pytest

from podd.courier import HttpCourier
from podd.ports import Undeliverable
from tests.receiver import Receiver, receiving

LOOPBACK = [ipaddress.ip_network("127.0.0.0/8")]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
async def courier() -> AsyncIterator[HttpCourier]:
    courier = HttpCourier(LOOPBACK, timeout=10)
    yield courier
    await courier.close()


@pytest.fixture
async def strict() -> AsyncIterator[HttpCourier]:
    courier = HttpCourier([], timeout=10)
    yield courier
    await courier.close()


async def test_a_message_arrives_as_json_and_the_status_comes_back(
    courier: HttpCourier, receiver: Receiver
) -> None:
    receiver.answers = [202]
    assert await courier.post(receiver.url, b'{"a": 1}') == 202
    assert receiver.heard == [{"a": 1}]
    assert receiver.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "127.1", "[::ffff:127.0.0.1]"])
async def test_no_spelling_of_a_private_address_is_called(
    strict: HttpCourier, receiver: Receiver, host: str
) -> None:
    url = receiver.url.replace("127.0.0.1", host)
    with pytest.raises(Undeliverable, match=r"does not allow|its URL is not one"):
        await strict.post(url, b"{}")
    assert receiver.heard == []


async def test_an_allowed_name_is_called(courier: HttpCourier, receiver: Receiver) -> None:
    assert await courier.post(receiver.url.replace("127.0.0.1", "localhost"), b"{}") == 200


async def test_a_redirect_is_an_answer_and_is_not_followed(courier: HttpCourier, receiver: Receiver) -> None:
    receiver.answers, receiver.location = [307], receiver.url
    assert await courier.post(receiver.url, b"{}") == 307
    assert len(receiver.heard) == 1


async def test_a_receiver_that_hangs_is_left(receiver: Receiver) -> None:
    receiver.answers = [None]
    hasty = HttpCourier(LOOPBACK, timeout=0.1)
    with pytest.raises(Undeliverable, match="no answer in time"):
        await hasty.post(receiver.url, b"{}")
    await hasty.close()


async def test_nobody_there_is_said_without_the_url(courier: HttpCourier) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Undeliverable, match="no connection") as refusal:
        await courier.post(f"http://127.0.0.1:{port}/?token=s3cret", b"{}")
    assert "s3cret" not in str(refusal.value)


async def test_a_name_that_does_not_exist_is_said(courier: HttpCourier) -> None:
    with pytest.raises(Undeliverable, match="no connection"):
        await courier.post("http://nowhere.invalid/", b"{}")
