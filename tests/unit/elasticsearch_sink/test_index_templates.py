from __future__ import annotations

import json
from pathlib import Path

import pytest

from streamhouse_connect import ConfigError, FatalError, RetriableError
from streamhouse_elasticsearch_sink import ElasticsearchConfig
from streamhouse_elasticsearch_sink._index_templates import (
    Applied,
    apply_template,
    json_object,
    template_body,
    template_name,
)


def read_body(**options: object) -> object:
    return template_body(ElasticsearchConfig(index_name="logs-{topic}", **options), "logs-*")  # type: ignore[arg-type]


def test_settings_and_mapping_become_a_template(tmp_path: Path):
    """For the indexes that the name can make; from a file or as they are given."""
    path = tmp_path / "mapping.json"
    path.write_text('{"properties":{"n":{"type":"long"}}}')
    assert read_body(index_settings='{"number_of_shards":2}', index_mapping=str(path)) == {
        "index_patterns": ["logs-*"],
        "priority": 200,
        "allow_auto_create": True,
        "template": {"settings": {"number_of_shards": 2}, "mappings": {"properties": {"n": {"type": "long"}}}},
    }


def test_the_template_of_a_data_stream():
    """It makes data streams instead of indexes; also one of one's own that forgets to say so."""
    for options in ({"index_mapping": "{}"}, {"index_template": "{}"}):
        body = read_body(data_stream=True, **options)
        assert isinstance(body, dict)
        assert body["data_stream"] == {}

    own = read_body(data_stream=True, index_template='{"data_stream":{"hidden":true}}')
    assert isinstance(own, dict)
    assert own["data_stream"] == {"hidden": True}


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


@pytest.mark.parametrize("text", ["{", '{"a":1}x', '{"a":', '{"a":' * 100_000, "[1]", "", "\0"])
def test_what_is_no_object(text: str):
    """Whatever is given, the message says what it is not."""
    with pytest.raises(ValueError, match=r"valid JSON|nested too deeply|can't be read"):
        json_object(text)


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
    """And left alone if it is there; what it was made of is told from its metadata."""
    body = {"priority": 7, "_meta": {"by": "me"}}
    server = Server((404, b""), (200, b"{}"))
    assert await apply_template(server.ask, "a", body) is Applied.MADE
    [asked, (method, path, made)] = server.asked
    assert (asked, method, path) == (("GET", "/_index_template/a", None), "PUT", "/_index_template/a")
    assert made
    sent = json.loads(made)
    assert sent == {**body, "_meta": {"by": "me", "streamhouse": sent["_meta"]["streamhouse"]}}
    assert await apply_template(Server((200, made)).ask, "a", body) is Applied.KEPT
    assert await apply_template(Server((200, made)).ask, "a", {"priority": 8}) is Applied.DIFFERENT
    assert await apply_template(Server((200, b"{}")).ask, "a", body) is Applied.DIFFERENT


async def test_opensearch_makes_indexes_as_its_settings_say():
    """It knows no word in a template for making them all the same."""
    server = Server((404, b""), (400, b"unknown field [allow_auto_create]"), (200, b"{}"))
    assert await apply_template(server.ask, "a", {"allow_auto_create": True, "priority": 1}) is Applied.MADE
    bodies = [json.loads(body) for _, _, body in server.asked[1:] if body]
    assert [sorted(body) for body in bodies] == [["_meta", "allow_auto_create", "priority"], ["_meta", "priority"]]


@pytest.mark.parametrize(
    ("answers", "remedy"),
    [([(403, b"no")], "right to manage index templates"), ([(404, b""), (400, b"no")], "correct what is wrong")],
)
async def test_a_template_that_is_refused(answers: list[tuple[int, bytes]], remedy: str):
    """The words of Elasticsearch, and the remedy."""
    with pytest.raises(FatalError, match=rf"index template a of .*: HTTP 40., no; .*{remedy}"):
        await apply_template(Server(*answers).ask, "a", {})


@pytest.mark.parametrize("answers", [[(503, b"no master")], [(404, b""), (429, b"busy")]])
async def test_a_cluster_that_is_not_ready_yet(answers: list[tuple[int, bytes]]):
    """It is asked again."""
    with pytest.raises(
        RetriableError, match=r"index template a can't be made for now: HTTP (503|429), (no master|busy)"
    ):
        await apply_template(Server(*answers).ask, "a", {})
