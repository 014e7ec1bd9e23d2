from __future__ import annotations

import json
from pathlib import Path

import pytest

from streamhouse_connect import ConfigError, FatalError
from streamhouse_elasticsearch_sink import ElasticsearchConfig
from streamhouse_elasticsearch_sink._index_templates import apply_template, template_body, template_name


def read_body(**options: object) -> object:
    body = template_body(ElasticsearchConfig(index_name="logs-{topic}", **options), "logs-*")  # type: ignore[arg-type]
    return None if body is None else json.loads(body)


def test_settings_and_mapping_become_a_template(tmp_path: Path):
    """For the indexes that the name can make; from a file or as they are given."""
    path = tmp_path / "mapping.json"
    path.write_text('{"properties":{"n":{"type":"long"}}}')
    assert read_body(index_settings='{"number_of_shards":2}', index_mapping=str(path)) == {
        "index_patterns": ["logs-*"],
        "priority": 200,
        "template": {"settings": {"number_of_shards": 2}, "mappings": {"properties": {"n": {"type": "long"}}}},
    }


def test_the_template_of_a_data_stream():
    """It makes data streams instead of indexes."""
    body = read_body(index_mapping="{}", data_stream=True)
    assert isinstance(body, dict)
    assert body["data_stream"] == {}


def test_a_template_of_ones_own():
    """It stays as it is, with its own patterns if it has some."""
    assert read_body(index_template='{"template":{}}') == {"index_patterns": ["logs-*"], "template": {}}
    assert read_body(index_template='{"index_patterns":["x"]}') == {"index_patterns": ["x"]}


def test_nothing_to_apply():
    """By default no template is made."""
    assert read_body() is None


def test_files_that_cannot_be_read(tmp_path: Path):
    """All at once, each under its key; what is in a file is not quoted."""
    text, array = tmp_path / "text", tmp_path / "array"
    text.write_text("s3cret")
    array.write_text("[1]")

    with pytest.raises(ConfigError) as raised:
        read_body(index_settings=str(text), index_mapping=str(tmp_path / "missing"), index_template=str(array))

    found = {problem.field: problem.message for problem in raised.value.problems}
    assert "is not valid JSON" in found["index.settings"]
    assert "No such file" in found["index.mapping"]
    assert "holds no JSON object" in found["index.template"]
    assert "s3cret" not in str(raised.value)


def test_the_name_of_a_template():
    """That of the connector, in what Elasticsearch takes for a name."""
    assert template_name("My Orders,#1") == "streamhouse-my-orders--1"


class Server:
    """Answers one request after the other."""

    def __init__(self, *answers: tuple[int, bytes]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, bytes | None]] = []

    async def ask(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        self.asked.append((method, path, body))
        return self.answers.pop(0)


async def test_a_template_is_made_if_it_is_missing():
    """And left alone if it is there."""
    server = Server((404, b""), (200, b"{}"))
    assert await apply_template(server.ask, "a", b"{}")
    assert server.asked == [("GET", "/_index_template/a", None), ("PUT", "/_index_template/a", b"{}")]
    assert not await apply_template(Server((200, b"{}")).ask, "a", b"{}")


@pytest.mark.parametrize("answers", [[(403, b"no")], [(404, b""), (400, b"no")]])
async def test_a_template_that_is_refused(answers: list[tuple[int, bytes]]):
    """The words of Elasticsearch, and the remedy."""
    with pytest.raises(FatalError, match=r"index template a of .*: HTTP 40., no; .*right to manage index templates"):
        await apply_template(Server(*answers).ask, "a", b"{}")
