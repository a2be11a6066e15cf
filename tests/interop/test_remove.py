"""`rm`: all keys of a dataset and no others; on a terminal only after a yes."""

import os
import pty
import subprocess

import pytest

import manifests
from arrow_files import value_of, write
from chunks import key, keys, manifest_key, store
from command import DATA, DONE, SECONDS, USAGE
from tables import LONG, in_batches

VALUES = {(n // 2, n % 2): value_of(batch) for n, batch in enumerate(in_batches(LONG, 2_500).to_batches())}


def on_a_terminal(arrowredis, *arguments, answer):
    """Runs with a terminal for all three streams; returns the exit code and what was shown on it."""
    ours, theirs = pty.openpty()
    line = [arrowredis.program, *arguments, "--redis-url", arrowredis.url]
    with subprocess.Popen(line, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        os.write(ours, answer)
        shown = b""
        try:
            while part := os.read(ours, 4_096):
                shown += part
        except OSError:
            # So Linux says that the other side is closed.
            pass
        os.close(ours)
        return process.wait(timeout=SECONDS), shown.decode()


def test_every_key_goes_and_no_other(arrowredis, client, prefix):
    manifests.publish(client, prefix, VALUES)
    neighbours = [f"{prefix}:", f"{prefix}:more", f"{prefix}0", f"x{prefix}", f"{prefix[:-1]}?", f"{prefix[:-1]}*"]
    for name in neighbours:
        manifests.publish(client, name, VALUES)
    client.set(f"{prefix}:note", "of somebody else")
    report = arrowredis.report("rm", prefix, "--yes")
    assert (report["name"], report["alias_of"], report["chunks"], report["leftovers"]) == (prefix, None, 4, 0)
    assert {name for name in keys(client, prefix) if not name.startswith((f"{prefix}::", f"{prefix}:more:"))} == {
        f"{prefix}:note"
    }
    for name in neighbours:
        assert arrowredis.report("verify", name)["whole"]


def test_many_chunks(arrowredis, client, prefix, tmp_path):
    arrowredis.split(write(in_batches(LONG, 2), tmp_path / "source"), prefix, "--batches", 7)
    assert arrowredis.report("rm", prefix, "--yes")["chunks"] == 5_000
    assert keys(client, prefix) == []


def test_chunks_that_the_manifest_does_not_list_go_too(arrowredis, client, prefix):
    """They would be a dataset without a manifest else: one that was removed would be back."""
    manifests.publish(client, prefix, VALUES)
    store(client, prefix, {(7, 0): VALUES[0, 0]})
    arrowredis.run("rm", prefix, "--yes")
    assert keys(client, prefix) == []
    arrowredis.refused("read", "--prefix", prefix, exit=4)


def test_chunks_that_are_staged_go_too(arrowredis, client, prefix):
    manifests.publish(client, prefix, VALUES)
    id = manifests.published(client, prefix).dataset_id
    client.rename(key(prefix, 0, 1), f"{key(prefix, 0, 1)}:staged={id}")
    client.set(f"{key(prefix, 5, 0)}:staged={'d' * 32}", "of a writer that died")
    report = arrowredis.report("rm", prefix, "--yes")
    assert (report["chunks"], report["leftovers"]) == (4, 1)
    assert keys(client, prefix) == []


def test_nothing_to_remove(arrowredis, prefix):
    assert f"'{prefix}'" in arrowredis.refused("rm", prefix, "--yes", exit=4)


def test_it_asks_nobody_where_nobody_is(arrowredis, client, prefix):
    """In a script there is no terminal."""
    manifests.publish(client, prefix, VALUES)
    arrowredis.run("rm", prefix)
    assert keys(client, prefix) == []


@pytest.mark.parametrize("answer", [b"y\n", b"Y\n", b"yes\n"])
def test_a_yes_on_a_terminal(arrowredis, client, prefix, answer):
    manifests.publish(client, prefix, VALUES)
    exit, shown = on_a_terminal(arrowredis, "rm", prefix, answer=answer)
    assert (exit, keys(client, prefix)) == (DONE, [])
    assert f"'{prefix}'" in shown and "[y/N]" in shown


@pytest.mark.parametrize("answer", [b"\n", b"n\n", b"no\n", b"what?\n", b"\x04"])
@pytest.mark.parametrize("options", [[], ["--json"], ["--quiet"]], ids=["plain", "json", "quiet"])
def test_anything_else_on_a_terminal(arrowredis, client, prefix, answer, options):
    manifests.publish(client, prefix, VALUES)
    exit, _ = on_a_terminal(arrowredis, "rm", prefix, *options, answer=answer)
    assert exit == USAGE
    assert len(keys(client, prefix)) == 5
    assert manifest_key(prefix) in keys(client, prefix)


def test_yes_asks_nothing(arrowredis, client, prefix):
    manifests.publish(client, prefix, VALUES)
    exit, shown = on_a_terminal(arrowredis, "rm", prefix, "--yes", answer=b"")
    assert (exit, keys(client, prefix)) == (DONE, []) and "[y/N]" not in shown


def test_it_is_not_asked_whether_to_remove_an_alias_with_all_its_keys(arrowredis, client, prefix):
    """An alias has none but its own: the question must not sound as if the dataset went."""
    manifests.publish(client, f"{prefix}:data", VALUES)
    arrowredis.run("alias", prefix, f"{prefix}:data")
    exit, shown = on_a_terminal(arrowredis, "rm", prefix, answer=b"n\n")
    assert exit == USAGE and "alias" in shown and "all its keys" not in shown, shown


def test_it_does_not_ask_about_what_is_not_there(arrowredis, prefix):
    exit, shown = on_a_terminal(arrowredis, "rm", prefix, answer=b"y\n")
    assert exit == DATA and "[y/N]" not in shown, shown
