"""The command `completion`: what makes a shell complete this command line. It needs no desk."""

from __future__ import annotations

import argparse

from signalbox_cli.commands import add_command

SHELLS = ("bash", "zsh", "tcsh")


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    completion = add_command(
        commands,
        "completion",
        "print what makes a shell complete commands, options and their words",
        """
        It is of the version that prints it: once more after an update.

        Examples:
          signalbox completion bash > ~/.local/share/bash-completion/completions/signalbox
          signalbox completion zsh > ~/.zfunc/_signalbox      with ~/.zfunc in fpath, before compinit
          eval "$(signalbox completion bash)"                 in this shell alone
        """,
    )
    completion.add_argument("shell", choices=SHELLS, help="which shell")
    completion.set_defaults(run=_completion)


def _completion(arguments: argparse.Namespace) -> int:
    import shtab

    from signalbox_cli.__main__ import build_parser

    print(shtab.complete(build_parser(), shell=arguments.shell))
    return 0
