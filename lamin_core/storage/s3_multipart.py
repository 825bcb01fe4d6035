"""Multipart uploads to S3 that resume after a killed upload.

The store keeps the parts of an unfinished upload, by key. Whoever uploads the same content to the
same key, this process or another, finds them there, checks each by its MD5 (which is its entity
tag), and sends the missing ones. The object shows when all parts are put together, not before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lamin_core.runtime.parallel import at_once
from lamin_core.runtime.progress import Watch

PART = 16 << 20
"""Bytes; a store takes at most 10,000 parts, so that larger files have larger ones."""
_MOST_PARTS = 10_000
_AT_ONCE = 4


def upload_parts(fs: Any, source: Path, path: str, watch: Watch | None) -> None:
    """Bring a file to this path in an `s3fs` file system."""
    bucket, key, _ = fs.split_path(path)
    where = {"Bucket": bucket, "Key": key}
    size = source.stat().st_size
    length = max(PART, -(-size // _MOST_PARTS))
    upload = (
        _unfinished(fs, bucket, key) or fs.call_s3("create_multipart_upload", **where)["UploadId"]
    )
    etags = {part["PartNumber"]: part["ETag"] for part in _parts(fs, where, upload)}

    def send(number: int) -> dict[str, Any]:
        with source.open("rb") as file:
            file.seek((number - 1) * length)
            piece = file.read(length)
        tag = etags.get(number)
        if tag is None or tag.strip('"') != hashlib.md5(piece, usedforsecurity=False).hexdigest():
            tag = fs.call_s3(
                "upload_part", **where, UploadId=upload, PartNumber=number, Body=piece
            )["ETag"]
        if watch is not None:
            watch(len(piece))
        return {"PartNumber": number, "ETag": tag}

    parts = at_once(send, range(1, -(-size // length) + 1), _AT_ONCE)
    try:
        fs.call_s3(
            "complete_multipart_upload", **where, UploadId=upload, MultipartUpload={"Parts": parts}
        )
    except (
        FileNotFoundError
    ):  # no such upload: whoever sent the same content at the same time has ended it
        if not fs.exists(path):
            raise


@dataclass(frozen=True, slots=True)
class Upload:
    """An unfinished upload: its target, its id in the store, its bytes so far, and its last part."""

    path: str
    name: str
    size: int
    written: float


def unfinished(fs: Any, path: str) -> Iterator[Upload]:
    """Every upload to somewhere below this path that was not ended; a store keeps them, and its owner pays for them."""
    bucket, key, _ = fs.split_path(path)
    for upload in _begun(fs, bucket, f"{key}/"):
        where = {"Bucket": bucket, "Key": upload["Key"]}
        try:
            parts = list(_parts(fs, where, upload["UploadId"]))
        except FileNotFoundError:  # it was ended just now
            continue
        last = max((part["LastModified"] for part in parts), default=upload["Initiated"])
        size = sum(part["Size"] for part in parts)
        yield Upload(f"{bucket}/{upload['Key']}", upload["UploadId"], size, last.timestamp())


def give_up(fs: Any, path: str, name: str) -> None:
    """Let the store forget the parts of this upload."""
    bucket, key, _ = fs.split_path(path)
    fs.call_s3("abort_multipart_upload", Bucket=bucket, Key=key, UploadId=name)


def _unfinished(fs: Any, bucket: str, key: str) -> str | None:
    """The newest upload to this key that was begun and not ended."""
    same = [upload for upload in _begun(fs, bucket, key) if upload["Key"] == key]
    return max(same, key=lambda upload: str(upload["Initiated"]))["UploadId"] if same else None


def _begun(fs: Any, bucket: str, prefix: str) -> list[dict[str, Any]]:
    try:
        listed = (
            fs.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=prefix).get("Uploads") or []
        )
    except PermissionError:  # without the permission to list uploads, the upload starts again
        return []
    return [
        upload for upload in listed if upload["Key"].startswith(prefix)
    ]  # not every store looks at the prefix


def _parts(fs: Any, where: dict[str, str], upload: str) -> Iterator[dict[str, Any]]:
    marker = 0
    while True:
        page = fs.call_s3("list_parts", **where, UploadId=upload, PartNumberMarker=marker)
        yield from page.get("Parts") or []
        if not page.get("IsTruncated"):
            return
        marker = page["NextPartNumberMarker"]
