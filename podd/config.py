"""The settings of podd: command line over environment over file over defaults, all checked before use.

Every key is documented in `config/podd.toml`, which a test compares with the classes below. `load`
refuses what it does not understand: unknown keys, unknown `PODD_` variables and bad values, each in one
line that says where it was written. Nothing else reads the environment; `Settings()` is the defaults.
"""

import difflib
import ipaddress
import json
import os
import re
import socket
import tomllib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import limits
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from podd.domain.catalogue import Catalogue
from podd.domain.idle import LONGEST_WINDOW
from podd.domain.money import nano_dollars

DEFAULT_FILE = Path("/etc/podd/podd.toml")
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_SECRET = ("mail.password", "notices.channels", "metrics.token")
_ANY_ADDRESS = {"0.0.0.0", "::"}  # noqa: S104 - recognised, not bound

NOT_SETTINGS = frozenset(
    {"PODD_CONFIG", "PODD_URL", "PODD_API_KEY", "PODD_NO_DOCKER_INSTALL", "PODD_DEMO_IMAGE", "PODD_FAKE_GPUS"}
)
"""`PODD_` variables that are no settings: for the client, the installer, the demo and the tests."""
NOT_SETTINGS_PREFIX = "PODD_TEST_"


class ConfigError(Exception):
    """The settings cannot be used. One line per problem: where it is written, the key, the reason."""


def _dollars(value: object) -> int:
    if isinstance(value, str | Decimal):  # Decimal: a number with a point in the file
        return nano_dollars(value)
    raise ValueError("write an amount of dollars as text, for example '0.10'")


def _words(value: object) -> object:
    """A list as text, from the environment or the command line: JSON or separated by commas."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value) if value.lstrip().startswith("[") else value.split(",")
    except ValueError:  # "[::1]:8484"
        return value.split(",")


def _json(value: object) -> object:
    """A table, or a list of tables, as text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise ValueError(f"is not JSON: {error}") from None


def _rate(value: str) -> str:
    if value:
        try:
            limits.parse(value)
        except ValueError:
            raise ValueError("write a rate such as '100 per 10 seconds', or '' for none") from None
    return value


def _time_zone(value: str) -> str:
    try:
        return ZoneInfo(value).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("is not a time zone such as Europe/Berlin") from None


def _hours(value: object) -> object:
    """A span of the day, as minutes of it: '22:00-06:00'."""
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"(\d\d):(\d\d)-(\d\d):(\d\d)", value.strip())
    times = [int(part) for part in found.groups()] if found else []
    if not times or max(times[::2]) > 23 or max(times[1::2]) > 59:
        raise ValueError("write a span of the day such as '22:00-06:00'")
    return (times[0] * 60 + times[1], times[2] * 60 + times[3])


