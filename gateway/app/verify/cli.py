"""The verbs of `verify`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.app import process
from gateway.app.verify.verdicts import report

verify = typer.Typer(no_args_is_help=True, help="Check evidence offline; exit 0 only if every step held.")

Configs = Annotated[Path, typer.Option(help="folder with the security servers' YAML files")]
Server = Annotated[str, typer.Option(help="security server whose log is meant, e.g. VN/GOV/G22/ss1")]
Conf = Annotated[
    Path, typer.Option(help="verification directory: what /verificationconf gives, the ZIP file or unpacked")
]
Believed = Annotated[Path, typer.Option("--policy", help="whom to believe: log and witnesses (C2SP tlog-policy)")]
MaxAge = Annotated[float | None, typer.Option(help="hours: enough witnesses must have cosigned within them")]
AsJson = Annotated[bool, typer.Option("--json", help="say it in JSON")]


@verify.command()
def container(
    files: Annotated[list[Path], typer.Argument(help=".asice files")], conf: Conf, json: AsJson = False
) -> None:
    """Check signed containers: layout, time-stamp, signer, hash chain, certificate and OCSP at the time of the stamp."""
    from gateway.app.verify.containers import verify_containers

    sys.exit(report(verify_containers(files, conf), as_json=json))


@verify.command("archive")
def verify_archive(
    paths: Annotated[list[Path], typer.Argument(help="archives, or folders of archives")],
    conf: Conf,
    identity: Annotated[
        Path | None, typer.Option(help="age identity file that opens archives encrypted to its owner (.zip.age)")
    ] = None,
    from_any: Annotated[bool, typer.Option(help="the oldest archive given need not be the first of its group")] = False,
    json: AsJson = False,
) -> None:
    """Check a chain of archives of the message log, and every container in them: nothing altered, removed or added."""
    from gateway.app.verify.containers import verify_archives

    sys.exit(report(verify_archives(paths, conf, identity, from_any=from_any), as_json=json))


@verify.command()
def timestamp(
    token: Annotated[Path, typer.Argument(help="time-stamp token, DER")],
    data: Annotated[Path, typer.Option(help="what it is over: a file, or a signature XML whose value is meant")],
    conf: Conf,
    json: AsJson = False,
) -> None:
    """Check a time-stamp: by an approved authority, over these data."""
    from gateway.app.verify.containers import verify_timestamp_file

    sys.exit(report(verify_timestamp_file(token, data, conf), as_json=json))


@verify.command()
def message(
    message_id: Annotated[str, typer.Argument(help="X-Road-Id")],
    server: Server,
    configs: Configs = Path("config/servers"),
    conf: Annotated[
        Path | None, typer.Option(help="judge by this verification directory, not by what the log keeps")
    ] = None,
    json: AsJson = False,
) -> None:
    """Check the records of a message from one server's log: signature, chain, OCSP, hash chain, request hash, time-stamp."""
    from gateway.app.verify.messages import verify_message_of

    sys.exit(report(process.run(verify_message_of(configs, server, message_id, conf)), as_json=json))


@verify.command()
def checkpoint(
    files: Annotated[list[Path], typer.Argument(help="checkpoint files")],
    policy: Believed,
    max_age: MaxAge = None,
    json: AsJson = False,
) -> None:
    """Check checkpoints of a transparency log: form, signature of the log, enough witnesses, not too old."""
    from gateway.app.listeners import clock
    from gateway.app.verify.logs import verify_checkpoint_files

    sys.exit(report(verify_checkpoint_files(files, policy, clock(), max_age), as_json=json))


@verify.command()
def receipt(
    file: Annotated[Path, typer.Argument(help=".tlog-proof file")],
    policy: Believed,
    leaf_hash: Annotated[str | None, typer.Option(help="leaf hash of the entry, hex or base64")] = None,
    entry: Annotated[Path | None, typer.Option(help="file with the entry itself, instead of its hash")] = None,
    max_age: MaxAge = None,
    json: AsJson = False,
) -> None:
    """Check that an entry stands in a transparency log: checkpoint, witnesses, inclusion."""
    from gateway.app.listeners import clock
    from gateway.app.verify.logs import verify_receipt_file

    sys.exit(report(verify_receipt_file(file, policy, leaf_hash, entry, clock(), max_age), as_json=json))


@verify.command()
def bundle(
    file: Annotated[Path, typer.Argument(help="what the citizens' portal gives as 'Download the ledger'")],
    policy: Annotated[
        Path | None, typer.Option(help="whom to believe (C2SP tlog-policy); without it, the policy in the bundle")
    ] = None,
    json: AsJson = False,
) -> None:
    """Check a citizen's bundle offline: every record with its leaf, receipt, log, witnesses, and one history."""
    from gateway.app.verify.bundles import verify_bundle_file

    sys.exit(report(verify_bundle_file(file, policy), as_json=json))


@verify.command()
def promise(
    files: Annotated[list[Path], typer.Argument(help="proof files of a promise keeper (broken-….json)")],
    conf: Conf,
    policy: Believed,
    max_delay: Annotated[float, typer.Option(help="hours that a promised record may take into the log")] = 24.0,
    log: Annotated[
        str | None, typer.Option(help="folder or URL of the log's public files, for trees too large for the proof file")
    ] = None,
    json: AsJson = False,
) -> None:
    """Check the proof of a broken promise: who promised which record when, and that the log does not have it long after."""
    from gateway.app.verify.promises import verify_promise_files

    sys.exit(report(process.run(verify_promise_files(files, conf, policy, max_delay, log)), as_json=json))


@verify.command()
def log(
    source: Annotated[str, typer.Argument(help="folder with checkpoint and tile/, or its URL")],
    policy: Believed,
    older: Annotated[
        list[Path] | None, typer.Option(help="checkpoints or receipts kept from before: the log must continue them")
    ] = None,
    max_age: MaxAge = None,
    json: AsJson = False,
) -> None:
    """Check a whole transparency log from its public files alone: every entry, every tile, the checkpoint, older ones."""
    from gateway.app.listeners import clock
    from gateway.app.verify.logs import verify_log

    sys.exit(report(process.run(verify_log(source, policy, older or [], clock(), max_age)), as_json=json))
