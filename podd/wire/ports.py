"""Logins before http ports of pods, under /operator/v1/ports."""

from pydantic import BaseModel, ConfigDict, Field


class PortVisitWish(BaseModel):
    """`pod` is the id of a pod that offers `port` as http."""

    model_config = ConfigDict(extra="forbid")

    pod: str
    port: int = Field(ge=1, le=65535)


class PortLoginWish(PortVisitWish):
    """`required`: whether the port asks for a login from now on."""

    required: bool


class PortLogins(BaseModel):
    """The ports of the pod that ask for a login."""

    pod: str
    ports: list[int]


class PortVisit(BaseModel):
    """`url` opens the port in a browser, which then stays logged in. It is good for `seconds`."""

    url: str
    seconds: float
