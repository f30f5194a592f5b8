# SPDX-License-Identifier: Apache-2.0
"""The blob engine for many hosts: objects in an S3 bucket (obstore), large ones by multipart upload.

The URL is `s3://KEY:SECRET@HOST:PORT/BUCKET[/PREFIX]`, with `?tls=0` for plain HTTP inside a closed
network and `?region=…` where the service wants one.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from mmap import ACCESS_READ, mmap
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from armgs_server.errors import Invalid, NotFound, Unusable
from armgs_server.storage.blob_files import new_place
from armgs_server.storage.migrations import INSTALLATION

# Parts of a multipart upload: S3 takes 5 MB at the least and 10,000 of them, so 80 GB.
PART = 8 * 1024 * 1024
TIMEOUT = "60s"
CONNECT_TIMEOUT = "5s"


@dataclass(frozen=True, slots=True)
class Bucket:
    """What an `s3://` URL says."""

    endpoint: str
    key: str
    secret: str
    region: str
    bucket: str
    prefix: str


def parse_bucket(url: str) -> Bucket:
    """Invalid says what is missing, never the secret."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    bucket, _, prefix = parts.path.strip("/").partition("/")
    if parts.scheme != "s3" or not parts.hostname or not bucket:
        raise Invalid("a blob store is s3://KEY:SECRET@HOST:PORT/BUCKET")
    scheme = "http" if query.get("tls") == ["0"] else "https"
    port = f":{parts.port}" if parts.port else ""
    return Bucket(
        endpoint=f"{scheme}://{parts.hostname}{port}",
        key=unquote(parts.username or ""),
        secret=unquote(parts.password or ""),
        region=query.get("region", ["us-east-1"])[0],
        bucket=bucket,
        prefix=prefix,
    )


def _what_to_do(error: Exception) -> str:
    """A sentence for what S3 said; its own words go to the log with the chained error."""
    code = re.search(r"<Code>(\w+)</Code>", str(error))
    said = code[1] if code else "no answer"
    if isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return f"S3 refuses the key or its secret ({said}). Correct KEY:SECRET, or the key's rights."
    if code is not None:
        return f"S3 refuses ({said}). Make the bucket, or correct its name; the key must be able to write."
    return "S3 cannot be reached. Start it, or correct HOST:PORT, and ?tls=0 where it speaks plain HTTP."


class Objects:
    """See the module's docstring; its methods are called in threads (BlobEngine)."""

    far = True

    def __init__(self, url: str) -> None:
        found = parse_bucket(url)
        self._store = S3Store(
            found.bucket,
            prefix=found.prefix or None,
            endpoint=found.endpoint,
            access_key_id=found.key,
            secret_access_key=found.secret,
            region=found.region,
            virtual_hosted_style_request=False,
            retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=20)},
            client_options={
                "allow_http": found.endpoint.startswith("http:"),
                "timeout": TIMEOUT,
                "connect_timeout": CONNECT_TIMEOUT,
            },
        )

        self.name = f"{found.bucket}{found.prefix and '/'}{found.prefix} at {found.endpoint}"

    def claim(self, installation: str) -> str:
        """Whose bucket it is, by its mark; ours from now on where it has none. Unusable says why not."""
        try:
            try:
                return bytes(obstore.get(self._store, INSTALLATION).bytes()).decode("ascii", "replace")
            except FileNotFoundError as error:
                if "NoSuchBucket" in str(error):
                    raise
                obstore.put(self._store, INSTALLATION, installation.encode())
                return installation
        except (BaseError, OSError) as error:
            raise Unusable(f"[store] blobs, bucket {self.name}: {_what_to_do(error)}") from error

    def keep(self, spool: Path, digest: bytes) -> str:
        """See BlobEngine.keep: S3 acknowledges what is durable."""
        place = new_place(digest)
        try:
            obstore.put(self._store, place, spool, chunk_size=PART)
        except BaseError as error:
            raise OSError(str(error)) from error
        spool.unlink()
        return place

    def read(self, place: str, start: int, end: int) -> bytes:
        """See BlobEngine.read."""
        if start == end:
            return b""
        try:
            return obstore.get_range(self._store, place, start=start, end=end).to_bytes()
        except FileNotFoundError as error:
            raise NotFound("the blob's object is missing") from error
        except BaseError as error:
            raise OSError(str(error)) from error

    def map(self, place: str) -> mmap:
        """See BlobEngine.map: by way of a nameless local file."""
        with tempfile.TemporaryFile() as file:
            try:
                for chunk in obstore.get(self._store, place):
                    file.write(chunk)
            except BaseError as error:
                raise OSError(str(error)) from error
            file.flush()
            return mmap(file.fileno(), 0, access=ACCESS_READ)

    def remove(self, place: str) -> None:
        """See BlobEngine.remove."""
        try:
            obstore.delete(self._store, place)
        except FileNotFoundError:
            return
        except BaseError as error:
            raise OSError(str(error)) from error

    def older(self, before: float) -> Iterator[str]:
        """See BlobEngine.older."""
        try:
            for batch in obstore.list(self._store):
                for entry in batch:
                    if entry["path"] != INSTALLATION and entry["last_modified"].timestamp() < before:
                        yield entry["path"]
        except BaseError as error:
            raise OSError(str(error)) from error
