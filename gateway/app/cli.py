"""The command line: one verb a role, and what administrators and auditors call."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from gateway.app import process
from gateway.app.inquiries import inquiries
from gateway.app.keyring.cli import keys
from gateway.app.verify.cli import verify
from gateway.core.errors import GatewayError, SettingsError
from gateway.storage.failures import SURELY_DATABASE

cli = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
cli.add_typer(verify, name="verify")
cli.add_typer(keys, name="keys")
cli.add_typer(inquiries, name="inquiries")
sealing = typer.Typer(no_args_is_help=True, help="Keys under which a message log is sealed: rotate and destroy them.")
cli.add_typer(sealing, name="sealing")
documents = typer.Typer(no_args_is_help=True, help="Signed business documents that came through a security server.")
cli.add_typer(documents, name="documents")
findings = typer.Typer(no_args_is_help=True, help="What was found in the content of messages: documents and returns.")
cli.add_typer(findings, name="findings")
returns = typer.Typer(no_args_is_help=True, help="Dossiers that were sent back through a security server, and why.")
cli.add_typer(returns, name="returns")

Config = Annotated[Path, typer.Option("--config", help="YAML file of this role")]
Configs = Annotated[Path, typer.Option(help="folder with the security servers' YAML files")]
Server = Annotated[str, typer.Option(help="security server whose log is meant, e.g. VN/GOV/G22/ss1")]
Month = Annotated[datetime, typer.Option(formats=["%Y-%m"], help="month in Vietnam's time, e.g. 2026-11")]
AsCsv = Annotated[bool, typer.Option("--csv", help="as comma-separated values")]
AsJson = Annotated[bool, typer.Option("--json", help="as JSON")]
Supervised = Annotated[bool, typer.Option(help="also stop when standard input ends")]


@cli.command()
def demo(config: Config = Path("config/demo.yaml")) -> None:
    """A whole small country on loopback: keys, database, trust, registry, adapters, security servers."""
    from gateway.app.instance import run_demo

    process.run(run_demo(config))


@cli.command()
def server(config: Config, supervised: Supervised = False) -> None:
    """One security server."""
    from gateway.app.build import security_server

    process.run(process.serve(security_server(config), supervised=supervised))


@cli.command()
def registry(config: Config = Path("config/registry/vn.yaml"), supervised: Supervised = False) -> None:
    """Publish the global configuration of an instance."""
    from gateway.app.roles import registry_role

    process.run(process.serve(registry_role(config), supervised=supervised))


@cli.command()
def trust(config: Config = Path("config/trust.yaml"), supervised: Supervised = False) -> None:
    """OCSP responder of a development or closed-network certification authority."""
    from gateway.app.roles import trust_role

    process.run(process.serve(trust_role(config), supervised=supervised))


@cli.command()
def transparency(config: Config = Path("config/transparency.yaml"), supervised: Supervised = False) -> None:
    """The transparency log: takes leaves in, publishes tiles and checkpoints."""
    from gateway.app.transparency import transparency_role

    process.run(process.serve(transparency_role(config), supervised=supervised))


@cli.command()
def witness(config: Config, supervised: Supervised = False) -> None:
    """A witness that cosigns checkpoints of transparency logs."""
    from gateway.app.witness import witness_role

    process.run(process.serve(witness_role(config), supervised=supervised))


@cli.command()
def citizen(config: Config = Path("config/citizen.yaml"), supervised: Supervised = False) -> None:
    """The citizens' portal: who asked for data about me, and the check of it."""
    from gateway.app.citizen import citizen_role

    process.run(process.serve(citizen_role(config), supervised=supervised))


@cli.command()
def fsck(config: Config = Path("config/transparency.yaml")) -> None:
    """Check the whole log: entries, tiles, checkpoint and database against each other. Exit 0 only if all is well."""
    from gateway.app.transparency import fsck_of

    reports = process.run(fsck_of(config))
    for report in reports:
        published = "nothing" if report.published is None else report.published
        typer.echo(f"{report.origin}: {report.size} entries, {published} published, {report.waiting} waiting")
        for problem in report.problems:
            typer.echo(f"  {problem}")
    if any(report.problems for report in reports):
        raise typer.Exit(1)
    typer.echo("every entry, tile and checkpoint is as it should be")


@cli.command()
def revoke(certificate: Path, config: Config = Path("config/trust.yaml"), reason: str = "unspecified") -> None:
    """Revoke a certificate of that authority; its OCSP responder says so from its next answer on."""
    from gateway.app.roles import revoke_certificate

    typer.echo(revoke_certificate(config, certificate, reason))


@cli.command()
def issue(
    request: Annotated[Path, typer.Argument(help="certificate request, PEM or DER")],
    use: Annotated[Literal["sign", "auth", "tsa", "ocsp"], typer.Option("--for", help="what the certificate is for")],
    config: Config = Path("config/trust.yaml"),
    years: Annotated[float, typer.Option(min=0.01, max=30)] = 2,
    out: Annotated[Path | None, typer.Option(help="new file for the certificate; default: beside the request")] = None,
) -> None:
    """Answer a certificate request as that authority. Key and subject are taken from the request, nothing else."""
    from gateway.app.roles import issue_certificate
    from gateway.trust.authority import Use

    typer.echo(issue_certificate(config, request, Use(use), years, out or request.with_suffix(".pem")))


