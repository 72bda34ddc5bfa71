"""Structured logs: JSON lines unless somebody watches a terminal. Keys never get here: nothing logs
requests' queries or headers."""

import logging
import sys

import structlog


def configure(level: str, style: str) -> None:
    """`style` is auto, json or console; everything goes to stderr, Python's own loggers included."""
    console = style == "console" or (style == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Its usual tracebacks show local variables, and those hold keys and people's data.
    plain = structlog.dev.plain_traceback
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)
        if console
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, renderer]
        if not console
        else [*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        # One write for a record with its line end: `print` makes two, and a kill can fall between them.
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    # Its warnings about a tick that is still running say what `coalesce` already handles.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    # Expected refusals are answered; unexpected failures are logged once, by the error formatter.
    logging.getLogger("podd.graphql").setLevel(logging.CRITICAL)
