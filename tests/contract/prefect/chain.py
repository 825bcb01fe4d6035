"""input.txt -> a.txt -> b.txt -> c.txt."""

from pathlib import Path

from lamin_prefect import flow, task


@task
def first(source: Path) -> Path:
    target = Path("a.txt")
    target.write_text(source.read_text().upper() + "first\n")
    return target


@task
def second(source: Path) -> Path:
    target = Path("b.txt")
    target.write_text(source.read_text() + "second\n")
    return target


@task
def third(source: Path) -> Path:
    target = Path("c.txt")
    target.write_text(source.read_text() + "third\n")
    return target


@flow
def chain(source: Path) -> Path:
    return third(second(first(source)))


if __name__ == "__main__":
    chain(Path("input.txt"))
