"""One file is split in three, each is worked on by itself, and the three results are put together."""

from pathlib import Path

from lamin_prefect import flow, task


@task
def split(source: Path) -> list[Path]:
    parts = []
    for number, line in enumerate(source.read_text().splitlines(), start=1):
        part = Path(f"part_{number}.txt")
        part.write_text(line + "\n")
        parts.append(part)
    return parts


@task
def work(part: Path) -> Path:
    target = Path(part.name.replace("part", "done"))
    target.write_text(part.read_text() + "done\n")
    return target


@task
def gather(done: list[Path]) -> Path:
    target = Path("all.txt")
    target.write_text("".join(path.read_text() for path in done))
    return target


@flow
def fan_out(source: Path) -> Path:
    return gather(work.map(split(source)).result())


if __name__ == "__main__":
    fan_out(Path("input.txt"))
