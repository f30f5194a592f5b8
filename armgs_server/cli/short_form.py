# SPDX-License-Identifier: Apache-2.0
"""A group of commands one of which is meant where no name of a command is said."""

from __future__ import annotations

import click


class ShortForm(click.Group):
    """Whatever is no command's name is the first argument of the command `default`."""

    default = ""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [self.default, *args]
        return super().parse_args(ctx, args)
