"""The command line: `marr demo`, `marr report`, `marr info`.

Each verb imports what it needs when it runs, so that `marr --help` is instant. Results go
to stdout, progress and errors to stderr. Exit codes: 0 done, 1 a check failed or a
difference was found, 2 bad usage or bad input.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from marr import __version__
from marr.errors import FileError, MarrError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marr.report import Report

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; default: those of the process.

    Returns
    -------
    int
        0 done, 2 bad input; argparse exits with 2 by itself on bad usage.
    """
    options = _parser().parse_args(argv)
    try:
        return int(options.run(options))
    except MarrError as error:
        print(f"marr {options.verb}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"marr {options.verb}: stopped.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="marr", description="Multilevel interpretability of brains and networks."
    )
    parser.add_argument("--version", action="version", version=f"marr {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="verb")

    demo = verbs.add_parser("demo", help="real recordings and networks, one report")
    demo.add_argument("--out", default="marr-demo.html", metavar="PAGE", type=Path,
                      help="where to write the report (default: %(default)s)")  # fmt: skip
    demo.add_argument("--train", action="store_true",
                      help="train the networks anew instead of loading their weights")  # fmt: skip
    demo.add_argument("--no-open", action="store_true", help="do not open the report")
    demo.add_argument("--quiet", action="store_true", help="show no progress")
    demo.set_defaults(run=_demo)

    report = verbs.add_parser("report", help="make a page from saved findings")
    report.add_argument("files", nargs="+", metavar="JSON", type=Path,
                        help="a report, a finding or a list of findings, as JSON")  # fmt: skip
    report.add_argument("-o", "--out", required=True, metavar="PAGE", type=Path,
                        help="the page to write (.json writes data)")  # fmt: skip
    report.add_argument("--title", help="title of the page")
    report.add_argument("--allow-large", action="store_true",
                        help="write also pages over 50 MB")  # fmt: skip
    report.set_defaults(run=_report)

    info = verbs.add_parser("info", help="versions, for a bug report")
    info.set_defaults(run=_info)
    return parser


def _demo(options: argparse.Namespace) -> int:
    _check_folder(options.out)
    from marr import demo

    page = Path(demo.run(options.out, train=options.train, progress=not options.quiet))
    print(page)
    if not options.no_open:
        _open(page)
    return 0


def _check_folder(path: Path) -> None:
    """Fail before the work, not after it, where the result could not be written."""
    folder = path.resolve().parent
    taken = os.path.lexists(path) and not os.path.isfile(path)  # noqa: PTH113
    if taken or not folder.is_dir() or not os.access(folder, os.W_OK):
        msg = (
            f"--out: cannot write {str(path)!r}. Choose a file in a folder that exists."
        )
        raise FileError(msg)


def _open(page: Path) -> None:
    """Open the page where there is a screen; elsewhere the printed path must do."""
    screen = sys.platform in {"darwin", "win32"} or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    if screen and sys.stdout.isatty():
        import webbrowser

        webbrowser.open(page.resolve().as_uri())


def _report(options: argparse.Namespace) -> int:
    _check_folder(options.out)
    report = _read(options.files)
    if options.title:
        report.title = options.title
    print(report.save(options.out, allow_large=options.allow_large))
    return 0


def _read(files: Sequence[Path]) -> Report:
    """Return the report in one file, or one made of the findings in several."""
    from marr.findings import Finding
    from marr.report import Report
    from marr.report._files import read_report_text

    records = [read_report_text(file) for file in files]
    if len(records) == 1 and "marr_report" in records[0]:
        return Report.from_dict(records[0])
    report = Report("Findings")
    for file, record in zip(files, records, strict=True):
        if "marr_report" in record:
            msg = f"{str(file)!r} is a whole report; give it alone, or findings only."
            raise FileError(msg)
        found = [record] if "marr_finding" in record else record.get("findings", [])
        if not found:
            msg = (
                f"{str(file)!r} holds no finding. Write one with "
                "json.dump(finding.to_dict(), file), or a report with Report.save."
            )
            raise FileError(msg)
        try:
            report.add(*[Finding.from_dict(one) for one in found])
        except (KeyError, TypeError, AttributeError) as error:
            msg = f"{str(file)!r} holds a damaged finding: {error!r}."
            raise FileError(msg) from error
    return report


def _info(_: argparse.Namespace) -> int:
    import platform

    from marr.findings._provenance import package_versions

    rows = {
        "marr": __version__,
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        **{k: v for k, v in package_versions().items() if k != "marr-toolkit"},
    }
    width = max(map(len, rows))
    print("\n".join(f"{name:<{width}}  {value}" for name, value in rows.items()))
    return 0
