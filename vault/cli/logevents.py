"""What each event of the log means, in one line.

That every event in the code stands here, and none that is not, is checked when the README's table is made from
it.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

MEANINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "access_file_loaded": "a new access file is in force; its digest and how many principals it names",
        "access_file_refused": "a new access file is broken or could not be recorded; the one before stays in force",
        "access_files_agree": "all processes go by the same access file again",
        "access_files_differ": "processes over one store go by different access files; both digests",
        "call": "a call was answered: who, which method, outcome, status, reason, milliseconds, correlation id, trace",
        "call_failed": "something that nobody foresaw went wrong in a call; with its stack",
        "calls_not_logged": "how many lines of calls were left out in one second",
        "cannot_serve": "a worker cannot start, and why",
        "cannot_start": "the vault cannot start, and why",
        "cannot_work": "the job process cannot start, and why",
        "card_missing": "a code's row has no card",
        "certificate_loaded": "a new server certificate is in force, and when it expires",
        "certificate_refused": "new certificate files do not fit; those before stay in force",
        "configuration_changed": "the configuration's file has changed; which settings wait for a restart",
        "configuration_refused": "the configuration's file is broken; the one before stays in force",
        "exchange_contested": "a code was claimed a second time, and its card put on hold",
        "files_not_read_again": "a process did not say in time that it has read its files again",
        "files_read_again": "a process has read its files again, and what came of each",
        "gauges_not_read": "how the vault stands could not be read for metrics",
        "integrity_failure": "a call met with stored data that the vault did not write",
        "job_begun": "a job is begun, or taken up again",
        "job_done": "a job is done",
        "job_failed": "a job has failed for good, and why",
        "job_goes_again": "a job found rows left and goes over them again",
        "job_lane_failed": "the job process could not go on with a job, and tries again",
        "job_waits": "a job waits, and for what",
        "listener_not_open": "the listener of metrics and health cannot be opened yet; it is tried again",
        "listener_open": "metrics and health are told at this address",
        "log": "what a library logs, with its logger and message",
        "metrics_lost": "what a process had counted could not be kept",
        "metrics_off": "there is no room for the files of metrics; the vault serves without",
        "presence_not_recorded": "a process could not take down that it serves",
        "probe_failed": "something that nobody foresaw went wrong in the listener",
        "probe_gone": "a client of the listener sent too little, or took too long",
        "process_cannot_start": "a process of a vault that serves cannot start again, and why",
        "process_does_not_end": "not even SIGKILL has ended a process",
        "process_ended": "a process has ended without being told to, and is started again; its stacks if it crashed",
        "process_grown": "a worker keeps more memory than `worker_mib` with few callers connected, and is replaced",
        "process_hung": "a process has not shown itself for `hang_seconds`, and is replaced",
        "process_not_replaced": "a process's successor did not come up; the one before goes on",
        "process_not_started": "the system could not start a process",
        "process_started": "a process was started",
        "ready": "every process serves, at this address",
        "refusal_not_recorded": "a refusal could not be put into the audit log",
        "rolling_restart_begun": "all processes are being replaced, one after the other",
        "rolling_restart_done": "all processes have been replaced",
        "rolling_restart_failed": "a rolling restart has stopped, since a process's successor did not come up",
        "root_key_destroyed": "a destruction of a root key that was interrupted has been finished",
        "root_key_not_destroyed": "a destruction of a root key that was interrupted cannot be finished yet",
        "row_refused": "a stored row is not what the vault wrote; it was not acted on",
        "service_manager_unreachable": "the service manager (systemd) could not be told how the vault is",
        "stopped": "the vault has drained and stopped",
        "superseded_uses_not_written": "how often superseded codes were tried could not be written yet",
        "sweep_failed": "what is kept for a time only could not be deleted, and is tried again",
    }
)
"""The meaning of each event."""
