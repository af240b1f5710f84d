"""`handgrad check-gradients`: every derivative of the engine against differences, before your eyes."""

import math

import typer

from handgrad.cli import screen


def check_gradients() -> None:
    """Check every hand-written derivative against central differences in float64."""
    from rich.text import Text

    from handgrad.engine.gradcheck import checks

    console = screen.results()
    console.print(f"{'kind':10}  {'function':35}  {'worst relative error':>20}", style=screen.QUIET)
    done, kind = [], ""
    for check in checks():
        shown = "" if check.kind == kind else check.kind
        kind = check.kind
        verdict = ("ok", screen.GOOD) if check.ok else ("wrong", screen.BAD)
        console.print(
            Text.assemble((f"{shown:10}", screen.QUIET), f"  {check.name:35}  {check.error:>20.1e}  ", verdict)
        )
        done.append(check)
    wrong = [check for check in done if not check.ok]
    worst = max(done, key=lambda check: math.inf if math.isnan(check.error) else check.error)
    console.print()
    rows = {
        "gradients": f"{len(done)}, {'all right' if not wrong else f'{len(wrong)} of them wrong'}",
        "worst": f"{worst.error:.1e} in {worst.kind} {worst.name}; {worst.bound:.0e} passes",
    }
    screen.put(console, screen.facts(rows))
    for check in wrong:
        screen.complain(f"{check}; relative error {check.error:.1e}, at most {check.bound:.0e} passes")
    if wrong:
        raise typer.Exit(1)
