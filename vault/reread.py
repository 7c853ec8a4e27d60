"""What SIGHUP has a running vault read again, and what the log says of it.

1. Every worker reads the access file and looks at its certificate, private key and client authorities; the log
   has ``files_read_again`` for each worker with what came of each file: ``new`` (now in force), ``same``, or
   ``refused`` (another event says why; the one before stays in force).
2. The configuration is not read again, but it is looked at: ``configuration_changed`` names the settings that
   differ from those in force and says what brings them into force.

Read by themselves when they are needed, and so not at SIGHUP: the root key's file and PostgreSQL's password file.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from vault import config, log
from vault.errors import InvalidInput
from vault.process import Process

ANSWER_SECONDS = 5.0

_OWN = ("server.address", "server.workers", "server.drain_seconds", "server.hang_seconds")
"""What the supervisor acts on itself."""
_log = log.get(__name__)


async def read_again(settings: config.Config, workers: Mapping[str, Process]) -> None:
    """Have workers read their files again, and say what came of it.

    Args:
        settings: The configuration in force.
        workers: Those that serve, by name.
    """
    answers = await asyncio.gather(*(process.reread(ANSWER_SECONDS) for process in workers.values()))
    for (name, process), files in zip(workers.items(), answers, strict=True):
        if files is None:
            _log.warning("files_not_read_again", process=name, pid=process.pid, problem="it did not answer in time")
        else:
            _log.info("files_read_again", process=name, pid=process.pid, files=files)
    try:
        differing = changes(settings, config.load(settings.path))
    except InvalidInput as error:
        _log.error("configuration_refused", problem=error.message, in_force="the one before")
        return
    own = [name for name in differing if name in _OWN]
    others = [name for name in differing if name not in _OWN]
    if own:
        _log.warning("configuration_changed", settings=own, in_force="the one before, until the vault is restarted")
    if others:
        _log.warning(
            "configuration_changed", settings=others, in_force="the one before, until a rolling restart (SIGUSR1)"
        )


def changes(before: config.Config, after: config.Config) -> list[str]:
    """Return the paths of the settings that differ, such as ``server.workers``."""
    return [
        f"{section}.{name}"
        for section in config.SECTIONS
        for name, value in _settings(getattr(after, section)).items()
        if _settings(getattr(before, section))[name] != value
    ]


def _settings(section: Any) -> dict[str, object]:
    return {each.name: getattr(section, each.name) for each in fields(section)}
