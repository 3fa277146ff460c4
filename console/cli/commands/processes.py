"""`worker`, `flower`, `sandbox`, `demo`: run processes; `health`: checks them."""

from __future__ import annotations

import os
import signal
from typing import Annotated, NoReturn

import typer

from console.cli.language import tr
from console.cli.shell import cli, talk
from provisioning.config.settings import Settings
from provisioning.embedded.own_process import own_module
from provisioning.embedded.workplace import workplace


@cli.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, add_help_option=False
)
def worker(context: typer.Context) -> None:
    """
    Run a worker.

    Example: provision worker
    """
    Settings.from_env(os.environ)
    # Blocked during the exec, which removes handlers: the worker unblocks it once it has its own, and then
    # stops. As PID 1 of a container it would otherwise ignore the signal.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    _become("worker", *context.args)


@cli.command()
def flower(
    host: Annotated[str, typer.Option("--host", metavar="HOST", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", metavar="PORT", min=0, max=65535, help="Port; 0 for any free port.")
    ] = 5555,
    control: Annotated[
        bool, typer.Option("--control", help="Allow users of Flower to shut down workers.")
    ] = False,
) -> None:
    """
    Show workers and problem jobs in a browser, with Flower.

    Example: provision flower --port 5555
    """
    # Flower and Tornado take a quarter of a second to import, which no other command should spend.
    from console.cli.flower import USER, run_flower

    with workplace() as place:

        def ready(url: str, password: str) -> None:
            what = tr("Flower (control) at {url}" if control else "Flower (read-only) at {url}", url=url)
            talk.print(what, soft_wrap=True, highlight=False)
            if password:
                talk.print(
                    tr("user {user}, password {password}", user=USER, password=password),
                    soft_wrap=True,
                    highlight=False,
                )
            if place.embedded:
                talk.print(
                    tr(
                        "it shows what runs on the embedded Valkey of {home}: provision apply",
                        home=place.settings.home,
                    ),
                    soft_wrap=True,
                    highlight=False,
                )

        run_flower(place.settings, host, port, control=control, on_ready=ready)
    # Its data is saved; its threads may wait without end for a lost broker, and this process for them.
    os._exit(0)


@cli.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, add_help_option=False
)
def sandbox(context: typer.Context) -> None:
    """
    Run a local simulation of the API, with faults on demand.

    Example: provision sandbox --scenario rough
    """
    _become("sandbox", *context.args)


@cli.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, add_help_option=False
)
def health(context: typer.Context) -> None:
    """
    Check the health of the workers on this host; exit code 0 if healthy, else 1.

    Example: provision health --live
    """
    # For the help text, and for an installation whose entry point is not `console.__main__`.
    from provisioning.health.probe import main

    raise typer.Exit(main(context.args))


@cli.command()
def demo(
    rate: Annotated[
        str, typer.Option("--rate", metavar="RATE", help="Pace, such as 60/s or unlimited.")
    ] = "60/s",
) -> None:
    """
    Run a demonstration: sandbox with faults, worker, 300 rows.

    Example: provision demo
    """
    from console.cli.demo import run_demo

    raise typer.Exit(run_demo(rate))


def _become(module: str, *arguments: str) -> NoReturn:
    command = own_module(module, *arguments)
    os.execv(command[0], command)  # noqa: S606 - no shell, and the command is ours
