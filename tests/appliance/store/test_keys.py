from pathlib import Path

import pytest

from appliance.errors import StorageError
from appliance.store.keys import load_keys


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    first = load_keys(tmp_path).derive("database")
    file = tmp_path / "keys" / "master.key"
    assert file.stat().st_mode & 0o077 == 0
    assert load_keys(tmp_path).derive("database") == first
    assert load_keys(tmp_path).derive("files") != first


def test_a_credential_of_systemd_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "yu-master-key").write_bytes(bytes(32))
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    load_keys(tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_store_without_its_key_is_not_given_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "yu.db").write_bytes(b"sealed")
    with pytest.raises(StorageError, match="key of this store is gone"):
        load_keys(tmp_path)
    assert not (tmp_path / "keys" / "master.key").exists()


def test_a_key_of_the_wrong_length_is_refused(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "master.key").write_bytes(b"short")
    with pytest.raises(StorageError, match="32 bytes"):
        load_keys(tmp_path)
