"""The code format of a program's row."""

from vault.codes.format import CodeFormat
from vault.model.rows import ProgramRow
from vault.model.states import CheckAlgorithm


def code_format(program: ProgramRow) -> CodeFormat:
    """Return how a program's codes look."""
    return CodeFormat(program.code_length, CheckAlgorithm(program.check_algorithm), program.code_prefix)
