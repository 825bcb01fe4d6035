"""A step with parameters."""

from pathlib import Path

from lamin_prefect import flow, task


@task
def tell(alpha: int, label: str) -> Path:
    target = Path("told.txt")
    target.write_text(f"{alpha} {label}\n")
    return target


@flow
def params(alpha: int = 3, label: str = "x y") -> Path:
    return tell(alpha, label)


if __name__ == "__main__":
    params()