Dollars = Annotated[int, BeforeValidator(_dollars)]
"""Nano-dollars in Python; dollars as text ('0.10') where people write them."""
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[int, Field(ge=1)]
Rate = Annotated[str, AfterValidator(_rate)]
"""How often something may be done, as in '100 per 10 seconds'; '' is as often as one likes."""
AtOnce = Annotated[int, Field(ge=0)]
"""How often something may be going on at the same time; 0 is as often as one likes."""
_Word = Annotated[str, StringConstraints(strip_whitespace=True)]
_Hours = Annotated[tuple[int, int], BeforeValidator(_hours)]
Port = Annotated[int, Field(ge=1, le=65535)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Log(_Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class Machine(_Section):
    cloud_type: Literal["SECURE", "COMMUNITY"] = "SECURE"
    data_center_id: str = "LOCAL-1"
    host_name: str = Field(default="", validate_default=True)
    public_ip: str = "127.0.0.1"
    country_code: Annotated[str, Field(pattern="^[A-Z]{2}$")] = "XX"
    port_range: Annotated[tuple[Port, Port], BeforeValidator(_words)] = (40000, 49999)
    memory_gb: Positive | None = None
    vcpus: Positive | None = None
    reserved_memory_gb: Annotated[int, Field(ge=0)] = 1
    reserved_vcpus: Annotated[int, Field(ge=0)] = 0
    disk_gb: Positive | None = None
    reserved_disk_gb: Annotated[int, Field(ge=0)] = 10

    @field_validator("data_center_id")
    @classmethod
    def _as_clients_expect(cls, value: str) -> str:
        if not re.fullmatch("[A-Z0-9]+(-[A-Z0-9]+)+", value):
            raise ValueError("must be upper case with a dash, for example LOCAL-1: clients rely on that")
        return value

    @field_validator("host_name")
    @classmethod
    def _own_name(cls, value: str) -> str:
        return value or socket.gethostname()

    @field_validator("public_ip")
    @classmethod
    def _is_address(cls, value: str) -> str:
        return str(ipaddress.ip_address(value))

    @field_validator("port_range")
    @classmethod
    def _in_order(cls, value: tuple[int, int]) -> tuple[int, int]:
        if value[0] > value[1]:
            raise ValueError(f"the first port, {value[0]}, is above the last, {value[1]}")
        return value


class SimulatedGpus(_Section):
    type: Annotated[str, Field(min_length=1)]
    count: Annotated[int, Field(ge=1, le=64)] = 1


class GpuPrices(_Section):
    """Amounts that replace those of the catalogue; None keeps the catalogue's."""

    secure: Dollars | None = None
    community: Dollars | None = None
    lowest_bid: Dollars | None = None
    serverless_second: Dollars | None = None
    active_discount: Annotated[int, Field(ge=0, le=100)] | None = None


class Gpus(_Section):
    simulated: Annotated[tuple[SimulatedGpus, ...], BeforeValidator(_json)] = ()
    prices: Annotated[dict[str, GpuPrices], BeforeValidator(_json)] = {}
    ignored_xids: Annotated[tuple[Positive, ...], BeforeValidator(_words)] = ()
    sample_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 10
    samples_at_once: Positive = 8
    look_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 60
    container_check_seconds: Seconds = 300
    container_checks_at_once: Positive = 4
    restart_pods_without_gpus: bool = False


class Limits(_Section):
    # Accounts
    invitation_seconds: Seconds = 604800
    # Jobs
    run_body_bytes: Positive = 10 * 1024 * 1024
    runsync_body_bytes: Positive = 20 * 1024 * 1024
    result_bytes: Positive = 20 * 1024 * 1024
    stream_chunk_bytes: Positive = 1024 * 1024
    async_result_seconds: Seconds = 1800
    sync_result_seconds: Seconds = 60
    job_ttl_seconds: Seconds = 86400
    job_ttl_min_seconds: Seconds = 10
    job_ttl_max_seconds: Seconds = 604800
    execution_timeout_seconds: Seconds = 600
    execution_timeout_min_seconds: Seconds = 5
    execution_timeout_max_seconds: Seconds = 86400
    metrics_hours: Positive = 720
    queued_jobs: Annotated[int, Field(ge=0)] = 50
    queued_jobs_per_worker: Annotated[int, Field(ge=0)] = 500
    batches_active: Positive = 10
    batch_requests: Positive = 5000
    batch_queued_requests: Positive = 50_000
    batch_append_bytes: Positive = 10 * 1024 * 1024
    batch_result_seconds: Seconds = 604800
    job_retries: Annotated[int, Field(ge=0)] = 1
    runsync_wait_seconds: Seconds = 90
    runsync_wait_max_seconds: Seconds = 300
    stream_hold_seconds: Seconds = 8
    stream_read_bytes: Positive = 20 * 1024 * 1024
    stream_unread_bytes: Positive = 256 * 1024 * 1024
    openai_wait_seconds: Seconds = 600
    # Workers
    take_hold_seconds: Seconds = 20
    ping_interval_seconds: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 10
    workers_max: Annotated[int, Field(ge=0)] = 3
    workers_quota: Annotated[int, Field(ge=0)] = 20
    idle_timeout_seconds: Seconds = 5
    init_timeout_seconds: Seconds = 420
    spread_gpus_from_workers: Positive = 5
    warm_up_images: bool = True
    unhealthy_retry_seconds: Seconds = 3600
    unhealthy_give_up_seconds: Seconds = 604800
    cancel_grace_seconds: Seconds = 10
    fair_turn_seconds: Seconds = 120
    unused_endpoint_low_days: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0
    unused_endpoint_off_days: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0
    flashboot_memory_gb: Annotated[int, Field(ge=0)] | None = None
    thaw_timeout_seconds: Seconds = 30
    worker_silence_seconds: Seconds = 40
    take_crossing_seconds: Seconds = 2
    old_sdk_take_crossing_seconds: Seconds = 10
    stop_again_seconds: Seconds = 2
    past_worker_keys: Annotated[int, Field(ge=0)] = 20
    clock_jump_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 2
    # Pods
    stop_grace_seconds: Seconds = 10
    spot_grace_seconds: Seconds = 5
    ports: Positive = 100
    pod_start_failures: Positive = 5
    start_give_up_seconds: Seconds = 1800
    model_cache_gb: Annotated[int, Field(ge=0)] = 100
    model_cache_unused_days: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 30
    container_disk_gb: Positive = 50
    container_disk_check_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 5
    # Requests of clients
    request_head_bytes: Positive = 64 * 1024
    request_head_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 30
    keep_alive_seconds: Positive = 75
    leave_seconds: Seconds = 1
    client_check_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 5
    # What is remembered
    event_retention_seconds: Seconds = 2592000
    events_per_subject: Positive = 1000
    # The container engine
    engine_timeout_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 30
    engine_calls_at_once: Positive = 16
    engine_stops_at_once: Positive = 64


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Webhooks(_Section):
    allow: Annotated[tuple[Network, ...], BeforeValidator(_words)] = ()
    tries: Positive = 3
    pause_seconds: Seconds = 10
    timeout_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 10
    at_once: Positive = 32
    at_once_per_endpoint: Positive = 4


class Mail(_Section):
    host: _Word = ""
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    tls: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password: SecretStr = SecretStr("")
    password_file: str = ""
    from_address: _Word = ""
    ca_file: str = ""
    timeout_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 30

    @model_validator(mode="after")
    def _password_is_safe(self) -> Self:
        if self.user and self.tls == "none" and self.host not in _LOOPBACK:
            raise ValueError("tls = none would send the password for all to read; use starttls or tls")
        return self

    @property
    def real_port(self) -> int:
        return self.port or {"starttls": 587, "tls": 465, "none": 25}[self.tls]


class Notices(_Section):
    operator_mail: Annotated[tuple[_Word, ...], BeforeValidator(_words)] = ()
    channels: Annotated[dict[str, SecretStr], BeforeValidator(_json)] = {}
    operator_hears: Literal["machine", "everything"] = "machine"
    digest_minutes: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 15
    notices_per_letter: Positive = 50
    first_retry_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 60
    longest_retry_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 3600
    give_up_hours: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 168
    at_once: Positive = 4
    at_once_per_route: Positive = 2


Quota = Annotated[int, Field(ge=0, le=1_000_000_000)]
"""How much somebody may have; 0 is no limit."""


class Quotas(_Section):
    gpus: Quota = 0
    pods: Quota = 0
    workers: Quota = 0
    volume_gb: Quota = 0
    member_gpus: Quota = 0
    member_pods: Quota = 0
    member_workers: Quota = 0
    member_volume_gb: Quota = 0
    lifetime_hours: Quota = 0
    lifetime_warning_minutes: Positive = 60


class Idle(_Section):
    percent: Annotated[int, Field(ge=0, le=100)] = 0
    window_minutes: Annotated[int, Field(ge=1, le=LONGEST_WINDOW)] = 120
    grace_minutes: Annotated[int, Field(ge=0, le=7 * 24 * 60)] = 30
    exempt_hours: Annotated[tuple[_Hours, ...], BeforeValidator(_words)] = ()
    time_zone: Annotated[str, AfterValidator(_time_zone)] = "UTC"


class Rates(_Section):
    run: Rate = "1000 per 10 seconds"
    run_at_once: AtOnce = 200
    runsync: Rate = "2000 per 10 seconds"
    runsync_at_once: AtOnce = 400
    status: Rate = "2000 per 10 seconds"
    status_at_once: AtOnce = 400
    stream: Rate = "2000 per 10 seconds"
    stream_at_once: AtOnce = 400
    cancel: Rate = "100 per 10 seconds"
    cancel_at_once: AtOnce = 20
    purge_queue: Rate = "2 per 10 seconds"
    purge_queue_at_once: AtOnce = 2
    openai: Rate = "2000 per 10 seconds"
    openai_at_once: AtOnce = 400
    requests: Rate = "10 per 10 seconds"
    requests_at_once: AtOnce = 2
    voucher: Rate = "10 per hour"
    voucher_at_once: AtOnce = 2


class Containers(_Section):
    network_range: ipaddress.IPv4Network = ipaddress.IPv4Network("10.213.0.0/16")
    network_prefix: Annotated[int, Field(ge=8, le=29)] = 24
    firewall: bool = True
    blocked_networks: Annotated[tuple[ipaddress.IPv4Network, ...], BeforeValidator(_words)] = tuple(
        ipaddress.IPv4Network(network)
        for network in (
            "169.254.0.0/16",
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "100.64.0.0/10",
        )
    )
    dropped_capabilities: Annotated[tuple[_Word, ...], BeforeValidator(_words)] = ("NET_RAW", "MKNOD")
    pids: Positive = 4096
    shm_percent: Annotated[int, Field(ge=1, le=100)] = 50
    nofile: Annotated[int, Field(ge=0)] = 0
    memlock_mb: Annotated[int, Field(ge=0)] = 0
    log_mb: Positive = 10
    log_files: Positive = 3
    denied_env: Annotated[tuple[_Word, ...], BeforeValidator(_words)] = ("LD_PRELOAD", "LD_AUDIT", "NVIDIA_*")
    allowed_env: Annotated[tuple[_Word, ...], BeforeValidator(_words)] = ("NVIDIA_DRIVER_CAPABILITIES",)
    runtime: str = ""
    userns_remap: bool = False

    @model_validator(mode="after")
    def _has_subnets(self) -> Self:
        if self.network_prefix <= self.network_range.prefixlen:
            raise ValueError(
                f"network_prefix {self.network_prefix} makes no parts of network_range {self.network_range}"
            )
        return self


class Proxy(_Section):
    domain: _Word = ""
    paths: bool = True
    connect_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 10
    idle_seconds: Seconds = 3600
    pod_requests: Positive = 1000
    login_seconds: Seconds = 86400
    login_link_seconds: Seconds = 60
    message_bytes: Positive = 64 * 1024 * 1024

    @field_validator("domain")
    @classmethod
    def _is_domain(cls, value: str) -> str:
        if value and not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)*", value.lower()):
            raise ValueError("must be a domain such as pods.example.org, without dots around it")
        return value.lower()


class Gateway(_Section):
    ssh_port: Annotated[int, Field(ge=0, le=65535)] = 2222
    login_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 30
    keys_per_login: Positive = 10
    failed_logins: Rate = "20 per 10 minutes"
    logins_at_once: Positive = 200
    logins_at_once_per_address: Positive = 20
    connections_per_account: Positive = 64
    forwards_per_connection: Positive = 256
    keepalive_seconds: Seconds = 30
    sessions: Positive = 256
    sessions_per_account: Positive = 64


class Terminal(_Section):
    token_seconds: Seconds = 60
    reconnect_seconds: Seconds = 60
    buffer_bytes: Positive = 256 * 1024
    origins: Annotated[tuple[_Word, ...], BeforeValidator(_words)] = ()


class Tls(_Section):
    port: Annotated[int, Field(ge=0, le=65535)] = 8443
    http: Literal["serve", "redirect"] = "serve"
    certificate: str = ""
    key: str = ""
    names: Annotated[tuple[_Word, ...], BeforeValidator(_words)] = ()
    runpod_names: bool = False
    certificate_days: Positive = 365
    renew_days: Positive = 30
    look_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 60

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.key and not self.certificate:
            raise ValueError("tls.key belongs to a tls.certificate")
        if self.renew_days >= self.certificate_days:
            raise ValueError("tls.renew_days must be less than tls.certificate_days")
        if self.http == "redirect" and not self.port:
            raise ValueError("tls.http redirects to tls.port, which is off")
        return self


class LoadBalancer(_Section):
    wait_seconds: Seconds = 120
    affinity_wait_seconds: Seconds = 300
    processing_seconds: Seconds = 330
    body_bytes: Positive = 30 * 1024 * 1024
    http_ports: Positive = 10
    init_timeout_seconds: Seconds = 480
    health_interval_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1
    health_answer_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 5


class Prices(_Section):
    container_disk_gb_month: Dollars = nano_dollars("0.10")
    volume_gb_month: Dollars = nano_dollars("0.10")
    stopped_volume_gb_month: Dollars = nano_dollars("0.20")
    network_volume_gb_month: Dollars = nano_dollars("0.07")
    large_network_volume_gb_month: Dollars = nano_dollars("0.05")
    large_network_volume_gb: Positive = 1000
    month_days: Positive = 30


class SpendingStep(_Section):
    """An account of this age that has paid so much may run `times` the spending limit."""

    after_days: Annotated[int, Field(ge=0)]
    paid: Dollars
    times: Positive


class WorkersStep(_Section):
    """An account with this balance may have so many workers."""

    balance: Dollars
    workers: Positive


class Billing(_Section):
    mode: Literal["enforce", "track", "off"] = "track"
    interval_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 60
    start_cover_minutes: Annotated[int, Field(ge=0)] = 60
    low_cover_minutes: Annotated[int, Field(ge=0)] = 10
    low_credit_hours: Annotated[int, Field(ge=0)] = 6
    removal_notice_hours: Annotated[int, Field(ge=0)] = 24
    pod_grace_hours: Annotated[int, Field(ge=0)] = 48
    network_volume_grace_days: Annotated[int, Field(ge=0)] = 7
    time_zone: Annotated[str, AfterValidator(_time_zone)] = "UTC"
    refill_pause_minutes: Positive = 60
    min_deposit: Dollars = nano_dollars("10")
    plan_discounts: Annotated[dict[Positive, Annotated[int, Field(ge=0, le=100)]], BeforeValidator(_json)] = {
        1: 10,
        3: 15,
        6: 25,
    }
    spending_limit_hour: Dollars = nano_dollars("80")
    spending_limit_growth: Annotated[tuple[SpendingStep, ...], BeforeValidator(_json)] = (
        SpendingStep.model_validate({"after_days": 30, "paid": "200", "times": 2}),
        SpendingStep.model_validate({"after_days": 90, "paid": "1000", "times": 4}),
    )
    workers_by_balance: Annotated[tuple[WorkersStep, ...], BeforeValidator(_json)] = (
        WorkersStep.model_validate({"balance": "300", "workers": 30}),
        WorkersStep.model_validate({"balance": "500", "workers": 40}),
        WorkersStep.model_validate({"balance": "700", "workers": 50}),
        WorkersStep.model_validate({"balance": "900", "workers": 60}),
    )

    @property
    def zone(self) -> ZoneInfo:
        """Where weeks and months begin at midnight."""
        return ZoneInfo(self.time_zone)


class Audit(_Section):
    retention_seconds: Positive = 31536000
    jobs: bool = False


class Accounts(_Section):
    open_sign_up: bool = False
    min_password_length: Annotated[int, Field(ge=8, le=128)] = 10
    link_seconds: Positive = 86400
    session_seconds: Positive = 1209600
    session_most_seconds: Positive = 7776000
    attempts_per_address: Rate = "20 per minute"
    attempts_per_account: Rate = "30 per hour"
    passwords_at_once: Positive = 2
    last_used_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 60


class Metrics(_Section):
    token: SecretStr = SecretStr("")
    token_file: str = ""
    allow: Annotated[tuple[Network, ...], BeforeValidator(_words)] = ()
    endpoints: Annotated[int, Field(ge=0)] = 200


class Vitals(_Section):
    loop_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 30
    writer_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 60
    reconciler_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 180


class Settings(BaseSettings):
    """All settings, checked. Frozen; `load` is the way to get them, `Settings(...)` is for tests."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", validate_default=True, env_prefix="PODD_", env_nested_delimiter="__"
    )

    data_dir: Path = Path("/var/lib/podd")
    listen: Annotated[tuple[_Word, ...], BeforeValidator(_words)] = ("127.0.0.1:8484",)
    engine: Literal["auto", "docker", "process"] = "auto"
    volumes: Literal["auto", "project-quota", "btrfs", "image", "directory"] = "auto"
    log: Log = Log()
    machine: Machine = Machine()
    tls: Tls = Tls()
    public_url: str = ""
    allowed_hosts: Annotated[tuple[_Word, ...], BeforeValidator(_words)] = ()
    accelerate_workers: bool = True
    gpus: Gpus = Gpus()
    limits: Limits = Limits()
    rates: Rates = Rates()
    webhooks: Webhooks = Webhooks()
    mail: Mail = Mail()
    notices: Notices = Notices()
    quotas: Quotas = Quotas()
    idle: Idle = Idle()
    containers: Containers = Containers()
    proxy: Proxy = Proxy()
    gateway: Gateway = Gateway()
    terminal: Terminal = Terminal()
    load_balancer: LoadBalancer = LoadBalancer()
    prices: Prices = Prices()
    billing: Billing = Billing()
    accounts: Accounts = Accounts()
    audit: Audit = Audit()
    metrics: Metrics = Metrics()
    vitals: Vitals = Vitals()

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """`listen` as (host, port) pairs."""
        return [_host_and_port(address) for address in self.listen]

    @property
    def database(self) -> Path:
        return self.data_dir / "podd.sqlite3"

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("listen")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("needs at least one address, for example 127.0.0.1:8484")
        for address in value:
            _host_and_port(address)
        return value

    @field_validator("public_url")
    @classmethod
    def _reachable(cls, value: str, info: ValidationInfo) -> str:
        if not value and "listen" in info.data and "machine" in info.data:
            host, port = _host_and_port(info.data["listen"][0])
            host = info.data["machine"].public_ip if host in _ANY_ADDRESS else host
            tls = info.data.get("tls")
            return (
                _url("https", host, tls.port) if tls and tls.http == "redirect" else _url("http", host, port)
            )
        url = urlsplit(value)
        if value and (
            url.scheme not in {"http", "https"} or not url.netloc or url.path.strip("/") or url.query
        ):
            raise ValueError("must be http:// or https:// and a host, without a path")
        return value.rstrip("/")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)  # `load` reads the others, so that it knows who wrote what


def load(path: Path | None = None, overrides: Mapping[str, object] = {}) -> Settings:
    """The settings from the file, the environment and `overrides` (the command line), the later winning.

    The file is `path`, else $PODD_CONFIG, else /etc/podd/podd.toml if that exists. `overrides` is shaped
    like the file (`{"log": {"level": "debug"}}`) or has dotted keys (`{"log.level": "debug"}`); None stands
    for an option not given. Raises ConfigError with every problem found.
    """
    file = _file_to_read(path)
    sources = {
        "file": _read(file) if file else {},
        "environment": _Environment(Settings)(),
        "command line": _undotted(overrides),
    }
    problems = _unknown_variables()
    merged: dict[str, Any] = {}
    for source in sources.values():
        merged = _merge(merged, source)
    try:
        settings = Settings(**merged)
    except ValidationError as error:
        problems += [_line(details, sources, file) for details in error.errors()]
    if problems:
        raise ConfigError("\n".join(problems))
    return settings


def catalogue(settings: Settings) -> Catalogue:
    """The shipped catalogue with the operator's prices."""
    file = shipped("catalogue.toml")
    try:
        known = Catalogue.parse(_read(file))
    except (KeyError, ValueError) as error:
        raise ConfigError(f"{file}: {error}") from error
    return known.with_prices({id: p.model_dump(exclude_none=True) for id, p in settings.gpus.prices.items()})


def shipped(name: str) -> Path:
    """A file that comes with podd: from the package, or from config/ of the checkout it runs in."""
    package = Path(__file__).parent
    installed = package / "shipped" / name
    return installed if installed.exists() else package.parent / "config" / name


def keys(section: type[BaseModel] = Settings, prefix: str = "") -> list[str]:
    """Every key in dotted form, as in `machine.public_ip`."""
    found: list[str] = []
    for name, info in section.model_fields.items():
        inner = info.annotation
        if isinstance(inner, type) and issubclass(inner, _Section):
            found += keys(inner, f"{prefix}{name}.")
        else:
            found.append(prefix + name)
    return found


# Private


class _Environment(EnvSettingsSource):
    """PODD_ variables as nested text; the validators read lists and tables, so that errors name the key."""

    def decode_complex_value(self, field_name: str, field: Any, value: Any) -> Any:  # noqa: ARG002
        return value


def _file_to_read(path: Path | None) -> Path | None:
    if path is None and (named := os.environ.get("PODD_CONFIG")):
        path = Path(named)
    if path is None:
        return DEFAULT_FILE if DEFAULT_FILE.exists() else None
    return path


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{file}: is not TOML: {error}") from error


def _undotted(overrides: Mapping[str, object]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for key, value in overrides.items():
        if value is None:
            continue
        branch: Any = value
        for name in reversed(key.split(".")):
            branch = {name: branch}
        nested = _merge(nested, branch)
    return nested


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _unknown_variables() -> list[str]:
    """Variables with our prefix that belong to no key; inside tables, unknown ones are found later."""
    known = {variable: variable for variable in (_variable(key.split(".")) for key in keys())}
    tops = {variable.split("__")[0] for variable in known}
    return [
        f"environment: {name}: no such setting{_suggestion(name, known)}"
        for name in sorted(os.environ)
        if name.startswith("PODD_")
        and name not in NOT_SETTINGS
        and not name.startswith(NOT_SETTINGS_PREFIX)
        and name.split("__")[0] not in tops
    ]


def _line(details: ErrorDetails, sources: Mapping[str, Mapping[str, Any]], file: Path | None) -> str:
    """One problem as a line: the topmost source that wrote the value, the key there, the reason."""
    loc = details["loc"]
    depths = {name: _depth(source, loc) for name, source in sources.items()}
    name, depth = next(((n, d) for n, d in reversed(depths.items()) if d), ("settings", len(loc)))
    key = _dotted(loc)
    if name == "environment":
        place = f"environment: {_variable(loc[:depth])}"
        inside = _dotted(loc[depth:])
        return f"{place}: {inside + ': ' if inside else ''}{_reason(details, key, as_variable=True)}"
    return f"{file if name == 'file' else name}: {key}: {_reason(details, key)}"


def _depth(source: Any, loc: tuple[int | str, ...]) -> int:
    """How much of `loc` this source spells as tables, down to the value that contains it; 0: not there."""
    for depth, part in enumerate(loc):
        if not isinstance(source, Mapping):
            return depth
        if part not in source:
            return 0
        source = source[part]
    return len(loc)


def _reason(details: ErrorDetails, key: str, as_variable: bool = False) -> str:
    if details["type"] == "extra_forbidden":
        known = keys()
        return "no such key" + _suggestion(
            key, {k: _variable(k.split(".")) if as_variable else k for k in known}
        )
    if details["type"] == "model_type":
        return "is a table of keys; set them one by one"
    error = details.get("ctx", {}).get("error")
    reason = str(error) if error is not None else details["msg"][:1].lower() + details["msg"][1:]
    if key.startswith(_SECRET):
        return details["msg"]
    return reason if repr(details["input"]) in reason else f"{reason} (got {details['input']!r})"


def _suggestion(name: str, known: Mapping[str, str]) -> str:
    """`known` maps what is compared to what is shown."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
    return f"; did you mean {known[near[0]]}?" if near else ""


def _dotted(loc: tuple[int | str, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).removeprefix(".")


def _variable(path: Sequence[int | str]) -> str:
    return "PODD_" + "__".join(str(part) for part in path).upper()


def _host_and_port(address: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"{address!r} is not host:port, for example 127.0.0.1:8484")
    return host, int(port)


def _url(scheme: str, host: str, port: int) -> str:
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
