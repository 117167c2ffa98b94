"""The bus over TLS, with an authority of one's own."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from common.messaging.connection import connect, ping
from common.messaging.wire import open_wire
from common.testing.servers import nats_server
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def certificate(folder: Path) -> Path:
    """A certificate for this machine that signs itself, with its key beside it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bus")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    (folder / "ca.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return folder / "ca.pem"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[tuple[str, Path]]:
    ca = certificate(tmp_path)
    config = f'tls {{ cert_file: "{ca}", key_file: "{tmp_path / "key.pem"}" }}\n'
    async with nats_server(tmp_path, config=config) as url:
        yield url, ca


class TestTls:
    async def test_with_the_authority_the_server_is_known(self, server: tuple[str, Path]) -> None:
        url, ca = server

        connection = await connect(url, "test", ca_file=ca)
        await ping(connection)
        await connection.close()

        assert url.startswith("tls://")

    async def test_journals_travel_that_way_too(self, server: tuple[str, Path]) -> None:
        url, ca = server
        heard: asyncio.Queue[bytes] = asyncio.Queue()

        async with open_wire(url, "test", ca_file=ca) as wire:
            wire.subscribe(b"journal.x", heard.put_nowait)
            wire.publish(b"journal.x", b"1")

            assert await asyncio.wait_for(heard.get(), 5) == b"1"

    async def test_without_it_nothing_is_said_to_the_server(
        self, server: tuple[str, Path]
    ) -> None:
        url, _ = server

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await connect(url, "test")
