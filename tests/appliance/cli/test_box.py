"""A box behind TLS: its own command knows it by its very certificate, with no authority and no matching name."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return self_signed(tmp_path, "box")


def test_the_command_talks_to_its_own_box_over_tls(yu, start, tmp_path, certificate, password) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    (data / "yu.toml").write_text(f'[tls]\ncertificate = "{certificate}"\nkey = "{certificate.with_suffix(".key")}"\n')
    box = start()
    assert "Yu is ready: https://" in box.read_until("Ctrl-C stops the box")
    assert yu("ask", "What is 2 + 3?", "--data", data).stdout == "2 + 3 = 5.\n"
    other = self_signed(tmp_path, "other")
    (data / "yu.toml").write_text(f'[tls]\ncertificate = "{other}"\nkey = "{other.with_suffix(".key")}"\n')
    refused = yu("ask", "What is 2 + 3?", "--data", data)
    assert refused.returncode == 1
    assert "another certificate" in refused.stderr


def self_signed(folder: Path, name: str) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        subject, subject, key.public_key(), x509.random_serial_number(), now, now + timedelta(1)
    )
    file = folder / f"{name}.pem"
    file.write_bytes(builder.sign(key, SHA256()).public_bytes(Encoding.PEM))
    file.with_suffix(".key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return file
