"""The command that prints a shell's completion script."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from lamin_core.cli import output
from lamin_core.cli.epilog import examples
from lamin_core.cli.errors import Word

VARIABLE = "_LAMIN_COMPLETE"


@click.command(
    epilog=examples(
        'eval "$(lamin completion bash)"',
        'eval "$(lamin completion zsh)"',
        "lamin completion fish > ~/.config/fish/completions/lamin.fish",
    )
)
@click.argument("shell", type=Word(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script for command completion in a shell.

    It completes names of commands, options and values, such as keys.

    bash: eval "$(lamin completion bash)" in ~/.bashrc; zsh: the same with zsh in ~/.zshrc; fish:
    lamin completion fish > ~/.config/fish/completions/lamin.fish
    """
    completion_class = get_completion_class(shell)
    assert completion_class is not None, "click knows these three"
    script = completion_class(ctx.find_root().command, {}, "lamin", VARIABLE).source()
    output.echo(script.replace(*_QUOTED) if shell == "bash" else script)


_QUOTED = "COMPREPLY+=($value)", 'COMPREPLY+=("$(printf %q "$value")")'
"""A key with a space in it is one word in bash, too."""