@cli.command()
def check(
    paths: Annotated[list[Path] | None, typer.Argument(help="files or folders; default: config/")] = None,
) -> None:
    """Every problem of the configuration at once, as file:line:column: path: what is wrong."""
    from gateway.settings.check import check as problems_of

    problems = problems_of(paths or [Path("config")])
    for problem in problems:
        typer.echo(problem)
    if problems:
        raise typer.Exit(1)
    typer.echo("configuration is good")


@cli.command()
def export(
    message_id: Annotated[str, typer.Argument(help="X-Road-Id")],
    server: Server,
    request: Annotated[bool, typer.Option("--request", help="requests only")] = False,
    response: Annotated[bool, typer.Option("--response", help="responses only")] = False,
    to: Annotated[Path, typer.Option(help="folder for the containers")] = Path(),
    configs: Configs = Path("config/servers"),
) -> None:
    """Write the signed, time-stamped containers (ASiC-E) of a message, bodies as attachments, into a folder."""
    from gateway.app.evidence import export_messages

    kind: Literal["request", "response"] | None = None if request == response else "request" if request else "response"
    sys.exit(process.run(export_messages(configs, server, message_id, kind, to)))


@cli.command()
def archive(
    server: Server,
    preview: Annotated[bool, typer.Option("--preview", help="only say what would be archived and removed")] = False,
    listing: Annotated[bool, typer.Option("--list", help="only say what was archived before, with digests")] = False,
    configs: Configs = Path("config/servers"),
) -> None:
    """Archive time-stamped records, and remove from the database those whose time is up (evidence.archive in its settings)."""
    from gateway.app.evidence import archive_log

    sys.exit(process.run(archive_log(configs, server, preview=preview, listing=listing)))


@sealing.command("list")
def list_data_keys(server: Server, configs: Configs = Path("config/servers")) -> None:
    """Data keys in use: day, member, the key-encryption key around them, how many records they seal."""
    from gateway.app.sealing import list_keys

    sys.exit(process.run(list_keys(configs, server)))


@sealing.command()
def rewrap(server: Server, configs: Configs = Path("config/servers")) -> None:
    """Wrap all data keys under the first key-encryption key of evidence.seal_with; servers may run."""
    from gateway.app.sealing import rewrap_keys

    sys.exit(process.run(rewrap_keys(configs, server)))


@sealing.command()
def destroy(
    server: Server,
    reason: Annotated[str, typer.Option(help="why; it stays in the log for ever")],
    rule: Annotated[
        str | None, typer.Option(help="the rule by which, as every citizen will read it; name nobody")
    ] = None,
    member: Annotated[str | None, typer.Option(help="only of this member, e.g. VN/GOV/G22")] = None,
    first: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="from this day on (UTC)")] = None,
    last: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="to this day (UTC)")] = None,
    wrapped_by: Annotated[str | None, typer.Option(help="only under this key-encryption key, e.g. a lost one")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    configs: Configs = Path("config/servers"),
) -> None:
    """Shred message parts and bodies: destroy the data keys of these days and members. Signatures and digests stay."""
    from gateway.app.sealing import destroy_keys
    from gateway.messagelog.keyadmin import Selection

    days = (None if first is None else first.date(), None if last is None else last.date())
    selection = Selection(member, *days, wrapped_by)
    sys.exit(process.run(destroy_keys(configs, server, selection, reason, rule, sure=yes)))


@documents.command("report")
def report_documents(
    server: Server, month: Month, csv: AsCsv = False, json: AsJson = False, configs: Configs = Path("config/servers")
) -> None:
    """Facilities by how they signed in a month: how many do not sign, or sign wrongly, and why."""
    from gateway.app.contentreports import documents_report

    typer.echo(process.run(documents_report(configs, server, month, _form(csv, json))), nl=False)


@returns.command("report")
def report_returns(
    server: Server, month: Month, csv: AsCsv = False, json: AsJson = False, configs: Configs = Path("config/servers")
) -> None:
    """Returns by agency in a month: refused for their reason, and papers demanded against the law (Decree 63/2024)."""
    from gateway.app.contentreports import returns_report

    typer.echo(process.run(returns_report(configs, server, month, _form(csv, json))), nl=False)


@findings.command("sum-up")
def sum_up(
    server: Server,
    preview: Annotated[bool, typer.Option(help="only say what would be done")] = False,
    configs: Configs = Path("config/servers"),
) -> None:
    """Keep findings of months that are long over as sums, no longer for each message (evidence.findings in its settings)."""
    from gateway.app.evidence import sum_up_findings

    sys.exit(process.run(sum_up_findings(configs, server, preview=preview)))


def _form(as_csv: bool, as_json: bool) -> Literal["table", "csv", "json"]:
    if as_csv and as_json:
        raise typer.BadParameter("--csv and --json exclude each other")
    return "csv" if as_csv else "json" if as_json else "table"


def main() -> None:
    try:
        cli()
    except SettingsError as e:
        for problem in e.problems:
            print(problem, file=sys.stderr)
        sys.exit(2)
    except GatewayError as e:
        print(e, file=sys.stderr)
        sys.exit(1)
    except SURELY_DATABASE as e:  # lost in the middle of a start, or of a command; its text can hold values
        print(f"the database was lost ({type(e).__name__}): is it running? start again when it is", file=sys.stderr)
        sys.exit(1)
