from pathlib import Path

import pytest

from tests.metrics.reporter import run, samples
from vault import metrics


def test_a_process_that_nobody_collects_from_keeps_nothing_and_needs_no_library() -> None:
    said = run("""
        metrics.start()
        metrics.count("submissions_refused", cause="replayed")
        metrics.put("holds", 3)
        metrics.process_ended(4711)
        print("prometheus_client" in sys.modules)
    """)
    assert said == "False\n"


def test_counts_add_up_over_processes_and_outlive_them_however_they_end() -> None:
    said = run("""
    with metrics.collecting() as place:
        metrics.submission_refused("replayed")
        for _ in range(3):
            pid = child("reporter.report(); os.kill(os.getpid(), signal.SIGKILL)")
            before = shown(place)
            metrics.process_ended(pid)
            metrics.process_ended(pid)
        print(before + "=====" + shown(place))
        print("=====" + " ".join(sorted(path.name for path in place.iterdir() if f"_{os.getpid()}." not in path.name)))
    print("=====", place.exists(), "PROMETHEUS_MULTIPROC_DIR" in os.environ)
    """)
    before, after, left, gone = said.split("=====")
    shown = samples(after)
    assert shown['cardvault_submissions_refused_total{cause="replayed"}'] == 4
    assert shown['cardvault_call_seconds_count{method="GetCard",outcome="ok"}'] == 3
    assert shown['cardvault_call_seconds_bucket{le="0.0025",method="GetCard",outcome="ok"}'] == 0
    assert shown['cardvault_call_seconds_bucket{le="0.005",method="GetCard",outcome="ok"}'] == 3
    assert shown['cardvault_call_seconds_sum{method="GetCard",outcome="ok"}'] == pytest.approx(0.012)
    counted = {name: value for name, value in samples(before).items() if "_seconds" in name or "_total" in name}
    assert counted.items() <= shown.items()
    assert samples(before)["cardvault_holds"] == 2
    assert "cardvault_holds" not in shown
    assert "cardvault_writer_queue" not in shown
    assert not [name for name in left.split() if name.endswith(".db") and not name.endswith("_0.db")]
    assert gone.split() == ["False", "False"]


def test_gauges_are_put_together_over_processes_as_the_table_says() -> None:
    said = run("""
    with metrics.collecting() as place:
        for value in (2, 5, 3):
            child(f"reporter.put({value})")
        print(shown(place) + "=====", metrics.store_reachable(place))
    """)
    text, _, reachable = said.partition("=====")
    shown = samples(text)
    assert shown["cardvault_writer_queue"] == 10
    assert shown["cardvault_holds"] == 5
    assert shown["cardvault_certificate_days_left"] == 2
    assert shown["cardvault_store_reachable"] == 0
    assert reachable.strip() == "True"  # one worker reaches it


def test_a_value_that_is_not_in_the_table_is_counted_as_other() -> None:
    said = run("""
    with metrics.collecting() as place:
        metrics.submission_refused("4000001234567899")
        metrics.count("job_items", 7, kind="shop")
        print(shown(place))
    """)
    assert "4000001234567899" not in said
    assert samples(said)['cardvault_submissions_refused_total{cause="other"}'] == 1
    assert samples(said)['cardvault_job_items_total{kind="other"}'] == 7


def test_a_process_reserves_the_space_that_it_writes_to() -> None:
    said = run("""
    with metrics.collecting() as place:
        for path in place.glob("*.db"):
            print(path.stat().st_blocks * 512 >= path.stat().st_size > 0)
    """)
    assert set(said.split()) == {"True"}
    assert len(said.split()) == 10  # five kinds of files, for this process and for those that ended


def test_numbers_are_shown_to_the_vaults_own_user_alone() -> None:
    said = run("""
    with metrics.collecting() as place:
        print(oct(place.stat().st_mode & 0o777))
    """)
    assert said == "0o700\n"


def test_a_metric_is_named_with_exactly_its_labels() -> None:
    with pytest.raises(KeyError):
        metrics.bound("cards")
    with pytest.raises(KeyError, match="cause"):
        metrics.bound("submissions_refused")
    with pytest.raises(KeyError, match="none"):
        metrics.bound("holds", program="netcash")


def test_a_process_for_whose_files_there_is_no_room_leaves_nothing_half_done() -> None:
    said = run("""
    import errno
    from vault.metrics import files
    def none(*_):
        raise OSError(errno.ENOSPC, "No space left on device")
    with metrics.collecting() as place:
        metrics.put("holds", 7)
        reserve, count = os.posix_fallocate, 0
        def full(*arguments):
            global count
            count += 1
            if count == 3:
                raise OSError(errno.ENOSPC, "No space left on device")
            reserve(*arguments)
        os.posix_fallocate = full
        try:
            files.reserve(place, 4711)
        except OSError as error:
            print(error.strerror, [path.name for path in place.iterdir() if "4711" in path.name])
        os.posix_fallocate = none
        print("cardvault_holds 7.0" in shown(place))
    try:
        with metrics.collecting():
            print("never")
    except OSError:
        print("PROMETHEUS_MULTIPROC_DIR" in os.environ, place.exists())
    """)
    assert said.splitlines() == ["No space left on device []", "True", "False False"]


def test_what_a_killed_vault_has_left_goes_with_the_next_start_and_nobody_elses(tmp_path: Path) -> None:
    said = run(f"""
    import tempfile
    tempfile.tempdir = {str(tmp_path)!r}
    from pathlib import Path
    def age():
        for folder in Path(tempfile.tempdir).iterdir():
            os.utime(folder, (1, 1))
    script = "import tempfile; tempfile.tempdir = {str(tmp_path)!r}; import os; from vault import metrics\\n"
    killed = subprocess.Popen([sys.executable, "-c", script + "with metrics.collecting(): os.kill(os.getpid(), 9)"])
    killed.wait()
    print(len(list(Path(tempfile.tempdir).iterdir())))
    with metrics.collecting() as young:
        print(len(list(Path(tempfile.tempdir).iterdir())))
        age()
        from vault.metrics.files import folder
        with folder() as other:
            print(sorted(Path(tempfile.tempdir).iterdir()) == sorted([young, other]))
    """)
    assert said.splitlines() == ["1", "2", "True"]


def test_what_is_reserved_is_enough_for_every_method_and_outcome() -> None:
    said = run("""
    from vault.rpc.contract import methods
    from vault.metrics.table import OUTCOMES
    with metrics.collecting() as place:
        before = {path.name: path.stat().st_size for path in place.iterdir()}
        for metric in metrics.METRICS:
            names = [method.name for method in methods()] if "method" in metric.labels else [""]
            for name in names:
                for outcome in OUTCOMES:
                    given = {label: name or outcome for label in metric.labels}
                    if name:
                        given = {"method": name, "outcome": outcome}
                    metrics.bound(metric.name, **given).add(1)
        print(before == {path.name: path.stat().st_size for path in place.iterdir()})
    """)
    assert said == "True\n"


def test_it_does_not_matter_who_imported_the_library_first_or_how_often_it_is_begun() -> None:
    said = run("""
    import prometheus_client
    for value in (3, 4):
        with metrics.collecting() as place:
            metrics.put("holds", value)
            kept = metrics.bound("holds")
            print([line for line in shown(place).splitlines() if line.startswith("cardvault_holds")])
        kept.put(9)
    """)
    assert said.splitlines() == ["['cardvault_holds 3.0']", "['cardvault_holds 4.0']"]
