"""A real S3-compatible server on loopback, with an empty bucket."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from flows import object_store

VARIABLES = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    # The client must not look for a cloud machine's own credentials.
    "AWS_EC2_METADATA_DISABLED": "true",
}
BUCKET = "alvh"


@contextmanager
def s3_bucket() -> Iterator[str]:
    """Give the address of an empty bucket; the environment names its server inside the block."""
    from moto.server import ThreadedMotoServer
    from pyarrow.fs import S3FileSystem

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    before = {name: os.environ.get(name) for name in (*VARIABLES, "AWS_ENDPOINT_URL")}
    os.environ.update(VARIABLES | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"})
    object_store._s3.cache_clear()
    try:
        maker = S3FileSystem(
            region="us-east-1", endpoint_override=f"127.0.0.1:{port}", scheme="http", allow_bucket_creation=True
        )
        maker.create_dir(BUCKET)
        yield f"s3://{BUCKET}"
    finally:
        server.stop()
        object_store._s3.cache_clear()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
