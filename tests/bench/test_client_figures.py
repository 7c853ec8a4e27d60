"""The benches of the client and of uniform answers, in their shortest form against a real vault."""

from pathlib import Path

from bench.calls import Pace
from bench.cards import fill_wallet, set_up_program
from bench.coalesce import coalesce_figures, measure_coalesce
from bench.grounds import ground_of
from bench.rig import running_vault
from bench.sealed import Load, measure_sealed, sealed_figures
from bench.uniform import Sample, measure_uniform, uniform_figures


def silent(_: str) -> None:
    """Say nothing."""


async def test_clients_together_and_edges_get_right_answers(tmp_path: Path) -> None:
    pace = Pace(1, 0.2, 4.0)  # so that calls are answered meanwhile on a busy machine too
    with ground_of("sqlite") as ground, running_vault(tmp_path / "vault", ground) as rig:
        await set_up_program(rig)
        wallet = await fill_wallet(rig, tmp_path, 1)
        seen = measure_coalesce(rig, wallet, pace, silent)
        sealed = measure_sealed(rig, wallet, pace, Load(singles=60, batches=1, envelopes=1), silent)
    (figure,) = coalesce_figures(seen)
    assert figure.reach == 5.0
    assert figure.ratio > 0
    assert [figure.reach for figure in sealed_figures(sealed)] == [0.55, 1.0, 1.0]
    assert all(figure.value > 0 for figure in sealed_figures(sealed))


def test_bad_codes_of_every_kind_get_one_reply(tmp_path: Path) -> None:
    with ground_of("sqlite") as ground:
        seen = measure_uniform(tmp_path, ground, Sample(400, 5), silent)
    assert seen.replies == 1
    kinds = {"check digit", "inactive", "frozen", "expired", "superseded", "closed", "spent"}
    assert set(seen.wire) == set(seen.work) == kinds
    figures = uniform_figures(seen)
    assert len(figures) == 17
    assert sorted(str(figure.reach) for figure in figures) == ["1.0"] * 15 + ["None"] * 2
