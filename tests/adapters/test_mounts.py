"""Real mounts, in a mount namespace of their own: what one file system on two mounts, and a lost mount, do."""

from __future__ import annotations

from pathlib import Path

from support.namespaces import run_in_a_namespace

PRELUDE = """
from pathlib import Path
from support.spooling import Place, filing, new_id, observe
from sealdrop.adapters.outbox import Convention, FolderOutbox, RemoteOutbox
from sealdrop.adapters.spool import FolderSpool
from sealdrop.core.errors import ConfigurationError, TemporaryFailure
from sealdrop.core.readiness import Protocol
from sealdrop.ports.spool import Claimed
root = Path(sys.argv[1])
place = Place(root)

def refused(kind, act):
    try:
        act()
    except kind as error:
        return str(error)
    raise AssertionError(f"{act} was not refused")
"""


def _in_a_namespace(tmp_path: Path, script: str) -> None:
    """Run a script as root of a mount namespace of its own; what it mounts is gone with it."""
    run_in_a_namespace(PRELUDE + script, tmp_path)


def test_two_bind_mounts_of_one_file_system_are_not_one_mount(tmp_path: Path) -> None:
    _in_a_namespace(
        tmp_path,
        """
assert place.outbox.stat().st_dev == place.work.parent.stat().st_dev
mount("--bind", place.outbox, place.outbox)
assert place.outbox.stat().st_dev == place.work.parent.stat().st_dev
assert "not on one mount" in refused(ConfigurationError, place.folder_outbox)
mount("--bind", root / "sent", root / "sent")
assert "work and sent are not on one mount" in refused(ConfigurationError, place.spool)
""",
    )


def test_a_mount_that_comes_over_an_outbox_in_use_is_never_taken_for_it(tmp_path: Path) -> None:
    _in_a_namespace(
        tmp_path,
        """
outbox = place.folder_outbox()
mount("-t", "tmpfs", "none", place.outbox)
(place.outbox / "a.csv").touch()
said = refused(TemporaryFailure, lambda: list(outbox.look()))
assert "cannot serve as outbox" in said and "EXDEV" in said, said
refused(TemporaryFailure, lambda: outbox.claim(observe(place.outbox / "a.csv"), new_id()))
subprocess.run(["umount", place.outbox], check=True)
place.drop("b.csv")
assert [one.name for one in outbox.look()] == ["b.csv"]
""",
    )


def test_a_share_that_goes_and_comes_back_is_used_again_and_its_bare_mount_point_never(tmp_path: Path) -> None:
    _in_a_namespace(
        tmp_path,
        """
share = root / "share"
share.mkdir()
mount("-t", "tmpfs", "none", share)
outbox = RemoteOutbox(
    "share", share, root, convention=Convention(), protocol=Protocol.RENAME, clock=place.clock
)
assert list(outbox.look()) == []
subprocess.run(["umount", share], check=True)
(share / "a.csv").touch()
assert "nothing is mounted there now" in refused(TemporaryFailure, lambda: list(outbox.look()))
mount("-t", "tmpfs", "none", share)
(share / "b.csv").write_bytes(b"content")
try:
    list(outbox.look())
except TemporaryFailure as once:
    assert "another folder" in str(once)  # said once, if the kernel gave it another number
(seen,) = outbox.look()
submission = new_id()
assert outbox.claim(seen, submission)
outbox.fetch(Claimed(submission=submission, outbox="share", file_name="b.csv", has_content=False, has_sealed=False), 9)
assert (root / "work" / "share" / submission / "dropped" / "b.csv").read_bytes() == b"content"
""",
    )


def test_a_read_only_file_system_is_a_temporary_failure_of_the_outbox_and_loses_nothing(tmp_path: Path) -> None:
    _in_a_namespace(
        tmp_path,
        """
mount("-t", "tmpfs", "none", root)
place = Place(root)
outbox = place.folder_outbox()
path = place.drop("a.csv")
mount("-o", "remount,ro", root)
assert "EROFS" in refused(TemporaryFailure, lambda: outbox.claim(observe(path), new_id()))
assert path.exists()
""",
    )


def test_a_full_file_system_leaves_no_half_made_copy_and_the_spool_says_that_there_is_no_room(tmp_path: Path) -> None:
    _in_a_namespace(
        tmp_path,
        """
from sealdrop.core.errors import NoSpace
mount("-t", "tmpfs", "-o", "size=1m,nr_inodes=64", "none", root)
place = Place(root)
submission = place.claimed("a.csv", b"x" * 600_000)
spool = place.spool()
(claimed,) = spool.claimed()
assert "ENOSPC" in refused(NoSpace, lambda: spool.snapshot(claimed, 1 << 20))
assert [path.name for path in (place.work / submission).iterdir()] == ["dropped"]
assert 0 < spool.free_bytes() < 500_000
outbox = place.folder_outbox()
try:
    for made in range(100):
        (root / str(made)).touch()
except OSError:
    pass
assert spool.free_bytes() == 0, "no inode is left, so no byte can be written"
path = place.outbox / "1"
(root / "1").rename(path)
assert "ENOSPC" in refused(NoSpace, lambda: outbox.claim(observe(path), new_id()))
assert path.exists()
""",
    )
